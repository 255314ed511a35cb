use rtrl_cells::{CellError, Stack};
use rtrl_sparse::{BlockError, Scalar};

/// Why an estimator cannot be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EstimatorError {
    /// A size that must be positive is zero.
    #[error("{what} must be at least 1")]
    Zero {
        /// Which size.
        what: &'static str,
    },
    /// A setting lies outside its range.
    #[error("{what} must lie in {from}..={to}, found {found}")]
    Range {
        /// Which setting.
        what: &'static str,
        /// Least value.
        from: f64,
        /// Greatest value.
        to: f64,
        /// The value found, as text.
        found: String,
    },
    /// The horizon is shorter than the window, which would leave losses without any credit.
    #[error("a horizon of {horizon} steps is shorter than the window of {window}")]
    Horizon {
        /// Number of steps of the horizon.
        horizon: usize,
        /// Number of steps of the window.
        window: usize,
    },
    /// The initial or current weights contain NaN or an infinity.
    #[error("weight {index} is not finite")]
    NotFinite {
        /// Index of the weight.
        index: usize,
    },
    /// The number of weights is not that of the net.
    #[error("the net has {expected} weights, found {found}")]
    Weights {
        /// Weights of the net.
        expected: usize,
        /// Weights given.
        found: usize,
    },
    /// The number of estimators is not that of the net's layers.
    #[error("the net has {expected} layers, found {found} estimators")]
    Layers {
        /// Layers of the net.
        expected: usize,
        /// Estimators given.
        found: usize,
    },
    /// The name of a kind of estimator is taken.
    #[error("there is an estimator of the kind `{kind}` already")]
    Registered {
        /// The name.
        kind: &'static str,
    },
    /// The cell or stack is inconsistent.
    #[error(transparent)]
    Cell(#[from] CellError),
    /// The reach does not fit the net.
    #[error(transparent)]
    Blocks(#[from] BlockError),
}

/// The highest rank of an approximation of J. The time for it grows with its square or cube.
const HIGHEST_RANK: usize = 1 << 10;

/// Checks a rank from a configuration; `what` is its name in messages.
///
/// # Errors
/// If it is zero or too high.
pub(crate) fn check_rank(what: &'static str, rank: usize) -> Result<(), EstimatorError> {
    match rank {
        0 => Err(EstimatorError::Zero { what }),
        1..=HIGHEST_RANK => Ok(()),
        _ => Err(EstimatorError::Range { what, from: 1.0, to: HIGHEST_RANK as f64, found: rank.to_string() }),
    }
}

/// Checks weights that come from outside before a net runs on them.
///
/// # Errors
/// If their number is wrong, or one of them is NaN or infinite.
pub fn check_weights<T: Scalar>(stack: &Stack<T>, weights: &[T]) -> Result<(), EstimatorError> {
    let (expected, found) = (stack.weights_len(), weights.len());
    if expected != found {
        return Err(EstimatorError::Weights { expected, found });
    }
    match weights.iter().position(|w| !w.is_finite()) {
        Some(index) => Err(EstimatorError::NotFinite { index }),
        None => Ok(()),
    }
}
