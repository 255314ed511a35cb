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
/// Settings are plain data that configuration files can name; their defaults must build. Own ones reach configuration files by
/// [`register`](crate::register).
pub trait BuildEstimator:
    Debug + Clone + PartialEq + Default + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Adds to the seed of whatever the estimator draws; nothing for one that draws nothing.
    fn reseed(&mut self, by: u64) {
        let _ = by;
    }

    /// The fewest lanes that are quicker together than one after the other; fewer get an estimator each.
    fn narrowest(&self) -> usize {
        8
    }

    /// An estimator for `stack`, for the lanes of these numbers and windows of at most `window` steps. What is drawn in a lane
    /// depends on its number, so that lanes draw the same in one estimator or in several.
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
