//! Signals: one question each, asked of a stored dossier. Synchronous, pure, one file each.

use std::fmt;

use serde_json::json;
use time::format_description::well_known::Rfc3339;

use crate::domain::{Confidence, Family, Finding, Severity, Timestamp, UNAVAILABLE};

pub mod advisory_facts;
pub mod age;
pub mod archive_objection;
pub mod author_changed;
pub mod author_set;
pub mod burst;
pub mod checksums;
pub mod contact_changed;
pub mod copied_identity;
pub mod cpan_facts;
pub mod dependency_confusion;
pub mod digest_changed;
pub mod dormant_revival;
pub mod dossier;
pub mod foreign_files;
pub mod foreign_packages;
pub mod history;
pub mod install_script;
pub mod load_time;
pub mod loose_dependency;
pub mod malware;
pub mod neighbours_withdrawn;
pub mod new_dependency;
pub mod owner_changed;
pub mod provenance;
pub mod pypi_facts;
pub mod released_together;
pub mod replaced_instance;
pub mod repository_changed;
#[cfg(test)]
mod sample;
pub mod security_fix;
pub mod size_jump;
pub mod startup_hook;
pub mod teapot_facts;
pub mod typosquat;
pub mod upstream_status;
pub mod version_jump;
pub mod vulnerability;
pub mod withdrawn;
pub mod young_project;

pub use advisory_facts::{AdvisoryFact, AdvisoryFacts, Feed, FixFact};
pub use cpan_facts::{ChecksumsVerdict, CpanFacts, EarlierRelease, ForeignPackage, OwnershipMove, SignatureState};
pub use dossier::{AcceptedName, ChangedFile, Dossier, ProjectFacts};
pub use history::{Habits, History, Release, Timeline};
pub use pypi_facts::{
    Account, Attestation, Companion, FailedReading, NewRequirement, OwnerChange, PublisherFacts, PypiFacts,
    ReleaseSays, Requirement, Resembled,
};
pub use teapot_facts::{EarlierInstance, TeapotFacts};

/// What a signal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum About {
    /// The project as a whole: the finding counts for all of its files.
    Project,
    /// One file.
    File,
}

/// Who a signal is.
#[derive(Debug)]
pub struct SignalMeta {
    /// Its id: in findings, in the policy file, in waivers.
    pub id: &'static str,
    /// What it asks, in one sentence.
    pub question: &'static str,
    /// Which kind of witness it is.
    pub family: Family,
    /// What its findings are about.
    pub about: About,
}

/// One question asked of one upload.
pub trait Signal: Send + Sync + fmt::Debug {
    /// Who it is.
    fn meta(&self) -> &'static SignalMeta;
    /// What it sees.
    fn examine(&self, dossier: &Dossier) -> Vec<Finding>;
}

/// All signals, in the order in which they are documented.
pub const ALL: &[&dyn Signal] = &[
    &age::Age,
    &typosquat::Typosquat,
    &dependency_confusion::DependencyConfusion,
    &digest_changed::DigestChanged,
    &upstream_status::UpstreamStatus,
    &withdrawn::Withdrawn,
    &archive_objection::ArchiveObjection,
    &foreign_files::ForeignFiles,
    &author_changed::AuthorChanged,
    &dormant_revival::DormantRevival,
    &foreign_packages::ForeignPackages,
    &install_script::InstallScript,
    &checksums::Checksums,
    &author_set::AuthorSet,
    &replaced_instance::ReplacedInstance,
    &load_time::LoadTime,
    &version_jump::VersionJump,
    &burst::Burst,
    &size_jump::SizeJump,
    &young_project::YoungProject,
    &neighbours_withdrawn::NeighboursWithdrawn,
    &new_dependency::NewDependency,
    &loose_dependency::LooseDependency,
    &released_together::ReleasedTogether,
    &copied_identity::CopiedIdentity,
    &owner_changed::OwnerChanged,
    &contact_changed::ContactChanged,
    &repository_changed::RepositoryChanged,
    &provenance::Provenance,
    &startup_hook::StartupHook,
    &malware::Malware,
    &vulnerability::Vulnerability,
    &security_fix::SecurityFix,
];

/// Everything that the signals of this kind see, heaviest first.
pub fn examine(dossier: &Dossier, about: About) -> Vec<Finding> {
    let mut findings: Vec<_> =
        ALL.iter().filter(|signal| signal.meta().about == about).flat_map(|signal| signal.examine(dossier)).collect();
    findings.sort_by(|one, two| two.points.cmp(&one.points).then_with(|| one.signal.cmp(&two.signal)));
    findings
}

/// The signal could not run, and why: the policy says what that means (rule 19).
fn unavailable(meta: &SignalMeta, why: &str) -> Finding {
    let summary = format!("What {} needs could not be read: {why}.", meta.id);
    let evidence = json!({ UNAVAILABLE: true, "why": why });
    finding(meta, (Severity::Info, Confidence::High, 0), summary, evidence)
}

/// A moment in evidence.
fn moment(time: Timestamp) -> String {
    time.format(&Rfc3339).unwrap_or_default()
}

/// A finding of the signal with this id; signals fill in the rest.
fn finding(
    meta: &SignalMeta,
    (severity, confidence, points): (Severity, Confidence, u8),
    summary: String,
    evidence: serde_json::Value,
) -> Finding {
    Finding { signal: meta.id.into(), family: meta.family, severity, confidence, points, summary, evidence }
}
