//! The one integration test binary.

// cfg(test) tells clippy that the helpers in here are tests too.
#[cfg(test)]
mod contract;
