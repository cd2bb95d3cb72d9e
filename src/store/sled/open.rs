//! Opening and founding a store, and what is done about the one kind of damage that is known and harmless.

use std::fs::{self, File};
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use sled::{Config, Db};

use super::flusher::Flusher;
use super::import::IMPORTING;
use super::instance::{INSTANCE, ROWS};
use super::mend::Mending;
use super::shelves::{Shelf, Shelves, engine};
use super::{House, Shared, SledStore};
use crate::disk::{Disk, Headroom, SystemDisk};
use crate::durable;
use crate::store::{StoreError, record};

/// Memory for pages; sled's own default is a gibibyte.
const CACHE_BYTES: u64 = 32 << 20;

/// Left free on the disk: the engine does not bear being refused, and what was written before must still get there.
pub const RESERVE: u64 = 16 << 20;

/// How often a store that is locked is tried again: a process that just ended, or a clone that is just being dropped, may
/// still have it open.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

impl SledStore {
    /// Opens the store in this folder, or founds one there. Blocks.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_on(path, Arc::new(SystemDisk), RESERVE)
    }

    /// Opens the store in this folder; nothing is written where its disk has less room than this. Blocks.
    pub fn open_on(path: &Path, disk: Arc<dyn Disk>, reserve: u64) -> Result<Self, StoreError> {
        let store = Self::open_even_if(path, disk, reserve)?;
        if store.shared.with(|house| house.shelves.value(Shelf::Facts, IMPORTING))?.is_some() {
            return Err(StoreError::Refused(format!(
                "the store in {} holds half an import, because that did not come to its end: `lazaret import` it again",
                path.display()
            )));
        }
        Ok(store)
    }

    /// Opens the store in this folder in order to replace all that is in it; also one that holds half an import. Blocks.
    pub fn open_for_import(path: &Path) -> Result<Self, StoreError> {
        Self::open_even_if(path, Arc::new(SystemDisk), RESERVE)
    }

    fn open_even_if(path: &Path, disk: Arc<dyn Disk>, reserve: u64) -> Result<Self, StoreError> {
        if is_unused(path).map_err(io_failure)? {
            found_whole(path, Headroom::new(&durable::beside(path), reserve, disk.clone()))?;
        }
        let folder = path.to_owned();
        let open = move || open_house(&folder, Arc::new(Headroom::new(&folder, reserve, disk.clone())));
        Ok(Self::sharing(open()?, path.to_owned(), Box::new(open)))
    }

    fn sharing(house: House, path: PathBuf, open: Box<dyn Fn() -> Result<House, StoreError> + Send + Sync>) -> Self {
        Self { shared: Arc::new(Shared { house: RwLock::new(Some(house)), path, mending: Mending::new(open) }) }
    }

    /// A store for tests: in a folder of its own that is deleted with the last clone, and never synced.
    pub fn temporary() -> Result<Self, StoreError> {
        let path = std::env::temp_dir().join(format!("lazaret-{}", uuid::Uuid::now_v7()));
        let database = Config::new().path(&path).temporary(true).cache_capacity(CACHE_BYTES).open().map_err(engine)?;
        let headroom = Arc::new(Headroom::new(&path, 0, Arc::new(SystemDisk)));
        let house = House::start(&database, &path, false, headroom)?;
        let gone = || Err(StoreError::Refused("a temporary store is not opened again".to_owned()));
        Ok(Self::sharing(house, path, Box::new(gone)))
    }
}

/// Opens the database in this folder.
fn open_house(path: &Path, headroom: Arc<Headroom>) -> Result<House, StoreError> {
    if !has_data(path) {
        let path = path.display();
        return Err(StoreError::Refused(format!(
            "the store in {path} has lost its data file {path}/db: put the whole folder back from a backup, or move it away \
             and restore the last export with `lazaret import`"
        )));
    }
    // sled panics about some damage instead of naming it.
    let opening = AssertUnwindSafe(|| open_there(path, headroom));
    std::panic::catch_unwind(opening).unwrap_or_else(|_| Err(damaged(path, &"sled cannot read it")))
}

fn open_there(path: &Path, headroom: Arc<Headroom>) -> Result<House, StoreError> {
    // What a killed process wrote may be in memory only. sled keeps what it finds there for certain, and would not find it
    // again after a power cut.
    sync_all(path).map_err(io_failure)?;
    let config = config(path);
    let database = match open_locked(&config, path) {
        Err(sled::Error::Corruption { at: None, .. }) => {
            set_snapshots_aside(path).map_err(io_failure)?;
            open_locked(&config, path)
        }
        outcome => outcome,
    };
    House::start(&database.map_err(|error| refusal(path, error))?, path, true, headroom)
}

impl House {
    fn start(database: &Db, path: &Path, is_synced: bool, headroom: Arc<Headroom>) -> Result<Self, StoreError> {
        let shelves = Shelves::open(database, headroom).map_err(|error| refusal(path, error))?;
        let synced = is_synced.then_some(path);
        let files = synced.map(Files::open).transpose().map_err(io_failure)?;
        let flush = {
            let database = database.clone();
            move || {
                database.flush()?;
                // sled only calls sync_file_range, which neither empties the disk's own cache nor writes the file's length.
                files.as_ref().map_or(Ok(()), Files::sync).map_err(sled::Error::from)
            }
        };
        check_rows(&shelves)?;
        if found(&shelves)? {
            flush().map_err(engine)?;
        }
        let flusher = Flusher::start(flush, shelves.refusals())?;
        Ok(Self { flusher, shelves })
    }
}

fn config(path: &Path) -> Config {
    Config::new().path(path).cache_capacity(CACHE_BYTES)
}

/// Founds a store beside its place and puts it there when it is whole and on disk: what an end in between leaves is no store.
fn found_whole(path: &Path, headroom: Headroom) -> Result<(), StoreError> {
    let beside = durable::beside(path);
    if beside.exists() {
        fs::remove_dir_all(&beside).map_err(io_failure)?;
    }
    durable::make_folder(&beside).map_err(io_failure)?;
    let database = open_locked(&config(&beside), path).map_err(engine)?;
    found(&Shelves::open(&database, Arc::new(headroom)).map_err(engine)?)?;
    database.flush().map_err(engine)?;
    drop(database);
    sync_all(&beside).map_err(io_failure)?;
    fs::rename(&beside, path).map_err(io_failure)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    durable::sync_folder(parent).map_err(io_failure)
}

/// Whether nothing was ever put there.
fn is_unused(path: &Path) -> io::Result<bool> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whether the file is there without which sled would begin anew.
fn has_data(path: &Path) -> bool {
    fs::metadata(path.join("db")).is_ok_and(|data| data.len() > 0)
}

/// Makes all files of the store durable, and their names.
fn sync_all(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        File::open(entry?.path())?.sync_all()?;
    }
    durable::sync_folder(path)
}

fn io_failure(error: io::Error) -> StoreError {
    StoreError::Engine(Box::new(error))
}

/// What must be on disk for a write to survive a power cut.
struct Files {
    data: File,
}

impl Files {
    /// Opens sled's data file beside sled, and makes sure that the folder's own entries are on disk.
    fn open(path: &Path) -> io::Result<Self> {
        File::open(path.join("conf"))?.sync_all()?;
        File::open(path)?.sync_all()?;
        if let Some(parent) = path.canonicalize()?.parent() {
            File::open(parent)?.sync_all()?;
        }
        Ok(Self { data: File::open(path.join("db"))? })
    }

    fn sync(&self) -> io::Result<()> {
        self.data.sync_all()
    }
}

/// Refuses a store in which a newer lazaret has written rows that this one would misread, before anything is read or written; and
/// notes which rows are written from now on. Stores of before this was noted have rows of version 1.
fn check_rows(shelves: &Shelves) -> Result<(), StoreError> {
    let noted = shelves.value(Shelf::Facts, ROWS)?.and_then(|noted| noted.first().copied());
    match noted {
        Some(found) if found > record::VERSION => Err(StoreError::TooNew { found, known: record::VERSION }),
        Some(found) if found == record::VERSION => Ok(()),
        _ => shelves.transact(|draft| draft.set(Shelf::Facts, ROWS, &[record::VERSION])),
    }
}

/// Gives a new store its id, and nothing else. Says whether it was new.
fn found(shelves: &Shelves) -> Result<bool, StoreError> {
    if shelves.read::<String>(Shelf::Facts, INSTANCE)?.is_some() {
        return Ok(false);
    }
    if shelves.keys(Shelf::Ledger, Vec::new()).next().is_some() {
        return Err(StoreError::Refused(
            "the store has a ledger but has lost its id: restore it with `lazaret import` from an export".to_owned(),
        ));
    }
    let row = record::encode(&uuid::Uuid::now_v7().to_string())?;
    shelves.transact(|draft| draft.write(Shelf::Facts, INSTANCE, &row))?;
    Ok(true)
}

/// Opens, and has patience with a lock.
fn open_locked(config: &Config, path: &Path) -> Result<Db, sled::Error> {
    let mut tries = 1;
    loop {
        match config.open() {
            Err(error) if tries < LOCK_TRIES && is_locked(&error) => {
                tracing::debug!(path = %path.display(), "the store is locked, trying again");
                tries += 1;
                std::thread::sleep(LOCK_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// sled has no error of its own for this, only a text.
fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

fn damaged(path: &Path, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Refused(format!(
        "the store in {} is damaged ({why}): move it away and restore the last export with `lazaret import`; see Store in RUNBOOK.md",
        path.display()
    ))
}

fn refusal(path: &Path, error: sled::Error) -> StoreError {
    let shown = path.display();
    match error {
        locked if is_locked(&locked) => StoreError::Refused(format!(
            "the store in {shown} is in use by another lazaret: stop that one, or give this one a data_dir of its own"
        )),
        sled::Error::Corruption { .. } | sled::Error::ReportableBug(_) => damaged(path, &error),
        sled::Error::Unsupported(why) => StoreError::Refused(format!("the store in {shown} cannot be opened: {why}")),
        other => engine(other),
    }
}

/// sled's snapshot files only make opening faster; one that was cut off by an abrupt stop keeps the store shut, although
/// nothing is lost: <https://github.com/spacejam/sled/issues/1533>.
fn set_snapshots_aside(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with("snap.")) else { continue };
        let aside = path.join(format!("set-aside.{name}"));
        tracing::warn!(
            snapshot = %entry.path().display(), aside = %aside.display(),
            "the store's snapshot file is damaged; it is set aside and the store is recovered from its log"
        );
        metrics::counter!("lazaret_store_snapshots_set_aside_total").increment(1);
        fs::rename(entry.path(), aside)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lazaret_is_told_that_the_store_is_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let first = SledStore::open(folder.path()).unwrap();
        let refused = SledStore::open(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("in use by another lazaret"), "{refused}");
        drop(first);
        SledStore::open(folder.path()).unwrap();
    }

    #[test]
    fn a_founding_that_was_cut_off_is_no_store_and_a_store_without_its_data_is_not_founded_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        fs::create_dir(durable::beside(&path)).unwrap();
        fs::write(durable::beside(&path).join("conf"), "half").unwrap();
        drop(SledStore::open(&path).unwrap());
        assert!(!durable::beside(&path).exists());

        for _ in 0..2 {
            fs::write(path.join("db"), "").unwrap();
            let refused = SledStore::open(&path).unwrap_err().to_string();
            assert!(refused.contains("lost its data file") && refused.contains("lazaret import"), "{refused}");
        }
    }

    #[test]
    fn damage_that_is_not_the_snapshots_refuses_and_names_the_way_back() {
        let folder = tempfile::tempdir().unwrap();
        drop(SledStore::open(folder.path()).unwrap());
        fs::write(folder.path().join("conf"), "segment_size: many\nversion: none\nxxxx").unwrap();
        let refused = SledStore::open(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("lazaret import"), "{refused}");
    }
}
