//! The optimizers, as configuration files name them.

use rtrl_sparse::Scalar;
use serde::{Deserialize, Serialize};

use super::adam::{AdamConfig, AdamWConfig};
use super::build::{Build, Optimizer, Whole};
use super::nlms::NlmsConfig;
use super::obgd::ObgdConfig;
use super::rms_prop::RmsPropConfig;
use super::sgd::{MomentumConfig, SgdConfig};
use crate::ConfigError;

/// Declares the optimizers, each a variant with its settings.
macro_rules! registry {
    ($($(#[$doc:meta])* $optimizer:ident($config:ty),)*) => {
        /// An optimizer and its settings, as configuration files name it: `kind = "adam"`.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        #[non_exhaustive]
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
            /// For the first invalid value.
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

            /// Whether [`factor`](Self::factor) depends on the update as a whole.
            pub(super) fn is_whole(&self) -> bool {
                match self {
                    $(Self::$optimizer(_) => <$config as Build>::WHOLE,)*
                }
            }

            /// Factor of all learning rates in an update.
            pub(super) fn factor(&self, update: &Whole) -> f64 {
                match self {
                    $(Self::$optimizer(config) => Build::factor(config, update),)*
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
    /// [`Sgd`](crate::Sgd): plain gradient descent.
    Sgd(SgdConfig),
    /// [`Sgd`](crate::Sgd) with momentum.
    Momentum(MomentumConfig),
    /// [`RmsProp`](crate::RmsProp).
    RmsProp(RmsPropConfig),
    /// [`Adam`](crate::Adam).
    Adam(AdamConfig),
    /// [`Adam`](crate::Adam) with decoupled weight decay.
    #[serde(rename = "adamw")]
    AdamW(AdamWConfig),
    /// [`ObgdConfig`](crate::ObgdConfig): gradient descent that does not overshoot.
    Obgd(ObgdConfig),
    /// [`NlmsConfig`](crate::NlmsConfig): each update removes a share of the error.
    Nlms(NlmsConfig),
}
