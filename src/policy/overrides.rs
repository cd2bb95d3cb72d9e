//! Overrides: what the policy says otherwise about some projects. The first one that speaks of a project holds, as a whole.

use serde_json::json;
use toml::Spanned;

use super::compile::Policy;
use super::file::{OverrideTable, PolicyError, Source};
use super::is_hard;
use crate::domain::{Confidence, Ecosystem, Family, Finding, Mode, NamePattern, Project, Severity};

/// The signal whose finding tells that an override holds. It weighs nothing.
pub const OVERRIDE: &str = "policy-override";

/// More of them than this is a list that nobody reads.
const MOST: usize = 200;
/// A reason is a sentence.
const LONGEST_REASON: usize = 300;

/// What is said otherwise about some projects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Of which ecosystem.
    pub ecosystem: Ecosystem,
    /// Which projects; none written is all of them.
    pub projects: Vec<NamePattern>,
    /// In which mode they are served, if in one of their own.
    pub mode: Option<Mode>,
    /// Why, for whoever reads a verdict.
    pub reason: String,
    /// The whole policy as it is for them.
    pub(super) policy: Box<Policy>,
}

impl Override {
    /// Whether it speaks of this project.
    pub fn covers(&self, project: &Project) -> bool {
        self.ecosystem == project.ecosystem
            && (self.projects.is_empty() || self.projects.iter().any(|pattern| pattern.matches(&project.name)))
    }

    /// Of which projects it speaks.
    pub fn scope(&self) -> String {
        if self.projects.is_empty() {
            return format!("all of {}", self.ecosystem);
        }
        let names: Vec<String> = self.projects.iter().map(ToString::to_string).collect();
        format!("{}: {}", self.ecosystem, names.join(", "))
    }

    /// Tells whoever reads a verdict.
    pub(super) fn finding(&self) -> Finding {
        Finding {
            signal: OVERRIDE.into(),
            family: Family::Record,
            severity: Severity::Info,
            confidence: Confidence::High,
            points: 0,
            summary: format!("An override of the policy holds for it: {}", self.reason),
            evidence: json!({ "of": self.scope() }),
        }
    }

    /// Everything in it, for the policy's digest.
    pub(super) fn values(&self) -> serde_json::Value {
        json!({ "of": self.scope(), "mode": self.mode, "reason": self.reason, "policy": self.policy.values() })
    }
}

/// Reads all overrides of a file over the policy that the rest of it makes.
pub(super) fn read(
    source: Source<'_>,
    base: &Policy,
    tables: &[Spanned<OverrideTable>],
) -> Result<Vec<Override>, PolicyError> {
    let mut overrides: Vec<Override> = Vec::with_capacity(tables.len());
    for (place, table) in tables.iter().enumerate() {
        let key = format!("override {}", place + 1);
        let refuse = |span, why: String| Err(source.error(&key, span, why));
        if place >= MOST {
            return refuse(table.span(), format!("there are more than {MOST} overrides: a shorter list can be read"));
        }
        let made = read_one(source, base, &key, table)?;
        let is_covered = |pattern: &NamePattern| {
            let earlier = overrides.iter().filter(|earlier| earlier.ecosystem == made.ecosystem);
            earlier.flat_map(|earlier| &earlier.projects).any(|earlier| earlier.includes(pattern))
        };
        let all_covered =
            overrides.iter().any(|earlier| earlier.ecosystem == made.ecosystem && earlier.projects.is_empty());
        if all_covered || (!made.projects.is_empty() && made.projects.iter().all(is_covered)) {
            let why = "it never holds: the first override that speaks of a project does, and earlier ones speak of all of \
                       these; put it before them";
            return refuse(table.span(), why.to_owned());
        }
        overrides.push(made);
    }
    Ok(overrides)
}

fn read_one(
    source: Source<'_>,
    base: &Policy,
    key: &str,
    written: &Spanned<OverrideTable>,
) -> Result<Override, PolicyError> {
    let table = written.get_ref();
    let refuse = |span, why: &str| Err(source.error(key, span, why));
    let Some(ecosystem) = table.ecosystem else {
        return refuse(written.span(), "ecosystem is missing: write ecosystem = \"pypi\", \"cpan\" or \"teapot\"");
    };
    let Some(reason) = &table.reason else {
        return refuse(written.span(), "reason is missing: say why, it is shown with each verdict");
    };
    let text = reason.get_ref().trim();
    if text.is_empty() || text.chars().count() > LONGEST_REASON || text.chars().any(char::is_control) {
        return refuse(reason.span(), "reason: write one sentence of at most 300 characters");
    }
    let says_nothing = table.hold.is_none()
        && table.medium.is_none()
        && table.mode.is_none()
        && table.two_person_above.is_none()
        && table.thresholds.medium.is_none()
        && table.thresholds.high.is_none()
        && table.signals.is_empty();
    if says_nothing {
        let why = "it changes nothing: give it hold, medium, thresholds, two_person_above, mode or signals";
        return refuse(written.span(), why);
    }
    let mut projects = Vec::new();
    if let Some(names) = &table.projects {
        if names.get_ref().is_empty() {
            return refuse(names.span(), "projects is empty: name some, or leave it out to mean the whole ecosystem");
        }
        for raw in names.get_ref() {
            let pattern = NamePattern::parse(ecosystem, raw.get_ref()).map_err(|error| {
                let why = format!("{:?}: {error}; write a name, or a name's beginning and a star", raw.get_ref());
                source.error(&format!("{key}.projects"), raw.span(), why)
            })?;
            projects.push(pattern);
        }
    }
    if let Some(hard) = table.signals.keys().find(|id| is_hard(id.get_ref())) {
        return refuse(hard.span(), "this signal guards a hard rule, about which no override says anything");
    }
    let mut policy = base.clone();
    policy.overlay_override(source, key, table)?;
    Ok(Override { ecosystem, projects, mode: table.mode, reason: text.to_owned(), policy: Box::new(policy) })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HEAD: &str = "[[override]]\necosystem = \"pypi\"\n";

    fn refused(text: &str) -> String {
        Policy::parse(text, "test").unwrap_err().to_string()
    }

    #[test]
    fn the_first_override_that_speaks_of_a_project_holds_as_a_whole() {
        let text = "
            [signals.size-jump]
            points = 7
            [[override]]
            ecosystem = \"pypi\"
            projects = [\"boto3\", \"Acme_*\"]
            hold = \"24h\"
            medium = \"3d\"
            thresholds = { high = 0.9 }
            signals.typosquat.enabled = false
            reason = \"we know them\"
            [[override]]
            ecosystem = \"pypi\"
            mode = \"observe\"
            two_person_above = 0.5
            reason = \"a trial\"";
        let policy = Policy::parse(text, "test").unwrap();
        let of = |project: &str| policy.for_project(&project.parse().unwrap());
        let day = Duration::from_hours(24);
        for project in ["pypi:boto3", "pypi:acme-billing"] {
            let own = of(project);
            assert_eq!((own.hold.default, own.hold.medium), (day, day * 3));
            assert_eq!(
                (own.thresholds.high.to_string(), own.thresholds.medium.to_string()),
                ("0.90".into(), "0.30".into())
            );
            assert!(!own.signal("typosquat").enabled && !own.signal("typosquat").private);
            assert_eq!(
                (own.signal("size-jump").points, own.review.two_person_above.to_string()),
                (Some(7), "0.00".into())
            );
            assert_eq!(own.digest, policy.digest);
            assert_eq!(
                policy.override_for(&project.parse().unwrap()).unwrap().mode,
                None,
                "not joined with the second"
            );
        }
        assert_eq!(of("pypi:acme").review.two_person_above.to_string(), "0.50");
        assert_eq!(of("cpan:Acme-Corp"), &policy);
        assert_eq!(policy.longest_hold(Ecosystem::Pypi), day * 7);
        assert_ne!(policy.digest, Policy::built_in().digest);
        let reason = Policy::parse(&text.replace("a trial", "another"), "test").unwrap();
        assert_ne!(reason.digest, policy.digest, "what is told changes, so verdicts are made again");
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_line() {
        for (rest, expected) in [
            ("reason = \"x\"", "test:1: override 1: it changes nothing"),
            ("hold = \"1h\"", "test:1: override 1: reason is missing"),
            ("hold = \"1h\"\nreason = \"\"", "test:4: override 1: reason: write one sentence"),
            ("hold = \"soon\"\nreason = \"x\"", "test:3: override 1.hold: expected number"),
            ("hold = \"30y\"\nreason = \"x\"", "test:3: override 1.hold: a hold may last ten years"),
            ("medium = \"1h\"\nreason = \"x\"", "test:3: override 1: hold.medium: 1h is shorter than hold.default"),
            ("thresholds.medium = 0.9\nreason = \"x\"", "test:3: override 1: thresholds.medium: 0.90 is above"),
            ("thresholds.medium = 7.0\nreason = \"x\"", "test:3: override 1.thresholds.medium: write a score"),
            ("projects = []\nhold = \"1h\"\nreason = \"x\"", "test:3: override 1: projects is empty"),
            ("projects = [\"*\"]\nhold = \"1h\"\nreason = \"x\"", "test:3: override 1.projects: \"*\""),
            ("signals.malware.points = 0\nreason = \"x\"", "test:3: override 1: this signal guards a hard rule"),
            ("signals.integrity.enabled = false\nreason = \"x\"", "test:3: override 1: this signal guards a hard rule"),
            ("signals.age.points = 900\nreason = \"x\"", "test:3: signals.age.points: write a number"),
            ("held_files = \"hide\"\nreason = \"x\"", "test:3: override.held_files: unknown field"),
            ("mode = \"off\"\nreason = \"x\"", "test:3: override.mode: unknown variant"),
        ] {
            let error = refused(&format!("{HEAD}{rest}\n"));
            assert!(error.starts_with(expected), "{rest}: {error}");
        }
        let error = refused("[[override]]\nhold = \"1h\"\nreason = \"x\"");
        assert!(error.starts_with("test:1: override 1: ecosystem is missing"), "{error}");
    }

    #[test]
    fn one_that_never_holds_is_refused() {
        let other = |projects: &str| format!("{HEAD}{projects}hold = \"1h\"\nreason = \"x\"\n");
        let both = |one: &str, two: &str| Policy::parse(&(other(one) + &other(two)), "test");
        let (all, family, one) = ("", "projects = [\"acme-*\"]\n", "projects = [\"acme-billing\", \"acme-b*\"]\n");
        assert!(
            both(one, family).is_ok() && both(family, all).is_ok() && both(family, "projects = [\"acme\"]\n").is_ok()
        );
        for (first, second) in [(all, family), (family, one), (all, all), (family, family)] {
            let error = both(first, second).unwrap_err().to_string();
            assert!(error.contains("override 2: it never holds"), "{error}");
        }
    }
}
