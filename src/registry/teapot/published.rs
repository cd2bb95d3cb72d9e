//! What clients may see of a repository, made once per change and answered from memory.

use std::collections::HashMap;
use std::sync::OnceLock;

use bytes::Bytes;

use super::index::{pack, write_index};
use super::shelf::Shelf;
use super::{Catalog, Entry, IndexStatus, Instance, Integrity, Kind, Signature, TeapotError, tcl_list};

/// The key whose value clients print beside an instance.
const NOTE: &str = "as::note";

/// Whether an instance may be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// In the index and in every answer.
    Shown,
    /// Nowhere.
    Hidden,
}

/// One view of a repository: its index, the status that goes with exactly those bytes, and every other answer.
#[derive(Debug)]
pub struct Published {
    pub(super) status: IndexStatus,
    pub(super) status_page: Bytes,
    pub(super) index: Bytes,
    pub(super) shelf: Shelf,
    /// The lists of everything and of each kind, which are the large ones.
    pub(super) lists: [OnceLock<Bytes>; 6],
    /// The list of all names.
    pub(super) names: OnceLock<Bytes>,
}

impl Published {
    /// Builds a view. `imtime` must be larger than in every view before, whichever way it changed: clients take a new index for
    /// no other reason. Each note is a sentence that clients print beside its instance.
    ///
    /// Redirects are left out always: a client would follow them past us, and keep the foreign address for good.
    pub fn build(
        catalog: &Catalog,
        visible: &dyn Fn(&Instance) -> Visibility,
        notes: &[(Instance, String)],
        imtime: i64,
    ) -> Result<Self, TeapotError> {
        let mut notes_of: HashMap<&Instance, Vec<&str>> = HashMap::new();
        for (instance, sentence) in notes {
            notes_of.entry(instance).or_default().push(sentence);
        }
        let entries: Vec<Entry> = catalog
            .entries()
            .iter()
            .filter(|entry| entry.instance.kind != Kind::Redirect)
            .filter(|entry| visible(&entry.instance) == Visibility::Shown)
            .map(|entry| with_notes(entry, notes_of.get(&entry.instance).map_or(&[], Vec::as_slice)))
            .collect();
        // Half of the time goes into the index, the rest can be done beside it.
        let (index, shelf) = std::thread::scope(|both| {
            let index = both.spawn(|| index_with_status(&entries, imtime));
            let shelf = Shelf::new(entries.clone());
            (index.join(), shelf)
        });
        let (index, status) = index.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(Self {
            status_page: status.page().into(),
            status,
            index,
            shelf,
            lists: Default::default(),
            names: OnceLock::new(),
        })
    }

    /// What `db/status` says.
    pub fn status(&self) -> &IndexStatus {
        &self.status
    }

    /// The bytes of `db/index`.
    pub fn index(&self) -> &Bytes {
        &self.index
    }

    /// Whether the instance is in this view.
    pub fn shows(&self, instance: &Instance) -> bool {
        self.shelf.get(instance).is_some()
    }

    /// The signature of a file in this view.
    pub fn signature(&self, instance: &Instance) -> Option<Signature> {
        self.shelf.get(instance).map(|item| item.entry.signature)
    }

    /// How many instances are shown.
    pub fn len(&self) -> usize {
        self.shelf.items().len()
    }

    /// Whether none is shown.
    pub fn is_empty(&self) -> bool {
        self.shelf.items().is_empty()
    }
}

/// The bytes of `db/index`, and the status that goes with them.
fn index_with_status(entries: &[Entry], imtime: i64) -> Result<(Bytes, IndexStatus), TeapotError> {
    let plain = write_index(entries.iter())?;
    let packed = pack(&plain)?;
    let status = IndexStatus { imtime, jmtime: imtime, integrity: Some(Integrity::of(&plain, &packed)) };
    Ok((packed.into(), status))
}

/// The entry with our sentences before its own notes.
fn with_notes(entry: &Entry, sentences: &[&str]) -> Entry {
    let mut entry = entry.clone();
    if sentences.is_empty() {
        return entry;
    }
    let own = entry.value(NOTE).and_then(|value| tcl_list::read(value).ok()).unwrap_or_default();
    let note = tcl_list::write(sentences.iter().copied().chain(own.iter().map(String::as_str)));
    match entry.meta.binary_search_by(|(key, _)| (**key).cmp(NOTE)) {
        Ok(at) => entry.meta[at].1 = note.into(),
        Err(at) => entry.meta.insert(at, (NOTE.into(), note.into())),
    }
    entry
}
