//! An ordinary release on CPAN, for the tests of signals to change one thing of.

use time::macros::datetime;

use super::{ChecksumsVerdict, CpanFacts, Dossier, EarlierRelease, ProjectFacts, SignatureState};
use crate::domain::{Ecosystem, FileKind, FileName, Origin, ProjectStatus, Sha256, Timestamp, Version};

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
        },
        version: Version::parse(Ecosystem::Cpan, "1.1").unwrap(),
        filename: FileName::parse("Acme-Greet-1.1.tar.gz").unwrap(),
        kind: FileKind::Source,
        promise: None,
        size: None,
        published: Some(NOW),
        first_seen: NOW,
        clock_start: NOW,
        yanked: false,
        vanished: None,
        changed: None,
        archive: None,
        cpan: Some(cpan),
        teapot: None,
        corpus: Sha256::of(b"names"),
    }
}
