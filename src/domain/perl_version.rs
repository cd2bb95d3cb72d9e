//! Perl versions, compared as [`version.pm`](https://perldoc.perl.org/version) compares them.
//!
//! A decimal version is a fraction cut into groups of three digits, so that `1.002003` is `v1.2.3` and `1.10` is `1.1`; a
//! dotted one, with a leading `v` or two points, is a list of numbers. An underscore says "alpha" and counts for nothing.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::version_parts::{compare_digits, compare_padded};

/// Orders two CPAN versions. Every text has its place: what does not begin as a version sorts first, a `-TRIAL` before its
/// release, and texts of one value by themselves.
pub fn compare(one: &str, other: &str) -> Ordering {
    Reading::of(one).compare(&Reading::of(other)).then_with(|| one.cmp(other))
}

/// Whether both texts have one value for Perl: `1.10` and `1.1` do.
pub fn is_same_value(one: &str, other: &str) -> bool {
    Reading::of(one).compare(&Reading::of(other)) == Ordering::Equal
}

/// What a text says.
struct Reading {
    /// The numbers as digits; `None` for what is no version.
    numbers: Option<Vec<String>>,
    is_release: bool,
}

impl Reading {
    fn of(text: &str) -> Self {
        let text = text.trim();
        let is_release = !text.contains("-TRIAL");
        if text == "undef" {
            return Self { numbers: Some(Vec::new()), is_release };
        }
        let (is_dotted, digits) = text
            .strip_prefix(['v', 'V'])
            .map_or((false, text), |rest| (rest.starts_with(|first: char| first.is_ascii_digit()), rest));
        let end = digits.bytes().position(|byte| !(byte.is_ascii_digit() || matches!(byte, b'.' | b'_')));
        let digits = &digits[..end.unwrap_or(digits.len())];
        if !digits.bytes().any(|byte| byte.is_ascii_digit()) {
            return Self { numbers: None, is_release };
        }
        let digits: Cow<'_, str> =
            if digits.contains('_') { Cow::Owned(digits.replace('_', "")) } else { Cow::Borrowed(digits) };
        let is_dotted = is_dotted || digits.matches('.').count() > 1;
        let numbers = if is_dotted { digits.split('.').map(ToOwned::to_owned).collect() } else { of_decimal(&digits) };
        Self { numbers: Some(numbers), is_release }
    }

    fn compare(&self, other: &Self) -> Ordering {
        let numbers = match (&self.numbers, &other.numbers) {
            (Some(one), Some(two)) => compare_padded(one, two, &String::new(), |one, two| compare_digits(one, two)),
            (one, two) => one.is_some().cmp(&two.is_some()),
        };
        numbers.then(self.is_release.cmp(&other.is_release))
    }
}

/// `1.0203` is 1, 020, 300.
fn of_decimal(digits: &str) -> Vec<String> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let groups = fraction.as_bytes().chunks(3).map(|group| format!("{:0<3}", String::from_utf8_lossy(group)));
    std::iter::once(whole.to_owned()).chain(groups).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pairs and answers of version.pm 0.9929.
    #[test]
    fn perl_says_the_same() {
        let equal = [
            ("1.10", "1.1"),
            ("1.002003", "v1.2.3"),
            ("1.02_03", "1.0203"),
            ("v1.2_3", "v1.23"),
            ("1.2.3_4", "1.2.34"),
            ("undef", "0"),
            (".5", "0.5"),
            ("1.", "1"),
            ("1.2.3", "v1.2.3"),
            (".1.2", "0.1.2"),
            ("v1", "1"),
            ("v1.2", "1.002"),
            ("1.2345", "v1.234.500"),
            ("00.5", "0.5"),
            ("1.2.3.0", "1.2.3"),
            ("v1.02", "v1.2"),
            (" 1.0", "1.0"),
        ];
        for (one, two) in equal {
            assert!(is_same_value(one, two), "{one} is {two}");
            assert_eq!(compare(one, two), one.cmp(two), "the text decides between {one} and {two}");
        }
        let rising = [
            ("1.9999", "v2"),
            ("v1.9", "v1.10"),
            ("1.02", "1.02_03"),
            ("v1.1000", "v2.0"),
            ("v1.2.3", "v1.2_3"),
            ("1.9", "1.91"),
            ("1.10", "1.9"),
            ("undef", "0.000001"),
            ("1.99999999999999999999998", "1.99999999999999999999999"),
        ];
        for (one, two) in rising {
            assert!(!is_same_value(one, two) && compare(one, two) == Ordering::Less, "{one} is before {two}");
        }
    }

    #[test]
    fn what_is_no_version_has_its_place_too() {
        let mut versions = ["1.02", "junk", "1.02-TRIAL", "", "undef", "1.01", "1.02-TRIAL2", "v", "1.02b", "-1"];
        versions.sort_by(|one, two| compare(one, two));
        assert_eq!(versions, ["", "-1", "junk", "v", "undef", "1.01", "1.02-TRIAL", "1.02-TRIAL2", "1.02", "1.02b"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_text_has_one_place(mut texts in proptest::collection::vec("[v_.0-9a\u{e9}T-]{0,9}", 0..8)) {
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
