//! The trees of the store, how a row is read from them, and the one kind of transaction that writes them.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::de::DeserializeOwned;
use sled::transaction::{
    ConflictableTransactionError, TransactionError, Transactional as _, TransactionalTree, UnabortableTransactionError,
};
use sled::{Db, IVec, Tree};

pub(super) use super::shelf::Shelf;
use crate::disk::Headroom;
use crate::store::record::{self, Damage};
use crate::store::{StoreError, record::unreadable};

/// Rows longer than this are cut into pieces.
///
/// sled keeps up to 17 rows in a node, and a node over 128 KiB in a file of its own that it never syncs: a power cut would
/// take the rows of that whole node with it. Pieces keep every node well under that.
const LONGEST_PIECE: usize = 4096;

/// Where a row of this shelf is put aside.
fn aside_key(tree: Shelf, key: &[u8]) -> Vec<u8> {
    [&[tree as u8], key].concat()
}

/// What a transaction's closure fails with.
pub(super) type Abort = ConflictableTransactionError<StoreError>;

/// All trees.
#[derive(Clone)]
pub(super) struct Shelves {
    trees: Vec<Tree>,
    /// Whether a moment of the store is being read. Changed inside transactions only, which run one after another: each sees it as
    /// it is for the whole of it.
    is_frozen: Arc<AtomicBool>,
    /// One moment at a time, until it is forgotten.
    is_taken: Arc<AtomicBool>,
    /// Left to the engine, which does not bear being refused by the disk.
    headroom: Arc<Headroom>,
    /// The disk refused the engine all the same: what it has in memory may never get to the disk.
    is_refused: Arc<AtomicBool>,
}

impl fmt::Debug for Shelves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shelves")
    }
}

/// An error of the engine that is not about one row.
pub(super) fn engine(error: sled::Error) -> StoreError {
    let refusal = if let sled::Error::Io(error) = &error { StoreError::of_disk(error) } else { None };
    refusal.unwrap_or_else(|| StoreError::Engine(Box::new(error)))
}

/// An error of the engine while it read one row: damage is named, so that people know what is lost.
fn engine_at(tree: Shelf, key: &[u8], error: sled::Error) -> StoreError {
    match error {
        damage @ sled::Error::Corruption { .. } => unreadable(&tree.label(key), damage),
        other => engine(other),
    }
}

impl Shelves {
    /// Opens the trees, or makes them.
    pub(super) fn open(database: &Db, headroom: Arc<Headroom>) -> Result<Self, sled::Error> {
        let trees: Result<_, _> = Shelf::ALL.iter().map(|tree| database.open_tree(tree.as_str())).collect();
        let (is_frozen, is_taken, is_refused) = (Arc::default(), Arc::default(), Arc::default());
        Ok(Self { trees: trees?, is_frozen, is_taken, headroom, is_refused })
    }

    fn tree(&self, tree: Shelf) -> &Tree {
        &self.trees[tree as usize]
    }

    /// The value of a row.
    pub(super) fn read<T: DeserializeOwned>(&self, tree: Shelf, key: &[u8]) -> Result<Option<T>, StoreError> {
        self.row(tree, key)?.map(|row| record::decode(&tree.label(key), &row)).transpose()
    }

    /// The bytes of a row that was written with [`record::pack`].
    pub(super) fn payload(&self, tree: Shelf, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.row(tree, key)?.map(|row| record::unpack(&tree.label(key), &row)).transpose()
    }

    /// A value that is no row: an index entry's or a count.
    pub(super) fn value(&self, tree: Shelf, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        self.tree(tree).get(key).map_err(|error| engine_at(tree, key, error))
    }

    /// A row in one piece.
    fn row(&self, tree: Shelf, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        let mut stored = self.value(tree, key)?;
        while let Some(row) = stored {
            let Some(pointer) = Pointer::of(tree, key, &row)? else { return Ok(Some(row)) };
            if let Some(whole) = pointer.assemble(|piece| self.value(Shelf::Pieces, piece))? {
                return Ok(Some(whole.into()));
            }
            // Pieces disappear when the row is replaced while it is read; then there is a new row to read.
            stored = self.value(tree, key)?;
            if stored.as_ref() == Some(&row) {
                return Err(unreadable(&tree.label(key), Damage::MissingPiece));
            }
        }
        Ok(None)
    }

    /// Keys with this beginning that sort after `after`, in order.
    pub(super) fn keys_after(
        &self,
        tree: Shelf,
        prefix: Vec<u8>,
        after: Option<Vec<u8>>,
    ) -> impl Iterator<Item = Result<IVec, StoreError>> + use<> {
        let start = after.map_or_else(|| Bound::Included(prefix.clone()), Bound::Excluded);
        self.tree(tree)
            .range((start, Bound::Unbounded))
            .keys()
            .map(move |key| key.map_err(|error| engine_at(tree, b"", error)))
            .take_while(move |key| key.as_ref().map_or(true, |key| key.starts_with(&prefix)))
    }

    /// Keys with this beginning, in order.
    pub(super) fn keys(&self, tree: Shelf, prefix: Vec<u8>) -> impl Iterator<Item = Result<IVec, StoreError>> + use<> {
        self.keys_after(tree, prefix, None)
    }

    /// The last of the keys with this beginning.
    pub(super) fn last_key(&self, tree: Shelf, prefix: &[u8]) -> Result<Option<IVec>, StoreError> {
        let last = self.tree(tree).scan_prefix(prefix).keys().next_back();
        last.transpose().map_err(|error| engine_at(tree, prefix, error))
    }

    /// How many bytes a row takes, in pieces or not; none if there is no row.
    pub(super) fn weight(&self, tree: Shelf, key: &[u8]) -> Result<u64, StoreError> {
        Ok(self.row(tree, key)?.map_or(0, |row| row.len() as u64))
    }

    /// Keys that sort before `end`, in order.
    pub(super) fn keys_before(
        &self,
        tree: Shelf,
        end: Vec<u8>,
    ) -> impl Iterator<Item = Result<IVec, StoreError>> + use<> {
        self.tree(tree).range(..end).keys().map(move |key| key.map_err(|error| engine_at(tree, b"", error)))
    }

    /// All values whose keys have this beginning, in order.
    pub(super) fn read_all<T: DeserializeOwned>(&self, tree: Shelf, prefix: Vec<u8>) -> Result<Vec<T>, StoreError> {
        let mut values = Vec::new();
        for key in self.keys(tree, prefix) {
            values.extend(self.read(tree, &key?)?);
        }
        Ok(values)
    }

    /// Begins a moment: from now on whoever changes a row first puts aside what it was. `work` reads inside that moment.
    pub(super) fn freeze<T>(&self, work: impl Fn(&Draft<'_>) -> Result<T, Abort>) -> Result<T, StoreError> {
        if self.is_taken.swap(true, Ordering::SeqCst) {
            return Err(StoreError::Refused(
                "the store is being exported already; try again when that is done".to_owned(),
            ));
        }
        // What an earlier moment could not forget would be taken for this one's.
        let frozen = self.forget_aside().and_then(|()| {
            self.transact_anyway(|draft| {
                let read = work(draft)?;
                draft.is_frozen.store(true, Ordering::SeqCst);
                Ok(read)
            })
        });
        if frozen.is_err() {
            self.is_frozen.store(false, Ordering::SeqCst);
            self.is_taken.store(false, Ordering::SeqCst);
        }
        frozen
    }

    /// Ends the moment and forgets what was put aside for it.
    pub(super) fn thaw(&self) -> Result<(), StoreError> {
        self.transact_anyway(|draft| {
            draft.is_frozen.store(false, Ordering::SeqCst);
            Ok(())
        })?;
        let forgotten = self.forget_aside();
        self.is_taken.store(false, Ordering::SeqCst);
        forgotten
    }

    /// Forgets what was put aside, also what a crash left.
    fn forget_aside(&self) -> Result<(), StoreError> {
        for key in self.keys(Shelf::Aside, Vec::new()) {
            let key = key?;
            self.transact(|draft| draft.remove(Shelf::Aside, &key))?;
        }
        Ok(())
    }

    /// Keys of rows of this shelf that were put aside, after the given one.
    pub(super) fn aside_after(
        &self,
        tree: Shelf,
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = Result<Vec<u8>, StoreError>> + use<> {
        let after = after.map(|after| aside_key(tree, after));
        self.keys_after(Shelf::Aside, aside_key(tree, &[]), after)
            .map(|key| key.map(|key| key.get(1..).unwrap_or_default().to_vec()))
    }

    /// A row as it was at the moment that is being read. The present one is read first: if it changes after that, the one that was
    /// read is the one that is put aside.
    pub(super) fn row_of_the_moment(&self, tree: Shelf, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        let present = self.row(tree, key)?;
        match self.row(Shelf::Aside, &aside_key(tree, key))? {
            Some(row) if record::open("", &row).is_ok_and(|(codec, _)| codec == record::ABSENT) => Ok(None),
            Some(row) => Ok(Some(row)),
            None => Ok(present),
        }
    }

    /// Forgets everything but these facts about the installation.
    pub(super) fn forget_all_but(&self, kept: &[&[u8]]) -> Result<(), StoreError> {
        for shelf in Shelf::ALL.into_iter().filter(|shelf| *shelf != Shelf::Facts) {
            self.tree(shelf).clear().map_err(engine)?;
        }
        for key in self.keys(Shelf::Facts, Vec::new()) {
            let key = key?;
            if !kept.contains(&&key[..]) {
                self.transact(|draft| draft.remove(Shelf::Facts, &key))?;
            }
        }
        Ok(())
    }

    /// Runs `work` as one transaction over all trees: all of it happens, or nothing. It must not touch the trees but
    /// through the [`Draft`], which would wait for itself for ever.
    pub(super) fn transact<T>(&self, work: impl Fn(&Draft<'_>) -> Result<T, Abort>) -> Result<T, StoreError> {
        self.check_room()?;
        self.transact_anyway(work)
    }

    /// Whether the disk would take what is written.
    pub(super) fn check_room(&self) -> Result<(), StoreError> {
        if self.is_refused.load(Ordering::SeqCst) {
            return Err(StoreError::NoRoom("the disk has refused what was written before".into()));
        }
        self.headroom.check().map_err(|error| engine(sled::Error::Io(error)))
    }

    /// Whether the disk has refused the engine, whose memory is not to be believed any more.
    pub(super) fn is_refused(&self) -> bool {
        self.is_refused.load(Ordering::SeqCst)
    }

    /// Whether the disk has room now, whatever it had before.
    pub(super) fn has_headroom(&self) -> bool {
        self.headroom.check().is_ok()
    }

    /// Notes that a flush was refused.
    pub(super) fn refusals(&self) -> Arc<AtomicBool> {
        self.is_refused.clone()
    }

    /// A transaction that writes nothing, or must be tried whatever the disk says.
    fn transact_anyway<T>(&self, work: impl Fn(&Draft<'_>) -> Result<T, Abort>) -> Result<T, StoreError> {
        let is_frozen = &self.is_frozen;
        self.trees.as_slice().transaction(|trees| work(&Draft { trees, is_frozen })).map_err(|error| match error {
            TransactionError::Abort(error) => error,
            TransactionError::Storage(error) => {
                let error = engine(error);
                if error.is_disk_refusing() {
                    self.is_refused.store(true, Ordering::SeqCst);
                }
                error
            }
        })
    }
}

/// The trees inside a transaction.
pub(super) struct Draft<'trees> {
    trees: &'trees [TransactionalTree],
    is_frozen: &'trees AtomicBool,
}

/// Gives a transaction up with this error.
pub(super) fn abort(error: StoreError) -> Abort {
    ConflictableTransactionError::Abort(error)
}

impl Draft<'_> {
    fn tree(&self, tree: Shelf) -> &TransactionalTree {
        &self.trees[tree as usize]
    }

    /// A value that is no row: an index entry's or a count.
    pub(super) fn value(&self, tree: Shelf, key: &[u8]) -> Result<Option<IVec>, Abort> {
        self.tree(tree).get(key).map_err(|error| match error {
            UnabortableTransactionError::Storage(error) => abort(engine_at(tree, key, error)),
            conflict @ UnabortableTransactionError::Conflict => conflict.into(),
        })
    }

    /// The value of a row.
    pub(super) fn read<T: DeserializeOwned>(&self, tree: Shelf, key: &[u8]) -> Result<Option<T>, Abort> {
        let Some(mut row) = self.value(tree, key)? else { return Ok(None) };
        if let Some(pointer) = Pointer::of(tree, key, &row).map_err(abort)? {
            let whole = pointer.assemble(|piece| self.value(Shelf::Pieces, piece))?;
            row = whole.ok_or_else(|| abort(unreadable(&tree.label(key), Damage::MissingPiece)))?.into();
        }
        record::decode(&tree.label(key), &row).map(Some).map_err(abort)
    }

    /// Writes a row made by [`record::encode`] or [`record::pack`].
    pub(super) fn write(&self, tree: Shelf, key: &[u8], row: &[u8]) -> Result<(), Abort> {
        self.remove(tree, key)?;
        if row.len() <= LONGEST_PIECE {
            return self.set(tree, key, row);
        }
        let pieces = row.chunks(LONGEST_PIECE);
        let pointer = Pointer::new(pieces.len());
        for (key, piece) in pointer.keys().zip(pieces) {
            self.set(Shelf::Pieces, &key, piece)?;
        }
        self.set(tree, key, &pointer.row())
    }

    /// Removes a row, if there is one.
    pub(super) fn remove(&self, tree: Shelf, key: &[u8]) -> Result<(), Abort> {
        if tree.has_facts() && self.is_frozen.load(Ordering::SeqCst) {
            self.put_aside(tree, key)?;
        }
        let Some(row) = self.value(tree, key)? else { return Ok(()) };
        if let Some(pointer) = Pointer::of(tree, key, &row).map_err(abort)? {
            for piece in pointer.keys() {
                self.tree(Shelf::Pieces).remove(&piece[..])?;
            }
        }
        self.unset(tree, key)
    }

    /// Keeps a row as it is, unless it was kept before: somebody reads an earlier moment.
    fn put_aside(&self, tree: Shelf, key: &[u8]) -> Result<(), Abort> {
        let place = aside_key(tree, key);
        if self.value(Shelf::Aside, &place)?.is_some() {
            return Ok(());
        }
        let row = match self.value(tree, key)? {
            None => record::row(record::ABSENT, &[]).into(),
            Some(row) => match Pointer::of(tree, key, &row).map_err(abort)? {
                None => row,
                Some(pointer) => {
                    let whole = pointer.assemble(|piece| self.value(Shelf::Pieces, piece))?;
                    whole.ok_or_else(|| abort(unreadable(&tree.label(key), Damage::MissingPiece)))?.into()
                }
            },
        };
        self.write(Shelf::Aside, &place, &row)
    }

    /// Writes a value that is no row.
    pub(super) fn set(&self, tree: Shelf, key: &[u8], value: &[u8]) -> Result<(), Abort> {
        self.tree(tree).insert(key, value)?;
        Ok(())
    }

    /// Removes a value that is no row.
    pub(super) fn unset(&self, tree: Shelf, key: &[u8]) -> Result<(), Abort> {
        self.tree(tree).remove(key)?;
        Ok(())
    }

    /// Adds to what is counted under this key.
    pub(super) fn count(&self, key: &[u8], change: i64) -> Result<(), Abort> {
        let counted = count(self.value(Shelf::Counts, key)?.as_deref());
        self.set(Shelf::Counts, key, &counted.saturating_add_signed(change).to_be_bytes())
    }

    /// Adds to several counts.
    pub(super) fn count_all(&self, changes: &BTreeMap<Vec<u8>, i64>) -> Result<(), Abort> {
        changes.iter().filter(|(_, change)| **change != 0).try_for_each(|(key, change)| self.count(key, *change))
    }
}

/// The number in a value of [`Shelf::Counts`].
pub(super) fn count(value: Option<&[u8]>) -> u64 {
    value.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes)
}

/// What stands in place of a row that is kept in pieces.
struct Pointer {
    number: [u8; 16],
    pieces: u32,
}

impl Pointer {
    fn new(pieces: usize) -> Self {
        Self { number: uuid::Uuid::now_v7().into_bytes(), pieces: u32::try_from(pieces).unwrap_or(u32::MAX) }
    }

    /// Reads a stored row: `None` if it is the row itself.
    fn of(tree: Shelf, key: &[u8], row: &[u8]) -> Result<Option<Self>, StoreError> {
        let label = || tree.label(key);
        // The label is only made for an error; this is the path of every read.
        let (codec, place) = record::open("", row).or_else(|_| record::open(&label(), row))?;
        if codec != record::PIECES {
            return Ok(None);
        }
        match (place.first_chunk::<16>(), place.last_chunk::<4>()) {
            (Some(number), Some(pieces)) if place.len() == 20 => {
                Ok(Some(Self { number: *number, pieces: u32::from_be_bytes(*pieces) }))
            }
            _ => Err(unreadable(&label(), Damage::Short)),
        }
    }

    fn row(&self) -> Vec<u8> {
        record::row(record::PIECES, &[&self.number[..], &self.pieces.to_be_bytes()].concat())
    }

    fn keys(&self) -> impl Iterator<Item = [u8; 20]> + use<> {
        let number = self.number;
        (0..self.pieces).map(move |place| {
            let mut key = [0; 20];
            key[..16].copy_from_slice(&number);
            key[16..].copy_from_slice(&place.to_be_bytes());
            key
        })
    }

    /// Puts the pieces together; `None` if one is missing.
    fn assemble<E>(&self, piece: impl Fn(&[u8]) -> Result<Option<IVec>, E>) -> Result<Option<Vec<u8>>, E> {
        let mut whole = Vec::new();
        for key in self.keys() {
            let Some(piece) = piece(&key)? else { return Ok(None) };
            whole.extend_from_slice(&piece);
        }
        Ok(Some(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelves() -> Shelves {
        let database = sled::Config::new().temporary(true).open().unwrap();
        let headroom = Headroom::new(&std::env::temp_dir(), 0, Arc::new(crate::disk::SystemDisk));
        Shelves::open(&database, Arc::new(headroom)).unwrap()
    }

    #[test]
    fn every_shelf_has_its_own_tree() {
        assert!(Shelf::ALL.iter().enumerate().all(|(place, tree)| *tree as usize == place));
    }

    #[test]
    fn a_replaced_large_row_leaves_no_pieces_behind() {
        let shelves = shelves();
        let noise: Vec<u8> = (0..100_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
        let write = |bytes: &[u8]| {
            let row = record::row(record::PLAIN, bytes);
            shelves.transact(|draft| draft.write(Shelf::Dossiers, b"key", &row)).unwrap();
        };
        write(&noise);
        assert_eq!(shelves.payload(Shelf::Dossiers, b"key").unwrap().unwrap(), noise);
        assert_eq!(shelves.keys(Shelf::Pieces, Vec::new()).count(), 25);
        write(&noise[..50_000]);
        assert_eq!(shelves.payload(Shelf::Dossiers, b"key").unwrap().unwrap(), noise[..50_000]);
        assert_eq!(shelves.keys(Shelf::Pieces, Vec::new()).count(), 13);
        write(b"small");
        assert_eq!(shelves.keys(Shelf::Pieces, Vec::new()).count(), 0);
    }

    #[test]
    fn a_row_replaced_while_it_is_read_is_never_mixed() {
        let shelves = shelves();
        let write = |shelves: &Shelves, letter: u8| {
            let row = record::row(record::PLAIN, &vec![letter; 40_000]);
            shelves.transact(|draft| draft.write(Shelf::Listings, b"key", &row)).unwrap();
        };
        write(&shelves, b'a');
        let writer = std::thread::spawn({
            let shelves = shelves.clone();
            move || (0..200_u8).for_each(|turn| write(&shelves, turn))
        });
        while !writer.is_finished() {
            let read = shelves.payload(Shelf::Listings, b"key").unwrap().unwrap();
            assert!(read.len() == 40_000 && read.iter().all(|byte| *byte == read[0]));
        }
        writer.join().unwrap();
    }
}
