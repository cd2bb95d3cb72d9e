//! The texts of a CPAN mirror, as PAUSE writes them: protocols/cpan.md, section 2.

use std::collections::BTreeMap;
use std::time::Duration;

use data_encoding::HEXLOWER;
use lazaret::domain::{Sha256, Timestamp};
use md5::{Digest as _, Md5};
use serde_json::json;
use time::format_description::FormatItem;
use time::macros::format_description;

use super::clock::DAY;
use super::cpan_state::{Change, Mirror, Quirk, Row, StoredFile};
use super::fake_cpan::FindLs;

const DATE: &[FormatItem<'_>] = format_description!("[year]-[month]-[day]");
const COMPACT: &[FormatItem<'_>] = format_description!("[year][month][day].[hour][minute][second]");
const THIS_YEAR: &[FormatItem<'_>] = format_description!("[month repr:short] [day padding:space] [hour]:[minute]");
const LONG_AGO: &[FormatItem<'_>] = format_description!("[month repr:short] [day padding:space]  [year]");
const UNIX_DATE: &[FormatItem<'_>] = format_description!(
    "[weekday repr:short] [month repr:short] [day padding:space] [hour]:[minute]:[second] [year] GMT"
);

/// How far back each RECENT file reaches.
const INTERVALS: [(&str, Duration); 6] = [
    ("1h", Duration::from_hours(1)),
    ("6h", Duration::from_hours(6)),
    ("1d", DAY),
    ("1W", Duration::from_hours(24 * 7)),
    ("1M", Duration::from_hours(24 * 30)),
    ("1Q", Duration::from_hours(24 * 90)),
];

fn http_date(time: Timestamp) -> String {
    httpdate::fmt_http_date(std::time::SystemTime::from(time))
}

fn written(time: Timestamp, format: &[FormatItem<'_>]) -> String {
    time.format(format).expect("a time that can be written")
}

/// `modules/02packages.details.txt`.
pub(super) fn packages(mirror: &Mirror) -> String {
    let mut text = format!(
        "File:         02packages.details.txt\n\
         URL:          http://www.example.test/CPAN/modules/02packages.details.txt\n\
         Description:  Package names found in directory $CPAN/authors/id/\n\
         Columns:      package name, version, path\n\
         Intended-For: Automated fetch routines, namespace documentation.\n\
         Written-By:   PAUSE version 1.005\n\
         Line-Count:   {}\n\
         Last-Updated: {}\n\n",
        mirror.rows.len() + usize::from(mirror.has(Quirk::WrongLineCount)),
        http_date(mirror.changed),
    );
    for Row { package, version, path } in &mirror.rows {
        // A long name takes its room from the version's column.
        let (name, number) = if package.len() > 30 { (38 - version.len(), version.len()) } else { (30, 8) };
        text.push_str(&format!("{package:<name$} {version:>number$}  {path}\n"));
    }
    text
}

/// `modules/03modlist.data`: nothing in it, but CPAN.pm evaluates it.
pub(super) fn module_list(mirror: &Mirror) -> String {
    format!(
        "File:        03modlist.data\n\
         Description: This was once the \"registered module list\".\n\
         Modcount:    0\n\
         Written-By:  PAUSE version 1.005\n\
         Date:        {}\n\n\
         package CPAN::Modulelist;\n\
         # No use or require in here: CPAN.pm reads this in a Safe compartment.\n\
         sub data {{\n    return {{}};\n}}\n1;\n",
        http_date(mirror.changed)
    )
}

/// `modules/06perms.txt`.
pub(super) fn permissions(mirror: &Mirror) -> String {
    let mut text = format!(
        "File:        06perms.txt\n\
         Description: CSV file of upload permission to the CPAN per namespace\n    \
             best-permission is one of \"m\" for \"modulelist\", \"f\" for\n    \
             \"first-come\", \"c\" for \"co-maint\"\n\
         Columns:     package,userid,best-permission\n\
         Line-Count:  {}\n\
         Written-By:  PAUSE version 1.005\n\
         Date:        {}\n\n",
        mirror.permissions.len(),
        http_date(mirror.changed),
    );
    for ((package, pause_id), permission) in &mirror.permissions {
        text.push_str(&format!("{package},{pause_id},{permission}\n"));
    }
    text
}

/// `authors/01mailrc.txt`: everybody with a permission, by the name that is known.
pub(super) fn mailrc(mirror: &Mirror) -> String {
    let mut people: BTreeMap<&str, &str> =
        mirror.permissions.keys().map(|(_, pause_id)| (pause_id.as_str(), pause_id.as_str())).collect();
    people.extend(mirror.people.iter().map(|(pause_id, name)| (pause_id.as_str(), name.as_str())));
    people.iter().map(|(pause_id, name)| format!("alias {pause_id:<10} \"{name} <CENSORED>\"\n")).collect()
}

/// `authors/id/G/GR/GREETER/CHECKSUMS` as `CPAN::Checksums` 2.14 writes it; none for a folder without files.
pub(super) fn checksums(mirror: &Mirror, folder: &str) -> Option<String> {
    let prefix = format!("{folder}/");
    let mut entries = BTreeMap::new();
    for (path, file) in &mirror.files {
        let Some(name) = path.strip_prefix(&prefix) else { continue };
        match name.split_once('/') {
            Some((below, _)) => {
                let date = written(file.modified, DATE);
                entries.insert(below, format!("    'isdir' => 1,\n    'mtime' => '{date}'\n"));
            }
            None if name.ends_with("readme") => {}
            None => {
                entries.insert(name, checksum(folder, name, file));
            }
        }
    }
    if entries.is_empty() {
        return None;
    }
    let date = written(mirror.changed, UNIX_DATE);
    let mut text = format!("# CHECKSUMS file written on {date} by CPAN::Checksums (v2.14)\n$cksum = {{\n");
    if mirror.has(Quirk::CodeInChecksums) {
        text.push_str("  'code.tar.gz' => do { print STDERR \"CHECKSUMS was evaluated\\n\"; {} },\n");
    }
    let entries: Vec<String> = entries.iter().map(|(name, entry)| format!("  '{name}' => {{\n{entry}  }}")).collect();
    Some(format!("{text}{}\n}};\n", entries.join(",\n")))
}

fn checksum(folder: &str, name: &str, file: &StoredFile) -> String {
    let bytes = &file.promised;
    let md5 = |bytes: &[u8]| HEXLOWER.encode(&Md5::digest(bytes));
    let mut fields = BTreeMap::from([
        ("cpan_path", format!("'{folder}'")),
        ("md5", format!("'{}'", md5(bytes))),
        ("mtime", format!("'{}'", written(file.modified, DATE))),
        ("sha256", format!("'{}'", Sha256::of(bytes))),
        ("size", bytes.len().to_string()),
    ]);
    let mut inside = Vec::new();
    let mut gunzip = flate2::read::GzDecoder::new(&bytes[..]);
    if name.ends_with("gz") && std::io::Read::read_to_end(&mut gunzip, &mut inside).is_ok() {
        fields.insert("md5-ungz", format!("'{}'", md5(&inside)));
        fields.insert("sha256-ungz", format!("'{}'", Sha256::of(&inside)));
    }
    let fields: Vec<String> = fields.iter().map(|(field, value)| format!("    '{field}' => {value}")).collect();
    format!("{}\n", fields.join(",\n"))
}

/// `authors/RECENT-1h.json` and its longer brothers.
pub(super) fn recent(mirror: &Mirror, interval: &str, now: Timestamp) -> Option<String> {
    let place = INTERVALS.iter().position(|(name, _)| *name == interval)?;
    let since = now - INTERVALS[place].1;
    let changes: Vec<&Change> = mirror.changes.iter().filter(|change| change.at >= since && change.at <= now).collect();
    #[expect(clippy::cast_precision_loss, reason = "the file itself has its times as floats")]
    let epoch = |time: Timestamp| time.unix_timestamp_nanos() as f64 / 1e9;
    let longer: Vec<&str> = INTERVALS[place + 1..].iter().map(|(name, _)| *name).collect();
    let document = json!({
        "meta": {
            "aggregator": longer,
            "canonize": "naive_path_normalize",
            "dirtymark": format!("{}.5", 1_577_836_800 + mirror.dirtymark),
            "filenameroot": "RECENT",
            "interval": interval,
            "merged": {},
            "minmax": {
                "max": changes.first().map(|change| epoch(change.at)),
                "min": changes.last().map(|change| epoch(change.at)),
                "mtime": now.unix_timestamp(),
            },
            "protocol": 1,
            "serializer_suffix": ".json",
        },
        "recent": changes
            .iter()
            .map(|change| json!({"epoch": epoch(change.at), "path": change.path, "type": change.kind}))
            .collect::<Vec<_>>(),
    });
    Some(document.to_string())
}

/// `indices/find-ls`, with a folder and a link in it as the real one has.
pub(super) fn find_ls(mirror: &Mirror, how: FindLs, now: Timestamp) -> String {
    let time = |time: Timestamp| match how {
        FindLs::Compact => written(time, COMPACT),
        FindLs::LikeLs if time > now - DAY * 180 => written(time, THIS_YEAR),
        FindLs::LikeLs => written(time, LONG_AGO),
    };
    let link = if how == FindLs::Compact { "l" } else { "lrwxrwxrwx" };
    let mut text = format!(
        "    2    4 drwxr-xr-x   4 pause    pause        4096 {today} authors/id\n\
         \x20   3    0 {link}   1 pause    pause           2 {today} authors/Some_Body -> id/S/SO/SOME\n",
        today = time(now)
    );
    for (inode, (path, file)) in mirror.files.iter().enumerate() {
        let (size, blocks) = (file.promised.len(), file.promised.len().div_ceil(1024));
        let time = time(file.modified);
        text.push_str(&format!(
            "{:>5} {blocks:>4} -rw-rw-r--   1 pause    pause    {size:>8} {time} authors/id/{path}\n",
            inode + 4
        ));
    }
    text
}

/// cpanmetadb's `/v1.0/package/{package}`.
pub(super) fn package(mirror: &Mirror, package: &str) -> Option<String> {
    let row = mirror.rows.iter().find(|row| row.package == package)?;
    let mut text = format!("---\ndistfile: {}\nversion: {}\nprovides:\n", row.path, row.version);
    for row in mirror.rows.iter().filter(|other| other.path == row.path) {
        text.push_str(&format!("  {}: {}\n", row.package, row.version));
    }
    Some(text)
}

/// cpanmetadb's `/v1.0/history/{package}`: oldest first.
pub(super) fn history(mirror: &Mirror, package: &str) -> Option<String> {
    let rows = mirror.history.iter().filter(|row| row.package == package);
    let text: String = rows.map(|Row { package, version, path }| format!("{package} {version} {path}\n")).collect();
    (!text.is_empty()).then_some(text)
}
