//! Collect, then judge, then decide: the facts of an upload become a dossier, the dossier findings, the findings a verdict.

use super::cpan::CpanRecords;
use super::teapot::TeapotRecords;
use crate::archive::Walk;
use crate::corpus::{Corpus, Neighbour};
use crate::domain::{
    FileKind, Finding, KnownFile, KnownProject, ProjectName, ReleaseKey, RuleKind, Sha256, StandingRule, Timestamp,
    Verdict, Version, Yanked,
};
use crate::policy::{self, Case, Policy};
use crate::signals::{self, About, ChangedFile, Dossier, ProjectFacts};

/// So many hidden files stand in a dossier.
const MOST_HIDDEN_TOLD: usize = 10;

/// Everything that judging needs besides the facts themselves.
#[derive(Debug, Clone, Copy)]
pub struct Bench<'a> {
    /// The policy in force.
    pub policy: &'a Policy,
    /// The well-known names of its ecosystem.
    pub corpus: &'a Corpus,
    /// The standing rules of the project.
    pub rules: &'a [StandingRule],
    /// The hold of the private index that the project comes from.
    pub private_hold: Option<std::time::Duration>,
    /// A private index that shows the same name as this public project.
    pub namesake: Option<&'a str>,
    /// What CPAN's records say of the project's files.
    pub records: Option<&'a CpanRecords>,
    /// What a teapot index says of the project's files.
    pub instances: Option<&'a TeapotRecords>,
    /// The time to decide with.
    pub now: Timestamp,
}

impl Bench<'_> {
    /// Identifies what the judging depends on besides the facts: if it changes, standings are judged again.
    pub fn digest(&self) -> Sha256 {
        let mut text = format!("{}\n{}\n{:?}\n", self.policy.digest, self.corpus.digest(), self.namesake);
        for rule in self.rules {
            let expired = matches!(&rule.kind, RuleKind::Waiver { expires, .. } if *expires <= self.now);
            text.push_str(&rule.key());
            text.push_str(&rule.at.to_string());
            text.push(if expired { '-' } else { '+' });
        }
        if let Some(records) = self.records {
            text.push_str(&records.digest().to_string());
        }
        if let Some(instances) = self.instances {
            text.push_str(&instances.digest().to_string());
        }
        Sha256::of(text.as_bytes())
    }

    /// The facts about a project.
    pub fn facts(&self, known: &KnownProject) -> ProjectFacts {
        let name = &known.project.name;
        let ecosystem = known.project.ecosystem;
        let mut versions: Vec<(ReleaseKey, &Version)> =
            known.files.iter().map(|file| (file.file.version.release(ecosystem), &file.file.version)).collect();
        versions.sort();
        versions.dedup();
        let span = versions.first().zip(versions.last());
        ProjectFacts {
            project: known.project.clone(),
            origin: known.origin.clone(),
            first_read: known.first_read,
            versions: versions.len(),
            oldest_upload: known.files.iter().filter_map(|file| file.file.uploaded_at()).min(),
            version_span: span.map(|((_, lowest), (_, highest))| ((*lowest).clone(), (*highest).clone())),
            status: known.status.clone(),
            rank: self.corpus.rank(name),
            neighbours: if known.origin.is_public() { self.neighbours(name) } else { Vec::new() },
            internal: self.policy.is_internal(&known.project),
            hidden: known.hidden.iter().take(MOST_HIDDEN_TOLD).cloned().collect(),
            private_namesake: self.namesake.map(str::to_owned),
        }
    }

    /// Well-known and internal names that look alike, and those that a repository had before this one.
    fn neighbours(&self, name: &ProjectName) -> Vec<Neighbour> {
        let mut neighbours = self.corpus.neighbours(name);
        for other in self.instances.iter().flat_map(|records| records.look_alikes()) {
            if neighbours.iter().all(|known| known.target != other.target) {
                neighbours.push(other.clone());
            }
        }
        neighbours
    }

    /// What the signals see in the project as a whole.
    pub fn project_findings(&self, facts: &ProjectFacts) -> Vec<Finding> {
        // A project signal reads the project's facts only; the file is a stand-in.
        let Ok(filename) = crate::domain::FileName::parse("none") else { return Vec::new() };
        let dossier = Dossier {
            project: facts.clone(),
            version: Version::zero(),
            filename,
            kind: FileKind::Legacy,
            promise: None,
            size: None,
            published: None,
            first_seen: facts.first_read,
            clock_start: facts.first_read,
            yanked: false,
            vanished: None,
            changed: None,
            archive: None,
            cpan: None,
            teapot: None,
            corpus: self.corpus.digest(),
        };
        signals::examine(&dossier, About::Project)
    }

    /// The dossier of one file.
    pub fn dossier(
        &self,
        facts: &ProjectFacts,
        known: &KnownFile,
        clock_start: Timestamp,
        changed: Option<ChangedFile>,
        archive: Option<Walk>,
    ) -> Dossier {
        let mut project = facts.clone();
        let mut cpan = None;
        if let Some(records) = self.records {
            project.internal |= records.claims_private_name(&known.file.filename);
            let perl = archive.as_ref().and_then(|walk| walk.perl.as_ref());
            let shipped = perl.into_iter().flat_map(|perl| &perl.packages).map(|shipped| &*shipped.package);
            cpan = records.facts(&known.file.filename, shipped);
        }
        Dossier {
            project,
            cpan,
            teapot: self.instances.and_then(|instances| instances.facts(&known.file.filename)).cloned(),
            version: known.file.version.clone(),
            filename: known.file.filename.clone(),
            kind: known.file.kind,
            promise: known.file.promise.clone(),
            size: known.file.size,
            published: known.file.uploaded_at(),
            first_seen: known.first_seen,
            clock_start,
            yanked: known.file.yanked != Yanked::No,
            vanished: known.vanished,
            changed,
            archive,
            corpus: self.corpus.digest(),
        }
    }

    /// The verdict on a dossier.
    pub fn judge(&self, dossier: &Dossier) -> Verdict {
        let mut findings = signals::examine(dossier, About::Project);
        findings.extend(signals::examine(dossier, About::File));
        self.decide(&dossier.project, &dossier.version, dossier.clock_start, &findings)
    }

    /// The policy's word on findings already made; for files whose own facts add nothing.
    pub fn decide(
        &self,
        facts: &ProjectFacts,
        version: &Version,
        clock_start: Timestamp,
        findings: &[Finding],
    ) -> Verdict {
        let waived = self.waived();
        let case = Case {
            project: &facts.project,
            origin: &facts.origin,
            clock_start,
            waived: &waived,
            blocked: self.blocked(version),
            private_hold: self.private_hold,
        };
        policy::decide(&case, findings, self.policy, self.now)
    }

    fn waived(&self) -> Vec<String> {
        let mut waived = Vec::new();
        for rule in self.rules {
            if let RuleKind::Waiver { signals, expires } = &rule.kind
                && *expires > self.now
            {
                waived.extend(signals.iter().cloned());
            }
        }
        waived
    }

    /// Why a version is blocked by name.
    pub fn blocked(&self, version: &Version) -> Option<&str> {
        self.rules.iter().find_map(|rule| match &rule.kind {
            RuleKind::Block { version: None } => Some(rule.reason.as_str()),
            RuleKind::Block { version: Some(blocked) } if blocked.is_same_release(version) => {
                Some(rule.reason.as_str())
            }
            RuleKind::Block { .. } | RuleKind::Waiver { .. } => None,
        })
    }
}
