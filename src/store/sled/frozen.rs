//! A moment of the store, read while others go on writing: whoever changes a row first puts aside what it was.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::instance::{self, INSTANCE};
use super::ledger::HEAD;
use super::shelves::{Shelf, Shelves};
use super::{SledStore, keys};
use crate::domain::audit::Head;
use crate::domain::{Project, ProjectName};
use crate::store::portable::{Bytes, Fact, Frozen};
use crate::store::{StoreError, record};

/// Facts in the order in which they leave.
const ORDER: [Shelf; 10] = [
    Shelf::Tokens,
    Shelf::Rules,
    Shelf::PrivateNames,
    Shelf::Listings,
    Shelf::Reads,
    Shelf::Uploads,
    Shelf::Dossiers,
    Shelf::Snapshots,
    Shelf::Downloads,
    Shelf::Ledger,
];
/// So many rows at most, and as many bytes, before they go on their way.
const ROWS: usize = 500;
const BYTES: usize = 4 << 20;

/// A moment.
struct Moment {
    store: SledStore,
    /// How often the store had been opened anew then: one that was since knows nothing of this.
    opened: u64,
    instance: String,
    head: Head,
    highest: Option<Fact>,
    place: usize,
    after: Option<Vec<u8>>,
}

impl SledStore {
    pub(super) async fn frozen(&self) -> Result<Box<dyn Frozen>, StoreError> {
        let (instance, head, highest) = self
            .reading(|shelves| {
                shelves.freeze(|draft| {
                    let head: Option<Head> = draft.read(Shelf::Facts, HEAD)?;
                    let instance: Option<String> = draft.read(Shelf::Facts, INSTANCE)?;
                    Ok((instance.unwrap_or_default(), head.unwrap_or(Head::EMPTY), instance::highest(draft)?))
                })
            })
            .await?;
        let (highest, opened) = (highest.map(Fact::HighestTime), self.shared.mending.count());
        Ok(Box::new(Moment { store: self.clone(), opened, instance, head, highest, place: 0, after: None }))
    }
}

#[async_trait]
impl Frozen for Moment {
    fn instance(&self) -> &str {
        &self.instance
    }

    fn head(&self) -> Head {
        self.head
    }

    async fn next(&mut self) -> Result<Vec<Fact>, StoreError> {
        if let Some(highest) = self.highest.take() {
            return Ok(vec![highest]);
        }
        while let Some(shelf) = ORDER.get(self.place).copied() {
            if self.store.shared.mending.count() != self.opened {
                let why =
                    "the store was opened anew in the middle of an export, because its disk was full; export again";
                return Err(StoreError::Refused(why.to_owned()));
            }
            let after = self.after.take();
            let (facts, last) = self.store.reading(move |shelves| page(shelves, shelf, after.as_deref())).await?;
            match last {
                Some(last) => self.after = Some(last),
                None => self.place += 1,
            }
            if !facts.is_empty() {
                return Ok(facts);
            }
        }
        Ok(Vec::new())
    }
}

impl Drop for Moment {
    fn drop(&mut self) {
        let (store, opened) = (self.store.clone(), self.opened);
        let thaw = move || {
            let is_same = store.shared.mending.count() == opened;
            if is_same && let Err(error) = store.shared.with(|house| house.shelves.thaw()) {
                tracing::warn!(%error, "what an export put aside could not be forgotten; the next export does that first");
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(thaw)),
            Err(_) => thaw(),
        }
    }
}

/// The next facts of a shelf as they were, and where to go on; `None`: nowhere.
fn page(shelves: &Shelves, shelf: Shelf, after: Option<&[u8]>) -> Result<(Vec<Fact>, Option<Vec<u8>>), StoreError> {
    // First what is there, then what was put aside: what is removed in between is among the latter.
    let present = shelves.keys_after(shelf, Vec::new(), after.map(<[u8]>::to_vec)).take(ROWS);
    let present: Vec<Vec<u8>> = present.map(|key| key.map(|key| key.to_vec())).collect::<Result<_, _>>()?;
    let aside: Vec<Vec<u8>> = shelves.aside_after(shelf, after).take(ROWS).collect::<Result<_, _>>()?;
    // Behind the end of a full page there may be more of its kind.
    let ends = [&present, &aside].into_iter().filter(|page| page.len() == ROWS).filter_map(|page| page.last());
    let end = ends.min().cloned();
    let places: BTreeSet<Vec<u8>> = present.into_iter().chain(aside).collect();
    let mut facts = Vec::new();
    let mut bytes = 0;
    let mut last = None;
    for key in &places {
        if end.as_ref().is_some_and(|end| key > end) || bytes > BYTES {
            return Ok((facts, last));
        }
        last = Some(key.clone());
        // In this order: a row that was read before it changed is the one that is put aside.
        if let Some(row) = shelves.row_of_the_moment(shelf, key)? {
            bytes += row.len();
            facts.push(fact(shelf, key, &row)?);
        }
    }
    Ok((facts, if end.is_none() { None } else { last }))
}

fn fact(shelf: Shelf, key: &[u8], row: &[u8]) -> Result<Fact, StoreError> {
    let label = shelf.label(key);
    Ok(match shelf {
        Shelf::Tokens => Fact::Token(record::decode(&label, row)?),
        Shelf::Rules => Fact::Rule(record::decode(&label, row)?),
        Shelf::PrivateNames => {
            Fact::PrivateName { project: project(&label, key)?, index: record::decode(&label, row)? }
        }
        Shelf::Listings => Fact::Project(record::decode(&label, row)?),
        Shelf::Reads => Fact::Read { project: project(&label, key)?, read: record::decode(&label, row)? },
        Shelf::Uploads => Fact::Upload(record::decode(&label, row)?),
        Shelf::Dossiers => Fact::Dossier(Bytes(record::unpack(&label, row)?)),
        Shelf::Snapshots => {
            let subject = std::str::from_utf8(key).map_err(|error| record::unreadable(&label, error))?.to_owned();
            Fact::Snapshot { subject, bytes: Bytes(record::unpack(&label, row)?) }
        }
        Shelf::Downloads => Fact::Download(record::decode(&label, row)?),
        _ => Fact::Event(record::decode(&label, row)?),
    })
}

fn project(label: &str, key: &[u8]) -> Result<Project, StoreError> {
    let ecosystem = keys::ecosystem_of(key).ok_or_else(|| record::unreadable(label, record::Damage::Short))?;
    let name = std::str::from_utf8(key.get(1..).unwrap_or_default());
    let name = name.map_err(|error| record::unreadable(label, error))?;
    let name = ProjectName::parse(ecosystem, name).map_err(|error| record::unreadable(label, error))?;
    Ok(Project { ecosystem, name })
}
