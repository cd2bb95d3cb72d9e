//! Breaking the glass: two people let everything out that is not known to be bad, for a few hours. Pure: what may follow what.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Actor, Role, Timestamp};

/// Longest time for which the glass stays broken.
pub const LONGEST: Duration = Duration::from_hours(4);
/// For so long, where nobody says for how long.
pub const USUAL: Duration = Duration::from_hours(1);
/// Shorter is over before anybody can use it.
pub const SHORTEST: Duration = Duration::from_mins(1);
/// The second person has so much time.
pub const ASKED_FOR: time::Duration = time::Duration::minutes(30);

/// Where the glass is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum BreakGlass {
    /// In its frame.
    #[default]
    Closed,
    /// One person wants it broken, and waits for a second one.
    Asked {
        /// The name of his token.
        by: String,
        /// Why.
        reason: String,
        /// When.
        #[serde(with = "time::serde::rfc3339")]
        at: Timestamp,
        /// For how long, in seconds.
        seconds: u64,
    },
    /// Broken.
    Open {
        /// Who asked.
        by: String,
        /// Who agreed.
        confirmed_by: String,
        /// Why.
        reason: String,
        /// Since when.
        #[serde(with = "time::serde::rfc3339")]
        at: Timestamp,
        /// Until when.
        #[serde(with = "time::serde::rfc3339")]
        until: Timestamp,
    },
}

/// Why it stays where it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GlassRefusal {
    /// Only admins, and never the house itself.
    #[error("{0} may not break the glass: this takes a token with the role admin")]
    Role(String),
    /// There is an answer to wait for already.
    #[error("{0} has asked for it already; another admin confirms with: lazaret break-glass confirm")]
    AskedAlready(String),
    /// It is broken.
    #[error("the glass is broken already; close it first: lazaret break-glass close")]
    OpenAlready,
    /// Nobody has asked, or too long ago.
    #[error("nobody has asked for it within half an hour; ask with: lazaret break-glass open --reason ...")]
    NotAsked,
    /// One person is not two.
    #[error("{0} has asked for it, and somebody else must confirm it: one person alone never breaks the glass")]
    SamePerson(String),
    /// Not so long.
    #[error("the glass may stay broken from one minute to four hours: give a time between these")]
    Time,
    /// There is nothing to close.
    #[error("the glass is not broken, and nobody has asked for it")]
    NotOpen,
}

impl BreakGlass {
    /// Where it is at this moment: what was asked for lapses, and what is broken mends by itself.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Self {
        match self {
            Self::Asked { at, .. } if now >= at.saturating_add(ASKED_FOR) => Self::Closed,
            Self::Open { until, .. } if now >= *until => Self::Closed,
            other => other.clone(),
        }
    }

    /// Whether everything that is not known to be bad leaves.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// When something happens to it by itself.
    pub fn ends(&self) -> Option<Timestamp> {
        match self {
            Self::Closed => None,
            Self::Asked { at, .. } => Some(at.saturating_add(ASKED_FOR)),
            Self::Open { until, .. } => Some(*until),
        }
    }

    /// The first of two asks.
    pub fn ask(&self, by: &Actor, reason: &str, lasting: Duration, now: Timestamp) -> Result<Self, GlassRefusal> {
        let by = admin(by)?;
        match self.at(now) {
            Self::Closed if (SHORTEST..=LONGEST).contains(&lasting) => {
                Ok(Self::Asked { by, reason: reason.to_owned(), at: now, seconds: lasting.as_secs() })
            }
            Self::Closed => Err(GlassRefusal::Time),
            Self::Asked { by, .. } => Err(GlassRefusal::AskedAlready(by)),
            Self::Open { .. } => Err(GlassRefusal::OpenAlready),
        }
    }

    /// The second agrees: from now on it is broken.
    pub fn confirm(&self, second: &Actor, now: Timestamp) -> Result<Self, GlassRefusal> {
        let second = admin(second)?;
        match self.at(now) {
            Self::Asked { by, .. } if by == second => Err(GlassRefusal::SamePerson(by)),
            Self::Asked { by, reason, seconds, .. } => {
                let lasting = Duration::from_secs(seconds).min(LONGEST);
                Ok(Self::Open { by, confirmed_by: second, reason, at: now, until: now + lasting })
            }
            Self::Closed => Err(GlassRefusal::NotAsked),
            Self::Open { .. } => Err(GlassRefusal::OpenAlready),
        }
    }

    /// Any admin puts it back, or says no to who asked.
    pub fn close(&self, by: &Actor, now: Timestamp) -> Result<Self, GlassRefusal> {
        admin(by)?;
        if self.at(now) == Self::Closed { Err(GlassRefusal::NotOpen) } else { Ok(Self::Closed) }
    }
}

/// The name of an admin's token.
fn admin(actor: &Actor) -> Result<String, GlassRefusal> {
    match actor {
        Actor::Token { name, role: Role::Admin } => Ok(name.clone()),
        other => Err(GlassRefusal::Role(other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const NOON: Timestamp = datetime!(2026-11-22 12:00 UTC);
    const HOUR: Duration = Duration::from_hours(1);

    fn token(name: &str, role: Role) -> Actor {
        Actor::Token { name: name.into(), role }
    }

    #[test]
    fn it_takes_two_admins_and_ends_by_itself() {
        let (ada, bob) = (token("ada", Role::Admin), token("bob", Role::Admin));
        let asked = BreakGlass::Closed.ask(&ada, "index down", HOUR * 2, NOON).unwrap();
        assert!(!asked.is_open());
        assert_eq!(asked.confirm(&ada, NOON), Err(GlassRefusal::SamePerson("ada".into())));
        assert!(matches!(asked.confirm(&token("rob", Role::Reviewer), NOON), Err(GlassRefusal::Role(_))));
        assert!(matches!(asked.confirm(&Actor::house("test"), NOON), Err(GlassRefusal::Role(_))));
        assert!(matches!(asked.ask(&bob, "x", HOUR, NOON), Err(GlassRefusal::AskedAlready(_))));
        let open = asked.confirm(&bob, NOON + HOUR / 6).unwrap();
        assert!(open.is_open() && open.at(NOON + HOUR * 2).is_open(), "two hours count from the second yes");
        assert_eq!(open.at(NOON + HOUR / 6 + HOUR * 2), BreakGlass::Closed);
        assert_eq!(open.ask(&ada, "x", HOUR, NOON), Err(GlassRefusal::OpenAlready));
        assert_eq!(open.confirm(&bob, NOON), Err(GlassRefusal::OpenAlready));
        assert_eq!(open.close(&ada, NOON), Ok(BreakGlass::Closed));
        assert!(open.close(&token("rob", Role::Reviewer), NOON).is_err());
    }

    #[test]
    fn what_was_asked_for_lapses_and_no_time_is_too_long() {
        let (ada, bob) = (token("ada", Role::Admin), token("bob", Role::Admin));
        let asked = BreakGlass::Closed.ask(&ada, "x", LONGEST, NOON).unwrap();
        assert_eq!(asked.confirm(&bob, NOON + ASKED_FOR), Err(GlassRefusal::NotAsked));
        assert_eq!(BreakGlass::Closed.close(&ada, NOON), Err(GlassRefusal::NotOpen));
        for wrong in [Duration::ZERO, Duration::from_secs(59), LONGEST + Duration::from_secs(1), Duration::MAX] {
            assert_eq!(BreakGlass::Closed.ask(&ada, "x", wrong, NOON), Err(GlassRefusal::Time));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn whatever_is_done_two_people_opened_it_and_not_for_more_than_four_hours(
            steps in proptest::collection::vec((0..4_u8, 0..3_usize, 0..3_usize, 0..400_i64, 0..20_000_u64), 0..40),
        ) {
            let (mut glass, mut now) = (BreakGlass::Closed, NOON);
            for (verb, who, role, minutes, seconds) in steps {
                now += time::Duration::minutes(minutes);
                let by = token(["ada", "bob", "eve"][who], [Role::Viewer, Role::Reviewer, Role::Admin][role]);
                let done = match verb {
                    0 | 1 => glass.ask(&by, "x", Duration::from_secs(seconds), now),
                    2 => glass.confirm(&by, now),
                    _ => glass.close(&by, now),
                };
                if let Ok(next) = done {
                    prop_assert_eq!(role, 2);
                    glass = next;
                }
                if let BreakGlass::Open { by, confirmed_by, at, until, .. } = &glass {
                    prop_assert_ne!(by, confirmed_by);
                    prop_assert!(*until - *at <= LONGEST);
                    prop_assert!(!glass.at(*at + LONGEST).is_open());
                }
            }
        }
    }
}
