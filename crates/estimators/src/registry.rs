//! Estimators by name, for configuration files.

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::Stack;
use rtrl_sparse::Scalar;
use serde::{Deserialize, Serialize};

use crate::{
    BpttConfig, EpropConfig, EstimatorError, FrozenConfig, GradientEstimator, KfRtrlConfig, OkConfig,
    RandomPathsConfig, RfloConfig, RtrlConfig, SnapConfig, TbpttConfig, UoroConfig, groups,
};

/// How to build one estimator.
pub(crate) trait Build {
    /// Adds to the seed of whatever the estimator draws; nothing for one that draws nothing.
    fn reseed(&mut self, by: u64) {
        let _ = by;
    }

    /// The fewest lanes that are quicker together than one after the other; fewer get an estimator each.
    fn narrowest(&self) -> usize {
        8
    }

    /// An estimator for the lanes of these numbers: what is drawn in a lane depends on its number.
    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError>;
}

/// Declares the estimators, each a variant with its settings.
macro_rules! registry {
    ($($(#[$doc:meta])* $estimator:ident($config:ty),)*) => {
        /// An estimator and its settings, as configuration files name it: `kind = "snap"`.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        pub enum EstimatorConfig {
            $($(#[$doc])* $estimator($config),)*
        }

        $(impl From<$config> for EstimatorConfig {
            fn from(config: $config) -> Self {
                Self::$estimator(config)
            }
        })*

        impl EstimatorConfig {
            /// Every registered estimator with its default settings.
            #[must_use]
            pub fn every() -> Vec<Self> {
                vec![$(Self::$estimator(<$config>::default())),*]
            }

            /// The same estimator with `by` added to the seed of whatever it draws, so that runs of different seeds draw
            /// differently.
            #[must_use]
            pub fn reseeded(&self, by: u64) -> Self {
                let mut config = self.clone();
                match &mut config {
                    $(Self::$estimator(config) => Build::reseed(config, by),)*
                }
                config
            }

            /// Builds the estimator for `stack` with `lanes` parallel streams and at most `window` steps between two
            /// calls of [`finish_window`](GradientEstimator::finish_window). Lanes that fill no vectors together get
            /// estimators of their own behind this one; multiples of 16, or else of 8, cost least per lane.
            ///
            /// # Errors
            /// If `lanes`, `window` or a setting is zero, a setting lies outside its range, or a horizon is shorter than the window.
            pub fn build<T: Scalar>(
                &self,
                stack: Arc<Stack<T>>,
                lanes: usize,
                window: usize,
            ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
                for (what, n) in [("lanes", lanes), ("window", window)] {
                    if n == 0 {
                        return Err(EstimatorError::Zero { what });
                    }
                }
                match self {
                    $(Self::$estimator(config) => groups::build(config, stack, lanes, window),)*
                }
            }
        }
    };
}

registry! {
    /// [`Bptt`](crate::Bptt).
    Bptt(BpttConfig),
    /// [`Tbptt`](crate::Tbptt): backpropagation with a horizon beyond its window.
    Tbptt(TbpttConfig),
    /// SnAp-n: [`Influence`](crate::Influence) of n steps' reach.
    Snap(SnapConfig),
    /// Exact RTRL: [`Influence`](crate::Influence) of unlimited reach.
    Rtrl(RtrlConfig),
    /// Eligibility traces that decay at a fixed rate.
    Rflo(RfloConfig),
    /// Eligibility traces along the cells' own leak.
    Eprop(EpropConfig),
    /// RTRL along a random selection of paths.
    RandomPaths(RandomPathsConfig),
    /// [`Uoro`](crate::Uoro): unbiased, of rank one.
    Uoro(UoroConfig),
    /// KF-RTRL: [`Kronecker`](crate::Kronecker) of rank one, unbiased.
    KfRtrl(KfRtrlConfig),
    /// OK: [`Kronecker`](crate::Kronecker) of rank r, unbiased, of least variance.
    Ok(OkConfig),
    /// [`Frozen`](crate::Frozen): the recurrent weights do not learn.
    Frozen(FrozenConfig),
}
