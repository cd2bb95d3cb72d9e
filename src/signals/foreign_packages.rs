//! `foreign-packages`: the archive ships modules of other people. PAUSE does not index them, and an installation overwrites
//! the real ones all the same.

use serde_json::json;

use super::{About, Dossier, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct ForeignPackages;

static META: SignalMeta = SignalMeta {
    id: "foreign-packages",
    question: "Does the archive install modules that belong to others?",
    family: Family::Content,
    about: About::File,
};

impl Signal for ForeignPackages {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let Some(cpan) = &dossier.cpan else { return Vec::new() };
        let foreign = || cpan.foreign_packages.iter().filter(|foreign| !foreign.owners.is_empty());
        let Some(first) = foreign().next() else { return Vec::new() };
        let more = match foreign().count() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let owner = first.owners.first().map(|owner| &**owner).unwrap_or_default();
        let summary = format!("The archive installs {}, which belongs to {owner}{more}.", first.package);
        let evidence = json!({ "packages": cpan.foreign_packages, "uploader": cpan.pause_id });
        vec![finding(&META, (Severity::High, Confidence::Medium, 60), summary, evidence)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{cpan, dossier};
    use super::*;
    use crate::signals::{CpanFacts, ForeignPackage};

    #[test]
    fn modules_count_whose_owners_are_known() {
        let package = |name: &str, owners: &[&str]| ForeignPackage {
            package: name.into(),
            owners: owners.iter().map(|owner| (*owner).into()).collect(),
        };
        let seen = |foreign_packages| {
            let facts = CpanFacts { foreign_packages, ..cpan() };
            ForeignPackages.examine(&dossier(facts)).first().map(|finding| (finding.points, finding.summary.clone()))
        };
        assert_eq!(seen(vec![]), None);
        assert_eq!(seen(vec![package("Nobody::Is", &[])]), None);
        let two = vec![package("Try::Tiny", &["ETHER", "HAARG"]), package("Moo", &["HAARG"])];
        let summary = "The archive installs Try::Tiny, which belongs to ETHER and 1 more.";
        assert_eq!(seen(two), Some((60, summary.to_owned())));
    }
}
