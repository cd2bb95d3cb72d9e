//! gzip: one member after the other, bounded, with a note of what follows the last.
//!
//! [RFC 1952](https://www.rfc-editor.org/rfc/rfc1952#section-2.2) lets a file have several members. What follows the last
//! and is no member is ignored by Python's tarfile and refused by others, so it is told apart from damage.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Decodes all members of a gzip file.
#[derive(Debug)]
pub(super) struct Members<R> {
    decoder: Option<GzDecoder<R>>,
    rest: Option<R>,
    left: u64,
}

impl<R: BufRead> Members<R> {
    pub(super) fn new(inner: R, at_most: u64) -> Self {
        Self { decoder: Some(GzDecoder::new(inner)), rest: None, left: at_most }
    }

    /// What follows the last member; `None` before its end was read.
    pub(super) fn into_rest(self) -> Option<R> {
        self.rest
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.decoder {
            let read = decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(mut inner) = self.decoder.take().map(GzDecoder::into_inner) else { break };
            if inner.fill_buf()?.starts_with(&MAGIC) {
                self.left = self.left.saturating_sub(1);
                if self.left == 0 {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "too many gzip members"));
                }
                self.decoder = Some(GzDecoder::new(inner));
            } else {
                self.rest = Some(inner);
            }
        }
        Ok(0)
    }
}
