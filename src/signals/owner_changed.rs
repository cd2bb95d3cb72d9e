//! `owner-changed`: the accounts that may upload to the project have changed a short while before this release.
//!
//! PyPI shows them only in its JSON API, as they are now: the house keeps what it saw and compares. An empty list is unknown,
//! not nobody (projects of organisations show one).

use serde_json::json;
use time::Duration;

use super::pypi_facts::Source;
use super::{About, Account, Dossier, OwnerChange, Signal, SignalMeta, finding, unavailable};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct OwnerChanged;

static META: SignalMeta = SignalMeta {
    id: "owner-changed",
    question: "Have the project's owners or maintainers changed a short while before?",
    family: Family::Identity,
    about: About::File,
};

/// A change is news for so long.
const NEWS: Duration = Duration::days(30);

impl Signal for OwnerChanged {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let Some(pypi) = &dossier.pypi else { return Vec::new() };
        let when = dossier.published.unwrap_or(dossier.first_seen);
        let mut findings: Vec<Finding> =
            pypi.failure(Source::Document).map(|failed| unavailable(&META, &failed.why)).into_iter().collect();
        // Noticed with the release or before it; whoever released before the old accounts were last seen did not come with the change.
        let is_news = |change: &&OwnerChange| when >= change.seen_before && when - change.seen < NEWS;
        findings.extend(pypi.owners.as_ref().filter(is_news).and_then(told));
        findings
    }
}

/// What changed, in one sentence, and what it weighs.
fn told(change: &OwnerChange) -> Option<Finding> {
    let missing_in = |accounts: &[Account], others: &[Account], role: Option<&str>| -> Vec<String> {
        accounts
            .iter()
            .filter(|account| role.is_none_or(|role| account.role.eq_ignore_ascii_case(role)))
            .filter(|account| others.iter().all(|other| other.user != account.user))
            .map(|account| account.user.clone())
            .collect()
    };
    let new_owners = missing_in(&change.now, &change.before, Some("owner"));
    let new_people = missing_in(&change.now, &change.before, None);
    let gone = missing_in(&change.before, &change.now, None);
    let promoted = change.now.iter().find(|account| {
        account.role.eq_ignore_ascii_case("owner")
            && change.before.iter().any(|before| before.user == account.user)
            && !change.before.contains(account)
    });
    let left = change.before.len() > gone.len();
    let (weight, summary) = match (&*new_owners, &*new_people, &*gone, promoted) {
        ([new, ..], _, [old, ..], _) => {
            let weight = (Severity::High, Confidence::High, if left { 75 } else { 85 });
            (weight, format!("{new} owns the project now, and {old} does not any more."))
        }
        ([new, ..], ..) => ((Severity::High, Confidence::High, 72), format!("{new} is a new owner of the project.")),
        (_, [new, ..], [old, ..], _) => {
            ((Severity::High, Confidence::High, 72), format!("{new} came, and {old} may not upload any more."))
        }
        (_, [new, ..], ..) => ((Severity::Medium, Confidence::High, 40), format!("{new} is a new maintainer.")),
        (.., Some(account)) => {
            ((Severity::Medium, Confidence::High, 36), format!("{} has become an owner.", account.user))
        }
        (_, _, [old, ..], _) => ((Severity::Low, Confidence::High, 8), format!("{old} may not upload any more.")),
        _ => return None,
    };
    let evidence = json!({
        "before": change.before,
        "now": change.now,
        "seen_before": super::moment(change.seen_before),
        "seen": super::moment(change.seen),
    });
    Some(finding(&META, weight, summary, evidence))
}

#[cfg(test)]
mod tests {
    use super::super::sample::pypi;
    use super::*;

    fn accounts(text: &str) -> Vec<Account> {
        text.split_whitespace()
            .map(|account| {
                let role = if account.ends_with('*') { "Owner" } else { "Maintainer" };
                Account { role: role.into(), user: account.trim_end_matches('*').into() }
            })
            .collect()
    }

    /// Points when the change was seen so many hours before the release; less than nothing: after it.
    fn seen(before: &str, now: &str, hours: i64) -> Option<(Severity, u8)> {
        let mut dossier = pypi();
        let seen = dossier.published.unwrap() - Duration::hours(hours);
        let change =
            OwnerChange { before: accounts(before), now: accounts(now), seen_before: seen - Duration::DAY, seen };
        dossier.pypi.as_mut().unwrap().owners = Some(change);
        OwnerChanged.examine(&dossier).first().map(|finding| (finding.severity, finding.points))
    }

    #[test]
    fn the_table_of_changes() {
        assert_eq!(seen("ada*", "eve*", 5), Some((Severity::High, 85)));
        assert_eq!(seen("ada* bob", "eve* bob", 5), Some((Severity::High, 75)));
        assert_eq!(seen("ada*", "ada* eve*", 5), Some((Severity::High, 72)));
        assert_eq!(seen("ada* bob", "ada* eve", 5), Some((Severity::High, 72)));
        assert_eq!(seen("ada*", "ada* eve", 5), Some((Severity::Medium, 40)));
        assert_eq!(seen("ada* eve", "ada* eve*", 5), Some((Severity::Medium, 36)));
        assert_eq!(seen("ada* bob", "ada*", 5), Some((Severity::Low, 8)));
        assert_eq!(seen("ada*", "ada*", 5), None);
    }

    #[test]
    fn a_change_is_news_for_a_month_and_not_before_it_happened() {
        assert!(seen("ada*", "eve*", 24 * 29).is_some());
        assert_eq!(seen("ada*", "eve*", 24 * 31), None);
        assert!(seen("ada*", "eve*", -12).is_some(), "seen when the release was first looked at");
        assert_eq!(seen("ada*", "eve*", -24 * 40), None, "the release was there long before");
    }

    #[test]
    fn both_sides_are_shown_and_what_could_not_be_read_is_said() {
        let mut dossier = pypi();
        let seen = dossier.published.unwrap();
        let facts = dossier.pypi.as_mut().unwrap();
        facts.owners = Some(OwnerChange {
            before: accounts("ada*"),
            now: accounts("eve*"),
            seen_before: seen - Duration::DAY,
            seen,
        });
        let told = OwnerChanged.examine(&dossier);
        assert_eq!(told[0].evidence["before"][0]["user"], "ada");
        assert_eq!(told[0].evidence["now"][0]["user"], "eve");
        let facts = dossier.pypi.as_mut().unwrap();
        facts.owners = None;
        facts.failed =
            vec![super::super::FailedReading { source: Source::Document, why: "the index answered 503".into() }];
        let told = OwnerChanged.examine(&dossier);
        assert_eq!(told[0].evidence["unavailable"], true);
    }
}
