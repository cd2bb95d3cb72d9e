//! The file of signed heads: one line each, only ever added to, so that whatever ships logs ships it too.

use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::SealError;
use super::signed_head::{LONGEST_LINE, SignedHead};

/// So many lines are read at most: a month of them.
const MOST_LINES: usize = 1_000;

/// The file.
#[derive(Debug, Clone)]
pub struct Heads {
    path: PathBuf,
}

impl Heads {
    /// In this file.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a head; it is on the disk when this returns. Blocking.
    pub fn append(&self, head: &SignedHead) -> Result<(), SealError> {
        let append = || {
            let mut file = std::fs::OpenOptions::new().read(true).append(true).create(true).open(&self.path)?;
            let mut line = format!("{head}\n");
            if !ends_a_line(&mut file)? {
                // A crash left half a line; it stays one, and does not spoil the next.
                line.insert(0, '\n');
            }
            file.write_all(line.as_bytes())?;
            file.sync_all()
        };
        append().map_err(|error: std::io::Error| SealError::file(&self.path, error))
    }

    /// The last heads, oldest first, at most so many. What is no head is left out. Blocking.
    pub fn last(&self, limit: usize) -> Result<Vec<SignedHead>, SealError> {
        let limit = limit.min(MOST_LINES);
        let read = || {
            let mut file = match std::fs::File::open(&self.path) {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error),
            };
            let length = file.metadata()?.len();
            let window = (limit as u64).saturating_mul(LONGEST_LINE as u64);
            file.seek(SeekFrom::Start(length.saturating_sub(window)))?;
            let mut heads = std::collections::VecDeque::new();
            let mut lines = BufReader::new(file.take(window));
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line)? > 0 {
                if let Some(head) = std::str::from_utf8(&line).ok().and_then(|line| line.parse().ok()) {
                    heads.push_back(head);
                }
                if heads.len() > limit {
                    heads.pop_front();
                }
                line.clear();
            }
            Ok(heads.into())
        };
        read().map_err(|error: std::io::Error| SealError::file(&self.path, error))
    }
}

/// Whether the file is empty or ends with a line end.
fn ends_a_line(file: &mut std::fs::File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::super::SigningKey;
    use super::*;
    use crate::domain::Sha256;
    use crate::domain::audit::Head;

    #[test]
    fn heads_are_added_and_half_a_line_spoils_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let heads = Heads::at(folder.path().join("heads.jsonl"));
        assert_eq!(heads.last(10).unwrap(), []);
        let key = SigningKey::generate().unwrap();
        let signed = |sequence| {
            let head = Head { sequence, hash: Sha256::of(b"event") };
            SignedHead::new(&key, head, datetime!(2026-11-22 12:00 UTC), "house".into()).unwrap()
        };
        for sequence in 1..=3 {
            heads.append(&signed(sequence)).unwrap();
        }
        let mut file = std::fs::OpenOptions::new().append(true).open(heads.path()).unwrap();
        write!(file, "{{\"head\":\"4:").unwrap();
        heads.append(&signed(5)).unwrap();
        let sequences = |heads: Vec<SignedHead>| heads.iter().map(|head| head.head.sequence).collect::<Vec<_>>();
        assert_eq!(sequences(heads.last(10).unwrap()), [1, 2, 3, 5]);
        assert_eq!(sequences(heads.last(2).unwrap()), [3, 5]);
    }
}
