//! What pip (the newest and 23.2.1), uv and poetry really do and print, in front of a fake index.
//!
//! They are put into `target/client-tools` by `scripts/client-tools`. Every row of the project's notes on the protocol that
//! the design relies on has its test here, because it is the stock client's words that a developer sees.

mod decisions;
mod families;
mod installs;
mod internal_names;
mod locks;
mod workshop;

pub(crate) use workshop::{Client, Workshop};
