//! Looks at a program that was started again: whether all that was acknowledged is there, and nothing is served that must not be.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use http::Method;
use lazaret::domain::Sha256;
use lazaret::registry::teapot::IndexStatus;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::Value;

use super::harbour::{Cargo, Fate, Harbour, Quay};
use super::witness::{Certainty, Count, Deed, Witness};
use crate::common::browser::Answer;
use crate::common::program::Program;

/// So many files are asked for beside those that somebody decided on lately.
const SAMPLE: usize = 12;
/// So many of the last decisions are looked at in what is served; all of them in the ledger.
const LATEST: usize = 20;
/// A first index is waited for so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a file is served.
pub(super) fn address(program: &Program, cargo: &Cargo) -> String {
    let listener = match cargo.quay {
        Quay::Packages => program.packages(),
        Quay::Teapot => program.teapot(),
    };
    format!("{listener}{}", cargo.path)
}

/// Whether the answer is the whole file; if so, its bytes are the right ones.
pub(super) fn is_served(cargo: &Cargo, answer: &Answer) -> bool {
    let whole = answer.status == 200 && !answer.cut;
    if whole {
        assert_eq!(Sha256::of(&answer.body), cargo.sha256, "{}: other bytes than were promised", cargo.target);
    }
    whole
}

/// The time of the teapot index, if there is an answer.
pub(super) async fn imtime(program: &Program) -> Option<i64> {
    let answer = program.fetch(&format!("{}/db/status", program.teapot())).await;
    (answer.status == 200 && !answer.cut).then(|| IndexStatus::read(&answer.body).expect("a status").imtime)
}

/// The Last-Modified of CPAN's index, if there is an answer.
pub(super) async fn modified(program: &Program) -> Option<i64> {
    let answer = program.get("/cpan/modules/02packages.details.txt.gz").await;
    if answer.status != 200 || answer.cut {
        return None;
    }
    let time = httpdate::parse_http_date(answer.header("last-modified")).expect("a date");
    let since = time.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    Some(i64::try_from(since.as_secs()).expect("a time"))
}

/// Looks at everything, for what was known at a moment. Places of deeds whose end nobody was told, and whether they happened.
pub(super) async fn inspect(
    program: &Program,
    harbour: &Harbour,
    witness: &Witness,
    moment: SystemTime,
    chance: &mut StdRng,
) -> Vec<(usize, bool)> {
    let verified = program.api(Method::GET, "/audit/verify", None).await;
    assert_eq!(verified.status, 200, "{}", verified.text());
    assert_eq!(verified.json()["ok"], true, "{}", verified.text());

    let told = ledger(program).await;
    let deeds = witness.deeds();
    let mut open = Vec::new();
    for (place, deed) in deeds.iter().enumerate() {
        let times = told.get(&deed.summary).copied().unwrap_or(0);
        match deed.at(moment) {
            Certainty::Done => assert_eq!(times, 1, "acknowledged, and so often in the ledger: {deed:?}"),
            Certainty::Open => {
                assert!(times <= 1, "{times} times in the ledger: {deed:?}");
                open.push((place, times == 1));
            }
            Certainty::Undone => assert_eq!(times, 0, "nobody asked for it by then: {deed:?}"),
        }
    }
    tokens(program, &deeds, moment).await;
    files(program, harbour, &deeds, moment, chance).await;
    counts(program, witness, moment).await;
    open
}

/// How often the ledger says something.
async fn ledger(program: &Program) -> HashMap<String, usize> {
    let mut told = HashMap::new();
    let mut cursor = Value::from("0");
    while let Some(after) = cursor.as_str() {
        let page = program.api(Method::GET, &format!("/audit?limit=1000&cursor={after}"), None).await;
        assert_eq!(page.status, 200, "{}", page.text());
        let page = page.json();
        for event in page["items"].as_array().expect("items") {
            *told.entry(event["summary"].as_str().expect("a summary").to_owned()).or_insert(0) += 1;
        }
        cursor = page["next"].clone();
    }
    told
}

/// The tokens that were handed out are good.
async fn tokens(program: &Program, deeds: &[Deed], moment: SystemTime) {
    let good = deeds.iter().filter(|deed| deed.at(moment) == Certainty::Done).filter_map(|deed| deed.secret.as_ref());
    let good: Vec<&String> = good.collect();
    for secret in good.iter().rev().take(LATEST) {
        let answer = program.api_as(secret, Method::GET, "/audit?limit=1", None).await;
        assert_eq!(answer.status, 200, "a token that was handed out: {}", answer.text());
    }
}

/// What is served is what is old or was let in, byte for byte, and all of that.
async fn files(program: &Program, harbour: &Harbour, deeds: &[Deed], moment: SystemTime, chance: &mut StdRng) {
    let cargo = harbour.cargo();
    let decided: Vec<&String> = deeds
        .iter()
        .rev()
        .filter(|deed| deed.verb != "token" && deed.asked <= moment)
        .map(|deed| &deed.target)
        .collect();
    let decided = &decided[..decided.len().min(LATEST)];
    let mut looked_at: Vec<&Cargo> = cargo.iter().filter(|cargo| decided.contains(&&cargo.target)).collect();
    looked_at.extend(cargo.choose_multiple(chance, SAMPLE));
    for cargo in looked_at {
        let answer = program.fetch(&address(program, cargo)).await;
        let served = is_served(cargo, &answer);
        // What a teapot's first index has is trusted: for a program that had not seen one yet, this was in it.
        if cargo.quay == Quay::Teapot && cargo.since > moment {
            continue;
        }
        let about = || deeds.iter().filter(|deed| deed.target == cargo.target);
        let done = about().rev().find(|deed| deed.at(moment) == Certainty::Done);
        let open = about().any(|deed| deed.at(moment) == Certainty::Open);
        let expected = cargo.fate == Fate::Served || done.is_some_and(|deed| deed.verb == "approve");
        let said = || format!("{} {}: {}", cargo.target, answer.status, answer.text());
        assert!(served == expected || open, "served: {served}, expected: {expected}, after {done:?}: {}", said());
        if !served {
            assert!(matches!(answer.status, 403 | 404) || cargo.fate == Fate::Broken, "{}", said());
        }
    }
}

/// What clients compare indexes by does not fall.
async fn counts(program: &Program, witness: &Witness, moment: SystemTime) {
    let patience = tokio::time::Instant::now() + PATIENCE;
    let (mut cpan, mut teapot) = (modified(program).await, imtime(program).await);
    while (cpan.is_none() || teapot.is_none()) && tokio::time::Instant::now() < patience {
        (cpan, teapot) = (modified(program).await, imtime(program).await);
    }
    assert!(cpan.expect("CPAN's index") >= witness.highest(Count::Cpan, moment), "CPAN's index grew older");
    assert!(teapot.expect("a teapot status") >= witness.highest(Count::Teapot, moment), "teapot's index grew older");
}
