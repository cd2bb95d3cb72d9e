//! An export of everything that must survive, streamed while the house goes on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _, stream};
use tokio::sync::mpsc;

use super::{Quarantine, QuarantineError};
use crate::seal::{LockedKey, Passphrase};
use crate::store::{Frozen, record};
use crate::transfer::{Blob, FORMAT, Header, Line, TransferError, Writer};

/// Who does not read for so long is not waited for: the store puts aside what changes meanwhile.
const PATIENCE: Duration = Duration::from_mins(2);
/// So much is sent at a time.
const PIECE: usize = 256 << 10;
/// So many pieces are ready ahead of whoever reads.
const AHEAD: usize = 4;

/// Why an export broke off. Whoever reads it misses the end line, and so does not take it for whole.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    House(#[from] QuarantineError),
    #[error(transparent)]
    Line(#[from] TransferError),
    #[error("nobody reads it any more")]
    Abandoned,
}

/// A piece of an export, or why there is no more.
type Piece = Result<Bytes, std::io::Error>;

impl Quarantine {
    /// Begins an export of this moment; with a passphrase, the signing key travels along under it.
    pub async fn export(
        self: &Arc<Self>,
        passphrase: Option<Passphrase>,
    ) -> Result<impl Stream<Item = Piece> + Send + use<>, QuarantineError> {
        let mut key = None;
        if let Some(passphrase) = passphrase {
            let house = self.clone();
            // It is meant to take long.
            let locked = tokio::task::spawn_blocking(move || LockedKey::lock(&house.seal.key, &passphrase)).await;
            key = Some(locked.map_err(|panic| QuarantineError::Fetch(panic.to_string()))??);
        }
        let frozen = self.store.freeze().await?;
        let (sender, receiver) = mpsc::channel::<Piece>(AHEAD);
        let house = self.clone();
        tokio::spawn(async move {
            let mut out = Out { sender, writer: Writer::default(), piece: Vec::new() };
            match house.write_export(frozen, key, &mut out).await {
                Ok(()) => tracing::info!("the store was exported"),
                Err(error) => {
                    tracing::error!(%error, "an export broke off");
                    // Whoever reads may be gone.
                    let _ = out.sender.send(Err(std::io::Error::other(error.to_string()))).await;
                }
            }
        });
        Ok(stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|piece| (piece, receiver)) }))
    }

    async fn write_export(
        &self,
        mut frozen: Box<dyn Frozen>,
        key: Option<LockedKey>,
        out: &mut Out,
    ) -> Result<(), Broken> {
        let header = Header {
            format: FORMAT,
            rows: record::VERSION,
            instance: frozen.instance().to_owned(),
            made: self.timekeeper.wall(),
            head: frozen.head().to_string(),
            by: env!("CARGO_PKG_VERSION").to_owned(),
        };
        out.line(&Line::Export(header)).await?;
        if let Some(key) = key {
            out.line(&Line::Key(key)).await?;
        }
        loop {
            let facts = frozen.next().await.map_err(QuarantineError::from)?;
            if facts.is_empty() {
                break;
            }
            for fact in facts {
                out.line(&Line::Fact(fact)).await?;
            }
        }
        // From here on nothing has to be put aside any more.
        drop(frozen);
        let mut kept = self.blobs.list();
        while let Some(kept) = kept.try_next().await.map_err(QuarantineError::from)? {
            out.line(&Line::Blob(Blob { sha256: kept.digest, size: kept.size })).await?;
        }
        let end = std::mem::take(&mut out.writer).end(&self.seal.key).map_err(QuarantineError::from)?;
        out.line(&end).await?;
        out.send().await
    }
}

/// The way out.
struct Out {
    sender: mpsc::Sender<Piece>,
    writer: Writer,
    piece: Vec<u8>,
}

impl Out {
    async fn line(&mut self, line: &Line) -> Result<(), Broken> {
        self.writer.line(line, &mut self.piece)?;
        if self.piece.len() < PIECE { Ok(()) } else { self.send().await }
    }

    async fn send(&mut self) -> Result<(), Broken> {
        let piece = Bytes::from(std::mem::take(&mut self.piece));
        self.sender.send_timeout(Ok(piece), PATIENCE).await.map_err(|_| Broken::Abandoned)
    }
}
