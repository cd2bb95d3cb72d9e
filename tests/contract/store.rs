//! The suite that every store passes. A new one joins with a [`Place`] and one line of `contract!`.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lazaret::domain::audit::Head;
use lazaret::domain::{
    Actor, Digest, Ecosystem, EventDraft, EventKind, Examination, FileKind, FileName, KnownFile, KnownProject,
    ListedFile, Origin, Outcome, PageRead, Project, ProjectName, ProjectStatus, Role, RuleKind, Score, Sha256,
    Standing, StandingRule, State, Timestamp, Upload, UploadId, Verdict, Version, Yanked,
};
use lazaret::store::sled::SledStore;
use lazaret::store::{Change, Changes as _, Download, Fact, Frozen, Job, Store, StoreError, Token, UploadQuery};
use time::macros::datetime;

/// Where a store is kept: it can be closed (all handles dropped) and opened again.
#[async_trait]
trait Place: Send + Sync {
    async fn open(&self) -> Result<Arc<dyn Store>, StoreError>;
    /// While it is closed: makes all rows of uploads look as if a newer lazaret had written them.
    async fn age_upload_rows(&self);
}

macro_rules! contract {
    ($store:ident, $place:ty) => {
        contract!($store, $place,
            a_change_is_a_whole_or_nothing,
            of_many_who_change_one_row_one_wins,
            the_chain_holds_under_concurrent_commits,
            index_entries_follow_the_row,
            uploads_are_listed_page_by_page,
            what_is_due_comes_earliest_first,
            what_was_acknowledged_is_there_after_reopening,
            what_was_noted_is_as_whole_as_what_was_committed,
            large_rows_come_back_whole,
            projects_are_listed_by_name,
            rules_and_tokens_are_replaced_by_their_keys,
            a_job_is_one_job_and_leases_end,
            a_job_enqueued_while_it_runs_runs_again,
            downloads_add_up,
            the_highest_time_never_falls,
            private_names_are_remembered,
            evidence_is_kept_under_its_digest,
            evidence_is_listed_and_forgotten,
            the_last_day_of_a_download_is_known,
            a_snapshot_takes_the_place_of_the_one_before,
            a_row_of_a_newer_version_is_refused,
            a_moment_is_read_as_it_was_while_others_write,
            what_left_a_store_comes_back_as_it_was,
            half_an_import_opens_for_nothing_else,
        );
    };
    ($store:ident, $place:ty, $($story:ident,)+) => {
        mod $store {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $story() {
                    super::$story(&<$place>::default()).await;
                }
            )+
        }
    };
}

contract!(sled, Folder);

/// A sled store in a folder of its own.
struct Folder(tempfile::TempDir);

impl Default for Folder {
    fn default() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

#[async_trait]
impl Place for Folder {
    async fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(SledStore::open(self.0.path())?))
    }

    async fn age_upload_rows(&self) {
        let rows = ::sled::open(self.0.path()).unwrap().open_tree("uploads").unwrap();
        for row in &rows {
            let (key, value) = row.unwrap();
            let mut value = value.to_vec();
            value[0] += 1;
            rows.insert(key, value).unwrap();
        }
    }
}

// What the stories are told with.

const NOON: Timestamp = datetime!(2026-11-22 12:00 UTC);

fn hours(hours: i64) -> time::Duration {
    time::Duration::hours(hours)
}

fn project(name: &str) -> Project {
    Project::pypi(ProjectName::pypi(name).unwrap())
}

fn upload(name: &str, version: &str) -> Upload {
    let project = project(name);
    let filename = FileName::parse(&format!("{name}-{version}.tar.gz")).unwrap();
    let sha256 = Sha256::of(filename.as_str().as_bytes());
    let promise = Some(Digest::from(sha256));
    Upload {
        id: UploadId::of(&project, &filename, promise.as_ref()),
        project,
        version: Version::pypi(version).unwrap(),
        filename,
        promise,
        origin: Origin::Public,
        sha256: Some(sha256),
        size: Some(10),
        state: State::Held,
        examination: Examination::None,
        published: None,
        first_seen: NOON,
        clock_start: NOON,
        hold_until: Some(NOON + hours(72)),
        verdict: Verdict {
            outcome: Outcome::Hold,
            until: Some(NOON + hours(72)),
            score: Score::NONE,
            reason: "new upload".into(),
            findings: vec![],
            policy: Sha256::of(b"policy"),
        },
        dossier: None,
        decision: None,
        metadata: None,
        pins: None,
        requested: None,
        passed: None,
        revision: 0,
    }
}

fn cpan(mut upload: Upload) -> Upload {
    upload.project.ecosystem = Ecosystem::Cpan;
    upload.id = UploadId::of(&upload.project, &upload.filename, upload.promise.as_ref());
    upload
}

fn event(summary: &str) -> EventDraft {
    EventDraft::new(NOON, Actor::house("test"), EventKind::Held, summary)
}

fn met(uploads: &[&Upload]) -> Change {
    Change { uploads: uploads.iter().copied().cloned().collect(), ..Change::default() }
}

fn listing(name: &str, files: usize) -> KnownProject {
    let known = |number: usize| KnownFile {
        file: ListedFile {
            filename: FileName::parse(&format!("{name}-{number}.tar.gz")).unwrap(),
            version: Version::pypi(&number.to_string()).unwrap(),
            kind: FileKind::Source,
            url: format!("https://files.example.test/{}", Sha256::of(&number.to_be_bytes())).into(),
            promise: Some(Sha256::of(&number.to_le_bytes()).into()),
            size: Some(1),
            uploaded: None,
            requires_python: None,
            yanked: Yanked::No,
            core_metadata: lazaret::domain::CoreMetadata::No,
            gpg_signature: None,
            provenance: None,
            provides: Vec::new(),
        },
        first_seen: NOON,
        clock_start: NOON,
        standing: Standing::Baseline,
        vanished: None,
        disputed: None,
    };
    KnownProject {
        project: project(name),
        origin: Origin::Public,
        files: (0..files).map(known).collect(),
        hidden: vec![],
        status: ProjectStatus::default(),
        first_read: NOON,
        findings: vec![],
        judged_under: None,
    }
}

fn read_at(at: Timestamp) -> PageRead {
    PageRead { at, digest: Sha256::of(b"page"), etag: None, last_modified: None, used: None }
}

fn token(name: &str, secret: &str) -> Token {
    Token {
        mode: None,
        name: name.into(),
        role: Role::Reviewer,
        digest: Sha256::of(secret.as_bytes()),
        created: NOON,
        expires: None,
        revoked: None,
    }
}

fn job(key: &str, run_at: Timestamp) -> Job {
    Job { key: key.into(), kind: "refresh".into(), subject: "pypi:six".into(), run_at, attempts: 0 }
}

fn ids(uploads: &[Upload]) -> Vec<&UploadId> {
    uploads.iter().map(|upload| &upload.id).collect()
}

async fn stored(store: &Arc<dyn Store>, upload: &Upload) -> Upload {
    store.get(&upload.id).await.unwrap().unwrap()
}

/// Reads the whole ledger and checks every link.
async fn verified(store: &Arc<dyn Store>) -> Head {
    let mut head = Head::EMPTY;
    loop {
        let events = store.events(head.sequence, 7).await.unwrap();
        if events.is_empty() {
            break;
        }
        for event in &events {
            head = head.verify(event).unwrap_or_else(|| panic!("event {} does not fit", event.sequence));
        }
    }
    assert_eq!(head, store.head().await.unwrap());
    head
}

// The stories.

async fn a_change_is_a_whole_or_nothing(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let (old, new) = (upload("six", "1.0"), upload("six", "1.1"));
    let events = store.commit(Change { events: vec![event("one")], ..met(&[&old]) }).await.unwrap();
    assert_eq!(events[0].sequence, 1);
    assert_eq!(stored(&store, &old).await, Upload { revision: 1, ..old.clone() });

    // `old` is still at revision 0 here, so all of this is refused.
    let change = Change {
        listing: Some(Arc::new(listing("six", 2))),
        read: Some((project("six"), read_at(NOON))),
        rules: vec![StandingRule {
            project: project("six"),
            kind: RuleKind::Block { version: None },
            by: Actor::house("test"),
            reason: "no".into(),
            at: NOON,
        }],
        tokens: vec![token("ada", "secret")],
        events: vec![event("two")],
        ..met(&[&new, &old])
    };
    let conflict = store.commit(change.clone()).await.unwrap_err();
    assert!(matches!(conflict, StoreError::Conflict(_)), "{conflict}");
    assert!(conflict.to_string().contains("six-1.0.tar.gz"), "{conflict}");
    assert_eq!(store.get(&new.id).await.unwrap(), None);
    assert_eq!(store.project(&project("six")).await.unwrap(), None);
    assert_eq!(store.page_read(&project("six")).await.unwrap(), None);
    assert_eq!(store.rules().await.unwrap(), []);
    assert_eq!(store.tokens().await.unwrap(), []);
    assert_eq!(store.counts().await.unwrap(), [1, 0, 0, 0]);
    assert_eq!(verified(&store).await.sequence, 1);

    let read_again = stored(&store, &old).await;
    store.commit(Change { uploads: vec![new.clone(), read_again], ..change }).await.unwrap();
    assert_eq!(stored(&store, &old).await.revision, 2);
    assert_eq!(store.project(&project("six")).await.unwrap(), Some(listing("six", 2)));
    assert_eq!(store.page_read(&project("six")).await.unwrap(), Some(read_at(NOON)));
    assert_eq!(store.rules_of(&project("six")).await.unwrap().len(), 1);
    assert_eq!(verified(&store).await.sequence, 2);
}

async fn of_many_who_change_one_row_one_wins(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let row = upload("six", "1.0");
    store.commit(met(&[&row])).await.unwrap();
    let row = stored(&store, &row).await;
    let attempts = (0..20).map(|number| {
        let (store, row) = (Arc::clone(&store), row.clone());
        tokio::spawn(async move {
            store.commit(Change { events: vec![event(&format!("attempt {number}"))], ..met(&[&row]) }).await
        })
    });
    let mut won = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            Ok(_) => won += 1,
            Err(error) => assert!(matches!(error, StoreError::Conflict(_)), "{error}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(verified(&store).await.sequence, 1);
}

async fn the_chain_holds_under_concurrent_commits(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let about = upload("six", "1.0");
    let writers = (0..50).map(|number| {
        let (store, id) = (Arc::clone(&store), about.id.clone());
        tokio::spawn(async move {
            let mut first = event(&format!("number {number}"));
            // Long fractions, every tenth of which serde_json would read back as its neighbour if it were not told to be exact.
            let similarities: Vec<f64> = (1..40).map(|part| (f64::from(part) / f64::from(number + 41)).sin()).collect();
            first.details = serde_json::json!({"similarities": similarities, "nested": {"b": 1, "a": [null]}});
            first.upload = (number % 10 == 0).then_some(id);
            let change = Change { events: vec![first, event("second")], ..met(&[&upload("six", &number.to_string())]) };
            store.commit(change).await.unwrap()
        })
    });
    let mut places = BTreeSet::new();
    for writer in writers.collect::<Vec<_>>() {
        let events = writer.await.unwrap();
        assert_eq!(events[0].sequence + 1, events[1].sequence, "events of one change stay together");
        places.extend(events.iter().map(|event| event.sequence));
    }
    assert_eq!(places, (1..=100).collect());
    assert_eq!(verified(&store).await.sequence, 100);
    assert_eq!(store.counts().await.unwrap(), [50, 0, 0, 0]);
    let about = store.events_of(&about.id).await.unwrap();
    assert_eq!(about.len(), 5);
    assert!(about.is_sorted_by_key(|event| event.sequence));
    assert_eq!(store.events(98, 10).await.unwrap().len(), 2);
    assert_eq!(store.events(u64::MAX, 10).await.unwrap(), []);
}

async fn index_entries_follow_the_row(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let mut row = upload("six", "1.0");
    let (old, new) = (row.sha256.unwrap(), Sha256::of(b"counted ourselves"));
    store.commit(met(&[&row])).await.unwrap();
    assert_eq!(store.due(NOON + hours(72), 10).await.unwrap().len(), 1);

    row = stored(&store, &row).await;
    row.hold_until = Some(NOON + hours(168));
    row.sha256 = Some(new);
    store.commit(met(&[&row])).await.unwrap();
    assert_eq!(store.due(NOON + hours(72), 10).await.unwrap(), []);
    assert_eq!(store.due(NOON + hours(168), 10).await.unwrap().len(), 1);
    assert_eq!(store.with_digest(&old).await.unwrap(), []);
    assert_eq!(ids(&store.with_digest(&new).await.unwrap()), [&row.id]);

    row = stored(&store, &row).await;
    row.state = State::Released;
    store.commit(met(&[&row])).await.unwrap();
    assert_eq!(store.due(NOON + hours(1000), 10).await.unwrap(), []);
    assert_eq!(store.counts().await.unwrap(), [0, 1, 0, 0]);
    let in_state = |state| UploadQuery { state: Some(state), limit: 10, ..UploadQuery::default() };
    assert_eq!(store.list(&in_state(State::Held)).await.unwrap(), []);
    assert_eq!(store.list(&in_state(State::Released)).await.unwrap().len(), 1);

    row = stored(&store, &row).await;
    row.state = State::Held;
    row.hold_until = None;
    store.commit(met(&[&row])).await.unwrap();
    assert_eq!(store.due(NOON + hours(100_000), 10).await.unwrap(), [], "only a person releases it");
    assert_eq!(store.of(&project("six")).await.unwrap().len(), 1);
    assert_eq!(store.named(&row.filename).await.unwrap().len(), 1);
    assert_eq!(store.named(&FileName::parse("six-1.0.tar").unwrap()).await.unwrap(), []);
}

async fn uploads_are_listed_page_by_page(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let mut rows: Vec<Upload> = (0..30).map(|number| upload("six", &number.to_string())).collect();
    rows.extend((0..30).map(|number| cpan(upload("sixer", &number.to_string()))));
    for (number, row) in rows.iter_mut().enumerate() {
        row.state = State::ALL[number % 4];
    }
    store.commit(met(&rows.iter().collect::<Vec<_>>())).await.unwrap();
    rows.sort_by(|one, two| one.id.cmp(&two.id));

    for state in [None, Some(State::Held), Some(State::Recalled)] {
        for ecosystem in [None, Some(Ecosystem::Pypi), Some(Ecosystem::Cpan), Some(Ecosystem::Teapot)] {
            for project in [None, Some(project("six"))] {
                let wanted: Vec<&UploadId> = rows
                    .iter()
                    .filter(|row| state.is_none_or(|state| state == row.state))
                    .filter(|row| ecosystem.is_none_or(|ecosystem| ecosystem == row.project.ecosystem))
                    .filter(|row| project.as_ref().is_none_or(|project| *project == row.project))
                    .map(|row| &row.id)
                    .collect();
                let mut query = UploadQuery { state, ecosystem, project, limit: 7, cursor: None };
                let mut found = Vec::new();
                loop {
                    let page = store.list(&query).await.unwrap();
                    assert!(page.len() <= 7);
                    let Some(last) = page.last() else { break };
                    query.cursor = Some(last.id.clone());
                    found.extend(page);
                }
                assert_eq!(ids(&found), wanted, "{query:?}");
            }
        }
    }
    assert_eq!(store.of(&project("six")).await.unwrap().len(), 30, "six is not sixer");
    assert_eq!(store.list(&UploadQuery::default()).await.unwrap(), [], "a limit of 0 is a limit");
}

async fn what_is_due_comes_earliest_first(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let rows: Vec<Upload> = (0..20_i64)
        .map(|number| {
            let mut row = upload("six", &number.to_string());
            row.hold_until = Some(NOON + hours((number * 7) % 20));
            row
        })
        .collect();
    store.commit(met(&rows.iter().collect::<Vec<_>>())).await.unwrap();
    let due = store.due(NOON + hours(9), 100).await.unwrap();
    assert_eq!(due.len(), 10);
    assert!(due.is_sorted_by_key(|row| row.hold_until));
    let first: Vec<_> =
        store.due(NOON + hours(9), 3).await.unwrap().iter().map(|row| row.hold_until.unwrap()).collect();
    assert_eq!(first, [NOON, NOON + hours(1), NOON + hours(2)]);
    assert_eq!(store.due(NOON - time::Duration::nanoseconds(1), 100).await.unwrap(), []);
}

async fn what_was_acknowledged_is_there_after_reopening(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let id = store.id().await.unwrap();
    assert!(!id.is_empty());
    assert_eq!(store.head().await.unwrap(), Head::EMPTY, "a new store has an id and nothing else");
    let rows: Vec<Upload> = (0..40).map(|number| upload("six", &number.to_string())).collect();
    for row in &rows {
        store.commit(Change { events: vec![event("met")], ..met(&[row]) }).await.unwrap();
    }
    let listing = listing("six", 500);
    store
        .commit(Change {
            listing: Some(Arc::new(listing.clone())),
            tokens: vec![token("ada", "s")],
            ..Change::default()
        })
        .await
        .unwrap();
    store.enqueue(job("refresh six", NOON)).await.unwrap();
    drop(store);

    let store = place.open().await.unwrap();
    assert_eq!(store.id().await.unwrap(), id);
    assert_eq!(verified(&store).await.sequence, 40);
    for row in &rows {
        assert_eq!(stored(&store, row).await, Upload { revision: 1, ..row.clone() });
    }
    assert_eq!(store.counts().await.unwrap(), [40, 0, 0, 0]);
    assert_eq!(store.project(&project("six")).await.unwrap(), Some(listing));
    assert_eq!(store.token(&Sha256::of(b"s")).await.unwrap(), Some(token("ada", "s")));
    assert_eq!(store.waiting().await.unwrap(), 1);
    store.commit(Change { events: vec![event("goes on")], ..Change::default() }).await.unwrap();
    assert_eq!(verified(&store).await.sequence, 41);
}

async fn what_was_noted_is_as_whole_as_what_was_committed(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let (row, page) = (upload("six", "1.0"), listing("six", 500));
    let change = Change { listing: Some(Arc::new(page.clone())), events: vec![event("met")], ..met(&[&row]) };
    assert_eq!(store.note(change.clone()).await.unwrap().len(), 1);
    assert_eq!(store.project(&project("six")).await.unwrap(), Some(page.clone()), "seen at once");
    assert!(matches!(store.note(change).await, Err(StoreError::Conflict(_))), "the row is another one by now");
    drop(store);

    let store = place.open().await.unwrap();
    assert_eq!(verified(&store).await.sequence, 1);
    assert_eq!(stored(&store, &row).await, Upload { revision: 1, ..row.clone() });
    assert_eq!(store.project(&project("six")).await.unwrap(), Some(page));
}

async fn large_rows_come_back_whole(place: &dyn Place) {
    let store = place.open().await.unwrap();
    for files in [5000, 10, 3000] {
        let page = listing("boto3", files);
        store.commit(Change { listing: Some(Arc::new(page.clone())), ..Change::default() }).await.unwrap();
        assert_eq!(store.project(&project("boto3")).await.unwrap(), Some(page));
    }
    let mut long = upload("six", "1.0");
    long.verdict.reason = (0..20_000).map(|number| number.to_string()).collect();
    store.commit(met(&[&long])).await.unwrap();
    drop(store);
    let store = place.open().await.unwrap();
    assert_eq!(store.project(&project("boto3")).await.unwrap(), Some(listing("boto3", 3000)));
    assert_eq!(stored(&store, &long).await.verdict, long.verdict);
}

async fn projects_are_listed_by_name(place: &dyn Place) {
    let store = place.open().await.unwrap();
    for name in ["six", "sixer", "attrs", "six-extra"] {
        store.commit(Change { listing: Some(Arc::new(listing(name, 1))), ..Change::default() }).await.unwrap();
    }
    store.touch(&project("only-touched"), read_at(NOON)).await.unwrap();
    assert_eq!(store.page_read(&project("only-touched")).await.unwrap(), Some(read_at(NOON)));
    let all = store.projects(Ecosystem::Pypi, None, 10).await.unwrap();
    assert_eq!(all, ["attrs", "six", "six-extra", "sixer"].map(project));
    assert_eq!(store.projects(Ecosystem::Pypi, Some(&project("six")), 1).await.unwrap(), [project("six-extra")]);
    assert_eq!(store.projects(Ecosystem::Cpan, None, 10).await.unwrap(), []);
}

async fn rules_and_tokens_are_replaced_by_their_keys(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let waiver = |name, signal: &str| StandingRule {
        project: project(name),
        kind: RuleKind::Waiver { signals: vec![signal.into()], expires: NOON + hours(24) },
        by: Actor::house("test"),
        reason: "known".into(),
        at: NOON,
    };
    let block = StandingRule { kind: RuleKind::Block { version: None }, ..waiver("six", "typosquat") };
    let rules = vec![waiver("six", "typosquat"), block.clone(), waiver("sixer", "typosquat")];
    store.commit(Change { rules, ..Change::default() }).await.unwrap();
    store.commit(Change { rules: vec![waiver("six", "dormant")], ..Change::default() }).await.unwrap();
    assert_eq!(store.rules_of(&project("six")).await.unwrap(), [block.clone(), waiver("six", "dormant")]);
    assert_eq!(store.rules().await.unwrap().len(), 3);
    let lifted = vec![block.key(), "never was".into()];
    store.commit(Change { lifted, ..Change::default() }).await.unwrap();
    assert_eq!(store.rules_of(&project("six")).await.unwrap(), [waiver("six", "dormant")]);

    let tokens = vec![token("rob", "two"), token("ada", "one")];
    store.commit(Change { tokens, ..Change::default() }).await.unwrap();
    store.commit(Change { tokens: vec![token("ada", "three")], ..Change::default() }).await.unwrap();
    assert_eq!(store.token(&Sha256::of(b"one")).await.unwrap(), None, "the old secret is no good any more");
    assert_eq!(store.token(&Sha256::of(b"three")).await.unwrap(), Some(token("ada", "three")));
    assert_eq!(store.tokens().await.unwrap(), [token("ada", "three"), token("rob", "two")]);
}

async fn a_job_is_one_job_and_leases_end(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let minute = Duration::from_mins(1);
    for run_at in [NOON + hours(2), NOON, NOON + hours(1)] {
        store.enqueue(job("refresh six", run_at)).await.unwrap();
    }
    store.enqueue(job("refresh attrs", NOON - hours(1))).await.unwrap();
    assert_eq!(store.waiting().await.unwrap(), 2);
    assert_eq!(store.lease(NOON - hours(2), minute, 10).await.unwrap(), []);
    let leased = store.lease(NOON, minute, 10).await.unwrap();
    let keys: Vec<_> = leased.iter().map(|job| job.key.as_str()).collect();
    assert_eq!(keys, ["refresh attrs", "refresh six"], "earliest first");
    assert_eq!(leased[1].run_at, NOON, "the earliest of its times");
    assert_eq!(leased[1].attempts, 1);
    assert_eq!(store.lease(NOON, minute, 10).await.unwrap(), [], "nobody else gets it meanwhile");

    store.finish("refresh attrs").await.unwrap();
    assert_eq!(store.waiting().await.unwrap(), 1);
    let again = store.lease(NOON + minute, minute, 10).await.unwrap();
    assert_eq!(again.len(), 1, "its worker died");
    assert_eq!(again[0].attempts, 2);

    store.retry("refresh six", NOON + hours(5)).await.unwrap();
    assert_eq!(store.lease(NOON + hours(4), minute, 10).await.unwrap(), []);
    assert_eq!(store.lease(NOON + hours(5), minute, 10).await.unwrap().len(), 1);
    store.finish("refresh six").await.unwrap();
    store.finish("refresh six").await.unwrap();
    store.retry("refresh six", NOON).await.unwrap();
    assert_eq!(store.waiting().await.unwrap(), 0);

    // Ten workers, thirty jobs, each job once.
    for number in 0..30 {
        store.enqueue(job(&format!("job {number}"), NOON)).await.unwrap();
    }
    let workers = (0..10).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.lease(NOON, minute, 30).await.unwrap() })
    });
    let mut taken = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        taken.extend(worker.await.unwrap().into_iter().map(|job| job.key));
    }
    taken.sort();
    let together = taken.len();
    taken.dedup();
    assert_eq!((together, taken.len()), (30, 30));
}

async fn a_job_enqueued_while_it_runs_runs_again(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let minute = Duration::from_mins(1);
    store.enqueue(job("refresh six", NOON)).await.unwrap();
    assert_eq!(store.lease(NOON, minute, 1).await.unwrap().len(), 1);
    store.enqueue(job("refresh six", NOON + hours(1))).await.unwrap();
    assert_eq!(store.waiting().await.unwrap(), 1, "still one job");
    store.finish("refresh six").await.unwrap();
    assert_eq!(store.lease(NOON, minute, 1).await.unwrap(), []);
    let next = store.lease(NOON + hours(1), minute, 1).await.unwrap();
    assert_eq!(next[0].attempts, 1);
    store.finish("refresh six").await.unwrap();
    assert_eq!(store.waiting().await.unwrap(), 0);
}

async fn downloads_add_up(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let of = |bytes: &[u8], actor: &str, count| Download {
        sha256: Sha256::of(bytes),
        actor: actor.into(),
        day: "2026-11-22".into(),
        count,
    };
    let adders = (0..20).map(|_| {
        let store = Arc::clone(&store);
        let downloads = vec![of(b"six", "ada", 1), of(b"six", "rob", 2), of(b"six", "ada", 3), of(b"attrs", "ada", 1)];
        tokio::spawn(async move { store.add(downloads).await.unwrap() })
    });
    for adder in adders.collect::<Vec<_>>() {
        adder.await.unwrap();
    }
    let six = store.of_digest(&Sha256::of(b"six")).await.unwrap();
    assert_eq!(six, [of(b"six", "ada", 80), of(b"six", "rob", 40)]);
    assert_eq!(store.of_digest(&Sha256::of(b"nothing")).await.unwrap(), []);
}

async fn the_highest_time_never_falls(place: &dyn Place) {
    let store = place.open().await.unwrap();
    assert_eq!(store.highest_time().await.unwrap(), None);
    for shift in [0, 5, -5, 3] {
        store.raise_time(NOON + hours(shift)).await.unwrap();
    }
    assert_eq!(store.highest_time().await.unwrap(), Some(NOON + hours(5)));
    drop(store);
    let store = place.open().await.unwrap();
    assert_eq!(store.highest_time().await.unwrap(), Some(NOON + hours(5)));
}

async fn private_names_are_remembered(place: &dyn Place) {
    let store = place.open().await.unwrap();
    store.note_private(&project("acme"), "corp").await.unwrap();
    drop(store);
    let store = place.open().await.unwrap();
    assert_eq!(store.private_owner(&project("acme")).await.unwrap().as_deref(), Some("corp"));
    assert_eq!(store.private_owner(&project("acme-billing")).await.unwrap(), None);
    store.forget_private(&project("acme")).await.unwrap();
    assert_eq!(store.private_owner(&project("acme")).await.unwrap(), None);
}

async fn evidence_is_kept_under_its_digest(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let large: Vec<u8> =
        (0..300_000_u32).flat_map(|number| Sha256::of(&number.to_be_bytes()).as_bytes()[..1].to_vec()).collect();
    for bytes in [b"".to_vec(), b"{}".to_vec(), large] {
        let digest = store.keep(bytes.clone()).await.unwrap();
        assert_eq!(digest, Sha256::of(&bytes));
        assert_eq!(store.keep(bytes.clone()).await.unwrap(), digest, "twice is once");
        assert_eq!(store.fetch(&digest).await.unwrap(), Some(bytes));
    }
    assert_eq!(store.fetch(&Sha256::of(b"nothing")).await.unwrap(), None);
}

async fn a_snapshot_takes_the_place_of_the_one_before(place: &dyn Place) {
    let store = place.open().await.unwrap();
    assert_eq!(store.snapshot("pypi:six").await.unwrap(), None);
    let large = "ada owns it. ".repeat(20_000).into_bytes();
    store.keep_snapshot("pypi:six", large.clone()).await.unwrap();
    store.keep_snapshot("pypi:sixer", b"rob owns it".to_vec()).await.unwrap();
    assert_eq!(store.snapshot("pypi:six").await.unwrap(), Some(large));
    store.keep_snapshot("pypi:six", b"eve owns it".to_vec()).await.unwrap();
    drop(store);
    let store = place.open().await.unwrap();
    assert_eq!(store.snapshot("pypi:six").await.unwrap().as_deref(), Some(&b"eve owns it"[..]));
    assert_eq!(store.snapshot("pypi:sixer").await.unwrap().as_deref(), Some(&b"rob owns it"[..]));
}

async fn a_row_of_a_newer_version_is_refused(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let row = upload("six", "1.0");
    store.commit(met(&[&row])).await.unwrap();
    drop(store);
    place.age_upload_rows().await;
    let store = place.open().await.unwrap();
    let refused = store.get(&row.id).await.unwrap_err();
    assert!(matches!(refused, StoreError::TooNew { found: 2, known: 1 }), "{refused}");
    assert!(matches!(store.due(NOON + hours(72), 1).await, Err(StoreError::TooNew { .. })));
    assert!(matches!(store.commit(met(&[&row])).await, Err(StoreError::TooNew { .. })), "nor overwritten");
}

// What only sled can suffer from.

fn snapshots(folder: &Path, prefix: &str) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sled_snapshot_cut_to_nothing_is_set_aside_and_nothing_is_lost() {
    let place = Folder::default();
    let store = place.open().await.unwrap();
    let rows: Vec<Upload> = (0..100).map(|number| upload("six", &number.to_string())).collect();
    for chunk in rows.chunks(10) {
        let change = Change { events: vec![event("met")], ..met(&chunk.iter().collect::<Vec<_>>()) };
        store.commit(change).await.unwrap();
    }
    drop(store);
    drop(place.open().await.unwrap());
    let folder = place.0.path();
    assert!(!snapshots(folder, "snap.").is_empty());
    for snapshot in snapshots(folder, "snap.") {
        std::fs::write(snapshot, b"").unwrap();
    }

    let store = place.open().await.unwrap();
    assert!(!snapshots(folder, "set-aside.snap.").is_empty());
    assert_eq!(store.counts().await.unwrap(), [100, 0, 0, 0]);
    assert_eq!(verified(&store).await.sequence, 10);
    for row in &rows {
        assert_eq!(stored(&store, row).await.id, row.id);
    }
}

#[tokio::test]
async fn a_temporary_sled_store_is_gone_with_its_last_handle() {
    let store = SledStore::temporary().unwrap();
    store.commit(met(&[&upload("six", "1.0")])).await.unwrap();
    let text = format!("{store:?}");
    let folder = text.trim_start_matches("SledStore(").trim_end_matches(')').to_owned();
    assert!(Path::new(&folder).exists());
    drop(store);
    // sled frees its last pages a moment later, when no other store of this process reads.
    for _ in 0..100 {
        if !Path::new(&folder).exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{folder} is still there");
}

async fn evidence_is_listed_and_forgotten(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let mut kept = Vec::new();
    for number in 0..10_u32 {
        // One of them is so large that a store may keep it in pieces.
        let length = if number == 3 { 300_000 } else { 100 };
        let noise =
            (0..length / 32).map(|place: u32| *Sha256::of(&[place, number].map(u32::to_be_bytes).concat()).as_bytes());
        kept.push(store.keep(noise.collect::<Vec<_>>().concat()).await.unwrap());
    }
    let large = kept[3];
    kept.sort();
    let first = store.digests(None, 4).await.unwrap();
    let others = store.digests(first.last(), 100).await.unwrap();
    assert_eq!([first, others].concat(), kept);
    assert_eq!(store.digests(kept.last(), 100).await.unwrap(), []);

    assert!(store.weight(vec![large]).await.unwrap() > 100_000);
    assert_eq!(store.weight(vec![Sha256::of(b"nowhere")]).await.unwrap(), 0);
    let gone = vec![large, kept[0], Sha256::of(b"nowhere")];
    assert!(store.forget(gone.clone()).await.unwrap() > 100_000);
    assert_eq!(store.forget(gone).await.unwrap(), 0);
    assert_eq!(store.fetch(&large).await.unwrap(), None);
    let left: Vec<Sha256> = kept.iter().copied().filter(|digest| *digest != large && *digest != kept[0]).collect();
    assert_eq!(store.digests(None, 100).await.unwrap(), left);
}

async fn the_last_day_of_a_download_is_known(place: &dyn Place) {
    let store = place.open().await.unwrap();
    let download = |what: &str, day: &str, actor: &str| Download {
        sha256: Sha256::of(what.as_bytes()),
        actor: actor.into(),
        day: day.into(),
        count: 1,
    };
    let all = vec![
        download("six", "2026-11-20", "zoe"),
        download("six", "2026-11-22", "ada"),
        download("seven", "2026-11-23", "ada"),
    ];
    store.add(all).await.unwrap();
    let last = async |what: &str| store.last_download(&Sha256::of(what.as_bytes())).await.unwrap();
    assert_eq!(last("six").await.as_deref(), Some("2026-11-22"));
    assert_eq!(last("seven").await.as_deref(), Some("2026-11-23"));
    assert_eq!(last("eight").await, None);

    // Forgotten by the day, a few rows at a time.
    let (mut after, mut turns) = (None, 0);
    loop {
        after = store.forget_downloads("2026-11-23", after, 2).await.unwrap();
        turns += 1;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((turns, last("six").await), (2, None));
    assert_eq!(last("seven").await.as_deref(), Some("2026-11-23"), "that day is kept");
}

/// A store with some of everything.
async fn furnished(place: &dyn Place) -> Arc<dyn Store> {
    let store = place.open().await.unwrap();
    let uploads: Vec<Upload> = (0..40).map(|number| upload("six", &format!("1.{number}"))).collect();
    let mut about = event("first");
    about.upload = Some(uploads[0].id.clone());
    let change = Change {
        listing: Some(Arc::new(listing("six", 300))),
        read: Some((project("six"), read_at(NOON))),
        uploads,
        rules: vec![StandingRule {
            project: project("six"),
            kind: RuleKind::Block { version: None },
            by: Actor::house("test"),
            reason: "no".into(),
            at: NOON,
        }],
        tokens: vec![token("ada", "secret")],
        events: vec![about, event("second")],
        ..Change::default()
    };
    store.commit(change).await.unwrap();
    store.note_private(&project("acme"), "corp").await.unwrap();
    store.raise_time(NOON).await.unwrap();
    let noise =
        |number: u32| (0..50_000_u32).map(move |place| (place + number).wrapping_mul(2_654_435_761).to_le_bytes()[2]);
    store.keep(noise(1).collect()).await.unwrap();
    store.keep_snapshot("pypi:six", noise(2).collect()).await.unwrap();
    let download = Download { sha256: Sha256::of(b"six"), actor: "ada".into(), day: "2026-11-22".into(), count: 3 };
    store.add(vec![download]).await.unwrap();
    store
}

async fn all(frozen: &mut dyn Frozen) -> Vec<Fact> {
    let mut facts = Vec::new();
    loop {
        let some = frozen.next().await.unwrap();
        if some.is_empty() {
            return facts;
        }
        facts.extend(some);
    }
}

/// The facts of this moment; what an earlier one put aside is forgotten in the background.
async fn facts_now(store: &Arc<dyn Store>) -> Vec<Fact> {
    for _ in 0..200 {
        if let Ok(mut frozen) = store.freeze().await {
            return all(&mut *frozen).await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the store stays frozen");
}

async fn a_moment_is_read_as_it_was_while_others_write(place: &dyn Place) {
    let store = furnished(place).await;
    let before = facts_now(&store).await;
    assert!(before.iter().any(|fact| matches!(fact, Fact::Project(known) if known.files.len() == 300)));
    let dossier = store.digests(None, 1).await.unwrap()[0];

    let mut frozen = loop {
        if let Ok(frozen) = store.freeze().await {
            break frozen;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(frozen.head(), store.head().await.unwrap());
    assert_eq!(frozen.instance(), store.id().await.unwrap());
    assert!(matches!(store.freeze().await, Err(StoreError::Refused(_))), "one at a time");
    let change_everything = async |turn: u32| {
        let mut changed = store.list(&UploadQuery { limit: 100, ..UploadQuery::default() }).await.unwrap();
        for upload in &mut changed {
            upload.state = State::Rejected;
        }
        changed.push(upload("six", &format!("7.{turn}")));
        changed.push(upload("seven", &format!("7.{turn}")));
        let change = Change {
            listing: Some(Arc::new(listing("six", 301))),
            read: Some((project("six"), read_at(NOON + hours(1)))),
            uploads: changed,
            lifted: store.rules().await.unwrap().iter().map(StandingRule::key).collect(),
            tokens: vec![token("ada", "another"), token("bob", "third")],
            events: vec![event("later")],
            ..Change::default()
        };
        store.commit(change).await.unwrap();
        store.forget_private(&project("acme")).await.unwrap();
        store.note_private(&project("acme-two"), "corp").await.unwrap();
        store.forget(vec![dossier]).await.unwrap();
        store.keep(b"more evidence".to_vec()).await.unwrap();
        store.keep_snapshot("pypi:six", b"short".to_vec()).await.unwrap();
        store.keep_snapshot("pypi:seven", b"new".to_vec()).await.unwrap();
        let download = Download { sha256: Sha256::of(b"six"), actor: "ada".into(), day: "2026-11-22".into(), count: 4 };
        store.add(vec![download]).await.unwrap();
    };
    change_everything(0).await;
    let mut seen = frozen.next().await.unwrap();
    change_everything(1).await;
    seen.extend(all(&mut *frozen).await);
    assert!(seen == before, "{} facts instead of {}", seen.len(), before.len());
    drop(frozen);

    // What is read now is what is there now, and nothing is left of what was put aside.
    let now = facts_now(&store).await;
    assert_eq!(facts_now(&store).await, now);
    assert!(now.iter().any(|fact| matches!(fact, Fact::Project(known) if known.files.len() == 301)));
    assert_eq!(now.iter().filter(|fact| matches!(fact, Fact::Upload(_))).count(), 44);
    assert!(!now.iter().any(|fact| matches!(fact, Fact::Rule(_))));
}

async fn what_left_a_store_comes_back_as_it_was(place: &dyn Place) {
    let store = furnished(place).await;
    assert!(!store.is_empty().await.unwrap());
    let (before, id, head) = (facts_now(&store).await, store.id().await.unwrap(), verified(&store).await);
    store.commit(Change { events: vec![event("lost")], ..met(&[&upload("seven", "1.0")]) }).await.unwrap();

    store.begin_import(&id).await.unwrap();
    for some in before.chunks(7) {
        store.import(some.to_vec()).await.unwrap();
    }
    // What is imported twice is there once.
    store.import(before[..20].to_vec()).await.unwrap();
    store.finish_import().await.unwrap();
    drop(store);
    let store = loop {
        // The last reader of a moment lets go in the background.
        match place.open().await {
            Ok(store) => break store,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    assert_eq!(store.id().await.unwrap(), id);
    assert_eq!(verified(&store).await, head);
    assert!(facts_now(&store).await == before);
    assert_eq!(store.counts().await.unwrap(), [40, 0, 0, 0]);
    let row = stored(&store, &upload("six", "1.3")).await;
    assert_eq!(row.revision, 1, "as it was");
    assert_eq!(store.of(&project("six")).await.unwrap().len(), 40);
    assert_eq!(store.with_digest(&row.sha256.unwrap()).await.unwrap(), std::slice::from_ref(&row));
    assert_eq!(store.due(NOON + hours(72), 100).await.unwrap().len(), 40);
    assert_eq!(store.events_of(&upload("six", "1.0").id).await.unwrap().len(), 1);
    assert_eq!(store.token(&Sha256::of(b"secret")).await.unwrap().unwrap().name, "ada");
    store.commit(Change { events: vec![event("goes on")], ..met(&[&row]) }).await.unwrap();
    assert_eq!(verified(&store).await.sequence, head.sequence + 1);
}

async fn half_an_import_opens_for_nothing_else(place: &dyn Place) {
    let store = furnished(place).await;
    store.begin_import("another house").await.unwrap();
    assert!(store.is_empty().await.unwrap());
    store.import(vec![Fact::HighestTime(NOON)]).await.unwrap();
    drop(store);
    let refused = place.open().await.unwrap_err().to_string();
    assert!(refused.contains("half an import"), "{refused}");
}
