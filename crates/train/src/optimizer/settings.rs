//! Settings of updates, as configuration files name them.

use serde::{Deserialize, Serialize};

use super::schedule::RateSchedule;
use crate::fields::check;
use crate::{ConfigError, RlsConfig};

/// Settings of the updates beyond those of the optimizer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpdateConfig {
    /// How the learning rate changes over the run.
    pub schedule: RateSchedule,
    /// Largest Euclidean norm of the gradient of all parameters together; a longer gradient is scaled down to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// Settings of single groups of parameters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupConfig>,
    /// The readout learns by recursive least squares, in place of the optimizer. For windows of one step, targets that are
    /// numbers, and a linear readout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rls: Option<RlsConfig>,
}

/// Settings of a group of parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupConfig {
    /// `readout`, or a group of [`Stack::groups`](rtrl_cells::Stack::groups): `recurrent`, or in a deep net
    /// `layer 1 recurrent`; there `recurrent` means the recurrent weights of every layer.
    pub name: String,
    /// Factor of the learning rate; 0 freezes the group.
    #[serde(default = "one")]
    pub rate: f64,
    /// Largest norm of the group's own gradient. It is clipped before the gradient of all parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// Decoupled weight decay of the group, in place of the optimizer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
}

fn one() -> f64 {
    1.0
}

impl UpdateConfig {
    /// Whether all settings are the defaults.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        self.schedule.validate()?;
        check_norm("update.clip", self.clip)?;
        if let Some(rls) = &self.rls {
            rls.validate()?;
            if self.groups.iter().any(|group| group.name == "readout") {
                let allowed =
                    "groups of recurrent weights: with `update.rls` a readout has neither rate nor clipping";
                let (field, found) = ("update.groups.name", "readout".into());
                return Err(ConfigError::Value { field, allowed, found });
            }
        }
        for group in &self.groups {
            check_norm("update.groups.clip", group.clip)?;
            let share = |x: f64| x >= 0.0 && x.is_finite();
            check("update.groups.rate", "a number, 0 or more", share(group.rate), group.rate)?;
            let decay = group.weight_decay.unwrap_or(0.0);
            check("update.groups.weight_decay", "a number, 0 or more", share(decay), decay)?;
        }
        Ok(())
    }
}

pub(super) fn check_norm(field: &'static str, clip: Option<f64>) -> Result<(), ConfigError> {
    let clip = clip.unwrap_or(1.0);
    check(field, "a positive number", clip > 0.0 && clip.is_finite(), clip)
}
