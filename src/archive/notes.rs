//! Which entries a person or a signal wants to know about: code that runs by itself, at installation or at start-up.

use super::{Entry, EntryKind};
use crate::domain::FileKind;

/// Entries noted of each rank; two ranks, so that a crowd of libraries cannot push a start-up hook off the list.
const PER_RANK: usize = 100;

/// The noted entries.
#[derive(Debug, Default)]
pub(super) struct Notes {
    hooks: Vec<Entry>,
    others: Vec<Entry>,
}

impl Notes {
    /// Notes the entry if it is worth it.
    pub(super) fn meet(&mut self, entry: &Entry, kind: FileKind) {
        let list = match rank(entry, kind) {
            Some(Rank::Hook) => &mut self.hooks,
            Some(Rank::Other) => &mut self.others,
            None => return,
        };
        if list.len() < PER_RANK {
            list.push(entry.clone());
        }
    }

    /// Hooks first.
    pub(super) fn into_entries(mut self) -> Vec<Entry> {
        self.hooks.append(&mut self.others);
        self.hooks
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Rank {
    /// Runs without being called.
    Hook,
    /// Opaque or unusual.
    Other,
}

fn rank(entry: &Entry, kind: FileKind) -> Option<Rank> {
    match entry.kind {
        EntryKind::Directory => return None,
        EntryKind::Link { .. } | EntryKind::Other => return Some(Rank::Other),
        EntryKind::File => {}
    }
    let path = entry.path.to_ascii_lowercase();
    let mut parts = path.rsplit('/');
    let name = parts.next().unwrap_or_default();
    let depth = parts.count();
    // In a source archive everything is inside one folder, which building enters.
    let top = usize::from(kind == FileKind::Source);
    let ending = name.rsplit_once('.').map(|(_, ending)| ending).unwrap_or_default();

    if ending == "pth" || matches!(name, "sitecustomize.py" | "usercustomize.py") {
        return Some(Rank::Hook);
    }
    let builds =
        matches!(name, "setup.py" | "setup.cfg" | "pyproject.toml" | "makefile.pl" | "build.pl" | "conftest.py");
    if builds && depth <= top {
        return Some(Rank::Hook);
    }
    // Goes to the environment's bin folder, or anywhere under its prefix.
    if path.contains(".data/scripts/") || path.contains(".data/data/") {
        return Some(Rank::Hook);
    }
    let native =
        matches!(ending, "so" | "pyd" | "dll" | "dylib" | "exe" | "a" | "node" | "wasm") || name.contains(".so.");
    let script =
        matches!(ending, "sh" | "bat" | "cmd" | "ps1" | "vbs" | "desktop" | "service" | "timer" | "plist" | "lnk");
    let hidden = depth <= top && name.starts_with('.') && name.len() > 1;
    (native || script || hidden || name == "entry_points.txt").then_some(Rank::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Entry {
        Entry { path: path.to_owned(), size: 1, kind: EntryKind::File }
    }

    #[test]
    fn start_up_hooks_are_noted_before_a_crowd_of_libraries() {
        let mut notebook = Notes::default();
        for number in 0..500 {
            notebook.meet(&file(&format!("pkg/lib{number}.so.1")), FileKind::Wheel);
        }
        notebook.meet(&file("evil.pth"), FileKind::Wheel);
        notebook.meet(&file("pkg-1.data/scripts/run"), FileKind::Wheel);
        notebook.meet(&file("pkg/__init__.py"), FileKind::Wheel);
        let noted = notebook.into_entries();
        assert_eq!(noted.len(), 102);
        assert_eq!(noted[0].path, "evil.pth");
        assert_eq!(noted[1].path, "pkg-1.data/scripts/run");
    }

    #[test]
    fn build_files_count_at_the_top_only() {
        assert_eq!(rank(&file("six-1.0/setup.py"), FileKind::Source), Some(Rank::Hook));
        assert_eq!(rank(&file("six-1.0/vendor/x/setup.py"), FileKind::Source), None);
        assert_eq!(rank(&file("setup.py"), FileKind::Wheel), Some(Rank::Hook));
    }
}
