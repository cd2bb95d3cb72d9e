//! `modules/02packages.details.txt`: which file holds the newest version of each package.
//!
//! 270,000 rows in 26 MB. The text is kept as it came, with some twenty bytes a row to find things in it.

use bytes::Bytes;

use crate::domain::{Sha256, Timestamp};

use super::hash_index::HashIndex;
use super::table::{Table, differing_rows};
use super::{AuthorPath, CatalogError};

pub use super::gzip::{gunzip, gzip};
pub use super::write::{Head, RowText, compare_lines, sort_key, write, write_packed};

const DOCUMENT: &str = "02packages.details.txt";

/// One index, whole and checked.
#[derive(Debug)]
pub struct PackageIndex {
    table: Table,
    by_package: HashIndex,
    by_path: HashIndex,
    /// The first row of each release.
    releases: Vec<u32>,
    digest: Sha256,
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// `Foo::Bar`.
    pub package: &'a str,
    /// `1.02`, or `undef`.
    pub version: &'a str,
    /// A valid [`AuthorPath`].
    pub path: &'a str,
    /// The row as it was written, without its line ending.
    pub line: &'a str,
}

/// What became of a package between two indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowChange {
    /// `Foo::Bar`.
    pub package: String,
    /// Its version and path before.
    pub before: Option<(String, String)>,
    /// Its version and path now.
    pub after: Option<(String, String)>,
}

impl<'a> Row<'a> {
    /// Reads a row; `None` unless it is a package, a version and an author's path, and nothing else.
    pub fn read(line: &'a str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let row = Self { package: fields.next()?, version: fields.next()?, path: fields.next()?, line };
        // Without a way out on the first one found, the compiler looks at many bytes at once.
        let has_control = line.bytes().fold(false, |has, byte| has | (byte.is_ascii_control() && byte != b'\t'));
        (!has_control && fields.next().is_none() && AuthorPath::is_valid(row.path)).then_some(row)
    }

    /// Reads a row that was checked before.
    fn again(line: &'a str) -> Self {
        let mut fields = line.split_ascii_whitespace();
        let mut next = || fields.next().unwrap_or_default();
        Self { package: next(), version: next(), path: next(), line }
    }

    /// The path as a value.
    pub fn author_path(&self) -> Result<AuthorPath, CatalogError> {
        AuthorPath::parse(self.path)
    }

    fn release(&self) -> (String, String) {
        (self.version.to_owned(), self.path.to_owned())
    }
}

impl PackageIndex {
    /// Reads an index. One that is cut off is an error, so that it cannot take a good one's place; single rows that are no
    /// rows, or name a package for the second time, are skipped and counted.
    pub fn read(text: Bytes) -> Result<Self, CatalogError> {
        let mut table = Table::read(text, DOCUMENT, |line| Row::read(line).map(|row| row.package.len()))?;
        let (mut by_package, twice) = index_packages(&table);
        if !twice.is_empty() {
            table.drop_rows(&twice);
            (by_package, _) = index_packages(&table);
        }
        let mut by_path = HashIndex::with_capacity(table.len());
        let mut releases = Vec::new();
        for (number, line) in (0..).zip(table.rows()) {
            let path = path_of(line);
            if by_path.push_first(path, |earlier| path_of(table.row(earlier as usize)) == path) {
                releases.push(number);
            }
        }
        let digest = Sha256::of(table.body());
        Ok(Self { table, by_package, by_path, releases, digest })
    }

    /// The rows, in the order of the file.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.table.rows().map(Row::again)
    }

    /// The rows as they were written, without their line endings.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.table.rows()
    }

    /// The number of one row of each release, in the order of the file.
    pub fn releases(&self) -> &[u32] {
        &self.releases
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many lines were no rows.
    pub fn skipped(&self) -> usize {
        self.table.skipped()
    }

    /// The row of a package; the case of its letters counts.
    pub fn find(&self, package: &str) -> Option<Row<'_>> {
        self.number_of(package).map(|number| self.row(number))
    }

    /// The packages that a file provides, in the order of the index.
    pub fn of_path(&self, path: &str) -> Vec<Row<'_>> {
        self.numbers_of_path(path).into_iter().map(|number| self.row(number)).collect()
    }

    /// The numbers of the rows of a file, in the order of the index.
    pub fn numbers_of_path(&self, path: &str) -> Vec<u32> {
        let numbers = self.by_path.candidates(path);
        let mut found: Vec<_> = numbers.filter(|number| path_of(self.table.row(*number as usize)) == path).collect();
        found.reverse();
        found
    }

    /// The digest of everything below the header, whose date changes each time.
    pub fn digest(&self) -> Sha256 {
        self.digest
    }

    /// When PAUSE wrote it, as its header says.
    pub fn last_updated(&self) -> Option<Timestamp> {
        let written = httpdate::parse_http_date(self.table.header("Last-Updated")?).ok()?;
        Some(Timestamp::from(written))
    }

    /// The row with this number, counted from 0.
    pub fn row(&self, number: u32) -> Row<'_> {
        Row::again(self.table.row(number as usize))
    }

    /// The number of a package's row.
    pub fn number_of(&self, package: &str) -> Option<u32> {
        self.by_package.candidates(package).find(|number| self.table.key(*number as usize) == package)
    }
}

/// The last field of a row that was checked before.
fn path_of(line: &str) -> &str {
    let blank = line.bytes().rposition(|byte| matches!(byte, b' ' | b'\t'));
    line.get(blank.map_or(0, |blank| blank + 1)..).unwrap_or_default()
}

/// The index by package, and the rows that name a package again.
fn index_packages(table: &Table) -> (HashIndex, Vec<usize>) {
    let mut index = HashIndex::with_capacity(table.len());
    let mut twice = Vec::new();
    for number in 0..table.len() {
        let package = table.key(number);
        if !index.push_first(package, |earlier| table.key(earlier as usize) == package) {
            twice.push(number);
        }
    }
    (index, twice)
}

/// What changed between two indexes, by package. Takes time linear in their rows, whatever their order.
pub fn diff(before: &PackageIndex, after: &PackageIndex) -> Vec<RowChange> {
    let differing = differing_rows(
        (&before.table, |table, number| before.number_of(table.key(number)).map(|number| number as usize)),
        (&after.table, |table, number| after.number_of(table.key(number)).map(|number| number as usize)),
    );
    let mut changes: Vec<RowChange> = differing
        .into_iter()
        .filter_map(|(old, new)| {
            let old = old.map(|number| Row::again(before.table.row(number)));
            let new = new.map(|number| Row::again(after.table.row(number)));
            let package = new.or(old)?.package.to_owned();
            let (old, new) = (old.map(|row| row.release()), new.map(|row| row.release()));
            (old != new).then_some(RowChange { package, before: old, after: new })
        })
        .collect();
    changes.sort_by(|one, two| one.package.cmp(&two.package));
    changes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const ROWS: &str = "\
Acme                               1.11  I/IN/INGY/Acme-1.11.tar.gz
ACME::Foo                           1.0  A/AC/ACME/ACME-Foo-1.0.tar.gz
acme::lower                       undef  A/AC/ACME/ACME-Foo-1.0.tar.gz
Some::Package::With::A::Very::Long::Name::Indeed v1.2.3  E/ET/ETHER/Some-Package-v1.2.3.tar.gz
Try::Tiny                          0.32  E/ET/ETHER/Try-Tiny-0.32.tar.gz
";

    fn head() -> Head {
        Head {
            url: "https://mirror.example.test/modules/02packages.details.txt".into(),
            last_updated: datetime!(2026-11-22 23:29:02 UTC),
            written_by: "lazaret".into(),
        }
    }

    fn index(rows: &str) -> PackageIndex {
        PackageIndex::read(text(rows)).unwrap()
    }

    fn text(rows: &str) -> Bytes {
        let count = rows.lines().count();
        format!("File:         02packages.details.txt\nLine-Count:   {count}\nLast-Updated: Sun, 22 Nov 2026 23:29:02 GMT\n\n{rows}").into()
    }

    #[test]
    fn an_index_says_where_a_package_is() {
        let index = index(ROWS);
        assert_eq!((index.len(), index.skipped()), (5, 0));
        let row = index.find("Try::Tiny").unwrap();
        assert_eq!((row.version, row.path), ("0.32", "E/ET/ETHER/Try-Tiny-0.32.tar.gz"));
        assert_eq!(row.line, ROWS.lines().last().unwrap());
        assert_eq!(row.author_path().unwrap().pause_id(), "ETHER");
        assert_eq!(index.find("try::tiny"), None, "installers mind the case of letters");
        let packages: Vec<_> = index.of_path("A/AC/ACME/ACME-Foo-1.0.tar.gz").iter().map(|row| row.package).collect();
        assert_eq!(packages, ["ACME::Foo", "acme::lower"]);
        assert_eq!(index.rows().map(|row| row.line).collect::<Vec<_>>(), ROWS.lines().collect::<Vec<_>>());
        assert_eq!(index.last_updated(), Some(head().last_updated));
    }

    #[test]
    fn the_digest_does_not_depend_on_the_date() {
        let later = String::from_utf8(text(ROWS).to_vec()).unwrap().replace("22 Nov", "23 Nov").replace("Sun", "Mon");
        assert_eq!(PackageIndex::read(later.into()).unwrap().digest(), index(ROWS).digest());
        assert_ne!(index(&ROWS.replace("0.32", "0.33")).digest(), index(ROWS).digest());
    }

    #[test]
    fn an_index_that_was_cut_off_takes_no_good_ones_place() {
        let whole = text(ROWS);
        for end in (whole.len() - ROWS.len())..whole.len() {
            assert!(PackageIndex::read(whole.slice(..end)).is_err(), "{end} bytes should be refused");
        }
        let error =
            PackageIndex::read(whole.slice(..whole.len() - ROWS.lines().last().unwrap().len() - 1)).unwrap_err();
        assert!(error.to_string().contains("promises 5 lines and has 4"), "{error}");
        for other in ["", "<html>\n", "File: x\n\n", "Line-Count: many\n\n", "Line-Count: 0"] {
            assert!(PackageIndex::read(Bytes::from(other)).is_err(), "{other:?} should be refused");
        }
        assert!(index("").is_empty());
    }

    #[test]
    fn lines_that_are_no_rows_are_skipped_and_counted() {
        let rows = "A 1 A/AA/AA/A-1.tgz\nno row\nA 2 A/AA/AA/A-2.tgz\nB 1 ../../etc/passwd\nB 1 A/AA/AA/B-1.tgz more\nC 1 A/AA/AA/C\u{1b}.tgz\nD 1 A/AA/AA/D-1.tgz\n";
        let index = index(rows);
        assert_eq!(index.skipped(), 5);
        assert_eq!(index.rows().map(|row| (row.package, row.version)).collect::<Vec<_>>(), [("A", "1"), ("D", "1")]);
        let not_text = [b"Line-Count: 2\n\nA 1 A/AA/AA/\xff.tgz\nB 1 A/AA/AA/B.tgz\r\n".as_slice()].concat();
        let index = PackageIndex::read(not_text.into()).unwrap();
        assert_eq!((index.skipped(), index.find("B").unwrap().line), (1, "B 1 A/AA/AA/B.tgz"));
    }

    #[test]
    fn a_row_too_long_or_a_header_without_end_is_refused() {
        let long = format!("A 1 A/AA/AA/{}\n", "a".repeat(5_000));
        assert!(matches!(PackageIndex::read(text(&long)), Err(CatalogError::TooLarge { .. })));
        let header = "X: y\n".repeat(20_000) + "Line-Count: 0\n\n";
        assert!(PackageIndex::read(header.into()).is_err());
    }

    #[test]
    fn what_changed_is_found_whatever_the_order() {
        let rows = ROWS.replace("0.32", "0.33").replace("Acme  ", "Acmf  ");
        let shuffled = rows.lines().rev().collect::<Vec<_>>().join("\n") + "\n";
        for rows in [rows, shuffled] {
            let changes = diff(&index(ROWS), &index(&rows));
            let release = |version: &str, path: &str| Some((version.to_owned(), path.to_owned()));
            let acme = release("1.11", "I/IN/INGY/Acme-1.11.tar.gz");
            assert_eq!(
                changes,
                [
                    RowChange { package: "Acme".into(), before: acme.clone(), after: None },
                    RowChange { package: "Acmf".into(), before: None, after: acme },
                    RowChange {
                        package: "Try::Tiny".into(),
                        before: release("0.32", "E/ET/ETHER/Try-Tiny-0.32.tar.gz"),
                        after: release("0.33", "E/ET/ETHER/Try-Tiny-0.33.tar.gz"),
                    },
                ]
            );
        }
        assert_eq!(diff(&index(ROWS), &index(&ROWS.replace("     1.0", " 1.0"))), [], "blanks say nothing");
    }

    #[test]
    fn an_index_is_written_as_pause_writes_it() {
        let before = index(ROWS);
        let rows = before.rows().map(|row| RowText::Row { package: row.package, version: row.version, path: row.path });
        let written = String::from_utf8(write(rows, &head())).unwrap();
        assert_eq!(
            written,
            format!(
                "File:         02packages.details.txt\n\
                 URL:          https://mirror.example.test/modules/02packages.details.txt\n\
                 Description:  Package names found in directory $CPAN/authors/id/\n\
                 Columns:      package name, version, path\n\
                 Intended-For: Automated fetch routines, namespace documentation.\n\
                 Written-By:   lazaret\n\
                 Line-Count:   5\n\
                 Last-Updated: Sun, 22 Nov 2026 23:29:02 GMT\n\n{ROWS}"
            )
        );
        let shuffled =
            write(before.rows().map(|row| RowText::Line(row.line)).collect::<Vec<_>>().into_iter().rev(), &head());
        assert_eq!(String::from_utf8(shuffled).unwrap(), written, "rows out of order are sorted");
    }

    #[test]
    fn one_row_stays_one_line() {
        let hostile = [RowText::Line("A 1\nB 2"), RowText::Row { package: "B\nC", version: "1", path: "\r" }];
        let written = PackageIndex::read(write(hostile, &head()).into()).unwrap();
        assert_eq!((written.len(), written.skipped()), (0, 2));
        let head = Head { url: "x\nLine-Count: 7".into(), last_updated: datetime!(1900-01-01 0:00 UTC), ..head() };
        assert!(PackageIndex::read(write([], &head).into()).unwrap().is_empty());
    }

    #[test]
    fn packing_is_repeatable_and_unpacking_bounded() {
        let packed = gzip(ROWS.as_bytes());
        assert_eq!(packed, gzip(ROWS.as_bytes()));
        assert_eq!(packed[4..8], [0; 4], "the header has no time");
        assert_eq!(gunzip(&packed, ROWS.len()).unwrap(), ROWS.as_bytes());
        assert!(matches!(gunzip(&packed, ROWS.len() - 1), Err(CatalogError::TooLarge { .. })));
        for end in 0..packed.len() {
            assert!(gunzip(&packed[..end], 1_000_000).is_err(), "{end} bytes should be refused");
        }
        assert!(gunzip(&[&packed[..], b"rubbish"].concat(), 1_000_000).is_err());
        assert!(gunzip(&gzip(&vec![0; 8 << 20]), 1 << 20).is_err());
    }

    fn any_rows() -> impl Strategy<Value = Vec<(String, String, String)>> {
        proptest::collection::vec(
            ("[A-C]?[a-c]{1,3}(::[A-C][a-c]){0,9}", "[0-9v._]{1,9}", "A/AB/AB[A-C]/[a-c]{1,3}-1\\.tgz"),
            0..12,
        )
    }

    fn written(rows: &[(String, String, String)]) -> PackageIndex {
        let rows = rows.iter().map(|(package, version, path)| RowText::Row { package, version, path });
        PackageIndex::read(write(rows, &head()).into()).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_was_written_is_read(rows in any_rows()) {
            let index = written(&rows);
            prop_assert!(index.rows().map(|row| sort_key(row.line)).is_sorted());
            prop_assert_eq!(index.len() + index.skipped(), rows.len());
            for (package, _, path) in &rows {
                prop_assert!(index.find(package).is_some());
                prop_assert!(index.of_path(path).iter().all(|row| row.path == path));
            }
            let again = write(index.rows().map(|row| RowText::Line(row.line)), &head());
            prop_assert_eq!(PackageIndex::read(again.into()).unwrap().digest() == index.digest(), index.skipped() == 0);
        }

        #[test]
        fn changes_lead_from_one_index_to_the_other(before in any_rows(), after in any_rows()) {
            let (before, after) = (written(&before), written(&after));
            let release = |row: Row<'_>| row.release();
            let changes = diff(&before, &after);
            prop_assert!(changes.iter().map(|change| &change.package).is_sorted());
            for change in &changes {
                prop_assert_eq!(&before.find(&change.package).map(release), &change.before);
                prop_assert_eq!(&after.find(&change.package).map(release), &change.after);
                prop_assert_ne!(&change.before, &change.after);
            }
            for row in before.rows().chain(after.rows()) {
                let is_equal = before.find(row.package).map(release) == after.find(row.package).map(release);
                prop_assert_eq!(is_equal, changes.iter().all(|change| change.package != row.package));
            }
        }

        #[test]
        fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..200), count in 0usize..4, rows in "[A \n\t/\r.é]{0,40}") {
            let _ = PackageIndex::read(bytes.clone().into());
            let _ = gunzip(&bytes, 1_000);
            let _ = PackageIndex::read(format!("Line-Count: {count}\n\n{rows}").into());
        }
    }
}
