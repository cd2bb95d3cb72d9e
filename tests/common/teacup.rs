//! A client that does what teacup does, with its cache on or off: what it asks, what it checks, what it falls back to, what it says.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use lazaret::registry::teapot::reference::Reference;
use lazaret::registry::teapot::{Instance, Kind, tcl_list};
use rusqlite::Connection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::fake_teapot::md5_of;

const LICENSE: &str = "This operation needs some kind of license installed to succeed. Please talk to the administrator of the \
    repository to learn where and how to get such.";
const NO_RESULT: &str =
    "The expected embedded Tcl result was not found. This indicates the presence of a http proxy rewriting the page.";
const SLOWER: &str = "The system used slow(er) remote queries to keep working.";

/// The client, with its settings and everything it keeps between two commands.
#[derive(Debug, Default)]
pub(crate) struct Teacup {
    /// The one archive it is set to use, without the slash at its end.
    archive: String,
    /// Whether it keeps indexes; it does by default.
    cache: bool,
    /// Indexes by host and port: two archives on one port overwrite each other's.
    indexes: HashMap<String, Vec<u8>>,
    /// The IMTIME that goes with an index, by full address.
    imtimes: HashMap<String, i64>,
    /// What it installed.
    pub(crate) installed: BTreeMap<String, Vec<u8>>,
}

/// What one command did.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// The exit code.
    pub(crate) exit: i32,
    /// What it printed.
    pub(crate) out: String,
    /// The paths it asked for.
    pub(crate) asked: Vec<String>,
    /// Why it does not use an index.
    trouble: Option<String>,
    /// Its own copy of the index, if it uses one.
    index: Option<Connection>,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

/// A file that was refused or broken, in the words that a person sees.
type Refusal = String;

impl Teacup {
    /// A client set to use an archive.
    pub(crate) fn new(archive: &str) -> Self {
        assert!(archive.starts_with("http://"), "Not an http uri");
        Self { archive: archive.trim_end_matches('/').to_owned(), cache: true, ..Self::default() }
    }

    /// `teacup cache off`.
    pub(crate) fn without_cache(mut self) -> Self {
        self.cache = false;
        self
    }

    /// Sets another archive and keeps everything else.
    pub(crate) fn set_archive(&mut self, archive: &str) {
        archive.trim_end_matches('/').clone_into(&mut self.archive);
    }

    /// Acceptable platforms, best first.
    fn platforms() -> Vec<String> {
        ["linux-glibc2.3-x86_64", "tcl"].map(str::to_owned).to_vec()
    }

    /// `teacup list`, of one name or of all.
    pub(crate) async fn list(&mut self, name: Option<&str>) -> Run {
        let mut run = self.begin().await;
        let listed = match &run.index {
            Some(index) => Ok(rows(
                index,
                "SELECT type, name, version, platform FROM instances WHERE ?1 IS NULL OR name = ?1",
                (name,),
            )),
            None => match name {
                Some(name) => self.ask(&mut run, &["entity", "name", name, "list"]).await,
                None => self.ask(&mut run, &["list"]).await,
            }
            .map(|result| instances_in(&result)),
        };
        self.print_list(&mut run, listed).await;
        run
    }

    /// `teacup search`, for a query in Tcl. With an index it evaluates the query itself, which this client does not: it asks.
    pub(crate) async fn search(&mut self, query: &str) -> Run {
        let mut run = Run::default();
        let found = self.ask(&mut run, &["search", query]).await.map(|result| instances_in(&result));
        self.print_list(&mut run, found).await;
        run
    }

    async fn print_list(&self, run: &mut Run, listed: Result<Vec<Instance>, String>) {
        match listed {
            Ok(mut listed) => {
                listed.sort_by(|one, two| {
                    let by_version = || one.tcl_version().cmp(&two.tcl_version());
                    one.name.cmp(&two.name).then_with(by_version).then_with(|| one.cmp(two))
                });
                for one in &listed {
                    let note = self.value(run, one, "as::note").await;
                    let line = format!("{one} {note}");
                    run.say(line.trim_end());
                }
                run.say(&format!("{} entities found", listed.len()));
            }
            // Exit 0 all the same.
            Err(problem) => {
                run.say("0 entities found");
                run.say(&format!("Problems which occurred during the operation:\n* {} : {problem}", self.archive));
            }
        }
        if let Some(trouble) = run.trouble.clone() {
            run.say(&format!("{trouble}. {SLOWER}"));
        }
    }

    /// `teacup keys`.
    pub(crate) async fn keys(&mut self) -> Run {
        let mut run = self.begin().await;
        let keys = match &run.index {
            Some(index) => texts(index, "SELECT DISTINCT key FROM meta", ()),
            None => tcl_list::read(&self.ask(&mut run, &["keys"]).await.unwrap_or_default()).expect("a list"),
        };
        let mut keys = keys;
        keys.sort();
        for key in keys {
            run.say(&key);
        }
        run
    }

    /// `teacup describe --all`: everything about one name.
    pub(crate) async fn describe(&mut self, name: &str) -> Run {
        let mut run = self.begin().await;
        let pairs = if let Some(index) = &run.index {
            let query = "SELECT DISTINCT key, value FROM meta NATURAL JOIN instances WHERE name = ?1";
            let mut statement = index.prepare(query).expect("a query");
            let found = statement.query_map([name], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
            found.collect::<Result<Vec<(String, String)>, _>>().expect("texts")
        } else {
            let result = self.ask(&mut run, &["entity", "name", name, "meta"]).await.unwrap_or_default();
            let words = tcl_list::read(&result).expect("a dictionary");
            words.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
        };
        if !pairs.is_empty() && !pairs.iter().any(|(key, _)| key == "platform") {
            run.exit = 1;
            run.say("INTERNAL ERROR: no such element in array: platform");
        }
        for (key, value) in pairs {
            run.say(&format!("{key} = {value}"));
        }
        run
    }

    /// `teacup install`, with everything that is needed, each file checked.
    pub(crate) async fn install(&mut self, reference: &str) -> Run {
        let mut run = self.begin().await;
        if run.exit != 0 {
            run.say(&format!("Resolving {reference} ... Not found in the archives."));
            return run;
        }
        let Some(wanted) = self.best(&mut run, reference).await else {
            run.exit = 1;
            run.say(&format!("Resolving {reference} ... Not found in the archives."));
            return run;
        };
        let Some(all) = self.with_dependencies(&mut run, wanted).await else { return run };
        let mut fetched = Vec::new();
        for one in all {
            match self.retrieve(&mut run, &one).await {
                Ok(payload) => fetched.push((one.to_string(), payload)),
                Err(refusal) => {
                    run.exit = 1;
                    run.say(&format!("Retrieving {one} ...@ {} ... Error:\n{refusal}", self.archive));
                    run.say("Unable to install the full list. Aborting.");
                    return run;
                }
            }
        }
        self.installed.extend(fetched);
        if let Some(trouble) = run.trouble.clone() {
            run.say(&format!("{trouble}. {SLOWER}"));
        }
        run
    }

    /// `teacup update`: fetches everything in the index that is not installed, and goes on after a refusal.
    pub(crate) async fn update(&mut self) -> Run {
        let mut run = self.begin().await;
        let listed = match &run.index {
            Some(index) => {
                rows(index, "SELECT type, name, version, platform FROM instances WHERE ?1 IS NULL", (None::<&str>,))
            }
            None => self.ask(&mut run, &["list"]).await.map(|result| instances_in(&result)).unwrap_or_default(),
        };
        for one in listed {
            if self.installed.contains_key(&one.to_string()) {
                continue;
            }
            match self.retrieve(&mut run, &one).await {
                Ok(payload) => {
                    self.installed.insert(one.to_string(), payload);
                }
                Err(refusal) => {
                    run.exit = 1;
                    run.say(&format!("Retrieving {one} ...@ {} ... Error:\n{refusal}", self.archive));
                }
            }
        }
        run
    }

    /// The best instance for a reference: the last one that is found.
    async fn best(&self, run: &mut Run, reference: &str) -> Option<Instance> {
        self.find_all(run, reference).await.pop()
    }

    async fn find_all(&self, run: &mut Run, reference: &str) -> Vec<Instance> {
        let parsed: Reference = reference.parse().expect("a reference");
        let platforms = Self::platforms();
        let Some(index) = &run.index else {
            let normal = parsed.normal_form();
            let platforms = tcl_list::write(&platforms);
            let found = self.ask(run, &["find", "all", &normal, &platforms]).await;
            // A failure drops the archive for this run, and its reason with it.
            return found.map(|result| instances_in(&result)).unwrap_or_default();
        };
        let named = rows(index, "SELECT type, name, version, platform FROM instances WHERE name = ?1", (&parsed.name,));
        let place = |one: &Instance| platforms.iter().position(|platform| *platform == *one.platform);
        let mut found: Vec<(_, _, Instance)> = named
            .into_iter()
            .filter_map(|one| Some((one.tcl_version()?, std::cmp::Reverse(place(&one)?), one)))
            .filter(|(version, _, one)| parsed.accepts(one, version))
            .collect();
        found.sort_by(|one, two| (&one.0, one.1).cmp(&(&two.0, two.1)));
        found.into_iter().map(|(.., one)| one).collect()
    }

    /// The instance after everything that it needs. `None`: something could not be found, and was said so.
    async fn with_dependencies(&self, run: &mut Run, wanted: Instance) -> Option<Vec<Instance>> {
        let (mut order, mut seen, mut missing) = (Vec::new(), HashSet::new(), Vec::new());
        let mut waiting = vec![wanted];
        while let Some(one) = waiting.pop() {
            if !seen.insert(one.clone()) || self.installed.contains_key(&one.to_string()) {
                continue;
            }
            let required = self.required(run, &one).await;
            order.insert(0, one.clone());
            for reference in tcl_list::read(&required).expect("a list of references") {
                let parsed: Reference = reference.parse().expect("a reference");
                // The shell brings these; and what is for another system is not needed on this one.
                if ["Tcl", "Tk"].contains(&&*parsed.name) || parsed.platform.is_some_and(|platform| platform != "unix")
                {
                    continue;
                }
                let reference = if parsed.kind.is_some() { reference } else { format!("{reference} -is package") };
                match self.best(run, &reference).await {
                    Some(found) => waiting.push(found),
                    None => missing.push((reference, one.to_string())),
                }
            }
        }
        if missing.is_empty() {
            return Some(order);
        }
        run.exit = 1;
        run.say("Not found in the archives.\nThe following references could not be found:");
        for (reference, by) in missing {
            run.say(&format!("    {reference}\n        required by {by}"));
        }
        None
    }

    async fn required(&self, run: &mut Run, one: &Instance) -> String {
        if run.index.is_some() {
            return self.value(run, one, "require").await;
        }
        let [kind, name, version, platform] = words(one);
        let path = [kind, "name", name, "ver", version, "arch", platform, "require"];
        self.ask(run, &path).await.unwrap_or_default()
    }

    async fn value(&self, run: &mut Run, one: &Instance, key: &str) -> String {
        let [kind, name, version, platform] = words(one);
        if let Some(index) = &run.index {
            let query = "SELECT value FROM meta NATURAL JOIN instances WHERE type = ?1 AND name = ?2 AND version = ?3 \
                AND platform = ?4 AND key = ?5";
            // Unlike `meta`, `instances` has no column `key` or `value`: they join on `file`.
            return texts(index, query, (kind, name, version, platform, key)).pop().unwrap_or_default();
        }
        let path = [kind, "name", name, "ver", version, "arch", platform, "value", key];
        self.ask(run, &path).await.unwrap_or_default()
    }

    /// A file: `xfile` and its checks, then perhaps `file`, unchecked.
    async fn retrieve(&self, run: &mut Run, one: &Instance) -> Result<Vec<u8>, Refusal> {
        let [kind, name, version, platform] = words(one);
        let path = |what| [kind, "name", name, "ver", version, "arch", platform, what];
        let got = self.get(run, &path("xfile")).await;
        match got.status {
            200 => {
                let line = got.body.iter().position(|byte| *byte == b'\n').unwrap_or(got.body.len());
                let head = String::from_utf8_lossy(&got.body[..line]).into_owned();
                let payload = got.body.get(line + 1..).unwrap_or_default().to_vec();
                let mut expected = head.split_whitespace();
                let size = expected.next().unwrap_or_default();
                let md5 = expected.next().unwrap_or_default();
                let (own_size, own_md5) = (payload.len().to_string(), md5_of(&payload));
                let mut trouble = String::new();
                if size != own_size {
                    write!(trouble, " Size mismatch, expected '{size}', received '{own_size}'.").expect("a text");
                }
                if md5 != own_md5 {
                    write!(trouble, " MD5 mismatch, expected '{md5}', received '{own_md5}'.").expect("a text");
                }
                if !trouble.is_empty() {
                    return Err(format!("Bad transfer:{trouble}"));
                }
                if payload.is_empty() {
                    return Err("File not present".to_owned());
                }
                Ok(payload)
            }
            401 | 403 => Err(LICENSE.to_owned()),
            _ => {
                let got = self.get(run, &path("file")).await;
                if got.status == 200 { Ok(got.body) } else { Err(shown(&got.body)) }
            }
        }
    }

    /// What every command begins with: with the cache on, the status, and the index if that is newer.
    async fn begin(&mut self) -> Run {
        let mut run = Run::default();
        if !self.cache {
            return run;
        }
        let status = self.get(&mut run, &["db", "status"]).await;
        if let Err(trouble) = self.refresh(&mut run, &status).await {
            // The whole archive fails, and its reason is lost.
            if trouble.is_empty() {
                run.exit = 1;
                run.say(LICENSE);
            } else {
                run.trouble = Some(trouble);
            }
        }
        run
    }

    async fn refresh(&mut self, run: &mut Run, status: &Got) -> Result<(), String> {
        let refused = |got: &Got| if [401, 403].contains(&got.status) { String::new() } else { "No status".to_owned() };
        if status.status != 200 {
            return Err(refused(status));
        }
        let elements =
            result_in(&status.body).and_then(|result| tcl_list::read(&result).map_err(|error| error.to_string()));
        let elements = elements.map_err(|_| "No status".to_owned())?;
        let imtime: i64 = elements[0].parse().map_err(|_| "No status".to_owned())?;
        let place = self.host().to_owned();
        if self.imtimes.get(&self.archive).is_none_or(|kept| imtime > *kept) {
            let got = self.get(run, &["db", "index"]).await;
            if got.status != 200 {
                let why = refused(&got);
                return Err(if why.is_empty() {
                    why
                } else {
                    format!("Retrieval of INDEX failed ({})", shown(&got.body))
                });
            }
            assert!(!got.headers.contains("content-encoding"), "the index is sent as it is");
            let plain = checked(&got.body, elements.get(4).map(String::as_str))?;
            self.indexes.insert(place.clone(), plain);
            self.imtimes.insert(self.archive.clone(), imtime);
        }
        let plain = &self.indexes[&place];
        let mut index = Connection::open_in_memory().expect("memory");
        index.deserialize_read_exact("main", &plain[..], plain.len(), true).expect("a SQLite file");
        let version = texts(&index, "SELECT version FROM teapot WHERE name = 'TEAPOT'", ());
        assert_eq!(version, ["0.2"], "the client takes no other");
        run.index = Some(index);
        Ok(())
    }

    fn host(&self) -> &str {
        self.archive["http://".len()..].split('/').next().unwrap_or_default()
    }

    /// Asks for a result.
    async fn ask(&self, run: &mut Run, path: &[&str]) -> Result<String, String> {
        let got = self.get(run, path).await;
        if got.status == 200 { result_in(&got.body) } else { Err(shown(&got.body)) }
    }

    /// One request, exactly as recorded.
    async fn get(&self, run: &mut Run, path: &[&str]) -> Got {
        let segments: Vec<String> = path.iter().map(|segment| encoded(segment)).collect();
        let host = self.host();
        let path = format!("{}/{}", &self.archive["http://".len() + host.len()..], segments.join("/"));
        run.asked.push(path.clone());
        fetch(host, &path).await
    }
}

/// One GET as teacup sends it: no redirect is followed, nothing is kept open.
pub(crate) async fn fetch(host: &str, path: &str) -> Got {
    let mut stream = TcpStream::connect(host).await.expect("a connection");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Mozilla/5.0 (Unix; U; Linux 6.1) http/2.9.8 Tcl/8.6.13\r\n\
         Connection: close\r\nAccept: */*\r\nAccept-Encoding: gzip,deflate,compress\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
    let headers = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let status = headers.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let length = headers.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length = length.map_or(answer.len() - end, |length| length.trim().parse().expect("a length"));
    assert!(
        !headers.contains("transfer-encoding"),
        "a fixed length always works with teacup; nothing else was seen to"
    );
    let body = answer[end..].iter().copied().take(length).collect();
    Got { status, headers, body }
}

impl Run {
    fn say(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }
}

/// Compares an index with what the status says, before and after inflating.
fn checked(packed: &[u8], integrity: Option<&str>) -> Result<Vec<u8>, String> {
    let integrity = integrity.map(|text| tcl_list::read(text).expect("a list")).unwrap_or_default();
    let said = |at: usize, found: String, what: &str| match integrity.get(at) {
        Some(said) if *said != found => Err(format!("{what} INDEX")),
        _ => Ok(()),
    };
    said(3, packed.len().to_string(), "Sizes not matching for compressed")?;
    said(2, md5_of(packed), "MD5 not matching for compressed")?;
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::ZlibDecoder::new(packed), &mut plain)
        .map_err(|_| "Bad INDEX".to_owned())?;
    said(1, plain.len().to_string(), "Sizes not matching for decompressed")?;
    said(0, md5_of(&plain), "MD5 not matching for decompressed")?;
    Ok(plain)
}

/// The result in a page.
fn result_in(page: &[u8]) -> Result<String, String> {
    let page = String::from_utf8_lossy(page);
    let start = page.find("<body>\n<!-- [[TPM[[").ok_or(NO_RESULT)? + "<body>\n<!-- [[TPM[[".len();
    let end = page.rfind("]]MPT]] -->").filter(|end| *end >= start).ok_or(NO_RESULT)?;
    Ok(page[start..end].to_owned())
}

/// A message as a person sees it: no tags, braces as entities, 64 columns.
fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut plain = String::new();
    for (at, part) in text.split('<').enumerate() {
        plain.push_str(if at == 0 { part } else { part.split_once('>').map_or("", |(_, after)| after) });
        plain.push(' ');
    }
    let plain = plain.replace('{', "&#123;").replace('}', "&#125;");
    let mut lines = vec![String::new()];
    for word in plain.split_whitespace() {
        let line = lines.last_mut().expect("a line");
        if !line.is_empty() && line.len() + 1 + word.len() > 64 {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

/// Every character outside `[a-zA-Z0-9]` as `%hh`, in lower case; there is none above 256.
fn encoded(segment: &str) -> String {
    segment.chars().fold(String::new(), |text, symbol| {
        if symbol.is_ascii_alphanumeric() {
            text + symbol.encode_utf8(&mut [0; 4])
        } else {
            text + &format!("%{:02x}", u32::from(symbol))
        }
    })
}

fn words(one: &Instance) -> [&str; 4] {
    [one.kind.as_str(), &one.name, &one.version, &one.platform]
}

fn instances_in(result: &str) -> Vec<Instance> {
    let elements = tcl_list::read(result).expect("a list of instances");
    elements.iter().map(|element| instance(&tcl_list::read(element).expect("an instance"))).collect()
}

fn instance(words: &[String]) -> Instance {
    let kind = Kind::from_word(&words[0]).expect("a kind");
    Instance::new(kind, &words[1], &words[2], &words[3]).expect("an instance")
}

fn rows(index: &Connection, query: &str, parameters: impl rusqlite::Params) -> Vec<Instance> {
    let mut statement = index.prepare(query).expect("a query");
    let found = statement.query_map(parameters, |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]));
    found.expect("rows").map(|words: Result<[String; 4], _>| instance(&words.expect("texts"))).collect()
}

fn texts(index: &Connection, query: &str, parameters: impl rusqlite::Params) -> Vec<String> {
    let mut statement = index.prepare(query).expect("a query");
    let found = statement.query_map(parameters, |row| row.get(0)).expect("rows");
    found.collect::<Result<_, _>>().expect("texts")
}
