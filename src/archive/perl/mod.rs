//! Perl distributions: which packages an archive ships, and what its scripts do by themselves.

mod bundled;
mod facts;
mod here_documents;
mod ordinary;
mod packages;
mod quotes;
mod scope;
mod scripts;
mod survey;
#[cfg(test)]
mod tests;
mod tokens;
mod words;

pub use self::facts::{PerlFacts, RunsAt, ScriptFact, ScriptFactKind, ShippedPackage};
pub(super) use self::survey::{LONGEST_EXAMINED, PerlSurvey, Place, place_of};
