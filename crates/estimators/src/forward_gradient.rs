//! The derivative along one random direction.

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::{Backward, Input, Linearizer, Stack, Trace};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::dense::dot;
use rtrl_sparse::{Lanes, LanesMut, Pattern, Scalar};
use serde::{Deserialize, Serialize};

use crate::{BuildEstimator, Cost, EstimatorError, GradientEstimator, LaneState, Runner, Signs};

/// Settings of [`ForwardGradient`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForwardGradientConfig {
    /// Seed of the directions.
    #[serde(default)]
    pub seed: u64,
    /// η, in 0..=1: the share of its error by which the baseline b learns from a window. 0 is no baseline.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub baseline: f64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // Serde passes a reference.
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// The forward gradient: the derivative of the losses of a window along one random direction v of the weights,
/// times v. With random signs for v, drawn anew for each window,
///
/// ```text
/// t ← D t + I v, t = 0 before the window          g = Σ_t (δ_t · t) v
/// ```
///
/// Since `E v vᵀ` is the identity, the mean is the gradient of BPTT over the window; credit goes no further back than
/// its beginning. The variance grows with the number of weights. All lanes have the same direction, which is that of
/// the seed.
///
/// With a baseline, the derivative along v has to tell only by how much the gradient differs from that of past
/// windows, b, and the variance is that of the difference. Whatever b is, the mean is the same, since v is drawn anew:
///
/// ```text
/// g = b + (Σ_t δ_t · t - v · b) v               b ← b + η (Σ_t δ_t · t - v · b) v / |θ|
/// ```
///
/// b takes some |θ| / η windows to learn, so it helps where the gradient changes slowly: small nets and small
/// learning rates. b belongs to no lane; a window with NaN or infinity leaves it as it was.
///
/// # Shapes
/// v and b of |θ|, and t of S for each lane.
///
/// # Reference
/// Baydin et al., "Gradients without backpropagation", arXiv:2202.08587; for recurrent nets, Silver et al.,
/// "Learning by directional gradient descent" (ICLR 2022), with one direction for each window. That past gradients
/// reduce the variance is the idea of the latter, which draws v along them and is biased; as a control variate they
/// are unbiased.
#[derive(Debug)]
pub struct ForwardGradient<T: Scalar> {
    runner: Runner<T>,
    signs: Signs,
    trace: Trace<T>,
    work: Backward<T>,
    /// Computes G.
    linearizer: Linearizer<T>,
    row_jacobian: Vec<T>,
    /// v.
    direction: Vec<T>,
    /// t and D t, `[states][lanes]`.
    tangent: Vec<T>,
    pushed: Vec<T>,
    /// V u, `[rows][lanes]`, where V is v as a matrix.
    rows: Vec<T>,
    /// η, b and Σ δ · t of the window so far; b is empty without a baseline.
    rate: f64,
    baseline: Vec<T>,
    slope: T,
}

impl BuildEstimator for ForwardGradientConfig {
    fn reseed(&mut self, by: u64) {
        self.seed = self.seed.wrapping_add(by);
    }

    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        if !(0.0..=1.0).contains(&self.baseline) {
            let found = self.baseline.to_string();
            return Err(EstimatorError::Range { what: "baseline", from: 0.0, to: 1.0, found });
        }
        let signs = Signs::random(self.seed, 0..1);
        let estimator = ForwardGradient::new(stack, lanes.len(), window, signs);
        Ok(Box::new(estimator.with_baseline(self.baseline)))
    }
}

impl<T: Scalar> ForwardGradient<T> {
    /// An estimator for `lanes` lanes and windows of at most `window` steps. At the first step of each window it
    /// takes one of the `signs` of one lane for each weight.
    ///
    /// # Panics
    /// If `lanes` or `window` is zero, or `signs` are random ones for several lanes.
    pub fn new(stack: Arc<Stack<T>>, lanes: usize, window: usize, signs: Signs) -> Self {
        signs.check(1);
        let runner = Runner::new(stack, lanes, window);
        let stack = &runner.stack;
        let linearizer = linearizer(stack, lanes);
        let zeros = |len: usize| vec![T::ZERO; len * lanes];
        Self {
            signs,
            trace: stack.trace(lanes),
            work: stack.backward(lanes),
            row_jacobian: zeros(linearizer.row_jacobian().pattern().nnz()),
            linearizer,
            direction: vec![T::ZERO; stack.weights_len()],
            tangent: zeros(stack.states()),
            pushed: zeros(stack.states()),
            rows: zeros(stack.linear().pattern().rows()),
            rate: 0.0,
            baseline: Vec::new(),
            slope: T::ZERO,
            runner,
        }
    }

    /// The same estimator with a baseline of zeros that learns at this rate; none if the rate is 0.
    #[must_use]
    pub fn with_baseline(mut self, rate: f64) -> Self {
        self.rate = rate;
        self.baseline = vec![T::ZERO; if rate > 0.0 { self.direction.len() } else { 0 }];
        self
    }
}

/// Of all layers' G, with the coupling of layers; D is not computed.
fn linearizer<T: Scalar>(stack: &Stack<T>, lanes: usize) -> Linearizer<T> {
    let states = stack.states();
    Linearizer::new(stack, &Pattern::empty(states, states), stack.row_jacobian(), lanes)
}

impl<T: Scalar> Persist for ForwardGradient<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.runner.persist(archive)?;
        archive.part("signs", &mut self.signs)?;
        if self.baseline.is_empty() { Ok(()) } else { archive.slice("baseline", &mut self.baseline) }
    }
}

impl<T: Scalar> GradientEstimator<T> for ForwardGradient<T> {
    fn stack(&self) -> &Arc<Stack<T>> {
        &self.runner.stack
    }

    fn step(&mut self, weights: &[T], input: Input<'_, T>, starts: &[bool]) {
        if self.runner.step(weights, input, starts, &mut self.trace) == 0 {
            let signs = &mut self.signs;
            self.direction.fill_with(|| if signs.draw(0) { T::ONE } else { -T::ONE });
            self.tangent.fill(T::ZERO);
            self.slope = T::ZERO;
        }
        let Runner { stack, lanes, .. } = &self.runner;
        let lanes = *lanes;
        let tangent = Lanes::new(&self.tangent, lanes);
        stack.push_forward(weights, &self.trace, tangent, &mut self.pushed, &mut self.work);
        let (linear, mut rows) = (stack.linear(), LanesMut::new(&mut self.rows, lanes));
        linear.multiply(&self.direction, 0..linear.pattern().rows(), self.trace.sources(), &mut rows, 0);
        let (none, jacobian) = (LanesMut::new(&mut [], lanes), LanesMut::new(&mut self.row_jacobian, lanes));
        self.linearizer.run(weights, &self.trace, none, jacobian);
        let (g, mut pushed) = (Lanes::new(&self.row_jacobian, lanes), LanesMut::new(&mut self.pushed, lanes));
        let jacobian = self.linearizer.row_jacobian();
        for (entry, (row, state)) in jacobian.pattern().iter().enumerate() {
            let g = g.at(jacobian.place(entry) as usize);
            let row = &self.rows[row * lanes..(row + 1) * lanes];
            let pushed = pushed.at_mut(state as usize).iter_mut();
            pushed.zip(g.iter().zip(row)).for_each(|(pushed, (&g, &row))| *pushed += g * row);
        }
        std::mem::swap(&mut self.tangent, &mut self.pushed);
    }

    fn state(&self) -> Lanes<'_, T> {
        self.runner.state()
    }

    fn observe(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, gradient: &mut [T]) {
        let (_, states) = self.runner.observe(weights, loss_gradient, gradient);
        let lanes = self.runner.lanes;
        let tangent = &self.tangent[states.start * lanes..states.end * lanes];
        let slope: T = loss_gradient.values().iter().zip(tangent).map(|(&delta, &t)| delta * t).sum();
        self.slope += slope;
        gradient.iter_mut().zip(&self.direction).for_each(|(g, &v)| *g += slope * v);
    }

    fn input_gradient(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, into: &mut LanesMut<'_, T>) {
        self.runner.input_gradient(weights, loss_gradient, &self.trace, into);
    }

    fn finish_window(&mut self, weights: &[T], gradient: &mut [T]) {
        if self.runner.finish(weights, gradient) == 0 || self.baseline.is_empty() {
            return;
        }
        let along = dot(&self.baseline, &self.direction);
        let difference = self.slope - along;
        let step = T::from_f64(self.rate * difference.to_f64() / gradient.len() as f64);
        let step = if step.is_finite() { step } else { T::ZERO };
        for ((g, b), &v) in gradient.iter_mut().zip(&mut self.baseline).zip(&self.direction) {
            *g += *b - along * v;
            *b += step * v;
        }
    }

    fn mark_diverged(&self, diverged: &mut [bool]) {
        self.runner.state().mark_diverged(diverged);
    }

    fn forget(&mut self, lane: usize) {
        self.runner.forget(lane);
    }

    fn lane(&self, lane: usize) -> LaneState<T> {
        self.runner.lane(lane)
    }

    fn set_lane(&mut self, lane: usize, carried: &LaneState<T>) {
        self.runner.set_lane(lane, carried);
    }

    fn relay(&mut self, stack: Arc<Stack<T>>, origin: &[Option<u32>]) {
        self.runner.relay(stack, origin);
        let Runner { stack, lanes, .. } = &self.runner;
        (self.trace, self.work) = (stack.trace(*lanes), stack.backward(*lanes));
        self.linearizer = linearizer(stack, *lanes);
        let entries = self.linearizer.row_jacobian().pattern().nnz();
        self.row_jacobian = vec![T::ZERO; entries * lanes];
        self.direction = vec![T::ZERO; stack.weights_len()];
        if !self.baseline.is_empty() {
            let of = |origin: &Option<u32>| origin.map_or(T::ZERO, |w| self.baseline[w as usize]);
            self.baseline = origin.iter().map(of).collect();
        }
    }

    fn cost(&self) -> Cost {
        let Self { runner, trace, work, linearizer, .. } = self;
        let (stack, linear, lanes) = (&runner.stack, runner.stack.linear(), runner.lanes);
        let arrays =
            [&self.row_jacobian, &self.direction, &self.tangent, &self.pushed, &self.rows, &self.baseline];
        let scalars: usize = arrays.iter().map(|array| array.len()).sum();
        let (dense, entries) = (linear.dense_weights(), linearizer.row_jacobian().pattern().nnz());
        Cost {
            forward: dense as f64,
            linearize: linearizer.macs() as f64,
            propagate: (stack.push_forward_macs() + dense + entries) as f64,
            // The direction is scaled once for all lanes, and the baseline once for all lanes and steps.
            gradient: stack.hidden().len() as f64
                + (stack.weights_len() as f64 + 3.0 * self.baseline.len() as f64 / runner.window as f64)
                    / lanes as f64,
            bytes: size_of::<Self>()
                + runner.bytes()
                + self.signs.bytes()
                + trace.bytes()
                + work.bytes()
                + linearizer.bytes()
                + scalars * size_of::<T>(),
        }
    }
}
