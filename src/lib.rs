//! lazaret: a quarantining package registry proxy. The map of the house is in `ARCHITECTURE.md`.

pub mod advisory;
pub mod archive;
pub mod attest;
pub mod blob;
pub mod cli;
pub mod config;
pub mod corpus;
pub mod disk;
pub mod domain;
pub mod durable;
pub mod house;
pub mod http;
pub mod jobs;
pub mod lockfile;
pub mod marker;
pub mod policy;
pub mod quarantine;
pub mod registry;
pub mod restore;
pub mod seal;
mod sign_in;
pub mod signals;
pub mod store;
pub mod telemetry;
pub mod transfer;
pub mod upstream;
