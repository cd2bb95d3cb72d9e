//! `author-changed`: somebody uploads what others uploaded so far. On CPAN the id in a release's path is the only author that
//! cannot be made up, and 06perms says who may.

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::{About, CpanFacts, Dossier, EarlierRelease, Signal, SignalMeta, dormant_revival, finding};
use crate::domain::{Confidence, Family, Finding, Severity, Timestamp};

/// See the module.
#[derive(Debug)]
pub struct AuthorChanged;

static META: SignalMeta = SignalMeta {
    id: "author-changed",
    question: "Does somebody upload whom this distribution does not know?",
    family: Family::Identity,
    about: About::File,
};

/// A permission that is younger was given for this upload, perhaps.
const FRESH: time::Duration = time::Duration::days(30);
/// Names that are so alike are one slip apart. Usual names are at 0.5 and below.
const ALIKE: f64 = 0.85;
/// Shorter names are alike by chance.
const LONG_ENOUGH: usize = 6;

impl Signal for AuthorChanged {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let Some(cpan) = &dossier.cpan else { return Vec::new() };
        if is_unauthorised(cpan) {
            let summary = format!("{} uploads {} without a permission for it.", cpan.pause_id, cpan.main_package);
            let weight = (Severity::High, Confidence::High, 75);
            return vec![finding(&META, weight, summary, evidence(cpan, &["unauthorised"]))];
        }
        let when = dossier.published.unwrap_or(dossier.first_seen);
        Change::of(cpan, when).map(|change| change.finding(cpan)).into_iter().collect()
    }
}

/// Others hold permissions on the name and the uploader does not: PAUSE keeps it out of its index. A name that nobody holds
/// is new, or belongs to Perl itself.
fn is_unauthorised(cpan: &CpanFacts) -> bool {
    cpan.permissions_known && cpan.permission.is_none() && !cpan.owners.is_empty()
}

/// An uploader who has not released this distribution before.
struct Change<'a> {
    /// Who uploaded the release before.
    before: Option<&'a EarlierRelease>,
    fresh: bool,
    handed_over: bool,
    dormant: bool,
    look_alike: Option<&'a str>,
}

impl<'a> Change<'a> {
    fn of(cpan: &'a CpanFacts, when: Timestamp) -> Option<Self> {
        let known = cpan.earlier.iter().any(|earlier| earlier.pause_id == cpan.pause_id);
        let received = cpan.ownership_moved.as_ref().is_some_and(|moved| moved.to == cpan.pause_id);
        let is_new = !known && (!cpan.earlier.is_empty() || received);
        is_new.then(|| Self {
            before: cpan.earlier.first(),
            fresh: cpan.permission_since.is_some_and(|since| when - since < FRESH),
            handed_over: cpan.ownership_moved.is_some() || cpan.adoption.is_some(),
            dormant: dormant_revival::asleep(cpan, when).is_some(),
            look_alike: look_alike(cpan),
        })
    }

    fn finding(&self, cpan: &CpanFacts) -> Finding {
        let mut points = 25;
        let mut reasons = vec!["new-id"];
        let mut add = |holds: bool, reason, at_least| {
            if holds {
                reasons.push(reason);
                points = points.max(at_least);
            }
        };
        add(self.handed_over, "handed-over", 40);
        add(self.fresh, "fresh-permission", 45);
        add(self.look_alike.is_some(), "look-alike-name", 60);
        if self.dormant {
            reasons.push("dormant");
            points += 15;
        }
        let severity = if self.look_alike.is_some() { Severity::High } else { Severity::Medium };
        let weight = (severity, Confidence::Medium, points);
        finding(&META, weight, self.summary(cpan), evidence(cpan, &reasons))
    }

    fn summary(&self, cpan: &CpanFacts) -> String {
        let CpanFacts { pause_id, main_package, .. } = cpan;
        if let Some(name) = self.look_alike {
            return format!("{pause_id} uploads {main_package} for the first time, with a name like that of {name}.");
        }
        let whom = self.before.map(|before| format!(" after {}", before.pause_id)).unwrap_or_default();
        let how = match self {
            Self { fresh: true, .. } => ", with a permission that is new",
            Self { handed_over: true, .. } => ", which was handed over",
            Self { dormant: true, .. } => ", which slept for years",
            _ => "",
        };
        format!("{pause_id} uploads {main_package} for the first time{whom}{how}.")
    }
}

/// The owner whose name the uploader's looks like. The very same name is one too: a second account, or a stranger.
fn look_alike(cpan: &CpanFacts) -> Option<&str> {
    let name = cpan.uploader_name.as_deref()?;
    let plain = |name: &str| -> String {
        name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let uploader = plain(name);
    if uploader.chars().count() < LONG_ENOUGH {
        return None;
    }
    // Who holds a permission is among the owners, once.
    let own = cpan.owners.contains(&cpan.pause_id);
    let own = cpan.owner_names.iter().position(|owner| own && &**owner == name);
    let others = cpan.owner_names.iter().enumerate().filter(|(at, _)| Some(*at) != own).map(|(_, owner)| &**owner);
    others.into_iter().find(|owner| strsim::normalized_damerau_levenshtein(&uploader, &plain(owner)) >= ALIKE)
}

fn evidence(cpan: &CpanFacts, reasons: &[&str]) -> Value {
    let moment = |time: Timestamp| time.format(&Rfc3339).unwrap_or_default();
    let permission = match (&cpan.permission, cpan.permissions_known) {
        (Some(permission), _) => &**permission,
        (None, true) => "none",
        (None, false) => "not known, 06perms could not be read",
    };
    json!({
        "reasons": reasons,
        "uploader": cpan.pause_id,
        "uploader_name": cpan.uploader_name,
        "package": cpan.main_package,
        "permission": permission,
        "permission_since": cpan.permission_since.map(moment),
        "owners": cpan.owners,
        "owner_names": cpan.owner_names,
        "ownership_moved": cpan.ownership_moved,
        "adoption": cpan.adoption,
        "indexed": cpan.indexed,
        "earlier": cpan.earlier,
    })
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::super::sample::{cpan, dossier, earlier};
    use super::*;
    use crate::signals::OwnershipMove;

    /// Severity and points of a release by NEWBIE after one by ALICE, two months before.
    fn weighed(change: impl FnOnce(&mut CpanFacts)) -> Option<(Severity, u8)> {
        let mut facts = CpanFacts {
            pause_id: "NEWBIE".into(),
            permission: Some("c".into()),
            owners: vec!["ALICE".into(), "NEWBIE".into()],
            uploader_name: Some("Nora New".into()),
            owner_names: vec!["Alice Arthur".into(), "Nora New".into()],
            earlier: vec![earlier("ALICE", "1.0", datetime!(2026-09-20 12:00 UTC))],
            ..cpan()
        };
        change(&mut facts);
        let found = AuthorChanged.examine(&dossier(facts));
        found.first().map(|finding| (finding.severity, finding.points))
    }

    #[test]
    fn the_table_of_changes() {
        let fresh = |facts: &mut CpanFacts| facts.permission_since = Some(datetime!(2026-11-10 12:00 UTC));
        let slept =
            |facts: &mut CpanFacts| facts.earlier = vec![earlier("ALICE", "1.0", datetime!(2019-01-01 0:00 UTC))];
        let imitates = |facts: &mut CpanFacts| {
            facts.uploader_name = Some("Alice Arthure".into());
            facts.owner_names = vec!["Alice Arthur".into(), "Alice Arthure".into()];
        };
        assert_eq!(weighed(|_| {}), Some((Severity::Medium, 25)));
        assert_eq!(weighed(fresh), Some((Severity::Medium, 45)));
        assert_eq!(weighed(slept), Some((Severity::Medium, 40)));
        assert_eq!(weighed(|facts| facts.adoption = Some("ADOPTME".into())), Some((Severity::Medium, 40)));
        let moved = || OwnershipMove { from: "ALICE".into(), to: "NEWBIE".into(), at: datetime!(2026-11-01 0:00 UTC) };
        assert_eq!(weighed(|facts| facts.ownership_moved = Some(moved())), Some((Severity::Medium, 40)));
        assert_eq!(weighed(imitates), Some((Severity::High, 60)));
        let namesake = |facts: &mut CpanFacts| facts.owner_names = vec!["Nora New".into(), "Nora New".into()];
        assert_eq!(weighed(namesake), Some((Severity::High, 60)));
        let all = |facts: &mut CpanFacts| {
            fresh(facts);
            slept(facts);
            imitates(facts);
        };
        assert_eq!(weighed(all), Some((Severity::High, 75)));
        // The permission is older than a month.
        let old = |facts: &mut CpanFacts| facts.permission_since = Some(datetime!(2026-09-01 0:00 UTC));
        assert_eq!(weighed(old), Some((Severity::Medium, 25)));
        // Nothing else is known of the distribution, but that it was given away.
        let given = |facts: &mut CpanFacts| {
            facts.earlier.clear();
            facts.ownership_moved = Some(moved());
        };
        assert_eq!(weighed(given), Some((Severity::Medium, 40)));
    }

    #[test]
    fn who_released_before_is_no_news() {
        let mine = |facts: &mut CpanFacts| facts.earlier.push(earlier("NEWBIE", "0.9", datetime!(2026-01-01 0:00 UTC)));
        assert_eq!(weighed(mine), None);
        assert_eq!(weighed(|facts| facts.pause_id = "ALICE".into()), None);
        assert_eq!(weighed(|facts| facts.earlier.clear()), None, "a new distribution");
    }

    #[test]
    fn whoever_has_no_permission_needs_a_person() {
        let none = |facts: &mut CpanFacts| {
            facts.permission = None;
            facts.owners = vec!["ALICE".into()];
        };
        assert_eq!(weighed(none), Some((Severity::High, 75)));
        // Also if they released it once.
        let lost = |facts: &mut CpanFacts| {
            none(facts);
            facts.earlier.push(earlier("NEWBIE", "0.9", datetime!(2026-01-01 0:00 UTC)));
        };
        assert_eq!(weighed(lost), Some((Severity::High, 75)));
        // Nobody has: the name is new, or Perl's own.
        let nobody = |facts: &mut CpanFacts| {
            none(facts);
            facts.owners.clear();
            facts.owner_names.clear();
        };
        assert_eq!(weighed(nobody), Some((Severity::Medium, 25)));
    }

    #[test]
    fn permissions_that_could_not_be_read_are_said_and_not_guessed() {
        let facts = CpanFacts {
            pause_id: "NEWBIE".into(),
            permissions_known: false,
            permission: None,
            owners: Vec::new(),
            owner_names: Vec::new(),
            earlier: vec![earlier("ALICE", "1.0", datetime!(2026-09-20 12:00 UTC))],
            ..cpan()
        };
        let found = AuthorChanged.examine(&dossier(facts));
        assert_eq!(found[0].points, 25);
        assert!(found[0].evidence["permission"].as_str().unwrap().contains("could not be read"));
        assert_eq!(found[0].summary, "NEWBIE uploads Acme::Greet for the first time after ALICE.");
    }
}
