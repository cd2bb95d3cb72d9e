//! Tcl versions, compared as [`package vcompare`](https://www.tcl-lang.org/man/tcl8.6/TclCmd/package.htm) compares them.
//!
//! A version is a list of numbers; an `a` or `b` between two of them stands for -2 or -1, so that `1.2a3` and `1.2b1` come
//! before `1.2`, which is `1.2.0`.

use std::cmp::Ordering;

use super::version_parts::{compare_digits, compare_padded};

/// Orders two Tcl versions. Every text has its place: what is no version sorts first, and texts of one value by themselves.
pub fn compare(one: &str, other: &str) -> Ordering {
    let value = match (parts_of(one), parts_of(other)) {
        (Some(one), Some(two)) => compare_padded(&one, &two, &Part::Number(""), Part::compare),
        (one, two) => one.is_some().cmp(&two.is_some()),
    };
    value.then_with(|| one.cmp(other))
}

enum Part<'a> {
    Alpha,
    Beta,
    Number(&'a str),
}

impl Part<'_> {
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(one), Self::Number(two)) => compare_digits(one, two),
            (one, two) => one.rank().cmp(&two.rank()),
        }
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Alpha => 0,
            Self::Beta => 1,
            Self::Number(_) => 2,
        }
    }
}

/// The parts, or `None` if Tcl would not take it as a version.
fn parts_of(text: &str) -> Option<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        if number.is_empty() {
            return None;
        }
        parts.push(Part::Number(number));
        let Some(separator) = after.bytes().next() else { return Some(parts) };
        match separator {
            b'.' => {}
            b'a' => parts.push(Part::Alpha),
            b'b' => parts.push(Part::Beta),
            _ => return None,
        }
        rest = &after[1..];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pairs and answers of Tcl 8.6.
    #[test]
    fn tcl_says_the_same() {
        for (one, two) in [("1", "1.0"), ("1.0", "1.00"), ("1.2", "1.2.0"), ("01.2", "1.2")] {
            assert_eq!(compare(one, two), one.cmp(two), "the text decides between {one} and {two}");
            assert!(compare(one, "1.0a1") == Ordering::Greater && compare(two, "1.2.1") == Ordering::Less);
        }
        let rising = [
            ("1.2a1", "1.2"),
            ("1.2a1", "1.2b1"),
            ("1.2b1", "1.2.0"),
            ("1.9", "1.10"),
            ("1.2a1", "1.2a1.1"),
            ("1a1", "1.0a1"),
            ("1b2", "1.0b2"),
            ("99999999999999999999998", "99999999999999999999999"),
            ("1.2.0a1", "1.2"),
            ("1.2a1", "1.2.0a1"),
            ("8.3", "8.4a1"),
        ];
        for (one, two) in rising {
            assert_eq!((compare(one, two), compare(two, one)), (Ordering::Less, Ordering::Greater), "{one}, {two}");
        }
    }

    #[test]
    fn what_is_no_version_sorts_first() {
        let mut versions = ["1.0", "1.2a", "x", "0", "", "1..2", ".1", "1.2c3", "1.-1"];
        versions.sort_by(|one, two| compare(one, two));
        assert_eq!(versions, ["", ".1", "1.-1", "1..2", "1.2a", "1.2c3", "x", "0", "1.0"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_text_has_one_place(mut texts in proptest::collection::vec("[.0-9ab\u{e9}]{0,7}", 0..8)) {
            texts.sort_by(|one, two| compare(one, two));
            for (at, one) in texts.iter().enumerate() {
                for two in &texts[at..] {
                    prop_assert!(compare(one, two) != Ordering::Greater);
                    prop_assert_eq!(compare(one, two), compare(two, one).reverse());
                    prop_assert_eq!(compare(one, two) == Ordering::Equal, one == two);
                }
            }
        }
    }
}
