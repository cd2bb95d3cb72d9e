//! What is in force at the gate at this moment, and for whom: modes that end by the clock, and who has a mode of his own.

use std::sync::{Arc, PoisonError};

use super::freeze::Frosts;
use super::{Quarantine, QuarantineError};
use crate::domain::{BreakGlass, Ecosystem, Mode, Project, State, Timestamp, Upload};
use crate::policy::Policy;

/// For whom the gate is asked: a token may have a mode of its own, which is nobody else's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asker {
    own: Option<Mode>,
}

impl Asker {
    /// Somebody without a mode of his own.
    pub const ANYBODY: Self = Self { own: None };
    /// Whoever may have most: what nobody may have, he may not have either.
    pub(super) const OBSERVER: Self = Self { own: Some(Mode::Observe) };

    /// Whoever may have least: what he may have, everybody may.
    pub(super) const ENFORCER: Self = Self { own: Some(Mode::Enforce) };

    /// Whose token has this mode, if it has one.
    pub const fn with(own: Option<Mode>) -> Self {
        Self { own }
    }

    /// The mode of his own.
    pub const fn own(self) -> Option<Mode> {
        self.own
    }

    /// The mode in which he is served, where everybody else is served in this one.
    pub fn mode(self, usual: Mode) -> Mode {
        self.own.unwrap_or(usual)
    }
}

/// What is in force until the next hour strikes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Regime {
    /// In the order of [`Ecosystem::ALL`].
    modes: [Mode; Ecosystem::ALL.len()],
    /// Which projects have one of their own.
    policy: Arc<Policy>,
    /// Since when nothing new leaves, in the order of [`Ecosystem::ALL`].
    frosts: Frosts,
    /// Whether the glass is broken.
    broken: bool,
    /// When something changes by itself.
    until: Option<Timestamp>,
}

impl Regime {
    /// What the policy says at this moment.
    pub(super) fn of(policy: Arc<Policy>, frosts: Frosts, glass: &BreakGlass, now: Timestamp) -> Self {
        let modes = Ecosystem::ALL.map(|ecosystem| policy.mode_at(ecosystem, now));
        let mends = glass.ends().filter(|_| glass.is_open());
        let until = policy.modes.next_change(now).into_iter().chain(mends).min();
        Self { modes, broken: glass.is_open(), until, frosts, policy }
    }

    /// The mode of an ecosystem.
    pub(super) fn of_ecosystem(&self, ecosystem: Ecosystem) -> Mode {
        let place = Ecosystem::ALL.iter().position(|other| *other == ecosystem);
        place.map_or(Mode::Enforce, |place| self.modes[place])
    }

    /// The mode in which everybody without one of his own gets a project's files.
    pub(super) fn of_project(&self, project: &Project) -> Mode {
        // Serve except known bad: whoever broke the glass knew what the policy says.
        if self.broken {
            return Mode::Observe;
        }
        self.by_policy(project)
    }

    /// Likewise, as if the glass were whole.
    fn by_policy(&self, project: &Project) -> Mode {
        let own = self.policy.override_for(project).and_then(|other| other.mode);
        own.unwrap_or_else(|| self.of_ecosystem(project.ecosystem))
    }

    /// The policy that it was made of.
    pub(super) fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// What is in force about freezes.
    pub(super) fn frosts(&self) -> &Frosts {
        &self.frosts
    }

    fn is_over(&self, now: impl FnOnce() -> Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now())
    }
}

impl Quarantine {
    /// What is in force now. An hour that has struck since the last look drops everything prepared before it, so whoever
    /// serves what is prepared looks here first. Goes by the latest that any clock has said: stepped back, none brings an
    /// hour back.
    pub(super) fn regime(&self) -> Arc<Regime> {
        let regime = self.regime.load_full();
        if !regime.is_over(|| self.timekeeper.latest()) {
            return regime;
        }
        let _one = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        let regime = self.regime.load_full();
        let now = self.timekeeper.latest();
        if !regime.is_over(|| now) {
            return regime;
        }
        let renewed = Arc::new(self.regime_from(&regime, now));
        tracing::info!(was = ?regime.modes, is = ?renewed.modes, "an hour of the policy has struck");
        self.regime.store(renewed.clone());
        self.outdate_all();
        renewed
    }

    /// Looks at the clock without a client, so that an hour strikes on time in logs, metrics and indexes of everything.
    pub fn mind_the_hour(&self) {
        let regime = self.regime();
        for ecosystem in Ecosystem::ALL {
            let mode = regime.of_ecosystem(ecosystem);
            for other in Mode::ALL {
                metrics::gauge!("lazaret_mode", "ecosystem" => ecosystem.as_str(), "mode" => other.as_str())
                    .set(if other == mode { 1.0 } else { 0.0 });
            }
        }
    }

    /// The mode of an ecosystem now, for everybody without one of his own.
    pub fn mode_of(&self, ecosystem: Ecosystem) -> Mode {
        self.regime().of_ecosystem(ecosystem)
    }

    /// When all observing ends, if it has not yet.
    pub fn enforces_from(&self) -> Option<Timestamp> {
        self.policy().modes.next_change(self.timekeeper.latest())
    }

    /// The mode in which this project's files are given to whoever asks.
    pub(super) fn mode_for(&self, project: &Project, asker: Asker) -> Mode {
        asker.own.unwrap_or_else(|| self.regime().of_project(project))
    }

    /// Marks a held file that is given to whoever asks only because the glass is broken.
    pub(super) async fn note_leaving(&self, upload: Option<&Upload>, asker: Asker) -> Result<(), QuarantineError> {
        let Some(upload) = upload.filter(|upload| upload.state == State::Held) else { return Ok(()) };
        let regime = self.regime();
        let is_exception = regime.broken && asker.own.is_none() && regime.by_policy(&upload.project) == Mode::Enforce;
        if is_exception { self.note_passed(upload).await } else { Ok(()) }
    }

    /// Whether bytes of this row may leave now, for whoever asks.
    pub(super) fn may_leave(&self, upload: &Upload, asker: Asker) -> bool {
        let freeze = self.freeze_for(&upload.project, &upload.origin);
        super::view::may_leave(upload, self.mode_for(&upload.project, asker), freeze)
    }
}
