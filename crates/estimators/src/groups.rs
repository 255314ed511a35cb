//! Lanes in groups that fill SIMD registers.
//!
//! With several lanes, kernels vectorize along the lanes: fast if the lanes fill a SIMD register, slow if they
//! do not. With one lane, kernels vectorize along the weights. So lanes that would not fill a register are
//! fastest with an estimator each.

use std::fmt::{self, Debug};
use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::{Input, Inputs, Stack};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::{Lanes, LanesMut, Scalar};

use crate::runner::states_of;
use crate::{Cost, EstimatorError, GradientEstimator, LaneState, Schedule};

/// Number of lanes that fills a SIMD register at every level of instructions: 16 numbers in `f32` under
/// AVX-512.
const WIDEST: usize = 16;

/// Cuts `lanes` lanes into groups: as many as fill the widest registers, a multiple of `WIDEST`; of the rest as
/// many as are a multiple of `narrowest`; and the others lane by lane.
fn groups(lanes: usize, narrowest: usize) -> Vec<Range<usize>> {
    let filled = lanes - lanes % narrowest;
    let widest = (lanes - lanes % WIDEST).min(filled);
    let together = [0..widest, widest..filled].into_iter().filter(|group| !group.is_empty());
    together.chain((filled..lanes).map(|lane| lane..lane + 1)).collect()
}

/// An estimator of all lanes, from those that `make` builds for each group of lanes.
pub(crate) fn build<T: Scalar>(
    stack: Arc<Stack<T>>,
    lanes: usize,
    narrowest: usize,
    make: impl Fn(Arc<Stack<T>>, Range<usize>) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError>,
) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
    let groups = groups(lanes, narrowest);
    if groups.len() <= 1 {
        return make(stack, 0..lanes);
    }
    Ok(Box::new(Groups::new(stack, groups, make)?))
}

/// Several estimators that share the lanes, as one estimator.
pub(crate) struct Groups<T> {
    stack: Arc<Stack<T>>,
    pub groups: Vec<Group<T>>,
    /// s_t of all lanes, `[states][lanes]`.
    state: Vec<T>,
    pub lanes: usize,
}

/// Consecutive lanes and their estimator.
#[derive(Debug)]
pub(crate) struct Group<T> {
    pub lanes: Range<usize>,
    pub estimator: Box<dyn GradientEstimator<T>>,
    /// Memory for x_t and for the loss gradient of these lanes alone.
    input: Vec<T>,
    loss_gradient: Vec<T>,
}

/// Copies the lanes `range` of `from` to the beginning of `into`. Returns the copy, which has these lanes
/// alone.
fn pick<'a, T: Copy>(into: &'a mut [T], from: Lanes<'_, T>, range: &Range<usize>) -> Lanes<'a, T> {
    let entries = into.chunks_exact_mut(range.len()).zip(from.values().chunks_exact(from.lanes()));
    entries.for_each(|(into, from)| into.copy_from_slice(&from[range.clone()]));
    Lanes::new(&into[..from.len() * range.len()], range.len())
}

/// Copies all lanes of `from` to the lanes `range` of `into`, which has `lanes` lanes.
fn place<T: Copy>(into: &mut [T], lanes: usize, from: Lanes<'_, T>, range: &Range<usize>) {
    let entries = into.chunks_exact_mut(lanes).zip(from.values().chunks_exact(from.lanes()));
    entries.for_each(|(into, from)| into[range.clone()].copy_from_slice(from));
}

impl<T: Debug> Debug for Groups<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.groups).finish()
    }
}

impl<T: Scalar> Groups<T> {
    /// An estimator for each of these groups of lanes.
    pub fn new(
        stack: Arc<Stack<T>>,
        groups: Vec<Range<usize>>,
        make: impl Fn(Arc<Stack<T>>, Range<usize>) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError>,
    ) -> Result<Self, EstimatorError> {
        let inputs = match stack.inputs() {
            Inputs::Dense(n) => n,
            Inputs::Symbols(_) => 0,
        };
        let lanes = groups.iter().map(Range::len).sum();
        let group = |lanes: Range<usize>| -> Result<_, EstimatorError> {
            let zeros = |len: usize| vec![T::ZERO; len * lanes.len()];
            let (input, loss_gradient) = (zeros(inputs), zeros(stack.states()));
            Ok(Group { estimator: make(stack.clone(), lanes.clone())?, input, loss_gradient, lanes })
        };
        let groups = groups.into_iter().map(group).collect::<Result<_, _>>()?;
        let mut all = Self { groups, state: vec![T::ZERO; stack.states() * lanes], stack, lanes };
        all.collect();
        Ok(all)
    }

    /// Copies the states of all groups into `state`.
    fn collect(&mut self) {
        for Group { lanes, estimator, .. } in &self.groups {
            place(&mut self.state, self.lanes, estimator.state(), lanes);
        }
    }

    /// The index of a lane's group, and the number of the lane within the group.
    fn find(&self, lane: usize) -> (usize, usize) {
        let group = self.groups.iter().position(|group| group.lanes.contains(&lane));
        let group = group.unwrap_or_else(|| panic!("lane {lane} of {}", self.lanes));
        (group, lane - self.groups[group].lanes.start)
    }

    /// [`GradientEstimator::observe`], each group with a gradient of its own.
    pub fn observe_each(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, gradients: &mut [Vec<T>]) {
        states_of(&self.stack, self.lanes, loss_gradient);
        for (Group { lanes, estimator, loss_gradient: own, .. }, gradient) in
            self.groups.iter_mut().zip(gradients)
        {
            estimator.observe(weights, pick(own, loss_gradient, lanes), gradient);
        }
    }

    /// [`GradientEstimator::finish_window`], each group with a gradient of its own.
    pub fn finish_each(&mut self, weights: &[T], gradients: &mut [Vec<T>]) {
        for (group, gradient) in self.groups.iter_mut().zip(gradients) {
            group.estimator.finish_window(weights, gradient);
        }
    }
}

impl<T: Scalar> Persist for Groups<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        for (i, group) in self.groups.iter_mut().enumerate() {
            archive.part(&format!("group{i}"), &mut *group.estimator)?;
        }
        self.collect();
        Ok(())
    }
}

impl<T: Scalar> GradientEstimator<T> for Groups<T> {
    fn step(&mut self, weights: &[T], input: Input<'_, T>, starts: &[bool]) {
        assert_eq!(starts.len(), self.lanes, "starts (left) and lanes (right)");
        // Symbols are checked here, since a group that refuses its symbol would do so after others have
        // stepped.
        if let (Input::Symbols(symbols), Inputs::Symbols(n)) = (input, self.stack.inputs()) {
            let outside = symbols.iter().find(|&&symbol| symbol as usize >= n);
            assert!(outside.is_none(), "the symbol {outside:?} is not in 0..{n}");
        }
        for Group { lanes, estimator, input: own, .. } in &mut self.groups {
            let input = match input {
                Input::Dense(x) => {
                    let (found, expected) = ((x.len(), x.lanes()), (own.len() / lanes.len(), self.lanes));
                    assert_eq!(
                        found, expected,
                        "size and lanes of the input, found (left) and expected (right)"
                    );
                    Input::Dense(pick(own, x, lanes))
                }
                Input::Symbols(symbols) => {
                    assert_eq!(symbols.len(), self.lanes, "symbols (left) and lanes (right)");
                    Input::Symbols(&symbols[lanes.clone()])
                }
            };
            estimator.step(weights, input, &starts[lanes.clone()]);
        }
        self.collect();
    }

    fn stack(&self) -> &Arc<Stack<T>> {
        &self.stack
    }

    fn state(&self) -> Lanes<'_, T> {
        Lanes::new(&self.state, self.lanes)
    }

    fn observe(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, gradient: &mut [T]) {
        states_of(&self.stack, self.lanes, loss_gradient);
        for Group { lanes, estimator, loss_gradient: own, .. } in &mut self.groups {
            estimator.observe(weights, pick(own, loss_gradient, lanes), gradient);
        }
    }

    fn input_gradient(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, into: &mut LanesMut<'_, T>) {
        states_of(&self.stack, self.lanes, loss_gradient);
        let (found, expected) = ((into.len(), into.lanes()), (self.stack.inputs().len(), self.lanes));
        assert_eq!(
            found, expected,
            "size and lanes of the gradient by the input (left), of the input (right)"
        );
        for Group { lanes, estimator, input, loss_gradient: own, .. } in &mut self.groups {
            let mut own_input = LanesMut::new(input, lanes.len());
            estimator.input_gradient(weights, pick(own, loss_gradient, lanes), &mut own_input);
            place(into.values_mut(), self.lanes, Lanes::new(input, lanes.len()), lanes);
        }
    }

    fn finish_window(&mut self, weights: &[T], gradient: &mut [T]) {
        self.groups.iter_mut().for_each(|group| group.estimator.finish_window(weights, gradient));
    }

    fn mark_diverged(&self, diverged: &mut [bool]) {
        assert_eq!(diverged.len(), self.lanes, "flags (left) and lanes (right)");
        for group in &self.groups {
            group.estimator.mark_diverged(&mut diverged[group.lanes.clone()]);
        }
    }

    fn forget(&mut self, lane: usize) {
        let (group, lane) = self.find(lane);
        self.groups[group].estimator.forget(lane);
        self.collect();
    }

    fn lane(&self, lane: usize) -> LaneState<T> {
        let (group, lane) = self.find(lane);
        self.groups[group].estimator.lane(lane)
    }

    fn set_lane(&mut self, lane: usize, carried: &LaneState<T>) {
        let (group, lane) = self.find(lane);
        self.groups[group].estimator.set_lane(lane, carried);
        self.collect();
    }

    fn relay(&mut self, stack: Arc<Stack<T>>, origin: &[Option<u32>]) {
        self.groups.iter_mut().for_each(|group| group.estimator.relay(stack.clone(), origin));
        self.stack = stack;
    }

    fn schedule(&self) -> Option<Schedule> {
        self.groups[0].estimator.schedule()
    }

    fn cost(&self) -> Cost {
        let own =
            size_of::<Self>() + size_of_val(&self.state[..]) + self.groups.capacity() * size_of::<Group<T>>();
        let mut all = Cost { bytes: own, ..Cost::default() };
        for group in &self.groups {
            let (cost, share) = (group.estimator.cost(), group.lanes.len() as f64 / self.lanes as f64);
            all.forward += share * cost.forward;
            all.linearize += share * cost.linearize;
            all.propagate += share * cost.propagate;
            all.gradient += share * cost.gradient;
            all.bytes += cost.bytes + size_of_val(&group.input[..]) + size_of_val(&group.loss_gradient[..]);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::{Range, groups};

    #[test]
    fn groups_fill_vectors_and_hold_every_lane_once() {
        let sizes = |lanes, narrowest| groups(lanes, narrowest).iter().map(Range::len).collect::<Vec<_>>();
        assert_eq!(sizes(1, 4), [1]);
        assert_eq!(sizes(3, 4), [1, 1, 1]);
        assert_eq!(sizes(12, 4), [12]);
        assert_eq!(sizes(12, 8), [8, 1, 1, 1, 1]);
        assert_eq!(sizes(64, 8), [64]);
        assert_eq!(sizes(53, 4), [48, 4, 1]);
        assert_eq!(sizes(18, 16), [16, 1, 1]);
        for (lanes, narrowest) in (1..70).flat_map(|lanes| [4, 8, 16].map(|n| (lanes, n))) {
            let all: Vec<usize> = groups(lanes, narrowest).into_iter().flatten().collect();
            assert_eq!(all, (0..lanes).collect::<Vec<_>>());
        }
    }
}
