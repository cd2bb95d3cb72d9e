//! Makes what is shown again: which instances, with which notes, under which count.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sha2::Digest as _;

use super::super::{Quarantine, QuarantineError};
use super::kept::Kept;
use super::stock::Stock;
use super::{Teapot, TeapotShelf, Waits};
use crate::domain::{Ecosystem, NamePattern, Project, Sha256, Timestamp};
use crate::registry::teapot::{Instance, Published, Visibility};

/// How long a client waits for what was just decided to show before it gets the last good view.
const LAST_GOOD_AFTER: Duration = Duration::from_secs(10);

/// So many sentences stand beside one instance.
const MOST_NOTES: usize = 5;
/// An upstream whose index is of a later time than this is wrong, and must not use up the numbers that are left to count with.
const FUTURE: time::Duration = time::Duration::days(366);

/// Everything that decides what is shown.
struct Exhibition {
    stock: Arc<Stock>,
    shelves: HashMap<Project, Arc<TeapotShelf>>,
    /// What has no shelf only because it could not be made.
    unmade: HashSet<Project>,
    internal: Vec<NamePattern>,
    /// Whether what no shelf speaks of may be seen.
    unspoken: Visibility,
}

/// What is shown: instances by their places, sentences beside some of them.
struct Shown {
    visible: Vec<bool>,
    notes: Vec<(Instance, String)>,
}

impl Exhibition {
    fn choose(&self) -> Shown {
        let entries = self.stock.catalog.entries();
        let visible: Vec<bool> = (0..entries.len()).map(|place| self.is_shown(place)).collect();
        let mut newest: HashMap<(&str, &str, &str), usize> = HashMap::new();
        for (place, entry) in entries.iter().enumerate().filter(|(place, _)| visible[*place]) {
            let instance = &entry.instance;
            let key = (instance.kind.as_str(), &*instance.name, &*instance.platform);
            let known = newest.entry(key).or_insert(place);
            if entries[*known].instance.tcl_version() < instance.tcl_version() {
                *known = place;
            }
        }
        let mut waiting: BTreeMap<usize, Vec<(usize, Waits)>> = BTreeMap::new();
        for (place, entry) in entries.iter().enumerate().filter(|(place, _)| !visible[*place]) {
            let instance = &entry.instance;
            let Some(waits) = self.waits(place) else { continue };
            let key = (instance.kind.as_str(), &*instance.name, &*instance.platform);
            if let Some(sibling) = newest.get(&key).filter(|sibling| **sibling != place) {
                waiting.entry(*sibling).or_default().push((place, waits));
            }
        }
        let mut notes: Vec<(Instance, String)> = Vec::new();
        for (sibling, mut waiting) in waiting {
            // The newest are told.
            waiting.sort_by_key(|(place, _)| std::cmp::Reverse(entries[*place].instance.tcl_version()));
            for (place, waits) in waiting.into_iter().take(MOST_NOTES) {
                let version = &entries[place].instance.version;
                let note = match waits {
                    Waits::Until(until) => format!("{version} is in quarantine until {}", day(until)),
                    Waits::Review => format!("{version} is in quarantine until somebody has looked at it"),
                };
                notes.push((entries[sibling].instance.clone(), note));
            }
        }
        Shown { visible, notes }
    }

    fn is_shown(&self, place: usize) -> bool {
        let Some((project, file)) = self.stock.label(place) else { return false };
        if self.internal.iter().any(|pattern| pattern.matches(&project.name)) {
            return false;
        }
        match self.shelves.get(project) {
            // Not on its shelf: not assessed, so not shown.
            Some(known) => known.files.get(file).is_some_and(|instance| instance.open),
            None => self.unspoken == Visibility::Shown && !self.unmade.contains(project),
        }
    }

    fn waits(&self, place: usize) -> Option<Waits> {
        let (project, file) = self.stock.label(place)?;
        self.shelves.get(project)?.files.get(file)?.waits
    }
}

impl Shown {
    /// Identifies what clients see.
    fn digest(&self, stock: &Stock) -> Sha256 {
        let mut hasher = sha2::Sha256::new();
        for (entry, _) in stock.catalog.entries().iter().zip(&self.visible).filter(|(_, visible)| **visible) {
            hasher.update(format!("{} {}\n", entry.instance, entry.signature).as_bytes());
            for (key, value) in &entry.meta {
                for part in [&**key, "=", &**value, "\n"] {
                    hasher.update(part.as_bytes());
                }
            }
        }
        for (instance, note) in &self.notes {
            hasher.update(format!("{instance}: {note}\n").as_bytes());
        }
        Sha256::from_bytes(hasher.finalize().into())
    }
}

fn day(time: Timestamp) -> String {
    // What is shown for a day names the first day on which it is over for sure.
    let ends = time.date();
    let whole = if time.time() == time::Time::MIDNIGHT { ends } else { ends.next_day().unwrap_or(ends) };
    whole.to_string()
}

impl Quarantine {
    /// Makes what is shown again if something changed since it was made.
    pub(super) async fn publish_teapot(self: &Arc<Self>, teapot: &Teapot) -> Result<(), QuarantineError> {
        let _one = teapot.publishing.lock().await;
        self.regime();
        let changes = teapot.shelves.changes();
        let now = self.timekeeper.now();
        let due = teapot.next_unspoken.load().as_deref().is_some_and(|at| *at <= now);
        let unmade = teapot.unmade.load(Ordering::Relaxed);
        if !due && !unmade && teapot.published().is_some_and(|(made, _)| made >= changes) {
            return Ok(());
        }
        // In this order: whatever changed in an index is on its shelf before that index is looked at.
        let Some(stock) = teapot.stock.load_full() else { return Ok(()) };
        let unmade = self.remake(&teapot.shelves, TeapotShelf::of).await;
        teapot.unmade.store(!unmade.is_empty(), Ordering::Relaxed);
        let folder = teapot.settings.folder.clone();
        let mut state = Kept::read(&folder).await;
        // Without trust, what the first index had waits as long as anything may.
        let first_hold = state.baseline.unwrap_or(now) + self.policy().longest_hold(Ecosystem::Teapot);
        let read_since = stock.read_at() >= first_hold && self.timekeeper.check().is_ok();
        let waits = !teapot.index.trusted && !read_since;
        teapot.next_unspoken.store(waits.then(|| Arc::new(first_hold)));
        // What was there at first may have come after a freeze began.
        let frozen = self.frost_of(Ecosystem::Teapot).is_some_and(|frost| state.baseline.unwrap_or(now) > frost.since);
        let exhibition = Exhibition {
            stock: stock.clone(),
            shelves: teapot.shelves.by_project(),
            unmade,
            internal: self.policy().namespaces.of(Ecosystem::Teapot).to_vec(),
            unspoken: if waits || frozen { Visibility::Hidden } else { Visibility::Shown },
        };
        let upstream_time = stock.status.imtime;
        let last = teapot.published();
        let shown_time = last.as_ref().map_or(0, |(_, published)| published.status().imtime);
        let made = tokio::task::spawn_blocking(move || {
            let shown = exhibition.choose();
            let digest = shown.digest(&stock);
            if state.shown == Some(digest) && last.is_some() {
                return Ok((state, None));
            }
            if state.shown != Some(digest) {
                // Clients take another index for no other reason than this number, so it rises with every change, never falls,
                // and is not behind what they had from the repository itself.
                let upstream_time = upstream_time.min((now + FUTURE).unix_timestamp());
                state.imtime =
                    state.imtime.max(shown_time).saturating_add(1).max(upstream_time).max(now.unix_timestamp());
                state.shown = Some(digest);
            }
            let visible: HashMap<&Instance, bool> = stock
                .catalog
                .entries()
                .iter()
                .map(|entry| &entry.instance)
                .zip(shown.visible.iter().copied())
                .collect();
            let visibility = |instance: &Instance| {
                if visible.get(instance) == Some(&true) { Visibility::Shown } else { Visibility::Hidden }
            };
            let published = Published::build(&stock.catalog, &visibility, &shown.notes, state.imtime);
            published.map(|published| (state, Some(published)))
        });
        let made = made.await.map_err(|panic| QuarantineError::Fetch(panic.to_string()))?;
        let (state, published) = made.map_err(|error| QuarantineError::Fetch(format!("the teapot index: {error}")))?;
        let published = match published {
            Some(published) => {
                // On disk before it is shown: after a restart the count must not fall.
                let kept = state.write(&folder).await;
                kept.map_err(|error| QuarantineError::Fetch(format!("the teapot state cannot be kept: {error}")))?;
                Arc::new(published)
            }
            None => match teapot.published() {
                Some((_, published)) => published,
                None => return Ok(()),
            },
        };
        teapot.published.store(Some(Arc::new((changes, published))));
        teapot.made.send_replace(changes);
        Ok(())
    }

    /// What is shown, made again first if something changed; waits for the first. `None`: there is nothing yet, and it cannot be
    /// had now.
    pub async fn teapot_view(self: &Arc<Self>, patience: Duration) -> Option<Arc<Published>> {
        let teapot = self.teapot.as_ref()?;
        teapot.ask_for();
        self.regime();
        let wanted = teapot.shelves.changes();
        if let Some((_, published)) = teapot.published().filter(|(made, _)| *made >= wanted) {
            return Some(published);
        }
        let mut made = teapot.made.subscribe();
        let house = self.clone();
        // A task of its own: a client that hangs up does not end what others wait for.
        let making = tokio::spawn(async move {
            if let Err(error) = house.make_teapot_view().await {
                tracing::error!(%error, "the teapot index could not be made");
            }
        });
        let patience = if teapot.published().is_some() { patience.min(LAST_GOOD_AFTER) } else { patience };
        let ready = async {
            tokio::select! {
                _ = made.wait_for(|made| *made >= wanted) => {}
                // It is made, or it will not be soon.
                _ = making => {}
            }
        };
        let _ = tokio::time::timeout(patience, ready).await;
        teapot.published().map(|(_, published)| published)
    }

    /// What was decided shows though the upstream does not answer; only the first time it is waited for.
    async fn make_teapot_view(self: &Arc<Self>) -> Result<(), QuarantineError> {
        match self.teapot.as_ref().filter(|teapot| teapot.stock.load().is_some()) {
            Some(teapot) => self.publish_teapot(teapot).await,
            None => self.poll_teapot().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;
    use time::macros::datetime;

    use super::super::Shelved;
    use super::super::stock::file_of;
    use super::*;
    use crate::registry::teapot::{IndexStatus, Signature, read_index};

    const UNTIL: Timestamp = datetime!(2026-11-29 13:03 UTC);

    fn stock(instances: &[(&str, &str)]) -> Arc<Stock> {
        let mut database = Connection::open_in_memory().unwrap();
        database
            .execute_batch(
                "CREATE TABLE teapot (name TEXT NOT NULL, version TEXT NOT NULL, rcsid TEXT NOT NULL);
                 INSERT INTO teapot VALUES ('TEAPOT', '0.2', '$Id$');
                 CREATE TABLE instances (type TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
                     platform TEXT NOT NULL, isprofile INTEGER NOT NULL, file TEXT NOT NULL);
                 CREATE TABLE meta (file TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL);",
            )
            .unwrap();
        for (name, version) in instances {
            let file = Signature::of(format!("{name} {version}").as_bytes()).unwrap().to_string();
            let row = (name, version, file);
            database.execute("INSERT INTO instances VALUES ('package', ?1, ?2, 'tcl', 0, ?3)", row).unwrap();
        }
        let catalog = read_index(&database.serialize("main").unwrap()).unwrap();
        Arc::new(Stock::of(catalog, IndexStatus { imtime: 1, jmtime: 1, integrity: None }, UNTIL))
    }

    fn exhibition(stock: &Arc<Stock>) -> Exhibition {
        Exhibition {
            stock: stock.clone(),
            shelves: HashMap::new(),
            unmade: HashSet::new(),
            internal: Vec::new(),
            unspoken: Visibility::Shown,
        }
    }

    fn shelf(stock: &Stock, name: &str, of: impl Fn(&str) -> Shelved) -> (Project, Arc<TeapotShelf>) {
        let project: Project = format!("teapot:{name}").parse().unwrap();
        let files = stock.of_name(&project).map(|entry| (file_of(entry).unwrap(), of(&entry.instance.version)));
        let files = files.collect();
        (project, Arc::new(TeapotShelf { files }))
    }

    const OPEN: Shelved = Shelved { open: true, waits: None };
    const fn waits(waits: Waits) -> Shelved {
        Shelved { open: false, waits: Some(waits) }
    }

    #[test]
    fn what_no_shelf_speaks_of_is_shown_unless_its_shelf_could_not_be_made() {
        let stock = stock(&[("acme", "1.0"), ("other", "1.0")]);
        assert_eq!(exhibition(&stock).choose().visible, [true, true]);
        let unmade = HashSet::from(["teapot:acme".parse().unwrap()]);
        assert_eq!(Exhibition { unmade, ..exhibition(&stock) }.choose().visible, [false, true]);
        let unspoken = Visibility::Hidden;
        assert_eq!(Exhibition { unspoken, ..exhibition(&stock) }.choose().visible, [false, false]);
        let internal = vec![NamePattern::parse(Ecosystem::Teapot, "acme").unwrap()];
        assert_eq!(Exhibition { internal, ..exhibition(&stock) }.choose().visible, [false, true]);
    }

    #[test]
    fn the_newest_that_is_shown_says_which_newest_wait() {
        let versions: Vec<String> = (0..20).map(|minor| format!("1.{minor}")).collect();
        let instances: Vec<(&str, &str)> = versions.iter().map(|version| ("acme", &**version)).collect();
        let stock = stock(&instances);
        let stands = |version: &str| match version {
            "1.0" | "1.1" => OPEN,
            "1.18" => waits(Waits::Review),
            _ => waits(Waits::Until(UNTIL)),
        };
        let shelves = HashMap::from([shelf(&stock, "acme", stands)]);
        let shown = Exhibition { shelves, ..exhibition(&stock) }.choose();
        assert_eq!(shown.visible.iter().filter(|visible| **visible).count(), 2);
        let notes: Vec<String> = shown.notes.iter().map(|(instance, note)| format!("{instance}: {note}")).collect();
        assert_eq!(notes.len(), MOST_NOTES);
        assert_eq!(notes[0], "package acme 1.1 tcl: 1.19 is in quarantine until 2026-11-30");
        assert_eq!(notes[1], "package acme 1.1 tcl: 1.18 is in quarantine until somebody has looked at it");
    }

    #[test]
    fn another_note_is_another_view() {
        let stock = stock(&[("acme", "1.0"), ("acme", "2.0")]);
        let seen = |until| {
            let stands = |version: &str| if version == "1.0" { OPEN } else { waits(Waits::Until(until)) };
            let shelves = HashMap::from([shelf(&stock, "acme", stands)]);
            Exhibition { shelves, ..exhibition(&stock) }.choose().digest(&stock)
        };
        assert_eq!(seen(UNTIL), seen(UNTIL));
        assert_ne!(seen(UNTIL), seen(UNTIL + time::Duration::DAY));
    }
}
