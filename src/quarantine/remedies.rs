//! Remedies: which advisories affect a version that somebody has pinned, and which released versions none affects.

use std::sync::Arc;

use super::advice::Advice;
use super::refresh::Freshness;
use super::{Quarantine, QuarantineError};
use crate::domain::{Project, Severity, Version, Yanked};
use crate::signals::{AdvisoryFact, Feed};

/// What is known of one pinned version.
#[derive(Debug, Clone)]
pub struct Remedies {
    /// Whose.
    pub project: Project,
    /// Which one.
    pub version: Version,
    /// The advisories that it is affected by.
    pub advisories: Vec<AdvisoryFact>,
    /// Released versions that no advisory affects, ascending; looked for only if there are advisories.
    pub fixed: Vec<Version>,
}

impl Quarantine {
    /// Whether there are advisories to ask.
    pub fn advisory_feed(&self) -> Feed {
        self.advisories().feed.clone()
    }

    /// Answers for pinned versions. Only projects with an advisory have their page looked at.
    pub async fn remedies(self: &Arc<Self>, asked: Vec<(Project, Version)>) -> Result<Vec<Remedies>, QuarantineError> {
        let mut answers = Vec::with_capacity(asked.len());
        let advice = self.advice();
        for (project, version) in asked {
            let told = match self.records_of(&project).await?.releases.get(&version) {
                Some(record) => record.vulnerabilities.clone(),
                None => Vec::new(),
            };
            let advisories = advice.facts(&project, &version, &told, &[]).affecting;
            let fixed = if advisories.is_empty() { Vec::new() } else { self.fixed_versions(&project, &advice).await? };
            answers.push(Remedies { project, version, advisories, fixed });
        }
        Ok(answers)
    }

    /// The versions that clients may have and that nothing is known against.
    async fn fixed_versions(
        self: &Arc<Self>,
        project: &Project,
        advice: &Advice,
    ) -> Result<Vec<Version>, QuarantineError> {
        let view = match self.view(project, Freshness::Usual).await {
            Ok(view) => view,
            Err(QuarantineError::NotFound(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let records = self.records_of(project).await?;
        let told =
            |version: &Version| records.releases.get(version).is_some_and(|record| !record.vulnerabilities.is_empty());
        let open = view.files().filter(|entry| entry.is_open() && entry.file.file.yanked == Yanked::No);
        let mut versions: Vec<Version> = open.map(|entry| entry.file.file.version.clone()).collect();
        versions.sort_by(|one, two| one.compare(two, project.ecosystem));
        versions.dedup();
        versions.retain(|version| advice.facts(project, version, &[], &[]).affecting.is_empty() && !told(version));
        Ok(versions)
    }
}

/// An advisory's own word for how bad it is, in ours.
pub fn severity_of(word: Option<&str>) -> Severity {
    match word.map(str::to_ascii_lowercase).as_deref() {
        Some("critical") => Severity::Critical,
        Some("high") => Severity::High,
        Some("low") => Severity::Low,
        Some("none") => Severity::Info,
        _ => Severity::Medium,
    }
}
