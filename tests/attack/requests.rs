//! Requests that mean two things, name what is not theirs, or come from elsewhere: none of them reaches the store, the disk or
//! an upstream. As tables, over raw sockets, at all three doors.

use std::collections::BTreeMap;
use std::path::Path;

use http::Method;
use serde_json::json;

use crate::common::raw::{Raw, send};
use crate::common::test_house::TestHouse;
use crate::common::wheels::Built;
use crate::common::{FakeCpan, FakeTeapot, HandClock, PerlDist, Release};

/// In a file of the house that nobody may read through a door.
const SECRET: &str = "lzr_";
/// What a smuggled request would be answered with.
const SMUGGLED: &str = "alive";

/// A house in front of three upstreams, all read, with one held file.
struct Doors {
    house: TestHouse,
    cpan: FakeCpan,
    teapot: FakeTeapot,
    held: Built,
    before: Footprint,
}

/// What a request may leave behind: nothing.
#[derive(Debug, PartialEq)]
struct Footprint {
    files: BTreeMap<String, u64>,
    events: usize,
    asked: [Vec<String>; 3],
}

impl Doors {
    async fn open() -> Self {
        let clock = HandClock::new();
        let cpan = FakeCpan::start(&clock).await;
        let dist = PerlDist::new("Acme-Greet", "1.0");
        cpan.upload(Release::of("GREETER", &dist).at(clock.true_time() - std::time::Duration::from_hours(720)));
        let teapot = FakeTeapot::start().await;
        teapot.package("acme::greet", "1.0", &[]);
        let (mirror, repository) = (cpan.root(), format!("{}/", teapot.base()).parse().expect("a URL"));
        let furnishing = TestHouse::furnish().clock(&clock).config(move |config| {
            config.cpan.upstream = Some(mirror);
            config.teapot.upstream = Some(repository);
            config.limits.failed_sign_ins_per_minute = 1_000_000;
        });
        let house = furnishing.start().await;
        house.polls().await;
        let held = house.pypi.publish("quaymaster", "2.0").wheel();
        assert_eq!(house.page("quaymaster").await.len(), 1);
        assert_eq!(house.index(&[]).await.status, 200);
        house.pages_expire().await;
        house.page("quaymaster").await;
        let before = Footprint { files: BTreeMap::new(), events: 0, asked: [const { Vec::new() }; 3] };
        let mut doors = Self { house, cpan, teapot, held, before };
        // What was left for the background is done when nothing changes any more.
        for _ in 0..20 {
            doors.before = doors.footprint().await;
            tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
            if doors.footprint().await == doors.before {
                break;
            }
        }
        doors
    }

    async fn footprint(&self) -> Footprint {
        let mut files = BTreeMap::new();
        list(&self.house.data_dir(), &mut files);
        let told = |asked: &dyn std::fmt::Debug| format!("{asked:?}");
        let asked = [
            self.house.pypi.asked().iter().map(|asked| told(asked)).collect(),
            self.cpan.asked().iter().map(|asked| told(asked)).collect(),
            self.teapot.asked().iter().map(|asked| told(asked)).collect(),
        ];
        Footprint { files, events: self.house.events().await.len(), asked }
    }

    /// Packages, teapot, desk.
    fn all(&self) -> [(&'static str, &str); 3] {
        let addresses = self.house.house.addresses();
        [("packages", &addresses.packages), ("teapot", &addresses.teapot), ("desk", &addresses.admin)]
    }

    fn desk(&self) -> &str {
        &self.house.house.addresses().admin
    }

    /// Nothing was asked, written or decided.
    async fn nothing_happened(&self, what: &str) {
        assert_eq!(self.footprint().await, self.before, "{what}");
    }
}

/// Every file and its size; of the store's own, which are written in the background, the names.
fn list(folder: &Path, files: &mut BTreeMap<String, u64>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let (path, about) = (entry.path(), entry.metadata().expect("about it"));
        if about.is_dir() {
            list(&path, files);
        } else if !path.to_string_lossy().contains("/store/") {
            let size = if path.ends_with("marker.json") { 0 } else { about.len() };
            files.insert(path.display().to_string(), size);
        }
    }
}

/// What all answers have in common, whatever was sent.
fn is_harmless(what: &str, raw: &Raw) {
    let text = raw.text();
    assert!(!text.contains("root:x:") && !text.contains(SECRET), "{what}: a file was read: {text}");
    assert!(!text.to_ascii_lowercase().contains("\nx-injected"), "{what}: a header was made: {text}");
    if text.contains("<script>") {
        let head = raw.head().to_ascii_lowercase();
        assert!(head.contains("x-content-type-options: nosniff") && !head.contains("text/html"), "{what}: {text}");
    }
}

/// How a request must end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// Refused with 400, and the connection is closed.
    Refused,
    /// Answered once, with what it may be; whatever follows is not, and the connection is closed.
    Last,
    /// Answered as the one request that it is.
    One,
}
use End::{Last, One, Refused};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "most of it is a table")]
async fn a_request_that_could_be_read_in_two_ways_is_read_in_none() {
    let doors = Doors::open().await;
    let next = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let post = "POST /api/v1/blocks HTTP/1.1\r\nHost: localhost\r\n";
    let get = "GET /nothing HTTP/1.1\r\nHost: localhost\r\n";
    let rows: Vec<(&str, End, String)> = vec![
        (
            "two lengths: CL.TE",
            Last,
            format!("{post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{next}"),
        ),
        (
            "two lengths: TE.CL",
            Last,
            format!("{post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{next}"),
        ),
        ("a chunked body and what follows", Last, format!("{post}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{next}")),
        ("a chunked GET and what follows", Last, format!("{get}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{next}")),
        ("TE in capitals", Last, format!("{post}TRANSFER-ENCODING: CHUNKED\r\n\r\n0\r\n\r\n{next}")),
        ("TE: xchunked", Refused, format!("{post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{next}")),
        ("TE: identity", Refused, format!("{post}Transfer-Encoding: identity\r\n\r\n{next}")),
        (
            "TE: chunked, identity",
            Refused,
            format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{next}"),
        ),
        (
            "TE twice",
            Refused,
            format!("{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n{next}"),
        ),
        (
            "TE with a space before the colon",
            Refused,
            format!("{post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{next}"),
        ),
        ("TE behind a vertical tab", Refused, format!("{post}Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n{next}")),
        ("TE in HTTP/1.0", Refused, format!("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{next}")),
        ("a folded header", Refused, format!("{get}X-A: b\r\n Transfer-Encoding: chunked\r\n\r\n{next}")),
        ("two lengths", Refused, format!("{post}Content-Length: 0\r\nContent-Length: 44\r\n\r\n{next}")),
        ("a list of lengths", Refused, format!("{post}Content-Length: 0, 44\r\n\r\n{next}")),
        ("a length with a sign", Refused, format!("{post}Content-Length: +0\r\n\r\n{next}")),
        ("a length below nothing", Refused, format!("{post}Content-Length: -1\r\n\r\n{next}")),
        ("a length in hexadecimal", Refused, format!("{post}Content-Length: 0x0\r\n\r\n{next}")),
        ("an endless length", Refused, format!("{post}Content-Length: 99999999999999999999\r\n\r\n{next}")),
        (
            "a chunk's size that overflows",
            Last,
            format!("{post}Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n{next}"),
        ),
        (
            "chunk extensions by the kilobyte",
            Last,
            format!("{post}Transfer-Encoding: chunked\r\n\r\n0;{}\r\n\r\n{next}", "a=b;".repeat(20_000)),
        ),
        ("a chunk that ends with a line feed", Last, format!("{post}Transfer-Encoding: chunked\r\n\r\n0\n\n{next}")),
        ("no host", Refused, "GET /livez HTTP/1.1\r\n\r\n".to_owned()),
        ("two hosts", Refused, "GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil.test\r\n\r\n".to_owned()),
        (
            "the same host twice",
            Refused,
            "GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n".to_owned(),
        ),
        ("a header without a name", Refused, format!("{get}: x\r\n\r\n")),
        ("a header without a colon", Refused, format!("{get}GET /livez HTTP/1.1\r\n\r\n")),
        ("NUL in a header", Refused, format!("{get}X-A: b\0c\r\n\r\n")),
        ("a bare CR in a header", Refused, format!("{get}X-A: b\rX-Injected: yes\r\n\r\n")),
        ("a bare LF in a header", Refused, format!("{get}X-A: b\nGET /livez HTTP/1.1\r\n\r\n")),
        ("HTTP/0.9", Refused, "GET /livez\r\n\r\n".to_owned()),
        ("HTTP/3.0", Refused, "GET /livez HTTP/3.0\r\nHost: localhost\r\n\r\n".to_owned()),
        ("two versions", Refused, "GET /livez HTTP/1.1 HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned()),
        ("NUL in the address", Refused, "GET /li\0vez HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned()),
        ("an address with a line feed", Refused, "GET /li\nvez HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned()),
        ("what is no HTTP", Refused, "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\r\n\r\n".to_owned()),
        ("garbage after a request", One, format!("{get}\r\n\0\x01\x02 garbage\r\n\r\n")),
        (
            "an upgrade to HTTP/2",
            One,
            format!(
                "{get}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
            ),
        ),
        (
            "an upgrade to a socket",
            One,
            format!(
                "{get}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            ),
        ),
        ("a body that nobody wants", One, format!("{post}Content-Length: {}\r\n\r\n{next}", next.len())),
    ];
    for (what, end, request) in &rows {
        for (door, address) in doors.all() {
            let raw = send(address, request.as_bytes()).await;
            let (what, text) = (format!("{what} at {door}"), raw.text());
            assert!(!text.contains(SMUGGLED), "{what}: what was hidden in it was answered: {text}");
            is_harmless(&what, &raw);
            match end {
                Refused => {
                    assert!([0, 400].contains(&raw.status()) && raw.closed, "{what}: {text}");
                    assert!(raw.answers() <= 1, "{what}: {text}");
                }
                Last => {
                    assert!(raw.answers() <= 1 && raw.closed, "{what}: {text}");
                    assert!((400..500).contains(&raw.status()) || raw.status() == 0, "{what}: {text}");
                }
                One => assert!((400..500).contains(&raw.status()) && !text.contains(" 101 "), "{what}: {text}"),
            }
        }
    }
    doors.nothing_happened("two ways").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "most of it is a table")]
async fn a_path_leads_to_what_it_names_and_nowhere_else() {
    let doors = Doors::open().await;
    let sha = doors.held.sha256();
    let (long, longer) = ("a".repeat(201), "a".repeat(100_000));
    // Everything that could be taken for a step up, another root, an end or another name.
    let steps = [
        "..",
        "%2e%2e",
        "%2E.",
        ".%2e",
        "..%2f..%2f..%2fetc%2fpasswd",
        "..%5c..%5cadmin.token",
        "..\\..\\admin.token",
        "%252e%252e%252fadmin.token",
        "..%00",
        "%00",
        "a%00.whl",
        "%0d%0aX-Injected:%20yes",
        "%0aX-Injected:%20yes",
        "%ff%fe",
        "%c0%ae%c0%ae",
        "%e2%80%ae",
        "%D1%80ip",
        "%ef%bc%8e%ef%bc%8e",
        "r%C3%A9quests",
        "%uff0e",
        "%2",
        "%zz",
        "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "..;/",
        ".%20",
        "~root%2f",
        "$(id)",
        "`id`",
        "*",
        "C:%5c",
        &long,
        &longer,
    ];
    let packages = [
        "/{}",
        "/pypi/simple/{}/",
        "/pypi/simple/{}",
        "/pypi/files/{}/SHA/x.whl",
        "/pypi/files/quaymaster/{}/x.whl",
        "/pypi/files/quaymaster/SHA/{}",
        "/pypi/files/quaymaster/SHA/{}.metadata",
        "/pypi/pypi/{}/json",
        "/pypi/pypi/quaymaster/{}/json",
        "/cpan/{}",
        "/cpan/modules/{}",
        "/cpan/authors/id/{}",
        "/cpan/authors/id/G/GR/GREETER/{}",
        "/cpan/authors/id/{}/GR/GREETER/Acme-Greet-1.0.tar.gz",
        "/cpan/v1.0/package/{}",
        "/cpan/v1.0/history/{}",
        "/uploads/{}",
    ];
    let teapot = [
        "/{}",
        "/teapot/{}",
        "/db/{}",
        "/package/name/{}/ver/1%2e0/arch/tcl/file",
        "/package/name/acme%3a%3agreet/ver/{}/arch/tcl/file",
        "/find/max/{}/tcl",
    ];
    let desk = [
        "/{}",
        "/api/v1/{}",
        "/api/v1/uploads/{}",
        "/api/v1/artifacts/{}",
        "/api/v1/why?target={}",
        "/api/v1/uploads?project={}",
    ];
    let [(_, packages_address), (_, teapot_address), (_, desk_address)] = doors.all();
    let bearer = format!("Authorization: Bearer {}\r\n", doors.house.house.admin_token());
    let doors_and_places: [(&str, &[&str], &str); 3] =
        [(packages_address, &packages, ""), (teapot_address, &teapot, ""), (desk_address, &desk, &bearer)];
    let mut asked = Vec::new();
    for (address, places, authorization) in doors_and_places {
        for place in places {
            for step in steps {
                asked.push((address, place.replace("{}", step).replace("SHA", &sha.to_string()), authorization));
            }
        }
    }
    for (address, path, authorization) in asked {
        let host = address.trim_start_matches("http://");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{authorization}\r\n");
        let raw = send(address, request.as_bytes()).await;
        let what: String = format!("{address} {path}").chars().take(160).collect();
        is_harmless(&what, &raw);
        // A page of the teapot says in a list that it found nothing.
        let is_too_long = raw.status() == 0 && path.len() > 50_000;
        let nothing_found =
            is_too_long || raw.status() == 200 && (path.starts_with("/find/") || path.contains("?project="));
        // A repository of teapot says so where it cannot read a reference.
        let bad_reference = raw.status() == 500 && path.starts_with("/find/") && raw.head().contains("Bad reference");
        let is_refused = (300..500).contains(&raw.status()) || bad_reference;
        assert!(is_refused || nothing_found, "{what}: {}", raw.text());
        if raw.status() < 400 && raw.status() != 200 {
            let head = raw.head();
            let location = head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or_default();
            assert!(!location.starts_with('/') && !location.contains("//"), "{what}: {location}");
        }
    }
    doors.nothing_happened("paths").await;
    // The same names are served where they are meant.
    assert_eq!(doors.house.page("QuayMaster".to_lowercase().as_str()).await.len(), 1);
    let spelled = doors.house.get("/pypi/simple/QuayMaster/").await;
    assert_eq!((spelled.status, spelled.header("location")), (301, "../quaymaster/"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_desk_answers_only_who_asks_for_it_by_its_name_and_from_its_own_pages() {
    let doors = Doors::open().await;
    let address = doors.desk().trim_end_matches('/').to_owned();
    let own = address.trim_start_matches("http://").to_owned();
    let port = own.rsplit(':').next().unwrap_or_default().to_owned();
    let held = doors.held.filename.clone();
    let target = format!("/api/v1/uploads/{held}/approve");
    let body = json!({"reason": "a web page told me to"}).to_string();
    let token = doors.house.house.admin_token();
    let request = |target: &str, headers: &str| {
        format!(
            "POST {target} HTTP/1.1\r\n{headers}Authorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let host = |name: &str| format!("Host: {name}\r\n");
    let from = |origin: &str| format!("Host: {own}\r\nOrigin: {origin}\r\n");
    let rows: Vec<(&str, u16, String, String)> = vec![
        ("a host that was pointed here", 421, target.clone(), host("evil.test")),
        ("with our port", 421, target.clone(), host(&format!("evil.test:{port}"))),
        ("a name below ours", 421, target.clone(), host(&format!("localhost.evil.test:{port}"))),
        ("ours as a part", 421, target.clone(), host(&format!("127.0.0.1.evil.test:{port}"))),
        ("ours as a user", 421, target.clone(), host(&format!("{own}@evil.test"))),
        ("ours in other digits", 421, target.clone(), host(&format!("2130706433:{port}"))),
        ("ours behind a dot", 421, target.clone(), host(&format!("127.0.0.1.:{port}"))),
        ("no name", 421, target.clone(), host("")),
        ("only a port", 421, target.clone(), host(&format!(":{port}"))),
        ("what is no text", 421, target.clone(), "Host: \u{fc}\r\n".to_owned()),
        ("no host at all", 400, target.clone(), String::new()),
        ("ours and another", 400, target.clone(), host(&own) + &host("evil.test")),
        ("another and ours", 400, target.clone(), host("evil.test") + &host(&own)),
        ("an address elsewhere", 421, format!("http://evil.test{target}"), host(&own)),
        ("ours, for another host", 421, format!("{address}{target}"), host("evil.test")),
        (
            "one that a front end forwards",
            421,
            target.clone(),
            host("evil.test") + &format!("X-Forwarded-Host: {own}\r\n"),
        ),
        ("another site's page", 403, target.clone(), from("https://evil.test")),
        ("a page of nowhere", 403, target.clone(), from("null")),
        ("a page of another port", 403, target.clone(), from("http://127.0.0.1:9")),
        ("a page of our name elsewhere", 403, target.clone(), from(&format!("http://{own}.evil.test"))),
        ("a page without a name", 403, target.clone(), from("")),
        ("ours and another site's", 403, target.clone(), from(&format!("http://{own}\r\nOrigin: https://evil.test"))),
        ("what is no text as a page", 403, target.clone(), from("\u{fc}")),
    ];
    for (what, status, target, headers) in &rows {
        let raw = send(&address, request(target, headers).as_bytes()).await;
        assert_eq!(raw.status(), *status, "{what}: {}", raw.text());
        assert!(!raw.text().contains("evil.test"), "{what}: nothing of it is repeated: {}", raw.text());
        is_harmless(what, &raw);
    }
    doors.nothing_happened("hosts").await;
    let upload = doors.house.upload("quaymaster", &held).await;
    assert_eq!(upload["state"], "held");
    // And ours, as people and scripts write it.
    for headers in [host(&own), host(&format!("LOCALHOST:{port}")), from(&format!("http://{own}"))] {
        let raw = send(&address, request("/api/v1/uploads/nothing/reject", &headers).as_bytes()).await;
        assert!([400, 404].contains(&raw.status()), "{headers}: {}", raw.text());
    }
    let raw = send(&address, request(&format!("{address}{target}"), &host(&own)).as_bytes()).await;
    assert_eq!(raw.status(), 200, "{}", raw.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_and_upstreams_write_makes_no_header_and_no_markup() {
    const NASTY: &str = "well\r\nX-Injected: yes\r\n\r\n<script>alert(1)</script>\u{1b}[31m\0";
    let house = TestHouse::start().await;
    let wheel = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    house.pypi.publish("quaymaster", "1.1").at(house.days_ago(30)).yanked(NASTY).wheel();
    let named = "quaymaster-1.2\r\nX-Injected: yes-py3-none-any.whl";
    house.pypi.publish("quaymaster", "1.2").at(house.days_ago(30)).named(named).wheel();
    house.pypi.publish("quaymaster", "1.3\r\nX-Injected: yes").named("quaymaster-1.3<script>.tar.gz").sdist();
    assert_eq!(house.get_file("quaymaster", &wheel).await.status, 200);
    let recall = json!({"reason": NASTY});
    let answer = house.api(Method::POST, &format!("/uploads/{}/recall", wheel.filename), Some(recall)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let id = house.upload("quaymaster", &wheel.filename).await["id"].as_str().expect("an id").to_owned();
    let block = json!({"target": "pypi:chandlery", "reason": NASTY});
    assert_eq!(house.api(Method::POST, "/blocks", Some(block)).await.status, 200);
    let token = json!({"name": NASTY, "role": "viewer"});
    assert!(house.api(Method::POST, "/tokens", Some(token)).await.status >= 400, "a token's name is one word");

    let (packages, desk) = (house.packages().to_owned(), house.house.addresses().admin.clone());
    let bearer = format!("Authorization: Bearer {}\r\n", house.house.admin_token());
    let json = "Accept: application/vnd.pypi.simple.v1+json\r\n";
    let file = TestHouse::file_path("quaymaster", &wheel);
    let rows: Vec<(&str, String, &str)> = vec![
        (&packages, file.clone(), ""),
        (&packages, format!("{file}.metadata"), ""),
        (&packages, format!("/uploads/{id}"), ""),
        (&packages, format!("/uploads/{id}"), "Accept: application/json\r\n"),
        (&packages, "/pypi/simple/quaymaster/".to_owned(), ""),
        (&packages, "/pypi/simple/quaymaster/".to_owned(), json),
        (&packages, "/pypi/simple/chandlery/".to_owned(), ""),
        (&packages, "/pypi/pypi/quaymaster/json".to_owned(), ""),
        (&desk, "/api/v1/uploads".to_owned(), &bearer),
        (&desk, format!("/api/v1/uploads/{id}"), &bearer),
        (&desk, "/api/v1/audit".to_owned(), &bearer),
        (&desk, "/api/v1/blocks".to_owned(), &bearer),
        (&desk, "/api/v1/why?target=pypi:quaymaster".to_owned(), &bearer),
        (&desk, "/metrics".to_owned(), &bearer),
    ];
    for (address, path, headers) in rows {
        let host = address.trim_start_matches("http://").trim_end_matches('/');
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Request-Id: a\"<script>\r\nReferer: <script>\r\nConnection: close\r\n{headers}\r\n"
        );
        let raw = send(address, request.as_bytes()).await;
        let (head, text) = (raw.head(), raw.text());
        let injected = head.lines().any(|line| line.to_ascii_lowercase().starts_with("x-injected"));
        assert!(!injected && raw.answers() == 1, "{path}: {head}");
        assert!(
            head.bytes().all(|byte| byte == b'\r' || byte == b'\n' || (b' '..=b'~').contains(&byte)),
            "{path}: {head}"
        );
        assert!(head.lines().next().is_some_and(|line| line.len() <= 120), "{path}: {head}");
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let is_json = head.to_ascii_lowercase().contains("json");
        assert!(is_json || !body.contains("<script>"), "{path}: {text}");
        assert!(!body.contains('\u{1b}') && !body.contains('\0'), "{path}: {text}");
    }
    for arguments in [vec!["show", id.as_str()], vec!["audit", "list"], vec!["queue"], vec!["why", "pypi:quaymaster"]] {
        let shown = house.cli(&arguments).await;
        let text = String::from_utf8_lossy(&shown.stdout).into_owned() + &String::from_utf8_lossy(&shown.stderr);
        assert!(!text.contains('\u{1b}') && !text.contains('\0'), "{arguments:?}: {text:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_of_elsewhere_is_not_gone_to() {
    let doors = Doors::open().await;
    let cpan = doors.cpan.base();
    let elsewhere = [
        "http://evil.test/pypi/simple/quaymaster/",
        "http://127.0.0.1:9/",
        "https://evil.test/",
        "http://169.254.169.254/latest/meta-data/",
        "ftp://evil.test/x",
        "file:///etc/passwd",
        "evil.test:443",
        "*",
        &cpan,
    ];
    for (door, address) in doors.all() {
        for target in elsewhere {
            for method in ["GET", "CONNECT", "OPTIONS"] {
                let request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
                let raw = send(address, request.as_bytes()).await;
                let what = format!("{method} {target} at {door}");
                is_harmless(&what, &raw);
                // Who uses the teapot door as a proxy gets the repository in whatever place.
                let is_repository = door == "teapot" && [200, 301].contains(&raw.status());
                let is_refused = (400..500).contains(&raw.status()) || raw.status() == 0;
                assert!(is_refused || is_repository, "{what}: {}", raw.text());
            }
        }
    }
    doors.nothing_happened("elsewhere").await;
}
