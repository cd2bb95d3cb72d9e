//! What the house costs: `cargo bench` prints a table of each room's times and, below it, the figures that have a limit.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures, prints, and has nobody to excuse itself to"
)]

mod files;
mod names;
mod pages;
mod support;

fn main() {
    divan::main();
    if std::env::args().any(|argument| argument == "--bench") {
        pages::tell();
        files::tell();
        names::tell();
    }
    support::World::clean_up();
}
