//! Makes the served index again: shelves of what changed, the overlay over the upstream's rows, the bytes.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use sha2::Digest as _;

use super::super::{Asker, Quarantine, QuarantineError};
use super::overlay::{Overlay, Shelf, Shelved, overlay};
use super::served::{ServedIndex, Written};
use super::snapshot::Snapshot;
use super::{Cpan, Mirror};
use crate::domain::{NamePattern, Project, Sha256, Timestamp, Version};
use crate::registry::cpan::packages::{Head, PackageIndex, Row, RowText, compare_lines, write_packed};

/// How long a client waits for what was just decided to show before it gets the last good index.
const LAST_GOOD_AFTER: Duration = Duration::from_secs(10);

/// What is put together to one index.
struct Sheets {
    public: Option<Arc<Snapshot>>,
    private: Vec<Arc<Snapshot>>,
    overlay: Arc<Overlay>,
    /// Families of packages that nothing public may provide.
    reserved: Vec<NamePattern>,
    url: String,
}

impl Sheets {
    /// Identifies the rows without writing them.
    fn digest(&self) -> Sha256 {
        let mut hasher = sha2::Sha256::new();
        for snapshot in self.public.iter().chain(&self.private) {
            hasher.update(snapshot.index.digest().as_bytes());
        }
        let mut shut: Vec<&str> = self.overlay.shut.iter().map(|path| &**path).collect();
        shut.sort_unstable();
        for text in shut {
            hasher.update(text.as_bytes());
            hasher.update([0]);
        }
        for (package, row) in &self.overlay.rows {
            hasher.update(format!("{package} {} {}\n", row.version, row.path).as_bytes());
        }
        for pattern in &self.reserved {
            hasher.update(format!("{pattern}\n").as_bytes());
        }
        hasher.update(self.url.as_bytes());
        Sha256::from_bytes(hasher.finalize().into())
    }

    /// Lines that do not come from the public index.
    fn own_lines(&self) -> Vec<Cow<'_, str>> {
        let overlaid = self.overlay.rows.iter();
        let mut lines: Vec<Cow<'_, str>> = overlaid
            .map(|(package, row)| RowText::Row { package, version: &row.version, path: &row.path }.line().into())
            .collect();
        for (place, snapshot) in self.private.iter().enumerate() {
            let earlier = &self.private[..place];
            let first = |row: &Row<'_>| !earlier.iter().any(|other| other.index.find(row.package).is_some());
            let open =
                |row: &Row<'_>| !self.overlay.shut.contains(row.path) && !self.overlay.rows.contains_key(row.package);
            lines.extend(snapshot.index.rows().filter(first).filter(open).map(|row| Cow::from(row.line)));
        }
        lines.sort_by(|one, two| compare_lines(one, two));
        lines
    }

    /// For each row of the public index, whether it stays out: it is shut, replaced, or its name belongs to a private mirror.
    fn left_out(&self, index: &PackageIndex) -> Vec<bool> {
        let mut left_out = vec![false; index.len()];
        let shut = self.overlay.shut.iter().flat_map(|path| index.numbers_of_path(path));
        let private = self.private.iter().flat_map(|snapshot| snapshot.index.rows().map(|row| row.package));
        let replaced = self.overlay.rows.keys().map(|package| &**package).chain(private);
        for number in shut.chain(replaced.filter_map(|package| index.number_of(package))) {
            if let Some(left_out) = left_out.get_mut(number as usize) {
                *left_out = true;
            }
        }
        if !self.reserved.is_empty() {
            for (row, left_out) in index.rows().zip(&mut left_out) {
                *left_out |= self.reserved.iter().any(|pattern| pattern.matches_package(row.package));
            }
        }
        left_out
    }

    fn write(&self, modified: Timestamp) -> Written {
        let own = self.own_lines();
        let mut own = own.iter().map(|line| &**line).peekable();
        let mut lines: Vec<&str> =
            Vec::with_capacity(self.public.as_ref().map_or(0, |public| public.index.len()) + own.len());
        if let Some(public) = &self.public {
            let left_out = self.left_out(&public.index);
            for (line, _) in public.index.lines().zip(left_out).filter(|(_, left_out)| !left_out) {
                while let Some(first) = own.next_if(|own| compare_lines(own, line).is_lt()) {
                    lines.push(first);
                }
                lines.push(line);
            }
        }
        lines.extend(own);
        let head = Head {
            url: self.url.clone(),
            last_updated: modified,
            written_by: concat!("lazaret ", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        let rows = lines.len();
        let (gzip, plain_length) = write_packed(lines, &head);
        Written { gzip, plain_length, rows }
    }
}

impl Cpan {
    /// A distribution of which only the index is known, with all its releases held.
    fn closed_shelf(&self, project: &Project) -> Shelf {
        let listed = self.mirrors.iter().filter_map(|mirror| mirror.snapshot.load_full());
        let releases = listed.flat_map(|snapshot| {
            let release = |path: &str| Shelved {
                path: path.into(),
                version: Version::zero(),
                first_seen: snapshot.read_at(),
                open: false,
                open_in: [false; 2],
                at_hand: false,
                provides: snapshot.provides(path),
            };
            snapshot.paths_of(project).map(release).collect::<Vec<_>>()
        });
        Shelf { project: project.clone(), private: false, releases: releases.collect() }
    }
}

impl Quarantine {
    /// Makes the index that somebody gets again if something changed since it was made.
    pub(super) async fn rebuild_cpan(self: &Arc<Self>, cpan: &Cpan, asker: Asker) -> Result<(), QuarantineError> {
        let edition = cpan.edition(asker);
        let _one = cpan.rebuilding.lock().await;
        self.regime();
        let changes = cpan.shelves.changes();
        if edition.served.now().is_some_and(|(made, _)| made >= changes) {
            return Ok(());
        }
        for project in self.remake(&cpan.shelves, Shelf::of).await {
            // What it was stays; of what was never looked at, in doubt nothing is shown.
            if cpan.shelf(&project).is_none() {
                let closed = cpan.closed_shelf(&project);
                cpan.shelves.put(project, Some(closed));
            }
        }
        let Some(sheets) = self.sheets(cpan, asker) else { return Ok(()) };
        let digest = sheets.digest();
        edition.overlay.store(Some(sheets.overlay.clone()));
        let written = edition
            .served
            .replace(changes, digest, self.timekeeper.wall(), move |modified| sheets.write(modified))
            .await;
        written.map_err(QuarantineError::Fetch)?;
        if let Some((_, index)) = cpan.edition(Asker::ANYBODY).served.now() {
            metrics::gauge!("lazaret_cpan_index_rows").set(f64::from(u32::try_from(index.rows).unwrap_or(u32::MAX)));
        }
        Ok(())
    }

    /// Everything that the index is made of; `None` while a mirror has never been read.
    fn sheets(&self, cpan: &Cpan, asker: Asker) -> Option<Sheets> {
        let public = match cpan.public() {
            Some(mirror) => Some(mirror.snapshot.load_full()?),
            None => None,
        };
        let private: Option<Vec<Arc<Snapshot>>> = cpan.private().map(|mirror| mirror.snapshot.load_full()).collect();
        let private = private?;
        let shelves = cpan.shelves.by_project().into_values();
        let shelves: Vec<Arc<Shelf>> = match asker.own() {
            None => shelves.collect(),
            Some(mode) => shelves.map(|shelf| Arc::new(shelf.in_mode(mode))).collect(),
        };
        let snapshots = || private.iter().chain(&public);
        let path_of = |package: &str| {
            snapshots().find_map(|snapshot| snapshot.index.find(package)).map(|row| row.path.to_owned())
        };
        let is_listed = |path: &str| snapshots().any(|snapshot| !snapshot.index.of_path(path).is_empty());
        let overlay = overlay(shelves.iter().map(Arc::as_ref), path_of, is_listed);
        let policy = self.policy();
        let mut reserved = policy.namespaces.of(crate::domain::Ecosystem::Cpan).to_vec();
        reserved.extend(cpan.private().flat_map(|mirror: &Mirror| mirror.index.names.iter().cloned()));
        let url = format!("{}/cpan/modules/02packages.details.txt", self.public_url().trim_end_matches('/'));
        Some(Sheets { public, private, overlay: Arc::new(overlay), reserved, url })
    }

    /// The index that somebody gets, made again first if something changed; waits for the first one. `None`: there is none
    /// yet.
    pub async fn cpan_index(self: &Arc<Self>, patience: Duration, asker: Asker) -> Option<Arc<ServedIndex>> {
        let cpan = self.cpan.as_ref()?;
        let served = &cpan.edition(asker).served;
        cpan.ask_for();
        self.regime();
        let wanted = cpan.shelves.changes();
        let ready = || served.now().filter(|(made, _)| *made >= wanted).map(|(_, index)| index);
        if let Some(index) = ready() {
            return Some(index);
        }
        let mut made = served.made();
        let house = self.clone();
        // A task of its own: a client that hangs up does not end what others wait for.
        tokio::spawn(async move {
            // What somebody decided needs no mirror, and a silent one must not delay it.
            let work = match house.cpan.as_ref().filter(|cpan| cpan.is_read()) {
                Some(cpan) => house.rebuild_cpan(cpan, asker).await,
                None => house.first_cpan_index(asker).await,
            };
            if let Err(error) = work {
                tracing::error!(%error, "the CPAN index could not be made");
            }
        });
        // With a last good one in hand nobody waits long; without, a client is better off waiting than with an error.
        let patience = if served.now().is_some() { patience.min(LAST_GOOD_AFTER) } else { patience };
        let _ = tokio::time::timeout(patience, made.wait_for(|made| *made >= wanted)).await;
        served.now().map(|(_, index)| index)
    }

    async fn first_cpan_index(self: &Arc<Self>, asker: Asker) -> Result<(), QuarantineError> {
        self.poll_cpan().await?;
        match self.cpan.as_ref().filter(|cpan| asker.own().is_some() && cpan.is_read()) {
            Some(cpan) => self.rebuild_cpan(cpan, asker).await,
            None => Ok(()),
        }
    }
}
