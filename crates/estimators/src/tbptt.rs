//! Truncated backpropagation through time whose horizon is longer than its window.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::{Backward, Input, Rollout, Stack, Trace};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::{Lanes, LanesMut, Scalar};
use serde::{Deserialize, Serialize};

use crate::registry::Build;
use crate::runner::Runner;
use crate::{Cost, EstimatorError, GradientEstimator};

/// Settings of [`Tbptt`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TbpttConfig {
    /// k2: steps through which credit goes back, at least the window k1.
    pub horizon: usize,
    /// Whether the last `horizon` inputs are run once more under the current weights before going back.
    #[serde(default)]
    pub replay: bool,
}

impl Default for TbpttConfig {
    fn default() -> Self {
        Self { horizon: 16, replay: false }
    }
}

/// TBPTT(k1, k2): at the end of each window of k1 steps, the losses of those steps are taken back through the last k2 steps.
///
/// | form | window k1 | horizon k2 | replay |
/// |---|---|---|---|
/// | chunked | T | T | no; this is [`Bptt`](crate::Bptt) |
/// | windowed with overlap | k1 | k2 > k1 | no |
/// | rolling | 1 | k | yes |
///
/// Without replay, traces are those of the forward pass, made under the weights of their time; the weights in the
/// transposed products are the current ones. With replay, the state of k2 steps ago is kept as it was and the inputs since
/// are run again under the current weights, at the cost of k2 forward steps for each update: traces are then those of the weights that
/// the gradient changes. ∂L/∂h still is that of the state before the replay, so that the gradient over k2 steps is exact for losses
/// linear in h, or where the weights did not change within k2 steps. Under constant weights both are the same.
///
/// # Reference
/// Williams & Peng, "An efficient gradient-based algorithm for on-line training of recurrent network trajectories",
/// Neural Computation 2 (1990): BPTT(h; h') with h = k2 and h' = k1.
pub struct Tbptt<T> {
    runner: Runner<T>,
    config: TbpttConfig,
    replayed: Rollout<T>,
    /// The last `horizon` steps at most, the oldest first.
    steps: VecDeque<Step<T>>,
    spare: Vec<Step<T>>,
    backward: Backward<T>,
    adjoint: Vec<T>,
    /// Lanes that were forgotten since their last step, and the starts of the next one: in those lanes too.
    forgotten: Vec<bool>,
    starts: Vec<bool>,
}

/// One remembered step.
#[derive(Debug, Clone)]
struct Step<T> {
    trace: Trace<T>,
    /// State before the step; empty without replay.
    before: Vec<T>,
    delta: Vec<T>,
}

/// The longest horizon: every step of it is kept.
const LONGEST: usize = 1 << 24;

impl Build for TbpttConfig {
    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        let lanes = lanes.len();
        if self.horizon > LONGEST {
            let found = self.horizon.to_string();
            return Err(EstimatorError::Range { what: "the horizon", from: 1.0, to: LONGEST as f64, found });
        }
        if self.horizon < window {
            return Err(EstimatorError::Horizon { horizon: self.horizon, window });
        }
        let step = Step {
            trace: stack.trace(lanes),
            before: vec![T::ZERO; if self.replay { stack.states() * lanes } else { 0 }],
            delta: vec![T::ZERO; stack.hidden().len() * lanes],
        };
        Ok(Box::new(Tbptt {
            config: self.clone(),
            replayed: stack.rollout(lanes),
            steps: VecDeque::with_capacity(self.horizon),
            spare: vec![step; self.horizon],
            backward: stack.backward(lanes),
            adjoint: vec![T::ZERO; stack.states() * lanes],
            forgotten: vec![false; lanes],
            starts: vec![false; lanes],
            runner: Runner::new(stack, lanes, window),
        }))
    }
}

impl<T: Scalar> Tbptt<T> {
    /// Runs the remembered inputs once more under the current weights.
    fn replay(&mut self, weights: &[T]) {
        let Some(first) = self.steps.front() else { return };
        self.replayed.state_mut().values().copy_from_slice(&first.before);
        for step in &mut self.steps {
            self.runner.stack.replay(weights, &mut self.replayed, &mut step.trace);
        }
    }

    /// Clears what lies before the last start of each lane within the window of `made` steps that has ended: no later loss reaches
    /// it.
    fn forget_before_starts(&mut self, made: usize) {
        let window = self.steps.len() - made;
        for lane in 0..self.runner.lanes {
            let steps = self.steps.range(window..);
            let Some(start) = steps.rev().position(|step| step.trace.starts()[lane]) else { continue };
            let before = self.steps.len() - 1 - start;
            self.steps.range_mut(..before).for_each(|step| step.forget(lane));
        }
    }
}

impl<T: Scalar> Step<T> {
    /// Clears a lane, so that nothing leads through it.
    fn forget(&mut self, lane: usize) {
        let lanes = self.trace.starts().len();
        self.trace.clear_lane(lane);
        for array in [&mut self.before, &mut self.delta] {
            LanesMut::new(array, lanes).clear_lane(lane);
        }
    }
}

impl<T: Scalar> Persist for Step<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.part("trace", &mut self.trace)?;
        archive.slice("before", &mut self.before)?;
        archive.slice("delta", &mut self.delta)
    }
}

impl<T: Scalar> Persist for Tbptt<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.runner.persist(archive)?;
        archive.slice("forgotten", &mut self.forgotten)?;
        let (mut len, horizon) = (self.steps.len() as u64, self.config.horizon as u64);
        archive.value("steps", &mut len)?;
        archive.check("steps", len <= horizon, || format!("{len} steps of at most {horizon}"))?;
        self.spare.extend(self.steps.drain(len.min(self.steps.len() as u64) as usize..));
        while (self.steps.len() as u64) < len {
            self.steps.extend(self.spare.pop());
        }
        self.steps.iter_mut().try_for_each(|step| archive.part("step", step))
    }
}

impl<T: Scalar> GradientEstimator<T> for Tbptt<T> {
    fn step(&mut self, weights: &[T], input: Input<'_, T>, starts: &[bool]) {
        self.runner.may_step();
        assert_eq!(starts.len(), self.runner.lanes, "starts (left) and lanes (right)");
        for ((all, &start), forgotten) in self.starts.iter_mut().zip(starts).zip(&mut self.forgotten) {
            *all = start | std::mem::take(forgotten);
        }
        let mut step = match self.spare.pop() {
            Some(unused) => unused,
            None => self.steps.pop_front().expect("a horizon of at least one step"),
        };
        if self.config.replay {
            step.before.copy_from_slice(self.runner.rollout.state().values());
        }
        if self.runner.step(weights, input, &self.starts, &mut step.trace) == 0 {
            // No loss of this window reaches what lies before it, but 0 · ∞ would not be 0.
            for lane in (0..starts.len()).filter(|&lane| self.starts[lane]) {
                self.steps.iter_mut().for_each(|step| step.forget(lane));
            }
        }
        self.steps.push_back(step);
    }

    fn hidden(&self) -> Lanes<'_, T> {
        self.runner.hidden()
    }

    fn observe(&mut self, weights: &[T], hidden_gradient: Lanes<'_, T>, gradient: &mut [T]) {
        self.runner.observe(weights, hidden_gradient, gradient);
        let last = self.steps.back_mut().expect("a step was made");
        last.delta.copy_from_slice(hidden_gradient.values());
    }

    fn finish_window(&mut self, weights: &[T], gradient: &mut [T]) {
        let made = self.runner.finish(weights, gradient);
        if self.config.replay {
            self.replay(weights);
        }
        let Runner { stack, lanes, .. } = &self.runner;
        let hidden = stack.hidden().start * lanes..stack.hidden().end * lanes;
        self.adjoint.fill(T::ZERO);
        for (age, step) in self.steps.iter().rev().enumerate() {
            if age < made {
                self.adjoint[hidden.clone()].iter_mut().zip(&step.delta).for_each(|(a, &d)| *a += d);
            }
            stack.pull_back(weights, &step.trace, &mut self.adjoint, &mut self.backward);
            stack.accumulate_outer(&self.backward, &step.trace, gradient);
        }
        self.forget_before_starts(made);
    }

    fn mark_diverged(&self, diverged: &mut [bool]) {
        self.runner.rollout.state().mark_diverged(diverged);
        for (lane, flag) in diverged.iter_mut().enumerate() {
            *flag |= !self.steps.iter().all(|step| step.trace.is_finite(lane));
        }
    }

    fn forget(&mut self, lane: usize) {
        self.runner.forget(lane);
        self.steps.iter_mut().for_each(|step| step.forget(lane));
        self.forgotten[lane] = true;
    }

    fn relay(&mut self, stack: Arc<Stack<T>>, origin: &[Option<u32>]) {
        let old = self.runner.stack.clone();
        self.runner.relay(stack, origin);
        for step in self.steps.iter_mut().chain(&mut self.spare) {
            step.trace = self.runner.stack.relay_trace(&old, &step.trace);
        }
    }

    fn cost(&self) -> Cost {
        let Runner { stack, window, .. } = &self.runner;
        let weights = stack.linear().dense_weights() as f64;
        let passes = self.config.horizon as f64 / *window as f64;
        let replays = if self.config.replay { passes * weights } else { 0.0 };
        let step =
            |step: &Step<T>| step.trace.bytes() + (step.before.len() + step.delta.len()) * size_of::<T>();
        Cost {
            forward: weights + replays,
            linearize: 0.0,
            propagate: passes * stack.pull_back_macs() as f64,
            gradient: passes * weights,
            bytes: size_of::<Self>()
                + self.runner.bytes()
                + (self.steps.capacity() + self.spare.capacity()) * size_of::<Step<T>>()
                + 2 * self.starts.len()
                + self.replayed.bytes()
                + self.steps.iter().chain(&self.spare).map(step).sum::<usize>()
                + self.backward.bytes()
                + self.adjoint.len() * size_of::<T>(),
        }
    }
}
