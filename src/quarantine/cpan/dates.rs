//! When a release was uploaded. Only what the mirror and PAUSE say counts, never what its author wrote into the archive.

use time::{Date, Time};

use crate::domain::Timestamp;

/// What speaks for a date.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Witnesses {
    /// The mirror's list of changes: PAUSE's own moment.
    pub announced: Option<Timestamp>,
    /// `Last-Modified` of the file: the moment PAUSE received it, unless the mirror resets it.
    pub modified: Option<Timestamp>,
    /// The day in CHECKSUMS, which is signed.
    pub day: Option<Date>,
}

impl Witnesses {
    /// When the release was uploaded: never earlier than a witness proves. `Last-Modified` counts if the day in CHECKSUMS agrees;
    /// a day alone counts from its end, a day late and never early.
    pub(super) fn uploaded(self) -> Option<Timestamp> {
        if self.announced.is_some() {
            return self.announced.max(self.modified.filter(|modified| Some(modified.date()) == self.day));
        }
        match (self.modified, self.day) {
            (Some(modified), Some(day)) if modified.date() == day => Some(modified),
            (Some(modified), Some(day)) => Some(modified.max(end_of(day))),
            (Some(modified), None) => Some(modified),
            (None, Some(day)) => Some(end_of(day)),
            (None, None) => None,
        }
    }
}

/// The first moment after a day.
pub(super) fn end_of(day: Date) -> Timestamp {
    day.next_day().unwrap_or(day).with_time(Time::MIDNIGHT).assume_utc()
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;

    #[test]
    fn witnesses_that_disagree_make_a_release_younger_not_older() {
        let modified = Some(datetime!(2026-11-01 10:00 UTC));
        let day = Some(date!(2026 - 11 - 01));
        let at = |announced, modified, day| Witnesses { announced, modified, day }.uploaded();
        assert_eq!(at(None, modified, day), modified);
        assert_eq!(at(None, modified, Some(date!(2026 - 11 - 20))), Some(datetime!(2026-11-21 00:00 UTC)));
        assert_eq!(at(None, Some(datetime!(2026-11-30 10:00 UTC)), day), Some(datetime!(2026-11-30 10:00 UTC)));
        assert_eq!(at(None, None, day), Some(datetime!(2026-11-02 00:00 UTC)));
        assert_eq!(at(Some(datetime!(2026-11-01 10:05 UTC)), modified, day), Some(datetime!(2026-11-01 10:05 UTC)));
        assert_eq!(at(None, None, None), None);
    }
}
