//! Who keeps a record: the database whose prefix an id has.

use std::fmt;

/// Longest prefix; the longest in [OSV's table](https://ossf.github.io/osv-schema/#id-modified-fields) has 12 letters.
const LONGEST_PREFIX: usize = 16;

/// A database of advisories, by the prefix of its ids: `GHSA`, `PYSEC`, `CVE`, `MAL`, `CPANSA`, `OSV`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Database(Box<str>);

impl Database {
    /// The database of an id; `None` if it has no prefix.
    pub fn of_id(id: &str) -> Option<Self> {
        let (prefix, _) = id.split_once('-')?;
        let plain = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (plain && prefix.len() <= LONGEST_PREFIX).then(|| Self(prefix.to_ascii_uppercase().into()))
    }

    /// The prefix, in capitals.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_tells_the_database() {
        let of = |id| Database::of_id(id).map(|database| database.to_string());
        for (id, database) in [
            ("GHSA-g3rq-g295-4j3m", Some("GHSA")),
            ("PYSEC-2021-66", Some("PYSEC")),
            ("CVE-2020-28493", Some("CVE")),
            ("MAL-0000-kam193-4c1f44", Some("MAL")),
            ("CPANSA-DBI-2014-01", Some("CPANSA")),
            ("SNYK-PYTHON-JINJA2-1012994", Some("SNYK")),
            ("mal-2024-1", Some("MAL")),
            ("pypi/campaign/name-1", None),
            ("-1", None),
            ("something", None),
            ("ABCDEFGHIJKLMNOPQRS-1", None),
        ] {
            assert_eq!(of(id).as_deref(), database, "{id}");
        }
    }
}
