//! Which index answers for a name (rules 14 and 15): private ones first, the public one only after a clean miss from each.

use std::sync::RwLock;
use std::time::Duration;

use bytes::Bytes;
use url::Url;

use super::{Quarantine, QuarantineError};
use crate::domain::{NamePattern, Origin, Project, ProjectName, Timestamp};
use crate::policy::Policy;
use crate::upstream::{AllowedHosts, Credentials, PageAnswer, PageRequest, UpstreamError, Validators};

/// What we ask an index for; JSON first, because only JSON has upload times.
pub(super) const ACCEPT: &str =
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01";

/// A page may have this many bytes; the largest on PyPI has 2 MB.
const LONGEST_PAGE: u64 = 64 << 20;
/// So many pages are read at once; who asks for a million names waits in line and does not fill the memory.
const PAGES_ABREAST: usize = 64;
/// pip gives up after 15 s without a byte.
const PAGE_DEADLINE: Duration = Duration::from_secs(12);
/// How long a clean miss from every private index is remembered.
const MISS_REMEMBERED: time::Duration = time::Duration::minutes(10);

/// One index and the rules for it.
#[derive(Debug)]
pub struct Index {
    /// Public, or the name of a private one.
    pub origin: Origin,
    /// Ends in `/`; pages are below it.
    pub base: Url,
    /// From where its files may come; grows once for the public index (rule 6).
    pub hosts: RwLock<AllowedHosts>,
    /// Sent to this index only.
    pub credentials: Option<Credentials>,
    /// Private: only these names are asked of it; empty: every name.
    pub names: Vec<NamePattern>,
    /// Private: its own hold.
    pub hold: Option<Duration>,
    /// Private: names whose files may be overwritten (development builds).
    pub volatile: Vec<NamePattern>,
    /// Whether files without a date are trusted at the first read (rule 12).
    pub trusted: bool,
    /// Whether it wants a connection for each answer.
    pub closes: bool,
}

impl Index {
    /// How people call it.
    pub fn label(&self) -> String {
        match &self.origin {
            Origin::Public => "the public index".to_owned(),
            Origin::Private(name) => format!("the private index {name}"),
        }
    }

    /// The address of a project's page.
    pub fn page_url(&self, name: &ProjectName) -> Url {
        // A normalised name has only letters, digits and `-`: joining cannot leave the base.
        self.base.join(&format!("{name}/")).unwrap_or_else(|_| self.base.clone())
    }

    /// Where the JSON API is, if this index looks as if it had one: `…/simple/` has it under `…/pypi/`.
    pub fn json_url(&self, name: &ProjectName, version: Option<&str>) -> Option<Url> {
        let root = self.base.as_str().strip_suffix("simple/")?;
        let version = version.map(|version| format!("{version}/")).unwrap_or_default();
        Url::parse(&format!("{root}pypi/{name}/{version}json")).ok()
    }

    fn covers(&self, name: &ProjectName) -> bool {
        self.names.is_empty() || self.names.iter().any(|pattern| pattern.matches(name))
    }

    /// Whether this project's files may be overwritten.
    pub fn is_volatile(&self, name: &ProjectName) -> bool {
        self.volatile.iter().any(|pattern| pattern.matches(name))
    }

    /// From where its files may come now.
    pub fn allowed_hosts(&self) -> AllowedHosts {
        self.hosts.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// The indexes of the house.
#[derive(Debug)]
pub struct Indexes {
    /// The public one, if any.
    pub public: Option<Index>,
    /// The private ones, in the order in which they are asked.
    pub private: Vec<Index>,
    missed: moka::sync::Cache<Project, Timestamp>,
    file_host_learned: tokio::sync::OnceCell<()>,
    places: tokio::sync::Semaphore,
}

impl Indexes {
    /// Joins the configured indexes.
    pub fn new(public: Option<Index>, private: Vec<Index>) -> Self {
        Self {
            public,
            private,
            missed: moka::sync::Cache::new(100_000),
            file_host_learned: tokio::sync::OnceCell::new(),
            places: tokio::sync::Semaphore::new(PAGES_ABREAST),
        }
    }

    /// The index with this origin.
    pub fn of(&self, origin: &Origin) -> Option<&Index> {
        match origin {
            Origin::Public => self.public.as_ref(),
            Origin::Private(_) => self.private.iter().find(|index| index.origin == *origin),
        }
    }
}

/// What asking the indexes came to.
#[derive(Debug)]
pub(super) enum Reading<'a> {
    /// An internal name that no private index shows, or whose owner is gone: it has no files here.
    NoFiles,
    /// This index owns the name and answered.
    Answered { index: &'a Index, answer: PageAnswer },
    /// This index owns the name and did not answer.
    Failed { index: &'a Index, error: QuarantineError },
}

impl Quarantine {
    /// Asks for a page: the owner of the name if one is known, else the private indexes in order, else the public one.
    pub(super) async fn read_page(
        &self,
        project: &Project,
        policy: &Policy,
        validators: Option<(&Origin, &Validators)>,
    ) -> Result<Reading<'_>, QuarantineError> {
        // One index's validators mean nothing to another one: its 304 would be about a page that was never read.
        let validators = |origin: &Origin| validators.filter(|(of, _)| *of == origin).map(|(_, validators)| validators);
        if let Some(owner) = self.store.private_owner(project).await? {
            let origin = Origin::Private(owner.into());
            return Ok(match self.indexes.of(&origin) {
                Some(index) => self.ask(index, project, validators(&origin)).await,
                None => Reading::NoFiles,
            });
        }
        let internal = policy.is_internal(project);
        if !internal && self.recently_missed(project) {
            return self.ask_public(project, validators(&Origin::Public)).await;
        }
        for index in self.indexes.private.iter().filter(|index| index.covers(&project.name)) {
            match self.ask(index, project, None).await {
                Reading::Answered { answer: PageAnswer::Missing { .. }, .. } => {}
                Reading::Answered { index, answer } => {
                    if let Origin::Private(name) = &index.origin {
                        self.store.note_private(project, name).await?;
                    }
                    return Ok(Reading::Answered { index, answer });
                }
                // Only a clean miss lets a name go on: anything else could be the private project itself.
                unanswered => return Ok(unanswered),
            }
        }
        if internal {
            return Ok(Reading::NoFiles);
        }
        self.indexes.missed.insert(project.clone(), self.timekeeper.wall());
        self.ask_public(project, validators(&Origin::Public)).await
    }

    /// The private index that shows or once showed this name: nothing of it is asked of a public one.
    pub(super) async fn is_kept_inside(&self, project: &Project, policy: &Policy) -> Result<bool, QuarantineError> {
        Ok(policy.is_internal(project) || self.store.private_owner(project).await?.is_some())
    }

    async fn ask_public(
        &self,
        project: &Project,
        validators: Option<&Validators>,
    ) -> Result<Reading<'_>, QuarantineError> {
        let index = self.indexes.public.as_ref().ok_or(QuarantineError::NoIndex)?;
        Ok(self.ask(index, project, validators).await)
    }

    async fn ask<'a>(&self, index: &'a Index, project: &Project, validators: Option<&Validators>) -> Reading<'a> {
        let url = index.page_url(&project.name);
        let hosts = index.allowed_hosts();
        let request = PageRequest {
            url: &url,
            accept: ACCEPT,
            validators,
            max_bytes: LONGEST_PAGE,
            deadline: PAGE_DEADLINE,
            hosts: &hosts,
            credentials: index.credentials.as_ref(),
            close: index.closes,
        };
        // Never closed, so there is always a place in the end.
        let _place = self.indexes.places.acquire().await;
        match self.upstream.page(request).await {
            Ok(answer) => {
                let date = match &answer {
                    PageAnswer::Fresh(page) => page.date,
                    PageAnswer::NotModified { date } | PageAnswer::Missing { date } => *date,
                };
                if index.origin.is_public() {
                    self.timekeeper.heard(date);
                }
                Reading::Answered { index, answer }
            }
            Err(source) => {
                let error = QuarantineError::Unanswered { index: index.label(), project: project.clone(), source };
                Reading::Failed { index, error }
            }
        }
    }

    /// A document that an index keeps beside its pages; `None` if it has none.
    pub(super) async fn index_document(
        &self,
        index: &Index,
        url: &Url,
        accept: &'static str,
        max_bytes: u64,
    ) -> Result<Option<Bytes>, UpstreamError> {
        let hosts = index.allowed_hosts();
        let request = PageRequest {
            url,
            accept,
            validators: None,
            max_bytes,
            deadline: PAGE_DEADLINE,
            hosts: &hosts,
            credentials: index.credentials.as_ref(),
            close: index.closes,
        };
        Ok(match self.upstream.page(request).await? {
            PageAnswer::Fresh(page) => Some(page.body),
            PageAnswer::NotModified { .. } | PageAnswer::Missing { .. } => None,
        })
    }

    fn recently_missed(&self, project: &Project) -> bool {
        let Some(at) = self.indexes.missed.get(project) else { return false };
        let age = self.timekeeper.wall() - at;
        (time::Duration::ZERO..MISS_REMEMBERED).contains(&age)
    }

    /// Rule 6: the public index's files may come from where the files of pip's own page come from. Learned once, when first
    /// needed.
    pub(super) async fn learn_file_host(&self, index: &Index) {
        if !index.origin.is_public() {
            return;
        }
        let learn = || async {
            let pip = Project::pypi(ProjectName::pypi("pip").map_err(|_| ())?);
            let url = index.page_url(&pip.name);
            let hosts = index.allowed_hosts();
            let request = PageRequest {
                url: &url,
                accept: ACCEPT,
                validators: None,
                max_bytes: LONGEST_PAGE,
                deadline: PAGE_DEADLINE,
                hosts: &hosts,
                credentials: index.credentials.as_ref(),
                close: index.closes,
            };
            let page = match self.upstream.page(request).await {
                Ok(PageAnswer::Fresh(page)) => page,
                // An index without pip has no other file host to learn; one that fails is asked again next time.
                Ok(_) => return Ok(()),
                Err(_) => return Err(()),
            };
            let listing = crate::registry::pypi::read_listing(&page.content_type, &page.body, &page.url, &pip.name)
                .map_err(|_| ())?;
            let mut allowed = index.hosts.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            for file in &listing.files {
                if let Ok(url) = Url::parse(&file.url) {
                    *allowed = allowed.clone().with_host(&url);
                }
            }
            Ok::<(), ()>(())
        };
        // A failure leaves the cell empty; the file that needed the host is refused now and may succeed later.
        let _ = self.indexes.file_host_learned.get_or_try_init(learn).await;
    }
}
