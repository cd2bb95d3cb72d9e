//! From findings to a verdict: pure, so that every verdict can be computed again and every policy tried on past traffic.

use std::time::Duration;

use super::compile::{Missing, Policy, SignalSettings};
use super::overrides::Override;
use super::own::Proof;
use super::{explain, is_hard};
use crate::domain::{
    Confidence, Family, Finding, NOT_OFFERED, Origin, Outcome, Project, Score, Severity, Timestamp, UNAVAILABLE,
    Verdict,
};

/// The signal that stands for the hold itself: where it is waived, new files do not wait for their age.
const AGE: &str = "age";

/// A release that mends an advisory about a version in use here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityFix {
    /// What it fixes, as the beginning of a sentence.
    pub summary: String,
    /// Whether two independent sources know the advisory and the same people publish the release as before.
    pub is_trustworthy: bool,
}

/// Facts that [`decide`] needs beyond findings.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// Whose file it is.
    pub project: &'a Project,
    /// Which index it comes from.
    pub origin: &'a Origin,
    /// From when its age counts.
    pub clock_start: Timestamp,
    /// Ids of signals that are waived for the project.
    pub waived: &'a [String],
    /// Why the name or version is blocked.
    pub blocked: Option<&'a str>,
    /// The hold of the private index it comes from; `None` is none.
    pub private_hold: Option<Duration>,
    /// If it fixes something that is in use here.
    pub fix: Option<&'a SecurityFix>,
    /// What the attestation of this very file proves, where somebody looked.
    pub proof: Option<&'a Proof>,
}

impl Case<'_> {
    fn is_waived(&self, signal: &str) -> bool {
        self.waived.iter().any(|waived| waived == signal)
    }

    /// Whether a signal's findings count here. An internal name is dangerous only on a public index.
    fn counts(&self, signal: &str, settings: SignalSettings) -> bool {
        if !self.origin.is_public() && !settings.private {
            return false;
        }
        is_hard(signal) || (settings.enabled && !self.is_waived(signal))
    }
}

/// What to do with an upload, and why. In observe mode the verdict is the true one; the caller does not enforce it.
///
/// More findings never make the outcome milder.
pub fn decide(case: &Case<'_>, findings: &[Finding], policy: &Policy, now: Timestamp) -> Verdict {
    let told = policy.override_for(case.project).map(Override::finding);
    let policy = policy.for_project(case.project);
    // Neither its age nor its name says anything of what our own workflow has signed.
    let own = policy.own_for(case.project).filter(|_| case.origin.is_public());
    let checked = own.map(|own| own.check(case.proof));
    let is_ours = checked.as_ref().is_some_and(Result::is_ok);
    let mut counted = Counted::new(case, findings, policy, is_ours);
    let score = policy.weighing.score(&counted.findings);
    let (outcome, until, reason) = counted.judge(case, score, policy, (now, is_ours));
    counted.findings.extend(own.zip(checked.as_ref()).map(|(own, checked)| own.finding(checked)));
    counted.findings.extend(told);
    Verdict { outcome, until, score, reason, findings: counted.findings, policy: policy.digest }
}

/// The findings that count, heaviest first, with the weight that the policy gives them.
struct Counted {
    findings: Vec<Finding>,
}

impl Counted {
    fn new(case: &Case<'_>, findings: &[Finding], policy: &Policy, is_ours: bool) -> Self {
        let mut counted: Vec<Finding> = Vec::new();
        for finding in findings {
            let settings = policy.signal(&finding.signal);
            let nothing_to_tell = was_not_offered(finding) && settings.missing == Missing::Open;
            let is_exempt =
                is_ours && !is_hard(&finding.signal) && (finding.family == Family::Name || finding.signal == AGE);
            if case.counts(&finding.signal, settings) && !nothing_to_tell && !is_exempt {
                let points = if is_missing(finding) { 0 } else { settings.points.unwrap_or(finding.points).min(100) };
                counted.push(Finding { points, ..finding.clone() });
            }
        }
        counted.sort_by(|one, two| {
            let weight = |finding: &Finding| (finding.points, finding.severity, finding.confidence);
            weight(two)
                .cmp(&weight(one))
                .then_with(|| (&one.signal, &one.summary).cmp(&(&two.signal, &two.summary)))
                .then_with(|| one.evidence.to_string().cmp(&two.evidence.to_string()))
        });
        Self { findings: counted }
    }

    fn judge(
        &self,
        case: &Case<'_>,
        score: Score,
        policy: &Policy,
        (now, is_ours): (Timestamp, bool),
    ) -> (Outcome, Option<Timestamp>, String) {
        if let Some(finding) = self.seen().find(|finding| is_certain(finding, Severity::Critical)) {
            return (Outcome::Reject, None, explain::rejected(finding));
        }
        if let Some(reason) = case.blocked {
            return (Outcome::Reject, None, explain::blocked(reason));
        }
        let heaviest = self.findings.first();
        let asks = self.findings.iter().find(|finding| asks_a_person(finding, policy));
        if let Some(finding) = asks.or(heaviest.filter(|_| score >= policy.thresholds.high)) {
            return (Outcome::Review, None, explain::waits(finding));
        }
        let missing = self.missing(policy, Missing::Hold).next();
        let suspicious = heaviest.filter(|_| score >= policy.thresholds.medium).or(missing);
        let hold = match case.origin {
            Origin::Private(_) => case.private_hold.unwrap_or(Duration::ZERO),
            Origin::Public if suspicious.is_some() => policy.hold.medium,
            Origin::Public if is_ours || case.is_waived(AGE) => Duration::ZERO,
            Origin::Public => policy.hold.default,
        };
        let until = end_of(case.clock_start, hold);
        if let Some(fix) = case.fix.filter(|_| case.origin.is_public() && now < until) {
            return fast_lane(fix, suspicious.is_none().then_some(score), (case.clock_start, until), policy, now);
        }
        match (suspicious, now < until) {
            (None, true) => (Outcome::Hold, Some(until), explain::held(until)),
            (Some(finding), true) => (Outcome::Hold, Some(until), explain::held_because(finding, until)),
            (None, false) if is_ours => (Outcome::Release, None, explain::ours()),
            (None, false) => (Outcome::Release, None, explain::released()),
            (Some(finding), false) => (Outcome::Release, None, explain::released_although(finding)),
        }
    }

    /// What signals really saw.
    fn seen(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| !is_missing(finding))
    }

    /// Signals that could not run and for which the policy says this.
    fn missing(&self, policy: &Policy, meaning: Missing) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(move |finding| is_missing(finding) && policy.signal(&finding.signal).missing == meaning)
    }
}

/// A security fix within its usual hold: soon, if nothing at all speaks against it, else a person is asked, who may let it in
/// before time does.
fn fast_lane(
    fix: &SecurityFix,
    score: Option<Score>,
    (start, usual): (Timestamp, Timestamp),
    policy: &Policy,
    now: Timestamp,
) -> (Outcome, Option<Timestamp>, String) {
    let lane = policy.security_fix;
    if !fix.is_trustworthy || score.is_none_or(|score| score > lane.most_score) {
        return (Outcome::Review, Some(usual), explain::fix_waits(fix, usual));
    }
    let until = end_of(start, lane.hold).min(usual);
    if now < until {
        (Outcome::Hold, Some(until), explain::fix_held(fix, until))
    } else {
        (Outcome::Release, None, explain::fix_released(fix))
    }
}

/// Whether its signal had nothing to read, here and ever.
fn was_not_offered(finding: &Finding) -> bool {
    is_missing(finding) && finding.evidence.get(NOT_OFFERED).and_then(serde_json::Value::as_bool) == Some(true)
}

/// Whether the finding says only that its signal could not run.
pub(super) fn is_missing(finding: &Finding) -> bool {
    finding.evidence.get(UNAVAILABLE).and_then(serde_json::Value::as_bool) == Some(true)
}

fn is_certain(finding: &Finding, severity: Severity) -> bool {
    finding.severity >= severity && finding.confidence == Confidence::High
}

/// Whether time alone must not release what this finding is about.
fn asks_a_person(finding: &Finding, policy: &Policy) -> bool {
    let settings = policy.signal(&finding.signal);
    if is_missing(finding) {
        return settings.missing == Missing::Deny;
    }
    finding.severity == Severity::Critical
        || is_certain(finding, Severity::High)
        || (settings.review && finding.severity >= Severity::High)
}

/// The end of a hold; one that would end after the end of time does not end.
fn end_of(start: Timestamp, hold: Duration) -> Timestamp {
    let hold = time::Duration::try_from(hold).unwrap_or(time::Duration::MAX);
    start.checked_add(hold).unwrap_or_else(|| time::PrimitiveDateTime::MAX.assume_utc())
}

#[cfg(test)]
mod tests;
