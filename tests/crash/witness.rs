//! Who writes down what was asked of the program, and when it said that it was done.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// One decision, or one token.
#[derive(Debug, Clone)]
pub(super) struct Deed {
    /// `approve`, `reject`, `recall`, or `token`.
    pub(super) verb: &'static str,
    /// What it is about: `pypi:oakum==2.0`, or a token's name.
    pub(super) target: String,
    /// What the ledger must say of it, and of nothing else.
    pub(super) summary: String,
    /// The secret of a token that was made.
    pub(super) secret: Option<String>,
    pub(super) asked: SystemTime,
    /// When the answer was here.
    pub(super) acknowledged: Option<SystemTime>,
    /// It was not acknowledged, and did not happen.
    pub(super) lost: bool,
}

/// What is sure of a deed at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Certainty {
    /// It was acknowledged before.
    Done,
    /// It was asked for, and nobody was told how it ended.
    Open,
    /// It was not asked for yet, or is known to have been lost.
    Undone,
}

impl Deed {
    /// What is sure of it then.
    pub(super) fn at(&self, moment: SystemTime) -> Certainty {
        match self.acknowledged {
            Some(acknowledged) if acknowledged <= moment => Certainty::Done,
            _ if self.lost || self.asked > moment => Certainty::Undone,
            _ => Certainty::Open,
        }
    }
}

/// A count that only rises, as a client saw it.
#[derive(Debug, Clone, Copy)]
struct Seen {
    at: SystemTime,
    what: Count,
    value: i64,
}

/// Which count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// The time of the teapot index.
    Teapot,
    /// The Last-Modified of CPAN's.
    Cpan,
}

#[derive(Debug, Default)]
struct Notes {
    deeds: Vec<Deed>,
    seen: Vec<Seen>,
    files: usize,
}

/// The witness.
#[derive(Debug, Default)]
pub(super) struct Witness {
    notes: Mutex<Notes>,
}

impl Witness {
    /// Somebody is about to ask for this. The place to say how it ended.
    pub(super) fn asks(&self, verb: &'static str, target: &str) -> (usize, String) {
        let mut notes = self.notes();
        let place = notes.deeds.len();
        let summary = match verb {
            // As the house words it.
            "token" => format!("token {target} with the role viewer"),
            _ => format!("{verb} number {place}"),
        };
        notes.deeds.push(Deed {
            verb,
            target: target.to_owned(),
            summary: summary.clone(),
            secret: None,
            asked: SystemTime::now(),
            acknowledged: None,
            lost: false,
        });
        (place, summary)
    }

    /// The program said that it is done.
    pub(super) fn acknowledged(&self, place: usize, secret: Option<String>) {
        let deed = &mut self.notes().deeds[place];
        deed.secret = secret;
        deed.acknowledged = Some(SystemTime::now());
    }

    /// What nobody was told of was found to have happened, or not: from now on that is sure too.
    pub(super) fn found(&self, place: usize, happened: bool) {
        let deed = &mut self.notes().deeds[place];
        deed.lost = !happened;
        deed.acknowledged = happened.then(SystemTime::now);
    }

    /// Everything that was asked for, in order.
    pub(super) fn deeds(&self) -> Vec<Deed> {
        self.notes().deeds.clone()
    }

    /// How many deeds were acknowledged.
    pub(super) fn acknowledged_so_far(&self) -> usize {
        self.notes().deeds.iter().filter(|deed| deed.acknowledged.is_some()).count()
    }

    /// A client saw this.
    pub(super) fn saw(&self, what: Count, value: i64) {
        self.notes().seen.push(Seen { at: SystemTime::now(), what, value });
    }

    /// The highest that a client had seen by then.
    pub(super) fn highest(&self, what: Count, moment: SystemTime) -> i64 {
        let notes = self.notes();
        let earlier = notes.seen.iter().filter(|seen| seen.what == what && seen.at <= moment);
        earlier.map(|seen| seen.value).max().unwrap_or(0)
    }

    /// A client got a whole file.
    pub(super) fn got_file(&self) {
        self.notes().files += 1;
    }

    /// How many files clients got.
    pub(super) fn files(&self) -> usize {
        self.notes().files
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
