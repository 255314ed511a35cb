//! Backpropagation through time over the window.

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::{Backward, Input, Stack, Trace};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::{Lanes, LanesMut, Outers, Scalar};
use serde::{Deserialize, Serialize};

use crate::{BuildEstimator, Cost, EstimatorError, GradientEstimator, LaneState, Runner};

/// Settings of [`Bptt`]: none; its horizon is the window.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BpttConfig {}

/// Backpropagation through time: keeps the traces of a window and walks them backwards at its end.
///
/// ```text
/// a_τ = δ_τ + D_{τ+1}ᵀ a_{τ+1}          ∂L/∂θ = Σ_τ (G_τᵀ a_τ) ⊗ u_τ
/// ```
///
/// The state is carried from window to window, credit is not: exact if every lane begins a sequence with each window,
/// truncated otherwise. Memory grows with the window.
///
/// # Reference
/// Werbos, "Backpropagation through time: what it does and how to do it", Proc. IEEE 78 (1990); truncation at the
/// window: Williams & Peng, Neural Computation 2 (1990).
#[derive(Debug)]
pub struct Bptt<T: Scalar> {
    pub(crate) runner: Runner<T>,
    traces: Vec<Trace<T>>,
    /// For each step the states to which its δ belongs, and δ, `[states][lanes]`.
    deltas: Vec<(Range<usize>, Vec<T>)>,
    backward: Backward<T>,
    outers: Outers<T>,
    /// The gradient by the spread weights, if there are such.
    spread: Vec<T>,
    adjoint: Vec<T>,
}

impl BuildEstimator for BpttConfig {
    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        Ok(Box::new(Bptt::new(stack, lanes.len(), window)))
    }
}

impl<T: Scalar> Bptt<T> {
    /// An estimator for `lanes` lanes and windows of at most `window` steps.
    ///
    /// # Panics
    /// If `lanes` or `window` is zero.
    pub fn new(stack: Arc<Stack<T>>, lanes: usize, window: usize) -> Self {
        let runner = Runner::new(stack, lanes, window);
        let stack = &runner.stack;
        let zeros = vec![T::ZERO; stack.states() * lanes];
        Self {
            traces: vec![stack.trace(lanes); window],
            deltas: vec![(stack.hidden(), zeros.clone()); window],
            backward: stack.backward(lanes),
            outers: outers(&runner),
            spread: spread(&runner),
            adjoint: zeros,
            runner,
        }
    }

    /// Ends the window as [`finish_window`](GradientEstimator::finish_window) does, but the adjoint after its last
    /// step is what `boundary` writes, `[states][lanes]`, given the state at the window's end. Returns the adjoint
    /// of the state before the window.
    pub(crate) fn finish_from(
        &mut self,
        weights: &[T],
        gradient: &mut [T],
        boundary: impl FnOnce(Lanes<'_, T>, &mut [T]),
    ) -> Lanes<'_, T> {
        let steps = self.runner.finish(weights, gradient);
        boundary(self.runner.state(), &mut self.adjoint);
        let Runner { stack, lanes, spread, .. } = &self.runner;
        let into = if spread.is_some() { &mut self.spread[..] } else { &mut *gradient };
        for (trace, (states, delta)) in self.traces[..steps].iter().zip(&self.deltas).rev() {
            let adjoint = &mut self.adjoint[states.start * lanes..states.end * lanes];
            adjoint.iter_mut().zip(delta).for_each(|(a, &d)| *a += d);
            stack.pull_back_spread(weights, spread.as_ref(), trace, &mut self.adjoint, &mut self.backward);
            let rows = Lanes::new(&self.backward.rows, *lanes);
            self.outers.push(rows, trace.sources(), into);
        }
        self.outers.flush(into);
        if let Some(spread) = spread {
            spread.collect(&mut self.spread, gradient);
        }
        Lanes::new(&self.adjoint, *lanes)
    }
}

/// Memory for the outer products of a window, by the spread weights if there are such.
fn outers<T: Scalar>(runner: &Runner<T>) -> Outers<T> {
    let Runner { stack, lanes, window, spread, .. } = runner;
    let linear = spread.as_ref().map_or(stack.linear(), |spread| spread.linear());
    Outers::new(linear.clone(), *lanes, *window)
}

/// Memory for the gradient by the spread weights, if there are such.
fn spread<T: Scalar>(runner: &Runner<T>) -> Vec<T> {
    vec![T::ZERO; runner.spread.as_ref().map_or(0, |spread| spread.linear().pattern().nnz())]
}

impl<T: Scalar> Persist for Bptt<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.runner.persist(archive)
    }
}

impl<T: Scalar> GradientEstimator<T> for Bptt<T> {
    fn stack(&self) -> &Arc<Stack<T>> {
        &self.runner.stack
    }

    fn step(&mut self, weights: &[T], input: Input<'_, T>, starts: &[bool]) {
        self.runner.may_step();
        let trace = &mut self.traces[self.runner.made()];
        self.runner.step(weights, input, starts, trace);
    }

    fn state(&self) -> Lanes<'_, T> {
        self.runner.state()
    }

    fn observe(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, gradient: &mut [T]) {
        let (step, states) = self.runner.observe(weights, loss_gradient, gradient);
        let (of, delta) = &mut self.deltas[step];
        delta[..states.len() * self.runner.lanes].copy_from_slice(loss_gradient.values());
        *of = states;
    }

    fn input_gradient(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, into: &mut LanesMut<'_, T>) {
        let last = self.runner.made().saturating_sub(1);
        self.runner.input_gradient(weights, loss_gradient, &self.traces[last], into);
    }

    fn finish_window(&mut self, weights: &[T], gradient: &mut [T]) {
        self.finish_from(weights, gradient, |_, adjoint| adjoint.fill(T::ZERO));
    }

    fn mark_diverged(&self, diverged: &mut [bool]) {
        self.runner.state().mark_diverged(diverged);
    }

    fn lane(&self, lane: usize) -> LaneState<T> {
        self.runner.lane(lane)
    }

    fn set_lane(&mut self, lane: usize, carried: &LaneState<T>) {
        self.runner.set_lane(lane, carried);
    }

    fn forget(&mut self, lane: usize) {
        self.runner.forget(lane);
    }

    fn relay(&mut self, stack: Arc<Stack<T>>, origin: &[Option<u32>]) {
        self.runner.relay(stack, origin);
        self.traces.fill(self.runner.stack.trace(self.runner.lanes));
        (self.outers, self.spread) = (outers(&self.runner), spread(&self.runner));
    }

    fn cost(&self) -> Cost {
        let stack = &self.runner.stack;
        let weights = stack.linear().dense_weights() as f64;
        Cost {
            forward: weights,
            linearize: 0.0,
            propagate: stack.pull_back_macs() as f64,
            gradient: weights,
            bytes: size_of::<Self>()
                + self.runner.bytes()
                + size_of_val(&self.traces[..])
                + self.traces.iter().map(Trace::bytes).sum::<usize>()
                + size_of_val(&self.deltas[..])
                + self.deltas.iter().map(|(_, d)| d.len() * size_of::<T>()).sum::<usize>()
                + self.backward.bytes()
                + self.outers.bytes()
                + (self.spread.len() + self.adjoint.len()) * size_of::<T>(),
        }
    }
}
