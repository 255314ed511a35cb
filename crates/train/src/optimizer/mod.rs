//! How a gradient changes weights.

mod adam;
mod rms_prop;
mod schedule;
mod sgd;
mod update;

use std::ops::Range;

use rtrl_checkpoint::Persist;
use rtrl_sparse::Scalar;
use serde::{Deserialize, Serialize};

pub use adam::{Adam, AdamConfig, AdamWConfig};
pub use rms_prop::{RmsProp, RmsPropConfig};
pub use schedule::RateSchedule;
pub use sgd::{MomentumConfig, Sgd, SgdConfig};
pub use update::{GroupConfig, Parameters, Rates, UpdateConfig, Updater};

use crate::ConfigError;

/// Changes weights by a gradient.
///
/// The protocol of one update is [`begin`](Self::begin), then [`update`](Self::update) for ranges that do not overlap.
pub trait Optimizer<T: Scalar>: Persist + Send {
    /// Begins an update.
    fn begin(&mut self);

    /// Updates the weights in `range` at this learning rate; `weights` and `gradient` are all of them.
    ///
    /// # Panics
    /// If the sizes differ from those it was built for.
    fn update(&mut self, range: Range<usize>, weights: &mut [T], gradient: &[T], learning_rate: f64);

    /// Goes on with other weights: weight `w` is what weight `origin[w]` was, or is new.
    fn relay(&mut self, origin: &[Option<u32>]);
}

/// The values of an array for a new set of weights; zero for new ones.
pub(crate) fn relaid<T: Scalar>(old: &[T], origin: &[Option<u32>]) -> Vec<T> {
    origin.iter().map(|origin| origin.map_or(T::ZERO, |w| old[w as usize])).collect()
}

/// What the registry needs of an optimizer's settings.
trait Build {
    fn build<T: Scalar>(&self, len: usize) -> Box<dyn Optimizer<T>>;

    fn validate(&self) -> Result<(), ConfigError>;

    fn learning_rate(&self) -> f64;

    /// Decoupled decay: each update takes this share, times the learning rate, off each weight.
    fn weight_decay(&self) -> f64 {
        0.0
    }
}

/// `found` if `fits`, or what is allowed.
fn check(field: &'static str, allowed: &'static str, fits: bool, found: f64) -> Result<(), ConfigError> {
    if fits { Ok(()) } else { Err(ConfigError::Value { field, allowed, found: found.to_string() }) }
}

fn check_rate(rate: f64) -> Result<(), ConfigError> {
    check("optimizer.learning_rate", "a positive number", rate > 0.0 && rate.is_finite(), rate)
}

fn check_decay(field: &'static str, decay: f64) -> Result<(), ConfigError> {
    check(field, "in 0.0..1.0", (0.0..1.0).contains(&decay), decay)
}

/// Declares the optimizers, each a variant with its settings.
macro_rules! registry {
    ($($(#[$doc:meta])* $optimizer:ident($config:ty),)*) => {
        /// An optimizer and its settings, as configuration files name it: `kind = "adam"`.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        pub enum OptimizerConfig {
            $($(#[$doc])* $optimizer($config),)*
        }

        $(impl From<$config> for OptimizerConfig {
            fn from(config: $config) -> Self {
                Self::$optimizer(config)
            }
        })*

        impl OptimizerConfig {
            /// Every registered optimizer at this learning rate, with the defaults of its reference.
            #[must_use]
            pub fn every(learning_rate: f64) -> Vec<Self> {
                vec![$(Self::$optimizer(<$config>::new(learning_rate))),*]
            }

            /// Builds the optimizer for `len` weights.
            pub fn build<T: Scalar>(&self, len: usize) -> Box<dyn Optimizer<T>> {
                match self {
                    $(Self::$optimizer(config) => Build::build(config, len),)*
                }
            }

            /// Checks the settings.
            ///
            /// # Errors
            /// The first that has no meaning.
            pub fn validate(&self) -> Result<(), ConfigError> {
                match self {
                    $(Self::$optimizer(config) => Build::validate(config),)*
                }
            }

            /// α, the step size.
            #[must_use]
            pub fn learning_rate(&self) -> f64 {
                match self {
                    $(Self::$optimizer(config) => Build::learning_rate(config),)*
                }
            }

            /// Decoupled weight decay: each update takes this share, times the learning rate, off each weight.
            #[must_use]
            pub fn weight_decay(&self) -> f64 {
                match self {
                    $(Self::$optimizer(config) => Build::weight_decay(config),)*
                }
            }
        }
    };
}

registry! {
    /// [`Sgd`]: plain gradient descent.
    Sgd(SgdConfig),
    /// [`Sgd`] with momentum.
    Momentum(MomentumConfig),
    /// [`RmsProp`].
    RmsProp(RmsPropConfig),
    /// [`Adam`].
    Adam(AdamConfig),
    /// [`Adam`] with decoupled weight decay.
    #[serde(rename = "adamw")]
    AdamW(AdamWConfig),
}
