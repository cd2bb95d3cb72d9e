//! The tree of files that unpacking would make: finds names used twice and files written through links.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use sha2::Digest as _;

use super::Objection;
use crate::domain::Sha256;

/// A node of the tree: the SHA-256 of its folder's key and its own name, so that memory does not depend on long paths.
pub(super) type Key = Sha256;

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    /// Listed, or implied by a file in it.
    Folder,
    File,
    Link,
}

/// Where an entry went.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) key: Key,
    /// A file was there already.
    pub(super) repeated: bool,
}

/// All paths met so far.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: HashMap<Key, Node>,
}

impl Tree {
    /// How many paths, implied folders included.
    pub(super) fn len(&self) -> u64 {
        self.nodes.len() as u64
    }

    /// What stands at this path.
    pub(super) fn node(&self, parts: &[&[u8]]) -> Option<Node> {
        self.nodes.get(&key_of(parts)).copied()
    }

    /// Puts an entry at its path. A file over a file is no objection here: the caller compares the contents.
    pub(super) fn place(&mut self, parts: &[&[u8]], node: Node, shown: &str) -> Result<Place, Objection> {
        let mut key = ROOT;
        if let Some((_, folders)) = parts.split_last() {
            for folder in folders {
                key = child(&key, folder);
                match self.nodes.entry(key).or_insert(Node::Folder) {
                    Node::Folder => {}
                    Node::Link => return Err(Objection::ThroughLink { path: shown.to_owned() }),
                    Node::File => return Err(duplicate(shown)),
                }
            }
        }
        if let Some(name) = parts.last() {
            key = child(&key, name);
        }
        let repeated = match self.nodes.entry(key) {
            Slot::Vacant(slot) => {
                slot.insert(node);
                false
            }
            Slot::Occupied(slot) => match (*slot.get(), node) {
                (Node::Folder, Node::Folder) => false,
                (Node::File, Node::File) => true,
                _ => return Err(duplicate(shown)),
            },
        };
        Ok(Place { key, repeated })
    }
}

const ROOT: Key = Sha256::from_bytes([0; 32]);

fn child(parent: &Key, name: &[u8]) -> Key {
    Sha256::from_bytes(sha2::Sha256::new_with_prefix(parent.as_bytes()).chain_update(name).finalize().into())
}

/// The key of a path.
pub(super) fn key_of(parts: &[&[u8]]) -> Key {
    parts.iter().fold(ROOT, |key, part| child(&key, part))
}

fn duplicate(shown: &str) -> Objection {
    Objection::DuplicateEntry { path: shown.to_owned(), identical: false }
}
