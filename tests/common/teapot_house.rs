//! A house in front of a fake teapot repository, asked as clients and as reviewers ask it.

use http::Method;
use lazaret::config::Config;
use lazaret::registry::teapot::{Catalog, IndexStatus, Instance, read_index, tcl_list, unpack};
use serde_json::Value;

use super::clock::{HandClock, MINUTE};
use super::fake_teapot::md5_of;
use super::teacup::{Got, fetch};
use super::test_house::{Furnishing, TestHouse};
use super::{FakeTeapot, Teacup};

/// The house, and what is behind it.
#[derive(Debug)]
pub(crate) struct TeapotHouse {
    pub(crate) house: TestHouse,
    pub(crate) upstream: FakeTeapot,
}

impl TeapotHouse {
    /// With the built-in policy.
    pub(crate) async fn before(upstream: FakeTeapot) -> Self {
        Self::furnished(TestHouse::furnish(), upstream).await
    }

    /// With this policy.
    pub(crate) async fn with_policy(upstream: FakeTeapot, policy: &str) -> Self {
        Self::furnished(TestHouse::furnish().policy(policy), upstream).await
    }

    /// That differs.
    pub(crate) async fn furnished(furnishing: Furnishing, upstream: FakeTeapot) -> Self {
        let root = format!("{}/", upstream.base()).parse().expect("an address");
        let point_here = move |config: &mut Config| config.teapot.upstream = Some(root);
        let house = furnishing.config(point_here).start().await;
        Self { house, upstream }
    }

    /// Stops the house and opens it again over the same folder. It has other ports then.
    pub(crate) async fn restart(self) -> Self {
        Self { house: self.house.restart().await, upstream: self.upstream }
    }

    /// The clock, moved by hand.
    pub(crate) fn clock(&self) -> &HandClock {
        &self.house.clock
    }

    /// What clients are set to.
    pub(crate) fn archive(&self) -> String {
        self.house.house.addresses().teapot.clone()
    }

    /// A client with its cache on.
    pub(crate) fn teacup(&self) -> Teacup {
        Teacup::new(&self.archive())
    }

    /// Time passes until the repository is looked at again.
    pub(crate) async fn poll(&self) {
        self.house.pass(MINUTE * 3).await;
    }

    /// One GET, as teacup sends it.
    pub(crate) async fn get(&self, path: &str) -> Got {
        fetch(self.archive().trim_start_matches("http://"), path).await
    }

    /// The result in a page.
    pub(crate) async fn result(&self, path: &str) -> String {
        let got = self.get(path).await;
        let body = String::from_utf8(got.body).expect("UTF-8");
        assert_eq!(got.status, 200, "{path}: {body}");
        assert!(got.headers.contains("content-type: text/html; charset=utf-8"), "{path}: {}", got.headers);
        let start = body.find("<body>\n<!-- [[TPM[[").expect("a result") + "<body>\n<!-- [[TPM[[".len();
        body[start..body.rfind("]]MPT]] -->").expect("its end")].to_owned()
    }

    /// The elements of a result that is a list, in order.
    pub(crate) async fn list(&self, path: &str) -> Vec<String> {
        tcl_list::read(&self.result(path).await).expect("a list")
    }

    /// The versions of a package that are listed.
    pub(crate) async fn versions(&self, name: &str) -> Vec<String> {
        let listed = self.list(&format!("/package/name/{}/list", encoded(name))).await;
        listed.iter().map(|instance| tcl_list::read(instance).expect("a list")[2].clone()).collect()
    }

    /// The best instance that is found for a reference.
    pub(crate) async fn best(&self, reference: &str) -> Option<String> {
        self.list(&format!("/find/max/{}/tcl", encoded(reference))).await.pop()
    }

    /// What `db/status` says.
    pub(crate) async fn status(&self) -> IndexStatus {
        IndexStatus::read(&self.get("/db/status").await.body).expect("a status")
    }

    /// The time by which clients tell indexes apart.
    pub(crate) async fn imtime(&self) -> i64 {
        self.status().await.imtime
    }

    /// The index, checked against the status, sizes and digests and all.
    pub(crate) async fn index(&self) -> Catalog {
        let (status, packed) = (self.status().await, self.get("/db/index").await);
        assert!(packed.headers.contains("content-type: application/octet-stream"), "{}", packed.headers);
        assert!(status.integrity.is_some() && packed.body.starts_with(&[0x78]));
        read_index(&unpack(&packed.body, &status).expect("an index that agrees with its status")).expect("an index")
    }

    /// Fetches one instance's file in both forms and checks each against the index. The bytes.
    pub(crate) async fn file(&self, instance: &Instance) -> Vec<u8> {
        let xfile = self.get(&format!("/{}/xfile", instance.address())).await;
        assert_eq!(xfile.status, 200, "{instance}: {}", String::from_utf8_lossy(&xfile.body));
        let line = xfile.body.iter().position(|byte| *byte == b'\n').expect("a line");
        let (head, payload) = (String::from_utf8_lossy(&xfile.body[..line]), &xfile.body[line + 1..]);
        assert_eq!(head, format!("{} {}", payload.len(), md5_of(payload)), "{instance}");
        let listed = self.index().await.get(instance).expect("an instance of the index").signature;
        listed.check(payload).expect("the bytes of the index");
        let file = self.get(&format!("/{}/file", instance.address())).await;
        assert_eq!((file.status, &*file.body), (200, payload), "{instance}");
        payload.to_vec()
    }

    /// The sentence with which `file` is refused, after `xfile` was.
    pub(crate) async fn refusal(&self, instance: &Instance) -> String {
        let xfile = self.get(&format!("/{}/xfile", instance.address())).await;
        assert_eq!((xfile.status, &*xfile.body), (404, &b""[..]), "{instance}: a 403 would show a text about licenses");
        let file = self.get(&format!("/{}/file", instance.address())).await;
        assert_eq!(file.status, 403, "{instance}");
        assert!(file.headers.contains("content-type: text/plain"), "{}", file.headers);
        self.house.quiet(&String::from_utf8(file.body).expect("a sentence"))
    }

    /// The uploads of a name, as the API shows them.
    pub(crate) async fn uploads(&self, name: &str) -> Vec<Value> {
        let path = format!("/uploads?ecosystem=teapot&project={}", encoded(name));
        let answer = self.house.api(Method::GET, &path, None).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["items"].as_array().cloned().expect("items")
    }

    /// The one upload of this version.
    pub(crate) async fn upload(&self, name: &str, version: &str) -> Value {
        let uploads = self.uploads(name).await;
        let found: Vec<&Value> = uploads.iter().filter(|upload| upload["version"] == version).collect();
        assert_eq!(found.len(), 1, "{uploads:#?}");
        found[0].clone()
    }

    /// Events of one kind, in order.
    pub(crate) async fn events(&self, kind: &str) -> Vec<Value> {
        self.house.events().await.into_iter().filter(|event| event["kind"] == kind).collect()
    }
}

/// The findings of an upload, by signal.
pub(crate) fn signals(upload: &Value) -> Vec<&str> {
    let findings = upload["findings"].as_array().expect("findings");
    findings.iter().map(|finding| finding["signal"].as_str().expect("a signal")).collect()
}

/// A package for every platform.
pub(crate) fn package(name: &str, version: &str) -> Instance {
    Instance::new(lazaret::registry::teapot::Kind::Package, name, version, "tcl").expect("an instance")
}

/// A segment of a path, as teacup writes it.
pub(crate) fn encoded(text: &str) -> String {
    lazaret::registry::teapot::encode_segment(text)
}
