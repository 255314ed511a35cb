//! Deciding claims by numbers with a spread.

use crate::report::{Claim, Verdict};

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

/// 97.5 % quantiles of Student's t distribution for 1, 2, … degrees of freedom.
const T_QUANTILES: [f64; 15] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
];

impl Difference {
    /// Of `a - b`, paired: entry i of both was made with the same seed, hence the same data, masks and initial weights.
    /// Student's interval of the mean difference. `None` without a pair.
    #[must_use]
    pub fn paired(a: &[f64], b: &[f64]) -> Option<Self> {
        let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
        let (mean, deviation) = super::experiment::mean_and_deviation(&differences)?;
        let pairs = differences.len();
        let half = if pairs < 2 {
            f64::INFINITY
        } else {
            let t = T_QUANTILES.get(pairs - 2).copied().unwrap_or(1.96);
            t * deviation / (pairs as f64).sqrt()
        };
        Some(Self { mean, half, pairs })
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

/// The claims of the paper that the catalogue decides, each in a sentence.
const CLAIMS: [(&str, &str); 11] = [
    ("C1", "SnAp-n equals RTRL once n is large, and SnAp-1 keeps only the immediate entries."),
    ("C2", "SnAp-1 costs no more than backpropagation through time."),
    ("C3", "SnAp-1 outperforms UORO and RFLO at comparable cost."),
    (
        "C4",
        "On highly sparse nets SnAp-2 stays tractable and, updating at every step, can learn faster than BPTT.",
    ),
    ("C5", "RTRL and SnAp need no history: memory does not grow with the length of a sequence."),
    ("C6", "RTRL of a sparse net saves two factors of density over dense RTRL."),
    ("C7", "SnAp-1 trains a dense GRU close to BPTT on text; UORO stays far behind."),
    ("C8", "On sparse nets SnAp-2 is at least as good as SnAp-1 and approaches BPTT on text."),
    ("C9", "At equal numbers of parameters, larger and sparser GRUs reach fewer bits per character."),
    (
        "C10",
        "Most of the influence's magnitude lies in the entries that SnAp keeps, and stays there in training.",
    ),
    ("C11", "With weights that change at every step, under a running influence, learning still works."),
];

/// A claim with its verdict.
///
/// # Panics
/// If the paper has no such claim.
#[must_use]
pub fn claim(id: &str, verdict: Verdict, evidence: String, numbers: Vec<(String, f64)>) -> Claim {
    let (id, text) = CLAIMS.iter().find(|(known, _)| *known == id).expect("a claim of the list");
    Claim {
        id: (*id).to_string(),
        text: (*text).to_string(),
        verdict,
        evidence,
        numbers,
        seeds: Vec::new(),
        runs: Vec::new(),
    }
}

/// The claims that no experiment of this report has decided.
#[must_use]
pub fn not_run(decided: &[&Claim]) -> Vec<Claim> {
    let missing = CLAIMS.iter().filter(|(id, _)| decided.iter().all(|claim| claim.id != *id));
    missing.map(|(id, _)| claim(id, Verdict::NotRun, String::new(), Vec::new())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_by_hand() {
        // Differences 1, 2, 3: mean 2, deviation 1, t of two degrees of freedom 4.303 over √3.
        let difference = Difference::paired(&[2.0, 4.0, 6.0], &[1.0, 2.0, 3.0]).unwrap();
        assert!(
            (difference.mean - 2.0).abs() < 1e-12 && (difference.half - 4.303 / 3_f64.sqrt()).abs() < 1e-9
        );
        assert_eq!(difference.positive(), Verdict::Undecided);
        assert_eq!(
            Difference::paired(&[2.0, 2.1, 2.2], &[1.0, 1.1, 1.2]).unwrap().positive(),
            Verdict::Supported
        );
        assert_eq!(Difference::paired(&[1.0, 1.1], &[2.0, 2.1]).unwrap().positive(), Verdict::NotSupported);
        assert_eq!(Difference::paired(&[1.0], &[0.0]).unwrap().positive(), Verdict::Undecided, "one seed");
        assert!(Difference::paired(&[], &[]).is_none());
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
