//! `typosquat`: the project's name is meant to be mistaken for a well-known or internal one, as the corpus scores it.

use serde_json::json;
use time::Duration;

use super::{About, AcceptedName, Dossier, ProjectFacts, Signal, SignalMeta, finding};
use crate::corpus::{Confusion, Neighbour};
use crate::domain::{Confidence, Family, Finding, Severity};

/// See the module.
#[derive(Debug)]
pub struct Typosquat;

/// What its findings are called.
pub const ID: &str = "typosquat";

static META: SignalMeta = SignalMeta {
    id: ID,
    question: "Does the name look like a well-known or internal one?",
    family: Family::Name,
    about: About::Project,
};

/// A known name with something more (`requests-x`) is what plugins are called: it needs a second signal to count.
const MOST_FOR_COMBO: u8 = 12;

/// Squats are found and removed within days or months: a project that has been in the index for this long is none.
const ESTABLISHED: Duration = Duration::days(365);

/// What is left of the points then, or once a person has let the name in: worth knowing beside other findings.
const MOST_IF_ANSWERED: u8 = 15;

/// A name alone proves nothing.
const MOST: u8 = 95;

/// Fewer points than these are not worth a sentence.
const FEWEST: u8 = 5;

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
        let established = is_established(project);
        let weighed = project.neighbours.iter().map(|neighbour| {
            let is_answered = established || accepted(project, neighbour).is_some();
            (points(neighbour, is_answered) / doubt(dossier, neighbour), neighbour)
        });
        let heaviest = weighed.reduce(|one, other| if other.0 > one.0 { other } else { one });
        let Some((points, neighbour)) = heaviest.filter(|(points, _)| *points >= FEWEST) else {
            return Vec::new();
        };
        let severity = match points {
            70.. => Severity::High,
            30.. => Severity::Medium,
            _ => Severity::Low,
        };
        let accepted = accepted(project, neighbour);
        let sentence = match accepted {
            Some(AcceptedName { by, version, .. }) => {
                format!("{} {by} let {version} in under it.", neighbour.sentence())
            }
            None => neighbour.sentence(),
        };
        let evidence = json!({
            "target": neighbour.target,
            "rank": neighbour.rank,
            "internal": neighbour.internal,
            "kind": neighbour.kind,
            "similarity": neighbour.similarity,
            "score": neighbour.score,
            "signs": neighbour.signs,
            "established": established,
            "accepted": accepted,
        });
        vec![finding(&META, (severity, Confidence::Medium, points), sentence, evidence)]
    }
}

/// Who may upload the well-known name too has no need to imitate it.
fn doubt(dossier: &Dossier, neighbour: &Neighbour) -> u8 {
    let held = dossier.cpan.iter().flat_map(|cpan| &cpan.holds_look_alike);
    if held.into_iter().any(|name| **name == *neighbour.target) { 4 } else { 1 }
}

/// Who let a release of this project in though its name looks like that one, if somebody did: asked once, people need not be
/// asked again for every release.
fn accepted<'a>(project: &'a ProjectFacts, neighbour: &Neighbour) -> Option<&'a AcceptedName> {
    project.accepted.iter().find(|accepted| accepted.target == neighbour.target)
}

/// Whether the project was in the index long before it was first seen here.
fn is_established(project: &ProjectFacts) -> bool {
    project.oldest_upload.is_some_and(|oldest| project.first_read - oldest > ESTABLISHED)
}

/// The score in hundredths, within what a name alone may weigh.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=95 first")]
fn points(neighbour: &Neighbour, is_answered: bool) -> u8 {
    let mut most = MOST;
    if neighbour.kind == Confusion::Combo {
        most = most.min(MOST_FOR_COMBO);
    }
    if is_answered && !neighbour.internal {
        most = most.min(MOST_IF_ANSWERED);
    }
    // What is no number counts for nothing.
    (neighbour.score * 100.0).round().clamp(0.0, f64::from(most)) as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::corpus::Corpus;
    use crate::domain::{Ecosystem, ProjectName};

    fn best(name: &str) -> Neighbour {
        static CORPUS: std::sync::LazyLock<Corpus> = std::sync::LazyLock::new(|| Corpus::embedded(Ecosystem::Pypi));
        CORPUS.neighbours(&ProjectName::pypi(name).unwrap()).remove(0)
    }

    #[test]
    fn slips_of_popular_names_weigh_most() {
        let heavy = points(&best("reqeusts"), false);
        assert!(heavy >= 70, "{heavy}");
        assert!(points(&best("django-toolbox"), false) < 30);
        assert!(points(&best("reqeusts"), true) < 30, "a project that is years old is no squat");
    }

    #[test]
    fn a_combo_alone_keeps_nobody_waiting() {
        let combo = best("requests-toolbox-x");
        assert_eq!(combo.kind, Confusion::Combo);
        assert!(points(&combo, false) <= MOST_FOR_COMBO);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_higher_score_never_weighs_less(one in 0.0..=1.0_f64, two in 0.0..=1.0_f64, established: bool) {
            let mut neighbour = best("reqeusts");
            neighbour.score = one.min(two);
            let less = points(&neighbour, established);
            neighbour.score = one.max(two);
            prop_assert!(points(&neighbour, established) >= less);
            neighbour.score = f64::NAN;
            prop_assert_eq!(points(&neighbour, established), 0);
        }
    }
}
