//! The doors: what clients and reviewers see. Everything behind them knows no status code.

pub mod admin;
mod error;
mod extract;
mod framing;
pub mod layers;
pub mod package;
pub mod porter;
pub mod serve;
pub mod teapot;
pub mod tls;
mod visitor;
