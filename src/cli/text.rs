//! Texts for a terminal: nothing that an upstream wrote may move the cursor, and columns stand below each other.

use std::fmt::Write as _;

use time::UtcOffset;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use crate::domain::{self, Timestamp};

/// One line of anybody's text: control characters, which a terminal would obey, and characters that turn the direction of
/// writing become `?`.
pub(super) fn line(text: &str) -> String {
    text.chars().map(|character| if is_unsafe(character) { '?' } else { character }).collect()
}

/// Several lines of our own making with anybody's text in them.
pub(super) fn lines(text: &str) -> String {
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// `2026-11-28 14:00 UTC` of an API's time; what is not a time stays as it is.
pub(super) fn time(text: &str) -> String {
    Timestamp::parse(text, &Rfc3339).map_or_else(|_| line(text), moment)
}

/// When something ends, by an API's time, as refusals tell it.
pub(super) fn end(text: &str) -> String {
    Timestamp::parse(text, &Rfc3339).map_or_else(|_| line(text), domain::moment)
}

/// `2026-11-28 14:00 UTC`.
pub(super) fn moment(time: Timestamp) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    time.to_offset(UtcOffset::UTC).format(&format).unwrap_or_default()
}

/// An API's time.
pub(super) fn rfc3339(time: Timestamp) -> String {
    time.to_offset(UtcOffset::UTC).format(&Rfc3339).unwrap_or_default()
}

/// `1 file`, `2 files`.
pub(super) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// `12.3 MiB`.
pub(super) fn size(bytes: u64) -> String {
    bytesize::ByteSize(bytes).to_string()
}

/// Rows whose cells stand below each other; the last cell may be long.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with a line of headings.
    pub(super) fn with_headings<const N: usize>(headings: [&str; N]) -> Self {
        Self { rows: vec![headings.map(str::to_uppercase).into()] }
    }

    /// Adds a row.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| line(&cell)).into());
    }

    /// All rows, each on its line with so many spaces before it.
    pub(super) fn render(&self, indent: usize) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = " ".repeat(indent);
            for (cell, width) in row.iter().zip(&widths) {
                // Writing to a String does not fail.
                let _ = write!(line, "{cell:width$}  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_text_cannot_write_on_the_terminal() {
        assert_eq!(line("ok\u{1b}[2Jgone\r\n\u{202e}evil"), "ok?[2Jgone???evil");
    }

    #[test]
    fn times_are_shown_in_utc_to_the_minute() {
        assert_eq!(time("2026-11-28T15:30:59+01:30"), "2026-11-28 14:00 UTC");
        assert_eq!(time("soon\u{7}"), "soon?");
    }

    #[test]
    fn columns_stand_below_each_other() {
        let mut table = Table::with_headings(["id", "why"]);
        table.row(["längst".to_owned(), "a".to_owned()]);
        table.row(["b".to_owned(), String::new()]);
        assert_eq!(table.render(1), " ID      WHY\n längst  a\n b\n");
    }
}
