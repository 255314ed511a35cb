//! SnAp-n and exact RTRL: the influence matrix in blocks, under one of three schedules.

mod costs;
mod frame;
mod persist;
mod plan;
mod recursion;
mod starts;
mod transport;

use std::sync::Arc;

use rtrl_cells::{Backward, Input, Linearizer, Stack, Trace};
use rtrl_sparse::{Blocks, Lanes, LanesMut, Operand, Pattern, Scalar, check_reach};

pub use costs::ScheduleCosts;
pub use plan::Plan;
pub(crate) use plan::narrowest;
pub use transport::Transport;

use self::frame::Frame;
use self::recursion::Recursion;
use crate::{
    Cost, EstimatorError, GradientEstimator, LaneState, Order, Reach, Runner, Schedule, Scope, reach,
};

/// An estimator that carries the influence matrix `J_t = P ∘ (I_t + D_t J_{t-1})` forward.
///
/// The pattern P says for each row of the net which states its weights may influence. SnAp-n, sparse RTRL and dense
/// RTRL differ in nothing else.
///
/// # Shapes
/// One dense block `|R| × F × lanes` for every set of rows with the same reach R; no index per entry.
///
/// # Reference
/// Williams & Zipser, Neural Computation 1 (1989) for RTRL; Menick et al., arXiv:2006.07232, section 3 for SnAp;
/// Schmidhuber, Neural Computation 4 (1992) for the window that is carried at once.
#[derive(Debug)]
pub struct Influence<T: Scalar> {
    runner: Runner<T>,
    plan: Plan,
    scope: Scope,
    /// The order from which the reach follows; `None` if the reach itself was given.
    order: Option<Order>,
    recursion: Recursion<T>,
    linearizer: Linearizer<T>,
    backward: Backward<T>,
    frames: Vec<Frame<T>>,
}

impl<T: Scalar> Influence<T> {
    /// An estimator whose rows reach as far as `order` says along the plan's transport, within `scope`.
    ///
    /// # Errors
    /// Never for a valid stack.
    ///
    /// # Panics
    /// If `lanes` or `window` is zero.
    pub fn of_order(
        stack: Arc<Stack<T>>,
        order: Order,
        scope: Scope,
        plan: Plan,
    ) -> Result<Self, EstimatorError> {
        let reach = reach(&stack, &plan.transport.pattern(&stack), order, scope);
        Ok(Self { order: Some(order), ..Self::new(stack, &reach, plan)? })
    }

    /// An estimator with this reach, which stays as it is when the masks of the net change ([`relay`](GradientEstimator::relay)).
    ///
    /// # Errors
    /// If the reach does not fit the net.
    ///
    /// # Panics
    /// If `lanes` or `window` is zero.
    pub fn new(stack: Arc<Stack<T>>, reach: &Reach, plan: Plan) -> Result<Self, EstimatorError> {
        let (reach, scope) = (reach.rows(), reach.scope());
        let Plan { lanes, window, transport, .. } = plan;
        let runner = Runner::new(stack, lanes, window);
        let stack = &runner.stack;
        check_reach(reach, stack.row_jacobian().rows(), stack.states())?;
        let carried = Blocks::needed_dynamics(&transport.pattern(stack), reach);
        let inside = Pattern::from_rows(stack.states(), reach.iter().map(|r| r.iter().copied()))
            .expect("reaches were checked");
        let linearizer = Linearizer::new(stack, &transport.computed(&carried), &inside, lanes);
        // The pattern in whose order the transport's values are stored: they are among those of the linearizer,
        // or have an array of their own.
        let all = match transport {
            Transport::Exact | Transport::Thinned { .. } => linearizer.dynamics().clone(),
            Transport::Constant(_) | Transport::Direct => transport.pattern(stack),
        };
        let places: Vec<u32> = carried.iter().filter_map(|(r, c)| Some(all.find(r, c)? as u32)).collect();
        let dynamics = Operand::placed(&carried, &places);
        let blocks = Blocks::new(stack.linear().clone(), linearizer.row_jacobian(), dynamics, reach)?;
        let schedule = match plan.schedule {
            Schedule::Auto => ScheduleCosts::new(&blocks, plan).best(),
            forced => forced,
        };
        let recursion = Recursion::new(blocks, schedule, plan);
        let slots = if recursion.is_streaming() { 1 } else { window };
        let zeros = |len: usize| vec![T::ZERO; len * lanes];
        let frame = Frame {
            trace: stack.trace(lanes),
            dynamics: zeros(all.nnz()),
            row_jacobian: zeros(linearizer.row_jacobian().pattern().nnz()),
            delta: zeros(stack.states()),
        };
        Ok(Self {
            frames: vec![frame; slots],
            backward: stack.backward(lanes),
            recursion,
            linearizer,
            runner,
            plan,
            scope,
            order: None,
        })
    }

    /// The layout of J.
    pub fn blocks(&self) -> &Blocks {
        self.recursion.blocks()
    }

    /// J, `[entries][lanes]`, in the layout of [`blocks`](Self::blocks). Under [`Schedule::Streaming`] it is J
    /// after the last step observed, under other schedules J after the last window finished. `None` if J is not
    /// kept, as under [`Schedule::Adjoint`] with `truncate`.
    pub fn influence(&self) -> Option<Lanes<'_, T>> {
        self.recursion.influence()
    }

    /// The index of the frame that holds a step of the window; if every step advances J, all use the same.
    fn slot(&self, step: usize) -> usize {
        if self.recursion.is_streaming() { 0 } else { step }
    }

    /// The trace of the step made last.
    pub(crate) fn last_trace(&self) -> &Trace<T> {
        &self.frames[self.slot(self.runner.made().saturating_sub(1))].trace
    }

    /// The values of the transport in the step just made, `[entries of its pattern][lanes]`, to be overwritten
    /// before the step is observed; and the trace of the step.
    pub(crate) fn transport_mut(&mut self) -> (LanesMut<'_, T>, &Trace<T>) {
        let slot = self.slot(self.runner.made().saturating_sub(1));
        let Frame { dynamics, trace, .. } = &mut self.frames[slot];
        (LanesMut::new(dynamics, self.plan.lanes), trace)
    }

    /// Takes a gradient by the states that is pulled down through the layers already, in the place of
    /// [`observe`](GradientEstimator::observe).
    pub(crate) fn observe_pulled(&mut self, weights: &[T], pulled: Lanes<'_, T>, gradient: &mut [T]) {
        self.take(weights, pulled, gradient, false);
    }

    /// Goes on with another reach, which stays as it is from then on. Entries of J that both keep go on, others
    /// begin at zero. Otherwise as [`relay`](GradientEstimator::relay).
    pub(crate) fn relay_to(&mut self, stack: Arc<Stack<T>>, reach: &Reach, origin: &[Option<u32>]) {
        self.runner.relay(stack.clone(), origin);
        let new = Self::new(stack, reach, self.plan).expect("a reach that fits the net");
        self.replace(new, origin);
    }

    /// Replaces this estimator by a new one for the net to which the runner was relayed, and keeps what it carries.
    fn replace(&mut self, mut new: Self, origin: &[Option<u32>]) {
        std::mem::swap(&mut new.runner, &mut self.runner);
        let blocks = new.recursion.blocks().clone();
        if let (Some(old), Some(mut influence)) = (self.influence(), new.recursion.influence_mut()) {
            blocks.relay(self.blocks(), origin, self.plan.lanes, old.values(), influence.values_mut());
        }
        *self = new;
    }

    /// Takes δ of the step just made, and if `layered` pulls it down through the layers.
    fn take(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, gradient: &mut [T], layered: bool) {
        let (step, states) = self.runner.observe(weights, loss_gradient, gradient);
        let (slot, lanes) = (self.slot(step), self.plan.lanes);
        let (stack, frame) = (&self.runner.stack, &mut self.frames[slot]);
        frame.delta.fill(T::ZERO);
        frame.delta[states.start * lanes..states.end * lanes].copy_from_slice(loss_gradient.values());
        if layered {
            stack.descend(weights, &frame.trace, &mut frame.delta, &mut self.backward);
        }
        if let Recursion::Streaming(j) = &mut self.recursion {
            j.advance(self.frames[slot].values(lanes), gradient);
        }
    }

    /// Whether δ has to be pulled down through the layers.
    fn layered(&self) -> bool {
        self.scope == Scope::Layer && self.runner.stack.depth() > 1
    }
}

impl<T: Scalar> GradientEstimator<T> for Influence<T> {
    fn stack(&self) -> &Arc<Stack<T>> {
        &self.runner.stack
    }

    fn step(&mut self, weights: &[T], input: Input<'_, T>, starts: &[bool]) {
        let (slot, lanes) = (self.slot(self.runner.made()), self.plan.lanes);
        self.runner.may_step();
        let frame = &mut self.frames[slot];
        let step = self.runner.step(weights, input, starts, &mut frame.trace);
        let dynamics = LanesMut::new(&mut frame.dynamics, lanes);
        let row_jacobian = LanesMut::new(&mut frame.row_jacobian, lanes);
        self.plan.transport.fill(&mut self.linearizer, weights, &frame.trace, dynamics, row_jacobian);
        let truncates = self.plan.truncate && step == 0;
        if truncates {
            frame.dynamics.fill(T::ZERO);
        }
        // Under other schedules J is still that of the last window: starts within a window are handled at its
        // end.
        if step == 0 || self.recursion.is_streaming() {
            match self.recursion.influence_mut() {
                Some(mut influence) if truncates => influence.values_mut().fill(T::ZERO),
                influence => starts::annihilate(influence, |lane| starts[lane]),
            }
        }
    }

    fn state(&self) -> Lanes<'_, T> {
        self.runner.state()
    }

    fn observe(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, gradient: &mut [T]) {
        let layered = self.layered();
        self.take(weights, loss_gradient, gradient, layered);
    }

    fn input_gradient(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, into: &mut LanesMut<'_, T>) {
        let slot = self.slot(self.runner.made().saturating_sub(1));
        self.runner.input_gradient(weights, loss_gradient, &self.frames[slot].trace, into);
    }

    fn finish_window(&mut self, weights: &[T], gradient: &mut [T]) {
        let (steps, lanes) = (self.runner.finish(weights, gradient), self.plan.lanes);
        let frames = &mut self.frames[..];
        match &mut self.recursion {
            Recursion::Streaming(_) => {}
            Recursion::Blocked(j) => {
                for steps in starts::between(&frames[..steps]) {
                    let frames = &frames[steps.clone()];
                    if steps.start > 0 {
                        starts::annihilate(Some(j.influence_mut()), |lane| frames[0].trace.starts()[lane]);
                    }
                    j.sweep(frames.len(), |step| frames[step].values(lanes), gradient);
                }
            }
            Recursion::Truncated(window) => {
                window.gradient(steps, |step| frames[step].values(lanes), gradient);
            }
            Recursion::Carried(j) => {
                j.gradient(steps, |step| frames[step].values(lanes), gradient);
                starts::forget_before(&mut frames[..steps], j.influence_mut());
                j.carry(steps, |step| frames[step].values(lanes));
            }
        }
    }

    fn mark_diverged(&self, diverged: &mut [bool]) {
        self.runner.rollout.state().mark_diverged(diverged);
        if let Some(influence) = self.influence() {
            influence.mark_diverged(diverged);
        }
    }

    fn forget(&mut self, lane: usize) {
        self.runner.forget(lane);
        if let Some(mut influence) = self.recursion.influence_mut() {
            influence.clear_lane(lane);
        }
    }

    fn lane(&self, lane: usize) -> LaneState<T> {
        let mut carried = self.runner.lane(lane);
        carried.influence = self.influence().map(|influence| {
            let entries = self.blocks().entries();
            entries.map(|(state, weight, entry)| (state, weight as u32, influence.at(entry)[lane])).collect()
        });
        carried
    }

    fn set_lane(&mut self, lane: usize, carried: &LaneState<T>) {
        self.runner.set_lane(lane, carried);
        let blocks = self.recursion.blocks().clone();
        let Some(mut influence) = self.recursion.influence_mut() else { return };
        influence.clear_lane(lane);
        for &(state, weight, value) in carried.influence.iter().flatten() {
            if let Some(entry) = blocks.find(state, weight as usize) {
                influence.at_mut(entry)[lane] = value;
            }
        }
    }

    fn relay(&mut self, stack: Arc<Stack<T>>, origin: &[Option<u32>]) {
        self.runner.relay(stack.clone(), origin);
        let new = match self.order {
            Some(order) => Self::of_order(stack, order, self.scope, self.plan),
            None => Self::new(stack, &Reach::new(self.blocks().reaches(), self.scope), self.plan),
        };
        self.replace(new.expect("the reaches fit every net with these rows and states"), origin);
    }

    fn schedule(&self) -> Option<Schedule> {
        Some(self.recursion.schedule())
    }

    fn cost(&self) -> Cost {
        let window = self.plan.window as f64;
        let macs = ScheduleCosts::new(self.blocks(), self.plan).of(self.recursion.schedule());
        let stack = &self.runner.stack;
        let down = if self.layered() { stack.descend_macs() } else { 0 };
        let frame = |f: &Frame<T>| {
            let scalars = f.dynamics.len() + f.row_jacobian.len() + f.delta.len();
            size_of::<Frame<T>>() + f.trace.bytes() + scalars * size_of::<T>()
        };
        Cost {
            forward: stack.linear().dense_weights() as f64,
            linearize: self.linearizer.macs() as f64,
            propagate: macs.propagate as f64 / window + down as f64,
            gradient: macs.gradient as f64 / window,
            bytes: size_of::<Self>()
                + self.frames.iter().map(frame).sum::<usize>()
                + self.recursion.bytes()
                + self.linearizer.bytes()
                + self.runner.bytes()
                + self.backward.bytes(),
        }
    }
}
