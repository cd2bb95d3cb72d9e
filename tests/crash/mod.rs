//! Promises 1 to 4 when the program or the power ends at any moment: what was acknowledged is there afterwards, what was not
//! released is not served, and nobody has to help.
//!
//! `kills` ends the real program under a mixed load, again and again. `power_cuts` writes down every call with which the real
//! program changes its files, and builds from that what a disk may hold after a cut at any moment: all that was synced, and of
//! the rest as little or as much as chance wills. `damage` breaks single files of the store.
//!
//! `LAZARET_CRASH_CYCLES=200` runs more cycles than the usual 20; `LAZARET_CRASH_SEED` repeats a run's choices, as far as
//! the machine's own timing lets it.

mod damage;
mod disk;
mod half_kept;
mod harbour;
mod inspection;
mod kills;
mod load;
mod power_cuts;
mod record;
mod witness;

use std::path::Path;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// A start takes much less, but machines that test do much else.
const A_START: Duration = Duration::from_mins(1);

/// How often the program or the power ends.
fn cycles() -> usize {
    setting("LAZARET_CRASH_CYCLES").unwrap_or(20)
}

/// Where chance comes from; said, so that a failure can be looked for again.
fn chance() -> StdRng {
    let seed = setting("LAZARET_CRASH_SEED").unwrap_or_else(rand::random);
    println!("LAZARET_CRASH_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

/// Lists of well-known names that are read in no time: a start of a debug build spends a second on the real ones.
fn know_few_names(folder: &Path) {
    let names = folder.join("lazaret-data/names");
    std::fs::create_dir_all(&names).expect("a folder");
    let list: String = (0..120).map(|number| format!("hawser{number}\n")).collect();
    for ecosystem in ["pypi", "cpan", "teapot"] {
        std::fs::write(names.join(format!("{ecosystem}.txt")), &list).expect("a file");
    }
}

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}
