//! The table of weights: what each kind of confusion and each sign adds to the log-odds that a name is meant to deceive.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use sha2::Digest as _;
use toml::Spanned;

use super::sign::{Sign, Signs, Speaks};
use super::{Confusion, CorpusError};
use crate::domain::Sha256;

/// The table that is built in.
const BUILT_IN: &str = include_str!("../../policies/names/weights.toml");

/// A weight beyond this would decide alone, whatever else is seen.
const HEAVIEST: f64 = 12.0;

/// Longest table read.
const LONGEST_FILE: u64 = 1 << 16;

/// What each kind and sign weighs. Immutable.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    kinds: [f64; Confusion::ALL.len()],
    signs: [f64; Sign::ALL.len()],
    digest: Sha256,
}

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Table {
    kind: BTreeMap<Spanned<String>, Spanned<f64>>,
    sign: BTreeMap<Spanned<String>, Spanned<f64>>,
}

impl Default for Weights {
    /// The table that is built in; a test reads it.
    fn default() -> Self {
        Self::parse(BUILT_IN, "the built-in weights").unwrap_or(Self {
            kinds: [0.0; Confusion::ALL.len()],
            signs: [0.0; Sign::ALL.len()],
            digest: Sha256::of(&[]),
        })
    }
}

impl Weights {
    /// Reads a table from a file. It overlays the built-in one.
    pub fn load(path: &Path) -> Result<Self, CorpusError> {
        let text = super::error::read_bounded(path, LONGEST_FILE)?;
        Self::over(Self::default(), &text, &path.display().to_string())
    }

    /// Reads a table that overlays the built-in one; `name` is what errors call it.
    pub fn read(text: &str, name: &str) -> Result<Self, CorpusError> {
        Self::over(Self::default(), text, name)
    }

    fn parse(text: &str, name: &str) -> Result<Self, CorpusError> {
        let nothing =
            Self { kinds: [0.0; Confusion::ALL.len()], signs: [0.0; Sign::ALL.len()], digest: Sha256::of(&[]) };
        Self::over(nothing, text, name)
    }

    fn over(mut self, text: &str, name: &str) -> Result<Self, CorpusError> {
        let wrong = |span: Range<usize>, why: String| {
            let line = 1 + text.get(..span.start).unwrap_or(text).matches('\n').count();
            CorpusError::Weights { file: name.to_owned(), line, why }
        };
        let table: Table = toml::from_str(text).map_err(|error| {
            let why = error.message().lines().collect::<Vec<_>>().join(", ");
            wrong(error.span().unwrap_or_default(), why)
        })?;
        for (key, weight) in &table.kind {
            let place = Confusion::ALL.iter().position(|kind| kind.as_str() == key.get_ref());
            let place = place.ok_or_else(|| {
                let kinds = Confusion::ALL.map(Confusion::as_str).join(", ");
                wrong(key.span(), format!("kind.{}: there is no such kind; there are {kinds}", key.get_ref()))
            })?;
            self.kinds[place] = sane(*weight.get_ref())
                .map_err(|why| wrong(weight.span(), format!("kind.{}: {why}", key.get_ref())))?;
        }
        for (key, weight) in &table.sign {
            let place = Sign::ALL.iter().position(|sign| sign.as_str() == key.get_ref());
            let place = place.ok_or_else(|| {
                wrong(key.span(), format!("sign.{}: there is no such sign; see the built-in table", key.get_ref()))
            })?;
            let (sign, value) = (Sign::ALL[place], *weight.get_ref());
            let why = match (sane(value), sign.speaks()) {
                (Err(why), _) => Some(why),
                (Ok(value), Speaks::For) if value < 0.0 => {
                    Some("it speaks for a deception: write 0 or more".to_owned())
                }
                (Ok(value), Speaks::Against) if value > 0.0 => {
                    Some("it speaks against a deception: write 0 or less".to_owned())
                }
                _ => None,
            };
            if let Some(why) = why {
                return Err(wrong(weight.span(), format!("sign.{}: {why}", key.get_ref())));
            }
            self.signs[place] = value;
        }
        self.digest = self.computed_digest();
        Ok(self)
    }

    /// SHA-256 of the weights, whatever the file's layout.
    pub fn digest(&self) -> Sha256 {
        self.digest
    }

    fn computed_digest(&self) -> Sha256 {
        let mut hasher = sha2::Sha256::new();
        for weight in self.kinds.iter().chain(&self.signs) {
            // 0 and -0 weigh the same.
            hasher.update((weight + 0.0).to_le_bytes());
        }
        Sha256::from_bytes(hasher.finalize().into())
    }

    /// What each thing seen adds or takes away, the kind first.
    pub fn parts(&self, signs: &Signs) -> impl Iterator<Item = (&'static str, f64)> {
        let kind = (signs.kind.as_str(), self.of_kind(signs.kind));
        let seen = signs.seen().iter().map(|(sign, amount)| (sign.as_str(), self.of(*sign) * amount));
        std::iter::once(kind).chain(seen)
    }

    /// How likely a deception is with these signs, from 0 to 1. More of a sign never lowers it if the sign speaks for a
    /// deception, and never raises it if it speaks against one.
    pub fn score(&self, signs: &Signs) -> f64 {
        // Sorted, so that the order in which signs were seen makes no difference, not even in the last bit.
        let mut parts: Vec<f64> = self.parts(signs).map(|(_, part)| part).collect();
        parts.sort_unstable_by(f64::total_cmp);
        let sum: f64 = parts.iter().sum::<f64>().clamp(-30.0, 30.0);
        1.0 / (1.0 + (-sum).exp())
    }

    fn of_kind(&self, kind: Confusion) -> f64 {
        self.kinds[kind as usize]
    }

    fn of(&self, sign: Sign) -> f64 {
        self.signs[sign as usize]
    }
}

fn sane(weight: f64) -> Result<f64, String> {
    if weight.is_finite() && weight.abs() <= HEAVIEST {
        Ok(weight)
    } else {
        Err(format!("a weight is a number from -{HEAVIEST} to {HEAVIEST}"))
    }
}
