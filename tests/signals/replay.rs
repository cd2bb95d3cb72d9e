//! Recorded projects (`testdata/replay`) as pages that were read, and their releases judged as on the day they came.

use std::collections::BTreeMap;

use lazaret::corpus::Corpus;
use lazaret::domain::{
    Ecosystem, FileKind, FileName, KnownFile, KnownProject, ListedFile, Origin, Outcome, Project, ProjectName,
    ProjectStatus, Standing, Timestamp, Verdict, Version,
};
use lazaret::policy::Policy;
use lazaret::quarantine::assess::{Bench, Evidence};
use lazaret::quarantine::pypi::{AccountRecord, ProjectRecords, says};
use lazaret::registry::pypi::core_metadata::Metadata;
use lazaret::signals::{AcceptedName, Account, ProjectFacts, ReleaseSays, typosquat};
use serde::Deserialize;
use time::format_description::well_known::Rfc3339;

/// Version, first and last upload, wheels, source archives, bytes of the largest of each, whether it is yanked.
type Line = (String, i64, i64, usize, usize, Option<u64>, Option<u64>, u8);

/// A line of `projects.jsonl`; `testdata/replay/README.md` explains the fields.
#[derive(Debug, Deserialize)]
pub(super) struct Recorded {
    pub(super) name: String,
    roles: Option<Vec<(String, String)>>,
    /// The release that the document is about, and what that says of itself.
    version: Option<String>,
    summary: Option<String>,
    home_page: Option<String>,
    project_urls: Vec<(String, String)>,
    author: Option<String>,
    author_email: Option<String>,
    maintainer: Option<String>,
    maintainer_email: Option<String>,
    requires_dist: Vec<String>,
    releases: Vec<Line>,
}

/// One release of a recorded project, and what was made of it.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) project: String,
    pub(super) version: String,
    pub(super) published: Timestamp,
    pub(super) verdict: Verdict,
}

impl Recorded {
    /// What this release says of itself, if it is the one whose document was looked up.
    fn says(&self, version: &Version) -> Option<ReleaseSays> {
        let is_told =
            self.version.as_ref().and_then(|raw| Version::pypi(raw).ok()).is_some_and(|told| told == *version);
        let metadata = Metadata {
            summary: self.summary.clone(),
            home_page: self.home_page.clone(),
            project_urls: self.project_urls.clone(),
            author: self.author.clone(),
            author_email: self.author_email.clone(),
            maintainer: self.maintainer.clone(),
            maintainer_email: self.maintainer_email.clone(),
            requires_dist: self.requires_dist.clone(),
            ..Metadata::default()
        };
        is_told.then(|| says::says(version, &metadata))
    }
}

/// The recorded projects.
pub(super) fn recorded() -> Vec<Recorded> {
    let text = include_str!("../../testdata/replay/projects.jsonl");
    text.lines().map(|line| serde_json::from_str(line).expect("a recorded project")).collect()
}

/// A project's page as it is today.
fn known(recorded: &Recorded) -> KnownProject {
    let project = Project::pypi(ProjectName::pypi(&recorded.name).expect("a name"));
    let mut files = Vec::new();
    for (raw, first, _, wheels, sources, wheel, source, yanked) in &recorded.releases {
        let Ok(version) = Version::pypi(raw) else { continue };
        let uploaded = Timestamp::from_unix_timestamp(*first).expect("a time");
        let stem = format!("{}-{version}", recorded.name.replace('-', "_"));
        let kinds = [
            (*wheels > 0, FileKind::Wheel, format!("{stem}-py3-none-any.whl"), wheel),
            (*sources > 0, FileKind::Source, format!("{stem}.tar.gz"), source),
        ];
        for (_, kind, filename, size) in kinds.into_iter().filter(|(there, ..)| *there) {
            let filename = FileName::parse(&filename).expect("a file name");
            let file = ListedFile {
                kind,
                size: *size,
                uploaded: Some(uploaded.format(&Rfc3339).expect("a time").into()),
                yanked: if *yanked == 1 { lazaret::domain::Yanked::Yes } else { lazaret::domain::Yanked::No },
                ..ListedFile::at(filename, version.clone(), "")
            };
            files.push(KnownFile {
                file,
                first_seen: uploaded,
                clock_start: uploaded,
                standing: Standing::Tracked,
                vanished: None,
                disputed: None,
            });
        }
    }
    KnownProject {
        project,
        origin: Origin::Public,
        files,
        hidden: Vec::new(),
        status: ProjectStatus::default(),
        first_read: Timestamp::UNIX_EPOCH,
        findings: Vec::new(),
        judged_under: None,
    }
}

/// Every release of every recorded project, judged under this policy on the day it came, with every index and metadata signal
/// on, in the order of time.
///
/// People let in what they are asked about, since all of it is ordinary.
pub(super) fn judge_all(policy: &Policy) -> Vec<Judged> {
    let corpus = Corpus::embedded(Ecosystem::Pypi);
    let projects: Vec<(Recorded, KnownProject)> = recorded()
        .into_iter()
        .map(|it| {
            let known = known(&it);
            (it, known)
        })
        .collect();
    let mut order: Vec<(Timestamp, usize, usize)> = Vec::new();
    for (place, (_, known)) in projects.iter().enumerate() {
        let mut seen = Vec::new();
        for (file, listed) in known.files.iter().enumerate() {
            if !seen.contains(&&listed.file.version) {
                seen.push(&listed.file.version);
                order.push((listed.clock_start, place, file));
            }
        }
    }
    order.sort();
    let facts: Vec<ProjectFacts> = projects
        .iter()
        .map(|(_, known)| bench(policy, &corpus, &Evidence::default(), Timestamp::UNIX_EPOCH).facts(known))
        .collect();
    let mut accounts: BTreeMap<String, AccountRecord> = BTreeMap::new();
    let mut times: BTreeMap<usize, Vec<Timestamp>> = BTreeMap::new();
    let mut accepted: BTreeMap<usize, Vec<AcceptedName>> = BTreeMap::new();
    order
        .into_iter()
        .map(|(published, place, file)| {
            let (recorded, known) = &projects[place];
            times.entry(place).or_default().push(published);
            let mut evidence = Evidence::default();
            let mut records = ProjectRecords::default();
            let roles = recorded.roles.iter().flatten();
            let users: Vec<Account> =
                roles.map(|(role, user)| Account { role: role.clone(), user: user.clone() }).collect();
            records.note_accounts(users.clone(), published);
            let mut file = known.files[file].clone();
            for user in &users {
                let account = accounts.entry(user.user.clone()).or_default();
                account.note(&known.project.name, times[&place].iter().copied());
                let (together, usual) = account.together(&known.project.name, &user.user, published);
                let record = records.release_mut(&file.file.version);
                record.together.extend(together);
                record.usually_together |= usual;
            }
            if let Some(says) = recorded.says(&file.file.version) {
                records.release_mut(&file.file.version).says = Some(says);
            }
            evidence.pypi = Some(records);
            evidence.accepted = accepted.get(&place).cloned().unwrap_or_default();
            // Whoever yanked it did so later; what it was yanked for is another question than whether it was ordinary.
            file.file.yanked = lazaret::domain::Yanked::No;
            let facts = ProjectFacts {
                first_read: published,
                versions: times[&place].len(),
                oldest_upload: times[&place].first().copied(),
                version_span: None,
                accepted: evidence.accepted.clone(),
                ..facts[place].clone()
            };
            let bench = bench(policy, &corpus, &evidence, published + time::Duration::HOUR);
            let verdict = bench.judge(&bench.dossier(&facts, &file, published, None, None));
            let name = verdict.findings.iter().find(|finding| finding.signal == typosquat::ID);
            if let Some(target) = name.and_then(|finding| finding.evidence["target"].as_str())
                && verdict.outcome == Outcome::Review
            {
                let version = file.file.version.clone();
                let name = AcceptedName { target: target.to_owned(), by: "ada (reviewer)".to_owned(), version };
                accepted.entry(place).or_default().push(name);
            }
            Judged { project: recorded.name.clone(), version: file.file.version.to_string(), published, verdict }
        })
        .collect()
}

pub(super) fn bench<'a>(policy: &'a Policy, corpus: &'a Corpus, evidence: &'a Evidence, now: Timestamp) -> Bench<'a> {
    Bench { policy, corpus, rules: &[], private_hold: None, namesake: None, evidence, now }
}

/// Those that a person must look at.
pub(super) fn for_people(judged: &[Judged]) -> Vec<&Judged> {
    judged.iter().filter(|it| it.verdict.outcome >= Outcome::Review).collect()
}
