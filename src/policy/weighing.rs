//! From findings to one score: log-odds added up by family, each family capped, so that ten remarks about one thing weigh
//! less than two about different things.

use serde::Serialize;

use crate::domain::{Family, Finding, Score};

/// How findings are weighed against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Weighing {
    /// How likely any upload is one to refuse before anything is seen; the smaller, the more findings strengthen each other.
    pub base: Score,
    /// The most that the findings of one family can make of the score by themselves, in the order of [`Family::ALL`].
    pub most: [Score; Family::ALL.len()],
}

impl Default for Weighing {
    /// As `policies/default.toml` has it; a test compares them.
    fn default() -> Self {
        Self { base: Score::hundredths(20), most: [95, 95, 95, 85, 98, 100].map(Score::hundredths) }
    }
}

impl Weighing {
    /// The score of these findings.
    ///
    /// A finding of `p` points is evidence of `ln(1 + odds(p) / odds(base))`. Evidence adds up within a family to at most the
    /// family's cap, and over all families to `e`; the score's odds are `odds(base) * (exp(e) - 1)`. So nothing seen scores 0,
    /// one finding alone scores just its points, several multiply odds as Bayes would have it, and more never lowers the score.
    pub fn score(&self, findings: &[Finding]) -> Score {
        let odds_before = odds(self.base);
        let evidence = |score: Score| (odds(score) / odds_before).ln_1p();
        let together: f64 = Family::ALL
            .iter()
            .zip(self.most)
            .map(|(family, most)| {
                let mut points: Vec<u8> = findings
                    .iter()
                    .filter(|finding| finding.family == *family)
                    .map(|finding| finding.points.min(100))
                    .collect();
                // Sorted, so that the order in which signals report makes no difference, not even in the last bit.
                points.sort_unstable();
                let sum: f64 = points.into_iter().map(|points| evidence(Score::hundredths(points))).sum();
                sum.min(evidence(most))
            })
            .sum();
        let odds_after = odds_before * together.exp_m1();
        Score::from_fraction(1.0 - 1.0 / (1.0 + odds_after))
    }
}

/// `p / (1 - p)`; without bound for certainty, where every sum and cap of it is still a number.
fn odds(score: Score) -> f64 {
    score.as_fraction() / (1.0 - score.as_fraction())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Confidence, Severity};

    fn finding(family: Family, points: u8) -> Finding {
        Finding {
            signal: "test".into(),
            family,
            severity: Severity::Low,
            confidence: Confidence::Low,
            points,
            summary: String::new(),
            evidence: serde_json::Value::Null,
        }
    }

    fn score(findings: &[(Family, u8)]) -> String {
        let findings: Vec<Finding> = findings.iter().map(|(family, points)| finding(*family, *points)).collect();
        Weighing::default().score(&findings).to_string()
    }

    #[test]
    fn one_finding_scores_its_points_and_two_of_different_kinds_more_than_chance() {
        use Family::{Behaviour, Identity, Name, Record};
        assert_eq!(score(&[]), "0.00");
        for points in [1, 8, 36, 70, 84] {
            assert_eq!(score(&[(Behaviour, points)]), format!("0.{points:02}"));
        }
        assert_eq!(score(&[(Behaviour, 36), (Identity, 36)]), "0.71", "two medium ones ask a person");
        assert_eq!(score(&[(Behaviour, 8), (Identity, 8)]), "0.17", "two weak ones do not");
        assert_eq!(score(&[(Record, 100), (Name, 50)]), "1.00");
    }

    #[test]
    fn a_family_is_capped() {
        let many = [(Family::Behaviour, 60); 9];
        assert_eq!(score(&many), "0.85");
        assert_eq!(score(&[(Family::Behaviour, 100)]), "0.85");
        let none = Weighing { most: [Score::NONE; 6], ..Weighing::default() };
        assert_eq!(none.score(&[finding(Family::Content, 100)]), Score::NONE);
    }

    fn any_finding() -> impl Strategy<Value = Finding> {
        (0..Family::ALL.len(), 0..=255_u8).prop_map(|(family, points)| finding(Family::ALL[family], points))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn it_is_a_number_that_more_never_lowers_and_no_order_changes(
            few in proptest::collection::vec(any_finding(), 0..8),
            more in proptest::collection::vec(any_finding(), 0..8),
            base in 1..=50_u8,
            most in proptest::array::uniform6(0..=100_u8),
            at in any::<proptest::sample::Index>(),
        ) {
            let weighing = Weighing { base: Score::hundredths(base), most: most.map(Score::hundredths) };
            let less = weighing.score(&few);
            prop_assert!((0.0..=1.0).contains(&less.as_fraction()));
            let mut all = [few.clone(), more].concat();
            let greater = weighing.score(&all);
            prop_assert!(greater >= less);
            all.reverse();
            prop_assert_eq!(weighing.score(&all), greater);
            // Nor does a heavier finding in the place of a lighter one.
            if !few.is_empty() {
                let mut heavier = few.clone();
                let place = at.index(few.len());
                heavier[place].points = heavier[place].points.saturating_add(7);
                prop_assert!(weighing.score(&heavier) >= less);
            }
        }
    }
}
