//! SnAp-n and exact RTRL: the influence matrix in blocks, under one of three schedules.

mod persist;
mod recursion;
mod schedule;
mod starts;
mod transport;

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::{Backward, Input, Linearizer, Stack, Trace};
use rtrl_sparse::{Blocks, Lanes, LanesMut, Operand, Pattern, Scalar, StepValues, check_reach};
use serde::{Deserialize, Serialize};

pub use schedule::{Schedule, ScheduleCosts};
pub use transport::Transport;

use self::recursion::Recursion;
use crate::reach::{Order, Scope, reach};
use crate::registry::Build;
use crate::runner::Runner;
use crate::{Cost, EstimatorError, GradientEstimator};

/// Settings of SnAp-n.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapConfig {
    /// n: influence is kept where it is structurally nonzero within n steps.
    pub order: usize,
    /// Whether reach crosses layers. If nothing is said, see [`scope`](Self::scope).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// How the recursion is carried out; changes time and memory, never the numbers (to rounding).
    #[serde(default)]
    pub schedule: Schedule,
    /// Drops the influence at the end of each window. Exact, and far cheaper, where every window begins with a new
    /// sequence in every lane; truncates credit at the window's end elsewhere.
    #[serde(default)]
    pub truncate: bool,
}

impl SnapConfig {
    /// SnAp-n of order `order`, everything else as by default.
    #[must_use]
    pub fn new(order: usize) -> Self {
        Self { order, ..Self::default() }
    }

    /// The scope in use. If none is set, SnAp-1 goes layer by layer, at about the cost of BPTT: in a stack that is seen as one cell
    /// every row of a lower layer reaches most states above at once, and a step of a dense one costs hundreds of times as much. From
    /// n = 2 on it is the whole stack, in which SnAp-n becomes exact as n grows.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope.unwrap_or(if self.order == 1 { Scope::Layer } else { Scope::Stack })
    }
}

impl Default for SnapConfig {
    fn default() -> Self {
        Self { order: 1, scope: None, schedule: Schedule::default(), truncate: false }
    }
}

/// Settings of exact RTRL.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RtrlConfig {
    /// Keeps every entry of J, the structurally zero ones too: the textbook's dense J.
    #[serde(default)]
    pub dense: bool,
    /// See [`SnapConfig::schedule`].
    #[serde(default)]
    pub schedule: Schedule,
    /// See [`SnapConfig::truncate`].
    #[serde(default)]
    pub truncate: bool,
}

impl Build for SnapConfig {
    fn narrowest(&self) -> usize {
        narrowest(self.truncate)
    }

    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        if self.order == 0 {
            return Err(EstimatorError::Zero { what: "the order n of SnAp-n" });
        }
        let (scope, schedule, truncate) = (self.scope(), self.schedule, self.truncate);
        let plan = Plan { scope, schedule, truncate, ..Plan::new(lanes.len(), window) };
        Ok(Box::new(Influence::of_order(stack, Order::Steps(self.order), plan)?))
    }
}

impl Build for RtrlConfig {
    fn narrowest(&self) -> usize {
        narrowest(self.truncate)
    }

    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        let order = if self.dense { Order::All } else { Order::Closure };
        let plan =
            Plan { schedule: self.schedule, truncate: self.truncate, ..Plan::new(lanes.len(), window) };
        Ok(Box::new(Influence::of_order(stack, order, plan)?))
    }
}

/// See [`Build::narrowest`]: four lanes are quicker together in adjoints alone, and one by one where J is carried.
fn narrowest(truncate: bool) -> usize {
    if truncate { 4 } else { 8 }
}

/// Everything about an [`Influence`] but the net and the reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Parallel streams.
    pub lanes: usize,
    /// Steps between two calls of [`GradientEstimator::finish_window`], at most.
    pub window: usize,
    /// Must be the scope that the reach was made for: it says whether δ is pulled down through the layers.
    pub scope: Scope,
    /// How the recursion is carried out.
    pub schedule: Schedule,
    /// See [`SnapConfig::truncate`].
    pub truncate: bool,
    /// What carries the influence from step to step.
    pub transport: Transport,
}

impl Plan {
    /// The whole stack, D itself, nothing dropped, whatever schedule is cheapest.
    pub fn new(lanes: usize, window: usize) -> Self {
        Self {
            lanes,
            window,
            scope: Scope::Stack,
            schedule: Schedule::Auto,
            truncate: false,
            transport: Transport::Exact,
        }
    }
}

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
pub struct Influence<T> {
    runner: Runner<T>,
    plan: Plan,
    /// How the reach follows from the net; none for one that was given.
    order: Option<Order>,
    recursion: Recursion<T>,
    linearizer: Linearizer<T>,
    backward: Backward<T>,
    frames: Vec<Frame<T>>,
}

/// What one step contributes.
#[derive(Debug, Clone)]
struct Frame<T> {
    trace: Trace<T>,
    dynamics: Vec<T>,
    row_jacobian: Vec<T>,
    delta: Vec<T>,
}

impl<T: Scalar> Frame<T> {
    fn values(&self, lanes: usize) -> StepValues<'_, T> {
        StepValues {
            dynamics: Lanes::new(&self.dynamics, lanes),
            row_jacobian: Lanes::new(&self.row_jacobian, lanes),
            sources: self.trace.sources(),
            delta: Lanes::new(&self.delta, lanes),
        }
    }
}

impl<T: Scalar> Influence<T> {
    /// An estimator whose rows reach as far as `order` says along the plan's transport.
    ///
    /// # Errors
    /// Never for a valid stack.
    ///
    /// # Panics
    /// If `lanes` or `window` is zero.
    pub fn of_order(stack: Arc<Stack<T>>, order: Order, plan: Plan) -> Result<Self, EstimatorError> {
        let reach = reach(&stack, &plan.transport.pattern(&stack), order, plan.scope);
        Ok(Self { order: Some(order), ..Self::new(stack, &reach, plan)? })
    }

    /// An estimator whose row `r` reaches the states `reach[r]` (increasing). Any reaches are allowed; an empty one
    /// switches the learning of its row off.
    ///
    /// # Errors
    /// If the reaches do not fit the net.
    ///
    /// # Panics
    /// If `lanes` or `window` is zero.
    pub fn new(stack: Arc<Stack<T>>, reach: &[Vec<u32>], plan: Plan) -> Result<Self, EstimatorError> {
        let Plan { lanes, window, transport, .. } = plan;
        let runner = Runner::new(stack, lanes, window);
        let stack = &runner.stack;
        check_reach(reach, stack.row_jacobian().rows(), stack.states())?;
        let carried = Blocks::needed_dynamics(&transport.pattern(stack), reach);
        let inside = Pattern::from_rows(stack.states(), reach.iter().map(|r| r.iter().copied()))
            .expect("reaches were checked");
        let linearizer = Linearizer::new(stack, &transport.computed(&carried), &inside, lanes);
        // Where the transport's values stand: among those of the linearizer, or in an array of their own.
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
            order: None,
        })
    }

    /// The schedule in use: never [`Schedule::Auto`].
    pub fn schedule(&self) -> Schedule {
        self.recursion.schedule()
    }

    /// The layout of J.
    pub fn blocks(&self) -> &Blocks {
        self.recursion.blocks()
    }

    /// J, in the layout of [`blocks`](Self::blocks): as of the last step observed where every step advances it
    /// ([`Schedule::Streaming`]), as of the last window finished elsewhere. `None` if this schedule keeps none.
    pub fn influence(&self) -> Option<Lanes<'_, T>> {
        self.recursion.influence()
    }

    /// The frame of a step of the window.
    fn slot(&self, step: usize) -> usize {
        if self.recursion.is_streaming() { 0 } else { step }
    }

    /// Whether δ has to be pulled down through the layers.
    fn layered(&self) -> bool {
        self.plan.scope == Scope::Layer && self.runner.stack.depth() > 1
    }
}

impl<T: Scalar> GradientEstimator<T> for Influence<T> {
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
        // Within a window J is not known yet under other schedules.
        if step == 0 || self.recursion.is_streaming() {
            match self.recursion.influence_mut() {
                Some(mut influence) if truncates => influence.values().fill(T::ZERO),
                influence => starts::annihilate(influence, |lane| starts[lane]),
            }
        }
    }

    fn hidden(&self) -> Lanes<'_, T> {
        self.runner.hidden()
    }

    fn observe(&mut self, weights: &[T], hidden_gradient: Lanes<'_, T>, gradient: &mut [T]) {
        let step = self.runner.observe(weights, hidden_gradient, gradient);
        let (slot, lanes, layered) = (self.slot(step), self.plan.lanes, self.layered());
        let (stack, frame) = (&self.runner.stack, &mut self.frames[slot]);
        let hidden = stack.hidden();
        frame.delta.fill(T::ZERO);
        frame.delta[hidden.start * lanes..hidden.end * lanes].copy_from_slice(hidden_gradient.values());
        if layered {
            stack.descend(weights, &frame.trace, &mut frame.delta, &mut self.backward);
        }
        if let Recursion::Streaming(j) = &mut self.recursion {
            j.advance(self.frames[slot].values(lanes), gradient);
        }
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

    fn relay(&mut self, stack: Arc<Stack<T>>, origin: &[Option<u32>]) {
        self.runner.relay(stack.clone(), origin);
        let new = match self.order {
            Some(order) => Self::of_order(stack, order, self.plan),
            None => Self::new(stack, &self.blocks().reaches(), self.plan),
        };
        let mut new = new.expect("the reaches fit every net with these rows and states");
        std::mem::swap(&mut new.runner, &mut self.runner);
        let blocks = new.recursion.blocks().clone();
        if let (Some(old), Some(mut influence)) = (self.influence(), new.recursion.influence_mut()) {
            blocks.relay(self.blocks(), origin, self.plan.lanes, old.values(), influence.values());
        }
        *self = new;
    }

    fn cost(&self) -> Cost {
        let window = self.plan.window as f64;
        let macs = ScheduleCosts::new(self.blocks(), self.plan).of(self.schedule());
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
