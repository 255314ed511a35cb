//! Verdicts: what was observed, its interval, and a bound. Nothing else decides.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether a claim held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The runs agree with the claim.
    Supported,
    /// The runs contradict the claim.
    NotSupported,
    /// This profile did not run what the claim needs.
    NotRun,
    /// It was run, and the spread is too wide to tell, or some of its runs failed.
    Undecided,
}

impl Verdict {
    /// The verdict in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::NotSupported => "not supported",
            Self::NotRun => "not run",
            Self::Undecided => "undecided",
        }
    }

    /// A mark that needs no color to be told from the others.
    #[must_use]
    pub fn mark(self) -> &'static str {
        match self {
            Self::Supported => "✓",
            Self::NotSupported => "✗",
            Self::NotRun => "–",
            Self::Undecided => "?",
        }
    }
}

/// A number with the interval that is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    /// The mean over seeds.
    #[serde(with = "super::number::scalar")]
    pub mean: f64,
    /// Half the width of the 95 % interval of the mean; 0 of a number that is exact, infinite of a single seed.
    #[serde(with = "super::number::scalar")]
    pub half: f64,
    /// Seeds, or pairs of runs of one seed, behind it.
    pub seeds: usize,
}

impl Observed {
    /// A number without a spread, such as a count.
    #[must_use]
    pub fn exact(value: f64) -> Self {
        Self { mean: value, half: 0.0, seeds: 1 }
    }
}

impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |value: f64| match value.abs() {
            v if (1e3..1e6).contains(&v) => format!("{value:.0}"),
            v if v == 0.0 || (1e-3..1e3).contains(&v) => format!("{value:.3}"),
            _ => format!("{value:.2e}"),
        };
        match self.half {
            0.0 if self.seeds == 1 => write!(f, "{}", number(self.mean)),
            half if half.is_finite() => write!(f, "{} ± {}", number(self.mean), number(half)),
            _ => write!(f, "{} (one seed)", number(self.mean)),
        }
    }
}

/// What the observed number must keep.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// It must be greater.
    Above(f64),
    /// It must be less, or equal if it is exact.
    AtMost(f64),
}

/// One of the conditions that a claim stands on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// What the claim is held against, such as `BPTT, windows of 16`.
    pub against: String,
    /// What was observed, in words, with its unit.
    pub what: String,
    /// The number; `None` if what it needs was not run.
    pub observed: Option<Observed>,
    /// What it must keep.
    pub bound: Bound,
    /// Whether the claim depends on it; otherwise it is told beside the claim.
    pub decides: bool,
}

impl Condition {
    /// A condition that the claim depends on.
    pub fn new(
        against: impl Into<String>,
        what: impl Into<String>,
        observed: Option<Observed>,
        bound: Bound,
    ) -> Self {
        Self { against: against.into(), what: what.into(), observed, bound, decides: true }
    }

    /// The same, told beside the claim.
    #[must_use]
    pub fn beside(self) -> Self {
        Self { decides: false, ..self }
    }

    /// Whether it holds: only if the whole interval keeps the bound. What is not a number keeps none.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let Some(Observed { mean, half, .. }) = self.observed else { return Verdict::NotRun };
        let (holds, fails) = match self.bound {
            Bound::Above(bound) => (mean - half > bound, mean + half <= bound),
            Bound::AtMost(bound) => (mean + half <= bound, mean - half > bound),
        };
        match (holds, fails) {
            (true, _) => Verdict::Supported,
            (_, true) => Verdict::NotSupported,
            _ => Verdict::Undecided,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (words, bound) = match self {
            Self::Above(bound) => ("above", *bound),
            Self::AtMost(bound) => ("at most", *bound),
        };
        if bound != 0.0 && bound.abs() < 1e-3 {
            return write!(f, "{words} {bound:e}");
        }
        write!(f, "{words} {bound}")
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(observed) = self.observed else { return write!(f, "{}: not run", self.what) };
        let bound = self.bound;
        let verdict = match self.verdict() {
            Verdict::Supported => "it is",
            Verdict::NotSupported => "it is not",
            Verdict::NotRun | Verdict::Undecided => "cannot be told",
        };
        write!(f, "{}: {observed} (should be {bound}: {verdict})", self.what)
    }
}

/// The verdict of several conditions that must all hold: one that fails decides, then one that was not run, then one that cannot be
/// told. Without a condition nothing was run.
#[must_use]
pub fn all(verdicts: &[Verdict]) -> Verdict {
    [Verdict::NotSupported, Verdict::NotRun, Verdict::Undecided]
        .into_iter()
        .find(|verdict| verdicts.contains(verdict))
        .unwrap_or(if verdicts.is_empty() { Verdict::NotRun } else { Verdict::Supported })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(mean: f64, half: f64, bound: Bound) -> Condition {
        Condition::new("it", "a number", Some(Observed { mean, half, seeds: 5 }), bound)
    }

    #[test]
    fn a_bound_is_kept_by_a_whole_interval() {
        use Bound::{Above, AtMost};
        use Verdict::{NotSupported, Supported, Undecided};
        let (nan, infinite) = (f64::NAN, f64::INFINITY);
        for (mean, half, bound, expected) in [
            (1.0, 0.5, Above(0.0), Supported),
            (-1.0, 0.5, Above(0.0), NotSupported),
            (1.0, 1.5, Above(0.0), Undecided),
            (1.0, 1.0, Above(0.0), Undecided),
            (0.0, 0.0, Above(0.0), NotSupported),
            (1.0, 0.0, AtMost(1.0), Supported),
            (1.1, 0.05, AtMost(1.0), NotSupported),
            (1.1, 0.2, AtMost(1.0), Undecided),
            (1.0, infinite, Above(0.0), Undecided),
            (1.0, infinite, AtMost(2.0), Undecided),
            (nan, 0.1, Above(0.0), Undecided),
            (nan, 0.0, AtMost(1.0), Undecided),
            (1.0, nan, Above(0.0), Undecided),
            (infinite, 0.0, AtMost(1.0), NotSupported),
        ] {
            assert_eq!(condition(mean, half, bound).verdict(), expected, "{mean} ± {half} {bound:?}");
        }
        assert_eq!(Condition::new("it", "a number", None, Above(0.0)).verdict(), Verdict::NotRun);
    }

    #[test]
    fn bounds_in_words() {
        for (bound, words) in [
            (Bound::AtMost(1e-10), "at most 1e-10"),
            (Bound::Above(-1e-4), "above -1e-4"),
            (Bound::Above(0.0), "above 0"),
            (Bound::AtMost(1.2), "at most 1.2"),
        ] {
            assert_eq!(bound.to_string(), words);
        }
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
