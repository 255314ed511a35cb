//! What is done when a number becomes NaN or infinite.

use rtrl_sparse::{Loop, at_level};
use serde::{Deserialize, Serialize};

use crate::ConfigError;
use crate::fields::no_fields;

/// What is done when a loss, a state, the influence or a gradient becomes NaN or infinite, as configuration files
/// name it: `policy = "stop"`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "policy", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum DivergencePolicy {
    /// Returns the error [`TrainError::Diverged`](crate::TrainError::Diverged). A run ends with it. A
    /// [`Learner`](crate::Learner) or a [`Trainer`](crate::Trainer) can go on: the failed window has changed no
    /// weight, and every lane begins a new sequence.
    #[default]
    #[serde(deserialize_with = "no_fields")]
    Stop,
    /// [`run`](crate::run()) goes back to the state at the last multiple of `every` steps, and goes on with a lower
    /// learning rate. The undone records stay in the file of metrics, and [`read_metrics`](crate::read_metrics)
    /// leaves them out. A [`Trainer`](crate::Trainer) alone only returns the error. A [`Learner`](crate::Learner)
    /// refuses the policy, since it cannot read its data again.
    RollBack {
        /// Time steps between two states that are kept in memory.
        every: u64,
        /// Factor of the learning rate at each rollback.
        #[serde(default = "factor")]
        factor: f64,
        /// Largest number of rollbacks in one run; a further divergence ends it with an error.
        #[serde(default = "attempts")]
        attempts: u32,
    },
    /// The window's update is left out, and the lanes with NaN or infinity begin a new sequence. If all lanes have
    /// them, a [`Trainer`](crate::Trainer) returns the error, and a run ends with it. A [`Learner`](crate::Learner)
    /// goes on even then; its [`StepReport`](crate::StepReport) says how many lanes were skipped.
    #[serde(deserialize_with = "no_fields")]
    SkipLane,
}

fn factor() -> f64 {
    0.5
}

fn attempts() -> u32 {
    5
}

impl DivergencePolicy {
    /// Whether this is the default.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let Self::RollBack { every, factor, attempts } = *self else { return Ok(()) };
        let error = |field, allowed, found: String| Err(ConfigError::Value { field, allowed, found });
        for (field, value) in [("divergence.every", every), ("divergence.attempts", attempts.into())] {
            if value == 0 {
                return error(field, "at least 1", "0".into());
            }
        }
        if !(factor > 0.0 && factor < 1.0) {
            return error("divergence.factor", "between 0.0 and 1.0", factor.to_string());
        }
        Ok(())
    }
}

/// Whether no number is NaN or infinite.
pub(crate) fn all_finite(x: &[f32]) -> bool {
    at_level(Greatest(x)) < f32::INFINITY.to_bits()
}

/// The bits of the greatest absolute value, NaN above infinity: one pass over the bits, which the compiler turns into
/// vectors.
struct Greatest<'a>(&'a [f32]);

impl Loop for Greatest<'_> {
    type Output = u32;

    #[inline(always)]
    fn run(self) -> u32 {
        let mut greatest = 0;
        for x in self.0 {
            greatest = greatest.max(x.to_bits() & 0x7fff_ffff);
        }
        greatest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finite_numbers_pass() {
        assert!(all_finite(&[]) && all_finite(&[0.0, -0.0, f32::MAX, f32::MIN, 1e-45]));
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(!all_finite(&[1.0, bad, 2.0]), "{bad}");
        }
    }

    #[test]
    fn policies_without_meaning_are_refused() {
        let parse = |text: &str| toml::from_str::<DivergencePolicy>(text).unwrap().validate();
        assert!(parse("policy = 'stop'").is_ok() && parse("policy = 'skip-lane'").is_ok());
        assert!(parse("policy = 'roll-back'\nevery = 10").is_ok());
        assert!(parse("policy = 'roll-back'\nevery = 0").is_err());
        assert!(parse("policy = 'roll-back'\nevery = 1\nfactor = 1.0").is_err());
        assert!(parse("policy = 'roll-back'\nevery = 1\nattempts = 0").is_err());
    }
}
