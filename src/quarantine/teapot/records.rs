//! What a teapot index says of the instances of a name, in the form in which judging needs it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::{Quarantine, QuarantineError};
use super::stock::Stock;
use crate::corpus::Neighbour;
use crate::domain::{FileName, KnownFile, KnownProject, Project, Sha256, Standing, State, Timestamp, Upload};
use crate::registry::teapot::Entry;
use crate::signals::{EarlierInstance, TeapotFacts};

/// What is said of the instances of one name.
#[derive(Debug, Default)]
pub struct TeapotRecords {
    facts: BTreeMap<FileName, TeapotFacts>,
    look_alikes: Vec<Neighbour>,
}

impl TeapotRecords {
    /// Identifies what is said.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(&serde_json::to_vec(&(&self.facts, &self.look_alikes)).unwrap_or_default())
    }

    /// What is said of a file.
    pub fn facts(&self, filename: &FileName) -> Option<&TeapotFacts> {
        self.facts.get(filename)
    }

    /// Names that the repository had before this one and that look like it.
    pub fn look_alikes(&self) -> &[Neighbour] {
        &self.look_alikes
    }

    fn of(known: &KnownProject, uploads: &[Upload], stock: &Stock, look_alikes: Vec<Neighbour>) -> Self {
        let states: HashMap<&FileName, State> = uploads.iter().map(|upload| (&upload.filename, upload.state)).collect();
        let accepted = |file: &KnownFile| match states.get(&file.file.filename) {
            Some(state) => *state == State::Released,
            None => file.standing == Standing::Baseline,
        };
        let accepted: Vec<(&KnownFile, &Entry)> = known
            .files
            .iter()
            .filter(|file| accepted(file))
            .filter_map(|file| Some((file, stock.entry(&file.file.filename)?)))
            .collect();
        let mut facts = BTreeMap::new();
        for file in &known.files {
            let Some(entry) = stock.entry(&file.file.filename) else { continue };
            let instance = &entry.instance;
            facts.insert(
                file.file.filename.clone(),
                TeapotFacts {
                    kind: instance.kind.as_str().into(),
                    platform: instance.platform.as_ref().into(),
                    authors: authors(entry),
                    before: before(file, entry, &accepted).map(|before| EarlierInstance {
                        version: before.instance.version.as_ref().into(),
                        authors: authors(before),
                    }),
                    replaced: replaced(file, known),
                },
            );
        }
        Self { facts, look_alikes }
    }
}

/// What a new instance is compared with: the newest version below it that was let in before it came. What is itself held says
/// nothing of who may write the next one. Where there is none below, the oldest above.
fn before<'a>(file: &KnownFile, entry: &Entry, accepted: &[(&KnownFile, &'a Entry)]) -> Option<&'a Entry> {
    let version = entry.instance.tcl_version();
    let earlier = accepted.iter().filter(|(other, _)| other.first_seen < file.first_seen);
    let same_kind = earlier.map(|(_, other)| *other).filter(|other| other.instance.kind == entry.instance.kind);
    let (below, above): (Vec<&Entry>, Vec<&Entry>) = same_kind
        .filter(|other| other.instance.tcl_version() != version)
        .partition(|other| other.instance.tcl_version() < version);
    let by_version = |one: &&Entry, two: &&Entry| one.instance.tcl_version().cmp(&two.instance.tcl_version());
    below.into_iter().max_by(by_version).or_else(|| above.into_iter().min_by(by_version))
}

/// The signature that the same instance had before.
fn replaced(file: &KnownFile, known: &KnownProject) -> Option<Box<str>> {
    // The name of a file ends in its signature.
    let parts = |name: &FileName| name.as_str().rsplit_once('/').map(|(one, two)| (one.to_owned(), two.to_owned()));
    let (instance, signature) = parts(&file.file.filename)?;
    let earlier = known.files.iter().filter(|other| other.first_seen < file.first_seen);
    let same = earlier.filter_map(|other| Some((other.first_seen, parts(&other.file.filename)?)));
    let same = same.filter(|(_, other)| other.0 == instance && other.1 != signature);
    same.max_by_key(|(first_seen, _)| *first_seen).map(|(_, (_, signature))| signature.into())
}

fn authors(entry: &Entry) -> Option<Vec<Box<str>>> {
    entry.authors().map(|authors| authors.into_iter().map(Into::into).collect())
}

/// Since when a name is known here.
fn since(known: &KnownProject) -> Option<Timestamp> {
    known.files.iter().map(|file| file.first_seen).min()
}

impl Quarantine {
    /// What is said of the instances of a name now; of an index that is being taken in, what that says.
    pub(in crate::quarantine) async fn teapot_records(
        &self,
        known: &KnownProject,
        uploads: &[Upload],
    ) -> Result<TeapotRecords, QuarantineError> {
        let Some(teapot) = &self.teapot else { return Ok(TeapotRecords::default()) };
        let present = teapot.stock.load_full();
        let Some(stock) = teapot.arriving.load_full().or_else(|| present.clone()) else {
            return Ok(TeapotRecords::default());
        };
        let look_alikes = match present {
            Some(present) => self.earlier_look_alikes(present, known).await?,
            None => Vec::new(),
        };
        Ok(TeapotRecords::of(known, uploads, &stock, look_alikes))
    }

    /// Names that look like this one and were in the repository before it. One that was there from the first imitates nobody.
    async fn earlier_look_alikes(
        &self,
        stock: Arc<Stock>,
        known: &KnownProject,
    ) -> Result<Vec<Neighbour>, QuarantineError> {
        let Some(since) = since(known).filter(|since| *since > known.first_read) else { return Ok(Vec::new()) };
        let project = known.project.clone();
        let found = tokio::task::spawn_blocking(move || {
            let name =
                |neighbour: &Neighbour| format!("{}:{}", project.ecosystem, neighbour.target).parse::<Project>().ok();
            let found = stock.look_alikes(&project).into_iter();
            found.filter_map(|neighbour| Some((name(&neighbour)?, neighbour))).collect::<Vec<_>>()
        });
        let mut earlier = Vec::new();
        for (project, neighbour) in found.await.map_err(|panic| QuarantineError::Fetch(panic.to_string()))? {
            // Who has no record here was there from the first.
            let other = self.store.project(&project).await?;
            if other.is_none_or(|other| super::records::since(&other).is_none_or(|other| other < since)) {
                earlier.push(neighbour);
            }
        }
        Ok(earlier)
    }
}
