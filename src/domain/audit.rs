//! The ledger's events and the chain that ties them together: each event's hash covers the one before it.

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::{Actor, Project, Sha256, State, Timestamp, Upload, UploadId};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// The store was made.
    Founded,
    /// A project's page was read for the first time.
    Baseline,
    /// An upload was met and is held.
    Held,
    /// An upload was let in.
    Released,
    /// Many uploads that are in use already were let in at once; the details name each.
    BaselineReleased,
    /// An upload will not be let in.
    Rejected,
    /// A released upload is not served any more.
    Recalled,
    /// A released upload is held again.
    Suspended,
    /// A final decision was undone.
    Reopened,
    /// Bytes were examined.
    Examined,
    /// Something that people should look at now.
    Alarm,
    /// A standing waiver was given.
    WaiverGranted,
    /// A waiver was taken back or ran out.
    WaiverEnded,
    /// A name or version was blocked.
    Blocked,
    /// A block was lifted.
    Unblocked,
    /// A wrong first digest was unpinned.
    Unpinned,
    /// A name that a private index had shown may be public again.
    NameGivenBack,
    /// A policy came into force.
    PolicyLoaded,
    /// The store was made of an export.
    Imported,
    /// A token was made.
    TokenCreated,
    /// A token was revoked.
    TokenRevoked,
    /// An admin asked for the glass to be broken.
    BreakGlassAsked,
    /// A second one agreed: what is held leaves, unless it is known to be bad.
    BreakGlassOpened,
    /// A held file left through the broken glass.
    BreakGlassPassed,
    /// The glass was put back, its time was over, or nobody agreed.
    BreakGlassClosed,
}

/// An event before it has its place in the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventDraft {
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What.
    pub kind: EventKind,
    /// Which project it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Project>,
    /// Which upload it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadId>,
    /// The states before and after, where one changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<(Option<State>, State)>,
    /// One sentence.
    pub summary: String,
    /// The facts.
    #[serde(default)]
    pub details: serde_json::Value,
}

impl EventDraft {
    /// An event without project, upload or details; fill in what applies.
    pub fn new(at: Timestamp, actor: Actor, kind: EventKind, summary: impl Into<String>) -> Self {
        Self {
            at,
            actor,
            kind,
            project: None,
            upload: None,
            moved: None,
            summary: summary.into(),
            details: serde_json::Value::Null,
        }
    }
}

impl EventDraft {
    /// The same event, about an upload that moved to the state it has now.
    #[must_use]
    pub fn of_move(mut self, upload: &Upload, from: Option<State>) -> Self {
        self.project = Some(upload.project.clone());
        self.upload = Some(upload.id.clone());
        self.moved = Some((from, upload.state));
        self
    }
}

/// An event in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// 1, 2, 3 and so on without a gap.
    pub sequence: u64,
    /// Hash of the event before; zeros for the first.
    pub previous: Sha256,
    /// What happened.
    #[serde(flatten)]
    pub draft: EventDraft,
    /// SHA-256 over all of the above.
    pub hash: Sha256,
}

/// The end of a chain: where the next event attaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The last event's number; 0 for none.
    pub sequence: u64,
    /// The last event's hash.
    pub hash: Sha256,
}

/// The text is not a head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write a head as NUMBER:HASH, as `lazaret audit verify` prints it")]
pub struct InvalidHead;

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.sequence, self.hash)
    }
}

impl std::str::FromStr for Head {
    type Err = InvalidHead;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (sequence, hash) = text.split_once(':').ok_or(InvalidHead)?;
        let sequence = sequence.parse().map_err(|_| InvalidHead)?;
        Ok(Self { sequence, hash: hash.parse().map_err(|_| InvalidHead)? })
    }
}

impl Head {
    /// Before the first event.
    pub const EMPTY: Self = Self { sequence: 0, hash: Sha256::from_bytes([0; 32]) };

    /// Attaches an event and returns it with the new end.
    pub fn seal(self, draft: EventDraft) -> (Event, Self) {
        let sequence = self.sequence + 1;
        let hash = hash_of(sequence, self.hash, &draft);
        (Event { sequence, previous: self.hash, draft, hash }, Self { sequence, hash })
    }

    /// Checks that an event is the next one, unchanged; returns the new end.
    pub fn verify(self, event: &Event) -> Option<Self> {
        let hash = hash_of(event.sequence, event.previous, &event.draft);
        let fits = event.sequence == self.sequence + 1 && event.previous == self.hash && event.hash == hash;
        fits.then_some(Self { sequence: event.sequence, hash })
    }
}

fn hash_of(sequence: u64, previous: Sha256, draft: &EventDraft) -> Sha256 {
    let mut hasher = sha2::Sha256::new();
    hasher.update(sequence.to_be_bytes());
    hasher.update(previous.as_bytes());
    // serde_json writes a struct's fields in their order and a map's keys sorted: the same event gives the same bytes.
    hasher.update(serde_json::to_vec(draft).unwrap_or_default());
    Sha256::from_bytes(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_removed_or_swapped_event_breaks_the_chain() {
        let draft = |text: &str| {
            EventDraft::new(Timestamp::UNIX_EPOCH, Actor::house("test"), EventKind::Alarm, text.to_owned())
        };
        let (first, head) = Head::EMPTY.seal(draft("one"));
        let (second, head) = head.seal(draft("two"));
        assert_eq!(Head::EMPTY.verify(&first).and_then(|head| head.verify(&second)), Some(head));
        assert_eq!(Head::EMPTY.verify(&second), None);
        let mut forged = first.clone();
        forged.draft.summary = "nothing happened".into();
        assert_eq!(Head::EMPTY.verify(&forged), None);
        let reread: Event = serde_json::from_str(&serde_json::to_string(&first).unwrap()).unwrap();
        assert_eq!(reread, first);
    }
}
