//! Deciding claims by numbers with a spread.

use rtrl_report::{Claim, Condition, Observed, Verdict, interval_with_floor};

use crate::runs::BySeed;

/// Mean and Student's 95 % interval of `a - b`, paired by seed: runs of the same seed have the same data, masks and initial weights. Seeds that
/// only one of the two has are left out. `floor` is the least variance of a difference: 0, or
/// twice [`ROUNDING_VARIANCE`](rtrl_report::ROUNDING_VARIANCE) if both are whole numbers. `None` without a pair.
#[must_use]
pub fn paired(a: &BySeed, b: &BySeed, floor: f64) -> Option<Observed> {
    let differences: Vec<f64> = a.iter().filter_map(|(seed, a)| Some(a - b.get(seed)?)).collect();
    let (mean, half) = interval_with_floor(&differences, floor)?;
    Some(Observed { mean, half, seeds: differences.len() })
}

/// Mean and Student's 95 % interval over seeds. `None` without a value.
#[must_use]
pub fn over_seeds(values: &BySeed) -> Option<Observed> {
    let values: Vec<f64> = values.values().copied().collect();
    let (mean, half) = interval_with_floor(&values, 0.0)?;
    Some(Observed { mean, half, seeds: values.len() })
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
    /// The claim that this is so. Its verdict follows from the conditions alone.
    #[must_use]
    pub fn decided(&self, conditions: Vec<Condition>) -> Claim {
        Claim::of(self.id, self.text, conditions)
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
    use rtrl_report::{Bound, ROUNDING_VARIANCE};

    use super::*;

    fn of(values: &[f64]) -> BySeed {
        (0..).zip(values.iter().copied()).collect()
    }

    fn positive(a: &[f64], b: &[f64], floor: f64) -> Verdict {
        Condition::new("b", "a - b", paired(&of(a), &of(b), floor), Bound::Above(0.0)).verdict()
    }

    #[test]
    fn intervals_by_hand() {
        // Differences 1, 2, 3: mean 2, standard deviation 1, t of two degrees of freedom 4.30265 over √3.
        let difference = paired(&of(&[2.0, 4.0, 6.0]), &of(&[1.0, 2.0, 3.0]), 0.0).unwrap();
        assert!((difference.mean - 2.0).abs() < 1e-12);
        assert!((difference.half - 4.30265 / 3_f64.sqrt()).abs() < 1e-5, "{difference:?}");
        assert_eq!(positive(&[2.0, 4.0, 6.0], &[1.0, 2.0, 3.0], 0.0), Verdict::Undecided);
        assert_eq!(positive(&[2.0, 2.1, 2.2], &[1.0, 1.1, 1.2], 0.0), Verdict::Supported);
        assert_eq!(positive(&[1.0, 1.1], &[2.0, 2.1], 0.0), Verdict::NotSupported);
        assert_eq!(positive(&[1.0], &[0.0], 0.0), Verdict::Undecided, "one seed");
        assert_eq!(
            positive(&[1.0, f64::NAN, 1.0], &[0.0, 0.0, 0.0], 0.0),
            Verdict::Undecided,
            "not a number"
        );
        assert!(paired(&of(&[]), &of(&[]), 0.0).is_none());
    }

    #[test]
    fn two_equal_pairs_of_whole_numbers_decide_nothing() {
        let floor = 2.0 * ROUNDING_VARIANCE;
        assert_eq!(positive(&[7.0, 7.0], &[5.0, 5.0], 0.0), Verdict::Supported, "without the floor");
        assert_eq!(positive(&[7.0, 7.0], &[5.0, 5.0], floor), Verdict::Undecided);
        assert_eq!(positive(&[7.0; 5], &[5.0; 5], floor), Verdict::Supported, "five seeds do");
    }

    #[test]
    fn pairs_have_equal_seeds() {
        // Seed 1 of the second method is missing; the differences of the others are 1.
        let a = BySeed::from([(0, 1.0), (1, 5.0), (2, 3.0), (3, 9.0)]);
        let b = BySeed::from([(0, 0.0), (2, 2.0), (3, 8.0), (7, 8.0)]);
        let difference = paired(&a, &b, 0.0).unwrap();
        assert_eq!((difference.mean, difference.half, difference.seeds), (1.0, 0.0, 3));
    }
}
