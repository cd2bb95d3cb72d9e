//! Where verdicts are enforced, where they are only observed, and until when.

use serde::Serialize;

use super::file::{PolicyError, PolicyFile, Source};
use super::moment::moment;
use crate::domain::{Ecosystem, Mode, Timestamp};

/// Modes by ecosystem, and the end of all observing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Modes {
    /// Where nothing else is said.
    pub usual: Mode,
    /// In the order of [`Ecosystem::ALL`], where something is.
    pub of: [Option<Mode>; Ecosystem::ALL.len()],
    /// From this moment on nothing is only observed; overrides and tokens, which name one thing each, say for themselves.
    pub enforce_from: Option<Timestamp>,
}

impl Modes {
    pub(super) fn overlay(&mut self, source: Source<'_>, file: &PolicyFile) -> Result<(), PolicyError> {
        self.usual = file.mode.unwrap_or(self.usual);
        let written = [file.modes.pypi, file.modes.cpan, file.modes.teapot];
        for (mode, written) in self.of.iter_mut().zip(written) {
            *mode = written.or(*mode);
        }
        if let Some(written) = &file.enforce_from {
            self.enforce_from = Some(moment(source, "enforce_from", written)?);
        }
        Ok(())
    }

    /// The mode of an ecosystem as it is written, whatever the time.
    pub fn written(&self, ecosystem: Ecosystem) -> Mode {
        let place = Ecosystem::ALL.iter().position(|other| *other == ecosystem);
        place.and_then(|place| self.of[place]).unwrap_or(self.usual)
    }

    /// The mode of an ecosystem at this moment.
    pub fn at(&self, ecosystem: Ecosystem, now: Timestamp) -> Mode {
        if self.enforce_from.is_some_and(|from| from <= now) { Mode::Enforce } else { self.written(ecosystem) }
    }

    /// When time alone changes a mode next.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let observes = Ecosystem::ALL.into_iter().any(|ecosystem| self.written(ecosystem) == Mode::Observe);
        self.enforce_from.filter(|from| observes && *from > now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;
    use crate::policy::Policy;

    const DAY: Timestamp = datetime!(2026-12-11 00:00 UTC);

    #[test]
    fn an_ecosystem_has_its_own_mode_until_the_day_on_which_all_is_enforced() {
        let text = "mode = \"observe\"\nenforce_from = 2026-12-11T00:00:00Z\n[modes]\ncpan = \"enforce\"\n";
        let policy = Policy::parse(text, "test").unwrap();
        let at = |now| Ecosystem::ALL.map(|ecosystem| policy.mode_at(ecosystem, now));
        let second = time::Duration::SECOND;
        assert_eq!(at(DAY - second), [Mode::Observe, Mode::Enforce, Mode::Observe]);
        assert_eq!(at(DAY), [Mode::Enforce; 3]);
        assert_eq!(policy.modes.next_change(DAY - second), Some(DAY));
        assert_eq!(policy.modes.next_change(DAY), None);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, expected) in [
            ("mode = \"observe\"\nenforce_from = \"soon\"", "test:2: enforce_from: write a moment"),
            (
                "mode = \"observe\"\nenforce_from = 2026-12-11T00:00:00",
                "test:2: enforce_from: 2026-12-11T00:00:00 does",
            ),
            ("\n[modes]\nnpm = \"observe\"", "test:3: modes.npm: unknown field"),
            ("[modes]\npypi = \"watch\"", "test:2: modes.pypi: unknown variant"),
        ] {
            let error = Policy::parse(text, "test").unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn once_enforced_it_stays_so(
            usual in any::<bool>(),
            of in proptest::array::uniform3(proptest::option::of(any::<bool>())),
            hours in proptest::option::of(-50..50_i64),
            early in -60..60_i64,
            later in 0..60_i64,
        ) {
            let mode = |observes| if observes { Mode::Observe } else { Mode::Enforce };
            let hour = |hours| DAY + time::Duration::hours(hours);
            let modes = Modes { usual: mode(usual), of: of.map(|of| of.map(mode)), enforce_from: hours.map(hour) };
            for ecosystem in Ecosystem::ALL {
                let (before, after) = (modes.at(ecosystem, hour(early)), modes.at(ecosystem, hour(early + later)));
                prop_assert!(before == after || after == Mode::Enforce);
                if before != after {
                    let next = modes.next_change(hour(early));
                    prop_assert!(next.is_some_and(|next| next > hour(early) && next <= hour(early + later)));
                }
            }
        }
    }
}
