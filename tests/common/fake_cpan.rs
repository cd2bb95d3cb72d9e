//! A CPAN mirror on loopback with a small PAUSE behind it, which remembers what it was asked and fails on order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use lazaret::domain::{Sha256, Timestamp};
use url::Url;

use super::clock::HandClock;
use super::cpan_pages;
use super::cpan_state::{Mirror, Quirk, Row, StoredFile};
use super::faults::Fault;
use super::loopback::{Loopback, Port, gzip, missing, plain};
use super::pause_key::PauseKey;
use super::perl_dists::PerlDist;

/// A private mirror: an index, CHECKSUMS and tarballs, and nothing of PAUSE's other files.
pub(crate) type FakeDarkPan = FakeCpan;

/// How `indices/find-ls.gz` writes a file's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FindLs {
    /// `20261122.120000`, one column, as CPAN's own file has it.
    Compact,
    /// `Nov 22 12:00`, or `Nov 22  2024` for what is old, as `find -ls` has it.
    LikeLs,
}

/// A release that somebody is about to upload.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    pause_id: String,
    dist: PerlDist,
    at: Option<Timestamp>,
    indexed: bool,
    folder: String,
    bytes: Option<Bytes>,
}

impl Release {
    /// Uploaded now, unless somebody says otherwise, and indexed if PAUSE would do it.
    pub(crate) fn of(pause_id: &str, dist: &PerlDist) -> Self {
        let (pause_id, dist) = (pause_id.to_owned(), dist.clone());
        Self { pause_id, dist, at: None, indexed: true, folder: String::new(), bytes: None }
    }

    /// Uploaded then.
    pub(crate) fn at(mut self, time: Timestamp) -> Self {
        self.at = Some(time);
        self
    }

    /// On the mirror, but in no index.
    pub(crate) fn unindexed(mut self) -> Self {
        self.indexed = false;
        self
    }

    /// In a folder below the author's own.
    pub(crate) fn in_folder(mut self, folder: &str) -> Self {
        self.folder = format!("{folder}/");
        self
    }

    /// With these bytes instead of the built ones: broken from the start, and CHECKSUMS says so.
    pub(crate) fn with_bytes(mut self, bytes: Bytes) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// `G/GR/GREETER/Acme-Greet-1.0.tar.gz`.
    pub(crate) fn path(&self) -> String {
        let id = &self.pause_id;
        format!("{}/{}/{id}/{}{}.tar.gz", &id[..1], &id[..2], self.folder, self.dist.stem())
    }
}

/// The mirror.
#[derive(Debug)]
pub(crate) struct FakeCpan {
    mirror: Arc<Mutex<Mirror>>,
    server: Loopback,
}

impl FakeCpan {
    /// Opens a port and answers on it: a full mirror with RECENT files, but without `indices/find-ls.gz`.
    pub(crate) async fn start(clock: &Arc<HandClock>) -> Self {
        Self::open(clock, false).await
    }

    /// A [`FakeDarkPan`].
    pub(crate) async fn start_private(clock: &Arc<HandClock>) -> Self {
        Self::open(clock, true).await
    }

    async fn open(clock: &Arc<HandClock>, private: bool) -> Self {
        let mirror = Arc::new(Mutex::new(Mirror::new(private, clock.true_time())));
        let (answering, time) = (mirror.clone(), clock.clone());
        let answer = move |request: &Request<Incoming>| locked(&answering).answer(request, time.true_time());
        let server = Port::open().await.serve(clock, answer);
        Self { mirror, server }
    }

    /// The mirror's root, with a slash.
    pub(crate) fn root(&self) -> Url {
        Url::parse(&format!("{}/", self.base())).expect("a URL")
    }

    /// Puts a release on the mirror, as PAUSE does: an unknown package belongs to whoever uploads it first, and only
    /// packages that the uploader has a permission for are indexed; none if it is not there for the main package.
    /// A developer's release (`1.02_03`, `-TRIAL`) and one without META are not indexed. The last upload wins,
    /// whatever its version. Returns its path below `authors/id`.
    pub(crate) fn upload(&self, release: Release) -> String {
        let path = release.path();
        let now = self.clock().true_time();
        let built = release.dist.build();
        let at = release.at.unwrap_or(now);
        let bytes = release.bytes.unwrap_or_else(|| built.bytes.clone());
        let stem = path.strip_suffix(".tar.gz").expect("a tarball").to_owned();
        let mut mirror = self.mirror();
        mirror.store(&path, bytes, at);
        if let Some(meta) = built.metadata {
            mirror.store(&format!("{stem}.meta"), meta, at);
        }
        mirror.store(&format!("{stem}.readme"), release.dist.readme().into(), at);
        let version = release.dist.version();
        let developer = version.contains('_') || version.contains("-TRIAL");
        let allowed = release.dist.meta().is_some() && !developer;
        if release.indexed && allowed && mirror.claim(&release.pause_id, &release.dist.provides()[0].0) {
            for (package, version) in release.dist.provides() {
                if mirror.claim(&release.pause_id, package) {
                    mirror.put_row(Row::new(package, version, &path));
                }
            }
        }
        mirror.changed = now;
        path
    }

    /// Puts a row into the index, whatever PAUSE would think of it.
    pub(crate) fn index(&self, package: &str, version: &str, path: &str) {
        self.change(|mirror| mirror.put_row(Row::new(package, version, path)));
    }

    /// Takes a package's row out of the index; the file stays.
    pub(crate) fn unindex(&self, package: &str) {
        self.change(|mirror| mirror.rows.retain(|row| row.package != package));
    }

    /// Takes a release off the mirror with its `.meta` and `.readme`; rows that point at it go too.
    pub(crate) fn delete(&self, path: &str) {
        let now = self.clock().true_time();
        self.change(|mirror| mirror.delete(path, now));
    }

    /// What it sends at this path.
    pub(crate) fn bytes(&self, path: &str) -> Bytes {
        let mirror = self.mirror();
        mirror.files.get(path).unwrap_or_else(|| panic!("the fake mirror has no {path}")).served.clone()
    }

    /// Other bytes at the same path; CHECKSUMS, `Last-Modified` and RECENT follow.
    pub(crate) fn replace_bytes(&self, path: &str, bytes: &Bytes) {
        let now = self.clock().true_time();
        self.change(|mirror| {
            assert!(mirror.files.contains_key(path), "the fake mirror has no {path}");
            mirror.store(path, bytes.clone(), now);
        });
    }

    /// Other bytes at the same path, and nothing else says so: CHECKSUMS goes on promising the old ones.
    pub(crate) fn tamper(&self, path: &str, bytes: &Bytes) {
        self.change(|mirror| {
            let file = mirror.files.get_mut(path).unwrap_or_else(|| panic!("the fake mirror has no {path}"));
            file.served = bytes.clone();
        });
    }

    /// Gives somebody a permission: `f` (first-come), `c` (co-maintainer) or `m` (the old module list).
    pub(crate) fn permit(&self, pause_id: &str, package: &str, permission: &'static str) {
        self.change(|mirror| {
            mirror.permissions.insert((package.to_owned(), pause_id.to_owned()), permission);
        });
    }

    /// Takes it away.
    pub(crate) fn revoke(&self, pause_id: &str, package: &str) {
        self.change(|mirror| {
            mirror.permissions.remove(&(package.to_owned(), pause_id.to_owned()));
        });
    }

    /// Who is behind a PAUSE id, for `01mailrc.txt`.
    pub(crate) fn person(&self, pause_id: &str, name: &str) {
        self.change(|mirror| {
            mirror.people.insert(pause_id.to_owned(), name.to_owned());
        });
    }

    /// The index says one row more than it has, or is right again.
    pub(crate) fn set_line_count_wrong(&self, wrong: bool) {
        self.change(|mirror| mirror.set(Quirk::WrongLineCount, wrong));
    }

    /// `02packages.details.txt.gz` and the plain file end in the middle, with a right `Content-Length`; or are whole again.
    pub(crate) fn truncate_index(&self, truncated: bool) {
        self.change(|mirror| mirror.set(Quirk::TruncatedIndex, truncated));
    }

    /// Every CHECKSUMS holds Perl code that is not data, and is signed if signing is on; or is right again.
    pub(crate) fn checksums_with_code(&self, code: bool) {
        self.change(|mirror| mirror.set(Quirk::CodeInChecksums, code));
    }

    /// From now on every CHECKSUMS is clear-signed, as PAUSE does it.
    pub(crate) fn sign_with(&self, key: PauseKey) {
        self.change(|mirror| mirror.key = Some(key));
    }

    /// Whether there are RECENT files.
    pub(crate) fn serve_recent(&self, on: bool) {
        self.change(|mirror| mirror.set(Quirk::NoRecent, !on));
    }

    /// The RECENT files say that everything must be read again.
    pub(crate) fn change_dirtymark(&self) {
        self.change(|mirror| mirror.dirtymark += 1);
    }

    /// Whether and how there is an `indices/find-ls.gz`.
    pub(crate) fn serve_find_ls(&self, how: Option<FindLs>) {
        self.change(|mirror| mirror.find_ls = how);
    }

    /// Takes connections and closes them without a word.
    pub(crate) fn down(&self) {
        self.fault("", Fault::HangUp);
    }

    /// Answers again, and nothing else goes wrong any more.
    pub(crate) fn up(&self) {
        self.heal();
    }

    fn change(&self, work: impl FnOnce(&mut Mirror)) {
        let now = self.clock().true_time();
        let mut mirror = self.mirror();
        work(&mut mirror);
        mirror.changed = now;
    }

    fn mirror(&self) -> MutexGuard<'_, Mirror> {
        locked(&self.mirror)
    }
}

impl std::ops::Deref for FakeCpan {
    type Target = Loopback;

    fn deref(&self) -> &Loopback {
        &self.server
    }
}

fn locked(mirror: &Mutex<Mirror>) -> MutexGuard<'_, Mirror> {
    mirror.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Mirror {
    /// Answers one request.
    fn answer(&self, request: &Request<Incoming>, now: Timestamp) -> Response<Bytes> {
        let path = request.uri().path().trim_start_matches('/');
        if let Some(file) = path.strip_prefix("authors/id/").and_then(|path| self.file(path)) {
            return conditional(request, "application/octet-stream", file.served.clone(), file.modified);
        }
        let Some(page) = self.page(path, now) else { return missing() };
        let kind = match path.rsplit_once('.') {
            Some((_, "gz")) => "application/x-gzip",
            Some((_, "json")) => "application/json",
            _ => "text/plain",
        };
        conditional(request, kind, page, self.changed)
    }

    /// A private mirror has no copies of what is inside its tarballs.
    fn file(&self, path: &str) -> Option<&StoredFile> {
        let copy = path.rsplit_once('.').is_some_and(|(_, ending)| matches!(ending, "meta" | "readme"));
        if self.private && copy { None } else { self.files.get(path) }
    }

    fn page(&self, path: &str, now: Timestamp) -> Option<Bytes> {
        if let Some(plain) = path.strip_suffix(".gz") {
            let whole = gzip(&self.text(plain, now)?);
            return Some(if self.cuts(plain) { halved(&whole) } else { whole });
        }
        let whole = self.text(path, now)?;
        Some(if self.cuts(path) { halved(&whole) } else { whole })
    }

    fn cuts(&self, path: &str) -> bool {
        self.has(Quirk::TruncatedIndex) && path == "modules/02packages.details.txt"
    }

    fn text(&self, path: &str, now: Timestamp) -> Option<Bytes> {
        let text = match path {
            "modules/02packages.details.txt" => cpan_pages::packages(self),
            _ if path.starts_with("authors/id/") => {
                let folder = path.strip_prefix("authors/id/")?.strip_suffix("/CHECKSUMS")?;
                let text = cpan_pages::checksums(self, folder)?;
                self.key.as_ref().map_or_else(|| text.clone(), |key| key.sign_checksums(&text))
            }
            _ if self.private => return None,
            "modules/03modlist.data" => cpan_pages::module_list(self),
            "modules/06perms.txt" => cpan_pages::permissions(self),
            "authors/01mailrc.txt" => cpan_pages::mailrc(self),
            "indices/find-ls" => cpan_pages::find_ls(self, self.find_ls?, now),
            _ => {
                let interval = path.strip_prefix("authors/RECENT-").and_then(|rest| rest.strip_suffix(".json"));
                if let Some(package) = path.strip_prefix("v1.0/package/") {
                    cpan_pages::package(self, package)?
                } else if let Some(package) = path.strip_prefix("v1.0/history/") {
                    cpan_pages::history(self, package)?
                } else {
                    cpan_pages::recent(self, interval.filter(|_| !self.has(Quirk::NoRecent))?, now)?
                }
            }
        };
        Some(text.into())
    }
}

fn halved(bytes: &Bytes) -> Bytes {
    bytes.slice(..bytes.len() / 2)
}

/// With validators, as any mirror's web server has them; `If-None-Match` decides before `If-Modified-Since` (RFC 9110, 13.2.2).
fn conditional(request: &Request<Incoming>, kind: &str, bytes: Bytes, modified: Timestamp) -> Response<Bytes> {
    let etag = format!("\"{}\"", &Sha256::of(&bytes).to_string()[..32]);
    let modified = modified.replace_nanosecond(0).expect("a whole second");
    let sent = |name: header::HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let since = sent(header::IF_MODIFIED_SINCE).and_then(|since| httpdate::parse_http_date(since).ok());
    let unchanged = match sent(header::IF_NONE_MATCH) {
        Some(known) => known == etag,
        None => since.is_some_and(|since| Timestamp::from(since) >= modified),
    };
    let mut response = if unchanged {
        let mut response = plain(StatusCode::NOT_MODIFIED, kind, Bytes::new());
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response
    } else {
        plain(StatusCode::OK, kind, bytes)
    };
    let date = httpdate::fmt_http_date(std::time::SystemTime::from(modified));
    response.headers_mut().insert(header::LAST_MODIFIED, date.parse().expect("a header"));
    response.headers_mut().insert(header::ETAG, etag.parse().expect("a header"));
    response
}
