//! The way back: an export becomes a store, whole or not at all.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::blob::{BlobError, Blobs as _, ObjectBlobs};
use crate::domain::audit::Head;
use crate::domain::{Actor, EventDraft, EventKind, Timestamp};
use crate::marker::Marker;
use crate::seal::{Passphrase, Seal, SealError};
use crate::store::sled::SledStore;
use crate::store::verify::{Verification, verify};
use crate::store::{Change, Changes as _, Fact, Portable as _, StoreError};
use crate::transfer::{Checked, Line, Reader, TransferError, check};

/// So many facts are taken in at once, and so many bytes of them.
const FACTS: usize = 500;
const BYTES: u64 = 4 << 20;

/// What is to be done.
#[derive(Debug)]
pub struct Restore {
    /// The export.
    pub file: PathBuf,
    /// Whether what the store holds may be forgotten.
    pub replace: bool,
    /// What opens the signing key, where it is in the export.
    pub passphrase: Option<Passphrase>,
}

/// What was done.
#[derive(Debug, Serialize)]
pub struct Restored {
    /// Which store it is now.
    pub instance: String,
    /// When the export was made.
    #[serde(with = "time::serde::rfc3339")]
    pub made: Timestamp,
    /// Where its ledger ends.
    pub head: String,
    /// Who signed the export.
    pub signer: String,
    /// How many facts it had.
    pub facts: u64,
    /// How many files its house had in the cellar.
    pub blobs: u64,
    /// How many of them are not in this one; they are fetched again, as far as their indexes have them still.
    pub blobs_missing: u64,
    /// What became of the signing key: restored, kept, not-exported or no-passphrase.
    pub key: &'static str,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file is not what it should be; nothing was changed.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// There is something to lose.
    #[error(
        "the store in {} is not empty: importing forgets all its decisions. Give --replace if that is meant, or another data_dir",
        .0.display()
    )]
    NotEmpty(PathBuf),
    /// The file changed between two readings.
    #[error("the export changed while it was imported; import it again, from a file that nobody writes")]
    Moved,
    /// What was written is not what was read.
    #[error("after the import the ledger does not verify at event {0}: import it again, and check the disk")]
    Broken(u64),
    /// The file or the folder cannot be used.
    #[error("{} cannot be used: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The key.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cellar.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

impl Restore {
    /// Reads the whole export, and only if all of it is right makes the store in this data folder of it. Memory is bounded by the longest
    /// line. What is interrupted leaves a store that opens for nothing but another import.
    pub async fn run(self, data_dir: &Path, now: Timestamp) -> Result<Restored, RestoreError> {
        let checked = check(self.open()?)?;
        let key = match (&checked.key, &self.passphrase) {
            (Some(locked), Some(passphrase)) => Some(locked.unlock(passphrase)?),
            _ => None,
        };
        let folder = |source| RestoreError::File { path: data_dir.to_owned(), source };
        std::fs::create_dir_all(data_dir).map_err(folder)?;
        let path = data_dir.join("store");
        let opened = path.clone();
        let store = tokio::task::spawn_blocking(move || SledStore::open_for_import(&opened)).await;
        let store = store.map_err(|panic| StoreError::Refused(panic.to_string()))??;
        if !self.replace && !store.is_empty().await? {
            return Err(RestoreError::NotEmpty(path));
        }
        store.begin_import(&checked.header.instance).await?;
        let blobs = ObjectBlobs::on_disk(&data_dir.join("blobs"))?;
        let blobs_missing = self.load(&store, &blobs, &checked).await?;
        match verify(&store, Some(checked.head)).await? {
            Verification::Whole(head) if head == checked.head => {}
            Verification::Whole(Head { sequence, .. }) => return Err(RestoreError::Broken(sequence)),
            Verification::Broken { first_bad } => return Err(RestoreError::Broken(first_bad)),
        }
        store.commit(Change { events: vec![imported(&checked, now)], ..Change::default() }).await?;
        let key = match (key, checked.key.is_some()) {
            (Some(key), _) => {
                key.write(&data_dir.join(Seal::KEY_FILE))?;
                "restored"
            }
            (None, true) => "no-passphrase",
            (None, false) => "not-exported",
        };
        store.finish_import().await?;
        Marker::at(data_dir).write(&store).await;
        Ok(Restored {
            instance: checked.header.instance,
            made: checked.header.made,
            head: checked.head.to_string(),
            signer: checked.signer.to_string(),
            facts: checked.facts,
            blobs: checked.blobs,
            blobs_missing,
            key,
        })
    }

    fn open(&self) -> Result<BufReader<File>, RestoreError> {
        let failed = |source| RestoreError::File { path: self.file.clone(), source };
        Ok(BufReader::with_capacity(256 << 10, File::open(&self.file).map_err(failed)?))
    }

    /// The second reading, into the store; it must be of the same bytes.
    async fn load(&self, store: &SledStore, blobs: &ObjectBlobs, checked: &Checked) -> Result<u64, RestoreError> {
        let mut reader = Reader::new(self.open()?);
        let (mut facts, mut bytes, mut missing): (Vec<Fact>, u64, u64) = (Vec::new(), 0, 0);
        while let Some(line) = reader.next_line()? {
            match line {
                Line::Fact(fact) => {
                    bytes += reader.length();
                    facts.push(fact);
                }
                Line::Blob(blob) => {
                    let here = blobs.size(&blob.sha256).await?;
                    missing += u64::from(here != Some(blob.size));
                }
                Line::Export(_) | Line::Key(_) | Line::End(_) => {}
            }
            if facts.len() >= FACTS || bytes > BYTES {
                store.import(std::mem::take(&mut facts)).await?;
                bytes = 0;
            }
        }
        store.import(facts).await?;
        let is_same = reader.ended().is_some_and(|end| end.sha256 == checked.sha256 && end.lines == checked.lines);
        if is_same { Ok(missing) } else { Err(RestoreError::Moved) }
    }
}

fn imported(checked: &Checked, now: Timestamp) -> EventDraft {
    let summary = format!("imported from an export of {}", checked.header.made);
    let mut event = EventDraft::new(now, Actor::house("import"), EventKind::Imported, summary);
    event.details = serde_json::json!({
        "sha256": checked.sha256,
        "head": checked.head.to_string(),
        "signer": checked.signer.to_string(),
    });
    event
}
