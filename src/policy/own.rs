//! Packages of our own on the public index: what their own workflow signed waits neither for its age nor for its name.

use toml::Spanned;

use super::file::{OwnTable, PolicyError, Source};
use crate::domain::{Confidence, Ecosystem, Family, Finding, NamePattern, Project, Severity};

/// The signal whose finding tells whether a package of our own is proved to be that. It weighs nothing.
pub const OWN: &str = "own-package";

/// Longest name of a repository or workflow.
const LONGEST: usize = 200;

/// Who publishes some of our packages.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Own {
    /// Which projects.
    #[serde(serialize_with = "as_texts")]
    pub projects: Vec<NamePattern>,
    /// The service that builds them: `GitHub` or `GitLab`.
    pub kind: &'static str,
    /// Where on it: `acme/sdk`, in lower case.
    pub repository: String,
    /// Which workflow: `release.yml`.
    pub workflow: String,
}

/// What the attestation of one file proves, as it was verified.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proof {
    /// The service.
    pub kind: String,
    /// The repository.
    pub repository: Option<String>,
    /// The workflow.
    pub workflow: Option<String>,
    /// Why it proves nothing; `None`: it proves all of this.
    pub unproved: Option<String>,
}

impl Own {
    /// Whether it speaks of this project.
    pub(super) fn covers(&self, project: &Project) -> bool {
        project.ecosystem == Ecosystem::Pypi && self.projects.iter().any(|pattern| pattern.matches(&project.name))
    }

    /// Why a file is not proved to be ours; `Ok`: it is.
    pub(super) fn check(&self, proof: Option<&Proof>) -> Result<(), String> {
        let Some(proof) = proof else { return Err("no attestation of this file was verified".to_owned()) };
        if let Some(why) = &proof.unproved {
            return Err(format!("its attestation does not prove who built it, {why}"));
        }
        let repository = proof.repository.as_deref().unwrap_or_default();
        let workflow = proof.workflow.as_deref().unwrap_or_default();
        if proof.kind == self.kind && repository.eq_ignore_ascii_case(&self.repository) && workflow == self.workflow {
            return Ok(());
        }
        Err(format!("it was built by {workflow} of {repository} on {}", proof.kind))
    }

    /// Tells whoever reads a verdict.
    pub(super) fn finding(&self, checked: &Result<(), String>) -> Finding {
        let ours = format!("{} of {} on {}", self.workflow, self.repository, self.kind);
        let (severity, summary) = match checked {
            Ok(()) => (Severity::Info, format!("It is ours: {ours} has signed it.")),
            Err(why) => (Severity::Low, format!("It should be built by {ours}, which nothing proves: {why}.")),
        };
        Finding {
            signal: OWN.into(),
            family: Family::Identity,
            severity,
            confidence: Confidence::High,
            points: 0,
            summary,
            evidence: serde_json::json!({ "publisher": self, "proved": checked.is_ok() }),
        }
    }
}

/// Reads all of a file's.
pub(super) fn read(source: Source<'_>, tables: &[Spanned<OwnTable>]) -> Result<Vec<Own>, PolicyError> {
    let read_one = |(place, written): (usize, &Spanned<OwnTable>)| {
        let key = format!("own {}", place + 1);
        let table = written.get_ref();
        let missing = |what: &str| source.error(&key, written.span(), format!("{what} is missing"));
        let names = table.projects.as_ref().ok_or_else(|| missing("projects"))?;
        let repository = table.repository.as_ref().ok_or_else(|| missing("repository"))?;
        let workflow = table.workflow.as_ref().ok_or_else(|| missing("workflow"))?;
        if names.get_ref().is_empty() {
            return Err(source.error(&key, names.span(), "projects is empty: name some"));
        }
        let pattern = |raw: &Spanned<String>| {
            NamePattern::parse(Ecosystem::Pypi, raw.get_ref()).map_err(|error| {
                let why = format!("{:?}: {error}; write a name, or a name's beginning and a star", raw.get_ref());
                source.error(&format!("{key}.projects"), raw.span(), why)
            })
        };
        let projects = names.get_ref().iter().map(pattern).collect::<Result<_, _>>()?;
        let (kind, place) = place_of(repository.get_ref()).ok_or_else(|| {
            let why = "write where it is on GitHub or GitLab, such as https://github.com/acme/sdk";
            source.error(&format!("{key}.repository"), repository.span(), why)
        })?;
        let file = workflow.get_ref().trim();
        if file.is_empty() || file.len() > LONGEST || !file.bytes().all(|byte| byte.is_ascii_graphic()) {
            let why = "write the file of the workflow, such as release.yml";
            return Err(source.error(&format!("{key}.workflow"), workflow.span(), why));
        }
        Ok(Own { projects, kind, repository: place, workflow: file.to_owned() })
    };
    tables.iter().enumerate().map(read_one).collect()
}

/// `https://github.com/Acme/sdk.git` is `acme/sdk` on `GitHub`.
fn place_of(address: &str) -> Option<(&'static str, String)> {
    let rest = address.trim().strip_prefix("https://")?;
    let (host, path) = rest.split_once('/')?;
    let kind = match host.to_ascii_lowercase().as_str() {
        "github.com" => "GitHub",
        "gitlab.com" => "GitLab",
        _ => return None,
    };
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let parts = path.split('/').count();
    let well_formed = path.len() <= LONGEST && path.split('/').all(is_part);
    let right_depth = if kind == "GitHub" { parts == 2 } else { parts >= 2 };
    (well_formed && right_depth).then(|| (kind, path.to_ascii_lowercase()))
}

fn as_texts<S: serde::Serializer>(patterns: &[NamePattern], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(patterns.iter().map(ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    const ACME: &str = "[[own]]\nprojects = [\"acme-*\"]\nrepository = \"https://github.com/Acme/sdk.git\"\nworkflow = \"release.yml\"\n";

    fn proof(kind: &str, repository: &str, workflow: &str, unproved: Option<&str>) -> Proof {
        Proof {
            kind: kind.into(),
            repository: Some(repository.into()),
            workflow: Some(workflow.into()),
            unproved: unproved.map(str::to_owned),
        }
    }

    #[test]
    fn only_our_repository_and_workflow_prove_it() {
        let policy = Policy::parse(ACME, "test").unwrap();
        let own = policy.own_for(&"pypi:acme-sdk".parse().unwrap()).unwrap();
        assert_eq!((own.kind, own.repository.as_str()), ("GitHub", "acme/sdk"));
        assert!(policy.own_for(&"cpan:acme-sdk".parse().unwrap()).is_none());
        assert_eq!(own.check(Some(&proof("GitHub", "acme/sdk", "release.yml", None))), Ok(()));
        for (wrong, why) in [
            (None, "no attestation"),
            (Some(proof("GitHub", "acme/sdk", "release.yml", Some("it is about another file"))), "about another file"),
            (Some(proof("GitLab", "acme/sdk", "release.yml", None)), "on GitLab"),
            (Some(proof("GitHub", "eve/sdk", "release.yml", None)), "of eve/sdk"),
            (Some(proof("GitHub", "acme/sdk", "test.yml", None)), "by test.yml"),
            (Some(Proof { kind: "GitHub".into(), ..Proof::default() }), "built by"),
        ] {
            let told = own.check(wrong.as_ref()).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_line() {
        let with = |from: &str, to: &str| Policy::parse(&ACME.replace(from, to), "test").unwrap_err().to_string();
        for (from, to, expected) in [
            ("workflow = \"release.yml\"\n", "", "test:1: own 1: workflow is missing"),
            ("[\"acme-*\"]", "[]", "test:2: own 1: projects is empty"),
            ("acme-*", "*", "test:2: own 1.projects: \"*\""),
            ("https://github.com/Acme/sdk.git", "acme/sdk", "test:3: own 1.repository: write where it is"),
            ("github.com", "github.com.evil.example", "test:3: own 1.repository: write where it is"),
            ("Acme/sdk.git", "acme", "test:3: own 1.repository: write where it is"),
            ("Acme/sdk.git", "acme/../sdk", "test:3: own 1.repository: write where it is"),
            ("release.yml", " ", "test:4: own 1.workflow: write the file"),
            ("workflow", "worfklow", "test:4: own.worfklow: unknown field"),
        ] {
            let error = with(from, to);
            assert!(error.starts_with(expected), "{to}: {error}");
        }
    }
}
