//! `contact-changed`: the people who say they made this release are not those who said it before. Self-declared, so the same
//! name proves nothing; another domain behind every address does (ctx: the domain had run out and was bought).

use serde_json::json;

use super::pypi_facts::Source;
use super::{About, Dossier, Signal, SignalMeta, finding, unavailable};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct ContactChanged;

static META: SignalMeta = SignalMeta {
    id: "contact-changed",
    question: "Do other people, with addresses elsewhere, say they made this release?",
    family: Family::Identity,
    about: About::File,
};

impl Signal for ContactChanged {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let Some(pypi) = &dossier.pypi else { return Vec::new() };
        if let Some(failed) = pypi.failure(Source::Metadata) {
            return vec![unavailable(&META, &failed.why)];
        }
        let (Some(now), Some(before)) = (&pypi.says, &pypi.said) else { return Vec::new() };
        let (domains, domains_before) = (now.domains(), before.domains());
        let apart =
            |one: &[&str], two: &[&str]| !one.is_empty() && !two.is_empty() && one.iter().all(|it| !two.contains(it));
        let people: Vec<&str> = now.people.iter().map(String::as_str).collect();
        let people_before: Vec<&str> = before.people.iter().map(String::as_str).collect();
        let (weight, summary) = if apart(&domains, &domains_before) {
            let (old, new) = (list(&domains_before), list(&domains));
            let weight = if apart(&people, &people_before) { 75 } else { 60 };
            (
                (Severity::High, Confidence::Medium, weight),
                format!("Its addresses are at {new} now, and were at {old}."),
            )
        } else if apart(&people, &people_before) {
            let (old, new) = (list(&people_before), list(&people));
            ((Severity::Medium, Confidence::Low, 20), format!("{new} says to have made it; before it was {old}."))
        } else if domains.is_empty() && people.is_empty() && !(domains_before.is_empty() && people_before.is_empty()) {
            ((Severity::Low, Confidence::Low, 6), "Nobody says to have made it any more.".to_owned())
        } else {
            return Vec::new();
        };
        let side = |says: &super::ReleaseSays| json!({ "version": says.version, "people": says.people, "addresses": says.addresses });
        vec![finding(&META, weight, summary, json!({ "before": side(before), "now": side(now) }))]
    }
}

/// The first few of them.
fn list(names: &[&str]) -> String {
    const TOLD: usize = 3;
    let told: Vec<&str> = names.iter().copied().take(TOLD).collect();
    match names.len().saturating_sub(TOLD) {
        0 => told.join(", "),
        more => format!("{} and {more} more", told.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::pypi;
    use super::super::{FailedReading, ReleaseSays};
    use super::*;

    fn says(people: &[&str], addresses: &[&str]) -> ReleaseSays {
        let own = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        ReleaseSays { people: own(people), addresses: own(addresses), ..ReleaseSays::default() }
    }

    fn points(before: impl Into<Option<ReleaseSays>>, now: impl Into<Option<ReleaseSays>>) -> Option<u8> {
        let mut dossier = pypi();
        let facts = dossier.pypi.as_mut().unwrap();
        (facts.said, facts.says) = (before.into(), now.into());
        ContactChanged.examine(&dossier).first().map(|finding| finding.points)
    }

    #[test]
    fn the_table_of_contacts() {
        let ada = || says(&["ada"], &["ada@figlief.example"]);
        assert_eq!(points(ada(), ada()), None);
        assert_eq!(points(ada(), says(&["ada"], &["ada@mail.example"])), Some(60));
        assert_eq!(points(ada(), says(&["eve"], &["eve@mail.example"])), Some(75));
        assert_eq!(
            points(ada(), says(&["ada", "eve"], &["ada@figlief.example", "eve@mail.example"])),
            None,
            "one more"
        );
        assert_eq!(points(ada(), says(&["eve"], &["eve@figlief.example"])), Some(20));
        assert_eq!(points(ada(), says(&[], &[])), Some(6));
        assert_eq!(points(says(&[], &[]), ada()), None, "it said nothing before");
        assert_eq!(points(None, ada()), None);
        assert_eq!(points(ada(), None), None);
    }

    #[test]
    fn what_could_not_be_read_is_said() {
        let mut dossier = pypi();
        let why = "the .metadata could not be had".to_owned();
        dossier.pypi.as_mut().unwrap().failed = vec![FailedReading { source: Source::Metadata, why }];
        assert_eq!(ContactChanged.examine(&dossier)[0].evidence["unavailable"], true);
    }
}
