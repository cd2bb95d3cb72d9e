//! gzip and bzip2: one member after the other, bounded, with a note of what follows the last.
//!
//! [RFC 1952](https://www.rfc-editor.org/rfc/rfc1952#section-2.2) lets a file have several members, and bzip2 does too. What
//! follows the last and is no member is ignored by Python's tarfile and refused by others, so it is told apart from damage.

use std::io::{self, BufRead, Read};

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;

/// Decodes one member.
pub(super) trait Decoder<R>: Read + Sized {
    /// How a member begins.
    const MAGIC: &'static [u8];

    /// Starts at a member.
    fn start(inner: R) -> Self;

    /// What follows it.
    fn finish(self) -> R;
}

impl<R: BufRead> Decoder<R> for GzDecoder<R> {
    const MAGIC: &'static [u8] = &[0x1f, 0x8b];

    fn start(inner: R) -> Self {
        Self::new(inner)
    }

    fn finish(self) -> R {
        self.into_inner()
    }
}

impl<R: BufRead> Decoder<R> for BzDecoder<R> {
    const MAGIC: &'static [u8] = b"BZh";

    fn start(inner: R) -> Self {
        Self::new(inner)
    }

    fn finish(self) -> R {
        self.into_inner()
    }
}

/// Decodes all members of a file.
#[derive(Debug)]
pub(super) struct Members<R, D> {
    decoder: Option<D>,
    rest: Option<R>,
    left: u64,
}

impl<R: BufRead, D: Decoder<R>> Members<R, D> {
    pub(super) fn new(inner: R, at_most: u64) -> Self {
        Self { decoder: Some(D::start(inner)), rest: None, left: at_most }
    }

    /// What follows the last member; `None` before its end was read.
    pub(super) fn into_rest(self) -> Option<R> {
        self.rest
    }
}

impl<R: BufRead, D: Decoder<R>> Read for Members<R, D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.decoder {
            let read = decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(mut inner) = self.decoder.take().map(D::finish) else { break };
            // At the end of a buffer only the first byte may be seen; if it is a member's, the decoder tells the rest.
            let ahead = inner.fill_buf()?;
            if !ahead.is_empty() && ahead.iter().zip(D::MAGIC).all(|(seen, magic)| seen == magic) {
                self.left = self.left.saturating_sub(1);
                if self.left == 0 {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "too many compressed members"));
                }
                self.decoder = Some(D::start(inner));
            } else {
                self.rest = Some(inner);
            }
        }
        Ok(0)
    }
}
