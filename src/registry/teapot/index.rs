//! `db/index`: a SQLite file in a zlib stream, read as what it is: a file from a stranger.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row, params_from_iter};

use super::catalog::Gathering;
use super::signature::md5_hex_of;
use super::{Catalog, Entry, IndexStatus, TeapotError};

/// More than any repository's index has in its zlib stream; not more is to be fetched.
pub const MOST_PACKED_BYTES: usize = 64 << 20;

/// More than any repository's index has.
pub const MOST_PLAIN_BYTES: usize = 256 << 20;

/// More instances than any repository has.
const MOST_INSTANCES: usize = 500_000;

/// More rows of metadata than any repository has.
const MOST_META: usize = 5_000_000;

/// Longest value of metadata.
const LONGEST_VALUE: i32 = 1 << 20;

/// The only generation of the tables there is.
const GENERATION: &str = "0.2";

/// The three tables and their columns, in alphabetical order.
const TABLES: [(&str, &[&str]); 3] = [
    ("instances", &["file", "isprofile", "name", "platform", "type", "version"]),
    ("meta", &["file", "key", "value"]),
    ("teapot", &["name", "rcsid", "version"]),
];

/// The tables as the original server makes them. The index on `meta` comes last, when the rows are there.
const MAKE_TABLES: &str = "
    PRAGMA page_size = 4096;
    PRAGMA encoding = 'UTF-8';
    PRAGMA journal_mode = OFF;
    CREATE TABLE teapot (name TEXT NOT NULL, version TEXT NOT NULL, rcsid TEXT NOT NULL);
    CREATE TABLE instances (type TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, platform TEXT NOT NULL,
        isprofile INTEGER NOT NULL, file TEXT NOT NULL, PRIMARY KEY (type, name, version, platform), UNIQUE (file));
    CREATE TABLE meta (file TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (file, key));
    INSERT INTO teapot VALUES ('TEAPOT', '0.2', '$Id$');";

/// Inflates what `db/index` sent, within bounds, and compares sizes and digests with what `db/status` promised.
pub fn unpack(packed: &[u8], status: &IndexStatus) -> Result<Vec<u8>, TeapotError> {
    if packed.len() > MOST_PACKED_BYTES {
        return Err(TeapotError::TooLarge { what: "db/index, in bytes,", limit: MOST_PACKED_BYTES });
    }
    let Some(integrity) = &status.integrity else {
        return inflate(packed, MOST_PLAIN_BYTES);
    };
    agrees("the size of db/index", &integrity.packed_size.to_string(), packed.len().to_string())?;
    agrees("the MD5 of db/index", &integrity.packed_md5, md5_hex_of(packed))?;
    let promised = usize::try_from(integrity.plain_size).unwrap_or(usize::MAX);
    if promised > MOST_PLAIN_BYTES {
        return Err(TeapotError::TooLarge { what: "the inflated index, in bytes,", limit: MOST_PLAIN_BYTES });
    }
    let plain = inflate(packed, promised)?;
    agrees("the size of the inflated index", &integrity.plain_size.to_string(), plain.len().to_string())?;
    agrees("the MD5 of the inflated index", &integrity.plain_md5, md5_hex_of(&plain))?;
    Ok(plain)
}

/// Inflates until the end or the limit, whichever comes first.
fn inflate(packed: &[u8], limit: usize) -> Result<Vec<u8>, TeapotError> {
    let mut plain = Vec::new();
    ZlibDecoder::new(packed).take(limit as u64 + 1).read_to_end(&mut plain).map_err(TeapotError::Zlib)?;
    if plain.len() > limit {
        return Err(TeapotError::TooLarge { what: "the inflated index, in bytes,", limit });
    }
    Ok(plain)
}

fn agrees(what: &'static str, promised: &str, found: String) -> Result<(), TeapotError> {
    if promised == found { Ok(()) } else { Err(TeapotError::Integrity { what, promised: promised.to_owned(), found }) }
}

/// Deflates an index for `db/index`.
pub(super) fn pack(plain: &[u8]) -> Result<Vec<u8>, TeapotError> {
    // Measured with 20,000 instances: higher levels take twice as long and save a few per cent.
    let mut zlib = ZlibEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::new(2));
    zlib.write_all(plain).map_err(TeapotError::Zlib)?;
    zlib.finish().map_err(TeapotError::Zlib)
}

/// Reads a SQLite file that [`unpack`] returned.
pub fn read_index(plain: &[u8]) -> Result<Catalog, TeapotError> {
    let database = open(plain)?;
    check_tables(&database)?;
    let mut gathering = Gathering::default();
    each_row(
        &database,
        "SELECT type, name, version, platform, isprofile, file FROM instances",
        ("the number of instances", MOST_INSTANCES),
        |row| {
            let words = [text(row, 0)?, text(row, 1)?, text(row, 2)?, text(row, 3)?];
            let is_profile = matches!(row.get_ref(4)?, ValueRef::Integer(1));
            gathering.instance(words, is_profile, text(row, 5)?);
            Ok(())
        },
    )?;
    each_row(&database, "SELECT file, key, value FROM meta", ("the number of rows of metadata", MOST_META), |row| {
        gathering.meta(text(row, 0)?, text(row, 1)?, text(row, 2)?);
        Ok(())
    })?;
    Ok(gathering.finish())
}

/// Opens it in memory, where it can neither be written nor bring code of its own to life
/// ([Defense Against The Dark Arts](https://www.sqlite.org/security.html)).
fn open(plain: &[u8]) -> Result<Connection, TeapotError> {
    if plain.len() > MOST_PLAIN_BYTES {
        return Err(TeapotError::TooLarge { what: "the inflated index, in bytes,", limit: MOST_PLAIN_BYTES });
    }
    if !plain.starts_with(b"SQLite format 3\0") {
        return Err(TeapotError::Schema("it is no SQLite file"));
    }
    let mut database =
        Connection::open_in_memory_with_flags(OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    database.deserialize_read_exact("main", plain, plain.len(), true)?;
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    for luxury in [
        DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA,
        DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER,
        DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW,
    ] {
        database.set_db_config(luxury, false)?;
    }
    database.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST_VALUE)?;
    database.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, 10_000)?;
    database.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    database.execute_batch("PRAGMA cell_size_check = ON; PRAGMA query_only = ON;")?;
    Ok(database)
}

/// The three tables must be tables, with plain columns: what is computed while it is read may cost any amount of time.
fn check_tables(database: &Connection) -> Result<(), TeapotError> {
    for (table, columns) in TABLES {
        let kind = "SELECT count(*) FROM sqlite_master WHERE name = ?1 AND type = 'table' AND sql LIKE 'CREATE TABLE%'";
        let count: i64 = database.query_row(kind, [table], |row| row.get(0))?;
        if count != 1 {
            return Err(TeapotError::Schema("a table is missing"));
        }
        let mut statement = database.prepare("SELECT name, hidden FROM pragma_table_xinfo(?1) ORDER BY name")?;
        let found: Vec<(String, i64)> =
            statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        if !found.iter().map(|(name, hidden)| (&**name, *hidden)).eq(columns.iter().map(|name| (*name, 0))) {
            return Err(TeapotError::Schema("a table has other columns"));
        }
    }
    let mut statement = database.prepare("SELECT version FROM teapot WHERE name = 'TEAPOT' LIMIT 2")?;
    let generations: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    if generations != [GENERATION] {
        return Err(TeapotError::Schema("it says that it is of another version"));
    }
    Ok(())
}

/// Reads all rows of a query that has not too many.
fn each_row(
    database: &Connection,
    query: &str,
    (what, limit): (&'static str, usize),
    mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> Result<(), TeapotError> {
    let mut statement = database.prepare(query)?;
    let mut rows = statement.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += 1;
        if count > limit {
            return Err(TeapotError::TooLarge { what, limit });
        }
        take(row)?;
    }
    Ok(())
}

/// A column's text; `None` if it is not text, or not UTF-8.
fn text<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<Option<&'a str>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    })
}

/// Writes an index of these entries, from nothing: a row that was left out is nowhere in the file, not even in its gaps.
pub(super) fn write_index<'a>(entries: impl Iterator<Item = &'a Entry>) -> Result<Vec<u8>, TeapotError> {
    let mut database = Connection::open_in_memory()?;
    database.execute_batch(MAKE_TABLES)?;
    let writing = database.transaction()?;
    let mut rows: Vec<(String, &Entry)> = Vec::new();
    {
        let mut insert = writing.prepare("INSERT INTO instances VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        for entry in entries {
            let (instance, file) = (&entry.instance, entry.signature.to_string());
            let words = (instance.kind.as_str(), &*instance.name, &*instance.version, &*instance.platform);
            insert.execute((words.0, words.1, words.2, words.3, instance.is_profile(), &file))?;
            rows.push((file, entry));
        }
        // In the order of the primary key, so that its pages are filled one after the other.
        rows.sort_unstable_by(|one, two| one.0.cmp(&two.0));
        let mut values: Vec<[&str; 3]> = Vec::new();
        for (file, entry) in &rows {
            values.extend(entry.meta.iter().map(|(key, value)| [file.as_str(), &**key, &**value]));
        }
        let (tens, rest) = values.as_chunks::<10>();
        let mut insert = writing.prepare(&format!("INSERT INTO meta VALUES {}", ["(?, ?, ?)"; 10].join(", ")))?;
        for ten in tens {
            insert.execute(params_from_iter(ten.as_flattened()))?;
        }
        let mut insert = writing.prepare("INSERT INTO meta VALUES (?, ?, ?)")?;
        for one in rest {
            insert.execute(one)?;
        }
    }
    writing.execute_batch("CREATE INDEX meta_file ON meta (file)")?;
    writing.commit()?;
    Ok(database.serialize("main")?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A SQLite file with what these statements make.
    fn sqlite(statements: &str) -> Vec<u8> {
        let mut database = Connection::open_in_memory().unwrap();
        database.execute_batch(statements).unwrap();
        database.serialize("main").unwrap().to_vec()
    }

    fn with_rows(statements: &str) -> Vec<u8> {
        sqlite(&[MAKE_TABLES, ";", statements].concat())
    }

    const ROW: &str =
        "INSERT INTO instances VALUES ('package', 'acme', '1.0', 'tcl', 0, 'bt0v0pkvrmi99v0h4qd25rnemk0000tv');";

    #[test]
    fn what_is_written_is_read_back() {
        let plain = with_rows(&format!(
            "{ROW} INSERT INTO meta VALUES ('bt0v0pkvrmi99v0h4qd25rnemk0000tv', 'require', '{{Tcl -require 8.5}}')"
        ));
        let catalog = read_index(&plain).unwrap();
        assert_eq!((catalog.len(), catalog.skipped()), (1, 0));
        let written = write_index(catalog.entries().iter()).unwrap();
        assert_eq!(read_index(&written).unwrap().entries(), catalog.entries());
        assert_eq!(write_index(catalog.entries().iter()).unwrap(), written, "the same facts make the same bytes");
        // Page size, rollback journal, UTF-8: old SQLite libraries read it.
        assert_eq!(&written[16..20], [0x10, 0x00, 1, 1]);
        assert_eq!(&written[56..60], [0, 0, 0, 1]);
    }

    #[test]
    fn the_status_promises_the_bytes() {
        let plain = with_rows(ROW);
        let packed = pack(&plain).unwrap();
        let status =
            IndexStatus { imtime: 1, jmtime: 1, integrity: Some(super::super::Integrity::of(&plain, &packed)) };
        assert_eq!(unpack(&packed, &status).unwrap(), plain);
        assert_eq!(unpack(&packed, &IndexStatus { integrity: None, ..status.clone() }).unwrap(), plain);
        for change in [
            |integrity: &mut super::super::Integrity| integrity.packed_size += 1,
            |integrity: &mut super::super::Integrity| integrity.packed_md5 = "0".repeat(32),
            |integrity: &mut super::super::Integrity| integrity.plain_size += 1,
            |integrity: &mut super::super::Integrity| integrity.plain_size -= 1,
            |integrity: &mut super::super::Integrity| integrity.plain_md5 = "0".repeat(32),
            |integrity: &mut super::super::Integrity| integrity.plain_size = u64::MAX,
        ] {
            let mut wrong = status.clone();
            change(wrong.integrity.as_mut().unwrap());
            assert!(unpack(&packed, &wrong).is_err(), "{wrong:?}");
        }
        let unsaid = IndexStatus { integrity: None, ..status };
        assert!(matches!(unpack(&packed[..packed.len() / 2], &unsaid), Err(TeapotError::Zlib(_))));
        assert!(matches!(unpack(b"no zlib", &unsaid), Err(TeapotError::Zlib(_))));
    }

    #[test]
    fn a_bomb_is_inflated_only_up_to_what_was_promised() {
        // One gibibyte of zeros in a megabyte.
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::new(6));
        let zeros = vec![0; 1 << 20];
        for _ in 0..1024 {
            zlib.write_all(&zeros).unwrap();
        }
        let bomb = zlib.finish().unwrap();
        assert!(bomb.len() < 8 << 20);
        let mut integrity = super::super::Integrity::of(b"", &bomb);
        integrity.plain_size = 4096;
        let status = IndexStatus { imtime: 1, jmtime: 1, integrity: Some(integrity) };
        assert!(matches!(unpack(&bomb, &status), Err(TeapotError::TooLarge { limit: 4096, .. })));
        let unsaid = IndexStatus { integrity: None, ..status };
        assert!(matches!(unpack(&bomb, &unsaid), Err(TeapotError::TooLarge { limit: MOST_PLAIN_BYTES, .. })));
    }

    #[test]
    fn rows_that_are_not_text_are_skipped() {
        let plain = with_rows(&format!(
            "{ROW}
             INSERT INTO instances VALUES ('package', CAST(x'ff41' AS TEXT), '1.0', 'tcl', 0, 'f1l13sg2udv2n8f4722g2628v40000tv');
             INSERT INTO instances VALUES ('package', x'41', '1.0', 'tcl', 0, 'm6utn32j2t4v4sjjfr08p4bplo0000tv');
             INSERT INTO instances VALUES ('package', CAST(x'410042' AS TEXT), '1.0', 'tcl', 0, 'gt5q0nbqp829149bnsl3n3e9e0000189');
             INSERT INTO meta VALUES ('bt0v0pkvrmi99v0h4qd25rnemk0000tv', 'summary', CAST(x'ff' AS TEXT));"
        ));
        let catalog = read_index(&plain).unwrap();
        assert_eq!((catalog.len(), catalog.skipped()), (1, 4));
    }

    #[test]
    fn other_tables_are_refused() {
        let views = "CREATE TABLE teapot (name, version, rcsid); INSERT INTO teapot VALUES ('TEAPOT', '0.2', '');
            CREATE TABLE meta (file, key, value);
            CREATE VIEW instances AS WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r)
                SELECT 'package' AS type, n AS name, '1' AS version, 'tcl' AS platform, 0 AS isprofile, n AS file FROM r;";
        let generated = "CREATE TABLE teapot (name, version, rcsid); INSERT INTO teapot VALUES ('TEAPOT', '0.2', '');
            CREATE TABLE meta (file, key, value);
            CREATE TABLE instances (type, name, version, platform, isprofile, file AS (hex(zeroblob(name))));";
        let elsewhere = MAKE_TABLES.replace("'0.2'", "'0.3'");
        for (statements, why) in [
            ("CREATE TABLE a (b)", "a table is missing"),
            (views, "a table is missing"),
            (generated, "a table has other columns"),
            (&*elsewhere, "another version"),
        ] {
            let error = read_index(&sqlite(statements)).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert!(read_index(b"").is_err());
        assert!(read_index(b"SQLite format 3\0 and then nothing").is_err());
    }

    #[test]
    fn a_damaged_file_is_an_error_or_a_smaller_catalog() {
        let plain = with_rows(ROW);
        for at in (16..plain.len()).step_by(97) {
            let mut damaged = plain.clone();
            damaged[at] ^= 0xff;
            let _ = read_index(&damaged);
            let _ = read_index(&plain[..at]);
        }
    }
}
