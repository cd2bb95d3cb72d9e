//! The view: what clients may see of one project now. Immutable, prepared once, dropped when anything changes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::explain;
use super::freeze::Freeze;
use super::prepared::{Encoding, PreparedPage, Rendered};
use super::{Asker, Edition, QuarantineError, Refusal};
use crate::domain::{
    CoreMetadata, Examination, FileKind, FileName, KnownFile, KnownProject, Outcome, Project, ReleaseKey, Sha256,
    Standing, State, Timestamp, Upload, UploadId, Version, Yanked,
};
use crate::policy::{HeldFiles, Mode};
use crate::registry::pypi::Format;
use crate::registry::pypi::render::{Page, PageFile, write_html, write_json};

/// A page that was compressed quickly is compressed better after so long.
const RECOMPRESS_AFTER: Duration = Duration::from_millis(500);

/// How the policy wants held files to look.
#[derive(Debug, Clone, Copy)]
pub struct Appearance {
    /// Whether holds are enforced for everybody without a mode of his own.
    pub usual: Mode,
    /// Yanked or hidden.
    pub held_files: HeldFiles,
    /// Whether nothing new leaves.
    pub freeze: Option<Freeze>,
}

/// What clients may see of one project now.
#[derive(Debug)]
pub struct View {
    /// Which one.
    pub project: Project,
    /// What is known of it; `None` for a name that has no files here (internal, or never read).
    pub known: Option<Arc<KnownProject>>,
    /// When the page was last read completely.
    pub read_at: Option<Timestamp>,
    /// Until when this view may be used without looking again.
    pub valid_until: Timestamp,
    /// Why the view is older than it should be.
    pub stale: Option<QuarantineError>,
    /// What was in force when it was made.
    pub edition: Edition,
    rows: HashMap<FileName, Upload>,
    places: HashMap<FileName, usize>,
    releases: Releases,
    appearance: Appearance,
    public_url: Arc<str>,
    /// By mode and format: what an observer sees is made when the first one asks.
    formats: [[OnceLock<Rendered>; 3]; 2],
}

/// Which files make up one release: `1.0` and `1.0.0` are the same.
#[derive(Debug, Default)]
struct Releases {
    places: BTreeMap<ReleaseKey, Vec<usize>>,
    /// By the file's place, any number that only files of its release have.
    numbers: Vec<usize>,
}

impl Releases {
    fn of(known: Option<&KnownProject>) -> Self {
        let mut releases = Self::default();
        let Some(known) = known else { return releases };
        for (place, file) in known.files.iter().enumerate() {
            let places = releases.places.entry(file.file.version.release(known.project.ecosystem)).or_default();
            places.push(place);
            releases.numbers.push(places.first().copied().unwrap_or(place));
        }
        releases
    }
}

/// What a view is made of.
#[derive(Debug)]
pub struct Parts {
    /// Which project.
    pub project: Project,
    /// What is known of it.
    pub known: Option<Arc<KnownProject>>,
    /// Its rows.
    pub uploads: Vec<Upload>,
    /// When its page was last read.
    pub read_at: Option<Timestamp>,
    /// Until when nobody needs to look again.
    pub valid_until: Timestamp,
    /// Why it is older than it should be.
    pub stale: Option<QuarantineError>,
    /// What is in force.
    pub edition: Edition,
    /// From the policy.
    pub appearance: Appearance,
    /// What messages link to.
    pub public_url: Arc<str>,
}

impl View {
    /// Joins the parts.
    pub fn new(parts: Parts) -> Self {
        let places: HashMap<FileName, usize> = match &parts.known {
            Some(known) => {
                known.files.iter().enumerate().map(|(index, file)| (file.file.filename.clone(), index)).collect()
            }
            None => HashMap::new(),
        };
        // A row of other bytes under the same name (rejected, rule 18) must not speak for the listed file, nor one of another index.
        let speaks = |upload: &Upload| {
            let file =
                parts.known.as_ref().zip(places.get(&upload.filename)).map(|(known, index)| &known.files[*index]);
            file.is_some_and(|file| {
                upload.id == UploadId::of(&parts.project, &upload.filename, file.file.promise.as_ref())
                    // An id does not name the index: a row of the other side must not speak either (rule 15).
                    && parts.known.as_ref().is_some_and(|known| known.origin == upload.origin)
            })
        };
        let rows = parts.uploads.into_iter().filter(speaks).map(|upload| (upload.filename.clone(), upload)).collect();
        let releases = Releases::of(parts.known.as_deref());
        Self {
            project: parts.project,
            known: parts.known,
            read_at: parts.read_at,
            valid_until: parts.valid_until,
            stale: parts.stale,
            edition: parts.edition,
            rows,
            places,
            releases,
            appearance: parts.appearance,
            public_url: parts.public_url,
            formats: [const { [const { OnceLock::new() }; 3] }; 2],
        }
    }

    /// All known files with their rows, in the page's order.
    pub fn files(&self) -> impl Iterator<Item = Entry<'_>> {
        self.known.iter().flat_map(|known| &*known.files).map(|file| self.entry(file))
    }

    /// The file with this name.
    pub fn file(&self, filename: &FileName) -> Option<Entry<'_>> {
        let index = self.places.get(filename)?;
        self.known.as_ref().map(|known| self.entry(&known.files[*index]))
    }

    /// The files of one version.
    pub fn version<'a>(&'a self, version: &'a Version) -> impl Iterator<Item = Entry<'a>> + 'a {
        let files = self.known.as_ref().map_or(&[][..], |known| &known.files);
        let places = self.releases.places.get(&version.release(self.project.ecosystem)).into_iter().flatten();
        let same = places.filter_map(|place| files.get(*place));
        same.filter(move |file| file.file.version.is_same_release(version)).map(|file| self.entry(file))
    }

    fn entry<'a>(&'a self, file: &'a KnownFile) -> Entry<'a> {
        Entry {
            file,
            row: self.rows.get(&file.file.filename),
            mode: self.appearance.usual,
            freeze: self.appearance.freeze,
        }
    }

    /// About how many bytes of memory it takes, for the cache's bound.
    pub fn weight(&self) -> u32 {
        let pages: usize = self.formats.iter().flatten().filter_map(OnceLock::get).map(Rendered::weight).sum();
        let facts = self.known.as_ref().map_or(0, |known| known.files.len() * 1_000) + self.rows.len() * 2_500;
        u32::try_from(pages + facts + 1_000).unwrap_or(u32::MAX)
    }

    /// The mode in which somebody sees it.
    pub fn mode_for(&self, asker: Asker) -> Mode {
        asker.mode(self.appearance.usual)
    }

    /// Makes the page in this format and encoding, as everybody sees it, before anybody asks for it.
    pub(super) fn prepare(&self, format: Format, encoding: Encoding) {
        self.rendered(format, self.appearance.usual).prepare(encoding);
    }

    /// The page in this format and encoding, as somebody sees it. Made at the first request, kept for all others.
    pub fn page(self: &Arc<Self>, format: Format, encoding: Encoding, asker: Asker) -> PreparedPage {
        let mode = self.mode_for(asker);
        let (page, should_shrink) = self.rendered(format, mode).page(encoding);
        if should_shrink {
            let view = self.clone();
            tokio::spawn(async move {
                // Whoever asked is answered first.
                tokio::time::sleep(RECOMPRESS_AFTER).await;
                tokio::task::spawn_blocking(move || view.rendered(format, mode).shrink(encoding));
            });
        }
        page
    }

    fn rendered(&self, format: Format, mode: Mode) -> &Rendered {
        self.formats[mode as usize][format as usize].get_or_init(|| self.render(format, mode))
    }

    fn render(&self, format: Format, mode: Mode) -> Rendered {
        let empty_status = crate::domain::ProjectStatus::default();
        let known = self.known.as_deref();
        let files = self.listed(mode);
        let mut versions: Vec<&Version> = Vec::new();
        let mut seen = HashSet::new();
        for page_file in &files {
            if seen.insert(&page_file.file.version) {
                versions.push(&page_file.file.version);
            }
        }
        let page = Page {
            project: &self.project.name,
            files,
            versions,
            status: known.map_or(&empty_status, |known| &known.status),
            serial: None,
        };
        Rendered::new(match format {
            Format::Json => write_json(&page),
            Format::Html | Format::HtmlV1 => write_html(&page),
        })
    }

    /// What the page lists: released files as they are, held versions as yanked with our reason, or not at all.
    fn listed(&self, mode: Mode) -> Vec<PageFile<'_>> {
        let Some(known) = &self.known else { return Vec::new() };
        let numbers = &self.releases.numbers;
        let seen = || self.files().map(|entry| entry.under(mode)).zip(numbers);
        let let_in: HashSet<usize> = seen().filter(|(entry, _)| entry.is_open()).map(|(_, release)| *release).collect();
        let is_wheel = |entry: &Entry<'_>| entry.file.file.kind == FileKind::Wheel;
        let with_wheels: HashSet<usize> =
            seen().filter(|(entry, _)| entry.is_open() && is_wheel(entry)).map(|(_, release)| *release).collect();
        let tainted: HashSet<usize> = seen()
            .filter(|(entry, release)| {
                entry.is_bad_wheel() || (entry.is_frozen() && is_wheel(entry) && !with_wheels.contains(release))
            })
            .map(|(_, release)| *release)
            .collect();
        let mut files = Vec::with_capacity(known.files.len());
        for (entry, release) in seen() {
            // pip would build the source archive, and run its setup.py, in the place of a wheel that was refused.
            if entry.file.file.kind == FileKind::Source && tainted.contains(release) {
                continue;
            }
            let Some(sha256) = entry.sha256() else { continue };
            let listed = &entry.file.file;
            if entry.is_open() {
                if entry.file.vanished.is_some() && !entry.is_kept() {
                    continue;
                }
                files.push(PageFile {
                    file: listed,
                    sha256,
                    yanked: listed.yanked.clone(),
                    core_metadata: entry.core_metadata(),
                    provenance: self.provenance(&entry, sha256),
                });
            } else if self.appearance.held_files == HeldFiles::Yank
                && entry.is_fresh_hold()
                && !entry.is_frozen()
                && !let_in.contains(release)
            {
                let ours = explain::yank_reason(&entry, &self.public_url);
                let yanked = match &listed.yanked {
                    Yanked::Because(theirs) => Yanked::Because(format!("{theirs}; {ours}").into()),
                    Yanked::No | Yanked::Yes => Yanked::Because(ours.into()),
                };
                // `.metadata` is refused together with the file, so it is not offered.
                files.push(PageFile {
                    file: listed,
                    sha256,
                    yanked,
                    core_metadata: CoreMetadata::No,
                    provenance: None,
                });
            }
        }
        files
    }

    /// The files that may be had, as pages describe them.
    pub fn open_files(&self, asker: Asker) -> Vec<PageFile<'_>> {
        let mode = self.mode_for(asker);
        let mut files = self.listed(mode);
        files.retain(|page_file| self.file(&page_file.file.filename).is_some_and(|entry| entry.under(mode).is_open()));
        files
    }

    /// PEP 740 wants an https address, so attestations are offered only where clients reach us by TLS.
    fn provenance(&self, entry: &Entry<'_>, sha256: Sha256) -> Option<String> {
        entry.file.file.provenance.as_ref()?;
        let base = self.public_url.strip_suffix('/').unwrap_or(&self.public_url);
        base.starts_with("https://").then(|| {
            format!("{base}/pypi/files/{}/{sha256}/{}.provenance", self.project.name, entry.file.file.filename)
        })
    }
}

/// One file as the view sees it.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// What is known of it.
    pub file: &'a KnownFile,
    /// Its row, if it has one.
    pub row: Option<&'a Upload>,
    mode: Mode,
    freeze: Option<Freeze>,
}

impl Entry<'_> {
    /// The same file as it is for whoever is served in this mode.
    #[must_use]
    pub fn under(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// Where it is. A tracked file without a row is held: in doubt, hold.
    pub fn state(&self) -> State {
        match (self.row, self.file.standing) {
            (Some(upload), _) => upload.state,
            (None, Standing::Baseline) => State::Released,
            (None, Standing::Tracked) => State::Held,
        }
    }

    /// Whether its bytes may leave.
    pub fn is_open(&self) -> bool {
        match self.row {
            Some(upload) => may_leave(upload, self.mode, self.freeze),
            None => self.file.standing == Standing::Baseline && !self.is_frozen(),
        }
    }

    /// Whether a freeze keeps it.
    fn is_frozen(&self) -> bool {
        self.freeze.is_some_and(|freeze| match self.row {
            Some(upload) => freeze.keeps(upload),
            None => freeze.keeps_unwritten(self.file),
        })
    }

    /// Held since it was met: never let in, never decided.
    fn is_fresh_hold(&self) -> bool {
        self.state() == State::Held
            && self.file.vanished.is_none()
            && self.row.is_some_and(|upload| upload.decision.is_none() && upload.verdict.outcome != Outcome::Reject)
    }

    /// A wheel that was refused, taken back or suspended: not one that merely waits.
    fn is_bad_wheel(&self) -> bool {
        self.file.file.kind == FileKind::Wheel
            && self.file.vanished.is_none()
            && !self.is_open()
            && !(self.state() == State::Released && self.is_frozen())
            && self.row.is_some_and(|upload| upload.state != State::Held || upload.decision.is_some())
    }

    /// Whether we have its bytes, examined.
    pub fn is_kept(&self) -> bool {
        self.row.is_some_and(|upload| upload.examination.passed().is_some())
    }

    /// The digest under which it is listed and served; `None` until the bytes were hashed.
    pub fn sha256(&self) -> Option<Sha256> {
        self.row.and_then(|upload| upload.sha256).or_else(|| self.file.file.promised_sha256())
    }

    /// What we offer as `.metadata`: our own extract, else what the upstream offers.
    fn core_metadata(&self) -> CoreMetadata {
        match self.row.and_then(|upload| upload.metadata) {
            Some(own) => CoreMetadata::Digest(own),
            None => self.file.file.core_metadata,
        }
    }

    /// Why the bytes may not leave; `None` if they may.
    pub fn refusal(&self, project: &Project) -> Option<Refusal> {
        if self.is_open() {
            return None;
        }
        let what = format!("{} {}", project.name, self.file.file.version);
        let unassessed = || Refusal {
            id: None,
            what: what.clone(),
            state: State::Held,
            why: "is not assessed yet".to_owned(),
            until: None,
            reasons: Vec::new(),
        };
        if let Some(freeze) = self.freeze.filter(|_| self.is_frozen()) {
            let other = self.row.map_or_else(unassessed, |upload| explain::refusal(upload, what.clone()));
            // What a person or a hard rule keeps out is not kept by the freeze alone.
            let is_worse = self.row.is_some_and(|upload| {
                matches!(upload.state, State::Rejected | State::Recalled) || breaks_a_hard_rule(upload)
            });
            if !is_worse {
                return Some(freeze.refusal(Refusal { state: self.state(), ..other }));
            }
        }
        Some(match self.row {
            // Its time never comes: what the index shows now are other bytes (rule 18).
            Some(upload) if upload.state == State::Held && self.file.disputed.is_some() => Refusal {
                why: "held: the index promises other bytes than when it was first seen".to_owned(),
                until: None,
                ..explain::refusal(upload, what.clone())
            },
            Some(upload) => explain::refusal(upload, what.clone()),
            None => unassessed(),
        })
    }
}

/// Whether an upload's bytes may leave: released, or merely held while the policy only observes (rule 21), and not kept by a
/// freeze.
pub(super) fn may_leave(upload: &Upload, mode: Mode, freeze: Option<Freeze>) -> bool {
    if freeze.is_some_and(|freeze| freeze.keeps(upload)) {
        return false;
    }
    match upload.state {
        State::Released => !matches!(upload.examination, Examination::Failed { .. }),
        State::Held => mode == Mode::Observe && !breaks_a_hard_rule(upload),
        State::Rejected | State::Recalled => false,
    }
}

/// Known malware, internal names, broken integrity: refused even while the policy only observes.
fn breaks_a_hard_rule(upload: &Upload) -> bool {
    upload.verdict.outcome == Outcome::Reject || matches!(upload.examination, Examination::Failed { .. })
}
