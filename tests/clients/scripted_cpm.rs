//! cpm's requests, sent as cpm 1.1.5 sends them: it is not in Debian, so this stands for it.
//!
//! It resolves as cpm does: by a binary search that trusts the index's order ([`look`]), or by cpanmetadb's answers.
//! Versions are compared as decimal numbers, which is all that the made-up distributions have.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::time::SystemTime;

use flate2::read::GzDecoder;
use http::Method;
use serde_json::Value;

use crate::common::browser::{Answer, Browser};

/// What cpm says it is.
const AGENT: (&str, &str) = ("user-agent", "App::cpm/1.1.5");
/// What every perl has.
const CORE: [&str; 5] = ["perl", "strict", "warnings", "ExtUtils::MakeMaker", "Test::More"];

/// Where cpm looks a module up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resolver {
    /// `--resolver 02packages,ROOT`.
    Packages,
    /// `--resolver metadb,ROOT/v1.0/,ROOT`.
    MetaDb,
}

/// The index as it lies in `~/.perl-cpm/sources`.
#[derive(Debug)]
struct CachedIndex {
    gz: Vec<u8>,
    modified: SystemTime,
}

/// What a look-up found.
#[derive(Debug)]
struct Found {
    version: String,
    path: String,
}

/// The client, its index cache and its library.
#[derive(Debug)]
pub(crate) struct ScriptedCpm {
    root: String,
    resolver: Resolver,
    browser: Browser,
    cache: Option<CachedIndex>,
    installed: BTreeMap<String, String>,
}

impl ScriptedCpm {
    /// `cpm install --no-default-resolvers --resolver 02packages,ROOT`.
    pub(crate) fn with_packages(root: &str) -> Self {
        Self::new(root, Resolver::Packages)
    }

    /// `cpm install --no-default-resolvers --resolver metadb,ROOT/v1.0/,ROOT`.
    pub(crate) fn with_metadb(root: &str) -> Self {
        Self::new(root, Resolver::MetaDb)
    }

    fn new(root: &str, resolver: Resolver) -> Self {
        let root = format!("{}/", root.trim_end_matches('/'));
        Self { root, resolver, browser: Browser::new(), cache: None, installed: BTreeMap::new() }
    }

    /// Runs once: `Acme::Greet`, `Acme::Greet@1.0` or `Acme::Greet~>= 1.0, < 2`. Answers with the paths that were
    /// fetched, the wanted one last, or with the line of cpm's build.log that says why not.
    pub(crate) async fn install(&mut self, wanted: &str) -> Result<Vec<String>, String> {
        let (module, range) = match wanted.split_once('@') {
            Some((module, version)) => (module, format!("== {version}")),
            None => match wanted.split_once('~') {
                Some((module, range)) => (module, range.to_owned()),
                None => (wanted, String::new()),
            },
        };
        let index = if self.resolver == Resolver::Packages { Some(self.index().await?) } else { None };
        let mut todo = vec![(module.to_owned(), range)];
        let mut fetched = Vec::new();
        while let Some((module, range)) = todo.pop() {
            let there = self.installed.get(&module).is_some_and(|version| satisfies(version, &range));
            if there || CORE.contains(&module.as_str()) {
                continue;
            }
            let found = match &index {
                Some(index) => in_index(index, &module, &range),
                None => self.in_metadb(&module, &range).await,
            };
            let found = found.map_err(|why| format!("FAIL resolve {module}: {why}"))?;
            let (provides, needs) = self.fetch(&found.path).await?;
            self.installed.extend(provides);
            self.installed.insert(module, found.version);
            todo.extend(needs);
            fetched.insert(0, found.path);
        }
        Ok(fetched)
    }

    /// Which version of a module is installed.
    pub(crate) fn installed(&self, module: &str) -> Option<&str> {
        self.installed.get(module).map(String::as_str)
    }

    /// Empties the library; the cached index stays.
    pub(crate) fn forget_installed(&mut self) {
        self.installed.clear();
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.browser.send(Method::GET, &format!("{}{path}", self.root), &[&[AGENT], headers].concat(), None).await
    }

    /// As `mirror` of `HTTP::Tiny`: asks for what is newer than the file it has, and takes over the answer's date.
    async fn index(&mut self) -> Result<String, String> {
        let path = "modules/02packages.details.txt.gz";
        let since = self.cache.as_ref().map(|cached| httpdate::fmt_http_date(cached.modified));
        let headers = since.as_ref().map(|since| ("if-modified-since", since.as_str()));
        let answer = self.get(path, headers.as_slice()).await;
        match answer.status {
            200 if !answer.cut => {
                let modified = httpdate::parse_http_date(answer.header("last-modified"));
                let modified = modified.unwrap_or_else(|_| SystemTime::now());
                self.cache = Some(CachedIndex { gz: answer.body.to_vec(), modified });
            }
            304 => {}
            status => return Err(format!("{status} {}, {}{path}", phrase(&answer), self.root)),
        }
        let mut text = String::new();
        let gz = self.cache.as_ref().map(|cached| cached.gz.as_slice()).unwrap_or_default();
        GzDecoder::new(gz).read_to_string(&mut text).map_err(|error| format!("gunzip {path}: {error}"))?;
        Ok(text)
    }

    async fn in_metadb(&self, module: &str, range: &str) -> Result<Found, String> {
        let pinned = ["<", "!=", "=="].iter().any(|word| range.contains(word));
        let path = format!("v1.0/{}/{module}", if pinned { "history" } else { "package" });
        let mut answer = self.get(&path, &[]).await;
        if !matches!(answer.status, 200 | 404) {
            answer = self.get(&path, &[]).await;
        }
        if answer.status != 200 {
            return Err(format!("MetaDB, {} {}, {}{path}", answer.status, phrase(&answer), self.root));
        }
        let text = answer.text();
        if !pinned {
            let field = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name));
                line.map(|value| value.trim().trim_matches('\'').to_owned())
                    .ok_or_else(|| format!("MetaDB, no {name} in {text}"))
            };
            let found = Found { version: field("version:")?, path: field("distfile:")? };
            return check(found, range, "MetaDB");
        }
        let rows = text.lines().filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [of, version, path] = words[..] else { return None };
            (of == module).then(|| Found { version: version.to_owned(), path: path.to_owned() })
        });
        let rows: Vec<Found> = rows.collect();
        let seen: Vec<String> = rows.iter().map(|row| row.version.clone()).collect();
        let fit = rows.into_iter().filter(|row| satisfies(&row.version, range));
        let best = fit.max_by(|one, other| number(&one.version).total_cmp(&number(&other.version)));
        best.ok_or_else(|| format!("MetaDB, found versions {}, but they do not satisfy {range}", seen.join(",")))
    }

    /// Fetches a tarball and reads what it provides and needs from its META.json.
    async fn fetch(&self, path: &str) -> Result<(BTreeMap<String, String>, Vec<(String, String)>), String> {
        let answer = self.get(&format!("authors/id/{path}"), &[]).await;
        if answer.status != 200 || answer.cut {
            let file = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".tar.gz");
            return Err(format!("FAIL fetch {file}: {} {}", answer.status, phrase(&answer)));
        }
        let meta = meta_of(&answer.body).map_err(|error| format!("FAIL unpack {path}: {error}"))?;
        let text = |value: &Value| value.as_str().unwrap_or("0").to_owned();
        let map = |value: &Value| value.as_object().cloned().unwrap_or_default();
        let provides = map(&meta["provides"]).into_iter().map(|(name, at)| (name, text(&at["version"]))).collect();
        let phases = ["configure", "build", "test", "runtime"];
        let needs = phases.iter().flat_map(|phase| map(&meta["prereqs"][phase]["requires"]));
        Ok((provides, needs.map(|(name, version)| (name, format!(">= {}", text(&version)))).collect()))
    }
}

/// The reason phrase: the usual one where the server sent no other.
fn phrase(answer: &Answer) -> String {
    let usual = http::StatusCode::from_u16(answer.status).ok().and_then(|status| status.canonical_reason());
    if answer.reason.is_empty() { usual.unwrap_or_default().to_owned() } else { answer.reason.clone() }
}

/// Everything in the tarball is read, as tar would: a broken one is an error.
fn meta_of(tarball: &[u8]) -> std::io::Result<Value> {
    let mut tar = tar::Archive::new(GzDecoder::new(tarball));
    let mut meta = Value::Null;
    for entry in tar.entries()? {
        let mut entry = entry?;
        let wanted = entry.path()?.ends_with("META.json");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        if wanted {
            meta = serde_json::from_slice(&bytes)?;
        }
    }
    Ok(meta)
}

/// `CPAN::02Packages::Search`: only rows in order, straight after the place that the search found, are seen.
fn in_index(index: &str, module: &str, range: &str) -> Result<Found, String> {
    let (_, rows) = index.split_once("\n\n").unwrap_or_default();
    let wanted = module.to_lowercase();
    let candidates = rows[look(rows, &wanted)..].lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let same = candidates.take_while(|row| row.first().is_some_and(|name| name.to_lowercase() == wanted));
    let row = same.into_iter().find(|row| row[0] == module && row.len() >= 3);
    let row = row.ok_or_else(|| "02Packages, not found".to_owned())?;
    let version = if row[1] == "undef" { "0" } else { row[1] };
    check(Found { version: version.to_owned(), path: row[2].to_owned() }, range, "02Packages")
}

/// Perl's `Search::Dict::look` with `fold`: blocks are halved, then lines are read until one is not smaller.
fn look(rows: &str, wanted: &str) -> usize {
    const BLOCK: usize = 8192;
    let line_end = |at: usize| rows.as_bytes()[at..].iter().position(|&byte| byte == b'\n').map(|end| at + end + 1);
    let next_line = |at: usize| line_end(at).unwrap_or(rows.len());
    let smaller = |at: usize| {
        let line = String::from_utf8_lossy(&rows.as_bytes()[at..next_line(at)]);
        line.split_whitespace().next().unwrap_or_default().to_lowercase().as_str() < wanted
    };
    let start = |block: usize| if block == 0 { 0 } else { next_line(block * BLOCK) };
    let (mut low, mut high) = (0, rows.len() / BLOCK);
    while high - low > 1 {
        let middle = usize::midpoint(low, high);
        if start(middle) < rows.len() && smaller(start(middle)) { low = middle } else { high = middle }
    }
    let mut at = start(low);
    while at < rows.len() && smaller(at) {
        at = next_line(at);
    }
    at
}

fn check(found: Found, range: &str, resolver: &str) -> Result<Found, String> {
    if satisfies(&found.version, range) {
        return Ok(found);
    }
    Err(format!("{resolver}, found version {}, but it does not satisfy {range}", found.version))
}

/// `>= 1.0, < 2`; an empty range takes everything.
fn satisfies(version: &str, range: &str) -> bool {
    range.split(',').map(str::trim).filter(|part| !part.is_empty()).all(|part| {
        let (operator, bound) = part.split_once(' ').unwrap_or((">=", part));
        let order = number(version).total_cmp(&number(bound));
        match operator {
            "==" => order.is_eq(),
            "!=" => order.is_ne(),
            "<" => order.is_lt(),
            "<=" => order.is_le(),
            ">" => order.is_gt(),
            _ => order.is_ge(),
        }
    })
}

fn number(version: &str) -> f64 {
    version.trim().parse().unwrap_or(0.0)
}

#[test]
fn it_finds_what_is_in_order_and_misses_what_is_not() {
    let row = |name: &str| format!("{name:<30}     1.0  A/AU/AUTHOR/{name}-1.0.tar.gz");
    let mut rows: Vec<String> = (0..2_000).map(|place| row(&format!("Acme::Nr{place:04}"))).collect();
    let index = |rows: &[String]| format!("File: 02packages.details.txt\nLine-Count: 2000\n\n{}\n", rows.join("\n"));
    let ordered = index(&rows);
    for place in [0, 1, 77, 1_000, 1_998, 1_999] {
        let module = format!("Acme::Nr{place:04}");
        let found = in_index(&ordered, &module, "").unwrap_or_else(|why| panic!("{module}: {why}"));
        assert_eq!(found.path, format!("A/AU/AUTHOR/{module}-1.0.tar.gz"));
    }
    assert!(in_index(&ordered, "acme::nr0001", "").is_err(), "names are case sensitive");
    assert!(in_index(&ordered, "Acme::Nr0001", "== 2").is_err());
    rows.rotate_left(700);
    let missed = (0..2_000).filter(|place| in_index(&index(&rows), &format!("Acme::Nr{place:04}"), "").is_err());
    assert!(missed.count() > 500, "cpm cannot find what is out of order");
}
