//! `loose-dependency`: what the release requires is not what an index would give: an address of its own, which nobody holds,
//! scores or can take back, or any version of something that it never required before.

use serde_json::json;

use super::{About, Dossier, Requirement, Signal, SignalMeta, finding};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct LooseDependency;

static META: SignalMeta = SignalMeta {
    id: "loose-dependency",
    question: "Does the release require something past the index, or in any version whatever?",
    family: Family::Behaviour,
    about: About::File,
};

impl Signal for LooseDependency {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let Some(pypi) = &dossier.pypi else { return Vec::new() };
        let requires = pypi.says.iter().flat_map(|says| &says.requires);
        let direct: Vec<&Requirement> = requires.filter(|requirement| requirement.direct).collect();
        let said = |wanted: &Requirement| {
            pypi.said.as_ref().is_some_and(|said| said.requires.iter().any(|before| before.written == wanted.written))
        };
        if let Some(first) = direct.iter().find(|requirement| !said(requirement)).or(direct.first()) {
            // Addresses that were there before were let in before.
            let weight = if said(first) {
                (Severity::Low, Confidence::High, 8)
            } else {
                (Severity::Medium, Confidence::High, 45)
            };
            let summary = format!("It requires {} from an address of its own, past every index.", first.project);
            return vec![finding(&META, weight, summary, json!({ "direct": direct }))];
        }
        let unbounded: Vec<&Requirement> = pypi
            .new_requirements
            .iter()
            .map(|new| &new.requirement)
            .filter(|requirement| !requirement.bounded && !requirement.direct)
            .collect();
        let Some(first) = unbounded.first() else { return Vec::new() };
        let summary = format!("It requires any version of {}, for the first time.", first.project);
        vec![finding(&META, (Severity::Info, Confidence::High, 2), summary, json!({ "unbounded": unbounded }))]
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{pypi, requirement};
    use super::super::{NewRequirement, ReleaseSays};
    use super::*;

    #[test]
    fn an_address_past_the_index_weighs_when_it_is_new() {
        let direct = Requirement { direct: true, ..requirement("rope") };
        let mut dossier = pypi();
        let says = |requires: &[Requirement]| Some(ReleaseSays { requires: requires.into(), ..ReleaseSays::default() });
        let facts = dossier.pypi.as_mut().unwrap();
        facts.says = says(std::slice::from_ref(&direct));
        facts.said = says(&[]);
        assert_eq!(LooseDependency.examine(&dossier)[0].points, 45);
        dossier.pypi.as_mut().unwrap().said = says(&[direct]);
        assert_eq!(LooseDependency.examine(&dossier)[0].points, 8);
    }

    #[test]
    fn any_version_of_something_new_is_worth_a_word() {
        let mut dossier = pypi();
        let any = Requirement { bounded: false, ..requirement("rope") };
        let facts = dossier.pypi.as_mut().unwrap();
        let (first_upload, missing, newcomers_in_common) = (None, false, Vec::new());
        facts.new_requirements =
            vec![NewRequirement { requirement: any, first_upload, missing, unread: false, newcomers_in_common }];
        assert_eq!(LooseDependency.examine(&dossier)[0].points, 2);
    }
}
