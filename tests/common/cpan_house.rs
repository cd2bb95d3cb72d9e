//! A house in front of CPAN mirrors, and what its clients would see of them.

use std::io::Read as _;

use http::Method;
use lazaret::config::DarkPan;
use serde_json::Value;

use super::browser::Answer;
use super::clock::MINUTE;
use super::fake_cpan::{FakeCpan, FakeDarkPan};
use super::test_house::{Furnishing, TestHouse};

/// Where clients find the index.
pub(crate) const INDEX: &str = "/cpan/modules/02packages.details.txt.gz";

impl Furnishing {
    /// In front of this CPAN mirror.
    pub(crate) fn cpan(self, mirror: &FakeCpan) -> Self {
        let root = mirror.root();
        self.config(move |config| config.cpan.upstream = Some(root))
    }

    /// With the company's own mirror before it, which has all modules of these families; of no family: all that it lists.
    pub(crate) fn dark_pan(self, mirror: &FakeDarkPan, families: &[&str]) -> Self {
        let index = mirror.root();
        let prefixes = families.iter().map(|family| (*family).to_owned()).collect();
        let dark = DarkPan {
            name: "harbour".to_owned(),
            index,
            prefixes,
            username: String::new(),
            password: None,
            client_certificate: None,
            client_key: None,
        };
        self.config(move |config| config.cpan.private.push(dark))
    }
}

impl TestHouse {
    /// What clients are pointed at.
    pub(crate) fn cpan_root(&self) -> String {
        format!("{}/cpan", self.packages())
    }

    /// Long enough for the mirrors to be asked again; what that leaves to be done is done.
    pub(crate) async fn polls(&self) {
        self.pass(MINUTE * 3).await;
    }

    /// The served index as a client asks for it.
    pub(crate) async fn index(&self, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, INDEX, headers).await
    }

    /// The served index: package, version and path of each row.
    pub(crate) async fn rows(&self) -> Vec<[String; 3]> {
        let answer = self.index(&[]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        rows_of(&answer)
    }

    /// The release that the served index has for a package.
    pub(crate) async fn listed(&self, package: &str) -> Option<String> {
        self.rows().await.into_iter().find_map(|[name, _, path]| (name == package).then_some(path))
    }

    /// GET of a file below `authors/id/`.
    pub(crate) async fn release(&self, path: &str) -> Answer {
        self.get(&format!("/cpan/authors/id/{path}")).await
    }

    /// The status line's reason why a release is refused.
    pub(crate) async fn refusal(&self, path: &str) -> String {
        let answer = self.release(path).await;
        assert_eq!(answer.status, 403, "{path}: {}", answer.reason);
        self.quiet(&answer.reason)
    }

    /// All uploads of a distribution as the API shows them.
    pub(crate) async fn dist_uploads(&self, dist: &str) -> Vec<Value> {
        let answer = self.api(Method::GET, &format!("/uploads?project=cpan:{dist}"), None).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["items"].as_array().cloned().expect("items")
    }

    /// A release as the API shows it.
    pub(crate) async fn dist_upload(&self, dist: &str, path: &str) -> Value {
        let uploads = self.dist_uploads(dist).await;
        let found = uploads.iter().find(|upload| upload["path"] == path);
        found.cloned().unwrap_or_else(|| panic!("no upload of {path} among {uploads:#?}"))
    }

    /// What the ledger says of this kind, in order.
    pub(crate) async fn told(&self, kind: &str) -> Vec<String> {
        let events = self.events().await;
        let of_kind = events.iter().filter(|event| event["kind"] == kind);
        of_kind.map(|event| self.quiet(event["summary"].as_str().unwrap_or_default())).collect()
    }
}

/// The rows of an index; its header must be right.
pub(crate) fn rows_of(answer: &Answer) -> Vec<[String; 3]> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*answer.body).read_to_string(&mut text).expect("gzip");
    let (head, body) = text.split_once("\n\n").expect("a header");
    let count = head.lines().find_map(|line| line.strip_prefix("Line-Count:")).expect("a count");
    assert_eq!(count.trim().parse::<usize>().expect("a number"), body.lines().count());
    let rows: Vec<[String; 3]> = body
        .lines()
        .map(|line| {
            let fields: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            fields.try_into().unwrap_or_else(|fields| panic!("no row: {fields:?}"))
        })
        .collect();
    assert!(rows.is_sorted_by_key(|[package, ..]| package.to_lowercase()), "cpm searches by order: {rows:?}");
    rows
}
