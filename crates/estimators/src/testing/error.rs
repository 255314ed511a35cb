//! What a check of a cell may find.

use crate::EstimatorError;

/// Lanes that are run together.
pub(super) const LANES: usize = 3;

/// What is wrong with a cell.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The structure is inconsistent, so that no estimator can be built.
    #[error(transparent)]
    Build(#[from] EstimatorError),
    /// A derivative is not zero, but the pattern has no entry for it.
    #[error("{what} [{row}, {column}] is {found:e} by finite differences, but the pattern has no such entry")]
    Missing {
        /// Which Jacobian.
        what: &'static str,
        /// State that changes.
        row: usize,
        /// State or row that it depends on.
        column: usize,
        /// The derivative by finite differences.
        found: f64,
    },
    /// A declared entry was zero at every point that was tried.
    #[error("{what} [{row}, {column}] is declared but zero everywhere: it would only cost time")]
    Dead {
        /// Which Jacobian.
        what: &'static str,
        /// State that changes.
        row: usize,
        /// State or row that it depends on.
        column: usize,
    },
    /// A derivative has the wrong value.
    #[error("{what} [{row}, {column}] is {expected:e} by finite differences, but the cell says {found:e}")]
    Wrong {
        /// Which Jacobian.
        what: &'static str,
        /// State that changes.
        row: usize,
        /// State or row that it depends on.
        column: usize,
        /// By finite differences.
        expected: f64,
        /// As the cell computes it.
        found: f64,
    },
    /// A lane has other numbers among several lanes than alone. NaN means that the cell has read a number
    /// before writing it, or has not written it.
    #[error("{what}, number {entry} of lane {lane}: {found:e} among {LANES} lanes, {expected:e} alone")]
    Lanes {
        /// Which numbers: the state, D or G.
        what: &'static str,
        /// Index of the number.
        entry: usize,
        /// The lane.
        lane: usize,
        /// The number if the lane runs alone.
        expected: f64,
        /// The number among several lanes, where the cell's arrays hold NaN before each step.
        found: f64,
    },
    /// A surrogate derivative is not that of the smoothed cell.
    #[error(
        "{what}, entry {entry}: the cell says {found:e}, and its smoothed form {expected:e} in the same state"
    )]
    Surrogate {
        /// Which Jacobian: D or G.
        what: &'static str,
        /// Index of the entry.
        entry: usize,
        /// As the smoothed cell computes it.
        expected: f64,
        /// As the cell computes it.
        found: f64,
    },
    /// Two gradients that must agree do not.
    #[error("{what}: relative deviation {deviation:e}")]
    Estimators {
        /// Which two estimators, or an estimator and finite differences.
        what: &'static str,
        /// |a - b| / max(|a|, |b|).
        deviation: f64,
    },
    /// The net does not react to its weights, so that nothing can be compared.
    #[error("the gradient vanishes at random weights: there is nothing to compare")]
    Silent,
}
