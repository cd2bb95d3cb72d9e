//! The one integration test binary: stories over HTTP, real package clients, and the arrows between the rooms.
#![expect(
    clippy::disallowed_methods,
    reason = "tests start programs and read the environment to keep it away from them"
)]
#![expect(clippy::format_push_string, clippy::format_collect, reason = "a test's text need not be put together fast")]

// cfg(test) tells clippy that the helpers in here are tests too.
#[cfg(test)]
mod arrows;
#[cfg(test)]
mod attack;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod common;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod live;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod parity;
#[cfg(test)]
mod security_page;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod teapot_doubles;
