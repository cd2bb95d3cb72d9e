//! One advisory about one project: what is known, who knows it, and which versions it is about.

use std::collections::BTreeSet;
use std::fmt;

use time::format_description::well_known::Rfc3339;

use super::Database;
use super::span::{Place, Span};
use crate::domain::{Project, Timestamp, Version};

/// About how many bytes a version has on the heap.
const BYTES_OF_A_VERSION: usize = 64;

/// What an advisory says of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdvisoryKind {
    /// It was made to do harm.
    Malware,
    /// It can be made to do harm.
    Vulnerability,
}

impl AdvisoryKind {
    /// The word used in messages and evidence.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malware => "malware",
            Self::Vulnerability => "vulnerability",
        }
    }
}

impl fmt::Display for AdvisoryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one record, or several about the same thing, says of one project. All texts are one line and fit for display.
#[derive(Debug, Clone)]
pub struct Advisory {
    /// Whom it is about.
    pub project: Project,
    /// Its id, like `GHSA-g3rq-g295-4j3m`; of joined records the first of the graver kind.
    pub id: String,
    /// The other ids of the same thing, each once, in order.
    pub aliases: Vec<String>,
    /// What it says.
    pub kind: AdvisoryKind,
    /// One line, at most 300 characters.
    pub summary: Option<String>,
    /// How grave its database finds it: a word like `HIGH`, else a CVSS vector or score as it was written.
    pub severity: Option<String>,
    /// When it first became known.
    pub published: Option<Timestamp>,
    /// When it last changed.
    pub modified: Option<Timestamp>,
    /// When it was taken back; it says nothing since then, and is not in [`Advisories`](super::Advisories).
    pub withdrawn: Option<Timestamp>,
    /// Whose records these are.
    pub(super) recorded_by: BTreeSet<Database>,
    pub(super) spans: Vec<Span>,
    /// Versions that are named one by one and are in no span.
    pub(super) versions: Vec<Place>,
}

impl Advisory {
    /// The databases that have a record of it. An alias is only a claim of the record that names it, so it is no source.
    pub fn sources(&self) -> &BTreeSet<Database> {
        &self.recorded_by
    }

    /// Its id, then its aliases.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.id).chain(&self.aliases).map(String::as_str)
    }

    /// Whether it is about this version. A local label counts only where the record names one: `1.0+cpu` is `1.0`.
    pub fn affects(&self, version: &Version) -> bool {
        if self.withdrawn.is_some() {
            return false;
        }
        match Place::of(self.project.ecosystem, version) {
            Some(place) => self.affects_place(&place),
            None => self.whole_project(),
        }
    }

    fn affects_place(&self, place: &Place) -> bool {
        self.spans.iter().any(|span| span.covers(place))
            || self.versions.iter().any(|named| place.against(named).is_eq())
    }

    /// Whether it is about every version there is and will be: the usual word on a project that is malware.
    pub fn whole_project(&self) -> bool {
        self.withdrawn.is_none() && self.spans.iter().any(Span::is_everything)
    }

    /// The lowest version above this one that has the fix: the end of a range that covers it, and not affected itself.
    pub fn fixed_after(&self, version: &Version) -> Option<Version> {
        if self.withdrawn.is_some() {
            return None;
        }
        let mut place = Place::of(self.project.ecosystem, version)?;
        // A fix may be in another range again. Every step goes up to the end of some span, so there is an end.
        for _ in 0..=self.spans.len() {
            let covering = self.spans.iter().filter(|span| span.covers(&place));
            let fixed = covering.filter_map(Span::fixed).min_by(|one, two| one.compare(two))?;
            if !self.affects_place(fixed) {
                return fixed.version();
            }
            place = fixed.clone();
        }
        None
    }

    /// The affected versions as a person writes them: `>=1.0,<1.2`, `<=0.9`, `==2.1`, `every version`.
    pub fn affected_versions(&self) -> impl Iterator<Item = String> {
        let spans = self.spans.iter().map(ToString::to_string);
        spans.chain(self.versions.iter().map(|version| format!("=={version}")))
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        let texts = self.ids().map(|id| id.len() + size_of::<String>()).sum::<usize>()
            + self.summary.as_ref().map_or(0, String::len)
            + self.severity.as_ref().map_or(0, String::len);
        let spans = self.spans.len() * (size_of::<Span>() + 2 * BYTES_OF_A_VERSION);
        let versions = self.versions.len() * (size_of::<Place>() + BYTES_OF_A_VERSION);
        size_of::<Self>() + texts + spans + versions
    }

    /// Joins what another record says of the same thing: the union of both. This one's words come first.
    pub(super) fn join(&mut self, other: Self) {
        self.kind = self.kind.min(other.kind);
        self.recorded_by.extend(other.recorded_by);
        self.aliases.push(other.id);
        self.aliases.extend(other.aliases);
        self.summary = self.summary.take().or(other.summary);
        self.severity = self.severity.take().or(other.severity);
        let both = |one: Option<Timestamp>, two: Option<Timestamp>, pick: fn(Timestamp, Timestamp) -> Timestamp| match (
            one, two,
        ) {
            (Some(one), Some(two)) => Some(pick(one, two)),
            (one, two) => one.or(two),
        };
        self.published = both(self.published, other.published, Ord::min);
        self.modified = both(self.modified, other.modified, Ord::max);
        self.spans.extend(other.spans);
        self.versions.extend(other.versions);
    }

    /// Puts lists in order, each thing once, and drops versions that a span covers anyway.
    pub(super) fn tidy(&mut self) {
        self.aliases.sort_unstable();
        self.aliases.dedup();
        self.aliases.retain(|alias| *alias != self.id);
        self.spans.sort_by(Span::list_order);
        self.spans.dedup_by_key(|span| span.to_string());
        let spans = &self.spans;
        self.versions.retain(|version| !spans.iter().any(|span| span.covers(version)));
        self.versions.sort_by(Place::list_order);
        self.versions.dedup_by(|one, two| one.compare(two).is_eq());
        self.aliases.shrink_to_fit();
        self.spans.shrink_to_fit();
        self.versions.shrink_to_fit();
    }

    /// All that a judgement can depend on, as text; the date of the last change alone is no change.
    pub(super) fn canonical(&self) -> String {
        let published = self.published.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default();
        let mut text = format!("{}\n{}\n{}\n", self.id, self.aliases.join(" "), self.kind);
        for field in [self.summary.as_deref(), self.severity.as_deref(), Some(&*published)] {
            text.push_str(field.unwrap_or_default());
            text.push('\n');
        }
        for database in &self.recorded_by {
            text.push_str(database.as_str());
            text.push('\n');
        }
        for span in &self.spans {
            text.push_str(&span.to_string());
            text.push_str(if span.fixed().is_some() { " fixed\n" } else { "\n" });
        }
        for version in &self.versions {
            text.push_str("==");
            text.push_str(&version.to_string());
            text.push('\n');
        }
        text
    }
}
