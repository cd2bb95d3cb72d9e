//! What was refused, and what would have been if the policy did more than observe: noted beside the answer, never in its way,
//! counted by day and file, and written down every few seconds. The daily report is made of it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::Date;
use time::macros::format_description;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Fetcher, Leave, Quarantine, QuarantineError, Refusal, printable};
use crate::domain::{Ecosystem, Outcome, Timestamp, Upload, UploadId};

/// So many notes wait to be counted; more than that are counted as lost rather than waited for.
const WAITING: usize = 8_192;
/// So many files a day have a line of their own: whoever asks for a million names gets no million rows.
const MOST_LINES: usize = 5_000;
/// So many who asked are told apart.
const MOST_ACTORS: usize = 64;
/// An answer has so many lines.
const LONGEST_REPORT: usize = 5_000;
/// How often the day is written down.
const WRITE_EVERY: Duration = Duration::from_secs(5);
/// Each day has one of so many places in the store; a later one takes it.
const PLACES: i32 = 400;
/// A name or reason is not longer.
const LONGEST_TEXT: usize = 300;

/// What happened to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manner {
    /// It was served although the file is held, because the policy only observes.
    WouldRefuse,
    /// It was refused.
    Refused,
}

impl Manner {
    /// The word used in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WouldRefuse => "would-refuse",
            Self::Refused => "refused",
        }
    }
}

/// What a request was about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum About {
    /// A file that has a row.
    Upload(UploadId),
    /// What has none: an internal name, a file that nobody has assessed.
    Name { ecosystem: Ecosystem, what: String, why: String },
}

#[derive(Debug)]
struct Note {
    about: About,
    manner: Manner,
    fetcher: Fetcher,
}

/// One file on one day.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    /// What happened to the requests.
    pub manner: Manner,
    /// Whose file it is.
    pub ecosystem: Ecosystem,
    /// The project, or what was asked for.
    pub project: String,
    /// Its version.
    pub version: Option<String>,
    /// The file.
    pub filename: Option<String>,
    /// Its row.
    pub id: Option<UploadId>,
    /// What the policy decided: `hold`, `review`, `reject`; or `name`.
    pub outcome: String,
    /// Why, in a sentence.
    pub why: String,
    /// Until when, where time ends it.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub until: Option<Timestamp>,
    /// How many requests.
    pub count: u64,
    /// Who asked, up to a bound.
    pub actors: BTreeSet<String>,
    /// Whether there were more of them.
    #[serde(default)]
    pub more_actors: bool,
}

/// One day as it is kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Day {
    /// `2026-11-27`.
    date: String,
    lines: Vec<Line>,
    /// Requests that have no line.
    left_out: u64,
}

/// The report of some days.
#[derive(Debug)]
pub struct Report {
    /// The days with their lines: the latest first, in each the most frequent first.
    pub lines: Vec<(String, Line)>,
    /// Requests that have no line.
    pub left_out: u64,
}

/// The present day, in memory.
#[derive(Debug, Default)]
struct Today {
    date: Option<Date>,
    lines: HashMap<(Manner, String), Line>,
    left_out: u64,
    changed: bool,
    written: Option<Instant>,
}

/// Requests that are not counted yet, and the day they belong to.
#[derive(Debug)]
pub(super) struct Refusals {
    sender: mpsc::Sender<Note>,
    receiver: Mutex<mpsc::Receiver<Note>>,
    today: tokio::sync::Mutex<Today>,
}

impl Default for Refusals {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        Self { sender, receiver: Mutex::new(receiver), today: tokio::sync::Mutex::default() }
    }
}

impl Quarantine {
    /// Notes that bytes began to go to somebody only because the policy does not enforce; costs nothing for all others.
    pub fn note_lenience(&self, leave: &Leave, fetcher: Fetcher) {
        if let Some(id) = leave.lenient() {
            self.note_turn(About::Upload(id.clone()), Manner::WouldRefuse, fetcher);
        }
    }

    /// Notes that somebody was refused.
    pub fn note_refusal(&self, ecosystem: Ecosystem, refusal: &Refusal, fetcher: Fetcher) {
        let about = match &refusal.id {
            Some(id) => About::Upload(id.clone()),
            None => About::Name {
                ecosystem,
                what: printable(&refusal.what, LONGEST_TEXT),
                why: printable(&refusal.why, LONGEST_TEXT),
            },
        };
        self.note_turn(about, Manner::Refused, fetcher);
    }

    fn note_turn(&self, about: About, manner: Manner, fetcher: Fetcher) {
        if self.refusals.sender.try_send(Note { about, manner, fetcher }).is_err() {
            metrics::counter!("lazaret_refusals_not_noted_total").increment(1);
        }
    }

    /// Counts what was noted, and writes the day down if that is due.
    pub async fn write_refusals(&self) -> Result<(), QuarantineError> {
        let mut today = self.refusals.today.lock().await;
        self.count(&mut today).await?;
        if today.written.is_none_or(|written| written.elapsed() >= WRITE_EVERY) {
            self.keep(&mut today).await?;
        }
        Ok(())
    }

    /// Counts and writes down all that is left, at the end.
    pub async fn keep_refusals(&self) -> Result<(), QuarantineError> {
        let mut today = self.refusals.today.lock().await;
        self.count(&mut today).await?;
        self.keep(&mut today).await
    }

    /// The report of so many days, today included.
    pub async fn report(&self, days: u16) -> Result<Report, QuarantineError> {
        let mut today = self.refusals.today.lock().await;
        self.count(&mut today).await?;
        let Some(date) = today.date else { return Ok(Report { lines: Vec::new(), left_out: 0 }) };
        let mut report = Report { lines: Vec::new(), left_out: 0 };
        report.add(today.as_day());
        drop(today);
        for back in 1..days.min(self.settings.report_days) {
            let Some(earlier) = date.checked_sub(time::Duration::days(back.into())) else { break };
            if let Some(day) = self.day_of(earlier).await? {
                report.add(day);
            }
        }
        Ok(report)
    }

    /// Takes up what was noted.
    async fn count(&self, today: &mut Today) -> Result<(), QuarantineError> {
        let date = self.timekeeper.wall().date();
        if today.date != Some(date) {
            self.keep(today).await?;
            let kept = self.day_of(date).await?.unwrap_or_default();
            *today = Today { date: Some(date), left_out: kept.left_out, ..Today::default() };
            today.lines.extend(kept.lines.into_iter().map(|line| ((line.manner, line.key()), line)));
            self.forget_before(date).await?;
        }
        let mut notes = Vec::new();
        if let Ok(mut receiver) = self.refusals.receiver.lock() {
            while let Ok(note) = receiver.try_recv() {
                notes.push(note);
            }
        }
        for note in notes {
            today.changed = true;
            let key = (note.manner, note.about.key());
            if !today.lines.contains_key(&key) {
                if today.lines.len() >= MOST_LINES {
                    today.left_out += 1;
                    continue;
                }
                match self.line_for(&note).await? {
                    Some(line) => drop(today.lines.insert(key.clone(), line)),
                    None => today.left_out += 1,
                }
            }
            if let Some(line) = today.lines.get_mut(&key) {
                line.note(&note.fetcher);
            }
        }
        Ok(())
    }

    /// The beginning of a line; `None` for a row that is gone.
    async fn line_for(&self, note: &Note) -> Result<Option<Line>, QuarantineError> {
        Ok(match &note.about {
            About::Upload(id) => self.store.get(id).await?.map(|upload| Line::of(&upload, note.manner)),
            About::Name { ecosystem, what, why } => Some(Line {
                manner: note.manner,
                ecosystem: *ecosystem,
                project: what.clone(),
                version: None,
                filename: None,
                id: None,
                outcome: "name".to_owned(),
                why: why.clone(),
                until: None,
                count: 0,
                actors: BTreeSet::new(),
                more_actors: false,
            }),
        })
    }

    async fn keep(&self, today: &mut Today) -> Result<(), QuarantineError> {
        let (true, Some(date)) = (today.changed, today.date) else { return Ok(()) };
        let bytes = serde_json::to_vec(&today.as_day()).unwrap_or_default();
        self.store.keep_snapshot(&place_of(date), bytes).await?;
        today.changed = false;
        today.written = Some(Instant::now());
        Ok(())
    }

    /// What is kept of a day, if it is that day's and can be read.
    async fn day_of(&self, date: Date) -> Result<Option<Day>, QuarantineError> {
        let Some(bytes) = self.store.snapshot(&place_of(date)).await? else { return Ok(None) };
        let day: Option<Day> = serde_json::from_slice(&bytes).ok();
        Ok(day.filter(|day| day.date == written(date)))
    }

    /// Empties the places of days that are kept no longer.
    async fn forget_before(&self, date: Date) -> Result<(), QuarantineError> {
        for back in i32::from(self.settings.report_days)..PLACES {
            let Some(earlier) = date.checked_sub(time::Duration::days(back.into())) else { break };
            if self.day_of(earlier).await?.is_some() {
                let nothing = serde_json::to_vec(&Day::default()).unwrap_or_default();
                self.store.keep_snapshot(&place_of(earlier), nothing).await?;
            }
        }
        Ok(())
    }
}

impl About {
    fn key(&self) -> String {
        match self {
            Self::Upload(id) => id.as_str().to_owned(),
            Self::Name { ecosystem, what, .. } => format!("{ecosystem}:{what}"),
        }
    }
}

impl Line {
    fn of(upload: &Upload, manner: Manner) -> Self {
        let why = match &upload.decision {
            Some(decision) => &decision.reason,
            None => &upload.verdict.reason,
        };
        let outcome = match upload.verdict.outcome {
            Outcome::Release => "release",
            Outcome::Hold => "hold",
            Outcome::Review => "review",
            Outcome::Reject => "reject",
        };
        Self {
            manner,
            ecosystem: upload.project.ecosystem,
            project: upload.project.name.to_string(),
            version: Some(upload.version.to_string()),
            filename: Some(upload.filename.to_string()),
            id: Some(upload.id.clone()),
            outcome: outcome.to_owned(),
            why: printable(why, LONGEST_TEXT),
            until: upload.hold_until,
            count: 0,
            actors: BTreeSet::new(),
            more_actors: false,
        }
    }

    fn key(&self) -> String {
        self.id.as_ref().map_or_else(|| format!("{}:{}", self.ecosystem, self.project), ToString::to_string)
    }

    fn note(&mut self, fetcher: &Fetcher) {
        self.count = self.count.saturating_add(1);
        let actor = fetcher.to_string();
        if self.actors.len() < MOST_ACTORS {
            self.actors.insert(actor);
        } else if !self.actors.contains(&actor) {
            self.more_actors = true;
        }
        if self.manner == Manner::WouldRefuse {
            let labels = [("ecosystem", self.ecosystem.to_string()), ("outcome", self.outcome.clone())];
            metrics::counter!("lazaret_would_refuse_total", &labels).increment(1);
        }
    }
}

impl Today {
    fn as_day(&self) -> Day {
        let date = self.date.map(written).unwrap_or_default();
        Day { date, lines: self.lines.values().cloned().collect(), left_out: self.left_out }
    }
}

impl Report {
    fn add(&mut self, mut day: Day) {
        self.left_out = self.left_out.saturating_add(day.left_out);
        day.lines.sort_by(|one, two| {
            two.count.cmp(&one.count).then_with(|| (one.manner, one.key()).cmp(&(two.manner, two.key())))
        });
        for line in day.lines {
            if self.lines.len() < LONGEST_REPORT {
                self.lines.push((day.date.clone(), line));
            } else {
                self.left_out = self.left_out.saturating_add(line.count);
            }
        }
    }
}

fn written(date: Date) -> String {
    date.format(format_description!("[year]-[month]-[day]")).unwrap_or_default()
}

fn place_of(date: Date) -> String {
    format!("report/{}", date.to_julian_day().rem_euclid(PLACES))
}
