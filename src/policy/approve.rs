//! What a person may approve (rule 13): pure, and asked before anything is written.

use time::Duration;

use super::compile::Policy;
use super::decide::is_missing;
use super::is_hard;
use crate::domain::{Actor, Examination, Role, Scope, Score, Timestamp, Upload};

/// Longest time for which anything may be approved.
pub const LONGEST_WAIVER: Duration = Duration::days(366);

/// Why an approval is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Viewers, clients and the house itself do not approve.
    #[error("{0} may not approve: use a token with the role reviewer or admin")]
    Role(String),
    /// A waiver for whatever a project will upload must end some day.
    #[error("an approval of a whole project must expire: say when, at most 366 days from now")]
    NoExpiry,
    /// It would be over before it began.
    #[error("the approval would have expired already: give a time to come")]
    Expired,
    /// It would be for ever in all but name.
    #[error("an approval may last 366 days at most: give an earlier time")]
    TooLong,
    /// A hard rule.
    #[error("the finding {signal} breaks a hard rule, which nobody can approve: {summary}")]
    Hard {
        /// Which signal.
        signal: String,
        /// What it saw.
        summary: String,
    },
    /// The bytes themselves are wrong.
    #[error("the bytes failed their examination, which nobody can approve: {0}")]
    Failed(String),
    /// One approval is not enough.
    #[error(
        "its score {score} is above {limit}, where two people must approve, and a second approval cannot be recorded yet"
    )]
    TwoPeople {
        /// The upload's.
        score: Score,
        /// The policy's.
        limit: Score,
    },
}

/// Whether this actor may approve this upload so far and so long.
pub fn may_approve(
    upload: &Upload,
    actor: &Actor,
    scope: Scope,
    expires: Option<Timestamp>,
    policy: &Policy,
    now: Timestamp,
) -> Result<(), Refusal> {
    if actor.role().is_none_or(|role| role < Role::Reviewer) {
        return Err(Refusal::Role(actor.to_string()));
    }
    match expires {
        None if scope == Scope::Project => return Err(Refusal::NoExpiry),
        Some(expires) if expires <= now => return Err(Refusal::Expired),
        Some(expires) if expires - now > LONGEST_WAIVER => return Err(Refusal::TooLong),
        _ => {}
    }
    // That a signal could not run is no reason that nobody may overrule: then a person is all there is.
    if let Some(hard) = upload.verdict.findings.iter().find(|finding| is_hard(&finding.signal) && !is_missing(finding))
    {
        return Err(Refusal::Hard { signal: hard.signal.to_string(), summary: hard.summary.clone() });
    }
    if let Examination::Failed { why, .. } = &upload.examination {
        return Err(Refusal::Failed(why.clone()));
    }
    let (weight, limit) = (upload.verdict.score, policy.for_project(&upload.project).review.two_person_above);
    if limit > Score::NONE && weight > limit {
        return Err(Refusal::TwoPeople { score: weight, limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::domain::{Confidence, Finding, Outcome, Severity, Verdict};

    const NOON: Timestamp = datetime!(2026-11-22 12:00 UTC);

    fn upload(signal: &'static str, points: u8) -> Upload {
        let finding = Finding {
            signal: signal.into(),
            family: crate::domain::Family::Name,
            severity: Severity::Medium,
            confidence: Confidence::Medium,
            points,
            summary: "seen".into(),
            evidence: serde_json::Value::Null,
        };
        let row = Upload::sample(NOON);
        let (outcome, score) = (Outcome::Review, Score::hundredths(points));
        Upload { verdict: Verdict { outcome, score, findings: vec![finding], ..row.verdict.clone() }, ..row }
    }

    fn token(role: Role) -> Actor {
        Actor::Token { name: "rob".into(), role }
    }

    fn in_days(days: i64) -> Timestamp {
        NOON + Duration::days(days)
    }

    #[test]
    fn only_reviewers_and_admins_approve() {
        let may = |actor: &Actor| {
            may_approve(&upload("typosquat", 50), actor, Scope::File, None, &Policy::built_in(), NOON).is_ok()
        };
        assert!(may(&token(Role::Reviewer)) && may(&token(Role::Admin)));
        assert!(!may(&token(Role::Viewer)) && !may(&Actor::house("release")));
        assert!(!may(&Actor::Client { address: "127.0.0.1".into() }));
    }

    #[test]
    fn a_projects_approval_ends_within_a_year() {
        let may = |scope, expires| {
            may_approve(&upload("typosquat", 50), &token(Role::Admin), scope, expires, &Policy::built_in(), NOON)
        };
        assert_eq!(may(Scope::Project, None), Err(Refusal::NoExpiry));
        assert_eq!(may(Scope::Project, Some(NOON)), Err(Refusal::Expired));
        assert_eq!(may(Scope::Project, Some(in_days(367))), Err(Refusal::TooLong));
        assert_eq!(may(Scope::Project, Some(in_days(366))), Ok(()));
        assert_eq!(may(Scope::Version, None), Ok(()));
        assert_eq!(may(Scope::File, Some(in_days(-1))), Err(Refusal::Expired));
    }

    #[test]
    fn nobody_approves_what_breaks_a_hard_rule() {
        let admin = token(Role::Admin);
        for hard in super::super::HARD {
            let refused = may_approve(&upload(hard, 0), &admin, Scope::File, None, &Policy::built_in(), NOON);
            assert!(matches!(refused, Err(Refusal::Hard { signal, .. }) if signal == hard));
        }
        let failed = Examination::Failed { why: "digest differs".into(), at: NOON };
        let failed = Upload { examination: failed, ..upload("typosquat", 0) };
        let refused = may_approve(&failed, &admin, Scope::File, None, &Policy::built_in(), NOON).unwrap_err();
        assert!(refused.to_string().contains("digest differs"));
    }

    #[test]
    fn above_the_limit_one_person_is_not_enough() {
        let policy = Policy::parse("review.two_person_above = 0.5", "test").unwrap();
        let may = |points, policy| {
            may_approve(&upload("typosquat", points), &token(Role::Admin), Scope::File, None, policy, NOON)
        };
        assert_eq!(may(50, &policy), Ok(()));
        let refused = may(51, &policy).unwrap_err().to_string();
        assert!(refused.starts_with("its score 0.51 is above 0.50, where two people must approve"), "{refused}");
        assert_eq!(may(100, &Policy::built_in()), Ok(()), "0 is off");
    }
}
