//! `authors/01mailrc.txt`: the person behind each account.

use std::collections::BTreeMap;

use super::CatalogError;
use super::author_path::is_pause_id;

/// Largest file; there are some 15,000 accounts.
const LARGEST_MAILRC: usize = 32 * 1024 * 1024;

/// Most accounts.
const MOST_AUTHORS: usize = 200_000;

/// Longest name kept, in characters.
const LONGEST_NAME: usize = 200;

/// Names by account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MailRc {
    names: BTreeMap<String, String>,
}

impl MailRc {
    /// Reads `alias ETHER "Full Name <address>"`, a line each; lines that are something else are left out. Addresses are not
    /// kept: they belong to people, and say little since cpan.org forwards no mail.
    pub fn read(bytes: &[u8]) -> Result<Self, CatalogError> {
        if bytes.len() > LARGEST_MAILRC {
            return Err(CatalogError::TooLarge { what: "01mailrc.txt in bytes", limit: LARGEST_MAILRC });
        }
        let text = String::from_utf8_lossy(bytes);
        let mut names = BTreeMap::new();
        let mut lines = 0usize;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            lines += 1;
            let Some((id, name)) = read_line(line) else { continue };
            if names.len() == MOST_AUTHORS {
                return Err(CatalogError::TooLarge { what: "accounts in 01mailrc.txt", limit: MOST_AUTHORS });
            }
            names.insert(id.to_owned(), name);
        }
        if names.is_empty() && lines > 0 {
            return Err(CatalogError::NotThisDocument { document: "01mailrc.txt", why: "no line begins with `alias`" });
        }
        Ok(Self { names })
    }

    /// The name of the person, where known.
    pub fn name(&self, pause_id: &str) -> Option<&str> {
        self.names.get(pause_id).map(String::as_str)
    }

    /// All accounts and names, by account.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.names.iter().map(|(id, name)| (id.as_str(), name.as_str()))
    }

    /// How many accounts.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no account.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

fn read_line(line: &str) -> Option<(&str, String)> {
    let rest = line.strip_prefix("alias")?;
    let (id, rest) = rest.trim_start().split_once([' ', '\t'])?;
    let quoted = rest.trim().strip_prefix('"')?.strip_suffix('"')?;
    let name = quoted.rsplit_once('<').map_or(quoted, |(name, _)| name).trim();
    let name = name.chars().filter(|letter| !letter.is_control()).take(LONGEST_NAME).collect();
    (is_pause_id(id) && rest.len() < line.len()).then_some((id, name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accounts_have_names_and_no_addresses() {
        let text = "alias ETHER      \"Karen Etheridge <ether@example.test>\"\nalias ADA        \"Ada L\u{f6}velace <CENSORED>\"\n\
                    alias NOBODY     \"<x@example.test>\"\nsomething else\nalias lower \"x\"\n";
        let authors = MailRc::read(text.as_bytes()).unwrap();
        assert_eq!(authors.name("ETHER"), Some("Karen Etheridge"));
        assert_eq!(authors.name("ADA"), Some("Ada L\u{f6}velace"));
        assert_eq!(authors.iter().map(|(id, _)| id).collect::<Vec<_>>(), ["ADA", "ETHER", "NOBODY"]);
        assert_eq!((authors.name("NOBODY"), authors.name("ELSE")), (Some(""), None));
        assert!(MailRc::read(b"").unwrap().is_empty());
        assert!(MailRc::read(b"<html>\nan error\n").is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..200), line in "(alias )?[A-Z]{0,4} *\"?\\PC{0,10}<?\"?") {
            let _ = MailRc::read(&bytes);
            let _ = MailRc::read(line.as_bytes());
        }
    }
}
