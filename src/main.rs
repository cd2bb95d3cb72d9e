//! The `lazaret` program.

fn main() {}
