//! Collect, then judge, then decide: the facts of an upload become a dossier, the dossier findings, the findings a verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::advice::Advice;
use super::cpan::CpanRecords;
use super::pypi::{ProjectRecords, proof_of};
use super::teapot::TeapotRecords;
use crate::archive::Walk;
use crate::corpus::{Corpus, Neighbour};
use crate::domain::{
    Decision, Ecosystem, FileKind, FileName, Finding, KnownFile, KnownProject, ProjectName, ReleaseKey, RuleKind,
    Scope, Sha256, StandingRule, State, Timestamp, Upload, Verdict, Version, Yanked,
};
use crate::policy::{self, Case, Policy};
use crate::signals::{
    self, About, AcceptedName, AdvisoryFacts, ChangedFile, Dossier, ProjectFacts, Timeline, security_fix,
};

/// So many hidden files stand in a dossier.
const MOST_HIDDEN_TOLD: usize = 10;

/// What is known of a project beside its page: each side has records of its own.
#[derive(Debug, Default)]
pub struct Evidence {
    /// What CPAN's records say of its files.
    pub cpan: Option<CpanRecords>,
    /// What a teapot index says of its files.
    pub teapot: Option<TeapotRecords>,
    /// What was learned from PyPI's records.
    pub pypi: Option<ProjectRecords>,
    /// What advisories say, and of what.
    pub advice: Advice,
    /// Python files that wait here or were refused: the releases after them are not compared with these.
    pub waiting: BTreeSet<FileName>,
    /// Look-alike names that a person has let in.
    pub accepted: Vec<AcceptedName>,
}

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
    /// What is known beside its page.
    pub evidence: &'a Evidence,
    /// The time to decide with.
    pub now: Timestamp,
}

impl Bench<'_> {
    /// Identifies what the judging depends on besides the facts: if it changes, standings are judged again.
    pub fn digest(&self, project: &crate::domain::Project) -> Sha256 {
        let mut text = format!("{}\n{}\n{:?}\n", self.policy.digest, self.corpus.digest(), self.namesake);
        for rule in self.rules {
            let expired = matches!(&rule.kind, RuleKind::Waiver { expires, .. } if *expires <= self.now);
            text.push_str(&rule.key());
            text.push_str(&rule.at.to_string());
            text.push(if expired { '-' } else { '+' });
        }
        let Evidence { cpan, teapot, pypi, advice, waiting, accepted } = self.evidence;
        let digests = [
            cpan.as_ref().map(CpanRecords::digest),
            teapot.as_ref().map(TeapotRecords::digest),
            pypi.as_ref().map(ProjectRecords::digest),
            advice.digest_of(project),
        ];
        for digest in digests.into_iter().flatten() {
            text.push_str(&digest.to_string());
        }
        for filename in waiting {
            text.push('\n');
            text.push_str(filename.as_str());
        }
        for AcceptedName { target, by, version } in accepted {
            for part in ["\n", target, " ", by, " ", &version.to_string()] {
                text.push_str(part);
            }
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
        let timeline = if ecosystem == Ecosystem::Pypi {
            Timeline::with_waiting(known, &self.evidence.waiting)
        } else {
            Timeline::default()
        };
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
            accepted: self.evidence.accepted.clone(),
            timeline: Arc::new(timeline),
        }
    }

    /// Well-known and internal names that look alike, and those that a repository had before this one.
    fn neighbours(&self, name: &ProjectName) -> Vec<Neighbour> {
        let mut neighbours = self.corpus.neighbours(name);
        for other in self.evidence.teapot.iter().flat_map(TeapotRecords::look_alikes) {
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
            attested: false,
            yanked: false,
            vanished: None,
            changed: None,
            archive: None,
            history: None,
            pypi: None,
            advisories: AdvisoryFacts::default(),
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
        let version = &known.file.version;
        let history = project.timeline.history(version);
        let mut pypi = self.evidence.pypi.as_ref().and_then(|records| records.facts(version, history.as_ref()));
        if let Some((facts, records)) = pypi.as_mut().zip(self.evidence.pypi.as_ref()) {
            facts.proof = records.proof(version, &known.file.filename, known.file.promised_sha256());
        }
        let mut earlier: Vec<Version> = project.timeline.before(version).cloned().collect();
        // The dossier is about one release: what it needs of the others is in its history.
        project.timeline = Arc::default();
        if let Some(records) = &self.evidence.cpan {
            project.internal |= records.claims_private_name(&known.file.filename);
            let perl = archive.as_ref().and_then(|walk| walk.perl.as_ref());
            let shipped = perl.into_iter().flat_map(|perl| &perl.packages).map(|shipped| &*shipped.package);
            cpan = records.facts(&known.file.filename, shipped);
            let read = |written: &str| Version::parse(Ecosystem::Cpan, written).ok();
            earlier.extend(cpan.iter().flat_map(|facts| &facts.earlier).filter_map(|before| read(&before.version)));
        }
        let told = self.evidence.vulnerabilities(version);
        let advisories = self.evidence.advice.facts(&project.project, version, &told, &earlier);
        Dossier {
            project,
            cpan,
            teapot: self.evidence.teapot.as_ref().and_then(|records| records.facts(&known.file.filename)).cloned(),
            history,
            pypi,
            advisories,
            version: known.file.version.clone(),
            filename: known.file.filename.clone(),
            kind: known.file.kind,
            promise: known.file.promise.clone(),
            size: known.file.size,
            published: known.file.uploaded_at(),
            first_seen: known.first_seen,
            clock_start,
            attested: known.file.provenance.is_some(),
            yanked: known.file.yanked != Yanked::No,
            vanished: known.vanished,
            changed,
            archive,
            corpus: self.corpus.digest(),
        }
    }

    /// The dossier of a file whose bytes nobody has read, and the verdict on it.
    pub fn judged(
        &self,
        facts: &ProjectFacts,
        file: &KnownFile,
        clock_start: Timestamp,
        changed: Option<ChangedFile>,
    ) -> (Dossier, Verdict) {
        let dossier = self.dossier(facts, file, clock_start, changed, None);
        let verdict = self.judge(&dossier);
        (dossier, verdict)
    }

    /// The verdict on a dossier.
    pub fn judge(&self, dossier: &Dossier) -> Verdict {
        let mut findings = signals::examine(dossier, About::Project);
        findings.extend(signals::examine(dossier, About::File));
        let fix = security_fix::of(dossier, &findings)
            .map(|fix| policy::SecurityFix { summary: fix.summary, is_trustworthy: fix.is_trustworthy });
        let proof = dossier.pypi.as_ref().and_then(|facts| facts.proof.as_ref()).map(proof_of);
        let of = (&dossier.version, dossier.clock_start);
        self.decide_with(&dossier.project, of, &findings, (fix.as_ref(), proof.as_ref()))
    }

    /// The policy's word on findings already made; for files whose own facts add nothing.
    pub fn decide(
        &self,
        facts: &ProjectFacts,
        version: &Version,
        clock_start: Timestamp,
        findings: &[Finding],
    ) -> Verdict {
        self.decide_with(facts, (version, clock_start), findings, (None, None))
    }

    fn decide_with(
        &self,
        facts: &ProjectFacts,
        (version, clock_start): (&Version, Timestamp),
        findings: &[Finding],
        (fix, proof): (Option<&policy::SecurityFix>, Option<&policy::Proof>),
    ) -> Verdict {
        let waived = self.waived();
        let case = Case {
            project: &facts.project,
            origin: &facts.origin,
            clock_start,
            waived: &waived,
            blocked: self.blocked(version),
            private_hold: self.private_hold,
            fix,
            proof,
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

/// The Python files among these rows that are not let in.
pub fn waiting(uploads: &[Upload]) -> BTreeSet<FileName> {
    let waits = |upload: &&Upload| upload.project.ecosystem == Ecosystem::Pypi && upload.state != State::Released;
    uploads.iter().filter(waits).map(|upload| upload.filename.clone()).collect()
}

/// The names that findings of these rows call confusable, and that a person let in all the same; none once a person refused a release.
/// A waiver for a project counts while it lasts and no longer (rule 13).
pub fn accepted(uploads: &[Upload]) -> Vec<AcceptedName> {
    let refused = |upload: &Upload| matches!(upload.state, State::Rejected | State::Recalled);
    if uploads.iter().any(|upload| refused(upload) && upload.decided_by_person()) {
        return Vec::new();
    }
    let let_in = uploads.iter().filter(|upload| upload.state == State::Released && upload.decided_by_person());
    let with_decision = let_in.filter_map(|upload| Some((upload.decision.as_ref()?, upload)));
    let mut decided: Vec<(&Decision, &Upload)> =
        with_decision.filter(|(decision, _)| decision.scope != Scope::Project).collect();
    decided.sort_by_key(|(decision, upload)| (decision.at, &upload.id));
    let mut accepted = BTreeMap::new();
    for (decision, upload) in decided {
        for finding in upload.verdict.findings.iter().filter(|finding| finding.signal == signals::typosquat::ID) {
            let Some(target) = finding.evidence["target"].as_str() else { continue };
            let (by, version) = (decision.by.to_string(), upload.version.clone());
            accepted.entry(target.to_owned()).or_insert(AcceptedName { target: target.to_owned(), by, version });
        }
    }
    accepted.into_values().collect()
}

impl Evidence {
    /// What the index's own document says to be wrong with a version.
    fn vulnerabilities(&self, version: &Version) -> Vec<crate::registry::pypi::json_api::Vulnerability> {
        let record = self.pypi.as_ref().and_then(|records| records.releases.get(version));
        record.map(|record| record.vulnerabilities.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{Actor, Confidence, Family, Role, Severity};

    fn let_in(state: State, by: Actor, scope: Scope) -> Upload {
        let finding = Finding {
            signal: signals::typosquat::ID.into(),
            family: Family::Name,
            severity: Severity::High,
            confidence: Confidence::Medium,
            points: 84,
            summary: "seen".into(),
            evidence: json!({ "target": "sex" }),
        };
        let row = Upload::sample(Timestamp::UNIX_EPOCH);
        let verdict = Verdict { findings: vec![finding], ..row.verdict.clone() };
        let decision = Decision { by, reason: "x".into(), at: row.first_seen, scope, expires: None };
        Upload { state, verdict, decision: Some(decision), ..row }
    }

    #[test]
    fn a_name_is_accepted_by_a_person_for_a_release_until_a_person_refuses_one() {
        let person = || Actor::Token { name: "ada".into(), role: Role::Reviewer };
        let file = let_in(State::Released, person(), Scope::File);
        let [name] = &accepted(std::slice::from_ref(&file))[..] else { panic!("one name") };
        assert_eq!((&*name.target, &*name.by), ("sex", "ada (reviewer)"));
        let by_time = let_in(State::Released, Actor::house("release"), Scope::Version);
        assert!(accepted(&[by_time]).is_empty(), "nobody was asked");
        let by_waiver = let_in(State::Released, person(), Scope::Project);
        assert!(accepted(&[by_waiver]).is_empty(), "a waiver ends");
        for state in [State::Rejected, State::Recalled] {
            assert!(accepted(&[file.clone(), let_in(state, person(), Scope::File)]).is_empty(), "{state}");
        }
    }
}
