//! Rule 8: a version leaves the hold as a whole. From which moment does each of its files' hold count?

use time::Duration;

use crate::domain::{FileKind, Timestamp};

/// Files that appear within this time of the version's first file belong together; in popular projects since 2023, 2.2 % of
/// multi-file versions have the sdist more than a minute before the last wheel.
const BELONGS_TOGETHER: Duration = Duration::hours(24);

/// What the rule needs to know of one file of the version.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// From when its own age counts.
    pub clock_start: Timestamp,
    /// Wheel or source.
    pub kind: FileKind,
    /// Whether it was let in already.
    pub released: bool,
}

/// For each member the moment from which its hold counts.
///
/// Files that belong together share the latest moment. A later file clocks alone. A source archive waits for every wheel
/// that is still held, because pip would build it, running its `setup.py`, while the wheel is missing.
pub fn starts(members: &[Member]) -> Vec<Timestamp> {
    let Some(first) = members.iter().map(|member| member.clock_start).min() else { return Vec::new() };
    let belongs = |member: &&Member| member.clock_start - first <= BELONGS_TOGETHER;
    let together = members.iter().filter(belongs).map(|member| member.clock_start).max().unwrap_or(first);
    let last_held_wheel = members
        .iter()
        .filter(|member| member.kind == FileKind::Wheel && !member.released)
        .map(|member| member.clock_start)
        .max();
    members
        .iter()
        .map(|member| {
            // What was let in is not taken back by what appears beside it.
            let own = if belongs(&member) && !member.released { together } else { member.clock_start };
            match last_held_wheel {
                Some(wheel) if member.kind == FileKind::Source && !member.released => own.max(wheel),
                _ => own,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    const START: Timestamp = datetime!(2026-11-01 12:00 UTC);

    fn member(hours: i64, kind: FileKind) -> Member {
        Member { clock_start: START + Duration::hours(hours), kind, released: false }
    }

    fn hours(members: &[Member]) -> Vec<i64> {
        starts(members).into_iter().map(|start| (start - START).whole_hours()).collect()
    }

    #[test]
    fn files_of_one_day_leave_together_with_the_latest() {
        let members = [member(0, FileKind::Source), member(3, FileKind::Wheel), member(20, FileKind::Wheel)];
        assert_eq!(hours(&members), [20, 20, 20]);
    }

    #[test]
    fn a_later_wheel_clocks_alone_and_keeps_the_unreleased_source_waiting() {
        let members = [member(0, FileKind::Source), member(1, FileKind::Wheel), member(40, FileKind::Wheel)];
        assert_eq!(hours(&members), [40, 1, 40]);
    }

    #[test]
    fn a_later_wheel_does_not_take_back_what_was_released() {
        let released = Member { released: true, ..member(0, FileKind::Source) };
        assert_eq!(hours(&[released, member(900, FileKind::Wheel)]), [0, 900]);
        assert_eq!(hours(&[released, member(5, FileKind::Wheel)]), [0, 5]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_hold_ever_gets_shorter_and_no_source_leaves_before_a_held_wheel(
            files in proptest::collection::vec((0i64..200, any::<bool>(), any::<bool>()), 1..12)
        ) {
            let members: Vec<Member> = files.iter().map(|(hour, wheel, released)| Member {
                released: *released,
                ..member(*hour, if *wheel { FileKind::Wheel } else { FileKind::Source })
            }).collect();
            let starts = starts(&members);
            for (index, start) in starts.iter().enumerate() {
                prop_assert!(*start >= members[index].clock_start);
                if members[index].kind == FileKind::Source && !members[index].released {
                    for other in members.iter().filter(|other| other.kind == FileKind::Wheel && !other.released) {
                        prop_assert!(*start >= other.clock_start);
                    }
                }
            }
        }
    }
}
