//! Names that are worth imitating because of this site: its internal ones, those of its private indexes, and what it uses.

use std::collections::BTreeMap;

use time::Duration;

use crate::corpus::OwnNames;
use crate::domain::{Ecosystem, KnownProject, Timestamp};
use crate::policy::Policy;
use crate::store::{Store, StoreError};

/// At most so many projects of an ecosystem are looked at; the rest is known by the popular list only.
const MOST_PROJECTS: usize = 5_000;

/// So many are asked for at a time.
const AT_ONCE: usize = 500;

/// A project younger than this might be the imitation.
const ESTABLISHED: Duration = Duration::days(365);

/// What the policy and the store say of each ecosystem.
pub async fn own_names(
    policy: &Policy,
    store: &dyn Store,
    now: Timestamp,
) -> Result<BTreeMap<Ecosystem, OwnNames>, StoreError> {
    let mut all = BTreeMap::new();
    for ecosystem in [Ecosystem::Pypi, Ecosystem::Cpan, Ecosystem::Teapot] {
        let mut own = OwnNames { internal: policy.namespaces.imitable(ecosystem), used: Vec::new() };
        let (mut after, mut seen) = (None, 0);
        while seen < MOST_PROJECTS {
            let projects = store.projects(ecosystem, after.as_ref(), AT_ONCE).await?;
            let Some(last) = projects.last().cloned() else { break };
            for project in &projects {
                let Some(known) = store.project(project).await? else { continue };
                let name = project.name.as_str().to_owned();
                // Shorter names resemble too much.
                if name.len() <= 2 {
                    continue;
                }
                if !known.origin.is_public() {
                    own.internal.push(name);
                } else if is_established(&known, now) {
                    own.used.push(name);
                }
            }
            seen += projects.len();
            after = Some(last);
        }
        all.insert(ecosystem, own);
    }
    Ok(all)
}

fn is_established(known: &KnownProject, now: Timestamp) -> bool {
    let oldest = known.files.iter().filter_map(|file| file.file.uploaded_at()).min();
    oldest.is_some_and(|oldest| now - oldest > ESTABLISHED)
}
