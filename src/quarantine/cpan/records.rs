//! What CPAN's records say of a distribution's releases, in the form in which judging needs it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::evidence::Evidence;
use super::{Cpan, PermissionBook};
use crate::corpus::Corpus;
use crate::domain::{FileName, KnownProject, Sha256};
use crate::policy::Policy;
use crate::signals::{CpanFacts, ForeignPackage};

/// So many packages of others stand in a dossier.
const MOST_FOREIGN: usize = 20;

/// What the records say of the releases of one distribution.
#[derive(Debug)]
pub struct CpanRecords {
    evidence: Evidence,
    /// Public releases that claim a package of ours.
    claims: BTreeSet<FileName>,
    book: Option<Arc<PermissionBook>>,
}

impl CpanRecords {
    /// Identifies what is said.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(&serde_json::to_vec(&(&self.evidence, &self.claims)).unwrap_or_default())
    }

    /// Whether a release claims a package of ours.
    pub fn claims_private_name(&self, filename: &FileName) -> bool {
        self.claims.contains(filename)
    }

    /// What is said of a release that ships these packages, if its bytes were read.
    pub fn facts<'a>(&self, filename: &FileName, shipped: impl Iterator<Item = &'a str>) -> Option<CpanFacts> {
        let mut facts = self.evidence.get(filename)?.clone();
        let Some(book) = &self.book else { return Some(facts) };
        for package in shipped {
            let granted = book.permissions.of(package);
            let is_own = granted.is_empty() || granted.iter().any(|(pause_id, _)| *pause_id == &*facts.pause_id);
            if !is_own && facts.foreign_packages.len() < MOST_FOREIGN {
                let owners = granted.into_iter().map(|(pause_id, _)| pause_id.into()).collect();
                facts.foreign_packages.push(ForeignPackage { package: package.into(), owners });
            }
        }
        Some(facts)
    }
}

impl Cpan {
    /// What is said of the releases of a distribution now.
    pub(in crate::quarantine) async fn records(
        &self,
        known: &KnownProject,
        corpus: &Corpus,
        policy: &Policy,
    ) -> CpanRecords {
        let mut claims = BTreeSet::new();
        if known.origin.is_public() {
            for file in &known.files {
                let claimed = |package: &str| self.is_private_package(package, policy);
                if file.file.provides.iter().any(|provided| claimed(&provided.package)) {
                    claims.insert(file.file.filename.clone());
                }
            }
        }
        CpanRecords { evidence: self.evidence(known, corpus).await, claims, book: self.permissions.load_full() }
    }
}
