//! Forms of names by their hashes: a sorted list instead of a map of strings, so that 15,000 names take three megabytes.
//!
//! Two names are at most one edit apart only if they share a form: the name itself or the name without one character
//! ([symmetric deletion](https://wolfgarbe.medium.com/1000x-faster-spelling-correction-algorithm-2012-8701fcd87a5f)).

use super::neighbour::without_separators;

/// Names, by number, under the hashes of their forms. Different forms may share a hash, so what is found must be checked.
pub(super) struct Index {
    entries: Vec<(u64, u32)>,
}

impl Index {
    /// An index of names 0, 1, 2 and so on, given as the hashes of their forms.
    pub(super) fn of<F: IntoIterator<Item = u64>>(names: impl Iterator<Item = F>) -> Self {
        let mut entries: Vec<(u64, u32)> =
            (0..).zip(names).flat_map(|(id, forms)| forms.into_iter().map(move |form| (form, id))).collect();
        entries.sort_unstable();
        entries.dedup();
        entries.shrink_to_fit();
        Self { entries }
    }

    /// The names that may have a form with this hash.
    pub(super) fn find(&self, form: u64) -> impl Iterator<Item = u32> {
        let start = self.entries.partition_point(|(hash, _)| *hash < form);
        self.entries[start..].iter().take_while(move |(hash, _)| *hash == form).map(|(_, id)| *id)
    }
}

/// The hash of a name as it is.
pub(super) fn whole(name: &str) -> u64 {
    hash(name.bytes())
}

/// The hash of a name without separators.
pub(super) fn compact(name: &str) -> u64 {
    hash(without_separators(name))
}

/// The hashes of a name as it is and of the name without each of its characters.
pub(super) fn edits(name: &str) -> impl Iterator<Item = u64> {
    let without = name.char_indices().map(|(start, letter)| {
        let (before, after) = (&name[..start], &name[start + letter.len_utf8()..]);
        hash(before.bytes().chain(after.bytes()))
    });
    std::iter::once(whole(name)).chain(without)
}

/// FNV-1a: short, quick for short texts, and the same everywhere. Collisions cost a comparison, nothing else.
fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
