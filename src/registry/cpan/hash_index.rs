//! From a key to the rows of a table that have it, in eight bytes a row: the keys themselves stay in the table's text.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher as _, Hash};

/// No row.
const NONE: u32 = u32::MAX;

/// Chains of row numbers. What it finds only *may* have the key: the caller compares.
pub(super) struct HashIndex {
    /// The last row put into each bucket.
    last: Box<[u32]>,
    /// The row before, in the same bucket.
    before: Vec<u32>,
    /// Seeded, so that nobody can choose keys that all meet in one bucket.
    hasher: RandomState,
}

impl HashIndex {
    pub(super) fn with_capacity(rows: usize) -> Self {
        let buckets = rows.max(1).next_power_of_two();
        Self { last: vec![NONE; buckets].into(), before: Vec::with_capacity(rows), hasher: RandomState::new() }
    }

    /// Adds the next row, whose number is how many were added before.
    pub(super) fn push(&mut self, key: impl Hash) {
        self.push_into(self.bucket(key));
    }

    fn push_into(&mut self, bucket: usize) {
        if let (Some(last), Ok(row)) = (self.last.get_mut(bucket), u32::try_from(self.before.len())) {
            self.before.push(std::mem::replace(last, row));
        }
    }

    /// Adds the next row, and says whether it is the first with its key: `is_same` compares.
    pub(super) fn push_first(&mut self, key: impl Hash, mut is_same: impl FnMut(u32) -> bool) -> bool {
        let bucket = self.bucket(key);
        let is_first = !self.in_bucket(bucket).any(&mut is_same);
        self.push_into(bucket);
        is_first
    }

    /// The rows that may have this key, newest first.
    pub(super) fn candidates(&self, key: impl Hash) -> impl Iterator<Item = u32> {
        self.in_bucket(self.bucket(key))
    }

    fn in_bucket(&self, bucket: usize) -> impl Iterator<Item = u32> {
        let row_at = |row: u32| Some(row).filter(|row| *row != NONE);
        let first = self.last.get(bucket).copied();
        std::iter::successors(first.and_then(row_at), move |row| {
            self.before.get(*row as usize).copied().and_then(row_at)
        })
    }

    #[expect(clippy::cast_possible_truncation, reason = "the bits that are cut off are masked out anyway")]
    fn bucket(&self, key: impl Hash) -> usize {
        self.hasher.hash_one(key) as usize & (self.last.len() - 1)
    }
}

impl fmt::Debug for HashIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashIndex").field("rows", &self.before.len()).finish_non_exhaustive()
    }
}

/// A key that is compared without regard to ASCII case.
pub(super) struct Caseless<'a>(pub(super) &'a str);

impl Hash for Caseless<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let mut lower = [0; 32];
        for chunk in self.0.as_bytes().chunks(lower.len()) {
            let lower = &mut lower[..chunk.len()];
            lower.copy_from_slice(chunk);
            lower.make_ascii_lowercase();
            state.write(lower);
        }
        state.write_u8(0xff);
    }
}
