//! Attacks that became known, as checklist: what fires when only the index is known, with metadata, with the bytes; what the
//! verdict is; and whether it would have reached a client, under the default policy and without any hold.

use std::collections::BTreeSet;

use lazaret::archive::{Entry, EntryKind, Walk};
use lazaret::corpus::Corpus;
use lazaret::domain::{
    Ecosystem, FileKind, FileName, KnownFile, KnownProject, ListedFile, Origin, Outcome, Project, ProjectName,
    ProjectStatus, Standing, Timestamp, Verdict, Version,
};
use lazaret::policy::Policy;
use lazaret::quarantine::assess::Evidence;
use lazaret::quarantine::pypi::ProjectRecords;
use lazaret::signals::{Account, Attestation, Companion, NewRequirement, PublisherFacts, ReleaseSays, Requirement};
use serde::Deserialize;
use time::Duration;
use time::format_description::well_known::Rfc3339;
use time::macros::datetime;

use super::replay::bench;

/// When the judged release is uploaded.
const DAY: Timestamp = datetime!(2026-11-22 12:00 UTC);
/// What weighs less decides nothing.
const WORTH_TELLING: u8 = 10;

/// `testdata/incidents/README.md` explains the keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Incident {
    title: String,
    removed_after_hours: i64,
    #[serde(default)]
    minutes: bool,
    #[serde(default)]
    attested_before: bool,
    #[serde(default)]
    attested_now: bool,
    releases: Vec<(String, i64, u64)>,
    judged: String,
    #[serde(default)]
    vanished: Vec<String>,
    #[serde(default)]
    together: Vec<String>,
    hooks_before: Option<Vec<String>>,
    #[serde(default)]
    hooks: Vec<String>,
    #[serde(default)]
    accounts_before: Vec<String>,
    #[serde(default)]
    accounts_now: Vec<String>,
    #[serde(default)]
    accounts_changed_hours_before: i64,
    new_dependency: Option<String>,
    #[serde(default)]
    new_dependency_days: i64,
    #[serde(default)]
    newcomers_in_common: Vec<String>,
    before: Says,
    now: Says,
    expected: Expected,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Says {
    people: Vec<String>,
    addresses: Vec<String>,
    repository: Option<String>,
    publisher: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    index: BTreeSet<String>,
    metadata: BTreeSet<String>,
    content: Content,
    default: String,
    no_hold: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    NotYet(String),
    Signals(BTreeSet<String>),
}

/// How much is known of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Index,
    Metadata,
    Content,
}

fn incidents() -> Vec<Incident> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/incidents");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("the incidents").map(|it| it.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).expect("a file");
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    paths.iter().map(read).collect()
}

/// A page with these releases: version, when, bytes of the wheel.
pub(super) fn page(name: &str, releases: &[(&str, Timestamp, u64)]) -> KnownProject {
    let file = |(raw, published, bytes): &(&str, Timestamp, u64)| {
        let version = Version::pypi(raw).expect("a version");
        let filename = format!("{}-{version}-py3-none-any.whl", name.replace('-', "_"));
        let file = ListedFile {
            kind: FileKind::Wheel,
            size: Some(*bytes),
            uploaded: Some(published.format(&Rfc3339).expect("a time").into()),
            ..ListedFile::at(FileName::parse(&filename).expect("a file name"), version, "")
        };
        KnownFile {
            file,
            first_seen: *published,
            clock_start: *published,
            standing: Standing::Tracked,
            vanished: None,
            disputed: None,
        }
    };
    KnownProject {
        project: Project::pypi(ProjectName::pypi(name).expect("a name")),
        origin: Origin::Public,
        files: releases.iter().map(file).collect(),
        hidden: Vec::new(),
        status: ProjectStatus::default(),
        first_read: DAY - Duration::days(700),
        findings: Vec::new(),
        judged_under: None,
    }
}

impl Incident {
    fn known(&self, hours_later: i64) -> KnownProject {
        let unit = |count: i64| if self.minutes { Duration::minutes(count) } else { Duration::hours(count) };
        let lines: Vec<(&str, Timestamp, u64)> =
            self.releases.iter().map(|(version, when, bytes)| (version.as_str(), DAY + unit(*when), *bytes)).collect();
        let seen: Vec<_> =
            lines.into_iter().filter(|(_, when, _)| *when <= DAY + Duration::hours(hours_later)).collect();
        let mut known = page("harbour-lights", &seen);
        for file in &mut known.files {
            let version = file.file.version.as_str();
            if self.vanished.iter().any(|gone| gone == version) {
                file.vanished = Some(DAY);
            }
            let attested = if version == self.judged { self.attested_now } else { self.attested_before };
            file.file.provenance = attested.then(|| "https://index.example.test/provenance".into());
        }
        known
    }

    fn records(&self, known: &KnownProject) -> ProjectRecords {
        let mut records = ProjectRecords::default();
        let accounts = |texts: &[String]| -> Vec<Account> {
            let account = |text: &String| {
                let (role, user) = text.split_once(' ').expect("role and user");
                Account { role: role.into(), user: user.into() }
            };
            texts.iter().map(account).collect()
        };
        let changed = DAY - Duration::hours(self.accounts_changed_hours_before);
        records.note_accounts(accounts(&self.accounts_before), changed - Duration::DAY);
        records.note_accounts(accounts(&self.accounts_now), changed);
        let says = |says: &Says, version: &Version| ReleaseSays {
            version: Some(version.clone()),
            people: says.people.clone(),
            addresses: says.addresses.clone(),
            repository: says.repository.clone(),
            ..ReleaseSays::default()
        };
        let attestation = |says: &Says, version: &Version| {
            says.publisher.as_ref().map(|repository| Attestation {
                version: version.clone(),
                publisher: PublisherFacts {
                    kind: "GitHub".into(),
                    repository: Some(repository.clone()),
                    workflow: Some("release.yml".into()),
                },
                unproved: None,
                contradicted: false,
            })
        };
        for file in &known.files {
            let version = &file.file.version;
            let is_judged = version.as_str() == self.judged;
            let (side, hooks) = if is_judged { (&self.now, None) } else { (&self.before, self.hooks_before.clone()) };
            let record = records.release_mut(version);
            record.says = Some(says(side, version));
            record.attestation = attestation(side, version);
            record.hooks = hooks;
            record.collected = Some(DAY);
            if is_judged {
                record.new_requirements = self.new_dependency.iter().map(|name| self.requirement(name)).collect();
                let companion = |name: &String| Companion {
                    project: ProjectName::pypi(name).expect("a name"),
                    owner: "ada".into(),
                    published: DAY,
                };
                record.together = self.together.iter().map(companion).collect();
            }
        }
        records
    }

    fn requirement(&self, name: &str) -> NewRequirement {
        let project = ProjectName::pypi(name).expect("a name");
        NewRequirement {
            requirement: Requirement { written: format!("{project}>=0.1"), project, direct: false, bounded: true },
            first_upload: Some(DAY - Duration::days(self.new_dependency_days)),
            missing: false,
            unread: false,
            newcomers_in_common: self.newcomers_in_common.clone(),
        }
    }

    /// The verdict when so much is known, an hour after the upload.
    fn judge(&self, policy: &Policy, level: Level) -> Verdict {
        static CORPUS: std::sync::LazyLock<Corpus> = std::sync::LazyLock::new(|| Corpus::embedded(Ecosystem::Pypi));
        let known = self.known(1);
        let mut evidence = Evidence::default();
        if level >= Level::Metadata {
            evidence.pypi = Some(self.records(&known));
        }
        let walk = (level >= Level::Content).then(|| {
            let hook = |path: &String| Entry { path: path.clone(), size: 60, kind: EntryKind::File };
            Walk { noted: self.hooks.iter().map(hook).collect(), ..Walk::default() }
        });
        let bench = bench(policy, &CORPUS, &evidence, DAY + Duration::HOUR);
        let facts = bench.facts(&known);
        let judged =
            known.files.iter().find(|file| file.file.version.as_str() == self.judged).expect("the judged release");
        bench.judge(&bench.dossier(&facts, judged, DAY, None, walk))
    }

    /// Whether a client would have got it before the index removed it.
    fn reached(&self, verdict: &Verdict) -> bool {
        match verdict.outcome {
            Outcome::Release => true,
            Outcome::Hold => verdict.until.is_some_and(|until| until < DAY + Duration::hours(self.removed_after_hours)),
            Outcome::Review | Outcome::Reject => false,
        }
    }
}

fn fired(verdict: &Verdict) -> BTreeSet<String> {
    let heavy = verdict.findings.iter().filter(|finding| finding.points >= WORTH_TELLING);
    heavy.map(|finding| finding.signal.to_string()).collect()
}

fn listed(signals: &BTreeSet<String>) -> String {
    if signals.is_empty() { "-".to_owned() } else { signals.iter().cloned().collect::<Vec<_>>().join(", ") }
}

#[test]
fn the_checklist_of_incidents() {
    let default = Policy::built_in();
    let no_hold = Policy::parse("[hold]\ndefault = \"0s\"\nmedium = \"7d\"\n", "no hold").expect("a policy");
    let incidents = incidents();
    assert_eq!(incidents.len(), 19);
    let (mut seen, mut reached_default, mut reached_no_hold) = (0, 0, 0);
    println!("| incident | index | metadata | content | default | reached | hold = 0 | reached |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut wrong = Vec::new();
    for incident in &incidents {
        let levels =
            [Level::Index, Level::Metadata, Level::Content].map(|level| fired(&incident.judge(&default, level)));
        let (verdict, quick) = (incident.judge(&default, Level::Content), incident.judge(&no_hold, Level::Content));
        let (content, expected_content) = match &incident.expected.content {
            Content::NotYet(word) => (word.clone(), &levels[1]),
            Content::Signals(signals) => (listed(&levels[2]), signals),
        };
        println!(
            "| {} | {} | {} | {content} | {} | {} | {} | {} |",
            incident.title,
            listed(&levels[0]),
            listed(&levels[1]),
            verdict.outcome,
            yes(incident.reached(&verdict)),
            quick.outcome,
            yes(incident.reached(&quick)),
        );
        seen += usize::from(!levels[2].is_empty());
        reached_default += usize::from(incident.reached(&verdict));
        reached_no_hold += usize::from(incident.reached(&quick));
        let expected = &incident.expected;
        let found = (&levels[0], &levels[1], &levels[2], verdict.outcome.as_str(), quick.outcome.as_str());
        let wanted = (&expected.index, &expected.metadata, expected_content, &*expected.default, &*expected.no_hold);
        if found != wanted {
            wrong.push(format!("{}: {found:?}, expected {wanted:?}", incident.title));
        }
    }
    let all = incidents.len();
    println!(
        "a signal fires for {seen}/{all}; {reached_default}/{all} reach a client by default, {reached_no_hold}/{all} without a hold"
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}

const fn yes(it: bool) -> &'static str {
    if it { "yes" } else { "no" }
}
