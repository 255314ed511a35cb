//! Truncated backpropagation through time whose horizon is longer than its window.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::{Backward, Input, Rollout, Stack, Trace};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::{Lanes, LanesMut, Scalar};
use serde::{Deserialize, Serialize};

use crate::registry::Build;
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
/// are run again under the current weights, so that the gradient is exact for the weights that it changes, at the cost of k2
/// forward steps for each update. Under constant weights both are the same.
///
/// # Reference
/// Williams & Peng, "An efficient gradient-based algorithm for on-line training of recurrent network trajectories",
/// Neural Computation 2 (1990): BPTT(h; h') with h = k2 and h' = k1.
pub struct Tbptt<T> {
    stack: Arc<Stack<T>>,
    lanes: usize,
    window: usize,
    config: TbpttConfig,
    rollout: Rollout<T>,
    replayed: Rollout<T>,
    /// The last `horizon` steps at most, the oldest first.
    steps: VecDeque<Step<T>>,
    spare: Vec<Step<T>>,
    backward: Backward<T>,
    adjoint: Vec<T>,
    /// Steps made and steps observed since the last window ended.
    made: usize,
    observed: usize,
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
            lanes,
            window,
            config: self.clone(),
            rollout: stack.rollout(lanes),
            replayed: stack.rollout(lanes),
            steps: VecDeque::with_capacity(self.horizon),
            spare: vec![step; self.horizon],
            backward: stack.backward(lanes),
            adjoint: vec![T::ZERO; stack.states() * lanes],
            made: 0,
            observed: 0,
            stack,
        }))
    }
}

impl<T: Scalar> Tbptt<T> {
    /// Runs the remembered inputs once more under the current weights.
    fn replay(&mut self, weights: &[T]) {
        let Some(first) = self.steps.front() else { return };
        self.replayed.state_mut().values().copy_from_slice(&first.before);
        for step in &mut self.steps {
            self.stack.replay(weights, &mut self.replayed, &mut step.trace);
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
        archive.part("rollout", &mut self.rollout)?;
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
        assert!(self.made < self.window, "the window of {} steps is full", self.window);
        let mut step = match self.spare.pop() {
            Some(unused) => unused,
            None => self.steps.pop_front().expect("a horizon of at least one step"),
        };
        if self.config.replay {
            step.before.copy_from_slice(self.rollout.state().values());
        }
        self.stack.forward(weights, input, starts, &mut self.rollout, &mut step.trace);
        self.steps.push_back(step);
        self.made += 1;
    }

    fn hidden(&self) -> Lanes<'_, T> {
        self.rollout.state().slice(self.stack.hidden())
    }

    fn observe(&mut self, _weights: &[T], hidden_gradient: Lanes<'_, T>, _gradient: &mut [T]) {
        assert_eq!(self.observed + 1, self.made, "observe belongs after each step, once");
        self.observed = self.made;
        let last = self.steps.back_mut().expect("a step was made");
        last.delta.copy_from_slice(hidden_gradient.values());
    }

    fn finish_window(&mut self, weights: &[T], gradient: &mut [T]) {
        assert_eq!(self.observed, self.made, "observe belongs after each step, once");
        if self.config.replay {
            self.replay(weights);
        }
        let hidden = self.stack.hidden();
        let hidden = hidden.start * self.lanes..hidden.end * self.lanes;
        self.adjoint.fill(T::ZERO);
        for (age, step) in self.steps.iter().rev().enumerate() {
            if age < self.made {
                self.adjoint[hidden.clone()].iter_mut().zip(&step.delta).for_each(|(a, &d)| *a += d);
            }
            self.stack.pull_back(weights, &step.trace, &mut self.adjoint, &mut self.backward);
            self.stack.accumulate_outer(&self.backward, &step.trace, gradient);
        }
        (self.made, self.observed) = (0, 0);
    }

    fn mark_diverged(&self, diverged: &mut [bool]) {
        self.rollout.state().mark_diverged(diverged);
    }

    fn forget(&mut self, lane: usize) {
        self.rollout.clear_lane(lane);
        for step in &mut self.steps {
            step.trace.clear_lane(lane);
            for array in [&mut step.before, &mut step.delta] {
                LanesMut::new(array, self.lanes).clear_lane(lane);
            }
        }
    }

    fn relay(&mut self, stack: Arc<Stack<T>>, _origin: &[Option<u32>]) {
        for step in self.steps.iter_mut().chain(&mut self.spare) {
            step.trace = stack.relay_trace(&self.stack, &step.trace);
        }
        self.stack = stack;
    }

    fn cost(&self) -> Cost {
        let weights = self.stack.linear().dense_weights() as f64;
        let passes = self.config.horizon as f64 / self.window as f64;
        let replays = if self.config.replay { passes * weights } else { 0.0 };
        let step =
            |step: &Step<T>| step.trace.bytes() + (step.before.len() + step.delta.len()) * size_of::<T>();
        Cost {
            forward: weights + replays,
            linearize: 0.0,
            propagate: passes * self.stack.pull_back_macs() as f64,
            gradient: passes * weights,
            bytes: self.rollout.bytes()
                + self.replayed.bytes()
                + self.steps.iter().chain(&self.spare).map(step).sum::<usize>()
                + self.backward.bytes()
                + self.adjoint.len() * size_of::<T>(),
        }
    }
}
