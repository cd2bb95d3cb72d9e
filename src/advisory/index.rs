//! All advisories, found by project: an immutable index in memory, exchanged as a whole when its source changed.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use sha2::Digest as _;

use super::Advisory;
use super::osv::Document;
use crate::domain::{Project, Sha256, Version};

/// Which advisories there are. The default knows none.
#[derive(Clone)]
pub struct Advisories {
    projects: HashMap<Project, Known>,
    digest: Sha256,
    count: usize,
}

/// What is known of one project.
#[derive(Clone)]
struct Known {
    advisories: Vec<Arc<Advisory>>,
    digest: Sha256,
}

impl Default for Advisories {
    fn default() -> Self {
        Self::of_documents([])
    }
}

impl fmt::Debug for Advisories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Advisories({} about {} projects)", self.count, self.projects.len())
    }
}

impl Advisories {
    /// Joins records by project and by what they are about. Withdrawn ones do not count.
    pub fn of_documents(documents: impl IntoIterator<Item = Document>) -> Self {
        let mut by_project: HashMap<Project, Vec<Advisory>> = HashMap::new();
        for advisory in documents.into_iter().flat_map(|document| document.advisories) {
            if advisory.withdrawn.is_none() {
                by_project.entry(advisory.project.clone()).or_default().push(advisory);
            }
        }
        let known = |(project, records)| (project, Known::of(joined(records)));
        let mut projects: HashMap<Project, Known> = by_project.into_iter().map(known).collect();
        projects.shrink_to_fit();
        let count = projects.values().map(|known| known.advisories.len()).sum();
        let mut digests: Vec<_> = projects.iter().map(|(project, known)| (project, known.digest)).collect();
        digests.sort_unstable();
        let mut digest = sha2::Sha256::new();
        for (project, known) in digests {
            digest.update(format!("{project}\n"));
            digest.update(known.as_bytes());
        }
        Self { digest: Sha256::from_bytes(digest.finalize().into()), projects, count }
    }

    /// What is known of a project: malware first, then by id.
    pub fn of(&self, project: &Project) -> &[Arc<Advisory>] {
        self.projects.get(project).map_or(&[], |known| &known.advisories)
    }

    /// What is known of one version.
    pub fn affecting(&self, project: &Project, version: &Version) -> Vec<Arc<Advisory>> {
        self.of(project).iter().filter(|advisory| advisory.affects(version)).cloned().collect()
    }

    /// SHA-256 of what is known of a project; `None` if nothing is. Another one: judge the project again.
    pub fn digest_of(&self, project: &Project) -> Option<Sha256> {
        self.projects.get(project).map(|known| known.digest)
    }

    /// SHA-256 of everything that is known.
    pub fn digest(&self) -> Sha256 {
        self.digest
    }

    /// The projects of which something is known, in no order.
    pub fn projects(&self) -> impl Iterator<Item = &Project> {
        self.projects.keys()
    }

    /// How many advisories there are; one about three projects counts three times.
    pub fn count(&self) -> usize {
        self.count
    }

    /// About how many bytes they take.
    pub fn bytes(&self) -> usize {
        let of_project =
            |known: &Known| size_of::<(Project, Known)>() + known.advisories.iter().map(|it| it.bytes()).sum::<usize>();
        self.projects.values().map(of_project).sum()
    }

    /// The projects of which something else is known than before, more or less, in order.
    pub fn changed_since(&self, before: &Self) -> Vec<Project> {
        let differs = |project: &&Project| self.digest_of(project) != before.digest_of(project);
        let gone = before.projects().filter(|project| !self.projects.contains_key(project));
        let mut changed: Vec<Project> = self.projects().filter(differs).chain(gone).cloned().collect();
        changed.sort_unstable();
        changed
    }
}

impl Known {
    fn of(advisories: Vec<Advisory>) -> Self {
        let mut digest = sha2::Sha256::new();
        for advisory in &advisories {
            let text = advisory.canonical();
            digest.update((text.len() as u64).to_le_bytes());
            digest.update(text);
        }
        let digest = Sha256::from_bytes(digest.finalize().into());
        Self { advisories: advisories.into_iter().map(Arc::new).collect(), digest }
    }
}

/// Joins records of one project that have an id or an alias in common, however many steps it takes: aliases are
/// [symmetric and transitive](https://ossf.github.io/osv-schema/#aliases-field).
fn joined(mut records: Vec<Advisory>) -> Vec<Advisory> {
    // In this order, so that the same records come out the same however they were gathered.
    records.sort_by(|one, two| one.kind.cmp(&two.kind).then_with(|| one.id.cmp(&two.id)));
    let mut groups = Groups::new(records.len());
    {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (at, record) in records.iter().enumerate() {
            for id in record.ids() {
                match seen.get(id) {
                    Some(other) => groups.unite(at, *other),
                    None => {
                        seen.insert(id, at);
                    }
                }
            }
        }
    }
    let mut joined: Vec<Advisory> = Vec::new();
    let mut place_of: HashMap<usize, usize> = HashMap::new();
    for (at, record) in records.into_iter().enumerate() {
        let place = *place_of.entry(groups.first_of(at)).or_insert(joined.len());
        match joined.get_mut(place) {
            Some(first) => first.join(record),
            None => joined.push(record),
        }
    }
    for advisory in &mut joined {
        advisory.tidy();
    }
    joined.shrink_to_fit();
    joined
}

/// Which records belong together: each points to an earlier one of its group, the first to itself.
struct Groups(Vec<usize>);

impl Groups {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    /// The first record of the group; shortens the way for the next time.
    fn first_of(&mut self, mut at: usize) -> usize {
        while let Some(&earlier) = self.0.get(at) {
            if earlier == at {
                break;
            }
            let further = self.0.get(earlier).copied().unwrap_or(earlier);
            if let Some(pointer) = self.0.get_mut(at) {
                *pointer = further;
            }
            at = further;
        }
        at
    }

    fn unite(&mut self, one: usize, two: usize) {
        let (one, two) = (self.first_of(one), self.first_of(two));
        if let Some(pointer) = self.0.get_mut(one.max(two)) {
            *pointer = one.min(two);
        }
    }
}
