//! Small files of a mirror beside its releases (CHECKSUMS, 01mailrc, 06perms…): passed through byte for byte, the last good
//! copy kept, because no client survives an error in their place.

use std::path::PathBuf;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::super::indexes::Index;
use super::super::whole_file::write_whole;
use super::super::{Quarantine, QuarantineError, toll};
use crate::domain::{Sha256, Timestamp};
use crate::registry::cpan::checksums::Checksums;
use crate::upstream::{PageAnswer, PageRequest, Validators};

/// How long a mirror may take to send one.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(30);
/// For what is small and asked for while a client waits: several may follow each other, and clients give up after a minute.
const SHORT_DEADLINE: std::time::Duration = std::time::Duration::from_secs(12);
/// Up to here it is small.
const SMALL: u64 = 4 << 20;
/// So many bytes of documents stay in memory.
const IN_MEMORY: u64 = 32 << 20;

/// A document as the mirror had it.
#[derive(Debug, Clone)]
pub(super) struct Document {
    /// Its bytes.
    pub body: Bytes,
    /// When it was fetched, or confirmed.
    pub read_at: Timestamp,
    validators: Validators,
}

/// What stands beside a kept body.
#[derive(Debug, Serialize, Deserialize)]
struct Label {
    path: String,
    #[serde(with = "time::serde::rfc3339")]
    read_at: Timestamp,
    etag: Option<Box<str>>,
    last_modified: Option<Box<str>>,
}

/// The kept documents of one mirror.
#[derive(Debug)]
pub(super) struct Documents {
    folder: PathBuf,
    hot: moka::sync::Cache<String, Document>,
}

impl Documents {
    pub(super) fn at(folder: PathBuf) -> Self {
        let weigh = |_: &String, document: &Document| u32::try_from(document.body.len() + 500).unwrap_or(u32::MAX);
        Self { folder, hot: moka::sync::Cache::builder().weigher(weigh).max_capacity(IN_MEMORY).build() }
    }

    /// The last good copy.
    pub(super) async fn kept(&self, path: &str) -> Option<Document> {
        if let Some(document) = self.hot.get(path) {
            return Some(document);
        }
        let (body_file, label_file) = self.files(path);
        let label: Label = serde_json::from_slice(&tokio::fs::read(label_file).await.ok()?).ok()?;
        let body = tokio::fs::read(body_file).await.ok()?;
        let validators = Validators { etag: label.etag, last_modified: label.last_modified };
        let document = Document { body: body.into(), read_at: label.read_at, validators };
        self.hot.insert(path.to_owned(), document.clone());
        Some(document)
    }

    async fn keep(&self, path: &str, document: Document) {
        if path.ends_with("/CHECKSUMS")
            && let Some(before) = self.kept(path).await
            && lists_more(&before.body, &document.body)
        {
            self.write(&longer(path), before).await;
        }
        self.write(path, document).await;
    }

    async fn write(&self, path: &str, document: Document) {
        let (body_file, label_file) = self.files(path);
        let label = Label {
            path: path.to_owned(),
            read_at: document.read_at,
            etag: document.validators.etag.clone(),
            last_modified: document.validators.last_modified.clone(),
        };
        let written = async {
            write_whole(&body_file, &document.body).await?;
            write_whole(&label_file, &serde_json::to_vec(&label).unwrap_or_default()).await
        };
        // A copy that cannot be kept is fetched again after a restart: no reason not to serve it.
        if let Err(error) = written.await {
            tracing::warn!(path, %error, "a mirror's document could not be kept");
        }
        self.hot.insert(path.to_owned(), document);
    }

    fn files(&self, path: &str) -> (PathBuf, PathBuf) {
        let name = Sha256::of(path.as_bytes()).to_string();
        (self.folder.join(&name), self.folder.join(format!("{name}.json")))
    }
}

/// Where the last copy is kept that listed more.
pub(super) fn longer(path: &str) -> String {
    format!("{path} that lists more")
}

/// Also where what came now cannot be read.
fn lists_more(before: &[u8], now: &[u8]) -> bool {
    let Ok(before) = Checksums::read(before) else { return false };
    let Ok(now) = Checksums::read(now) else { return true };
    before.entries.keys().any(|file| !now.entries.contains_key(file))
}

impl Quarantine {
    /// A mirror's document: the kept copy if it was read after `since`, else asked for again, and the kept copy if the mirror
    /// does not answer. [`QuarantineError::NotFound`]: the mirror has no such file and never had.
    pub(super) async fn document(
        &self,
        mirror: &super::Mirror,
        path: &str,
        since: Timestamp,
        max_bytes: u64,
    ) -> Result<Document, QuarantineError> {
        let kept = mirror.documents.kept(path).await;
        if let Some(document) = kept.as_ref().filter(|document| document.read_at >= since) {
            return Ok(document.clone());
        }
        let now = self.timekeeper.wall();
        let validators = kept.as_ref().map(|document| &document.validators);
        match (self.ask_mirror(&mirror.index, path, validators, max_bytes).await, kept) {
            (Ok(PageAnswer::Fresh(page)), _) => {
                let document = Document { body: page.body, read_at: now, validators: page.validators };
                mirror.documents.keep(path, document.clone()).await;
                Ok(document)
            }
            (Ok(PageAnswer::NotModified { .. }), Some(kept)) => {
                let document = Document { read_at: now, ..kept };
                mirror.documents.hot.insert(path.to_owned(), document.clone());
                Ok(document)
            }
            (Ok(PageAnswer::Missing { .. }), Some(kept)) => Ok(kept),
            (Err(error), Some(kept)) => {
                tracing::warn!(path, %error, "serving the last good copy of a mirror's document");
                Ok(kept)
            }
            (Ok(_), None) => Err(QuarantineError::NotFound(path.to_owned())),
            (Err(error), None) => Err(error),
        }
    }

    /// Asks a mirror for a file below its root that is small enough to be held in memory.
    pub(super) async fn ask_mirror(
        &self,
        index: &Index,
        path: &str,
        validators: Option<&Validators>,
        max_bytes: u64,
    ) -> Result<PageAnswer, QuarantineError> {
        let url = index.base.join(path).map_err(|error| QuarantineError::Fetch(error.to_string()))?;
        let hosts = index.allowed_hosts();
        let request = PageRequest {
            url: &url,
            accept: "*/*",
            validators,
            max_bytes,
            deadline: if max_bytes <= SMALL { SHORT_DEADLINE } else { DEADLINE },
            hosts: &hosts,
            credentials: index.credentials.as_ref(),
            close: index.closes,
        };
        toll::pay()?;
        let answer = self.upstream.page(request).await;
        answer.map_err(|error| QuarantineError::Fetch(format!("{}: {path}: {error}", index.label())))
    }
}
