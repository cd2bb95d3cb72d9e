//! What is seen in a name and a known name side by side.

use super::edits::Edit;
use super::fold::begins_grown;
use super::sign::{Sign, Signs};
use super::{Confusion, Known, Renown};
use crate::domain::Ecosystem;

/// Letters that are easily taken for one another, beyond what UTS 39 calls the same.
const ALIKE: [&[u8]; 9] = [b"il1j", b"o0", b"gq9", b"uv", b"s5", b"z2", b"b6", b"mn", b"ce"];

/// The rows of a keyboard, each half a key further right.
const KEYBOARD: [&[u8]; 4] = [b"1234567890", b"qwertyuiop", b"asdfghjkl", b"zxcvbnm"];

/// More than a hundred names around one say no more.
const MOST_SOUGHT: f64 = 2.0;

/// A name that is looked at: folded, and its letters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub folded: &'a str,
    pub letters: &'a [u8],
}

impl Asked<'_> {
    fn separators(&self) -> usize {
        separators(self.folded)
    }
}

/// What the list says around a pair.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around {
    pub ecosystem: Ecosystem,
    /// How many known names are as near.
    pub crowd: usize,
    /// How many known names begin with the same word.
    pub family: u32,
    /// How many runs of letters around the edits hardly any known name has.
    pub unheard: usize,
}

/// What is seen in a name that is not much more than the known one.
pub(super) fn of_likeness(asked: &Asked<'_>, known: &Known, kind: Confusion, edits: &[Edit], around: Around) -> Signs {
    let target = known.letters.as_ref();
    let mut signs = Signs::new(kind);
    signs.see_if(Sign::Internal, known.renown == Renown::Internal);
    signs.see(Sign::Length, length(target));
    signs.see_if(Sign::Short, target.len() <= 4);
    signs.see(Sign::Sought, f64::from(known.within + 1).log10().min(MOST_SOUGHT));
    signs.see(Sign::Obscurity, obscurity(known.rank) - 1.0);
    signs.see(Sign::Crowd, number(around.crowd).max(1.0).ln());
    signs.see(Sign::Family, f64::from(around.family).max(1.0).log10());
    signs.see_if(Sign::Separators, asked.separators() != separators(&known.name));
    signs.see_if(Sign::Customary, kind == Confusion::Affix && around.ecosystem != Ecosystem::Pypi);
    signs.see_if(Sign::Grown, kind == Confusion::Affix && begins_grown(around.ecosystem, asked.folded));
    signs.see(Sign::Unheard, number(around.unheard));
    for edit in edits {
        see_edit(&mut signs, *edit, target, asked.letters);
    }
    signs
}

fn see_edit(signs: &mut Signs, edit: Edit, target: &[u8], name: &[u8]) {
    let last = |letters: &[u8], place: usize| place + 1 == letters.len();
    let digit = |letter: u8| letter.is_ascii_digit();
    // The amounts of these do not add up: one is enough.
    let mut once = |sign: Sign, seen: bool| {
        if seen && !signs.seen().iter().any(|(known, _)| *known == sign) {
            signs.see(sign, 1.0);
        }
    };
    once(Sign::FirstLetter, edit.place() == 0);
    match edit {
        Edit::Replaced(there, here) => {
            let (old, new) = (target[there], name[here]);
            once(Sign::OtherVowel, is_vowel(old) && is_vowel(new));
            once(Sign::LookAlike, ALIKE.iter().any(|alike| alike.contains(&old) && alike.contains(&new)));
            once(Sign::Digit, digit(old) || digit(new));
            signs.see(Sign::Replaced, 1.0);
            signs.see_if(Sign::KeyboardNeighbour, are_beside(old, new));
        }
        Edit::Added(_, here) => {
            let new = name[here];
            let plural = last(name, here) && new == b's';
            once(
                Sign::DoubledLetter,
                [here.wrapping_sub(1), here + 1].iter().any(|beside| name.get(*beside) == Some(&new)),
            );
            once(Sign::Plural, plural);
            once(Sign::Appended, last(name, here) && !plural);
            once(Sign::Digit, digit(new));
        }
        Edit::Missing(there, _) => {
            let old = target[there];
            once(Sign::Digit, digit(old));
            signs.see(Sign::Missing, 1.0);
        }
        Edit::Swapped(..) => {}
    }
}

/// What is seen in a name that is a known name and so many more words.
pub(super) fn of_combo(known: &Known, added: usize) -> Signs {
    let mut signs = Signs::new(Confusion::Combo);
    signs.see_if(Sign::Internal, known.renown == Renown::Internal);
    signs.see(Sign::ComboLength, length(&known.letters));
    signs.see(Sign::ComboObscurity, obscurity(known.rank) - 1.0);
    signs.see(Sign::ComboFamily, f64::from(known.within + 1).log10());
    signs.see(Sign::ComboRest, number(added));
    signs
}

fn separators(folded: &str) -> usize {
    folded.bytes().filter(|byte| *byte == b'-').count()
}

fn length(letters: &[u8]) -> f64 {
    number(letters.len().min(12)) / 4.0
}

fn obscurity(rank: u32) -> f64 {
    f64::from(rank).max(10.0).log10()
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn is_vowel(letter: u8) -> bool {
    b"aeiouy".contains(&letter)
}

/// Whether two keys touch.
fn are_beside(one: u8, two: u8) -> bool {
    // In half keys from the left.
    let place = |letter: u8| {
        KEYBOARD.iter().enumerate().find_map(|(row, keys)| {
            let key = keys.iter().position(|key| *key == letter)?;
            Some((row, 2 * key + row.saturating_sub(1)))
        })
    };
    place(one).zip(place(two)).is_some_and(|((row, key), (other_row, other))| {
        one != two && row.abs_diff(other_row) <= 1 && key.abs_diff(other) <= 2
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_touch_are_beside_each_other() {
        assert!(are_beside(b'b', b'v') && are_beside(b'o', b'p') && are_beside(b'1', b'q') && are_beside(b'a', b'q'));
        assert!(
            !are_beside(b'a', b'a') && !are_beside(b'q', b'p') && !are_beside(b'q', b'z') && !are_beside(b'-', b'a')
        );
    }
}
