//! Prediction intervals with a stated coverage.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};

use crate::recent::{RECENT, Recent};

/// γ, by which the level changes with each value that falls inside or outside.
const STEP: f64 = 0.01;

/// Errors that are awaited before there is an interval.
const FEWEST: usize = 20;

/// Adaptive conformal intervals of one target at one horizon. The radius is the quantile of the recent absolute errors
/// at level 1 - α_t, where `α_{t+1} = α_t + γ (α - miss_t)` and `miss_t` is 1 if the value fell outside of its interval. So
/// the share of values outside tends to α however the errors are distributed, and follows them when they change.
///
/// α_t is kept within what a quantile of so many errors can express. A radius is then never infinite; in return
/// values that exceed every recent error again and again are outside more often than stated.
///
/// # Reference
/// Gibbs & Candès, "Adaptive conformal inference under distribution shift", NeurIPS 2021, equation 2, with absolute
/// errors as scores.
#[derive(Debug, Clone)]
pub struct Interval {
    /// α, the share of values that may fall outside.
    outside: f64,
    /// α_t.
    level: f64,
    errors: Recent,
}

impl Interval {
    /// Intervals that are to cover the share `coverage` of the values.
    pub fn new(coverage: f64) -> Self {
        Self { outside: 1.0 - coverage, level: 1.0 - coverage, errors: Recent::new() }
    }

    /// Takes in an absolute error and, if there was an interval, whether the value was outside of it.
    pub fn learn(&mut self, error: f64, outside: Option<bool>) {
        if let Some(outside) = outside {
            let least = 1.0 / (RECENT + 1) as f64;
            let change = STEP * (self.outside - f64::from(u8::from(outside)));
            self.level = (self.level + change).clamp(least, 1.0 - least);
        }
        self.errors.add(error);
    }

    /// Half the width of the next interval; NaN while there are too few errors.
    pub fn radius(&self) -> f64 {
        if self.errors.len() < FEWEST {
            return f64::NAN;
        }
        self.errors.quantile(1.0 - self.level).unwrap_or(f64::NAN)
    }
}

impl Persist for Interval {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        // Older checkpoints do not have it: their coverage could not change.
        let mut outside = self.outside;
        if !archive.is_loading() || archive.next_is("outside") {
            archive.value("outside", &mut outside)?;
        }
        archive.value("level", &mut self.level)?;
        archive.check("level", (0.0..=1.0).contains(&self.level), || format!("{}", self.level))?;
        if outside != self.outside {
            // The errors are known; what the level had come to belongs to another share.
            self.level = self.outside;
        }
        self.errors.persist(archive)
    }
}
