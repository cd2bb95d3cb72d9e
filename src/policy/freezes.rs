//! A freeze: during an incident, nothing that came after a moment leaves.

use toml::Spanned;

use super::file::{PolicyError, Source};
use super::moment::{moment, read};
use crate::domain::{Ecosystem, Timestamp};

/// Since when, by ecosystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Freezes {
    /// In the order of [`Ecosystem::ALL`].
    of: [Option<Timestamp>; Ecosystem::ALL.len()],
}

impl Freezes {
    /// Since when an ecosystem is frozen.
    pub fn of(&self, ecosystem: Ecosystem) -> Option<Timestamp> {
        let place = Ecosystem::ALL.iter().position(|other| *other == ecosystem);
        place.and_then(|place| self.of[place])
    }

    /// `freeze = DATE`, or `[freeze]` with a date an ecosystem.
    pub(super) fn overlay(
        &mut self,
        source: Source<'_>,
        written: Option<&Spanned<toml::Value>>,
    ) -> Result<(), PolicyError> {
        let Some(written) = written else { return Ok(()) };
        let toml::Value::Table(table) = written.get_ref() else {
            self.of = [Some(moment(source, "freeze", written)?); Ecosystem::ALL.len()];
            return Ok(());
        };
        for (key, value) in table {
            let refuse =
                |why: String| source.error(&format!("freeze.{key}"), source.place_of(key, written.span()), why);
            let place = Ecosystem::ALL.iter().position(|ecosystem| ecosystem.as_str() == key);
            let Some(place) = place else {
                return Err(refuse("write pypi, cpan or teapot, or one date for all: freeze = 2026-11-27".to_owned()));
            };
            self.of[place] = Some(read(value).map_err(refuse)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use crate::domain::Ecosystem;
    use crate::policy::Policy;

    #[test]
    fn everything_is_frozen_or_one_ecosystem() {
        let of = |text: &str| {
            let policy = Policy::parse(text, "test").unwrap();
            Ecosystem::ALL.map(|ecosystem| policy.freeze.of(ecosystem))
        };
        let date = Some(datetime!(2026-11-27 00:00 UTC));
        assert_eq!(of(""), [None; 3]);
        assert_eq!(of("freeze = 2026-11-27T00:00:00Z"), [date; 3]);
        assert_eq!(of("freeze = \"2026-11-27\""), [date; 3]);
        assert_eq!(of("[freeze]\ncpan = 2026-11-27"), [None, date, None]);
        assert_eq!(of("freeze.pypi = 2026-11-27\nfreeze.teapot = 2026-11-27"), [date, None, date]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, expected) in [
            ("mode = \"enforce\"\nfreeze = true", "test:2: freeze: write a moment"),
            ("freeze = 2026-11-27T00:00:00", "test:1: freeze: 2026-11-27T00:00:00 does not say in which time zone"),
            ("[freeze]\npypi = 2026-11-27\nnpm = 2026-11-27", "test:3: freeze.npm: write pypi, cpan or teapot"),
            ("[freeze]\n\ncpan = \"yesterday\"", "test:3: freeze.cpan: write a moment"),
        ] {
            let error = Policy::parse(text, "test").unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_freeze_is_no_reason_to_judge_anything_again() {
        let digest = |text: &str| Policy::parse(text, "test").unwrap().digest;
        assert_eq!(digest("freeze = 2026-11-27"), digest(""));
    }
}
