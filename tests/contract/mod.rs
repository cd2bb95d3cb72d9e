//! What every implementation of a trait must do: one suite, run against each.

mod blobs;
mod store;
