//! Writes `02packages.details.txt` as PAUSE writes it: clients search it by its order and check its count.

use std::cmp::Ordering;
use std::time::SystemTime;

use super::gzip::Packer;
use crate::domain::Timestamp;

/// Columns that PAUSE gives to a package and to its version.
const PACKAGE_WIDTH: usize = 30;
const VERSION_WIDTH: usize = 8;

/// The changing fields of the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Where the file is to be had.
    pub url: String,
    /// When it was made.
    pub last_updated: Timestamp,
    /// By which program.
    pub written_by: String,
}

/// A row to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowText<'a> {
    /// Taken over from another index as it is, without its line ending.
    Line(&'a str),
    /// Written anew.
    Row {
        /// `Foo::Bar`.
        package: &'a str,
        /// `1.02`, or `undef`.
        version: &'a str,
        /// Below `authors/id/`.
        path: &'a str,
    },
}

/// Writes an index. The rows should come in PAUSE's order ([`compare_lines`]); if they do not, they are sorted.
pub fn write<'a>(rows: impl IntoIterator<Item = RowText<'a>>, head: &Head) -> Vec<u8> {
    let lines: Vec<String> = rows.into_iter().map(RowText::line).collect();
    let mut text = String::new();
    write_lines(lines.iter().map(String::as_str).collect(), head, |piece| text.push_str(piece));
    text.into_bytes()
}

/// Writes an index of finished lines and packs it, its text never whole in memory. Says how long the text is.
pub fn write_packed(lines: Vec<&str>, head: &Head) -> (Vec<u8>, u64) {
    let mut packer = Packer::new();
    write_lines(lines, head, |piece| packer.push(piece));
    packer.finish()
}

fn write_lines(mut lines: Vec<&str>, head: &Head, mut push: impl FnMut(&str)) {
    if !lines.is_sorted_by(|one, two| compare_lines(one, two).is_le()) {
        lines.sort_by(|one, two| compare_lines(one, two));
    }
    push(&header(head, lines.len()));
    for line in lines {
        push(line);
        push("\n");
    }
}

/// The order of PAUSE: by the whole row in lower case. cpm finds packages by bisection and relies on it.
pub fn compare_lines(one: &str, other: &str) -> Ordering {
    let mut letters =
        one.bytes().zip(other.bytes()).map(|(one, two)| (one.to_ascii_lowercase(), two.to_ascii_lowercase()));
    match letters.find(|(one, two)| one != two) {
        Some((one, two)) => one.cmp(&two),
        None => one.len().cmp(&other.len()),
    }
}

/// A key that sorts as [`compare_lines`] does.
pub fn sort_key(line: &str) -> String {
    line.to_ascii_lowercase()
}

impl RowText<'_> {
    /// The line, without its ending. `%-30s %8s  %s`; where the package is longer than its column, the version takes what it
    /// needs and no more.
    pub fn line(self) -> String {
        let mut line = String::new();
        let (package, version, path) = match self {
            Self::Line(text) => {
                push_clean(&mut line, text);
                return line;
            }
            Self::Row { package, version, path } => (package, version, path),
        };
        let (package_width, version_width) = if package.len() > PACKAGE_WIDTH {
            ((PACKAGE_WIDTH + VERSION_WIDTH).saturating_sub(version.len()), version.len())
        } else {
            (PACKAGE_WIDTH, VERSION_WIDTH)
        };
        push_clean(&mut line, &format!("{package:<package_width$} {version:>version_width$}  {path}"));
        line
    }
}

/// One row is one line, whatever is in it.
fn push_clean(body: &mut String, text: &str) {
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        body.extend(text.chars().map(|letter| if letter.is_ascii_control() { ' ' } else { letter }));
    } else {
        body.push_str(text);
    }
}

/// The header, its fields in PAUSE's order.
fn header(head: &Head, rows: usize) -> String {
    let clean = |text: &str| {
        let mut clean = String::with_capacity(text.len());
        push_clean(&mut clean, text);
        clean
    };
    format!(
        "File:         02packages.details.txt\n\
         URL:          {}\n\
         Description:  Package names found in directory $CPAN/authors/id/\n\
         Columns:      package name, version, path\n\
         Intended-For: Automated fetch routines, namespace documentation.\n\
         Written-By:   {}\n\
         Line-Count:   {rows}\n\
         Last-Updated: {}\n\n",
        clean(&head.url),
        clean(&head.written_by),
        httpdate::fmt_http_date(SystemTime::from(head.last_updated.max(Timestamp::UNIX_EPOCH))),
    )
}
