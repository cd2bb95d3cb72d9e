//! Versions as Tcl orders them: [`package vcompare`](https://www.tcl-lang.org/man/tcl8.6/TclCmd/package.htm) and `vsatisfies`.

use std::cmp::Ordering;

/// Longest version accepted.
const LONGEST_VERSION: usize = 100;

/// One number, or the letter between two of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Alpha,
    Beta,
    /// Digits without leading zeros, with their count first, so that they order as numbers of any size.
    Number(usize, Box<str>),
}

/// A version that Tcl accepts: numbers, dots, and at most one `a` (alpha) or `b` (beta) in a dot's place.
///
/// It is equal to every spelling of itself: `1.0`, `1.00` and `1.0.0` are one version.
#[derive(Debug, Clone)]
pub struct TclVersion(Box<[Part]>);

impl TclVersion {
    /// Reads a version; `None` where Tcl would refuse it.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST_VERSION {
            return None;
        }
        let mut parts = Vec::new();
        let mut letters = 0;
        let mut rest = text;
        loop {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return None;
            }
            let number = rest[..digits].trim_start_matches('0');
            parts.push(Part::Number(number.len(), number.into()));
            let mut symbols = rest[digits..].chars();
            match symbols.next() {
                None => return Some(Self(parts.into())),
                Some('.') => {}
                Some(letter @ ('a' | 'b')) if letters == 0 => {
                    letters += 1;
                    parts.push(if letter == 'a' { Part::Alpha } else { Part::Beta });
                }
                Some(_) => return None,
            }
            rest = symbols.as_str();
        }
    }

    /// Compares, and says where the difference is.
    fn difference(one: &[Part], two: &[Part]) -> Option<(usize, Ordering)> {
        let zero = Part::Number(0, Box::default());
        (0..one.len().max(two.len())).find_map(|at| {
            let ordering = one.get(at).unwrap_or(&zero).cmp(two.get(at).unwrap_or(&zero));
            ordering.is_ne().then_some((at, ordering))
        })
    }

    /// `9` for `8.5`; `None` for a number that no honest version has.
    pub(super) fn next_major_text(&self) -> Option<String> {
        let Some(Part::Number(_, major)) = self.0.first() else { return None };
        let major: u64 = if major.is_empty() { 0 } else { major.parse().ok()? };
        Some(major.checked_add(1)?.to_string())
    }

    /// This version and every alpha of it: Tcl takes the ends of a range so.
    fn first_alpha(&self) -> Vec<Part> {
        self.0.iter().cloned().chain([Part::Alpha]).collect()
    }
}

impl PartialEq for TclVersion {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for TclVersion {}

impl PartialOrd for TclVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TclVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        Self::difference(&self.0, &other.0).map_or(Ordering::Equal, |(_, ordering)| ordering)
    }
}

/// Which versions will do ([TIP 268](https://core.tcl-lang.org/tips/doc/trunk/tip/268.md)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// `8.5`: at least this, below the next major version.
    Compatible(TclVersion),
    /// `8.5-`: at least this.
    AtLeast(TclVersion),
    /// `8.5-9`: at least the first, below the second. Twice the same: exactly that.
    Between(TclVersion, TclVersion),
}

impl Requirement {
    /// Whether everything that this accepts is accepted by the other too, which accepts more.
    pub(super) fn is_part_of(&self, other: &Self) -> bool {
        let ((least, end), (other_least, other_end)) = (self.bounds(), other.bounds());
        match (end, other_end) {
            (_, None) => least > other_least,
            (None, Some(_)) => false,
            (Some(end), Some(other_end)) => {
                least >= other_least && end <= other_end && (least > other_least || end < other_end)
            }
        }
    }

    /// The least version, and the one at which it ends.
    fn bounds(&self) -> (&TclVersion, Option<TclVersion>) {
        match self {
            Self::Compatible(least) => (least, least.next_major_text().and_then(|end| TclVersion::parse(&end))),
            Self::AtLeast(least) => (least, None),
            Self::Between(least, end) => (least, Some(end.clone())),
        }
    }

    /// Whether the version will do.
    pub fn accepts(&self, version: &TclVersion) -> bool {
        let compared = |least: &TclVersion| TclVersion::difference(&version.0, &least.first_alpha());
        let reaches = |least: &TclVersion| !matches!(compared(least), Some((_, Ordering::Less)));
        match self {
            Self::Compatible(least) => match compared(least) {
                None => true,
                Some((at, ordering)) => at > 0 && ordering.is_gt(),
            },
            Self::AtLeast(least) => reaches(least),
            Self::Between(least, end) if least == end => version == least,
            Self::Between(least, end) => reaches(least) && !reaches(end),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> TclVersion {
        TclVersion::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn versions_are_ordered_as_tcl_orders_them() {
        for sorted in
            [&["1.0a1", "1.0a2", "1.0b1", "1.0", "1.1", "1.9", "1.10", "2.0a3", "2"][..], &["0.5b1", "0.5", "0.50"]]
        {
            for pair in sorted.windows(2) {
                assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
            }
        }
        assert_eq!(version("1.0"), version("1.00"));
        assert_eq!(version("1"), version("1.0.0"));
        assert_eq!(version("01.2"), version("1.2"));
        assert!(version("99999999999999999999999999") > version("9"));
    }

    #[test]
    fn what_tcl_refuses_is_no_version() {
        for text in
            ["", ".", "1.", ".1", "1..2", "1a", "a1", "1a1b1", "1.0-beta", "1.0 ", "v1", "1a.1", "$x", &"1".repeat(101)]
        {
            assert!(TclVersion::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn requirements_accept_what_vsatisfies_accepts() {
        let least = |text| Requirement::Compatible(version(text));
        for (requirement, good, bad) in [
            (least("8.5"), &["8.5", "8.5a1", "8.6", "8.10"][..], &["8.4", "9.0", "9.0a1", "7"][..]),
            (Requirement::AtLeast(version("8.5")), &["8.5", "8.5b1", "9", "10.1"], &["8.4"]),
            (Requirement::Between(version("1.0"), version("2")), &["1.0", "1.0a1", "1.99"], &["0.9", "2", "2.0a1"]),
            (Requirement::Between(version("1.0"), version("1.00")), &["1.0", "1"], &["1.0.1", "1.0a1"]),
        ] {
            for text in good {
                assert!(requirement.accepts(&version(text)), "{requirement:?} {text}");
            }
            for text in bad {
                assert!(!requirement.accepts(&version(text)), "{requirement:?} {text}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_order_is_one(a in "[0-9]{1,2}([.ab][0-9]{1,2}){0,3}", b in "[0-9]{1,2}([.ab][0-9]{1,2}){0,3}") {
            if let (Some(a), Some(b)) = (TclVersion::parse(&a), TclVersion::parse(&b)) {
                prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
                prop_assert_eq!(a == b, Requirement::Between(a.clone(), a).accepts(&b));
            }
        }
    }
}
