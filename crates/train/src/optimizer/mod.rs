//! How a gradient changes weights.

mod adam;

use rtrl_sparse::Scalar;
use serde::{Deserialize, Serialize};

pub use adam::{Adam, AdamConfig};

use crate::ConfigError;

/// Changes weights by a gradient.
pub trait Optimizer<T: Scalar>: Send {
    /// One update in one pass over the weights. `gradient` is zero on return.
    ///
    /// # Panics
    /// If the sizes differ from those it was built for.
    fn update(&mut self, weights: &mut [T], gradient: &mut [T]);
}

/// Declares the optimizers, each a variant with its settings, which build it for a number of weights.
macro_rules! registry {
    ($($(#[$doc:meta])* $optimizer:ident($config:ty),)*) => {
        /// An optimizer and its settings, as configuration files name it: `kind = "adam"`.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        pub enum OptimizerConfig {
            $($(#[$doc])* $optimizer($config),)*
        }

        impl OptimizerConfig {
            /// Builds the optimizer for `len` weights.
            pub fn build<T: Scalar>(&self, len: usize) -> Box<dyn Optimizer<T>> {
                match self {
                    $(Self::$optimizer(config) => config.build(len),)*
                }
            }

            /// Checks the settings.
            ///
            /// # Errors
            /// The first that has no meaning.
            pub fn validate(&self) -> Result<(), ConfigError> {
                match self {
                    $(Self::$optimizer(config) => config.validate(),)*
                }
            }
        }
    };
}

registry! {
    /// [`Adam`].
    Adam(AdamConfig),
}
