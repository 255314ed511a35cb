//! How settings become an estimator.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::Stack;
use rtrl_sparse::Scalar;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{EstimatorError, GradientEstimator};

/// The settings of a kind of estimator, and how it is built from them.
///
/// Settings are plain data that a configuration file can hold. The default settings must build.
/// [`register`](crate::register) makes one's own settings known to configuration files.
pub trait BuildEstimator:
    Debug + Clone + PartialEq + Default + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Adds `by` to the seed of the random numbers that the estimator draws. By default nothing is drawn.
    fn reseed(&mut self, by: u64) {
        let _ = by;
    }

    /// The least number of lanes for which one estimator is faster than one estimator for each lane. Fewer
    /// lanes get an estimator each. `usize::MAX` gives every lane an estimator of its own.
    fn narrowest(&self) -> usize {
        8
    }

    /// An estimator for `stack`, for the lanes with the numbers `lanes` and windows of at most `window` steps.
    /// Random numbers of a lane must depend on its number, so that they are the same whether the lanes have one
    /// estimator or several.
    ///
    /// # Errors
    /// If a setting lies outside its range.
    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError>;
}
