//! Which versions an advisory speaks of: stretches of the order of versions, read from the events of OSV's ranges.
//!
//! [OSV's evaluation](https://ossf.github.io/osv-schema/#evaluation) sorts events and lets the last one before a version
//! decide; the same answer comes from the stretches between them.

use std::cmp::Ordering;
use std::fmt;

use crate::domain::{Ecosystem, Version, perl_version};

/// A version's place in the order of its ecosystem; `1.0` and `1.0.0` have one place.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// By [PEP 440](https://peps.python.org/pep-0440/).
    Python(pep440_rs::Version),
    /// As `version.pm` compares.
    Perl(Version),
}

impl Place {
    /// Where a known version stands; `None` for what has no order.
    pub(super) fn of(ecosystem: Ecosystem, version: &Version) -> Option<Self> {
        match ecosystem {
            Ecosystem::Pypi => version.pep440().cloned().map(Self::Python),
            Ecosystem::Cpan => Some(Self::Perl(version.clone())),
            Ecosystem::Teapot => None,
        }
    }

    /// Reads a version of a record; `None` for what is none.
    pub(super) fn read(ecosystem: Ecosystem, raw: &str) -> Option<Self> {
        let version = Version::parse(ecosystem, raw.trim()).ok()?;
        // Perl gives every text a place; what stands before zero is no version.
        let is_perl = |text| perl_version::is_same_value(text, "0") || perl_version::compare(text, "0").is_gt();
        if ecosystem == Ecosystem::Cpan && !is_perl(version.as_str()) {
            return None;
        }
        Self::of(ecosystem, &version)
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Python(one), Self::Python(two)) => one.cmp(two),
            (Self::Perl(one), Self::Perl(two)) => {
                // The order of texts is for lists; here `1.1` and `1.10` are one version.
                if perl_version::is_same_value(one.as_str(), two.as_str()) {
                    Ordering::Equal
                } else {
                    one.compare(two, Ecosystem::Cpan)
                }
            }
            (Self::Python(_), Self::Perl(_)) => Ordering::Less,
            (Self::Perl(_), Self::Python(_)) => Ordering::Greater,
        }
    }

    /// How this version stands to one that a record names. A name without a
    /// [local label](https://peps.python.org/pep-0440/#version-matching) means every build of it: `1.0+cpu` is `1.0`.
    pub(super) fn against(&self, named: &Self) -> Ordering {
        match (self, named) {
            (Self::Python(version), Self::Python(public)) if version.is_local() && !public.is_local() => {
                version.clone().without_local().cmp(public)
            }
            _ => self.compare(named),
        }
    }

    /// By place, and then by text, so that lists come out the same however they were gathered.
    pub(super) fn list_order(&self, other: &Self) -> Ordering {
        self.compare(other).then_with(|| self.to_string().cmp(&other.to_string()))
    }

    /// The version again.
    pub(super) fn version(&self) -> Option<Version> {
        match self {
            Self::Python(version) => Version::pypi(&version.to_string()).ok(),
            Self::Perl(version) => Some(version.clone()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Python(version) => version.fmt(f),
            Self::Perl(version) => version.fmt(f),
        }
    }
}

/// Where a stretch ends.
#[derive(Debug, Clone)]
pub(super) enum End {
    /// No end is known.
    Open,
    /// This version has the fix.
    Fixed(Place),
    /// The record says nothing from this version on.
    Before(Place),
    /// The last that is known to be affected.
    Through(Place),
}

/// A stretch of affected versions.
#[derive(Debug, Clone)]
pub(super) struct Span {
    /// The first; `None`: from the beginning.
    from: Option<Place>,
    end: End,
}

impl Span {
    /// Every version that there is and will be.
    pub(super) const EVERYTHING: Self = Self { from: None, end: End::Open };

    /// Whether this is all versions.
    pub(super) fn is_everything(&self) -> bool {
        self.from.is_none() && matches!(self.end, End::Open)
    }

    /// Whether the version is in it.
    pub(super) fn covers(&self, place: &Place) -> bool {
        let begun = self.from.as_ref().is_none_or(|from| place.against(from).is_ge());
        begun
            && match &self.end {
                End::Open => true,
                End::Fixed(end) | End::Before(end) => place.against(end).is_lt(),
                End::Through(end) => place.against(end).is_le(),
            }
    }

    /// The version that ends it with a fix.
    pub(super) fn fixed(&self) -> Option<&Place> {
        match &self.end {
            End::Fixed(fixed) => Some(fixed),
            End::Open | End::Before(_) | End::Through(_) => None,
        }
    }

    /// By beginning, then by text, and of those that cover the same the one with a fix first.
    pub(super) fn list_order(&self, other: &Self) -> Ordering {
        let beginning = match (&self.from, &other.from) {
            (Some(one), Some(two)) => one.compare(two),
            (one, two) => one.is_some().cmp(&two.is_some()),
        };
        let text = beginning.then_with(|| self.to_string().cmp(&other.to_string()));
        text.then_with(|| self.fixed().is_none().cmp(&other.fixed().is_none()))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, end) = match &self.end {
            End::Open if self.from.is_none() => return f.write_str("every version"),
            End::Open => ("", None),
            End::Fixed(end) | End::Before(end) => ("<", Some(end)),
            End::Through(end) => ("<=", Some(end)),
        };
        if let Some(from) = &self.from {
            write!(f, ">={from}")?;
        }
        if let Some(end) = end {
            let comma = if self.from.is_some() { "," } else { "" };
            write!(f, "{comma}{sign}{end}")?;
        }
        Ok(())
    }
}

/// What an event says of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventKind {
    Introduced,
    Fixed,
    LastAffected,
    Limit,
}

/// The events of one range, as they are read.
#[derive(Debug, Default)]
pub(super) struct Events {
    steps: Vec<(Option<Place>, EventKind)>,
    limits: Vec<Place>,
    unlimited: bool,
    /// An event names something that is no version.
    pub(super) is_vague: bool,
}

impl Events {
    /// Adds an event. What cannot be read makes the range wider, never narrower: an unknown beginning is the first version,
    /// an unknown end is none.
    pub(super) fn add(&mut self, ecosystem: Ecosystem, kind: EventKind, raw: &str) {
        let place = Place::read(ecosystem, raw);
        // OSV's words for before everything and for infinity.
        let is_word =
            matches!((kind, raw), (EventKind::Introduced, "0")) || kind == EventKind::Limit && raw.contains('*');
        self.is_vague |= place.is_none() && !is_word;
        match (kind, place) {
            (EventKind::Introduced, _) if is_word => self.steps.push((None, kind)),
            (EventKind::Introduced, place) => self.steps.push((place, kind)),
            (EventKind::Limit, Some(limit)) if !is_word => self.limits.push(limit),
            (EventKind::Limit, _) => self.unlimited = true,
            (EventKind::Fixed | EventKind::LastAffected, Some(place)) => self.steps.push((Some(place), kind)),
            (EventKind::Fixed | EventKind::LastAffected, None) => {}
        }
    }

    /// The stretches between the events.
    pub(super) fn into_spans(mut self) -> Vec<Span> {
        // Stable: events about one version keep the order in which they are written.
        self.steps.sort_by(|(one, _), (two, _)| match (one, two) {
            (Some(one), Some(two)) => one.compare(two),
            (one, two) => one.is_some().cmp(&two.is_some()),
        });
        let mut spans = Vec::new();
        let mut begun: Option<Option<Place>> = None;
        for (place, kind) in self.steps {
            match (kind, place) {
                (EventKind::Introduced, place) => {
                    begun.get_or_insert(place);
                }
                (EventKind::Fixed, Some(place)) => {
                    spans.extend(begun.take().map(|from| Span { from, end: End::Fixed(place) }));
                }
                (EventKind::LastAffected, Some(place)) => {
                    spans.extend(begun.take().map(|from| Span { from, end: End::Through(place) }));
                }
                (EventKind::Fixed | EventKind::LastAffected, None) | (EventKind::Limit, _) => {}
            }
        }
        spans.extend(begun.map(|from| Span { from, end: End::Open }));
        let limit = self.limits.into_iter().max_by(Place::compare).filter(|_| !self.unlimited);
        match limit {
            Some(limit) => spans.into_iter().filter_map(|span| cut(span, &limit)).collect(),
            None => spans,
        }
    }
}

/// What is left of a span before the limit.
fn cut(span: Span, limit: &Place) -> Option<Span> {
    if span.from.as_ref().is_some_and(|from| from.compare(limit).is_ge()) {
        return None;
    }
    let within = match &span.end {
        End::Open => false,
        End::Fixed(end) | End::Before(end) => end.compare(limit).is_le(),
        End::Through(end) => end.compare(limit).is_lt(),
    };
    Some(if within { span } else { Span { end: End::Before(limit.clone()), ..span } })
}
