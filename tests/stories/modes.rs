//! Enforcing and observing: by ecosystem, until a day, and for one token alone.

use http::Method;
use lazaret::domain::{Actor, Mode, Role};
use serde_json::{Value, json};

use crate::common::browser::Answer;
use crate::common::clock::{DAY, HOUR, MINUTE};
use crate::common::cpan_house::{INDEX, rows_of};
use crate::common::sample_mirror::{WORDS_NEW, WORDS_OLD};
use crate::common::teapot_house::package;
use crate::common::test_house::{JSON, TestHouse};
use crate::common::{FakeTeapot, HandClock, SampleMirror, TeapotHouse, Wheel};

/// A client with a token of its own.
struct Client<'a> {
    house: &'a TestHouse,
    authorization: Option<String>,
}

impl<'a> Client<'a> {
    async fn of(house: &'a TestHouse, name: &str, mode: Mode) -> Self {
        let quarantine = house.house.quarantine();
        let by = Actor::house("test");
        let token = quarantine.create_token_in_mode(name, Role::Viewer, None, Some(mode), &by).await;
        let (_, secret) = token.expect("a token");
        Self { house, authorization: Some(format!("Bearer {secret}")) }
    }

    fn nameless(house: &'a TestHouse) -> Self {
        Self { house, authorization: None }
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut headers = headers.to_vec();
        headers.extend(self.authorization.as_deref().map(|authorization| ("authorization", authorization)));
        self.house.send(method, path, &headers).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[]).await
    }

    /// The files that a page lets it install.
    async fn page(&self, project: &str) -> Vec<String> {
        let page = self.send(Method::GET, &format!("/pypi/simple/{project}/"), &[JSON]).await;
        let free = |file: &Value| file["yanked"] == json!(false) || file["yanked"].is_null();
        let files = page.json()["files"].as_array().cloned().expect("files");
        files
            .iter()
            .filter(|file| free(file))
            .map(|file| file["filename"].as_str().unwrap_or_default().into())
            .collect()
    }

    async fn rows(&self) -> Vec<[String; 3]> {
        rows_of(&self.get(INDEX).await)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_observes_shows_held_files_to_nobody_else() {
    let house = TestHouse::start().await;
    house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    let held = house.pypi.publish("quaymaster", "1.1").at(house.hours_ago(1)).wheel();
    let path = TestHouse::file_path("quaymaster", &held);
    let metadata = format!("{path}.metadata");
    let observer = Client::of(&house, "laptop", Mode::Observe).await;
    let others = Client::nameless(&house);
    // Cold, then hot; the observer first, and last.
    for round in ["cold", "hot"] {
        assert_eq!(observer.page("quaymaster").await.len(), 2, "{round}");
        assert_eq!(others.page("quaymaster").await.len(), 1, "{round}");
        for accept in [JSON, ("accept", "text/html")] {
            for encoding in ["identity", "gzip", "zstd"] {
                let headers = [accept, ("accept-encoding", encoding)];
                let own = observer.send(Method::GET, "/pypi/simple/quaymaster/", &headers).await;
                let usual = others.send(Method::GET, "/pypi/simple/quaymaster/", &headers).await;
                assert_ne!(own.header("etag"), usual.header("etag"), "{round} {accept:?} {encoding}");
                assert!(own.header("vary").contains("Authorization"));
            }
        }
        assert_eq!(others.get(&path).await.status, 403, "{round}");
        assert_eq!(observer.get(&path).await.body, held.bytes, "{round}");
        assert_eq!(others.get(&path).await.status, 403, "{round}: also when its bytes are in the cellar");
        assert_eq!(others.send(Method::HEAD, &path, &[]).await.status, 403, "{round}");
        assert_eq!(others.send(Method::GET, &path, &[("range", "bytes=0-9")]).await.status, 403, "{round}");
        assert_eq!(observer.send(Method::GET, &path, &[("range", "bytes=0-9")]).await.status, 206, "{round}");
        assert_eq!(observer.get(&metadata).await.status, 200, "{round}");
        assert_eq!(others.get(&metadata).await.status, 403, "{round}");
        let newest = |answer: Answer| answer.json()["info"]["version"].as_str().map(str::to_owned);
        assert_eq!(newest(observer.get("/pypi/pypi/quaymaster/json").await).as_deref(), Some("1.1"), "{round}");
        assert_eq!(newest(others.get("/pypi/pypi/quaymaster/json").await).as_deref(), Some("1.0"), "{round}");
        assert_eq!(others.get("/pypi/pypi/quaymaster/1.1/json").await.status, 404, "{round}");
        assert_eq!(observer.get("/pypi/pypi/quaymaster/1.1/json").await.status, 200, "{round}");
    }
    assert_eq!(house.upload("quaymaster", &held.filename).await["state"], "held", "that it was seen releases nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_the_same_bytes_gets_them_by_his_own_mode() {
    let house = TestHouse::start().await;
    let big = Wheel::new("quaymaster", "1.1").padded(400_000).build();
    let held = house.pypi.publish("quaymaster", "1.1").at(house.hours_ago(1)).file(big);
    let path = TestHouse::file_path("quaymaster", &held);
    let observer = Client::of(&house, "laptop", Mode::Observe).await;
    let others = Client::nameless(&house);
    let range = [("range", "bytes=-100")];
    let (own, part, refused, headless) = tokio::join!(
        observer.get(&path),
        observer.send(Method::GET, &path, &range),
        others.get(&path),
        others.send(Method::GET, &path, &range)
    );
    assert_eq!((own.status, part.status, refused.status, headless.status), (200, 206, 403, 403));
    assert_eq!(own.body, held.bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_enforces_is_refused_while_everybody_else_observes() {
    let house = TestHouse::furnish().policy("mode = \"observe\"").start().await;
    let held = house.pypi.publish("quaymaster", "1.1").at(house.hours_ago(1)).wheel();
    let path = TestHouse::file_path("quaymaster", &held);
    let strict = Client::of(&house, "release-build", Mode::Enforce).await;
    for _ in 0..2 {
        assert_eq!(house.get(&path).await.body, held.bytes);
        let refused = strict.get(&path).await;
        assert_eq!((refused.status, strict.page("quaymaster").await.len()), (403, 0));
        assert!(refused.reason.contains("held until"), "{}", refused.reason);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_mode_serves_what_a_hard_rule_or_a_person_refused() {
    let house = TestHouse::furnish().policy("[namespaces]\npypi = [\"acme-*\"]").start().await;
    let observer = Client::of(&house, "laptop", Mode::Observe).await;
    let released = house.pypi.publish("quaymaster", "1.0").at(house.days_ago(30)).wheel();
    let rejected = house.pypi.publish("quaymaster", "1.1").at(house.hours_ago(1)).wheel();
    let internal = house.pypi.publish("acme-billing", "9.0").at(house.days_ago(30)).wheel();
    house.page("quaymaster").await;
    house.decide("reject", &rejected.filename).await;
    house.decide("recall", &released.filename).await;
    for (project, file) in [("quaymaster", &released), ("quaymaster", &rejected), ("acme-billing", &internal)] {
        assert_eq!(observer.get(&TestHouse::file_path(project, file)).await.status, 403, "{}", file.filename);
        assert!(observer.page(project).await.is_empty(), "{project}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_day_that_was_named_observing_ends_also_on_pages_that_are_ready() {
    let policy = "mode = \"observe\"\nenforce_from = 2026-11-22T13:00:00Z";
    let clock = HandClock::new();
    let mirror = SampleMirror::settled(&clock).await;
    let house = TestHouse::furnish().clock(&clock).cpan(&mirror.cpan).policy(policy).start().await;
    house.polls().await;
    let held = house.pypi.publish("quaymaster", "1.1").at(house.hours_ago(1)).wheel();
    let path = TestHouse::file_path("quaymaster", &held);
    clock.advance(MINUTE * 10);
    mirror.later();
    mirror.fresh_uploads(clock.true_time());
    house.polls().await;
    let client = Client::nameless(&house);
    assert_eq!((client.page("quaymaster").await.len(), client.get(&path).await.status), (1, 200));
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_NEW));
    assert_eq!(house.release(WORDS_NEW).await.status, 200);
    let ready = house.get("/readyz").await.json();
    assert_eq!((&ready["modes"]["pypi"], &ready["enforce_from"]), (&json!("observe"), &json!("2026-11-22T13:00:00Z")));

    // 12:59:59, with everything prepared; then a second passes.
    let hour = time::macros::datetime!(2026-11-22 13:00 UTC);
    let left = hour - clock.true_time() - time::Duration::SECOND;
    clock.advance(left.try_into().expect("time to come"));
    assert_eq!((client.page("quaymaster").await.len(), client.get(&path).await.status), (1, 200));
    clock.advance(std::time::Duration::from_secs(1));
    assert_eq!((client.page("quaymaster").await.len(), client.get(&path).await.status), (0, 403));
    assert_eq!(house.release(WORDS_NEW).await.status, 403);
    assert_eq!(house.listed("Acme::Words").await.as_deref(), Some(WORDS_OLD));
    let ready = house.get("/readyz").await.json();
    assert_eq!((&ready["modes"]["cpan"], &ready["enforce_from"]), (&json!("enforce"), &Value::Null));
    // A clock that is set back does not bring the hour back.
    clock.step_wall_back(HOUR);
    assert_eq!(client.get(&path).await.status, 403);
    let metrics = house.metrics().await;
    assert!(metrics.contains("lazaret_mode{"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cpan_may_observe_while_pypi_enforces_and_a_token_has_an_index_of_its_own() {
    let clock = HandClock::new();
    let mirror = SampleMirror::settled(&clock).await;
    let house = TestHouse::furnish().clock(&clock).cpan(&mirror.cpan).start().await;
    house.polls().await;
    clock.advance(HOUR);
    mirror.later();
    mirror.fresh_uploads(clock.true_time());
    house.polls().await;
    let observer = Client::of(&house, "laptop", Mode::Observe).await;
    let path = |rows: Vec<[String; 3]>| {
        rows.into_iter().find_map(|[name, _, path]| (name == "Acme::Words").then_some(path)).expect("a row")
    };
    for _ in 0..2 {
        assert_eq!(path(house.rows().await), WORDS_OLD);
        assert_eq!(path(observer.rows().await), WORDS_NEW, "made when it asks, for whoever observes");
        assert_eq!(house.release(WORDS_NEW).await.status, 403);
        assert_eq!(observer.get(&format!("/cpan/authors/id/{WORDS_NEW}")).await.status, 200);
        let package = "/cpan/v1.0/package/Acme::Words";
        assert!(house.get(package).await.text().contains("Acme-Words-0.5"));
        assert!(observer.get(package).await.text().contains("Acme-Words-0.6"));
    }
    // A decision reaches both.
    assert_eq!(house.decide("reject", WORDS_NEW).await.status, 200);
    assert_eq!((path(house.rows().await), path(observer.rows().await)), (WORDS_OLD.to_owned(), WORDS_OLD.to_owned()));

    house.set_policy("[modes]\ncpan = \"observe\"");
    assert_eq!(
        house.get("/readyz").await.json()["modes"],
        json!({"cpan": "observe", "pypi": "enforce", "teapot": "enforce"})
    );
    let rows = house.rows().await;
    assert!(rows.iter().any(|[name, _, path]| name == "Acme::Greet" && path.contains("1.1")), "{rows:?}");
    let held = house.pypi.publish("quaymaster", "1.1").at(house.hours_ago(1)).wheel();
    house.page("quaymaster").await;
    assert_eq!(house.get_file("quaymaster", &held).await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_teapot_observes_for_all_or_for_none() {
    let upstream = FakeTeapot::start().await;
    upstream.package("acme::greet", "1.0", &[]);
    let house = TeapotHouse::before(upstream).await;
    house.poll().await;
    house.clock().advance(HOUR);
    house.upstream.package("acme::greet", "2.0", &[]);
    house.poll().await;
    assert_eq!(house.versions("acme::greet").await, ["1.0"]);
    house.house.set_policy("[modes]\nteapot = \"observe\"");
    assert_eq!(house.versions("acme::greet").await.len(), 2);
    assert!(!house.file(&package("acme::greet", "2.0")).await.is_empty());
    house.clock().advance(DAY / 2);
    house.house.set_policy("[modes]\nteapot = \"enforce\"");
    assert_eq!(house.versions("acme::greet").await, ["1.0"]);
    house.refusal(&package("acme::greet", "2.0")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tokens_mode_is_asked_for_listed_and_kept() {
    let house = TestHouse::start().await;
    let body = json!({"name": "laptop", "role": "viewer", "mode": "observe"});
    let made = house.api(Method::POST, "/tokens", Some(body)).await;
    assert_eq!((made.status, &made.json()["mode"]), (200, &json!("observe")));
    let wrong = json!({"name": "other", "role": "viewer", "mode": "off"});
    assert_eq!(house.api(Method::POST, "/tokens", Some(wrong)).await.status, 400);
    let out =
        house.cli(&["token", "create", "build", "--role", "viewer", "--mode", "enforce", "--format", "json"]).await;
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(house.cli(&["token", "create", "x", "--role", "viewer", "--mode", "off"]).await.status.code(), Some(2));
    let house = house.restart().await;
    let listed = house.api(Method::GET, "/tokens", None).await.json();
    let modes: Vec<&Value> = listed.as_array().expect("tokens").iter().map(|token| &token["mode"]).collect();
    assert_eq!(modes, [&Value::Null, &json!("enforce"), &json!("observe")], "{listed}");
    let table = house.cli(&["token", "list"]).await;
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.contains("laptop  viewer  observe") && table.contains("admin   admin   as all"), "{table}");
}
