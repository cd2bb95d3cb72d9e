//! A disk that loses its power: what was synced is there afterwards, and of the rest as little or as much as chance wills.
//!
//! The model promises no more than POSIX does. `fsync` makes a file's bytes and length durable, not its name; a name is durable
//! when its folder was synced. `sync_file_range` makes nothing durable. What was written since may be there or not, each page
//! of 4 KiB for itself and sometimes each sector of 512 bytes, and the length may be any that the file had since; names may
//! come and go in their order, as with a journal, or one without another.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::record::{Call, Step};

const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// A file or a folder, whatever it is called.
type Node = usize;
/// A name in a folder.
type Name = (Node, OsString);

/// Bytes, and what happened to them since they were synced.
#[derive(Debug, Default)]
struct Content {
    is_folder: bool,
    durable: Vec<u8>,
    /// How many changes were made durable.
    settled: usize,
    pending: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

/// A change of names: one goes, one comes, or both at once.
#[derive(Debug)]
struct Move {
    number: usize,
    from: Option<Name>,
    to: Option<(Name, Node)>,
}

impl Move {
    fn touches(&self, folder: Node) -> bool {
        let from = self.from.as_ref().is_some_and(|(of, _)| *of == folder);
        from || self.to.as_ref().is_some_and(|((of, _), _)| *of == folder)
    }

    fn apply(&self, names: &mut BTreeMap<Name, Node>) {
        if let Some(from) = &self.from {
            names.remove(from);
        }
        if let Some((name, node)) = &self.to {
            names.insert(name.clone(), *node);
        }
    }
}

/// A sync that is under way, and what it will have covered.
#[derive(Debug)]
struct Sync {
    node: Node,
    changes: usize,
    moves: usize,
}

/// Where a descriptor stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    node: Node,
    offset: usize,
    /// What is written goes behind all that is there.
    appends: bool,
}

/// What a cut leaves of that which was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mercy {
    /// Nothing.
    None,
    /// All.
    Everything,
    /// Names up to some moment, as a journal would; bytes by chance.
    Journal,
    /// Each for itself.
    Chance,
}

/// The disk, from one folder on, which is durable itself.
#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    nodes: Vec<Content>,
    live: BTreeMap<Name, Node>,
    durable: BTreeMap<Name, Node>,
    moves: Vec<Move>,
    moved: usize,
    syncs: HashMap<u32, Sync>,
    places: HashMap<i64, Place>,
}

impl Disk {
    /// An empty disk at this path.
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            nodes: vec![Content { is_folder: true, ..Content::default() }],
            live: BTreeMap::new(),
            durable: BTreeMap::new(),
            moves: Vec::new(),
            moved: 0,
            syncs: HashMap::new(),
            places: HashMap::new(),
        }
    }

    /// The program that wrote was killed, and these are the files that it left. What it wrote is still in the machine's memory, also
    /// what a call wrote whose end nobody saw.
    pub(super) fn program_ended(&mut self, left: &BTreeMap<PathBuf, Vec<u8>>) {
        self.places.clear();
        self.syncs.clear();
        for (path, bytes) in left {
            let path = self.root.join(path);
            let Some(folder) = path.parent().and_then(|folder| self.by_path(folder)) else { continue };
            let name = (folder, path.file_name().expect("a name").to_owned());
            let node = self.live.get(&name).copied().unwrap_or_else(|| {
                let node = self.node(false);
                self.moves_name(None, Some((name, node)));
                node
            });
            if self.bytes(node) != *bytes {
                println!("{} has what no call was seen to end", path.display());
                self.change(node, Change::Length(bytes.len()));
                self.change(node, Change::Write(0, bytes.clone()));
            }
        }
        let is_gone = |(folder, name): &Name| {
            let path = self.path_of(*folder).map(|folder| folder.join(name));
            path.is_some_and(|path| !left.contains_key(&path))
        };
        let files = self.live.iter().filter(|(_, node)| !self.nodes[**node].is_folder);
        let gone: Vec<Name> = files.map(|(name, _)| name).filter(|name| is_gone(name)).cloned().collect();
        for name in gone {
            self.moves_name(Some(name), None);
        }
    }

    /// What a file holds now, in memory.
    fn bytes(&self, node: Node) -> Vec<u8> {
        let content = &self.nodes[node];
        let mut bytes = content.durable.clone();
        content.pending.iter().for_each(|change| change.apply(&mut bytes));
        bytes
    }

    /// Where a folder is, below the root.
    fn path_of(&self, folder: Node) -> Option<PathBuf> {
        if folder == 0 {
            return Some(PathBuf::new());
        }
        let ((above, name), _) = self.live.iter().find(|(_, node)| **node == folder)?;
        Some(self.path_of(*above)?.join(name))
    }

    /// Something happened. Whether that changed what a cut would leave.
    pub(super) fn see(&mut self, thread: u32, step: &Step) -> bool {
        match step {
            Step::Begins(call) => self.begins(thread, call),
            Step::Ends(call, result) => return self.ends(thread, call, *result),
        }
        false
    }

    fn begins(&mut self, thread: u32, call: &Call) {
        if matches!(call.name.as_str(), "fsync" | "fdatasync")
            && let Some(node) = self.by_descriptor(call, 0)
        {
            let content = &self.nodes[node];
            let changes = content.settled + content.pending.len();
            self.syncs.insert(thread, Sync { node, changes, moves: self.moved });
        }
    }

    fn ends(&mut self, thread: u32, call: &Call, result: i64) -> bool {
        let returned = usize::try_from(result).expect("no failure");
        match call.name.as_str() {
            "open" | "openat" | "creat" => return self.opens(call, result),
            "fsync" | "fdatasync" => match self.syncs.remove(&thread) {
                Some(sync) => self.settle(&sync),
                None => return false,
            },
            "write" => {
                let Some(place) = self.written_at(call) else { return false };
                let offset = if place.appends { self.length(place.node) } else { place.offset };
                self.change(place.node, Change::Write(offset, call.bytes(1)[..returned].to_vec()));
                if let Some(place) = self.places.get_mut(&call.descriptor(0).0) {
                    place.offset = offset + returned;
                }
            }
            "pwrite64" => {
                let Some(node) = self.by_descriptor(call, 0) else { return false };
                let offset = usize::try_from(call.number(3)).expect("an offset");
                self.change(node, Change::Write(offset, call.bytes(1)[..returned].to_vec()));
            }
            "ftruncate" => {
                let Some(node) = self.by_descriptor(call, 0) else { return false };
                self.change(node, Change::Length(usize::try_from(call.number(1)).expect("a length")));
            }
            "lseek" => {
                if let Some(place) = self.places.get_mut(&call.descriptor(0).0) {
                    place.offset = returned;
                }
                return false;
            }
            "fcntl" | "dup" | "dup2" | "dup3" => {
                self.duplicates(call, result);
                return false;
            }
            "mkdir" | "mkdirat" => {
                let Some(name) = self.named(call, call.arguments.len() - 2) else { return false };
                let node = self.node(true);
                self.moves_name(None, Some((name, node)));
            }
            "unlink" | "rmdir" | "unlinkat" => {
                let place = usize::from(call.name == "unlinkat");
                let Some(name) = self.named(call, place) else { return false };
                self.moves_name(Some(name), None);
            }
            "rename" | "renameat" | "renameat2" | "link" | "linkat" => {
                let (from, to) = if matches!(call.name.as_str(), "rename" | "link") { (0, 1) } else { (1, 3) };
                let (Some(from), Some(to)) = (self.named(call, from), self.named(call, to)) else { return false };
                let node = *self.live.get(&from).unwrap_or_else(|| panic!("nothing is called {from:?}"));
                let keeps = call.name.starts_with("link");
                self.moves_name((!keeps).then_some(from), Some((to, node)));
            }
            // The one starts writing, waits for it, and makes nothing durable; the other writes nothing.
            "sync_file_range" | "ioctl" => return false,
            "mmap" => {
                let shared = call.word(3).contains("MAP_SHARED") && call.word(2).contains("PROT_WRITE");
                assert!(
                    !shared || self.by_descriptor(call, 4).is_none(),
                    "a mapping writes past this record: {call:?}"
                );
                return false;
            }
            other => {
                let touches = call.arguments.iter().any(|argument| match argument {
                    super::record::Argument::Descriptor(_, path) => path.starts_with(&self.root) && *path != self.root,
                    _ => false,
                });
                assert!(!touches, "{other} changes files, and this disk does not know how: {call:?}");
                return false;
            }
        }
        true
    }

    /// Opens, makes or empties a file.
    fn opens(&mut self, call: &Call, descriptor: i64) -> bool {
        self.places.remove(&descriptor);
        let place = usize::from(call.name == "openat");
        let Some(name) = self.named(call, place) else { return false };
        let flags = call.word(place + 1).to_owned();
        assert!(!flags.contains("O_TMPFILE") && !flags.contains("O_SYNC") && !flags.contains("O_DSYNC"), "{call:?}");
        let mut changed = false;
        let node = match self.live.get(&name) {
            Some(node) => *node,
            None if flags.contains("O_CREAT") => {
                let node = self.node(false);
                self.moves_name(None, Some((name, node)));
                changed = true;
                node
            }
            // Was there before the record began.
            None => return false,
        };
        if flags.contains("O_TRUNC") && self.length(node) > 0 {
            self.change(node, Change::Length(0));
            changed = true;
        }
        self.places.insert(descriptor, Place { node, offset: 0, appends: flags.contains("O_APPEND") });
        changed
    }

    fn duplicates(&mut self, call: &Call, result: i64) {
        if call.name != "fcntl" || call.word(1).starts_with("F_DUPFD") {
            match self.places.get(&call.descriptor(0).0).copied() {
                Some(place) => self.places.insert(result, place),
                None => self.places.remove(&result),
            };
        }
    }

    fn written_at(&self, call: &Call) -> Option<Place> {
        let node = self.by_descriptor(call, 0)?;
        let place = self.places.get(&call.descriptor(0).0);
        let place =
            place.unwrap_or_else(|| panic!("nobody knows where this descriptor stands: {:?}", call.arguments[0]));
        assert_eq!(place.node, node, "another file than this descriptor was opened for: {:?}", call.arguments[0]);
        Some(*place)
    }

    fn node(&mut self, is_folder: bool) -> Node {
        self.nodes.push(Content { is_folder, ..Content::default() });
        self.nodes.len() - 1
    }

    fn change(&mut self, node: Node, change: Change) {
        self.nodes[node].pending.push(change);
    }

    fn moves_name(&mut self, from: Option<Name>, to: Option<(Name, Node)>) {
        let moved = Move { number: self.moved, from, to };
        self.moved += 1;
        moved.apply(&mut self.live);
        self.moves.push(moved);
    }

    fn settle(&mut self, sync: &Sync) {
        let content = &mut self.nodes[sync.node];
        let covered = sync.changes.saturating_sub(content.settled);
        for change in content.pending.drain(..covered) {
            change.apply(&mut content.durable);
        }
        content.settled += covered;
        if content.is_folder {
            let moves = std::mem::take(&mut self.moves);
            let (settled, open) =
                moves.into_iter().partition(|moved: &Move| moved.number < sync.moves && moved.touches(sync.node));
            self.moves = open;
            for moved in settled {
                moved.apply(&mut self.durable);
            }
        }
    }

    fn length(&self, node: Node) -> usize {
        let content = &self.nodes[node];
        content.pending.iter().fold(content.durable.len(), |length, change| change.length(length))
    }

    /// What a descriptor stands for, if that is on this disk.
    fn by_descriptor(&self, call: &Call, place: usize) -> Option<Node> {
        self.by_path(call.descriptor(place).1)
    }

    fn by_path(&self, path: &Path) -> Option<Node> {
        let path = path.strip_prefix(&self.root).ok()?;
        path.iter().try_fold(0, |folder, name| self.live.get(&(folder, name.to_owned())).copied())
    }

    /// A name among the arguments, if it is on this disk.
    fn named(&self, call: &Call, place: usize) -> Option<Name> {
        let mut path = call.path(place).to_owned();
        if path.is_relative() {
            let folder = match place.checked_sub(1).map(|before| &call.arguments[before]) {
                Some(super::record::Argument::Descriptor(_, folder)) => folder.clone(),
                _ => self.root.clone(),
            };
            path = folder.join(path);
        }
        let folder = self.by_path(path.parent()?)?;
        Some((folder, path.file_name()?.to_owned()))
    }

    /// Cuts the power and writes what is left to this folder.
    pub(super) fn cut_power(&self, to: &Path, chance: &mut StdRng) {
        let mercies = [Mercy::None, Mercy::Everything, Mercy::Journal, Mercy::Chance, Mercy::Chance];
        let mercy = *mercies.choose(chance).expect("a mercy");
        let mut names = self.durable.clone();
        let until = chance.random_range(0..=self.moves.len());
        for (place, moved) in self.moves.iter().enumerate() {
            let kept = match mercy {
                Mercy::None => false,
                Mercy::Everything => true,
                Mercy::Journal => place < until,
                Mercy::Chance => chance.random(),
            };
            if kept {
                moved.apply(&mut names);
            }
        }
        let mut folders = vec![(0, to.to_owned())];
        while let Some((folder, path)) = folders.pop() {
            let start = (folder, OsString::new());
            for ((_, name), node) in names.range(start..).take_while(|((of, _), _)| *of == folder) {
                let path = path.join(name);
                let content = &self.nodes[*node];
                if content.is_folder {
                    std::fs::create_dir(&path).expect("a folder");
                    folders.push((*node, path));
                } else {
                    std::fs::write(&path, content.after_cut(mercy, chance)).expect("a file");
                }
            }
        }
    }
}

impl Content {
    fn after_cut(&self, mercy: Mercy, chance: &mut StdRng) -> Vec<u8> {
        let mut left = self.durable.clone();
        match mercy {
            Mercy::None => return left,
            Mercy::Everything => {
                self.pending.iter().for_each(|change| change.apply(&mut left));
                return left;
            }
            Mercy::Journal | Mercy::Chance => {}
        }
        let lengths = chance.random_range(0..=self.pending.len());
        let length = self.pending[..lengths].iter().fold(left.len(), |length, change| change.length(length));
        let highest = self.pending.iter().scan(left.len(), |length, change| {
            *length = change.length(*length);
            Some(*length)
        });
        left.resize(highest.max().unwrap_or(0).max(left.len()), 0);
        for start in (0..left.len()).step_by(PAGE) {
            let page = start..(start + PAGE).min(left.len());
            let touching: Vec<&Change> = self.pending.iter().filter(|change| change.touches(&page)).collect();
            if touching.is_empty() {
                continue;
            }
            let torn = chance.random_bool(0.125);
            let mut kept = chance.random_range(0..=touching.len());
            let before = left[page.clone()].to_vec();
            for sector in page.clone().step_by(SECTOR) {
                let sector = sector..(sector + SECTOR).min(page.end);
                if torn {
                    kept = chance.random_range(0..=touching.len());
                }
                let mut bytes = before[sector.start - start..sector.end - start].to_vec();
                touching[..kept].iter().for_each(|change| change.apply_within(&sector, &mut bytes));
                left[sector].copy_from_slice(&bytes);
            }
        }
        left.resize(length, 0);
        left
    }
}

impl Change {
    fn length(&self, before: usize) -> usize {
        match self {
            Self::Write(at, bytes) => before.max(at + bytes.len()),
            Self::Length(length) => *length,
        }
    }

    fn apply(&self, to: &mut Vec<u8>) {
        to.resize(self.length(to.len()), 0);
        if let Self::Write(at, bytes) = self {
            to[*at..at + bytes.len()].copy_from_slice(bytes);
        }
    }

    fn touches(&self, range: &std::ops::Range<usize>) -> bool {
        match self {
            Self::Write(at, bytes) => *at < range.end && at + bytes.len() > range.start,
            Self::Length(length) => *length < range.end,
        }
    }

    /// Applies what of it is in this range to that range's bytes.
    fn apply_within(&self, range: &std::ops::Range<usize>, bytes: &mut [u8]) {
        match self {
            Self::Write(at, written) => {
                let (start, end) = (range.start.max(*at), range.end.min(at + written.len()));
                if start < end {
                    bytes[start - range.start..end - range.start].copy_from_slice(&written[start - at..end - at]);
                }
            }
            Self::Length(length) => bytes[length.saturating_sub(range.start).min(range.len())..].fill(0),
        }
    }
}
