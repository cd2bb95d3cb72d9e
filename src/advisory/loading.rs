//! Reads many records from a folder, a zip, a JSON or a JSON Lines text, under limits.
//!
//! A record that cannot be read is counted and told and stands in nobody's way. A source that is damaged as a whole is an
//! error, since what is missing from it would look like advisories that were taken back. Blocking: run it off the reactor.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::fs::{DirEntry, File, FileType};
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::de::{DeserializeSeed, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::line::line;
use super::osv::{self, Document, LONGEST_RECORD};
use super::{Advisories, AdvisoryError};
use crate::archive::{self, FilesError, Limits};

/// Records in one source. OSV has some 40,000 for PyPI, and some hundreds of thousands for everything.
pub const MOST_RECORDS: u64 = 500_000;

/// Bytes of all records of one source, unpacked.
pub const MOST_BYTES: u64 = 2 << 30;

/// Bytes in memory of what is kept of them; all of OSV's records for PyPI take some 20 MB.
pub const MOST_KEPT: u64 = 1 << 30;

/// So many complaints about single records are kept; the others are only counted.
pub const COMPLAINTS_KEPT: usize = 10;

/// Longest file of many records that is read as one text.
const LONGEST_TEXT: u64 = 512 << 20;

/// Folders inside folders.
const DEEPEST: usize = 16;

/// Entries of folders that are looked at, records or not.
const MOST_ENTRIES: usize = 2_000_000;

/// Longest complaint, in characters.
const LONGEST_COMPLAINT: usize = 300;

/// What a source gave.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The index.
    pub advisories: Advisories,
    /// Records that were read, also those that were withdrawn or are about other ecosystems.
    pub read: usize,
    /// Records that could not be read.
    pub skipped: usize,
    /// What was wrong with the first of these, one line each; at most [`COMPLAINTS_KEPT`].
    pub complaints: Vec<String>,
}

impl Advisories {
    /// Reads a folder (its `.json` files, also in folders below; links are not followed), a zip of `.json` files, a JSON
    /// text of one record or a list of them, or JSON Lines.
    ///
    /// # Errors
    /// If the source is not there, is damaged or too large, or has nothing for PyPI or CPAN.
    pub fn load(path: &Path) -> Result<Loaded, AdvisoryError> {
        let unreadable = |source| AdvisoryError::Unreadable { path: path.to_owned(), source };
        let mut reading = Reading::new(&path.display().to_string());
        if std::fs::metadata(path).map_err(unreadable)?.is_dir() {
            reading.folder(path)?;
            return reading.finish();
        }
        let mut file = File::open(path).map_err(unreadable)?;
        let mut beginning = Vec::new();
        Read::by_ref(&mut file).take(4).read_to_end(&mut beginning).map_err(unreadable)?;
        file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        if is_zip(&beginning) {
            reading.zip(file)?;
        } else {
            let mut text = Vec::new();
            file.take(LONGEST_TEXT + 1).read_to_end(&mut text).map_err(unreadable)?;
            reading.text(&text)?;
        }
        reading.finish()
    }

    /// The same from bytes that were fetched: a zip, JSON or JSON Lines, by what they contain. `name` is what errors call
    /// them.
    ///
    /// # Errors
    /// As [`Advisories::load`].
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Loaded, AdvisoryError> {
        let mut reading = Reading::new(name);
        if is_zip(bytes) {
            reading.zip(Cursor::new(bytes))?;
        } else {
            reading.text(bytes)?;
        }
        reading.finish()
    }
}

/// A local header, or the end record of an empty archive.
fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

fn ends_in(name: &Path, ending: &str) -> bool {
    name.extension().is_some_and(|own| own.eq_ignore_ascii_case(ending))
}

/// What is in a folder, by name, so that the same folder gives the same complaints.
fn entries_of(folder: &Path) -> std::io::Result<Vec<(PathBuf, FileType)>> {
    // The type of the entry itself, not of what a link leads to.
    let entry = |entry: std::io::Result<DirEntry>| entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)));
    let mut entries =
        std::fs::read_dir(folder)?.take(MOST_ENTRIES + 1).map(entry).collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by(|(one, _), (two, _)| one.cmp(two));
    Ok(entries)
}

/// A source while it is read.
struct Reading {
    name: String,
    documents: HashMap<String, Document>,
    read: usize,
    skipped: usize,
    complaints: Vec<String>,
    bytes: u64,
    kept: u64,
    /// A record spoke of PyPI or CPAN, if only to take something back.
    is_ours: bool,
}

impl Reading {
    fn new(name: &str) -> Self {
        Self {
            name: line(name, LONGEST_COMPLAINT).unwrap_or_default(),
            documents: HashMap::new(),
            read: 0,
            skipped: 0,
            complaints: Vec::new(),
            bytes: 0,
            kept: 0,
            is_ours: false,
        }
    }

    fn finish(self) -> Result<Loaded, AdvisoryError> {
        if self.read == 0 {
            return Err(AdvisoryError::Empty { name: self.name, first: self.complaints.into_iter().next() });
        }
        if !self.is_ours {
            return Err(AdvisoryError::Foreign { name: self.name, read: self.read });
        }
        Ok(Loaded {
            advisories: Advisories::of_documents(self.documents.into_values()),
            read: self.read,
            skipped: self.skipped,
            complaints: self.complaints,
        })
    }

    fn too_much(&self, most: u64, what: &'static str) -> AdvisoryError {
        AdvisoryError::TooMuch { name: self.name.clone(), most, what }
    }

    fn damaged(&self, why: &impl ToString) -> AdvisoryError {
        AdvisoryError::Damaged {
            name: self.name.clone(),
            why: line(&why.to_string(), LONGEST_COMPLAINT).unwrap_or_default(),
        }
    }

    /// Counts what cannot be read.
    fn skip(&mut self, place: &str, why: &impl ToString) {
        self.skipped += 1;
        if self.complaints.len() < COMPLAINTS_KEPT {
            self.complaints.extend(line(&format!("{place}: {}", why.to_string()), LONGEST_COMPLAINT));
        }
    }

    /// Reads one record; `place` is what complaints call it.
    fn record(&mut self, place: &str, bytes: &[u8]) -> Result<(), AdvisoryError> {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        if self.bytes > MOST_BYTES {
            return Err(self.too_much(MOST_BYTES, "bytes"));
        }
        if (self.read + self.skipped) as u64 >= MOST_RECORDS {
            return Err(self.too_much(MOST_RECORDS, "records"));
        }
        match osv::read(bytes) {
            Ok(document) => {
                self.read += 1;
                self.kept += document.advisories.iter().map(|advisory| advisory.bytes() as u64).sum::<u64>();
                if self.kept > MOST_KEPT {
                    return Err(self.too_much(MOST_KEPT, "bytes to keep"));
                }
                self.keep(document);
            }
            Err(error) => self.skip(place, &error),
        }
        Ok(())
    }

    /// Keeps a record, or of two with one id the later; of equally old ones the one that still counts.
    fn keep(&mut self, document: Document) {
        if document.advisories.is_empty() {
            return;
        }
        self.is_ours = true;
        match self.documents.entry(document.id.clone()) {
            Slot::Vacant(slot) => {
                slot.insert(document);
            }
            Slot::Occupied(mut slot) => {
                let rank = |document: &Document| (document.modified, document.withdrawn.is_none());
                if rank(&document) > rank(slot.get()) {
                    slot.insert(document);
                }
            }
        }
    }

    fn folder(&mut self, root: &Path) -> Result<(), AdvisoryError> {
        let mut folders = vec![(root.to_owned(), 0)];
        let mut met = 0;
        while let Some((folder, depth)) = folders.pop() {
            let entries = match entries_of(&folder) {
                Ok(entries) => entries,
                Err(source) if depth == 0 => return Err(AdvisoryError::Unreadable { path: folder, source }),
                Err(source) => {
                    self.skip(&folder.display().to_string(), &source);
                    continue;
                }
            };
            met += entries.len();
            if met > MOST_ENTRIES {
                return Err(self.too_much(MOST_ENTRIES as u64, "entries in its folders"));
            }
            for (path, kind) in entries {
                if kind.is_dir() && depth == DEEPEST {
                    self.skip(&path.display().to_string(), &"this folder is too deep; put its records further up");
                } else if kind.is_dir() {
                    folders.push((path, depth + 1));
                } else if kind.is_file() && ends_in(&path, "json") {
                    self.file(&path)?;
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<(), AdvisoryError> {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(LONGEST_RECORD as u64 + 1).read_to_end(&mut bytes));
        let place = path.display().to_string();
        match read {
            Ok(_) => self.record(&place, &bytes),
            Err(error) => {
                self.skip(&place, &error);
                Ok(())
            }
        }
    }

    fn zip<R: Read + Seek>(&mut self, file: R) -> Result<(), AdvisoryError> {
        let limits = Limits {
            entries: MOST_RECORDS,
            total_bytes: MOST_BYTES,
            entry_bytes: LONGEST_RECORD as u64,
            directory_bytes: 128 << 20,
            ..Limits::default()
        };
        let mut end = Ok(());
        let wanted = |name: &str| ends_in(Path::new(name), "json");
        let walked = archive::for_each_file(file, &limits, wanted, |name, contents| match contents {
            _ if end.is_err() => {}
            Ok(bytes) => end = self.record(name, bytes),
            Err(objection) => self.skip(name, &objection),
        });
        end?;
        walked.map_err(|error| match error {
            FilesError::Refused(objection) => self.damaged(&objection),
            FilesError::Failed(error) => self.damaged(&error),
        })
    }

    /// One record, a list of records, or a record a line.
    fn text(&mut self, text: &[u8]) -> Result<(), AdvisoryError> {
        if text.len() as u64 > LONGEST_TEXT {
            return Err(self.too_much(LONGEST_TEXT, "bytes in one text"));
        }
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        if text.trim_ascii_start().starts_with(b"[") {
            return self.list(text);
        }
        let mut values = serde_json::Deserializer::from_slice(text).into_iter::<&RawValue>();
        let begins_whole = matches!(values.next(), Some(Ok(_)));
        let goes_on = text.get(values.byte_offset()..).is_some_and(|rest| !rest.trim_ascii().is_empty());
        if (begins_whole && goes_on) || ends_in(Path::new(&self.name), "jsonl") {
            self.lines(text)
        } else {
            let name = self.name.clone();
            self.record(&name, text)
        }
    }

    fn lines(&mut self, text: &[u8]) -> Result<(), AdvisoryError> {
        let name = self.name.clone();
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            if !line.trim_ascii().is_empty() {
                self.record(&format!("{name}:{number}"), line)?;
            }
        }
        Ok(())
    }

    fn list(&mut self, text: &[u8]) -> Result<(), AdvisoryError> {
        let mut end = Ok(());
        let mut json = serde_json::Deserializer::from_slice(text);
        let read = EachRecord { reading: self, end: &mut end }.deserialize(&mut json).and_then(|()| json.end());
        end?;
        read.map_err(|error| self.damaged(&error))
    }
}

/// Reads the records of a list one after the other, without keeping the list.
struct EachRecord<'r> {
    reading: &'r mut Reading,
    end: &'r mut Result<(), AdvisoryError>,
}

impl<'de> DeserializeSeed<'de> for EachRecord<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for EachRecord<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of OSV records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut number = 0_u64;
        while let Some(record) = items.next_element::<&RawValue>()? {
            number += 1;
            let place = format!("{}, record {number}", self.reading.name);
            if let Err(error) = self.reading.record(&place, record.get().as_bytes()) {
                *self.end = Err(error);
                return Err(A::Error::custom("enough"));
            }
        }
        Ok(())
    }
}
