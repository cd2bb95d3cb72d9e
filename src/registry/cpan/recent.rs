//! `RECENT-*.json` and `RECENT-*.yaml`: what appeared on and left the mirror, newest first, as
//! [File::Rsync::Mirror::Recentfile](https://github.com/andk/rersyncrecent) writes it.
//!
//! A `delete` here is the only notice that a file left. When `dirtymark` changes, everything is to be read again.

use serde::Deserialize;
use serde_json::Value;

use crate::domain::Timestamp;

use super::{CatalogError, yaml};

const DOCUMENT: &str = "RECENT";

/// Largest file; the one of all times has some 60 MB.
const LARGEST_RECENT: usize = 128 * 1024 * 1024;

/// Most entries.
const MOST_ENTRIES: usize = 1_000_000;

/// Longest path.
const LONGEST_PATH: usize = 1_024;

/// One window of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Recent {
    /// Newest first, as written. Entries with a path that leaves the tree are left out.
    pub entries: Vec<RecentEntry>,
    /// `1h`, `6h`, `1d`, `1W`, `1M`, `1Q`, `1Y` or `Z`.
    pub interval: String,
    /// The oldest moment covered.
    pub min: Option<Timestamp>,
    /// The newest moment covered.
    pub max: Option<Timestamp>,
    /// Changes when the past was rewritten.
    pub dirtymark: Option<String>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentEntry {
    /// When.
    pub epoch: Timestamp,
    /// Below the folder that holds the RECENT file: `id/E/ET/ETHER/Try-Tiny-0.32.tar.gz`.
    pub path: String,
    /// What happened.
    pub kind: RecentKind,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecentKind {
    /// It appeared or changed.
    New,
    /// It left.
    Delete,
}

#[derive(Deserialize)]
struct Document {
    meta: Meta,
    #[serde(default)]
    recent: Vec<Entry>,
}

#[derive(Deserialize)]
struct Meta {
    interval: String,
    #[serde(default)]
    minmax: MinMax,
    #[serde(default)]
    dirtymark: Value,
}

#[derive(Default, Deserialize)]
struct MinMax {
    #[serde(default)]
    min: Value,
    #[serde(default)]
    max: Value,
}

#[derive(Deserialize)]
struct Entry {
    epoch: Value,
    path: String,
    #[serde(rename = "type")]
    kind: RecentKind,
}

impl Recent {
    /// Reads either form.
    pub fn read(bytes: &[u8]) -> Result<Self, CatalogError> {
        if bytes.len() > LARGEST_RECENT {
            return Err(CatalogError::TooLarge { what: "RECENT in bytes", limit: LARGEST_RECENT });
        }
        let json = |source| CatalogError::Json { document: DOCUMENT, source };
        let document: Document = if bytes.trim_ascii_start().starts_with(b"{") {
            serde_json::from_slice(bytes).map_err(json)?
        } else {
            let text = std::str::from_utf8(bytes)
                .map_err(|_| CatalogError::NotThisDocument { document: DOCUMENT, why: "it is not UTF-8" })?;
            read_yaml(text)?
        };
        if document.recent.len() > MOST_ENTRIES {
            return Err(CatalogError::TooLarge { what: "entries of RECENT", limit: MOST_ENTRIES });
        }
        let entries = document.recent.into_iter().filter(|entry| is_inside(&entry.path)).map(|entry| {
            let epoch = moment(&entry.epoch)
                .ok_or(CatalogError::NotThisDocument { document: DOCUMENT, why: "an epoch is no number of seconds" })?;
            Ok(RecentEntry { epoch, path: entry.path, kind: entry.kind })
        });
        Ok(Self {
            entries: entries.collect::<Result<_, CatalogError>>()?,
            interval: document.meta.interval,
            min: moment(&document.meta.minmax.min),
            max: moment(&document.meta.minmax.max),
            dirtymark: text_of(&document.meta.dirtymark),
        })
    }
}

/// The two parts are read apart: `meta` as any YAML, and the very many entries of `recent` by their fixed form.
fn read_yaml(text: &str) -> Result<Document, CatalogError> {
    let (meta, recent) = match text.split_once("\nrecent:") {
        Some((meta, recent)) => (meta, recent),
        None => (text, ""),
    };
    let json = |source| CatalogError::Json { document: DOCUMENT, source };
    let document = yaml::read(meta, DOCUMENT)?;
    let meta = serde_json::from_value(document.get("meta").cloned().unwrap_or_default()).map_err(json)?;
    let mut entries = Vec::new();
    let (mut epoch, mut path, mut kind) = (None, None, None);
    let first_line = meta_lines(text, recent);
    for (at, raw) in recent.lines().enumerate() {
        let wrong = |why| CatalogError::Syntax { document: DOCUMENT, line: first_line + at, why };
        let line = raw.trim();
        let is_start = line == "-" || line.starts_with("- ");
        let is_started = epoch.is_some() || path.is_some() || kind.is_some();
        if is_start && is_started {
            return Err(wrong("an entry ends without its epoch, path or type"));
        }
        let line = if is_start { line[1..].trim_start() } else { line };
        if line.is_empty() || line.starts_with('#') || (entries.is_empty() && !is_started && line == "[]") {
            continue;
        }
        let (key, value) = line.split_once(':').ok_or_else(|| wrong("`key: value` is missing"))?;
        let value = yaml::scalar(value).ok_or_else(|| wrong("this is no value that PAUSE writes"))?;
        let slot = match key {
            "epoch" => &mut epoch,
            "path" => &mut path,
            "type" => &mut kind,
            _ => return Err(wrong("an entry has only epoch, path and type")),
        };
        if slot.replace(value).is_some() {
            return Err(wrong("a key stands twice in an entry"));
        }
        if epoch.is_some() && path.is_some() && kind.is_some() {
            let kind = match kind.take().as_deref() {
                Some("new") => RecentKind::New,
                Some("delete") => RecentKind::Delete,
                _ => return Err(wrong("a type is neither new nor delete")),
            };
            if entries.len() == MOST_ENTRIES {
                return Err(CatalogError::TooLarge { what: "entries of RECENT", limit: MOST_ENTRIES });
            }
            let epoch = Value::String(epoch.take().unwrap_or_default());
            entries.push(Entry { epoch, path: path.take().unwrap_or_default(), kind });
        }
    }
    if epoch.is_some() || path.is_some() || kind.is_some() {
        return Err(CatalogError::CutOff(DOCUMENT));
    }
    Ok(Document { meta, recent: entries })
}

/// The number of the line on which the entries begin.
fn meta_lines(text: &str, recent: &str) -> usize {
    text[..text.len() - recent.len()].matches('\n').count() + 1
}

fn is_inside(path: &str) -> bool {
    path.len() <= LONGEST_PATH
        && !path.bytes().any(|byte| byte.is_ascii_control() || byte == b'\\')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Seconds since 1970, with as many digits behind the point as there are: they are read as text, to lose none.
fn moment(value: &Value) -> Option<Timestamp> {
    let text = text_of(value)?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((&text, ""));
    if seconds.len() > 12 || fraction.len() > 32 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanoseconds: i128 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    let seconds: u64 = seconds.parse().ok()?;
    Timestamp::from_unix_timestamp_nanos(i128::from(seconds) * 1_000_000_000 + nanoseconds).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const JSON: &str = r#"{"meta": {"interval": "1h", "dirtymark": "1700000000.5", "minmax": {"min": 1763854000.25, "max": "1763857000.123456789"}, "protocol": 1},
        "recent": [{"epoch": "1763857000.123456789", "path": "id/E/ET/ETHER/Try-Tiny-0.33.tar.gz", "type": "new"},
                   {"epoch": 1763854000.25, "path": "id/E/ET/ETHER/Try-Tiny-0.31.tar.gz", "type": "delete"},
                   {"epoch": 1763854000, "path": "../../etc/passwd", "type": "new"}]}"#;

    /// As `YAML::Syck` writes it.
    const SYCK: &str = "--- \nmeta: \n  Producers: \n    $0: /home/x/recent\n    time: 1763857001.5\n  aggregator: \n    - 6h\n    - 1d\n  canonize: naive_path_normalize\n  dirtymark: 1700000000.5\n  filenameroot: RECENT\n  interval: 1h\n  merged: \n    epoch: 1763853000.1\n    into_interval: 6h\n  minmax: \n    max: '1763857000.123456789'\n    min: 1763854000.25\n  protocol: 1\n  serializer_suffix: .yaml\nrecent: \n  - \n    epoch: '1763857000.123456789'\n    path: id/E/ET/ETHER/Try-Tiny-0.33.tar.gz\n    type: new\n  - epoch: 1763854000.25\n    path: id/E/ET/ETHER/Try-Tiny-0.31.tar.gz\n    type: delete\n";

    #[test]
    fn both_forms_say_the_same() {
        let recent = Recent::read(JSON.as_bytes()).unwrap();
        assert_eq!(recent.entries.len(), 2, "a path that leaves the tree is left out");
        assert_eq!(recent.entries[0].epoch, datetime!(2025-11-23 00:16:40.123456789 UTC));
        assert_eq!(recent.entries[1].kind, RecentKind::Delete);
        assert_eq!((recent.max, recent.min), (Some(recent.entries[0].epoch), Some(recent.entries[1].epoch)));
        assert_eq!((&*recent.interval, recent.dirtymark.as_deref()), ("1h", Some("1700000000.5")));
        assert_eq!(Recent::read(SYCK.as_bytes()).unwrap(), recent);
        assert_eq!(Recent::read(b"---\nmeta:\n  interval: Z\nrecent: []\n").unwrap().entries, []);
    }

    #[test]
    fn what_is_broken_is_not_half_read() {
        let cut_off = SYCK.rsplit_once("    type").unwrap().0;
        let twice = SYCK.replace("    type: new\n", "    path: id/other\n    type: new\n");
        let unknown = SYCK.replace("type: new", "type: !!perl/code x");
        let two_in_one = SYCK.replacen("    type: new\n", "", 1);
        let no_time = SYCK.replace("1763854000.25", "soon");
        for text in [cut_off, &*twice, &*unknown, &*two_in_one, &*no_time, "", "<html>", "{}", "[]", "--- \nrecent:\n"]
        {
            assert!(Recent::read(text.as_bytes()).is_err(), "should be refused:\n{text}");
        }
        assert!(Recent::read(&JSON.as_bytes()[..JSON.len() - 2]).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_change_can_be_read(at in 0usize..SYCK.len(), length in 0usize..9, rubbish in "[-:'\"\\[{ \n0-9a]{0,6}") {
            for document in [SYCK, JSON] {
                let mut text = document.to_owned();
                let at = at.min(text.len());
                text.replace_range(at..(at + length).min(text.len()), &rubbish);
                let _ = Recent::read(text.as_bytes());
            }
            let _ = Recent::read(rubbish.as_bytes());
        }
    }
}
