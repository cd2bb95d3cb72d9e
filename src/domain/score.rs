//! The score: one number from 0 to 1 made of all findings.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Finding;

/// How likely an upload is one to refuse: 0 nothing seen, 1 certain. In hundredths, so that it compares and stores exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Score(u8);

impl Score {
    /// Nothing seen.
    pub const NONE: Self = Self(0);

    /// A score in hundredths; more than 100 is 100.
    pub const fn hundredths(value: u8) -> Self {
        Self(if value > 100 { 100 } else { value })
    }

    /// Findings are independent witnesses: the score is the chance that at least one is right, `1 - product(1 - points)`.
    pub fn of(findings: &[Finding]) -> Self {
        let doubt: f64 = findings.iter().map(|finding| 1.0 - f64::from(finding.points.min(100)) / 100.0).product();
        Self::from_fraction(1.0 - doubt)
    }

    /// A score from a number between 0 and 1; anything outside is clamped.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=100 first")]
    pub fn from_fraction(value: f64) -> Self {
        Self((value.clamp(0.0, 1.0) * 100.0).round() as u8)
    }

    /// The score as a number between 0 and 1.
    pub fn as_fraction(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", self.as_fraction())
    }
}

impl Serialize for Score {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_fraction())
    }
}

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Self::from_fraction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Confidence, Severity};

    fn finding(points: u8) -> Finding {
        Finding {
            signal: "test".into(),
            severity: Severity::Low,
            confidence: Confidence::Low,
            points,
            summary: String::new(),
            evidence: serde_json::Value::Null,
        }
    }

    #[test]
    fn witnesses_add_up_but_never_past_certainty() {
        assert_eq!(Score::of(&[]), Score::NONE);
        assert_eq!(Score::of(&[finding(50)]).to_string(), "0.50");
        assert_eq!(Score::of(&[finding(50), finding(50)]).to_string(), "0.75");
        assert_eq!(Score::of(&[finding(100), finding(50)]).to_string(), "1.00");
    }
}
