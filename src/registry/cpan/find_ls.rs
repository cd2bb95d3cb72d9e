//! `indices/find-ls.gz`: `find -ls` of the whole tree, unpacked. The only list of everything, and of when it came.

use std::fmt;

use bytes::Bytes;
use time::{Date, Duration, Month, Time};

use crate::domain::Timestamp;

use super::CatalogError;

/// Largest list, unpacked; CPAN's has some 60 MB.
const LARGEST_LIST: usize = 512 * 1024 * 1024;

/// Most files.
const MOST_FILES: usize = 4_000_000;

/// Longest line.
const LONGEST_LINE: usize = 4 * 1024;

/// How precisely a time is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// To the minute: the file is younger than half a year.
    Minute,
    /// To the day, of which the time is the beginning.
    Day,
}

/// The files of the list. Folders and links are left out.
pub struct FindLs {
    text: Bytes,
    /// By path.
    files: Vec<Listed>,
    skipped: usize,
}

/// A file of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedFile<'a> {
    /// As written, without a leading `./`.
    pub path: &'a str,
    /// In bytes.
    pub size: u64,
    /// When it was last changed. The list does not say its time zone; mirrors run on UTC.
    pub modified: Timestamp,
    /// How precisely that is known.
    pub precision: Precision,
}

struct Listed {
    start: u32,
    length: u32,
    size: u64,
    modified: Timestamp,
    precision: Precision,
}

impl FindLs {
    /// Reads a list. `now` says which year is meant where the list gives a time of day instead: the latest that is not in the
    /// future. Lines that are something else are skipped and counted.
    pub fn read(text: Bytes, now: Timestamp) -> Result<Self, CatalogError> {
        if text.len() > LARGEST_LIST {
            return Err(CatalogError::TooLarge { what: "find-ls in bytes", limit: LARGEST_LIST });
        }
        let mut files = Vec::new();
        let (mut skipped, mut at) = (0, 0);
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let start = at;
            at += line.len();
            if line.len() > LONGEST_LINE {
                return Err(CatalogError::TooLarge { what: "a line of find-ls in bytes", limit: LONGEST_LINE });
            }
            let Ok(line) = std::str::from_utf8(line) else {
                skipped += 1;
                continue;
            };
            let line = line.trim_end_matches(['\n', '\r']);
            if files.len() == MOST_FILES {
                return Err(CatalogError::TooLarge { what: "files in find-ls", limit: MOST_FILES });
            }
            match read_line(line, now) {
                Line::File(file) => files.extend(listed(file, start + line.len() - file.path.len())),
                Line::Other => {}
                Line::Broken => skipped += 1,
            }
        }
        if files.is_empty() && skipped > 0 {
            return Err(CatalogError::NotThisDocument { document: "find-ls", why: "no line lists a file" });
        }
        files.sort_by(|one, two| slice(&text, one).cmp(slice(&text, two)));
        Ok(Self { text, files, skipped })
    }

    /// What the list says of a path.
    pub fn find(&self, path: &str) -> Option<ListedFile<'_>> {
        let at = self.files.binary_search_by(|file| slice(&self.text, file).cmp(path)).ok()?;
        self.files.get(at).map(|file| self.file(file))
    }

    /// All files, by path.
    pub fn iter(&self) -> impl Iterator<Item = ListedFile<'_>> {
        self.files.iter().map(|file| self.file(file))
    }

    /// How many files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is no file.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// How many lines could not be read.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    fn file(&self, file: &Listed) -> ListedFile<'_> {
        let Listed { size, modified, precision, .. } = *file;
        ListedFile { path: slice(&self.text, file), size, modified, precision }
    }
}

impl fmt::Debug for FindLs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FindLs")
            .field("files", &self.files.len())
            .field("skipped", &self.skipped)
            .finish_non_exhaustive()
    }
}

fn slice<'a>(text: &'a Bytes, file: &Listed) -> &'a str {
    let bytes = text.get(file.start as usize..(file.start + file.length) as usize);
    bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
}

fn listed(file: ListedFile<'_>, start: usize) -> Option<Listed> {
    let (start, length) = (u32::try_from(start).ok()?, u32::try_from(file.path.len()).ok()?);
    Some(Listed { start, length, size: file.size, modified: file.modified, precision: file.precision })
}

enum Line<'a> {
    File(ListedFile<'a>),
    /// A folder, a link or something else that is no file.
    Other,
    Broken,
}

/// `inode blocks mode links owner group size month day time-or-year path`.
fn read_line(line: &str, now: Timestamp) -> Line<'_> {
    let mut rest = line;
    let mut field = || {
        let begin = rest.trim_start_matches([' ', '\t']);
        let (field, after) = begin.split_once([' ', '\t'])?;
        rest = after;
        Some(field)
    };
    let read = (|| {
        let (_inode, _blocks, mode) = (field()?, field()?, field()?);
        let (_links, _owner, _group) = (field()?, field()?, field()?);
        Some((mode, field()?, field()?, field()?, field()?))
    })();
    let Some((mode, size, month, day, time)) = read else {
        return if line.trim().is_empty() { Line::Other } else { Line::Broken };
    };
    if !mode.starts_with('-') {
        return if mode.starts_with(['d', 'l', 'p', 's', 'c', 'b']) { Line::Other } else { Line::Broken };
    }
    let path = rest.trim_start_matches([' ', '\t']);
    let path = path.strip_prefix("./").unwrap_or(path);
    match (size.parse(), moment(month, day, time, now)) {
        (Ok(size), Some((modified, precision))) if is_inside(path) => {
            Line::File(ListedFile { path, size, modified, precision })
        }
        _ => Line::Broken,
    }
}

fn is_inside(path: &str) -> bool {
    !path.bytes().any(|byte| byte.is_ascii_control()) && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn moment(month: &str, day: &str, time: &str, now: Timestamp) -> Option<(Timestamp, Precision)> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS.iter().position(|name| *name == month)?;
    let month = Month::try_from(u8::try_from(month + 1).ok()?).ok()?;
    let day: u8 = day.parse().ok()?;
    let Some((hour, minute)) = time.split_once(':') else {
        let date = Date::from_calendar_date(time.parse().ok()?, month, day).ok()?;
        return Some((date.midnight().assume_utc(), Precision::Day));
    };
    let time = Time::from_hms(hour.parse().ok()?, minute.parse().ok()?, 0).ok()?;
    // A day of grace: clocks and time zones differ. Four years back, because of 29 February.
    let latest = now.checked_add(Duration::DAY)?;
    let years = (0..=4).map(|back| latest.year() - back);
    let moments = years.filter_map(|year| Date::from_calendar_date(year, month, day).ok());
    let modified = moments.map(|date| date.with_time(time).assume_utc()).find(|moment| *moment <= latest)?;
    Some((modified, Precision::Minute))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const NOW: Timestamp = datetime!(2026-02-03 04:05 UTC);

    const LIST: &str = "\
  1234    4 drwxrwxr-x   3 root     root         4096 Jan 30 10:00 authors/id/E/ET/ETHER
  1235   44 -rw-rw-r--   1 root     root        42017 Jan 30 10:01 authors/id/E/ET/ETHER/Try-Tiny-0.33.tar.gz
  1236   40 -rw-rw-r--   1 root     root        41000 Nov  2 23:59 ./authors/id/E/ET/ETHER/Try-Tiny-0.32.tar.gz
  1237   40 -rw-rw-r--   1 root     root        40000 Dec 31  2017 authors/id/E/ET/ETHER/a name with blanks.tar.gz
  1238    0 lrwxrwxrwx   1 root     root           20 Jan  1  2001 authors/RECENT.recent -> RECENT-1h.yaml
  1239   40 -rw-rw-r--   1 root     root        40000 Foo 31  2017 authors/broken
  1240   40 -rw-rw-r--   1 root     root        40000 Feb 29 10:00 authors/leap
  1241   40 -rw-rw-r--   1 root     root        40000 Feb  4 04:00 authors/tomorrow
";

    #[test]
    fn files_have_sizes_and_times() {
        let list = FindLs::read(Bytes::from(LIST), NOW).unwrap();
        assert_eq!((list.len(), list.skipped()), (5, 1));
        let file = |path: &str| list.find(path).map(|file| (file.size, file.modified, file.precision));
        let folder = "authors/id/E/ET/ETHER";
        assert_eq!(
            file(&format!("{folder}/Try-Tiny-0.33.tar.gz")),
            Some((42_017, datetime!(2026-01-30 10:01 UTC), Precision::Minute))
        );
        assert_eq!(
            file(&format!("{folder}/Try-Tiny-0.32.tar.gz")),
            Some((41_000, datetime!(2025-11-02 23:59 UTC), Precision::Minute)),
            "November was last year"
        );
        assert_eq!(
            file(&format!("{folder}/a name with blanks.tar.gz")),
            Some((40_000, datetime!(2017-12-31 00:00 UTC), Precision::Day))
        );
        assert_eq!(file("authors/leap").unwrap().1, datetime!(2024-02-29 10:00 UTC));
        assert_eq!(file("authors/tomorrow").unwrap().1, datetime!(2026-02-04 04:00 UTC));
        assert_eq!((file(folder), file("authors/RECENT.recent")), (None, None));
        assert!(list.iter().map(|file| file.path).is_sorted());
        assert!(FindLs::read(Bytes::from("<html>\n"), NOW).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_change_can_be_read(at in 0usize..LIST.len(), bytes in proptest::collection::vec(any::<u8>(), 0..9)) {
            let mut text = LIST.as_bytes().to_vec();
            text.splice(at..(at + bytes.len()).min(LIST.len()), bytes.clone());
            let _ = FindLs::read(Bytes::from(text), NOW).map(|list| list.iter().count());
            let _ = FindLs::read(Bytes::from(bytes), NOW);
        }
    }
}
