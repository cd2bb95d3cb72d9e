//! The served index: bytes made per change and sent as they are, with a Last-Modified of our own that only rises.
//!
//! cpanm takes a newer file for a newer index, curl throws away one that is not newer than its own: a date of the upstream's
//! would let a client go on installing what is held now.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::HeaderValue;
use serde::{Deserialize, Serialize};

use super::super::kept_bytes::KeptBytes;
use super::super::whole_file::write_whole;
use crate::domain::{Sha256, Timestamp};

/// The index as clients get it.
#[derive(Debug)]
pub struct ServedIndex {
    /// Packed.
    pub gzip: Bytes,
    /// How many bytes it has unpacked.
    pub plain_length: u64,
    /// How many rows.
    pub rows: usize,
    /// The time of this generation, whole seconds.
    pub modified: Timestamp,
    /// `Last-Modified`.
    pub last_modified: HeaderValue,
    /// `ETag`.
    pub etag: HeaderValue,
    /// Identifies the rows.
    pub digest: Sha256,
}

/// An index as it was written.
#[derive(Debug)]
pub(super) struct Written {
    /// Packed.
    pub(super) gzip: Vec<u8>,
    /// How many bytes it has unpacked.
    pub(super) plain_length: u64,
    /// How many rows.
    pub(super) rows: usize,
}

/// What is kept beside the bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Label {
    #[serde(with = "time::serde::rfc3339")]
    modified: Timestamp,
    digest: Sha256,
    plain_length: u64,
    rows: usize,
    /// Which bytes these are.
    #[serde(default)]
    packed: Option<Sha256>,
}

/// The present index, and the count of changes that it was made after.
#[derive(Debug)]
pub(super) struct Served {
    /// Where it is kept between runs.
    folder: PathBuf,
    kept: KeptBytes,
    index: ArcSwapOption<(u64, Arc<ServedIndex>)>,
    made: tokio::sync::watch::Sender<u64>,
}

impl Served {
    pub(super) fn at(folder: PathBuf, name: &'static str) -> Self {
        let kept = KeptBytes { stem: name, ending: "txt.gz" };
        Self { folder, kept, index: ArcSwapOption::empty(), made: tokio::sync::watch::channel(0).0 }
    }

    /// The index and the count of changes that it was made after.
    pub(super) fn now(&self) -> Option<(u64, Arc<ServedIndex>)> {
        self.index.load().as_deref().cloned()
    }

    /// Told whenever one was made.
    pub(super) fn made(&self) -> tokio::sync::watch::Receiver<u64> {
        self.made.subscribe()
    }

    /// Puts an index in the place of the last one. The same rows keep their generation.
    pub(super) async fn replace(
        &self,
        changes: u64,
        digest: Sha256,
        now: Timestamp,
        write: impl FnOnce(Timestamp) -> Written + Send + 'static,
    ) -> Result<(), String> {
        let last = self.now().map(|(_, index)| index);
        if let Some(last) = last.as_ref().filter(|last| last.digest == digest) {
            self.show(changes, last.clone());
            return Ok(());
        }
        let whole = now.replace_nanosecond(0).unwrap_or(now);
        let modified = match &last {
            Some(last) => whole.max(last.modified + time::Duration::SECOND),
            None => whole,
        };
        let written = tokio::task::spawn_blocking(move || write(modified)).await;
        let Written { gzip, plain_length, rows } = written.map_err(|panic| panic.to_string())?;
        let gzip = Bytes::from(gzip);
        // On disk before it is shown: after a restart the generation must not fall.
        let kept = async {
            let packed = self.kept.write(&self.folder, &gzip).await?;
            let label = Label { modified, digest, plain_length, rows, packed: Some(packed) };
            write_whole(&self.file("json"), &serde_json::to_vec(&label).unwrap_or_default()).await?;
            self.kept.tidy(&self.folder, packed).await;
            Ok(label)
        };
        let label = kept.await.map_err(|error: std::io::Error| format!("the served index cannot be kept: {error}"))?;
        self.show(changes, Arc::new(prepared(gzip, &label)));
        Ok(())
    }

    fn file(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", self.kept.stem))
    }

    fn show(&self, changes: u64, index: Arc<ServedIndex>) {
        self.index.store(Some(Arc::new((changes, index))));
        self.made.send_replace(changes);
    }

    /// The last index of an earlier run: served until a newer one is made.
    pub(super) async fn recall(&self) {
        let label = tokio::fs::read(self.file("json")).await.ok();
        let label: Option<Label> = label.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let Some(label) = label else { return };
        if let Ok(gzip) = tokio::fs::read(self.kept.path(&self.folder, label.packed)).await {
            self.show(0, Arc::new(prepared(gzip.into(), &label)));
        }
    }
}

fn prepared(gzip: Bytes, label: &Label) -> ServedIndex {
    let fallback = || HeaderValue::from_static("");
    let etag = format!("\"{}\"", &Sha256::of(&gzip).to_string()[..32]);
    ServedIndex {
        plain_length: label.plain_length,
        rows: label.rows,
        modified: label.modified,
        last_modified: HeaderValue::try_from(httpdate::fmt_http_date(label.modified.into()))
            .unwrap_or_else(|_| fallback()),
        etag: HeaderValue::try_from(etag).unwrap_or_else(|_| fallback()),
        digest: label.digest,
        gzip,
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn writes(text: &'static str) -> impl FnOnce(Timestamp) -> Written + Send + 'static {
        move |_| Written { gzip: text.as_bytes().to_vec(), plain_length: 1, rows: 1 }
    }

    #[tokio::test]
    async fn an_index_that_was_written_and_not_yet_named_leaves_the_last_one_whole() {
        let folder = tempfile::tempdir().unwrap();
        let now = datetime!(2026-11-22 12:00 UTC);
        let served = Served::at(folder.path().to_owned(), "served");
        served.replace(1, Sha256::of(b"1"), now, writes("first")).await.unwrap();
        served.kept.write(folder.path(), b"killed behind this").await.unwrap();

        let again = Served::at(folder.path().to_owned(), "served");
        again.recall().await;
        let (_, index) = again.now().unwrap();
        assert_eq!((&*index.gzip, index.modified), (&b"first"[..], now));
        again.replace(2, Sha256::of(b"2"), now, writes("second")).await.unwrap();
        let (_, index) = again.now().unwrap();
        assert!(&*index.gzip == b"second" && index.modified > now);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "the bytes and what is said of them");
    }
}
