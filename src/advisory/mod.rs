//! What is publicly known against releases: advisories in [OSV's format](https://ossf.github.io/osv-schema/), found by project.
//!
//! A record comes in as bounded bytes ([`osv::read`]), becomes one [`Advisory`] for each project it speaks of, and
//! [`Advisories`] joins what several databases say of one thing. Nothing here asks a network or a clock.

mod database;
mod error;
mod index;
mod line;
mod loading;
pub mod osv;
mod record;
mod span;
#[cfg(test)]
mod tests;

pub use self::database::Database;
pub use self::error::AdvisoryError;
pub use self::index::Advisories;
pub use self::loading::{COMPLAINTS_KEPT, Loaded, MOST_BYTES, MOST_KEPT, MOST_RECORDS};
pub use self::record::{Advisory, AdvisoryKind};
