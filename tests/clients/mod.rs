//! What pip (the newest and 23.2.1), uv and poetry, and cpanm, cpan and carton really do and print, in front of a fake index.
//!
//! `scripts/client-tools` puts the first into `target/client-tools` and installs the others as Debian has them. Every row of the project's notes on the protocol that
//! the design relies on has its test here, because it is the stock client's words that a developer sees.

mod commuter;
mod decisions;
mod families;
mod installs;
mod internal_names;
mod locks;
mod perl_direct;
mod perl_held;
mod perl_workshop;
mod scripted_cpm;
mod workshop;

pub(crate) use perl_workshop::{Backend, PerlClient, PerlWorkshop};
pub(crate) use scripted_cpm::ScriptedCpm;
pub(crate) use workshop::{Client, Workshop};
