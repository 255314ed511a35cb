//! Backpropagation through time over the window.

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::{Backward, Input, Rollout, Stack, Trace};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::{Lanes, Outers, Scalar};
use serde::{Deserialize, Serialize};

use crate::registry::Build;
use crate::{Cost, EstimatorError, GradientEstimator};

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
pub struct Bptt<T> {
    stack: Arc<Stack<T>>,
    lanes: usize,
    rollout: Rollout<T>,
    traces: Vec<Trace<T>>,
    /// ∂L_τ/∂h_τ of each step.
    deltas: Vec<Vec<T>>,
    backward: Backward<T>,
    outers: Outers<T>,
    adjoint: Vec<T>,
    /// Steps made and steps observed since the last window ended.
    steps: usize,
    observed: usize,
}

impl Build for BpttConfig {
    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        let lanes = lanes.len();
        Ok(Box::new(Bptt {
            lanes,
            rollout: stack.rollout(lanes),
            traces: vec![stack.trace(lanes); window],
            deltas: vec![vec![T::ZERO; stack.hidden().len() * lanes]; window],
            backward: stack.backward(lanes),
            outers: Outers::new(stack.linear().clone(), lanes, window),
            adjoint: vec![T::ZERO; stack.states() * lanes],
            steps: 0,
            observed: 0,
            stack,
        }))
    }
}

impl<T: Scalar> Persist for Bptt<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.part("rollout", &mut self.rollout)
    }
}

impl<T: Scalar> GradientEstimator<T> for Bptt<T> {
    fn step(&mut self, weights: &[T], input: Input<'_, T>, starts: &[bool]) {
        assert!(self.steps < self.traces.len(), "the window of {} steps is full", self.traces.len());
        self.stack.forward(weights, input, starts, &mut self.rollout, &mut self.traces[self.steps]);
        self.steps += 1;
    }

    fn hidden(&self) -> Lanes<'_, T> {
        self.rollout.state().slice(self.stack.hidden())
    }

    fn observe(&mut self, _weights: &[T], hidden_gradient: Lanes<'_, T>, _gradient: &mut [T]) {
        assert_eq!(self.observed + 1, self.steps, "observe belongs after each step, once");
        self.deltas[self.observed].copy_from_slice(hidden_gradient.values());
        self.observed = self.steps;
    }

    fn finish_window(&mut self, weights: &[T], gradient: &mut [T]) {
        assert_eq!(self.observed, self.steps, "observe belongs after each step, once");
        let hidden = self.stack.hidden();
        let hidden = hidden.start * self.lanes..hidden.end * self.lanes;
        self.adjoint.fill(T::ZERO);
        for (trace, delta) in self.traces[..self.steps].iter().zip(&self.deltas).rev() {
            self.adjoint[hidden.clone()].iter_mut().zip(delta).for_each(|(a, &d)| *a += d);
            self.stack.pull_back(weights, trace, &mut self.adjoint, &mut self.backward);
            let rows = Lanes::new(&self.backward.rows, self.lanes);
            self.outers.push(rows, trace.sources(), gradient);
        }
        self.outers.flush(gradient);
        (self.steps, self.observed) = (0, 0);
    }

    fn mark_diverged(&self, diverged: &mut [bool]) {
        self.rollout.state().mark_diverged(diverged);
    }

    fn forget(&mut self, lane: usize) {
        self.rollout.clear_lane(lane);
    }

    fn relay(&mut self, stack: Arc<Stack<T>>, _origin: &[Option<u32>]) {
        self.traces.fill(stack.trace(self.lanes));
        self.outers = Outers::new(stack.linear().clone(), self.lanes, self.traces.len());
        self.stack = stack;
    }

    fn cost(&self) -> Cost {
        let weights = self.stack.linear().dense_weights() as f64;
        Cost {
            forward: weights,
            linearize: 0.0,
            propagate: self.stack.pull_back_macs() as f64,
            gradient: weights,
            bytes: self.rollout.bytes()
                + self.traces.iter().map(Trace::bytes).sum::<usize>()
                + self.deltas.iter().map(|d| d.len() * size_of::<T>()).sum::<usize>()
                + self.backward.bytes()
                + self.outers.bytes()
                + self.adjoint.len() * size_of::<T>(),
        }
    }
}
