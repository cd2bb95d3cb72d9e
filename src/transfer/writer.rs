//! Lines on their way out, counted and hashed.

use sha2::Digest as _;

use super::TransferError;
use super::line::{End, Line};
use crate::domain::Sha256;
use crate::seal::{SealError, SigningKey};

/// Makes the lines of one export.
#[derive(Debug, Default)]
pub struct Writer {
    hasher: sha2::Sha256,
    lines: u64,
}

impl Writer {
    /// Adds a line to `out`.
    pub fn line(&mut self, line: &Line, out: &mut Vec<u8>) -> Result<(), TransferError> {
        let start = out.len();
        line.write(out)?;
        self.hasher.update(&out[start..]);
        self.lines += 1;
        Ok(())
    }

    /// The last line.
    pub fn end(self, key: &SigningKey) -> Result<Line, SealError> {
        let sha256 = Sha256::from_bytes(self.hasher.finalize().into());
        End::new(self.lines, sha256, key).map(Line::End)
    }
}
