//! `dormant-revival`: a release of something that nobody touched for years. Often a kind person, now and then a stolen account.

use serde_json::json;
use time::format_description::well_known::Rfc3339;

use super::{About, CpanFacts, Dossier, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Finding, Severity, Timestamp};

/// See the module.
#[derive(Debug)]
pub struct DormantRevival;

static META: SignalMeta = SignalMeta {
    id: "dormant-revival",
    question: "Is this the first release after years of silence?",
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

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::super::sample::{cpan, dossier, earlier};
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
    fn only_years_count() {
        let (recent, long_ago) = (Some(datetime!(2025-11-01 0:00 UTC)), Some(datetime!(2019-05-01 0:00 UTC)));
        assert_eq!(seen(&[long_ago]).as_deref(), Some("The first release after 7 years of silence."));
        assert_eq!(seen(&[recent, long_ago]), None);
        assert_eq!(seen(&[]), None);
        assert_eq!(seen(&[None, long_ago]), None, "the newest release has no date");
    }
}
