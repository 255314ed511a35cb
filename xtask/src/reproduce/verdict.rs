//! Deciding claims by numbers with a spread.

use super::runs::BySeed;
use crate::report::{Claim, Verdict, interval};

/// A difference of means with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Mean of the differences.
    pub mean: f64,
    /// Half the width of the interval; infinite for a single pair.
    pub half: f64,
    /// Number of pairs.
    pub pairs: usize,
}

impl Difference {
    /// Mean and Student's interval of `a - b`, paired by seed: runs of the same seed have the same data, masks and
    /// initial weights. Seeds that only one of the two has are left out. `None` without a pair.
    #[must_use]
    pub fn paired(a: &BySeed, b: &BySeed) -> Option<Self> {
        let differences = a.iter().filter_map(|(seed, a)| Some(a - b.get(seed)?));
        let differences: Vec<f64> = differences.collect();
        let (mean, half) = interval(&differences)?;
        Some(Self { mean, half, pairs: differences.len() })
    }

    /// Whether the difference is positive, negative or cannot be told from zero.
    #[must_use]
    pub fn positive(&self) -> Verdict {
        self.above(0.0)
    }

    /// Whether the difference exceeds `bound`.
    #[must_use]
    pub fn above(&self, bound: f64) -> Verdict {
        if self.mean - self.half > bound {
            Verdict::Supported
        } else if self.mean + self.half < bound {
            Verdict::NotSupported
        } else {
            Verdict::Undecided
        }
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.half.is_finite() {
            write!(f, "{:.3} ± {:.3}", self.mean, self.half)
        } else {
            write!(f, "{:.3} (one seed)", self.mean)
        }
    }
}

/// The verdict of several conditions that must all hold: one that fails decides, then one that cannot be told.
#[must_use]
pub fn all(verdicts: &[Verdict]) -> Verdict {
    [Verdict::NotSupported, Verdict::NotRun, Verdict::Undecided]
        .into_iter()
        .find(|verdict| verdicts.contains(verdict))
        .unwrap_or(if verdicts.is_empty() { Verdict::NotRun } else { Verdict::Supported })
}

/// A plain yes or no.
#[must_use]
pub fn holds(condition: bool) -> Verdict {
    if condition { Verdict::Supported } else { Verdict::NotSupported }
}

/// What an experiment is to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// A letter and a number, by which the report sorts its claims.
    pub id: &'static str,
    /// A sentence that can come out false.
    pub text: &'static str,
}

impl Statement {
    /// The claim that this is so: its verdict, why, and the numbers that decide it.
    #[must_use]
    pub fn decided(&self, verdict: Verdict, evidence: String, numbers: Vec<(String, f64)>) -> Claim {
        Claim {
            id: self.id.to_string(),
            text: self.text.to_string(),
            verdict,
            evidence,
            numbers,
            seeds: Vec::new(),
            runs: Vec::new(),
        }
    }
}

/// The claim if `failed` of the runs or measurements behind it have failed: the others are reported, but decide
/// nothing, since failures are not a random choice.
#[must_use]
pub fn undecided(mut claim: Claim, failed: usize, what: &str) -> Claim {
    if failed > 0 {
        claim.verdict = Verdict::Undecided;
        let others = match claim.numbers.is_empty() {
            true => String::new(),
            false => format!(" Of the others: {}", claim.evidence),
        };
        claim.evidence = format!("{failed} of the {what} behind it failed.{others}");
    }
    claim
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> BySeed {
        (0..).zip(values.iter().copied()).collect()
    }

    fn paired(a: &[f64], b: &[f64]) -> Option<Difference> {
        Difference::paired(&of(a), &of(b))
    }

    #[test]
    fn intervals_by_hand() {
        // Differences 1, 2, 3: mean 2, standard deviation 1, t of two degrees of freedom 4.30265 over √3.
        let difference = paired(&[2.0, 4.0, 6.0], &[1.0, 2.0, 3.0]).unwrap();
        assert!((difference.mean - 2.0).abs() < 1e-12);
        assert!((difference.half - 4.30265 / 3_f64.sqrt()).abs() < 1e-5, "{difference:?}");
        assert_eq!(difference.positive(), Verdict::Undecided);
        assert_eq!(paired(&[2.0, 2.1, 2.2], &[1.0, 1.1, 1.2]).unwrap().positive(), Verdict::Supported);
        assert_eq!(paired(&[1.0, 1.1], &[2.0, 2.1]).unwrap().positive(), Verdict::NotSupported);
        assert_eq!(paired(&[1.0], &[0.0]).unwrap().positive(), Verdict::Undecided, "one seed");
        assert!(paired(&[], &[]).is_none());
        // 17 pairs of standard deviation 1: t of 16 degrees of freedom is 2.11991, not 1.96.
        let values: Vec<f64> =
            (0..17).map(|i| if i == 16 { 0.0 } else { f64::from(i % 2) * 2.0 - 1.0 }).collect();
        let half = paired(&values, &[0.0; 17]).unwrap().half;
        assert!((half - 2.11991 / 17_f64.sqrt()).abs() < 1e-5, "{half}");
    }

    #[test]
    fn pairs_have_equal_seeds() {
        // Seed 1 of the second method is missing; the differences of the others are 1.
        let a = BySeed::from([(0, 1.0), (1, 5.0), (2, 3.0), (3, 9.0)]);
        let b = BySeed::from([(0, 0.0), (2, 2.0), (3, 8.0), (7, 8.0)]);
        let difference = Difference::paired(&a, &b).unwrap();
        assert_eq!((difference.mean, difference.half, difference.pairs), (1.0, 0.0, 3));
    }

    #[test]
    fn one_condition_that_fails_decides() {
        use Verdict::{NotSupported, Supported, Undecided};
        assert_eq!(all(&[Supported, Supported]), Supported);
        assert_eq!(all(&[Supported, Undecided]), Undecided);
        assert_eq!(all(&[Undecided, NotSupported, Supported]), NotSupported);
        assert_eq!(all(&[]), Verdict::NotRun);
    }
}
