//! Who wrote something, by its own account: nobody checks it, but a change is worth a look.

use std::collections::BTreeSet;

use super::tcl_list;

/// The names and mail addresses in `as::author` and `author`, comparable: lower case, single spaces, addresses apart.
///
/// `None` where neither is there, which is a value of its own. A value that is no list is taken as one name.
pub fn authors(as_author: Option<&str>, author: Option<&str>) -> Option<BTreeSet<String>> {
    if as_author.is_none() && author.is_none() {
        return None;
    }
    let mut found = BTreeSet::new();
    for value in [as_author, author].into_iter().flatten() {
        for person in tcl_list::read(value).unwrap_or_else(|_| vec![value.to_owned()]) {
            let (name, mail) = match person.split_once('<') {
                Some((name, mail)) => (name, mail.split('>').next().unwrap_or_default()),
                None => (&*person, ""),
            };
            found.extend([name, mail].map(comparable).into_iter().filter(|text| !text.is_empty()));
        }
    }
    Some(found)
}

fn comparable(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_keys_make_one_set() {
        let found = authors(Some("{Alice Example}"), Some("{Alice  EXAMPLE <Alice@example.test>} Bob")).unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["alice example", "alice@example.test", "bob"]);
    }

    #[test]
    fn nobody_is_a_value_of_its_own() {
        assert_eq!(authors(None, None), None);
        assert_eq!(authors(Some(""), None), Some(BTreeSet::new()));
        assert_eq!(authors(None, Some("{Alice")).unwrap().len(), 1);
    }
}
