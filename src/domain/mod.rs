//! The vocabulary of the house: values and pure functions. No I/O, no time of its own, no async.

pub mod actor;
pub mod audit;
pub mod break_glass;
pub mod clock;
pub mod digest;
pub mod ecosystem_id;
pub mod family;
pub mod file;
pub mod finding;
pub mod listing;
pub mod mode;
pub mod moment;
pub mod name;
pub mod network;
pub mod perl_version;
pub mod probe;
pub mod score;
pub mod standing;
pub mod state;
pub mod tcl_version;
pub mod upload;
pub mod verdict;
pub mod version;
mod version_parts;

pub use actor::{Actor, Role};
pub use audit::{Event, EventDraft, EventKind};
pub use break_glass::BreakGlass;
pub use clock::{Clock, SystemClock};
pub use digest::{Digest, DigestAlgorithm, Sha256};
pub use ecosystem_id::Ecosystem;
pub use family::Family;
pub use file::{FileKind, FileName};
pub use finding::{Confidence, Finding, NOT_OFFERED, Severity, UNAVAILABLE};
pub use listing::{
    CoreMetadata, HiddenFile, KnownFile, KnownProject, ListedFile, Listing, Origin, PageRead, ProjectStatus, Provided,
    Standing, Yanked,
};
pub use mode::Mode;
pub use moment::moment;
pub use name::{NamePattern, Project, ProjectName};
pub use network::{InvalidNetwork, Network};
pub use score::Score;
pub use standing::{RuleKind, StandingRule};
pub use state::{Examination, IllegalMove, State};
pub use upload::{Decision, Pin, Scope, Upload, UploadId};
pub use verdict::{Outcome, Verdict};
pub use version::{ReleaseKey, Version};

/// Wall time, always UTC.
pub type Timestamp = time::OffsetDateTime;
