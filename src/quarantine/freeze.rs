//! A freeze at the gate: what was let out when it began still leaves, and nothing that came after.

use serde::{Deserialize, Serialize};

use super::{Quarantine, QuarantineError, Refusal};
use crate::domain::{Ecosystem, KnownFile, Origin, Project, Scope, State, Timestamp, Upload, moment};
use crate::policy::Policy;

/// Under which subject the store keeps since when which freeze is in force.
const KEPT: &str = "freeze";

/// One ecosystem's freeze.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frost {
    /// Nothing that came later leaves.
    #[serde(with = "time::serde::rfc3339")]
    pub since: Timestamp,
    /// When it was put into force, or began if that was later. What people approve from then on, they approve in spite of it.
    #[serde(with = "time::serde::rfc3339")]
    pub imposed: Timestamp,
}

/// By ecosystem, in the order of [`Ecosystem::ALL`].
pub(super) type Frosts = [Option<Frost>; Ecosystem::ALL.len()];

/// What a policy puts into force now. A freeze that goes on keeps the moment from which approvals count.
pub(super) fn frosts_of(policy: &Policy, before: &Frosts, now: Timestamp) -> Frosts {
    let mut frosts = [None; Ecosystem::ALL.len()];
    for ((frost, before), ecosystem) in frosts.iter_mut().zip(before).zip(Ecosystem::ALL) {
        let Some(since) = policy.freeze.of(ecosystem) else { continue };
        let goes_on = before.filter(|before| before.since == since);
        *frost = Some(goes_on.unwrap_or(Frost { since, imposed: now.max(since) }));
    }
    frosts
}

/// The freeze of a project's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freeze {
    /// Since when.
    pub frost: Frost,
    /// How long the least suspicious file waits: by then it would have been let in.
    pub hold: time::Duration,
}

impl Freeze {
    /// Whether it keeps a file that has a row.
    ///
    /// Not kept is what a person approved by its digest in spite of the freeze, and what was released before it began. What
    /// was first seen later counts from when it was published: what would have been let in by then leaves.
    pub fn keeps(&self, upload: &Upload) -> bool {
        let Frost { since, imposed } = self.frost;
        if upload.state == State::Released {
            match &upload.decision {
                Some(decision) if decision.at <= since => return false,
                Some(decision)
                    if upload.decided_by_person() && decision.scope != Scope::Project && decision.at >= imposed =>
                {
                    return false;
                }
                Some(_) if upload.first_seen <= since => return true,
                // Let in at first sight.
                None if upload.first_seen <= since => return false,
                Some(_) | None => {}
            }
        }
        self.came_later(upload.clock_start)
    }

    /// Whether it keeps a file without a row, which was let in at first sight.
    pub fn keeps_unwritten(&self, file: &KnownFile) -> bool {
        file.first_seen > self.frost.since && self.came_later(file.clock_start)
    }

    /// Whether what is as old as this would not have been let in when the freeze began.
    fn came_later(&self, clock_start: Timestamp) -> bool {
        clock_start.checked_add(self.hold).is_none_or(|let_in| let_in > self.frost.since)
    }

    /// The refusal of a file that is kept.
    pub(super) fn refusal(&self, refusal: Refusal) -> Refusal {
        Refusal { why: format!("frozen since {}", moment(self.frost.since)), until: None, ..refusal }
    }
}

impl Quarantine {
    /// The freeze of a project's files from this index.
    pub(super) fn freeze_for(&self, project: &Project, origin: &Origin) -> Option<Freeze> {
        let regime = self.regime();
        let place = Ecosystem::ALL.iter().position(|ecosystem| *ecosystem == project.ecosystem)?;
        let frost = regime.frosts()[place]?;
        let hold = match origin {
            Origin::Public => self.policy().for_project(project).hold.default,
            Origin::Private(_) => self.index_of(project, origin).and_then(|index| index.hold).unwrap_or_default(),
        };
        Some(Freeze { frost, hold: time::Duration::try_from(hold).unwrap_or(time::Duration::MAX) })
    }

    /// Since when an upload is kept by a freeze, if it is.
    pub fn frozen_since(&self, upload: &Upload) -> Option<Timestamp> {
        let may_be = matches!(upload.state, State::Released | State::Held);
        let freeze =
            self.freeze_for(&upload.project, &upload.origin).filter(|freeze| may_be && freeze.keeps(upload))?;
        Some(freeze.frost.since)
    }

    /// Since when an ecosystem is frozen, if it is.
    pub(super) fn frost_of(&self, ecosystem: Ecosystem) -> Option<Frost> {
        let place = Ecosystem::ALL.iter().position(|other| *other == ecosystem)?;
        self.regime().frosts()[place]
    }

    /// Whether anything is frozen.
    pub(super) fn any_freeze(&self) -> bool {
        self.regime().frosts().iter().any(Option::is_some)
    }

    /// Keeps since when which freeze is in force, if that changed: a restart must not make older approvals count.
    pub async fn keep_freeze(&self) -> Result<(), QuarantineError> {
        let frosts = *self.regime().frosts();
        let mut kept = self.kept_frosts.lock().await;
        if *kept != frosts {
            let bytes = serde_json::to_vec(&frosts).unwrap_or_default();
            self.store.keep_snapshot(KEPT, bytes).await?;
            *kept = frosts;
        }
        Ok(())
    }
}

/// The freezes that an earlier run had in force.
pub(super) async fn recall(store: &dyn crate::store::Store) -> Result<Frosts, QuarantineError> {
    let kept = store.snapshot(KEPT).await?;
    Ok(kept.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;
    use crate::domain::{Actor, Decision, Role};

    const SINCE: Timestamp = datetime!(2026-11-25 12:00 UTC);

    fn hours(hours: i64) -> Timestamp {
        SINCE + time::Duration::hours(hours)
    }

    /// Imposed two hours after the moment that it names, over a hold of three days.
    fn freeze() -> Freeze {
        Freeze { frost: Frost { since: SINCE, imposed: hours(2) }, hold: time::Duration::days(3) }
    }

    fn upload(state: State, first_seen: i64, clock_start: i64, decision: Option<(bool, Scope, i64)>) -> Upload {
        let person = Actor::Token { name: "rob".into(), role: Role::Reviewer };
        let decision = decision.map(|(by_person, scope, at)| Decision {
            by: if by_person { person } else { Actor::house("release") },
            reason: "x".into(),
            at: hours(at),
            scope,
            expires: None,
        });
        Upload { state, clock_start: hours(clock_start), decision, ..Upload::sample(hours(first_seen)) }
    }

    #[test]
    fn what_had_left_before_leaves_still() {
        let keeps = |first_seen, start, decision| freeze().keeps(&upload(State::Released, first_seen, start, decision));
        assert!(!keeps(-500, -500, None), "let in at first sight, before");
        assert!(!keeps(-10, -1, None), "likewise, by trust");
        assert!(!keeps(-100, -100, Some((false, Scope::Version, -20))), "let in by time, before");
        assert!(keeps(-70, -70, Some((false, Scope::Version, 2))), "let in by time, after");
        assert!(keeps(-70, -70, Some((true, Scope::Project, 3))), "let in by a waiver, after");
        assert!(keeps(-70, -70, Some((true, Scope::File, 1))), "by a person who knew of no freeze");
        assert!(!keeps(-70, -70, Some((true, Scope::File, 2))) && !keeps(1, 1, Some((true, Scope::Version, 3))));
        assert!(
            !keeps(5, -500, None) && !keeps(5, -500, Some((false, Scope::File, 5))),
            "old, seen for the first time now"
        );
        assert!(keeps(5, -70, None) && keeps(5, 4, None), "it would have been held, or did not exist");
    }

    #[test]
    fn what_is_held_is_kept_unless_its_time_had_come() {
        let keeps = |start| freeze().keeps(&upload(State::Held, -500, start, None));
        assert!(keeps(-71) && keeps(1) && !keeps(-72));
    }

    #[test]
    fn a_freeze_that_goes_on_keeps_the_moment_from_which_approvals_count() {
        let policy = Policy::parse("freeze.pypi = 2026-11-25T12:00:00Z", "test").unwrap();
        let first = frosts_of(&policy, &[None; 3], hours(2));
        assert_eq!(first, [Some(Frost { since: SINCE, imposed: hours(2) }), None, None]);
        assert_eq!(frosts_of(&policy, &first, hours(9)), first);
        let early = frosts_of(&policy, &[None; 3], hours(-9));
        assert_eq!(early[0].map(|frost| frost.imposed), Some(SINCE), "a freeze to come begins when it begins");
        let other = Policy::parse("freeze.pypi = 2026-11-25T13:00:00Z", "test").unwrap();
        assert_eq!(frosts_of(&other, &first, hours(9))[0].map(|frost| frost.imposed), Some(hours(9)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn nothing_that_came_later_leaves_without_a_person(
            released in any::<bool>(),
            seen in 1..900_i64,
            start in -71..900_i64,
            decision in proptest::option::of((any::<bool>(), 0..3_usize, 1..900_i64)),
        ) {
            let decision = decision.map(|(person, scope, at)| (person, [Scope::File, Scope::Version, Scope::Project][scope], at));
            let state = if released { State::Released } else { State::Held };
            let approved = released
                && decision.is_some_and(|(person, scope, at)| person && scope != Scope::Project && at >= 2);
            prop_assert_eq!(freeze().keeps(&upload(state, seen, start, decision)), !approved);
        }
    }
}
