//! Truncated backpropagation through time whose horizon is longer than its window.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::{Backward, Input, Rollout, Stack, Trace};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::{Lanes, LanesMut, Scalar};
use serde::{Deserialize, Serialize};

use crate::{BuildEstimator, Cost, EstimatorError, GradientEstimator, LaneState, Runner};

/// Settings of [`Tbptt`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TbpttConfig {
    /// k2: steps through which credit goes back, at least the window k1.
    pub horizon: usize,
    /// Whether the last `horizon` inputs are run again under the current weights before going back.
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
/// Without replay, the traces are those of the forward steps, made under the weights of their time; the
/// transposed products use the current weights. With replay, the state of k2 steps ago is kept as it was, and
/// the inputs since then are run again under the current weights. The traces are then those of the weights that
/// the gradient changes, at the cost of k2 forward steps for each update. ∂L/∂h is still that of the state
/// before the replay, so that the gradient over k2 steps is exact for losses linear in h, or if the weights did
/// not change within k2 steps. Under constant weights both forms give the same gradient.
///
/// # Reference
/// Williams & Peng, "An efficient gradient-based algorithm for on-line training of recurrent network trajectories",
/// Neural Computation 2 (1990): BPTT(h; h') with h = k2 and h' = k1.
#[derive(Debug)]
pub struct Tbptt<T: Scalar> {
    runner: Runner<T>,
    config: TbpttConfig,
    replayed: Rollout<T>,
    /// The last `horizon` steps at most, the oldest first.
    steps: VecDeque<Step<T>>,
    spare: Vec<Step<T>>,
    backward: Backward<T>,
    adjoint: Vec<T>,
    /// Lanes that were forgotten since their last step; and the starts of the next step, which include these
    /// lanes.
    forgotten: Vec<bool>,
    starts: Vec<bool>,
    /// Lanes whose state was set by `set_lane` since their last step.
    given: Vec<bool>,
}

/// One remembered step.
#[derive(Debug, Clone)]
struct Step<T> {
    trace: Trace<T>,
    /// State before the step; empty without replay.
    before: Vec<T>,
    /// Lanes in which that state was set by `set_lane`: no credit goes further back.
    given: Vec<bool>,
    /// δ, `[states][lanes]`, and the states to which it belongs.
    delta: Vec<T>,
    states: Range<usize>,
}

/// The longest horizon. Every step of a horizon is kept in memory.
const LONGEST: usize = 1 << 24;

impl BuildEstimator for TbpttConfig {
    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        Ok(Box::new(Tbptt::new(stack, lanes.len(), window, self.clone())?))
    }
}

impl<T: Scalar> Tbptt<T> {
    /// An estimator for `lanes` lanes and windows of at most `window` steps.
    ///
    /// # Errors
    /// If the horizon is shorter than the window or longer than 2²⁴ steps.
    ///
    /// # Panics
    /// If `lanes` or `window` is zero.
    pub fn new(
        stack: Arc<Stack<T>>,
        lanes: usize,
        window: usize,
        config: TbpttConfig,
    ) -> Result<Self, EstimatorError> {
        let TbpttConfig { horizon, replay } = config;
        if horizon > LONGEST {
            let found = horizon.to_string();
            return Err(EstimatorError::Range { what: "the horizon", from: 1.0, to: LONGEST as f64, found });
        }
        if horizon < window {
            return Err(EstimatorError::Horizon { horizon, window });
        }
        let step = Step {
            trace: stack.trace(lanes),
            before: vec![T::ZERO; if replay { stack.states() * lanes } else { 0 }],
            given: vec![false; lanes],
            delta: vec![T::ZERO; stack.states() * lanes],
            states: stack.hidden(),
        };
        Ok(Self {
            config,
            replayed: stack.rollout(lanes),
            steps: VecDeque::with_capacity(horizon),
            spare: vec![step; horizon],
            backward: stack.backward(lanes),
            adjoint: vec![T::ZERO; stack.states() * lanes],
            forgotten: vec![false; lanes],
            starts: vec![false; lanes],
            given: vec![false; lanes],
            runner: Runner::new(stack, lanes, window),
        })
    }

    /// Runs the remembered inputs again under the current weights.
    fn replay(&mut self, weights: &[T]) {
        let Some(first) = self.steps.front() else { return };
        self.replayed.state_mut().values_mut().copy_from_slice(&first.before);
        let lanes = self.runner.lanes;
        for step in &mut self.steps {
            for lane in (0..lanes).filter(|&lane| step.given[lane]) {
                let (mut state, given) =
                    (self.replayed.state_mut(), step.before.iter().skip(lane).step_by(lanes));
                let lane = state.values_mut().iter_mut().skip(lane).step_by(lanes);
                lane.zip(given).for_each(|(s, &given)| *s = given);
            }
            self.runner.stack.replay(weights, &mut self.replayed, &mut step.trace);
        }
    }

    /// Clears, in each lane, the steps before its last start within the window of `made` steps that has ended.
    /// No later loss reaches them.
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
    /// Clears a lane, so that no derivative leads through the step.
    fn forget(&mut self, lane: usize) {
        let lanes = self.trace.starts().len();
        self.trace.clear_lane(lane);
        for array in [&mut self.before, &mut self.delta] {
            LanesMut::new(array, lanes).clear_lane(lane);
        }
        self.given[lane] = false;
    }
}

impl<T: Scalar> Persist for Step<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.part("trace", &mut self.trace)?;
        // δ is not saved: losses of windows that have ended are not used again.
        archive.slice("before", &mut self.before)?;
        archive.slice("given", &mut self.given)
    }
}

impl<T: Scalar> Persist for Tbptt<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.runner.persist(archive)?;
        archive.slice("forgotten", &mut self.forgotten)?;
        archive.slice("given", &mut self.given)?;
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
    fn stack(&self) -> &Arc<Stack<T>> {
        &self.runner.stack
    }

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
            step.before.copy_from_slice(self.runner.state().values());
        }
        std::mem::swap(&mut step.given, &mut self.given);
        self.given.fill(false);
        if self.runner.step(weights, input, &self.starts, &mut step.trace) == 0 {
            // No loss of this window reaches the steps before a start, but if their numbers are not finite, 0 ·
            // ∞ is NaN.
            for lane in (0..starts.len()).filter(|&lane| self.starts[lane]) {
                self.steps.iter_mut().for_each(|step| step.forget(lane));
            }
        }
        self.steps.push_back(step);
    }

    fn state(&self) -> Lanes<'_, T> {
        self.runner.state()
    }

    fn observe(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, gradient: &mut [T]) {
        let (_, states) = self.runner.observe(weights, loss_gradient, gradient);
        let last = self.steps.back_mut().expect("a step was made");
        last.delta[..states.len() * self.runner.lanes].copy_from_slice(loss_gradient.values());
        last.states = states;
    }

    fn input_gradient(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, into: &mut LanesMut<'_, T>) {
        let last = self.steps.back().or(self.spare.first()).expect("a horizon of at least one step");
        self.runner.input_gradient(weights, loss_gradient, &last.trace, into);
    }

    fn finish_window(&mut self, weights: &[T], gradient: &mut [T]) {
        let made = self.runner.finish(weights, gradient);
        if self.config.replay {
            self.replay(weights);
        }
        let Runner { stack, lanes, .. } = &self.runner;
        self.adjoint.fill(T::ZERO);
        for (age, step) in self.steps.iter().rev().enumerate() {
            if age < made {
                let adjoint = &mut self.adjoint[step.states.start * lanes..step.states.end * lanes];
                adjoint.iter_mut().zip(&step.delta).for_each(|(a, &d)| *a += d);
            }
            stack.pull_back(weights, &step.trace, &mut self.adjoint, &mut self.backward);
            for lane in (0..*lanes).filter(|&lane| step.given[lane]) {
                LanesMut::new(&mut self.adjoint, *lanes).clear_lane(lane);
            }
            stack.accumulate_outer(&self.backward, &step.trace, gradient);
        }
        self.forget_before_starts(made);
    }

    fn mark_diverged(&self, diverged: &mut [bool]) {
        self.runner.state().mark_diverged(diverged);
        for (lane, flag) in diverged.iter_mut().enumerate() {
            *flag |= !self.steps.iter().all(|step| step.trace.is_finite(lane));
        }
    }

    fn lane(&self, lane: usize) -> LaneState<T> {
        self.runner.lane(lane)
    }

    fn set_lane(&mut self, lane: usize, carried: &LaneState<T>) {
        self.runner.set_lane(lane, carried);
        self.steps.iter_mut().for_each(|step| step.forget(lane));
        self.given[lane] = true;
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
        let step = |step: &Step<T>| {
            let numbers = step.before.len() + step.delta.len();
            step.trace.bytes() + numbers * size_of::<T>() + step.given.len()
        };
        Cost {
            forward: weights + replays,
            linearize: 0.0,
            propagate: passes * stack.pull_back_macs() as f64,
            gradient: passes * weights,
            bytes: size_of::<Self>()
                + self.runner.bytes()
                + (self.steps.capacity() + self.spare.capacity()) * size_of::<Step<T>>()
                + 3 * self.starts.len()
                + self.replayed.bytes()
                + self.steps.iter().chain(&self.spare).map(step).sum::<usize>()
                + self.backward.bytes()
                + self.adjoint.len() * size_of::<T>(),
        }
    }
}
