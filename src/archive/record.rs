//! RECORD: a wheel's own list of its files.
//!
//! <https://packaging.python.org/en/latest/specifications/recording-installed-packages/#the-record-file>

use std::collections::HashSet;

use super::Limits;
use super::names;
use super::tree::{Key, key_of};

/// The paths that RECORD lists, by their key. Lines that cannot be read list nothing.
pub(super) fn listed(record: &[u8], limits: &Limits) -> HashSet<Key> {
    record
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let path = first_field(line)?;
            names::parts(&path, limits).ok().map(|parts| key_of(&parts))
        })
        .collect()
}

/// The first field of a line of comma separated values; quotes in a quoted field are doubled.
fn first_field(line: &[u8]) -> Option<Vec<u8>> {
    let Some(quoted) = line.strip_prefix(b"\"") else {
        let field = line.split(|byte| matches!(byte, b',' | b'\r')).next()?;
        return (!field.is_empty()).then(|| field.to_vec());
    };
    let mut field = Vec::new();
    let mut bytes = quoted.iter();
    loop {
        match bytes.next()? {
            b'"' if bytes.as_slice().first() == Some(&b'"') => {
                bytes.next();
                field.push(b'"');
            }
            b'"' => return Some(field),
            byte => field.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_and_plain_paths_are_listed() {
        let record =
            b"a/b.py,sha256=x,3\r\n\"a/c,\"\"d\"\".py\",sha256=y,4\r\n\"unfinished\r\n\na.dist-info/RECORD,,\n";
        let listed = listed(record, &Limits::default());
        assert_eq!(listed.len(), 3);
        assert!(listed.contains(&key_of(&[b"a", b"b.py"])));
        assert!(listed.contains(&key_of(&[b"a", b"c,\"d\".py"])));
    }
}
