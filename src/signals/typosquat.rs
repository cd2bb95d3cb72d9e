//! `typosquat`: the project's name is one slip of the finger away from a well-known or internal one.

use serde_json::json;

use super::{About, Dossier, Signal, SignalMeta, finding};
use crate::corpus::{Confusion, Neighbour};
use crate::domain::{Confidence, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct Typosquat;

static META: SignalMeta = SignalMeta {
    id: "typosquat",
    question: "Does the name look like a well-known or internal one?",
    about: About::Project,
};

impl Signal for Typosquat {
    fn meta(&self) -> &'static SignalMeta {
        &META
    }

    fn examine(&self, dossier: &Dossier) -> Vec<Finding> {
        let project = &dossier.project;
        // A name that is itself widely used is not a slip for another one.
        if project.rank.is_some() || !project.origin.is_public() {
            return Vec::new();
        }
        let name = project.project.name.as_str();
        let best = project
            .neighbours
            .iter()
            .map(|neighbour| (points(name, neighbour), neighbour))
            .max_by_key(|(points, _)| *points);
        let Some((points, neighbour)) = best.filter(|(points, _)| *points > 0) else {
            return Vec::new();
        };
        let severity = match points {
            70.. => Severity::High,
            30.. => Severity::Medium,
            _ => Severity::Low,
        };
        let whose = if neighbour.internal { "the internal name" } else { "the well-known" };
        let summary = format!("The name resembles {whose} {} ({}).", neighbour.target, kind(neighbour.kind));
        let evidence = json!({
            "target": neighbour.target,
            "rank": neighbour.rank,
            "internal": neighbour.internal,
            "kind": neighbour.kind,
            "similarity": neighbour.similarity,
        });
        vec![finding(&META, (severity, Confidence::Medium, points), summary, evidence)]
    }
}

const fn kind(confusion: Confusion) -> &'static str {
    match confusion {
        Confusion::Compact => "the same without separators",
        Confusion::Transposition => "two letters swapped",
        Confusion::Edit => "one letter differs",
    }
}

/// How much a look-alike weighs. Slips in long names are deliberate, in short ones often chance; a slip of a name that
/// nobody types is no trap. `detection/README.md` has the measurements: rank and length separate best, a changed first
/// letter or digit speaks against.
fn points(name: &str, neighbour: &Neighbour) -> u8 {
    let target = neighbour.target.as_str();
    let mut points: i32 = match neighbour.kind {
        Confusion::Compact => 82,
        Confusion::Transposition => 84,
        Confusion::Edit => 68,
    };
    points += match target.len() {
        0..=3 => -60,
        4 => -35,
        5 => -18,
        6 => -6,
        7..=8 => 4,
        _ => 14,
    };
    points += match neighbour.rank {
        _ if neighbour.internal => 30,
        0..=200 => 16,
        201..=1_000 => 8,
        1_001..=5_000 => 0,
        _ => -14,
    };
    if neighbour.kind == Confusion::Edit {
        if name.bytes().next() != target.bytes().next() {
            points -= 16;
        }
        if digits(name) != digits(target) {
            points -= 24;
        }
        if doubles_a_letter(name, target) {
            points += 14;
        }
    }
    u8::try_from(points.clamp(0, 95)).unwrap_or(0)
}

fn digits(name: &str) -> String {
    name.chars().filter(char::is_ascii_digit).collect()
}

/// `requestss` for `requests`: one more of a letter that is already there.
fn doubles_a_letter(name: &str, target: &str) -> bool {
    let collapse = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.dedup();
        letters
    };
    name.len() != target.len() && collapse(name) == collapse(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbour(target: &str, rank: u32, kind: Confusion) -> Neighbour {
        Neighbour { target: target.to_owned(), rank, internal: false, kind, similarity: 0.9 }
    }

    #[test]
    fn slips_of_popular_names_weigh_most() {
        let heavy = points("reqeusts", &neighbour("requests", 10, Confusion::Transposition));
        let rare = points("obscurelib", &neighbour("obscurlib", 14_000, Confusion::Edit));
        let short = points("sox", &neighbour("six", 20, Confusion::Edit));
        let digit = points("boto2", &neighbour("boto3", 1, Confusion::Edit));
        assert!(heavy >= 70, "{heavy}");
        assert!(rare < 70, "{rare}");
        assert!(short < 30, "{short}");
        assert!(digit < 70, "{digit}");
    }

    #[test]
    fn a_doubled_letter_is_recognised() {
        assert!(doubles_a_letter("requestss", "requests"));
        assert!(!doubles_a_letter("requestsx", "requests"));
    }
}
