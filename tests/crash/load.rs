//! A mixed load: pages cold and hot, files first fetched and fetched again, decisions, tokens, and upstreams that change.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use tokio::task::JoinSet;

use super::harbour::{Cargo, Fate, Harbour, Quay};
use super::inspection::{address, imtime, is_served, modified};
use super::witness::{Certainty, Count, Witness};
use crate::common::program::Program;

/// Who installs at the same time.
const CLIENTS: usize = 3;
/// People at the desk. Each has targets of its own, so that no two decide on one.
const REVIEWERS: usize = 2;

/// The load, until it is stopped.
pub(super) struct Load {
    tasks: JoinSet<()>,
}

impl Load {
    /// Begins.
    pub(super) fn on(
        program: &Arc<Program>,
        harbour: &Arc<Harbour>,
        witness: &Arc<Witness>,
        chance: &mut StdRng,
    ) -> Self {
        let mut tasks = JoinSet::new();
        let mut hand = || Hand {
            program: program.clone(),
            harbour: harbour.clone(),
            witness: witness.clone(),
            chance: StdRng::seed_from_u64(chance.random()),
        };
        for _ in 0..CLIENTS {
            tasks.spawn(hand().install());
        }
        for number in 0..REVIEWERS {
            tasks.spawn(hand().review(number));
        }
        tasks.spawn(hand().hand_out_tokens());
        tasks.spawn(hand().follow_indexes());
        tasks.spawn(hand().upload());
        Self { tasks }
    }

    /// Ends. What went wrong in a task that should not goes on here.
    pub(super) async fn stop(mut self) {
        self.tasks.abort_all();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    }
}

/// One of those who make the load.
struct Hand {
    program: Arc<Program>,
    harbour: Arc<Harbour>,
    witness: Arc<Witness>,
    chance: StdRng,
}

impl Hand {
    /// A client: new projects and known ones, old files and such as it must not get.
    async fn install(mut self) {
        loop {
            let known = self.harbour.cargo();
            if self.chance.random_bool(0.2) || known.len() < 10 {
                let (versions, padding) = *[(1, 0), (2, 200_000), (40, 0)].choose(&mut self.chance).expect("a size");
                let name = self.harbour.project(versions, padding);
                self.program.get(&format!("/pypi/simple/{name}/")).await;
                self.program.get(&format!("/pypi/simple/{name}/")).await;
                continue;
            }
            let cargo = known.choose(&mut self.chance).expect("some");
            if cargo.quay == Quay::Packages
                && let Some(project) = cargo.path.strip_prefix("/pypi/files/").and_then(|rest| rest.split('/').next())
            {
                self.program.get(&format!("/pypi/simple/{project}/")).await;
            }
            let answer = self.program.fetch(&address(&self.program, cargo)).await;
            if answer.status == 0 {
                // Killed.
                return;
            }
            // `is_served` also checks the bytes. What may be open is asked of the witness after each end.
            if is_served(cargo, &answer) {
                assert!(cargo.fate != Fate::Broken, "{} was served", cargo.target);
                self.witness.got_file();
            }
        }
    }

    /// A reviewer decides on what is held and takes back some of it.
    async fn review(mut self, number: usize) {
        loop {
            let deeds = self.witness.deeds();
            let now = std::time::SystemTime::now();
            let mut next = None;
            for (place, cargo) in self.harbour.cargo().into_iter().enumerate().rev() {
                if cargo.fate != Fate::Held || place % REVIEWERS != number {
                    continue;
                }
                let about = deeds.iter().filter(|deed| deed.target == cargo.target);
                let about: Vec<_> = about.filter(|deed| deed.at(now) != Certainty::Undone).collect();
                match about.as_slice() {
                    [] => {
                        let verb = ["approve", "approve", "reject"].choose(&mut self.chance).expect("a verb");
                        next = Some((*verb, cargo));
                    }
                    [approved] if approved.verb == "approve" && approved.at(now) == Certainty::Done => {
                        next = Some(("recall", cargo));
                    }
                    _ => continue,
                }
                if self.chance.random_bool(0.5) {
                    break;
                }
            }
            match next {
                Some((verb, cargo)) => self.decide(verb, &cargo).await,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    async fn decide(&self, verb: &'static str, cargo: &Cargo) {
        if let Some(project) = cargo.target.strip_prefix("pypi:").and_then(|rest| rest.split('=').next()) {
            self.program.get(&format!("/pypi/simple/{project}/")).await;
        }
        let shown = cargo.target.replace('=', "%3D").replace(':', "%3A");
        // What is not known yet cannot be decided on: a poll or a page is still to come.
        let known = self.program.api(Method::GET, &format!("/uploads/{shown}"), None).await;
        if known.status != 200 {
            // Or it was killed.
            tokio::time::sleep(Duration::from_millis(20)).await;
            return;
        }
        let (place, reason) = self.witness.asks(verb, &cargo.target);
        let body = json!({ "reason": reason });
        let answer = self.program.api(Method::POST, &format!("/uploads/{shown}/{verb}"), Some(&body)).await;
        match answer.status {
            200 => self.witness.acknowledged(place, None),
            // Killed meanwhile: nobody was told.
            0 => {}
            // Somebody looked at it in the same moment: refused, so it must not have happened.
            409 => self.witness.found(place, false),
            status => panic!("{verb} {}: {status} {}", cargo.target, answer.text()),
        }
    }

    async fn hand_out_tokens(mut self) {
        loop {
            tokio::time::sleep(Duration::from_millis(self.chance.random_range(50..250))).await;
            let name = format!("token-{}", self.chance.random::<u64>());
            let (place, _) = self.witness.asks("token", &name);
            let body = json!({ "name": name, "role": "viewer" });
            let answer = self.program.api(Method::POST, "/tokens", Some(&body)).await;
            match answer.status {
                200 => self.witness.acknowledged(place, answer.json()["token"].as_str().map(str::to_owned)),
                0 => return,
                status => panic!("token {name}: {status} {}", answer.text()),
            }
        }
    }

    /// The clients of CPAN and teapot look at the whole index.
    async fn follow_indexes(self) {
        loop {
            if let Some(seen) = modified(&self.program).await {
                self.witness.saw(Count::Cpan, seen);
            }
            if let Some(seen) = imtime(&self.program).await {
                self.witness.saw(Count::Teapot, seen);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Upstream, people release.
    async fn upload(mut self) {
        loop {
            tokio::time::sleep(Duration::from_millis(self.chance.random_range(50..400))).await;
            let number: u32 = self.chance.random_range(1_000..1_000_000_000);
            match self.chance.random_range(0..3) {
                // What its first index has is trusted, so that one must have been read before.
                0 if self.witness.highest(Count::Teapot, std::time::SystemTime::now()) > 0 => {
                    self.harbour.tcl_package(&format!("2.{number}"), Fate::Held);
                }
                1 => self.harbour.distribution(&format!("2.{number}"), Fate::Held),
                _ => {
                    let cargo = self.harbour.cargo();
                    let name = cargo.choose(&mut self.chance).and_then(|cargo| {
                        cargo.target.strip_prefix("pypi:").and_then(|rest| rest.split('=').next()).map(str::to_owned)
                    });
                    if let Some(name) = name {
                        self.harbour.release(&name, &format!("3.{number}"));
                    }
                }
            }
        }
    }
}
