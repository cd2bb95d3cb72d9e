//! Who may upload what, and since when as far as we watched: 06perms says only the present, so its changes are noted here.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::whole_file::write_whole;
use super::super::{Quarantine, QuarantineError};
use super::documents::Document;
use super::poll::{not_kept, unpacked};
use super::{Cpan, Mirror};
use crate::domain::Timestamp;
use crate::registry::cpan::perms::{Permission, Permissions, UP_FOR_ADOPTION, diff};
use crate::registry::cpan::{CatalogError, MailRc};
use crate::signals::OwnershipMove;

/// Where mirrors have them.
const PLACES: [&str; 2] = ["modules/06perms.txt.gz", "modules/06perms.txt"];
/// Who is behind an id.
const PEOPLE: &str = "authors/01mailrc.txt.gz";
/// 06perms has about 15 MB.
const LARGEST: u64 = 64 << 20;
/// 01mailrc has about one.
const LARGEST_PEOPLE: u64 = 64 << 20;
/// A change is news for this long.
const KEPT: time::Duration = time::Duration::days(400);
/// So many changes are kept; the oldest go first.
const MOST_CHANGES: usize = 20_000;

/// One change that was seen between two readings.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Change {
    package: Box<str>,
    pause_id: Box<str>,
    before: Option<Box<str>>,
    after: Option<Box<str>>,
    #[serde(with = "time::serde::rfc3339")]
    at: Timestamp,
}

/// The permissions now, and how they came about while we watched.
#[derive(Debug)]
pub struct PermissionBook {
    /// As 06perms has them.
    pub(super) permissions: Permissions,
    /// The bytes they were read from, to recognise them.
    pub(super) source: bytes::Bytes,
    /// Names of people, by PAUSE id.
    pub(super) people: Option<MailRc>,
    changes: Vec<Change>,
    by_package: HashMap<Box<str>, Vec<usize>>,
}

impl PermissionBook {
    /// The next reading: what changed since the last one is noted.
    pub(super) fn next(&self, permissions: Permissions, now: Timestamp) -> Self {
        let mut changes: Vec<Change> = self.changes.iter().filter(|change| now - change.at < KEPT).cloned().collect();
        for change in diff(&self.permissions, &permissions) {
            changes.push(Change {
                package: change.package.into(),
                pause_id: change.pause_id.into(),
                before: change.before.map(|permission| letter(permission).into()),
                after: change.after.map(|permission| letter(permission).into()),
                at: now,
            });
        }
        let surplus = changes.len().saturating_sub(MOST_CHANGES);
        changes.drain(..surplus);
        Self::with(permissions, changes)
    }

    fn with(permissions: Permissions, changes: Vec<Change>) -> Self {
        let mut by_package: HashMap<Box<str>, Vec<usize>> = HashMap::new();
        for (place, change) in changes.iter().enumerate() {
            by_package.entry(change.package.to_ascii_lowercase().into()).or_default().push(place);
        }
        Self { permissions, source: bytes::Bytes::new(), people: None, changes, by_package }
    }

    /// With the bytes that it was read from.
    pub(super) fn of_source(self, source: bytes::Bytes) -> Self {
        Self { source, ..self }
    }

    /// With the names of people.
    pub(super) fn with_people(self, people: Option<MailRc>) -> Self {
        Self { people, ..self }
    }

    /// Reads the changes that an earlier run noted.
    pub(super) async fn recalled(permissions: Permissions, folder: &Path) -> Self {
        let read = tokio::fs::read(folder.join("permission-changes.json")).await;
        let changes = read.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self::with(permissions, changes)
    }

    /// Keeps the changes for the next run.
    pub(super) async fn keep(&self, folder: &Path) -> std::io::Result<()> {
        let bytes = serde_json::to_vec(&self.changes).unwrap_or_default();
        write_whole(&folder.join("permission-changes.json"), &bytes).await
    }

    fn changes_of(&self, package: &str) -> impl DoubleEndedIterator<Item = &Change> {
        let places = self.by_package.get(&*package.to_ascii_lowercase());
        places.into_iter().flatten().filter_map(|place| self.changes.get(*place))
    }

    /// When this id got its present permission on the package, if we saw it.
    pub(super) fn since(&self, package: &str, pause_id: &str) -> Option<Timestamp> {
        let got = |change: &&Change| &*change.pause_id == pause_id && change.after.is_some();
        self.changes_of(package).rev().find(got).map(|change| change.at)
    }

    /// Whether the first-come permission went from one id to another while we watched.
    pub(super) fn moved(&self, package: &str) -> Option<OwnershipMove> {
        let owner = |text: &Option<Box<str>>| text.as_deref() == Some("f");
        let gained = self.changes_of(package).rev().find(|change| owner(&change.after) && !owner(&change.before))?;
        let lost = self
            .changes_of(package)
            .rev()
            .find(|change| owner(&change.before) && !owner(&change.after) && change.pause_id != gained.pause_id)?;
        Some(OwnershipMove { from: lost.pause_id.clone(), to: gained.pause_id.clone(), at: gained.at })
    }

    /// Whether the package is, or was while we watched, given to whoever wants it.
    pub(super) fn adoption(&self, package: &str) -> Option<&'static str> {
        let now = self.permissions.of(package);
        UP_FOR_ADOPTION.into_iter().find(|special| {
            now.iter().any(|(pause_id, _)| pause_id == special)
                || self.changes_of(package).any(|change| &*change.pause_id == *special)
        })
    }
}

/// As 06perms writes it.
pub(super) const fn letter(permission: Permission) -> &'static str {
    match permission {
        Permission::Modlist => "m",
        Permission::FirstCome => "f",
        Permission::CoMaintainer => "c",
    }
}

impl Quarantine {
    /// The permissions as the last run read them: what changed while nobody looked is news too.
    pub(super) async fn recall_permissions(&self, cpan: &Cpan, mirror: &Mirror) {
        for path in PLACES {
            let Some(document) = mirror.documents.kept(path).await else { continue };
            match read(&document, mirror.documents.kept(PEOPLE).await).await {
                Ok((permissions, people)) => {
                    let book = PermissionBook::recalled(permissions, &cpan.settings.folder).await;
                    cpan.permissions.store(Some(Arc::new(book.of_source(document.body).with_people(people))));
                    return;
                }
                Err(error) => tracing::warn!(path, %error, "the permissions of the last run cannot be read"),
            }
        }
    }

    /// Asks for the permissions; what is held is judged again where they changed.
    pub(super) async fn poll_permissions(&self, cpan: &Cpan, mirror: &Mirror) -> Result<(), QuarantineError> {
        let now = self.timekeeper.wall();
        let mut asked = Err(QuarantineError::NotFound("06perms".into()));
        for path in PLACES {
            asked = self.document(mirror, path, now, LARGEST).await;
            if !matches!(asked, Err(QuarantineError::NotFound(_))) {
                break;
            }
        }
        let document = match asked {
            Ok(document) => document,
            // A mirror without 06perms: nothing is known of permissions, and nothing is held for that.
            Err(QuarantineError::NotFound(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let book = cpan.permissions.load_full();
        if book.as_ref().is_some_and(|book| book.source == document.body) {
            return Ok(());
        }
        let people = self.document(mirror, PEOPLE, now - time::Duration::days(1), LARGEST_PEOPLE).await.ok();
        let (permissions, people) = read(&document, people).await?;
        let mut next = match &book {
            None => PermissionBook::recalled(permissions, &cpan.settings.folder).await,
            Some(book) => book.next(permissions, now),
        };
        next = next.of_source(document.body).with_people(people);
        next.keep(&cpan.settings.folder).await.map_err(not_kept)?;
        let next = Arc::new(next);
        cpan.permissions.store(Some(next.clone()));
        // After the new book is in force: by the old one nothing would be judged otherwise.
        for change in book.iter().flat_map(|book| diff(&book.permissions, &next.permissions)) {
            if let Some(project) = cpan.project_of_package(&change.package) {
                self.outdate(&project);
            }
        }
        Ok(())
    }
}

async fn read(
    permissions: &Document,
    people: Option<Document>,
) -> Result<(Permissions, Option<MailRc>), QuarantineError> {
    let permissions = permissions.body.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let people = people.and_then(|document| MailRc::read(&unpacked(&document.body).ok()?).ok());
        Ok::<_, CatalogError>((Permissions::read(unpacked(&permissions)?.into())?, people))
    });
    let read = reading.await.map_err(|panic| QuarantineError::Fetch(panic.to_string()))?;
    read.map_err(|error| QuarantineError::Fetch(format!("06perms: {error}")))
}
