//! The policy as it is used: checked, complete, immutable, with a digest.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::file::{
    LONGEST_FILE, NamespaceTable, OverrideTable, PolicyError, PolicyFile, ScoreTable, SignalTable, Source,
};
use super::freezes::Freezes;
use super::is_hard;
use super::modes::Modes;
use super::overrides::{self, Override};
use super::own::{self, Own};
use super::signal_ids;
use super::weighing::Weighing;
use crate::domain::{Ecosystem, Family, Mode, NamePattern, Project, Score, Sha256, Timestamp};

/// The built-in policy's text.
const BUILT_IN: &str = include_str!("../../policies/default.toml");

/// Version of [`decide`](super::decide)'s rules, part of every digest: raise it when the same policy decides differently.
const RULES: u32 = 2;

/// Longest hold; whoever wants a longer one wants a person to decide.
const LONGEST_HOLD: Duration = Duration::from_hours(24 * 366 * 10);

/// Chances that an upload is one to refuse before anything is seen: below, one weak finding would decide.
const LIKELY_BASES: std::ops::RangeInclusive<f64> = 0.01..=0.5;

/// How pages show held files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeldFiles {
    /// As yanked, with our reason, where the whole version is held.
    #[default]
    Yank,
    /// Not at all.
    Hide,
}

/// What it means that a signal could not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// Decide without it.
    Open,
    /// Hold for at least the medium hold.
    #[default]
    Hold,
    /// A person decides.
    Deny,
}

/// How long files wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Holds {
    /// What nothing speaks against.
    pub default: Duration,
    /// What scores at least [`Thresholds::medium`].
    pub medium: Duration,
}

impl Holds {
    /// The longest time that passes before time alone may release anything.
    pub fn longest(&self) -> Duration {
        self.default.max(self.medium)
    }
}

/// Names that are ours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Namespaces {
    /// On PyPI, normalised.
    pub pypi: Vec<NamePattern>,
    /// On CPAN.
    pub cpan: Vec<NamePattern>,
    /// In teapots.
    pub teapot: Vec<NamePattern>,
}

impl Namespaces {
    /// Those of an ecosystem.
    pub fn of(&self, ecosystem: Ecosystem) -> &[NamePattern] {
        match ecosystem {
            Ecosystem::Pypi => &self.pypi,
            Ecosystem::Cpan => &self.cpan,
            Ecosystem::Teapot => &self.teapot,
        }
    }

    /// The names of an ecosystem that somebody could imitate: those written out, and the stems of families.
    pub fn imitable(&self, ecosystem: Ecosystem) -> Vec<String> {
        let names = self.of(ecosystem).iter().map(|pattern| match pattern {
            NamePattern::Exact(name) => name.as_str().to_owned(),
            NamePattern::Prefix(prefix) => prefix.trim_end_matches(['-', '_', ':']).to_owned(),
        });
        // Shorter stems resemble too much.
        names.filter(|name| name.len() > 2).collect()
    }
}

/// When people decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Review {
    /// Above this score one approval is not enough; [`Score::NONE`] is off.
    pub two_person_above: Score,
}

/// Scores from which more is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Thresholds {
    /// From here on the medium hold.
    pub medium: Score,
    /// From here on a person decides.
    pub high: Score,
}

/// The lane for releases that fix what is in use here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SecurityFixes {
    /// How long such a release waits, if this is shorter than the usual hold.
    pub hold: Duration,
    /// One that scores more asks a person.
    pub most_score: Score,
}

/// What the policy says about one signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SignalSettings {
    /// Whether its findings count at all.
    pub enabled: bool,
    /// The weight of its findings, instead of their own.
    pub points: Option<u8>,
    /// What it means that it could not run.
    pub missing: Missing,
    /// Whether a finding of high severity asks a person, however sure the signal is.
    pub review: bool,
    /// Whether it counts for files of private indexes.
    pub private: bool,
}

impl Default for SignalSettings {
    fn default() -> Self {
        Self { enabled: true, points: None, missing: Missing::Hold, review: false, private: true }
    }
}

/// A compiled policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Where verdicts are enforced, and from when on.
    pub modes: Modes,
    /// How pages show held files.
    pub held_files: HeldFiles,
    /// How long files wait.
    pub hold: Holds,
    /// Names that are ours.
    pub namespaces: Namespaces,
    /// When people decide.
    pub review: Review,
    /// Scores from which more is done.
    pub thresholds: Thresholds,
    /// How findings make a score.
    pub weighing: Weighing,
    /// What becomes of releases that fix what is in use here.
    pub security_fix: SecurityFixes,
    /// By signal id; what is not here is as [`SignalSettings::default`].
    pub signals: BTreeMap<String, SignalSettings>,
    /// What is said otherwise about some projects; the first one that speaks of a project holds.
    pub overrides: Vec<Override>,
    /// Who publishes our own packages on the public index.
    pub own: Vec<Own>,
    /// Since when nothing new leaves. It changes no verdict and is not in the digest: nothing is judged again for it.
    pub freeze: Freezes,
    /// Of everything above and of the rules of deciding: the same digest decides the same.
    pub digest: Sha256,
    /// Where it was read from.
    pub source: String,
}

impl Policy {
    /// The policy without any file.
    pub fn built_in() -> Self {
        let mut policy = Self {
            modes: Modes::default(),
            held_files: HeldFiles::default(),
            hold: Holds { default: Duration::from_hours(72), medium: Duration::from_hours(7 * 24) },
            namespaces: Namespaces::default(),
            review: Review { two_person_above: Score::NONE },
            thresholds: Thresholds { medium: Score::hundredths(30), high: Score::hundredths(70) },
            weighing: Weighing::default(),
            security_fix: SecurityFixes { hold: Duration::from_hours(4), most_score: Score::hundredths(15) },
            signals: BTreeMap::new(),
            overrides: Vec::new(),
            own: Vec::new(),
            freeze: Freezes::default(),
            digest: Sha256::from_bytes([0; 32]),
            source: "the built-in policy".to_owned(),
        };
        let source = policy.source.clone();
        if let Err(error) = policy.overlay(Source { text: BUILT_IN, name: &source }) {
            // A test reads the text, so this does not happen; the values above hold everything new all the same.
            tracing::error!(%error, "the built-in policy cannot be read");
        }
        policy.seal();
        policy
    }

    /// The policy in this file over the built-in one.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let unreadable = |source| PolicyError::Unreadable { path: path.to_owned(), source };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(LONGEST_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
        if u64::try_from(text.len()).is_ok_and(|length| length > LONGEST_FILE) {
            return Err(PolicyError::TooLong { path: path.to_owned() });
        }
        Self::parse(&text, &path.display().to_string())
    }

    /// The policy in this text over the built-in one; `source` says in errors where the text is from.
    pub fn parse(text: &str, source: &str) -> Result<Self, PolicyError> {
        let mut policy = Self::built_in();
        policy.overlay(Source { text, name: source })?;
        source.clone_into(&mut policy.source);
        policy.seal();
        Ok(policy)
    }

    /// Whether a name is ours.
    pub fn is_internal(&self, project: &Project) -> bool {
        self.namespaces.of(project.ecosystem).iter().any(|pattern| pattern.matches(&project.name))
    }

    /// The mode in which an ecosystem's files are served at this moment.
    pub fn mode_at(&self, ecosystem: Ecosystem, now: Timestamp) -> Mode {
        self.modes.at(ecosystem, now)
    }

    /// The override that holds for a project.
    pub fn override_for(&self, project: &Project) -> Option<&Override> {
        self.overrides.iter().find(|other| other.covers(project))
    }

    /// Who publishes a package of ours on the public index.
    pub fn own_for(&self, project: &Project) -> Option<&Own> {
        self.own.iter().find(|own| own.covers(project))
    }

    /// The policy as it is for a project.
    pub fn for_project(&self, project: &Project) -> &Self {
        self.override_for(project).map_or(self, |other| &other.policy)
    }

    /// The longest time that passes in an ecosystem before time alone may release anything.
    pub fn longest_hold(&self, ecosystem: Ecosystem) -> Duration {
        let others = self.overrides.iter().filter(|other| other.ecosystem == ecosystem);
        others.map(|other| other.policy.hold.longest()).fold(self.hold.longest(), Duration::max)
    }

    /// What is said about a signal.
    pub fn signal(&self, id: &str) -> SignalSettings {
        self.signals.get(id).copied().unwrap_or_default()
    }

    /// Takes over what the text says.
    fn overlay(&mut self, source: Source<'_>) -> Result<(), PolicyError> {
        let file = source.read()?;
        self.modes.overlay(source, &file)?;
        self.held_files = file.held_files.unwrap_or(self.held_files);
        set(&mut self.hold.default, file.hold.default.as_ref(), |text| duration(source, "hold.default", text))?;
        set(&mut self.hold.medium, file.hold.medium.as_ref(), |text| duration(source, "hold.medium", text))?;
        if file.hold.medium.is_none() {
            // What is suspicious waits at least as long as everything else, without a second line in the file.
            self.hold.medium = self.hold.medium.max(self.hold.default);
        }
        self.overlay_namespaces(source, &file.namespaces)?;
        let two = file.review.two_person_above.as_ref();
        set(&mut self.review.two_person_above, two, |value| score(source, "review.two_person_above", value))?;
        let (medium, high) = (file.thresholds.medium.as_ref(), file.thresholds.high.as_ref());
        set(&mut self.thresholds.medium, medium, |value| score(source, "thresholds.medium", value))?;
        set(&mut self.thresholds.high, high, |value| score(source, "thresholds.high", value))?;
        self.overlay_score(source, &file.score)?;
        let fix = &file.security_fix;
        set(&mut self.security_fix.hold, fix.hold.as_ref(), |text| duration(source, "security_fix.hold", text))?;
        let most = fix.most_score.as_ref();
        set(&mut self.security_fix.most_score, most, |value| score(source, "security_fix.most_score", value))?;
        for (id, table) in &file.signals {
            self.overlay_signal(source, id, table)?;
        }
        self.check_order(source, &file)?;
        self.freeze.overlay(source, file.freeze.as_ref())?;
        if !file.own.is_empty() {
            self.own = own::read(source, &file.own)?;
        }
        if !file.overrides.is_empty() {
            self.overrides = overrides::read(source, self, &file.overrides)?;
        }
        Ok(())
    }

    /// Takes over what an override says; this is the copy of the policy that it is for its projects.
    pub(super) fn overlay_override(
        &mut self,
        source: Source<'_>,
        key: &str,
        table: &OverrideTable,
    ) -> Result<(), PolicyError> {
        let of = |part: &str| format!("{key}.{part}");
        set(&mut self.hold.default, table.hold.as_ref(), |text| duration(source, &of("hold"), text))?;
        set(&mut self.hold.medium, table.medium.as_ref(), |text| duration(source, &of("medium"), text))?;
        if table.medium.is_none() {
            self.hold.medium = self.hold.medium.max(self.hold.default);
        }
        let (medium, high) = (table.thresholds.medium.as_ref(), table.thresholds.high.as_ref());
        set(&mut self.thresholds.medium, medium, |value| score(source, &of("thresholds.medium"), value))?;
        set(&mut self.thresholds.high, high, |value| score(source, &of("thresholds.high"), value))?;
        let two = table.two_person_above.as_ref();
        set(&mut self.review.two_person_above, two, |value| score(source, &of("two_person_above"), value))?;
        for (id, table) in &table.signals {
            self.overlay_signal(source, id, table)?;
        }
        let holds = table.medium.as_ref().or(table.hold.as_ref());
        self.check_values(source, holds.map(Spanned::span), medium.or(high).map(Spanned::span), key)
    }

    /// The milder of two values must not be the stricter one: more findings would make a verdict milder.
    fn check_order(&self, source: Source<'_>, file: &PolicyFile) -> Result<(), PolicyError> {
        let thresholds = file.thresholds.medium.as_ref().or(file.thresholds.high.as_ref());
        let hold = file.hold.medium.as_ref().map(Spanned::span);
        self.check_values(source, hold, thresholds.map(Spanned::span), "")
    }

    fn check_values(
        &self,
        source: Source<'_>,
        hold: Option<Range<usize>>,
        thresholds: Option<Range<usize>>,
        table: &str,
    ) -> Result<(), PolicyError> {
        let key = |key: &str| if table.is_empty() { key.to_owned() } else { format!("{table}: {key}") };
        if let Some(written) = hold.filter(|_| self.hold.medium < self.hold.default) {
            let [medium, default] = [self.hold.medium, self.hold.default].map(humantime::format_duration);
            let why =
                format!("{medium} is shorter than hold.default, {default}: what is suspicious waits at least as long");
            return Err(source.error(&key("hold.medium"), written, why));
        }
        if let Some(written) = thresholds.filter(|_| self.thresholds.medium > self.thresholds.high) {
            let (medium, high) = (self.thresholds.medium, self.thresholds.high);
            let why = format!("{medium} is above thresholds.high, {high}");
            return Err(source.error(&key("thresholds.medium"), written, why));
        }
        Ok(())
    }

    fn overlay_namespaces(&mut self, source: Source<'_>, table: &NamespaceTable) -> Result<(), PolicyError> {
        let lists = [
            (Ecosystem::Pypi, &table.pypi, &mut self.namespaces.pypi),
            (Ecosystem::Cpan, &table.cpan, &mut self.namespaces.cpan),
            (Ecosystem::Teapot, &table.teapot, &mut self.namespaces.teapot),
        ];
        for (ecosystem, written, patterns) in lists {
            let Some(written) = written else { continue };
            let parse = |raw: &Spanned<String>| {
                NamePattern::parse(ecosystem, raw.get_ref()).map_err(|error| {
                    let why = format!("{:?}: {error}; write a name, or a name's beginning and a star", raw.get_ref());
                    source.error(&format!("namespaces.{ecosystem}"), raw.span(), why)
                })
            };
            *patterns = written.iter().map(parse).collect::<Result<_, _>>()?;
        }
        Ok(())
    }

    fn overlay_score(&mut self, source: Source<'_>, table: &ScoreTable) -> Result<(), PolicyError> {
        if let Some(base) = &table.base {
            let fraction = *base.get_ref();
            if !LIKELY_BASES.contains(&fraction) {
                let why = "write a chance from 0.01 to 0.5: at 0.5 findings strengthen each other least";
                return Err(source.error("score.base", base.span(), why));
            }
            self.weighing.base = Score::from_fraction(fraction);
        }
        let most = &table.most;
        let written = [&most.name, &most.confusion, &most.identity, &most.behaviour, &most.content, &most.record];
        for ((family, written), most) in Family::ALL.iter().zip(written).zip(&mut self.weighing.most) {
            set(most, written.as_ref(), |value| score(source, &format!("score.most.{family}"), value))?;
        }
        Ok(())
    }

    fn overlay_signal(
        &mut self,
        source: Source<'_>,
        id: &Spanned<String>,
        table: &SignalTable,
    ) -> Result<(), PolicyError> {
        let name = id.get_ref();
        if let Some(why) = signal_ids::objection(name) {
            return Err(source.error(&format!("signals.{name}"), id.span(), why));
        }
        let refuse = |key: &str, span, why: &str| Err(source.error(&format!("signals.{name}.{key}"), span, why));
        if let Some(enabled) = table.enabled.as_ref().filter(|enabled| !*enabled.get_ref() && is_hard(name)) {
            return refuse("enabled", enabled.span(), "this signal guards a hard rule and cannot be switched off");
        }
        // Private names are what the rules about names protect; digests and malware are the same everywhere.
        let may_be_public_only = !is_hard(name) || ["internal-name", "private-namesake"].contains(&name.as_str());
        if let Some(private) = table.private.as_ref().filter(|private| !*private.get_ref() && !may_be_public_only) {
            return refuse("private", private.span(), "this hard rule holds for private indexes too");
        }
        let settings = self.signals.entry(name.clone()).or_default();
        if let Some(points) = &table.points {
            match u8::try_from(*points.get_ref()) {
                Ok(value @ 0..=100) => settings.points = Some(value),
                _ => return refuse("points", points.span(), "write a number from 0 to 100"),
            }
        }
        settings.enabled = table.enabled.as_ref().map_or(settings.enabled, |enabled| *enabled.get_ref());
        settings.private = table.private.as_ref().map_or(settings.private, |private| *private.get_ref());
        settings.missing = table.missing.unwrap_or(settings.missing);
        settings.review = table.review.unwrap_or(settings.review);
        Ok(())
    }

    /// Notes the digest, also where an override is a policy of its own: SHA-256 over the values, not over the text, because a
    /// comment changes no verdict.
    fn seal(&mut self) {
        let overrides: Vec<serde_json::Value> = self.overrides.iter().map(Override::values).collect();
        let mut values = self.values();
        if !overrides.is_empty() {
            values["overrides"] = overrides.into();
        }
        self.digest = Sha256::of(values.to_string().as_bytes());
        for other in &mut self.overrides {
            other.policy.digest = self.digest;
        }
    }

    /// Everything that decides, without overrides.
    pub(super) fn values(&self) -> serde_json::Value {
        let names = |patterns: &[NamePattern]| patterns.iter().map(ToString::to_string).collect::<Vec<_>>();
        serde_json::json!({
            "rules": RULES,
            "modes": self.modes,
            "held_files": self.held_files,
            "hold": self.hold,
            "pypi": names(&self.namespaces.pypi),
            "cpan": names(&self.namespaces.cpan),
            "teapot": names(&self.namespaces.teapot),
            "review": self.review,
            "thresholds": self.thresholds,
            "weighing": self.weighing,
            "security_fix": self.security_fix,
            "signals": self.signals,
            "own": self.own,
        })
    }
}

/// Sets a value if one is written.
fn set<T, W>(
    value: &mut T,
    written: Option<&W>,
    read: impl FnOnce(&W) -> Result<T, PolicyError>,
) -> Result<(), PolicyError> {
    if let Some(written) = written {
        *value = read(written)?;
    }
    Ok(())
}

fn duration(source: Source<'_>, key: &str, text: &Spanned<String>) -> Result<Duration, PolicyError> {
    match humantime::parse_duration(text.get_ref()) {
        Ok(duration) if duration <= LONGEST_HOLD => Ok(duration),
        Ok(_) => Err(source.error(key, text.span(), "a hold may last ten years at most")),
        Err(error) => {
            Err(source.error(key, text.span(), format!("{error}; write a duration such as \"72h\" or \"7d\"")))
        }
    }
}

fn score(source: Source<'_>, key: &str, value: &Spanned<f64>) -> Result<Score, PolicyError> {
    let fraction = *value.get_ref();
    if (0.0..=1.0).contains(&fraction) {
        Ok(Score::from_fraction(fraction))
    } else {
        Err(source.error(key, value.span(), "write a score from 0 to 1"))
    }
}

#[cfg(test)]
mod tests;
