//! Settings from the environment: `LAZARET__PYPI__PRIVATE__0__INDEX` is `pypi.private[0].index`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::tree::{Node, Value};
use super::{Mistake, Source};

const PREFIX: &str = "LAZARET__";

/// A setting may be this deep; the deepest real one has five parts.
const DEEPEST: usize = 8;

/// The variables that are settings, in an order in which a list grows from its first item on.
pub(super) fn settings(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<(String, OsString)> {
    let ours = environment.into_iter().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        name.starts_with(PREFIX).then_some((name, value))
    });
    let mut settings: Vec<_> = ours.collect();
    // By parts, numbers as numbers: PRIVATE__10 comes after PRIVATE__9, and PRIVATE before PRIVATE__0.
    settings.sort_by_cached_key(|(name, _)| {
        name.split("__").map(|part| (part.parse::<usize>().unwrap_or(0), part.to_owned())).collect::<Vec<_>>()
    });
    settings
}

/// Puts one variable's value at its place in the tree.
pub(super) fn lay_over(tree: &mut Node, name: &str, value: &OsStr) -> Result<(), Mistake> {
    let source = Source::Environment { name: name.to_owned() };
    let mistake = |message: &str| Mistake { key: String::new(), source: source.clone(), message: message.to_owned() };
    let parts: Vec<String> =
        name.strip_prefix(PREFIX).unwrap_or_default().split("__").map(str::to_ascii_lowercase).collect();
    if parts.len() > DEEPEST || parts.iter().any(String::is_empty) {
        return Err(mistake(
            "this does not name a setting; write LAZARET__SECTION__KEY, like LAZARET__STORE__DATA_DIR",
        ));
    }
    let text = value.to_str().ok_or_else(|| mistake("the value is not UTF-8 text"))?;

    let mut place = tree;
    for part in &parts {
        place = match part.parse::<usize>() {
            Ok(index) => item(place, index, &source).ok_or_else(|| {
                mistake("items of a list are numbered 0, 1, 2 without a gap; set the one before this first")
            })?,
            Err(_) => entry(place, part, &source).ok_or_else(|| mistake("this is not a table"))?,
        };
    }
    *place = Node { source, value: Value::Text(text.to_owned()) };
    Ok(())
}

/// The entry of a table, made if it is not there; what is not a table becomes one.
fn entry<'a>(place: &'a mut Node, key: &str, source: &Source) -> Option<&'a mut Node> {
    if !matches!(place.value, Value::Table(_)) {
        *place = Node { source: source.clone(), value: Value::Table(BTreeMap::new()) };
    }
    match &mut place.value {
        Value::Table(entries) => Some(entries.entry(key.to_owned()).or_insert_with(|| blank(source))),
        _ => None,
    }
}

/// The item of a list, made if it is the next one.
fn item<'a>(place: &'a mut Node, index: usize, source: &Source) -> Option<&'a mut Node> {
    if !matches!(place.value, Value::List(_)) {
        *place = Node { source: source.clone(), value: Value::List(Vec::new()) };
    }
    match &mut place.value {
        Value::List(items) => {
            if index == items.len() {
                items.push(blank(source));
            }
            items.get_mut(index)
        }
        _ => None,
    }
}

fn blank(source: &Source) -> Node {
    Node { source: source.clone(), value: Value::Text(String::new()) }
}
