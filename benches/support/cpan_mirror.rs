//! A made-up CPAN of full size: 270,000 packages in 40,000 releases of 14,000 people, on loopback and in memory.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, StatusCode, header};
use lazaret::domain::{Clock as _, Sha256, SystemClock};
use tokio::net::TcpListener;

/// As CPAN has them.
pub(crate) const PACKAGES: usize = 270_000;
pub(crate) const RELEASES: usize = 40_000;
const PEOPLE: usize = 14_000;
const PERMISSIONS: usize = 400_000;
/// The release of which there is a new version now and then.
const CHANGING: usize = 31_415;
/// When everything but that was uploaded.
const LONG_AGO: &str = "Sun, 02 Feb 2020 20:02:02 GMT";

/// The tree, and how often its one release changed.
pub(crate) struct CpanMirror {
    state: Mutex<Tree>,
    tarball: Bytes,
    /// The releases of a folder.
    folders: HashMap<String, Vec<usize>>,
}

struct Tree {
    changes: usize,
    files: HashMap<String, Bytes>,
}

impl CpanMirror {
    pub(crate) fn new() -> Self {
        let mut folders: HashMap<String, Vec<usize>> = HashMap::new();
        for release in 0..RELEASES {
            folders.entry(folder(release)).or_default().push(release);
        }
        let mirror =
            Self { state: Mutex::new(Tree { changes: 0, files: HashMap::new() }), tarball: tarball(), folders };
        mirror.publish(0);
        let mut people = String::new();
        for number in 0..PEOPLE {
            writeln!(people, "alias {:<10}\"Person {number} <CENSORED>\"", pause_id(number)).unwrap();
        }
        mirror.put("authors/01mailrc.txt.gz", gzip(people.as_bytes()));
        mirror.put("modules/06perms.txt.gz", gzip(permissions().as_bytes()));
        mirror
    }

    /// Where the release that never changes is.
    pub(crate) fn settled() -> String {
        path(CHANGING - 1, 0)
    }

    fn put(&self, path: &str, body: Vec<u8>) {
        self.state.lock().unwrap().files.insert(path.to_owned(), body.into());
    }

    /// Uploads the next version of one release, as PAUSE would: the index and the list of the last hour show it.
    fn publish(&self, changes: usize) {
        let index = gzip(index(changes).as_bytes());
        let now = SystemClock::new().now().unix_timestamp();
        let uploaded = format!(r#"{{"epoch":{now},"path":"id/{}","type":"new"}}"#, path(CHANGING, changes));
        let recent = |window: &str, entries: &str| {
            format!(r#"{{"meta":{{"interval":"{window}","protocol":1}},"recent":[{entries}]}}"#).into_bytes()
        };
        self.put("modules/02packages.details.txt.gz", index);
        for window in ["1h", "6h", "1d", "1W", "1M"] {
            let entries = if changes == 0 { "" } else { &*uploaded };
            self.put(&format!("authors/RECENT-{window}.json"), recent(window, entries));
        }
        self.state.lock().unwrap().changes = changes;
    }

    fn answer(&self, path: &str, headers: &HeaderMap) -> Response {
        if path == "change" {
            let changes = self.state.lock().unwrap().changes + 1;
            self.publish(changes);
            return "changed".into_response();
        }
        let kept = self.state.lock().unwrap().files.get(path).cloned();
        let is_release = path.starts_with("authors/id/") && path.ends_with(".tar.gz");
        let body = match kept {
            Some(body) => body,
            None if is_release => self.tarball.clone(),
            None => match path.strip_prefix("authors/id/").and_then(|path| path.strip_suffix("/CHECKSUMS")) {
                Some(folder) => self.checksums(folder),
                None => return StatusCode::NOT_FOUND.into_response(),
            },
        };
        let etag = format!("\"{}\"", &Sha256::of(&body).to_string()[..16]);
        if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
            return StatusCode::NOT_MODIFIED.into_response();
        }
        let is_new =
            (1..=self.state.lock().unwrap().changes).any(|change| path.ends_with(&self::path(CHANGING, change)));
        let modified = if is_new {
            httpdate::fmt_http_date(SystemTime::from(SystemClock::new().now()))
        } else {
            LONG_AGO.to_owned()
        };
        ([(header::ETAG, etag), (header::LAST_MODIFIED, modified)], body).into_response()
    }

    /// The releases of one person, all of the same bytes.
    fn checksums(&self, folder: &str) -> Bytes {
        let changes = self.state.lock().unwrap().changes;
        let (digest, size) = (Sha256::of(&self.tarball), self.tarball.len());
        let mut text = String::from(
            "# CHECKSUMS file written on Sun Feb  2 20:02:02 2020 GMT by CPAN::Checksums (v2.14)\n$cksum = {\n",
        );
        for &number in self.folders.get(folder).into_iter().flatten() {
            for change in 0..=if number == CHANGING { changes } else { 0 } {
                let path = path(number, change);
                let file = path.rsplit('/').next().unwrap();
                let day =
                    if change == 0 { "2020-02-02".to_owned() } else { SystemClock::new().now().date().to_string() };
                writeln!(
                    text,
                    "  '{file}' => {{\n    'cpan_path' => '{folder}',\n    'mtime' => '{day}',\n    'sha256' => '{digest}',\n    'size' => {size}\n  }},"
                )
                .unwrap();
            }
        }
        text.push_str("};\n");
        text.into()
    }
}

/// Serves the mirror on a free port of loopback. `GET /change` uploads a new version.
pub(crate) async fn serve(mirror: CpanMirror) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = |State(mirror): State<Arc<CpanMirror>>, request: Request| async move {
        mirror.answer(request.uri().path().trim_start_matches('/'), request.headers())
    };
    let router = Router::new().fallback(answer).with_state(Arc::new(mirror));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// The index after so many changes, in PAUSE's order.
pub(crate) fn index(changes: usize) -> String {
    let mut rows = Vec::with_capacity(PACKAGES);
    for number in 0..PACKAGES {
        let (release, part) = (number % RELEASES, number / RELEASES);
        let change = if release == CHANGING { changes } else { 0 };
        let dist = dist(release).replace('-', "::");
        let package = if part == 0 { dist } else { format!("{dist}::{}", word(release + part * 57)) };
        let version = if part % 3 == 2 {
            "undef".to_owned()
        } else {
            format!("{}.{:02}", number * 31 % 7, number * 7_919 % 1_000 + change)
        };
        let width = if package.len() > 30 { (38_usize).saturating_sub(version.len()) } else { 30 };
        let version_width = if package.len() > 30 { version.len() } else { 8 };
        rows.push(format!("{package:<width$} {version:>version_width$}  {}\n", path(release, change)));
    }
    rows.sort_by_cached_key(|row| row.to_ascii_lowercase());
    format!(
        "File:         02packages.details.txt\nLine-Count:   {}\nLast-Updated: Sun, 22 Nov 2026 23:29:02 GMT\n\n{}",
        rows.len(),
        rows.concat()
    )
}

fn permissions() -> String {
    let mut rows: Vec<String> = (0..PERMISSIONS)
        .map(|number| {
            let release = number * 7 % RELEASES;
            let letter = if number < RELEASES { 'f' } else { 'c' };
            let package = format!("{}::{}", dist(release).replace('-', "::"), word(number));
            format!("{package},{},{letter}\n", pause_id((release + number / RELEASES) * 13 % PEOPLE))
        })
        .collect();
    rows.sort();
    rows.dedup();
    format!("File:        06perms.txt\nLine-Count:  {}\n\n{}", rows.len(), rows.concat())
}

/// `E/ET/ETHER/Try-Tiny-1.00.tar.gz`.
fn path(release: usize, change: usize) -> String {
    format!("{}/{}-{}.{:02}.tar.gz", folder(release), dist(release), release * 31 % 7, release * 7_919 % 1_000 + change)
}

fn folder(release: usize) -> String {
    let id = pause_id(release * 13 % PEOPLE);
    format!("{}/{}/{id}", &id[..1], &id[..2])
}

/// Every one another: its two words are digits of its number.
fn dist(release: usize) -> String {
    let name = format!("{}-{}", word(release % 200), word(200 + release / 200));
    if release.is_multiple_of(2) { name } else { format!("{name}-{}", word(release)) }
}

fn pause_id(number: usize) -> String {
    let letters = number * 7_919 % 456_976;
    let letter = |place: u32| char::from(b'A' + u8::try_from(letters / 26_usize.pow(place) % 26).unwrap());
    format!("{}{}{}{}{}", letter(3), letter(2), letter(1), letter(0), number % 97)
}

/// A pronounceable word; numbers below 400 have each another.
fn word(number: usize) -> String {
    const BEGINNINGS: [&str; 20] = [
        "Mar", "Lem", "Por", "Tan", "Gil", "Bas", "Cor", "Del", "Fen", "Hal", "Jun", "Kip", "Lor", "Nim", "Ori", "Pel",
        "Quin", "Ros", "Sil", "Tor",
    ];
    const ENDINGS: [&str; 20] = [
        "malade", "onade", "ridge", "gerine", "quist", "ilisk", "onet", "phine", "nel", "cyon", "iper", "per", "eley",
        "bus", "ole", "ican", "tessence", "emary", "houette", "toise",
    ];
    format!("{}{}", BEGINNINGS[number % 20], ENDINGS[number / 20 % 20])
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What every release is made of.
fn tarball() -> Bytes {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    let mut noise = vec![0_u8; 9_000];
    rand::fill(&mut noise[..]);
    let noise = noise.iter().fold(String::from("package Marmalade;\n1;\n__END__\n"), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    let makefile = "use ExtUtils::MakeMaker;\nWriteMakefile(NAME => 'Marmalade');\n";
    for (name, text) in [("Marmalade-1/Makefile.PL", makefile), ("Marmalade-1/lib/Marmalade.pm", &noise)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap().into()
}
