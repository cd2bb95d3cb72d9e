//! Who built each file of our own packages: every attested one is verified by itself, because one proves nothing of another.

use serde::{Deserialize, Serialize};

use super::super::view::View;
use super::super::{Quarantine, QuarantineError};
use super::records::ProjectRecords;
use crate::attest::{Provenance, Verdict, verify};
use crate::domain::{FileName, KnownFile, Sha256, Timestamp, Version};
use crate::policy::Proof;
use crate::signals::pypi_facts::Source;
use crate::signals::{Attestation, PublisherFacts};

/// More files of one release than this are not verified one by one; the others wait as everybody's do.
const MOST_FILES: usize = 100;

/// What came of the attestation of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvedFile {
    /// Which bytes.
    pub sha256: Sha256,
    /// By whom.
    pub attestation: Attestation,
}

impl ProjectRecords {
    /// What is proved of a file with these bytes.
    pub fn proof(&self, version: &Version, filename: &FileName, sha256: Option<Sha256>) -> Option<Attestation> {
        let proved = self.releases.get(version)?.proofs.get(filename)?;
        (Some(proved.sha256) == sha256).then(|| proved.attestation.clone())
    }
}

/// As the policy looks at it.
pub fn proof_of(attestation: &Attestation) -> Proof {
    Proof {
        kind: attestation.publisher.kind.clone(),
        repository: attestation.publisher.repository.clone(),
        workflow: attestation.publisher.workflow.clone(),
        unproved: attestation.unproved.clone(),
    }
}

impl Quarantine {
    /// Whether all that there is was looked for of a release; of our own packages also who built each file.
    pub(super) fn is_looked_up(
        &self,
        view: &View,
        records: &ProjectRecords,
        version: &Version,
        now: Timestamp,
    ) -> bool {
        records.is_collected(version, now) && self.unproved_files(view, records, version).is_empty()
    }

    /// Attested files of our own packages that nobody has verified, unless that failed a short while ago.
    fn unproved_files(&self, view: &View, records: &ProjectRecords, version: &Version) -> Vec<(KnownFile, Sha256)> {
        if self.policy().own_for(&view.project).is_none() {
            return Vec::new();
        }
        let record = records.releases.get(version);
        if record.is_some_and(|record| record.failed.iter().any(|failed| failed.source == Source::Provenance)) {
            return Vec::new();
        }
        let attested = view.version(version).filter(|entry| entry.file.file.provenance.is_some()).take(MOST_FILES);
        let files = attested.filter_map(|entry| Some((entry.file.clone(), entry.sha256()?)));
        let is_new = |(file, sha256): &(KnownFile, Sha256)| {
            let proved = record.and_then(|record| record.proofs.get(&file.file.filename));
            proved.is_none_or(|proved| proved.sha256 != *sha256)
        };
        files.filter(is_new).collect()
    }

    /// Verifies the attestations of a release of our own, file by file.
    pub(super) async fn collect_proofs(&self, view: &View, records: &mut ProjectRecords, version: &Version) {
        for (file, sha256) in self.unproved_files(view, records, version) {
            match self.verified(view, &file, sha256).await {
                Ok(attestation) => {
                    let proved =
                        ProvedFile { sha256, attestation: Attestation { version: version.clone(), ..attestation } };
                    records.release_mut(version).proofs.insert(file.file.filename.clone(), proved);
                }
                Err(error) => return records.release_mut(version).fail(Source::Provenance, error.to_string()),
            }
        }
    }

    /// Who built a file, by its own attestations.
    pub(super) async fn verified(
        &self,
        view: &View,
        file: &KnownFile,
        sha256: Sha256,
    ) -> Result<Attestation, QuarantineError> {
        let failed = |why: String| QuarantineError::Fetch(why);
        let bytes = self.fetch_provenance(view, file).await?;
        let bytes = bytes.ok_or_else(|| failed("the index offers an attestation and has none".to_owned()))?;
        let provenance = Provenance::read(&bytes).map_err(|error| failed(error.to_string()))?;
        let Some(root) = &self.trust else {
            return Err(failed("there is no trusted root to verify it with".to_owned()));
        };
        let (publisher, doubt) = match verify(&provenance, &file.file.filename, sha256, root) {
            Verdict::Verified { publisher, .. } => (publisher, None),
            Verdict::Unverified { publisher, why } => (publisher, Some(why)),
        };
        Ok(Attestation {
            version: file.file.version.clone(),
            publisher: PublisherFacts {
                kind: publisher.kind.to_string(),
                repository: publisher.repository.as_deref().or(publisher.account.as_deref()).map(str::to_lowercase),
                workflow: publisher.workflow.as_deref().map(str::to_owned),
            },
            contradicted: doubt.as_ref().is_some_and(crate::attest::Doubt::is_contradiction),
            unproved: doubt.map(|doubt| doubt.to_string()),
        })
    }
}
