//! SnAp with a pattern that follows the magnitudes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::{Input, Linearizer, Stack};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::{Lanes, LanesMut, Pattern, Scalar, check_reach};
use serde::{Deserialize, Serialize};

use crate::{
    BuildEstimator, Cost, EstimatorError, GradientEstimator, Influence, LaneState, Order, Plan, Reach,
    Schedule, Scope, reach,
};

/// Settings of [`SnapTopK`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SnapTopKConfig {
    /// k: states of each row besides those of SnAp-1.
    pub extra: usize,
    /// Steps between two choices, at least 1. A choice is made at the end of the window in which it is due.
    pub every: u64,
}

impl Default for SnapTopKConfig {
    /// k = 4, chosen every 1000 steps.
    fn default() -> Self {
        Self { extra: 4, every: 1000 }
    }
}

/// SnAp whose pattern is chosen by magnitude and not by structure: `J ← P ∘ (I + D J)`, where each row reaches the
/// states of SnAp-1 and k further ones of its layer. The k states are chosen again every so many steps, as those with the
/// greatest scores:
///
/// ```text
/// score_r(i) = |J_ir| if i is in P_r, else Σ_k |D_ik| |J_kr| over the states k in P_r
/// ```
///
/// |J_ir| is the sum of the magnitudes of the entries of J by the weights of row r, so that the score of a state
/// outside the pattern bounds what the next step would bring it. Entries of J that stay in the pattern go on; new ones
/// begin at zero. Until the first choice the k states are the nearest ones by structure.
///
/// A choice allocates memory; other steps do not. Each lane has an estimator and a pattern of its own, so that its
/// gradient does not depend on the other lanes.
///
/// # Shapes
/// As [`Influence`], one block for rows of equal reach; rows rarely have equal reaches here.
///
/// # Reference
/// Menick et al., arXiv:2006.07232, for SnAp; the choice by magnitude is this library's.
#[derive(Debug)]
pub struct SnapTopK<T: Scalar> {
    influence: Influence<T>,
    config: SnapTopKConfig,
    /// Steps since the last choice.
    since: u64,
    /// Steps of the window so far.
    made: u64,
    /// Whether a choice was ever made.
    chosen: bool,
    lanes: usize,
    window: usize,
}

impl BuildEstimator for SnapTopKConfig {
    fn narrowest(&self) -> usize {
        usize::MAX
    }

    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        if self.every == 0 {
            return Err(EstimatorError::Zero { what: "the steps between two choices" });
        }
        Ok(Box::new(SnapTopK::new(stack, lanes.len(), window, self.clone())?))
    }
}

impl<T: Scalar> SnapTopK<T> {
    /// An estimator for `lanes` lanes, which share a pattern, and windows of at most `window` steps.
    ///
    /// # Errors
    /// Never for a valid stack.
    ///
    /// # Panics
    /// If `lanes` or `window` is zero.
    pub fn new(
        stack: Arc<Stack<T>>,
        lanes: usize,
        window: usize,
        config: SnapTopKConfig,
    ) -> Result<Self, EstimatorError> {
        let reach = Reach::new(nearest(&stack, config.extra), Scope::Layer);
        let influence = Influence::new(stack, &reach, plan(lanes, window))?;
        Ok(Self { influence, config, since: 0, made: 0, chosen: false, lanes, window })
    }

    /// The states that each row may influence at present.
    #[must_use]
    pub fn reaches(&self) -> Vec<Vec<u32>> {
        self.influence.blocks().reaches()
    }

    /// Chooses the pattern by the magnitudes at the step made last.
    fn choose(&mut self, weights: &[T]) {
        let (stack, lanes) = (self.influence.stack().clone(), self.lanes);
        let (rows, states) = (stack.row_jacobian().rows(), stack.states());
        let mut linearizer = Linearizer::new(&stack, stack.dynamics(), &Pattern::empty(rows, states), lanes);
        let mut values = vec![T::ZERO; linearizer.dynamics().nnz() * lanes];
        let mut none = vec![T::ZERO; linearizer.row_jacobian().pattern().nnz() * lanes];
        let (d, g) = (LanesMut::new(&mut values, lanes), LanesMut::new(&mut none, lanes));
        linearizer.run(weights, self.influence.last_trace(), d, g);
        // |D| by column, so that a state's successors lie together.
        let mut successors: Vec<Vec<(u32, f64)>> = vec![Vec::new(); states];
        for ((to, from), values) in linearizer.dynamics().iter().zip(values.chunks_exact(lanes)) {
            successors[from as usize].push((to as u32, magnitude(values)));
        }
        let norms = self.norms(&stack);
        let allowed = layers_of_rows(&stack);
        let reaches = self.reaches().into_iter().enumerate().map(|(row, old)| {
            let immediate = immediate(&stack, row, &allowed[row]);
            let mut scores = BTreeMap::new();
            for &k in &old {
                let norm = norms[row].get(&k).copied().unwrap_or(0.0);
                for &(i, d) in &successors[k as usize] {
                    if allowed[row].contains(&i) && old.binary_search(&i).is_err() {
                        *scores.entry(i).or_insert(0.0) += d * norm;
                    }
                }
                scores.insert(k, norm);
            }
            let mut others: Vec<(u32, f64)> =
                scores.into_iter().filter(|(i, _)| immediate.binary_search(i).is_err()).collect();
            // The sort is stable: among equals the first state wins.
            others.sort_by(|a, b| b.1.total_cmp(&a.1));
            let others = others.into_iter().take(self.config.extra).map(|(i, _)| i);
            sorted(immediate.iter().copied().chain(others))
        });
        let reach = Reach::new(reaches.collect(), Scope::Layer);
        let same: Vec<_> = (0..stack.weights_len() as u32).map(Some).collect();
        self.influence.relay_to(stack, &reach, &same);
        self.chosen = true;
    }

    /// |J_ir| for each row r and each state i in its reach.
    fn norms(&self, stack: &Stack<T>) -> Vec<BTreeMap<u32, f64>> {
        let pattern = stack.linear().pattern();
        let mut row_of = vec![0; pattern.nnz()];
        for row in 0..pattern.rows() {
            row_of[pattern.entries(row)].fill(row);
        }
        let influence = self.influence.influence().expect("J is kept");
        let mut norms = vec![BTreeMap::new(); pattern.rows()];
        for (state, weight, entry) in self.influence.blocks().entries() {
            *norms[row_of[weight]].entry(state).or_insert(0.0) += magnitude(influence.at(entry));
        }
        norms
    }
}

fn plan(lanes: usize, window: usize) -> Plan {
    Plan { schedule: Schedule::Streaming, ..Plan::new(lanes, window) }
}

/// Σ |x|; NaN counts as nothing.
fn magnitude<T: Scalar>(x: &[T]) -> f64 {
    x.iter().map(|x| x.to_f64().abs()).filter(|x| !x.is_nan()).sum()
}

fn sorted(states: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut states: Vec<u32> = states.collect();
    states.sort_unstable();
    states.dedup();
    states
}

/// The states of each row's layer.
fn layers_of_rows<T: Scalar>(stack: &Stack<T>) -> Vec<Range<u32>> {
    let layer = |depth| {
        let states = stack.layer_states(depth);
        stack.layer_rows(depth).map(move |_| states.start as u32..states.end as u32)
    };
    (0..stack.depth()).flat_map(layer).collect()
}

/// The states of SnAp-1 of a row.
fn immediate<T: Scalar>(stack: &Stack<T>, row: usize, allowed: &Range<u32>) -> Vec<u32> {
    stack.row_jacobian().row(row).iter().copied().filter(|state| allowed.contains(state)).collect()
}

/// For each row the states of SnAp-1 and up to `extra` others, those that are reached in the fewest steps.
fn nearest<T: Scalar>(stack: &Stack<T>, extra: usize) -> Vec<Vec<u32>> {
    let within = |steps| reach(stack, stack.dynamics(), Order::Steps(steps), Scope::Layer).rows().to_vec();
    let first = within(1);
    let mut chosen = first.clone();
    for steps in 2.. {
        let all = within(steps);
        let mut grown = false;
        for ((chosen, all), first) in chosen.iter_mut().zip(&all).zip(&first) {
            let new = all.iter().filter(|state| chosen.binary_search(state).is_err());
            let new: Vec<u32> =
                new.copied().take((first.len() + extra).saturating_sub(chosen.len())).collect();
            grown |= !new.is_empty();
            *chosen = sorted(chosen.iter().copied().chain(new));
        }
        if !grown {
            break;
        }
    }
    chosen
}

impl<T: Scalar> Persist for SnapTopK<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.value("since", &mut self.since)?;
        archive.value("chosen", &mut self.chosen)?;
        let reaches = self.reaches();
        // For each row the number of its states, and the states.
        let mut lists: Vec<u32> =
            reaches.iter().flat_map(|reach| [&[reach.len() as u32], &reach[..]].concat()).collect();
        archive.vec("pattern", &mut lists)?;
        if archive.is_loading() {
            let stack = self.influence.stack().clone();
            let found = unpacked(&lists, &stack);
            let unfit = || "a pattern that does not fit the net".to_string();
            archive.check("pattern", found.is_some(), unfit)?;
            let reach = Reach::new(found.unwrap_or_default(), Scope::Layer);
            let influence = Influence::new(stack, &reach, plan(self.lanes, self.window));
            self.influence = influence.map_err(|_| archive.refusal("pattern", unfit()))?;
            self.made = 0;
        }
        self.influence.persist(archive)
    }
}

/// The reach of each row from the numbers in a file; `None` if they are no reaches within the rows' layers.
fn unpacked<T: Scalar>(mut lists: &[u32], stack: &Stack<T>) -> Option<Vec<Vec<u32>>> {
    let allowed = layers_of_rows(stack);
    let mut reaches = Vec::with_capacity(allowed.len());
    for allowed in &allowed {
        let (&len, rest) = lists.split_first()?;
        let (reach, rest) = rest.split_at_checked(len as usize)?;
        if !reach.iter().all(|state| allowed.contains(state)) {
            return None;
        }
        reaches.push(reach.to_vec());
        lists = rest;
    }
    (lists.is_empty() && check_reach(&reaches, allowed.len(), stack.states()).is_ok()).then_some(reaches)
}

impl<T: Scalar> GradientEstimator<T> for SnapTopK<T> {
    fn stack(&self) -> &Arc<Stack<T>> {
        self.influence.stack()
    }

    fn step(&mut self, weights: &[T], input: Input<'_, T>, starts: &[bool]) {
        self.influence.step(weights, input, starts);
        self.made += 1;
    }

    fn state(&self) -> Lanes<'_, T> {
        self.influence.state()
    }

    fn observe(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, gradient: &mut [T]) {
        self.influence.observe(weights, loss_gradient, gradient);
    }

    fn input_gradient(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, into: &mut LanesMut<'_, T>) {
        self.influence.input_gradient(weights, loss_gradient, into);
    }

    fn finish_window(&mut self, weights: &[T], gradient: &mut [T]) {
        self.influence.finish_window(weights, gradient);
        self.since += std::mem::take(&mut self.made);
        if self.since >= self.config.every {
            self.since = 0;
            self.choose(weights);
        }
    }

    fn mark_diverged(&self, diverged: &mut [bool]) {
        self.influence.mark_diverged(diverged);
    }

    fn forget(&mut self, lane: usize) {
        self.influence.forget(lane);
    }

    fn lane(&self, lane: usize) -> LaneState<T> {
        self.influence.lane(lane)
    }

    fn set_lane(&mut self, lane: usize, carried: &LaneState<T>) {
        self.influence.set_lane(lane, carried);
    }

    fn relay(&mut self, stack: Arc<Stack<T>>, origin: &[Option<u32>]) {
        let rows = if self.chosen && stack.row_jacobian().rows() == self.reaches().len() {
            let allowed = layers_of_rows(&stack);
            let rows = self.reaches().into_iter().enumerate().map(|(row, old)| {
                let immediate = immediate(&stack, row, &allowed[row]);
                let others: Vec<u32> =
                    old.into_iter().filter(|i| immediate.binary_search(i).is_err()).collect();
                sorted(immediate.iter().copied().chain(others.into_iter().take(self.config.extra)))
            });
            rows.collect()
        } else {
            nearest(&stack, self.config.extra)
        };
        self.influence.relay_to(stack, &Reach::new(rows, Scope::Layer), origin);
    }

    fn schedule(&self) -> Option<Schedule> {
        self.influence.schedule()
    }

    fn cost(&self) -> Cost {
        let cost = self.influence.cost();
        Cost { bytes: cost.bytes - size_of::<Influence<T>>() + size_of::<Self>(), ..cost }
    }
}
