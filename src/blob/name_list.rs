//! A long list of names in a file, one a line: replaced as a whole, read as a stream, never in memory as a whole.

use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::PathBuf;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream;
use tokio::task::spawn_blocking;

use crate::durable;

/// So many names are read at a time.
const BATCH: usize = 2_000;

/// The list.
#[derive(Debug, Clone)]
pub struct NameList {
    path: PathBuf,
}

/// A batch of names on their way to a client.
#[derive(Debug)]
pub struct Batch<'a> {
    /// The names.
    pub names: &'a [String],
    /// Whether nothing came before.
    pub is_first: bool,
    /// Whether nothing comes behind.
    pub is_last: bool,
}

impl NameList {
    /// The list in this file.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Whether a list was ever written.
    pub async fn exists(&self) -> bool {
        tokio::fs::try_exists(&self.path).await.unwrap_or(false)
    }

    /// Starts a new list beside the old one. Blocking.
    pub fn replace(&self) -> std::io::Result<NameListWriter> {
        let beside = durable::beside(&self.path);
        Ok(NameListWriter { file: BufWriter::new(std::fs::File::create(&beside)?), beside, path: self.path.clone() })
    }

    /// Streams the list, each batch written by `write`.
    pub async fn stream<W: FnMut(Batch<'_>) -> Bytes + Send + 'static>(
        &self,
        write: W,
    ) -> std::io::Result<impl Stream<Item = std::io::Result<Bytes>> + Send + use<W>> {
        struct Reading<W> {
            lines: std::io::Lines<BufReader<std::fs::File>>,
            write: W,
            is_first: bool,
            done: bool,
        }
        let path = self.path.clone();
        let file = spawn_blocking(move || std::fs::File::open(path)).await.map_err(std::io::Error::other)??;
        let start = Reading { lines: BufReader::new(file).lines(), write, is_first: true, done: false };
        Ok(stream::try_unfold(start, |mut reading| async move {
            if reading.done {
                return Ok(None);
            }
            let step = spawn_blocking(move || {
                let mut names = Vec::with_capacity(BATCH);
                for line in reading.lines.by_ref().take(BATCH) {
                    names.push(line?);
                }
                let is_last = names.len() < BATCH;
                let chunk = (reading.write)(Batch { names: &names, is_first: reading.is_first, is_last });
                reading.is_first = false;
                reading.done = is_last;
                Ok::<_, std::io::Error>(Some((chunk, reading)))
            });
            step.await.map_err(std::io::Error::other)?
        }))
    }
}

/// A list being written.
#[derive(Debug)]
pub struct NameListWriter {
    file: BufWriter<std::fs::File>,
    beside: PathBuf,
    path: PathBuf,
}

impl NameListWriter {
    /// Adds a name; it must not hold a line break.
    pub fn add(&mut self, name: &str) -> std::io::Result<()> {
        self.file.write_all(name.as_bytes())?;
        self.file.write_all(b"\n")
    }

    /// Puts the new list in the place of the old one.
    pub fn finish(mut self) -> std::io::Result<()> {
        self.file.flush()?;
        durable::put_in_place(self.file.get_ref(), &self.beside, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt as _;

    #[tokio::test]
    async fn a_list_is_streamed_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let list = NameList::at(folder.path().join("names.txt"));
        assert!(!list.exists().await);
        for count in [0, 1, BATCH, BATCH + 1] {
            let mut writer = list.replace().unwrap();
            for number in 0..count {
                writer.add(&format!("name-{number}")).unwrap();
            }
            writer.finish().unwrap();
            let streamed = list.stream(|batch| {
                let start = if batch.is_first { "<" } else { "" };
                let end = if batch.is_last { ">" } else { "" };
                Bytes::from(format!("{start}{}{end}", "n".repeat(batch.names.len())))
            });
            let chunks: Vec<Bytes> = streamed.await.unwrap().try_collect().await.unwrap();
            assert_eq!(chunks.concat(), format!("<{}>", "n".repeat(count)).into_bytes());
        }
    }
}
