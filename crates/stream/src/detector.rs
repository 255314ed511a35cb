//! How unusual the error of a row is, and whether errors have become greater for good.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};

use crate::recent::Recent;

/// Errors that are awaited before they are ranked.
const FEWEST: usize = 50;

/// δ, what the rank of an error must exceed the mean by to count for a drift.
const ALLOWANCE: f64 = 0.1;

/// λ, the sum at which there is a drift: that of 12 rows in a row with errors above all recent ones.
const THRESHOLD: f64 = 4.5;

/// Ranks the error of each row among the recent ones, and adds the ranks up.
///
/// The anomaly score of a row is 1 - p, where p is the conformal p-value of its error, the share of errors that are as
/// great. Errors that are exchangeable, as those of a model that fits, have scores that are uniform in 0..1.
///
/// There is a drift when Page's cumulative sum of the scores, `S ← max(0, S + score - 1/2 - δ)`, exceeds λ; then sum and
/// recent errors begin anew. This is the Page–Hinkley test on ranks: their mean without a drift is known, so it does
/// not have to be estimated, and how often there is a false alarm does not depend on how errors are distributed. With
/// δ = 0.1 and λ = 4.5 exchangeable errors raise one in about half a million rows.
///
/// # Reference
/// Page, "Continuous inspection schemes", Biometrika 41 (1954); Laxhammar & Falkman, "Online learning and sequential
/// anomaly detection in trajectories", IEEE TPAMI 36 (2014), for p-values as scores.
#[derive(Debug, Clone)]
pub struct Detector {
    errors: Recent,
    sum: f64,
}

impl Detector {
    pub fn new() -> Self {
        Self { errors: Recent::new(), sum: 0.0 }
    }

    /// The anomaly score of an error, `None` while there are too few, and whether there is a drift.
    pub fn rank(&mut self, error: f64) -> (Option<f64>, bool) {
        if self.errors.len() < FEWEST {
            self.errors.add(error);
            return (None, false);
        }
        let score = 1.0 - self.errors.tail(error);
        self.errors.add(error);
        self.sum = (self.sum + score - 0.5 - ALLOWANCE).max(0.0);
        let drift = self.sum > THRESHOLD;
        if drift {
            self.sum = 0.0;
            self.errors.clear();
        }
        (Some(score), drift)
    }
}

impl Persist for Detector {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.value("sum", &mut self.sum)?;
        self.errors.persist(archive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Repeatable numbers in 0..1, of a linear congruential generator.
    struct Noise(u64);

    impl Noise {
        fn next(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    #[test]
    fn the_stated_rate_of_false_alarms_is_that_of_uniform_scores() {
        let (mut noise, mut sum, mut alarms) = (Noise(1), 0.0_f64, 0);
        for _ in 0..20_000_000 {
            sum = (sum + noise.next() - 0.5 - ALLOWANCE).max(0.0);
            if sum > THRESHOLD {
                (sum, alarms) = (0.0, alarms + 1);
            }
        }
        // One in half a million rows would be 40.
        assert!((20..80).contains(&alarms), "{alarms}");
    }

    #[test]
    fn noise_of_any_distribution_raises_no_drift_and_louder_noise_does() {
        let distributions: [fn(f64) -> f64; 3] = [|u| u, |u| -(1.0 - u).ln(), |u| 1.0 / (1.0 - u)];
        for distribution in distributions {
            let (mut noise, mut detector, mut sum) = (Noise(2), Detector::new(), 0.0);
            for row in 0..30_000 {
                let (score, drift) = detector.rank(distribution(noise.next()));
                assert!(!drift, "row {row}");
                sum += score.unwrap_or(0.5);
            }
            // The mean of 30,000 uniform numbers, ± 5 standard deviations.
            assert!((sum / 30_000.0 - 0.5).abs() < 5.0 * 0.29 / 173.0, "{sum}");
            let found = (0..100).position(|_| detector.rank(4.0 * distribution(noise.next())).1);
            assert!(found.is_some_and(|row| row < 60), "{found:?}");
        }
    }
}
