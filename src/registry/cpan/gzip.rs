//! Indexes travel as gzip: the same text must always give the same bytes, and a cut one must be seen.

use std::io::{Read as _, Write as _};

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

use super::CatalogError;

/// By measurement: 26 MB in a third of a second; the next levels cost twice that for a twentieth of the size.
const LEVEL: u32 = 5;

/// "Unknown" in RFC 1952.
const NO_SYSTEM: u8 = 255;

/// So many bytes are packed at once.
const PIECE: usize = 64 * 1024;

/// A text as good as ours packs to a ninth; more than this is not believed before it is seen.
const MOST_PACKED: usize = 32;

/// From here on a text is worth a block of its own.
const LARGE: usize = 1 << 20;

/// The C library gives blocks of more than 32 MB back to the system when they are freed. Smaller ones stay with the thread
/// that had them, and an index is read by another thread each time. What is reserved and not written to costs nothing.
const GIVEN_BACK: usize = 33 << 20;

/// Packs a text. The header has neither time nor name, so that equal texts are equal files.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = Packer::new();
    packer.pack(bytes);
    packer.finish().0
}

/// Packs a text that comes in small pieces and is never whole in memory.
pub(super) struct Packer {
    encoder: GzEncoder<Vec<u8>>,
    waiting: Vec<u8>,
    length: u64,
}

impl Packer {
    pub(super) fn new() -> Self {
        let builder = GzBuilder::new().mtime(0).operating_system(NO_SYSTEM);
        Self {
            encoder: builder.write(Vec::new(), Compression::new(LEVEL)),
            waiting: Vec::with_capacity(2 * PIECE),
            length: 0,
        }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.waiting.extend_from_slice(text.as_bytes());
        if self.waiting.len() >= PIECE {
            self.pack_waiting();
        }
    }

    /// The packed text, and how long it was.
    pub(super) fn finish(mut self) -> (Vec<u8>, u64) {
        self.pack_waiting();
        match self.encoder.finish() {
            Ok(packed) => (packed, self.length),
            Err(error) => unreachable!("a Vec takes every byte: {error}"),
        }
    }

    fn pack_waiting(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        self.pack(&waiting);
        waiting.clear();
        self.waiting = waiting;
    }

    fn pack(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if let Err(error) = self.encoder.write_all(bytes) {
            unreachable!("a Vec takes every byte: {error}");
        }
    }
}

/// Unpacks a text of at most `max` bytes. What was cut off, or has rubbish behind it, is an error.
pub fn gunzip(bytes: &[u8], max: usize) -> Result<Vec<u8>, CatalogError> {
    if bytes.is_empty() {
        return Err(CatalogError::Gzip(std::io::ErrorKind::UnexpectedEof.into()));
    }
    // The last four bytes say how long it was: a guess to begin with, and no more.
    let told = bytes.last_chunk().map_or(0, |told| u32::from_le_bytes(*told) as usize);
    let expected = told.min(max).min(bytes.len().saturating_mul(MOST_PACKED));
    let mut text = Vec::with_capacity(if expected > LARGE { expected.max(GIVEN_BACK) } else { expected });
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut text).map_err(CatalogError::Gzip)?;
    if text.len() > max {
        return Err(CatalogError::TooLarge { what: "an unpacked index in bytes", limit: max });
    }
    Ok(text)
}
