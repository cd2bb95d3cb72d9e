//! References between the rooms go down only: every `crate::` path in `src/`, not only `use` lines, is one that the table in
//! `ARCHITECTURE.md` allows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What each room may use; itself always.
type Table = BTreeMap<String, BTreeSet<String>>;

#[test]
fn references_between_rooms_go_down_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = table(root);
    let rooms: BTreeSet<String> = table.keys().cloned().collect();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for file in rust_files(&root.join("src")) {
        let place = file.strip_prefix(root.join("src")).expect("below src");
        let user = room_of(place);
        if user == "lib" {
            continue;
        }
        seen.insert(user.clone());
        let Some(allowed) = table.get(&user) else {
            wrong.push(format!("ARCHITECTURE.md: the table has no row for the room {user} ({})", place.display()));
            continue;
        };
        let text = std::fs::read_to_string(&file).expect("a source file");
        for (number, line) in without_comments(&text).lines().enumerate() {
            for used in rooms_used(line, place, &rooms) {
                if used != user && !allowed.contains(&used) {
                    wrong.push(format!("src/{}:{}: {user} may not use {used}", place.display(), number + 1));
                }
            }
        }
    }
    let gone = table.keys().filter(|room| !seen.contains(*room));
    wrong.extend(gone.map(|room| format!("ARCHITECTURE.md: the table has a row for {room}, which is not in src/")));
    assert!(wrong.is_empty(), "references that the table of rooms does not allow:\n{}", wrong.join("\n"));
}

#[test]
fn the_table_itself_goes_down_only() {
    let table = table(Path::new(env!("CARGO_MANIFEST_DIR")));
    let mut placed: BTreeSet<&String> = BTreeSet::new();
    loop {
        let free: Vec<&String> = table
            .iter()
            .filter(|(room, uses)| !placed.contains(room) && uses.iter().all(|used| placed.contains(used)))
            .map(|(room, _)| room)
            .collect();
        if free.is_empty() {
            break;
        }
        placed.extend(free);
    }
    let circling: Vec<&String> = table.keys().filter(|room| !placed.contains(room)).collect();
    assert!(circling.is_empty(), "these rooms use each other in a circle, or one without a row: {circling:?}");
}

/// The table of `ARCHITECTURE.md`: rows of a room and the rooms that it may use, all in backticks.
fn table(root: &Path) -> Table {
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let mut rows = text.lines().skip_while(|line| !is_heading(line)).skip(2).take_while(|line| line.starts_with('|'));
    let mut table = Table::new();
    for row in rows.by_ref() {
        let mut cells = row.trim_matches('|').split('|');
        let (Some(rooms), Some(allowed)) = (cells.next(), cells.next()) else { continue };
        for room in backticked(rooms) {
            table.insert(room, backticked(allowed).into_iter().collect());
        }
    }
    assert!(!table.is_empty(), "ARCHITECTURE.md has no table `| room | may use |` with rows");
    table
}

fn is_heading(line: &str) -> bool {
    let cells: Vec<String> = line.trim_matches('|').split('|').map(|cell| cell.trim().to_lowercase()).collect();
    line.starts_with('|')
        && cells.first().is_some_and(|cell| cell == "room")
        && cells.get(1).is_some_and(|cell| cell == "may use")
}

fn backticked(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(|name| name.trim_end_matches("::*").to_owned()).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            files.extend(rust_files(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.push(entry);
        }
    }
    files.sort();
    files
}

/// `store/sled/open.rs` is in the room `store`, `house.rs` is the room `house`.
fn room_of(place: &Path) -> String {
    let first = place.iter().next().and_then(|part| part.to_str()).unwrap_or_default();
    first.trim_end_matches(".rs").to_owned()
}

/// Comments may speak of any room; line numbers stay.
fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.find("//").map_or(line, |at| &line[..at])).collect::<Vec<_>>().join("\n")
}

/// The rooms that a line of code names: `crate::store::X`, `crate::{store, blob::Y}`, `lazaret::house`, `super::super::store`.
fn rooms_used(line: &str, place: &Path, rooms: &BTreeSet<String>) -> Vec<String> {
    let mut used = Vec::new();
    // Only the program names the library from outside.
    let starts: &[&str] = if place == Path::new("main.rs") { &["crate::", "lazaret::"] } else { &["crate::"] };
    for start in starts {
        for (at, _) in line.match_indices(start) {
            let before = line[..at].chars().next_back();
            if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_') {
                continue;
            }
            used.extend(first_names(&line[at + start.len()..]));
        }
    }
    // From a file N folders deep, N steps up leave the room, unless a module of the same name is beside the file.
    let depth = place.iter().count() - usize::from(place.ends_with("mod.rs"));
    for (at, _) in line.match_indices("super::") {
        if line[..at].ends_with("super::") {
            continue;
        }
        let mut rest = &line[at..];
        let mut steps = 0;
        while let Some(next) = rest.strip_prefix("super::") {
            rest = next;
            steps += 1;
        }
        if steps >= depth {
            let beside = |name: &str| {
                let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(room_of(place));
                folder.join(name).exists() || folder.join(format!("{name}.rs")).exists()
            };
            used.extend(first_names(rest).into_iter().filter(|name| rooms.contains(name) && !beside(name)));
        }
    }
    used.retain(|name| rooms.contains(name) || name.starts_with(|letter: char| letter.is_ascii_lowercase()));
    used
}

/// The first name of a path, or the first names of a group's paths.
fn first_names(rest: &str) -> Vec<String> {
    let name =
        |text: &str| text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect::<String>();
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let mut names = vec![name(group.trim_start())];
    let mut depth = 0;
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name(group[at + 1..].trim_start())),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn every_way_to_name_a_room_is_seen() {
    let rooms: BTreeSet<String> = ["domain", "store", "blob", "http"].map(ToOwned::to_owned).into();
    let used = |line: &str, place: &str| rooms_used(line, Path::new(place), &rooms);
    assert_eq!(used("use crate::store::{Change, Store};", "http/a.rs"), ["store"]);
    assert_eq!(used("let x: crate::blob::Staged = f(crate::domain::Name);", "http/a.rs"), ["blob", "domain"]);
    assert_eq!(used("use crate::{store::Change, blob::{A, B}, domain};", "http/a.rs"), ["store", "blob", "domain"]);
    assert_eq!(used("use super::super::http::serve;", "store/sled.rs"), ["http"]);
    assert!(used("use super::http;", "store/sled/open.rs").is_empty());
    assert!(used("pub(crate) fn open()", "store/a.rs").is_empty());
    assert!(used("my_crate::http::x", "store/a.rs").is_empty());
}
