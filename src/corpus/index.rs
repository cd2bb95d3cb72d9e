//! Forms of names by their hashes: a sorted list instead of a map of strings, so that 15,000 names take a few megabytes.
//!
//! Two names are at most N edits apart only if they share a form made by leaving out at most N letters of each
//! ([symmetric deletion](https://wolfgarbe.medium.com/1000x-faster-spelling-correction-algorithm-2012-8701fcd87a5f)).

/// What is hashed of a name. One index holds all forms.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// Its letters.
    Letters,
    /// Its letters without none, one or two of them.
    Edited,
    /// What it looks like.
    Looks,
    /// Its words, sorted.
    Words,
    /// Its letters without affixes.
    Stripped,
}

/// The upper bits of a hash say where in the list to look.
const DIRECTORY_BITS: u32 = 16;

/// Names, by number, under the hashes of their forms. Different forms may share a hash, so what is found must be checked.
pub(super) struct Index {
    /// Where the hashes with these upper bits start.
    directory: Vec<u32>,
    entries: Vec<(u32, u32)>,
}

impl Index {
    /// An index of these hashes and numbers.
    pub(super) fn of(mut entries: Vec<(u32, u32)>) -> Self {
        entries.sort_unstable();
        entries.dedup();
        entries.shrink_to_fit();
        let mut directory = Vec::with_capacity((1 << DIRECTORY_BITS) + 1);
        for bits in 0..=(1_u64 << DIRECTORY_BITS) {
            let first = entries.partition_point(|(hash, _)| u64::from(hash >> (32 - DIRECTORY_BITS)) < bits);
            directory.push(u32::try_from(first).unwrap_or(u32::MAX));
        }
        Self { directory, entries }
    }

    /// The names that may have a form with this hash.
    pub(super) fn find(&self, form: u32) -> impl Iterator<Item = u32> {
        let bits = (form >> (32 - DIRECTORY_BITS)) as usize;
        let (start, end) = (self.directory[bits] as usize, self.directory[bits + 1] as usize);
        self.entries[start..end].iter().filter(move |(hash, _)| *hash == form).map(|(_, id)| *id)
    }

    /// How many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.directory.as_slice()) + size_of_val(self.entries.as_slice())
    }
}

const BASE: u64 = 0x0100_0000_01b3;

/// Hashes any piece of a text, or pieces joined, without reading it again.
pub(super) struct Pieces {
    upto: Vec<u64>,
    powers: Vec<u64>,
}

impl Pieces {
    pub(super) fn of(text: &[u8]) -> Self {
        let (mut upto, mut powers) = (vec![0_u64], vec![1_u64]);
        for (at, byte) in text.iter().enumerate() {
            upto.push(upto[at].wrapping_mul(BASE).wrapping_add(u64::from(*byte) + 1));
            powers.push(powers[at].wrapping_mul(BASE));
        }
        Self { upto, powers }
    }

    fn len(&self) -> usize {
        self.upto.len() - 1
    }

    fn raw(&self, start: usize, end: usize) -> u64 {
        self.upto[end].wrapping_sub(self.upto[start].wrapping_mul(self.powers[end - start]))
    }

    fn join(&self, before: u64, start: usize, end: usize) -> u64 {
        before.wrapping_mul(self.powers[end - start]).wrapping_add(self.raw(start, end))
    }

    /// The hash of the piece from `start` to `end`.
    pub(super) fn piece(&self, form: Form, start: usize, end: usize) -> u32 {
        finish(form, self.raw(start, end))
    }

    /// Calls with the hash of the text and of the text without each of its letters, and without each two if `twice`.
    pub(super) fn each_edited(&self, twice: bool, mut found: impl FnMut(u32)) {
        let end = self.len();
        found(finish(Form::Edited, self.raw(0, end)));
        for first in 0..end {
            let before = self.raw(0, first);
            found(finish(Form::Edited, self.join(before, first + 1, end)));
            if twice {
                for second in first + 1..end {
                    let middle = self.join(before, first + 1, second);
                    found(finish(Form::Edited, self.join(middle, second + 1, end)));
                }
            }
        }
    }
}

/// The hash of a form of a name.
pub(super) fn hash(form: Form, text: &[u8]) -> u32 {
    let raw = text.iter().fold(0_u64, |state, byte| state.wrapping_mul(BASE).wrapping_add(u64::from(*byte) + 1));
    finish(form, raw)
}

/// Spreads the bits and takes the upper half. Collisions cost a comparison, nothing else.
fn finish(form: Form, raw: u64) -> u32 {
    let salted = raw ^ (form as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (salted ^ (salted >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((mixed ^ (mixed >> 32)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 32) as u32
}
