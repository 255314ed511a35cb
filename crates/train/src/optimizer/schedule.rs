//! How the learning rate changes over a run.

use serde::{Deserialize, Serialize};

use crate::ConfigError;
use crate::fields::{check, no_fields};

/// A factor of the learning rate that depends on the number of the update, as configuration files name it:
/// `kind = "cosine"`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum RateSchedule {
    /// Always 1.
    #[default]
    #[serde(deserialize_with = "no_fields")]
    Constant,
    /// Rises linearly to 1 over the first updates.
    WarmUp {
        /// Number of updates of the rise; the first has the factor 1 / updates.
        updates: u64,
    },
    /// Falls from 1 to `floor` along half a cosine, which ends with the run.
    Cosine {
        /// Number of updates of a linear rise before the fall.
        #[serde(default)]
        warm_up: u64,
        /// The factor at the end.
        #[serde(default)]
        floor: f64,
    },
}

impl RateSchedule {
    /// The factor of update number `update`, from 0, in a run of `updates` updates. After the end of the run the
    /// factor stays.
    #[must_use]
    pub fn factor(&self, update: u64, updates: u64) -> f64 {
        let rise = |over: u64| ((update + 1) as f64 / over as f64).min(1.0);
        match *self {
            Self::Constant => 1.0,
            Self::WarmUp { updates: over } => rise(over.max(1)),
            Self::Cosine { warm_up, .. } if update < warm_up => rise(warm_up),
            Self::Cosine { warm_up, floor } => {
                let length = updates.saturating_sub(warm_up + 1).max(1) as f64;
                let at = ((update - warm_up) as f64 / length).min(1.0);
                floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * at).cos())
            }
        }
    }

    /// Whether the factor depends on the number of updates of the run.
    pub(crate) fn has_end(&self) -> bool {
        match self {
            Self::Constant | Self::WarmUp { .. } => false,
            Self::Cosine { .. } => true,
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        match *self {
            Self::Cosine { floor, .. } => {
                check("update.schedule.floor", "in 0.0..=1.0", (0.0..=1.0).contains(&floor), floor)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_by_hand() {
        let factors = |schedule: RateSchedule| (0..5).map(|t| schedule.factor(t, 5)).collect::<Vec<_>>();
        assert_eq!(factors(RateSchedule::Constant), [1.0; 5]);
        assert_eq!(factors(RateSchedule::WarmUp { updates: 4 }), [0.25, 0.5, 0.75, 1.0, 1.0]);
        let half = 0.5_f64.sqrt();
        let expected = [1.0, 0.5 + 0.5 * half, 0.5, 0.5 - 0.5 * half, 0.0];
        for (found, expected) in factors(RateSchedule::Cosine { warm_up: 0, floor: 0.0 }).iter().zip(expected)
        {
            assert!((found - expected).abs() < 1e-15);
        }
        let floored = factors(RateSchedule::Cosine { warm_up: 2, floor: 0.2 });
        for (found, expected) in floored.iter().zip([0.5, 1.0, 1.0, 0.6, 0.2]) {
            assert!((found - expected).abs() < 1e-15, "{floored:?}");
        }
    }
}
