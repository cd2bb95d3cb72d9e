//! `dormant-revival`: a release of something that nobody touched for years. Often a kind person, now and then a stolen account.

use serde_json::json;
use time::format_description::well_known::Rfc3339;

use super::{About, CpanFacts, Dossier, History, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Family, Finding, Severity, Timestamp};

/// See the module.
#[derive(Debug)]
pub struct DormantRevival;

static META: SignalMeta = SignalMeta {
    id: "dormant-revival",
    question: "Is this the first release after years of silence?",
    family: Family::Behaviour,
    about: About::File,
};

/// Silence that is longer is worth a word: two years.
const LONG: time::Duration = time::Duration::days(2 * 365);

/// When the last release before this one came out, if that was long ago.
pub(super) fn asleep(cpan: &CpanFacts, when: Timestamp) -> Option<Timestamp> {
    let last = cpan.earlier.iter().filter_map(|earlier| earlier.published).filter(|time| *time < when).max()?;
    // A release that may be in between, because nobody knows its time, ends the silence.
    let unknown = cpan.earlier.first().is_some_and(|newest| newest.published.is_none());
    (!unknown && when - last > LONG).then_some(last)
}

impl Signal for DormantRevival {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        if let Some(history) = dossier.history.as_ref().filter(|_| dossier.cpan.is_none()) {
            return of_python(history);
        }
        let Some(cpan) = &dossier.cpan else { return Vec::new() };
        let when = dossier.published.unwrap_or(dossier.first_seen);
        let Some(last) = asleep(cpan, when) else { return Vec::new() };
        let years = (when - last).whole_days() / 365;
        let summary = format!("The first release after {years} years of silence.");
        let evidence = json!({
            "last": last.format(&Rfc3339).unwrap_or_default(),
            "this": when.format(&Rfc3339).unwrap_or_default(),
        });
        vec![finding(&META, (Severity::Low, Confidence::Medium, 8), summary, evidence)]
    }
}

/// On PyPI, where an account is worth stealing long after its owner has lost interest (ctx slept for eight years).
fn of_python(history: &History) -> Vec<Finding> {
    let Some((silence, last)) = history.silence() else { return Vec::new() };
    // What is always left alone for years and then mended is no news.
    let (severity, points) = if history.habits.pauses == 0 { (Severity::Medium, 36) } else { (Severity::Low, 12) };
    let months = silence.whole_days() / 30;
    let summary = format!("{} broke {months} months of silence since {}.", history.this.version, last.version);
    let evidence = json!({ "last": last, "this": history.this, "habits": history.habits });
    vec![finding(&META, (severity, Confidence::Medium, points), summary, evidence)]
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::super::sample::{Line, cpan, dossier, dossier_of, earlier};
    use super::*;

    fn seen(releases: &[Option<Timestamp>]) -> Option<String> {
        let earlier = releases.iter().map(|time| super::super::EarlierRelease {
            published: *time,
            ..earlier("ALICE", "1.0", datetime!(2020-01-01 0:00 UTC))
        });
        let facts = CpanFacts { earlier: earlier.collect(), ..cpan() };
        DormantRevival.examine(&dossier(facts)).first().map(|finding| finding.summary.clone())
    }

    #[test]
    fn on_pypi_a_year_counts_unless_it_is_usual() {
        let year = 24 * 365;
        let points = |hours: &[i64]| {
            let versions = ["1.0", "2.0", "3.0", "4.0"];
            let lines = versions.iter().zip(hours).map(|(version, hours)| Line { version, hours: *hours, bytes: 1 });
            let found = DormantRevival.examine(&dossier_of(&lines.collect::<Vec<_>>()));
            found.first().map(|finding| finding.points)
        };
        assert_eq!(points(&[year + 2_000, year + 10, 1]), Some(36));
        assert_eq!(points(&[2 * year, year, 4_000, 1]), None);
        assert_eq!(points(&[4 * year, 2 * year, year / 2, 1]), None, "half a year");
        assert_eq!(points(&[6 * year, 4 * year, 2 * year, 1]), Some(12));
    }

    #[test]
    fn only_years_count() {
        let (recent, long_ago) = (Some(datetime!(2025-11-01 0:00 UTC)), Some(datetime!(2019-05-01 0:00 UTC)));
        assert_eq!(seen(&[long_ago]).as_deref(), Some("The first release after 7 years of silence."));
        assert_eq!(seen(&[recent, long_ago]), None);
        assert_eq!(seen(&[]), None);
        assert_eq!(seen(&[None, long_ago]), None, "the newest release has no date");
    }
}
