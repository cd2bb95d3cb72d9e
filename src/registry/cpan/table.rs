//! A file of a header, an empty line and very many rows: kept as its text and where each row is.

use std::fmt;

use bytes::Bytes;

use super::CatalogError;

/// Most rows; CPAN has 270,000 packages and 400,000 permissions.
const MOST_ROWS: usize = 2_000_000;

/// Longest row.
const LONGEST_ROW: usize = 4 * 1024;

/// Largest file.
const LARGEST_TABLE: usize = 512 * 1024 * 1024;

/// Largest header.
const LARGEST_HEADER: usize = 64 * 1024;

/// The text and where its rows are.
pub(super) struct Table {
    text: Bytes,
    /// Where the header ends.
    body: usize,
    spans: Vec<Span>,
    skipped: usize,
}

/// Where a row is, and how many of its bytes are its key, which is at its beginning. Eight bytes, because there are so many.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    length: u16,
    key: u16,
}

impl Table {
    /// Reads a file whose header must promise as many rows as there are.
    ///
    /// `key` says how long the key at the beginning of a row is. Rows of which it says nothing are skipped and counted.
    pub(super) fn read(
        text: Bytes,
        document: &'static str,
        mut key: impl FnMut(&str) -> Option<usize>,
    ) -> Result<Self, CatalogError> {
        if text.len() > LARGEST_TABLE {
            return Err(CatalogError::TooLarge { what: "an index in bytes", limit: LARGEST_TABLE });
        }
        let body = end_of_header(&text).ok_or(CatalogError::NotThisDocument { document, why: "it has no header" })?;
        let promised = header_field(&text[..body], "Line-Count")
            .and_then(|count| count.parse().ok())
            .ok_or(CatalogError::NotThisDocument { document, why: "its header has no Line-Count" })?;
        if text.len() > body && !text.ends_with(b"\n") {
            return Err(CatalogError::CutOff(document));
        }
        let mut spans = Vec::with_capacity(MOST_ROWS.min(promised).min(text.len() / 4));
        let (mut end, mut found) = (body, 0);
        for line in text[body..].split_inclusive(|byte| *byte == b'\n') {
            end += line.len();
            let line = line.trim_ascii_start();
            let start = end - line.len();
            let line = line.trim_ascii_end();
            if line.is_empty() {
                continue;
            }
            found += 1;
            if line.len() > LONGEST_ROW {
                return Err(CatalogError::TooLarge { what: "a row of an index in bytes", limit: LONGEST_ROW });
            }
            if found > MOST_ROWS {
                return Err(CatalogError::TooLarge { what: "rows of an index", limit: MOST_ROWS });
            }
            let key = std::str::from_utf8(line).ok().and_then(&mut key);
            spans.extend(key.and_then(|key| Span::new(start, line.len(), key)));
        }
        if found != promised {
            return Err(CatalogError::LineCount { document, promised, found });
        }
        let skipped = found - spans.len();
        Ok(Self { text, body, spans, skipped })
    }

    /// Drops these rows, which are given in order, and counts them as skipped.
    pub(super) fn drop_rows(&mut self, numbers: &[usize]) {
        let mut number = 0;
        let mut gone = numbers.iter().peekable();
        self.spans.retain(|_| {
            let goes = gone.next_if_eq(&&number).is_some();
            number += 1;
            !goes
        });
        self.skipped += number - self.spans.len();
    }

    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    pub(super) fn skipped(&self) -> usize {
        self.skipped
    }

    /// A row, without blanks around it.
    pub(super) fn row(&self, number: usize) -> &str {
        self.spans.get(number).map_or("", |span| self.slice(span.start, span.length))
    }

    /// A row as it is, for comparing.
    fn bytes(&self, number: usize) -> &[u8] {
        let span =
            self.spans.get(number).map(|span| span.start as usize..span.start as usize + usize::from(span.length));
        span.and_then(|span| self.text.get(span)).unwrap_or_default()
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &str> {
        self.spans.iter().map(|span| self.slice(span.start, span.length))
    }

    /// The key of a row.
    pub(super) fn key(&self, number: usize) -> &str {
        self.spans.get(number).map_or("", |span| self.slice(span.start, span.key))
    }

    pub(super) fn header(&self, field: &str) -> Option<&str> {
        header_field(&self.text[..self.body], field)
    }

    /// Everything below the header.
    pub(super) fn body(&self) -> &[u8] {
        &self.text[self.body..]
    }

    /// It was UTF-8 when it was read.
    fn slice(&self, start: u32, length: u16) -> &str {
        let start = start as usize;
        let bytes = self.text.get(start..start + usize::from(length));
        bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl Span {
    fn new(start: usize, length: usize, key: usize) -> Option<Self> {
        let (start, length) = (u32::try_from(start).ok()?, u16::try_from(length).ok()?);
        Some(Self { start, length, key: u16::try_from(key).ok()? })
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("bytes", &self.text.len()).field("rows", &self.len()).finish_non_exhaustive()
    }
}

/// The rows that differ between two tables, as pairs of row numbers (before, after), in time linear in both.
///
/// The functions answer which row of their table is about the same as a row of the other one. They are asked only where the
/// two part: as long as both go on with the same rows, nothing is looked up. What rows are about must be unique in each table.
pub(super) fn differing_rows(
    (before, find_before): (&Table, impl Fn(&Table, usize) -> Option<usize>),
    (after, find_after): (&Table, impl Fn(&Table, usize) -> Option<usize>),
) -> Vec<(Option<usize>, Option<usize>)> {
    let mut differing = Vec::new();
    walk(after, before, find_before, |after, before| differing.push((before, Some(after))));
    walk(before, after, find_after, |before, after| {
        if after.is_none() {
            differing.push((Some(before), None));
        }
    });
    differing
}

/// Tells of each row of `one` that is not, letter by letter, the next one of `other`, and where it is there.
fn walk(
    one: &Table,
    other: &Table,
    find: impl Fn(&Table, usize) -> Option<usize>,
    mut tell: impl FnMut(usize, Option<usize>),
) {
    let mut next = 0;
    for number in 0..one.len() {
        if next < other.len() && other.bytes(next) == one.bytes(number) {
            next += 1;
            continue;
        }
        let found = find(one, number);
        tell(number, found);
        if let Some(found) = found {
            next = found + 1;
        }
    }
}

/// The first byte after the empty line that ends the header.
fn end_of_header(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    for line in text[..text.len().min(LARGEST_HEADER)].split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        if line.trim_ascii().is_empty() {
            return line.ends_with(b"\n").then_some(at);
        }
    }
    None
}

fn header_field<'a>(header: &'a [u8], field: &str) -> Option<&'a str> {
    header.split(|byte| *byte == b'\n').find_map(|line| {
        let (key, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
        key.eq_ignore_ascii_case(field).then(|| value.trim())
    })
}
