//! Asking other indexes: bounded, conditional, retried, and only where we are allowed to go. Whatever comes back is hostile.

mod address;
pub mod allowed_hosts;
pub mod bounded_body;
pub mod breaker;
pub mod client;
pub mod conditional;
pub mod credentials;
mod dial;
pub mod error;
pub mod files;
pub mod freshness;
pub mod heads;
mod inflate;
mod lanes;
mod netrc;
pub mod pages;
mod resolver;
mod retry;
pub mod single_flight;
#[cfg(test)]
mod tests;
mod token_command;

pub use allowed_hosts::AllowedHosts;
pub use bounded_body::FileBody;
pub use breaker::BreakerState;
pub use client::{ClientIdentity, ClientSettings, Upstream};
pub use conditional::Validators;
pub use credentials::{Credentials, Secret};
pub use error::{Phase, UpstreamError};
pub use files::{FileAnswer, FileRequest};
pub use freshness::clock_skew;
pub use heads::{Head, HeadRequest};
pub use pages::{FreshPage, PageAnswer, PageRequest, count_unreadable};
pub use single_flight::{FlightLost, SingleFlight};
