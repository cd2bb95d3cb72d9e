//! An ordinary release on CPAN, for the tests of signals to change one thing of.

use std::sync::Arc;

use time::macros::datetime;

use super::{
    AdvisoryFact, AdvisoryFacts, ChecksumsVerdict, CpanFacts, Dossier, EarlierRelease, ProjectFacts, PypiFacts,
    Requirement, SignatureState, Timeline,
};
use crate::domain::{
    Ecosystem, FileKind, FileName, KnownFile, KnownProject, ListedFile, Origin, ProjectName, ProjectStatus, Sha256,
    Standing, Timestamp, Version,
};

const NOW: Timestamp = datetime!(2026-11-22 12:00 UTC);

/// A release by the one who has always made them.
pub(super) fn cpan() -> CpanFacts {
    CpanFacts {
        pause_id: "ALICE".into(),
        main_package: "Acme::Greet".into(),
        indexed: true,
        permissions_known: true,
        permission: Some("f".into()),
        owners: vec!["ALICE".into()],
        permission_since: None,
        ownership_moved: None,
        adoption: None,
        earlier: vec![earlier("ALICE", "1.0", datetime!(2026-05-01 12:00 UTC))],
        uploader_name: Some("Alice Arthur".into()),
        owner_names: vec!["Alice Arthur".into()],
        holds_look_alike: Vec::new(),
        foreign_packages: Vec::new(),
        checksums: ChecksumsVerdict::Agrees { signature: SignatureState::Unsigned },
    }
}

pub(super) fn earlier(pause_id: &str, version: &str, published: Timestamp) -> EarlierRelease {
    EarlierRelease { pause_id: pause_id.into(), version: version.into(), published: Some(published) }
}

/// The dossier of a release of today.
pub(super) fn dossier(cpan: CpanFacts) -> Dossier {
    Dossier {
        project: ProjectFacts {
            project: "cpan:Acme-Greet".parse().unwrap(),
            origin: Origin::Public,
            first_read: NOW,
            versions: 2,
            oldest_upload: None,
            version_span: None,
            status: ProjectStatus::default(),
            rank: None,
            neighbours: Vec::new(),
            internal: false,
            hidden: Vec::new(),
            private_namesake: None,
            accepted: Vec::new(),
            timeline: Arc::default(),
        },
        version: Version::parse(Ecosystem::Cpan, "1.1").unwrap(),
        filename: FileName::parse("Acme-Greet-1.1.tar.gz").unwrap(),
        kind: FileKind::Source,
        promise: None,
        size: None,
        published: Some(NOW),
        first_seen: NOW,
        clock_start: NOW,
        attested: false,
        yanked: false,
        vanished: None,
        changed: None,
        archive: None,
        history: None,
        pypi: None,
        advisories: AdvisoryFacts::default(),
        cpan: Some(cpan),
        teapot: None,
        corpus: Sha256::of(b"names"),
    }
}

/// A release on a page: its version, how many hours ago it was uploaded, the bytes of its wheel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) version: &'a str,
    pub(super) hours: i64,
    pub(super) bytes: u64,
}

impl<'a> From<(&'a str, i64, u64)> for Line<'a> {
    fn from((version, hours, bytes): (&'a str, i64, u64)) -> Self {
        Self { version, hours, bytes }
    }
}

/// So many ordinary releases, a month apart, the last one a month ago.
pub(super) fn aged(count: usize) -> Vec<Line<'static>> {
    const VERSIONS: [&str; 12] =
        ["0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "0.10", "0.11", "0.12"];
    let month = 24 * 30;
    let oldest = i64::try_from(count).unwrap();
    let ages = (1..=oldest).rev().map(|months| months * month);
    VERSIONS.iter().zip(ages).map(|(version, hours)| Line { version, hours, bytes: 1 << 20 }).collect()
}

/// A page with these releases.
pub(super) fn timeline(now: Timestamp, lines: &[Line<'_>]) -> Timeline {
    let file = |line: &Line<'_>| {
        let version = Version::pypi(line.version).unwrap();
        let filename = FileName::parse(&format!("acme_greet-{version}-py3-none-any.whl")).unwrap();
        let uploaded = now - time::Duration::hours(line.hours);
        let text = uploaded.format(&time::format_description::well_known::Rfc3339).unwrap();
        KnownFile {
            file: ListedFile {
                kind: FileKind::Wheel,
                size: Some(line.bytes),
                uploaded: Some(text.into()),
                ..ListedFile::at(filename, version, "")
            },
            first_seen: uploaded,
            clock_start: uploaded,
            standing: Standing::Tracked,
            vanished: None,
            disputed: None,
        }
    };
    Timeline::of(&KnownProject {
        project: "pypi:acme-greet".parse().unwrap(),
        origin: Origin::Public,
        files: lines.iter().map(file).collect(),
        hidden: Vec::new(),
        status: ProjectStatus::default(),
        first_read: now,
        findings: Vec::new(),
        judged_under: None,
    })
}

/// The dossier of the last of these releases.
pub(super) fn dossier_of(lines: &[Line<'_>]) -> Dossier {
    let last = lines.last().unwrap();
    let timeline = timeline(NOW, lines);
    let version = Version::pypi(last.version).unwrap();
    let mut dossier = pypi();
    dossier.history = timeline.history(&version);
    dossier.published = Some(NOW - time::Duration::hours(last.hours));
    dossier.version = version;
    dossier
}

/// A release on PyPI of which nothing special is known.
pub(super) fn pypi() -> Dossier {
    let mut dossier = dossier(cpan());
    dossier.cpan = None;
    dossier.pypi = Some(PypiFacts::default());
    dossier.project.project = "pypi:acme-greet".parse().unwrap();
    dossier.version = Version::pypi("1.1").unwrap();
    dossier.filename = FileName::parse("acme_greet-1.1-py3-none-any.whl").unwrap();
    dossier
}

/// A bounded requirement of this project.
pub(super) fn requirement(name: &str) -> Requirement {
    Requirement {
        project: ProjectName::pypi(name).unwrap(),
        written: format!("{name}>=1"),
        direct: false,
        bounded: true,
    }
}

/// An advisory about a weakness that nothing is known to mend.
pub(super) fn advisory(id: &str) -> AdvisoryFact {
    AdvisoryFact {
        id: id.into(),
        aliases: Vec::new(),
        malware: false,
        summary: "It hails the wrong ship.".into(),
        severity: None,
        fixed: None,
        sources: vec!["GHSA".into()],
    }
}
