//! The interface of all optimizers.

use std::ops::Range;

use rtrl_checkpoint::Persist;
use rtrl_sparse::Scalar;

use crate::ConfigError;
use crate::fields::check;

/// Changes weights by a gradient.
///
/// The protocol of one update is [`begin`](Self::begin), then [`update`](Self::update) for ranges that do not overlap.
pub trait Optimizer<T: Scalar>: Persist + Send {
    /// Begins an update.
    fn begin(&mut self);

    /// Updates the weights in `range` by `scale` times their gradient at this learning rate, and leaves a gradient of 0.
    /// `weights` and `gradient` are the complete vectors.
    ///
    /// # Panics
    /// If the number of weights differs from the one that the optimizer was built for.
    fn update(
        &mut self,
        range: Range<usize>,
        weights: &mut [T],
        gradient: &mut [T],
        scale: f64,
        learning_rate: f64,
    );

    /// Adapts to new masks: weight `w` was weight `origin[w]` before, or is new (`None`).
    fn relay(&mut self, origin: &[Option<u32>]);
}

/// The values of `old` for a new set of weights; zero for new weights.
pub(super) fn relaid<T: Scalar>(old: &[T], origin: &[Option<u32>]) -> Vec<T> {
    origin.iter().map(|origin| origin.map_or(T::ZERO, |w| old[w as usize])).collect()
}

/// An update as a whole, of all parameters together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole {
    /// Sum of the absolute values of the gradient, each times its learning rate: the length of the step of plain
    /// gradient descent in the 1-norm.
    pub step: f64,
    /// Sum of the squares of the gradient.
    pub squares: f64,
    /// ‖δ‖, the root of twice the loss that the gradient belongs to. For squared errors it is the Euclidean norm of
    /// the errors of a mean target.
    pub error: f64,
}

/// The interface of an optimizer's settings.
pub(super) trait Build {
    /// Whether [`factor`](Self::factor) depends on the update as a whole.
    const WHOLE: bool = false;

    fn build<T: Scalar>(&self, len: usize) -> Box<dyn Optimizer<T>>;

    fn validate(&self) -> Result<(), ConfigError>;

    fn learning_rate(&self) -> f64;

    /// Decoupled decay: each update takes this share, times the learning rate, off each weight.
    fn weight_decay(&self) -> f64 {
        0.0
    }

    /// Factor of all learning rates in an update.
    fn factor(&self, _: &Whole) -> f64 {
        1.0
    }
}

/// Gradients below it count as 0. Units that are saturated have such gradients for as long as a run goes on. Their products with
/// a rate, and their squares, would be subnormal in single precision, which some processors take a hundred times longer for.
const LEAST: f64 = 1e-30;

/// Takes `scale` times a gradient, and leaves 0.
#[inline(always)]
pub(super) fn taken<T: Scalar>(gradient: &mut T, scale: T) -> T {
    std::mem::replace(gradient, T::ZERO) * scale
}

/// The gradient, or 0 if it is below [`LEAST`].
#[inline(always)]
pub(super) fn noticed<T: Scalar>(gradient: T) -> T {
    at_least(gradient, T::from_f64(LEAST))
}

/// The square of the gradient, or 0 if the gradient is below `least`.
#[inline(always)]
pub(super) fn squared<T: Scalar>(gradient: T, least: T) -> T {
    let gradient = at_least(gradient, least);
    gradient * gradient
}

/// The least gradient whose square, times `share`, is no subnormal number in single precision.
pub(super) fn least_squared<T: Scalar>(share: f64) -> T {
    // A little more than that, so that it is so after rounding.
    T::from_f64(1.001 * (f64::from(f32::MIN_POSITIVE) / share).sqrt())
}

/// `x`, or 0 if its absolute value is below `least`; NaN stays.
#[inline(always)]
fn at_least<T: Scalar>(x: T, least: T) -> T {
    if x < least && x > -least { T::ZERO } else { x }
}

pub(super) fn check_rate(rate: f64) -> Result<(), ConfigError> {
    check("optimizer.learning_rate", "a positive number", rate > 0.0 && rate.is_finite(), rate)
}

pub(super) fn check_decay(field: &'static str, decay: f64) -> Result<(), ConfigError> {
    check(field, "in 0.0..1.0", (0.0..1.0).contains(&decay), decay)
}
