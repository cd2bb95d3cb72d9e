//! What an index service answers (`/v1.0/package`, `/v1.0/history`): the only way in which stock clients resolve a pin, here
//! from the same verdicts as the index.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::super::refresh::Freshness;
use super::super::view::Entry;
use super::super::{Asker, Quarantine, QuarantineError};
use super::Cpan;
use super::evidence::{path_of, version_of};
use super::snapshot::project_of_text;
use crate::domain::{Ecosystem, Project, Version};
use crate::registry::cpan::author_path::AuthorPath;
use crate::registry::cpan::dist_name::{dist_of, main_package};

/// How long a client waits for the first index.
const PATIENCE: Duration = Duration::from_secs(30);
/// So many older releases of a distribution are looked up.
const MOST_OLDER: usize = 40;

/// A package as the served index has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    version: String,
    path: String,
}

impl Cpan {
    fn listed(&self, package: &str, quarantine: &Quarantine, asker: Asker) -> Option<Listed> {
        let overlay = self.edition(asker).overlay.load_full()?;
        if let Some(row) = overlay.rows.get(package) {
            return Some(Listed { version: row.version.to_string(), path: row.path.to_string() });
        }
        let private = self.is_private_package(package, &quarantine.policy());
        let mirrors = self.mirrors.iter().filter(|mirror| !private || !mirror.index.origin.is_public());
        for snapshot in mirrors.filter_map(|mirror| mirror.snapshot.load_full()) {
            if let Some(row) = snapshot.index.find(package).filter(|row| !overlay.shut.contains(row.path)) {
                return Some(Listed { version: row.version.to_owned(), path: row.path.to_owned() });
            }
        }
        None
    }
}

impl Quarantine {
    /// `/v1.0/package/{module}`: the release that the served index has for it, as YAML.
    pub async fn cpan_package(self: &Arc<Self>, package: &str, asker: Asker) -> Result<String, QuarantineError> {
        let missing = || QuarantineError::NotFound(package.to_owned());
        let cpan = self.cpan_side()?;
        self.cpan_index(PATIENCE, asker).await;
        let listed = cpan.listed(package, self, asker).ok_or_else(missing)?;
        let project = project_of_text(&listed.path).ok_or_else(missing)?;
        let mut text = format!("---\ndistfile: {}\nversion: {}\nprovides:\n", listed.path, quoted(&listed.version));
        let mut provides: Vec<(String, String)> = vec![(package.to_owned(), listed.version)];
        if let Some(shelf) = cpan.shelf(&project) {
            let release = shelf.releases.iter().find(|release| *release.path == *listed.path);
            for provided in release.iter().flat_map(|release| &release.provides) {
                provides.push((provided.package.to_string(), provided.version.to_string()));
            }
        } else if let Some(snapshot) = cpan.public_snapshot() {
            let rows = snapshot.provides(&listed.path).into_iter();
            provides.extend(rows.map(|provided| (provided.package.to_string(), provided.version.to_string())));
        }
        provides.sort();
        provides.dedup();
        for (package, version) in provides {
            let _ = writeln!(text, "  {package}: {}", quoted(&version));
        }
        Ok(text)
    }

    /// `/v1.0/history/{module}`: every release of it that may be had, oldest first.
    pub async fn cpan_history(self: &Arc<Self>, package: &str, asker: Asker) -> Result<String, QuarantineError> {
        let missing = || QuarantineError::NotFound(package.to_owned());
        let cpan = self.cpan_side()?;
        self.cpan_index(PATIENCE, asker).await;
        let project = match cpan.listed(package, self, asker) {
            Some(listed) => project_of_text(&listed.path),
            // Its newest release may be its only one, and held: then there is nothing to tell.
            None => cpan.project_of_package(package),
        };
        let project = project.ok_or_else(missing)?;
        self.remember_older(cpan, &project).await?;
        let view = self.view(&project, Freshness::Usual).await?;
        let main = main_package(project.name.as_str());
        let mut releases: Vec<(Version, String)> = Vec::new();
        let mode = view.mode_for(asker);
        for entry in view.files().map(|entry| entry.under(mode)).filter(Entry::is_open) {
            let listed = &entry.file.file;
            let Some(path) = path_of(&listed.filename) else { continue };
            let own = listed.provides.iter().find(|provided| &*provided.package == package);
            let version = match own {
                Some(provided) => Version::parse(Ecosystem::Cpan, &provided.version).ok(),
                // Of a release that no index showed us only the main package is certain.
                None if listed.provides.is_empty() && package == main => Some(listed.version.clone()),
                None => None,
            };
            let at_hand = entry.file.vanished.is_none() || entry.is_kept();
            if let Some(version) = version.filter(|_| at_hand) {
                releases.push((version, path.as_str().to_owned()));
            }
        }
        if releases.is_empty() {
            return Err(missing());
        }
        releases.sort_by(|(one, _), (two, _)| one.compare(two, Ecosystem::Cpan));
        let mut text = String::new();
        for (version, path) in releases {
            let _ = writeln!(text, "{package} {version} {path}");
        }
        Ok(text)
    }

    /// Older releases of a distribution that its mirror still has, by the CHECKSUMS of the folders that it is in: from then on
    /// they are known, and stand under the same rules as all others.
    async fn remember_older(self: &Arc<Self>, cpan: &Cpan, project: &Project) -> Result<(), QuarantineError> {
        let view = match self.view(project, Freshness::Usual).await {
            Ok(view) => view,
            Err(QuarantineError::NotFound(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let Some(mirror) = view.known.as_ref().and_then(|known| cpan.mirror(&known.origin)) else { return Ok(()) };
        let mut folders: Vec<AuthorPath> = Vec::new();
        for path in view.files().filter_map(|entry| path_of(&entry.file.file.filename)) {
            if !folders.iter().any(|known| known.folder() == path.folder()) {
                folders.push(path);
            }
        }
        let mut older = Vec::new();
        for folder in &folders {
            let Ok(vouched) = self.checksums_of(mirror, folder).await else { continue };
            for file in vouched.checksums.entries.keys() {
                if dist_of(file).is_some_and(|dist| dist.name == project.name.as_str() && dist.version.is_some())
                    && let Ok(path) = AuthorPath::parse(&format!("{}/{file}", folder.folder()))
                    && let Some(name) = super::evidence::name_of(&path)
                    && view.file(&name).is_none()
                {
                    older.push((version_of(&path), name));
                }
            }
        }
        if older.is_empty() {
            return Ok(());
        }
        older.sort_by(|(one, _), (two, _)| two.compare(one, Ecosystem::Cpan));
        let mut news = false;
        for (_, name) in older.into_iter().take(MOST_OLDER) {
            news |= cpan.remember_unlisted(project, &name);
        }
        if news {
            self.outdate(project);
        }
        Ok(())
    }
}

/// A version as a YAML scalar that stays text: 1.10 is not 1.1.
fn quoted(version: &str) -> String {
    format!("'{}'", version.replace('\'', "''"))
}
