//! Runs of letters that known names have in common: what a slip makes is often unheard of.

use super::edits::Edit;

/// Letters of a run. Three are nearly all heard of, five nearly none.
const LENGTH: usize = 4;

/// Stand before the first letter of a name and after its last, because beginnings and ends have runs of their own.
const BEFORE: u8 = b'^';
const AFTER: u8 = b'$';

/// The runs of four letters that at least two known names have: one name alone, such as the one that is asked for, makes
/// nothing familiar.
#[derive(Debug, Default)]
pub(super) struct Runs {
    familiar: Vec<u32>,
}

impl Runs {
    /// Of names by their letters.
    pub(super) fn of<'a>(names: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut all: Vec<u32> = Vec::new();
        for letters in names {
            let mut runs: Vec<u32> = bounded(letters).windows(LENGTH).map(run).collect();
            // A name counts once, however often it has a run.
            runs.sort_unstable();
            runs.dedup();
            all.append(&mut runs);
        }
        all.sort_unstable();
        let mut familiar: Vec<u32> = all.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        familiar.dedup();
        familiar.shrink_to_fit();
        Self { familiar }
    }

    /// How many runs around the edits that led to this name are not familiar.
    pub(super) fn unheard(&self, letters: &[u8], edits: &[Edit]) -> usize {
        let touched = |start: usize| edits.iter().any(|edit| touches(*edit, start));
        let runs = bounded(letters);
        let unheard = runs
            .windows(LENGTH)
            .enumerate()
            .filter(|(start, letters)| touched(*start) && self.familiar.binary_search(&run(letters)).is_err());
        unheard.count()
    }

    /// How many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.familiar.as_slice())
    }
}

/// Whether the run that starts at this place, the mark in front counted, shows the edit.
fn touches(edit: Edit, start: usize) -> bool {
    let (first, last) = match edit {
        Edit::Replaced(_, here) | Edit::Added(_, here) => (here + 1, here + 1),
        // Either of the two letters.
        Edit::Swapped(_, here) => return start <= here + 2 && here + 1 < start + LENGTH,
        // Both letters that came together.
        Edit::Missing(_, here) => (here, here + 1),
    };
    start <= first && last < start + LENGTH
}

fn bounded(letters: &[u8]) -> Vec<u8> {
    let mut bounded = Vec::with_capacity(letters.len() + 2);
    bounded.push(BEFORE);
    bounded.extend_from_slice(letters);
    bounded.push(AFTER);
    bounded
}

/// Four letters are one number.
fn run(letters: &[u8]) -> u32 {
    letters.iter().fold(0, |run, letter| run << 8 | u32::from(*letter))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::corpus::edits;

    fn unheard(known: &[&str], target: &str, name: &str) -> usize {
        let runs = Runs::of(known.iter().map(|name| name.as_bytes()));
        let edits = edits::between(target.as_bytes(), name.as_bytes(), 2).unwrap();
        runs.unheard(name.as_bytes(), &edits)
    }

    #[test]
    fn only_runs_around_an_edit_are_looked_at() {
        let known = ["format", "formats", "reformat", "formal"];
        assert_eq!(unheard(&known, "format", "formap"), 2, "rmap and map$; orma was heard before");
        assert_eq!(unheard(&known, "format", "fformat"), 2, "^ffo and ffor; form was heard before");
        assert_eq!(unheard(&known, "formats", "format"), 0, "mat$ ends names");
        assert_eq!(unheard(&known, "format", "fromat"), 4, "^fro, from, roma and omat");
    }

    #[test]
    fn what_one_name_alone_has_is_unheard_of() {
        assert_eq!(unheard(&["zigzug"], "zigzag", "zigzug"), 3, "igzu, gzug and zug$");
        assert_eq!(unheard(&["zigzug", "zigzugs"], "zigzag", "zigzug"), 1, "only one of them ends there");
        assert_eq!(unheard(&["zigzug", "zigzugs", "bigzug"], "zigzag", "zigzug"), 0);
        assert_eq!(unheard(&["aaaaaaaa"], "aaaa", "aaaaa"), 2, "a name counts once, however often it has a run");
        assert_eq!(unheard(&[], "a", "b"), 0, "too short for a run");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn an_edit_shows_in_five_runs_at_most(
            known in proptest::collection::vec("[abc]{0,9}", 0..9), target in "[abc]{0,9}", name in "[abc]{0,9}"
        ) {
            let runs = Runs::of(known.iter().map(String::as_bytes));
            let edits = edits::between(target.as_bytes(), name.as_bytes(), 2).unwrap_or_default();
            let unheard = runs.unheard(name.as_bytes(), &edits);
            prop_assert!(unheard <= edits.len() * (LENGTH + 1));
            let more = Runs::of(known.iter().map(String::as_bytes).chain([name.as_bytes(), name.as_bytes()]));
            prop_assert_eq!(more.unheard(name.as_bytes(), &edits), 0, "what two names have is heard of");
        }
    }
}
