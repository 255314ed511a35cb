//! Lanes in groups that fill vectors.
//!
//! Kernels go through a structure once for all lanes, with vectors along them: quick if the lanes fill vectors, slow if they
//! do not. A single lane has vectors along the weights instead. So lanes that fill no vector are quickest as several estimators.

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::{Input, Inputs, Stack};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::{Lanes, Scalar};

use crate::registry::Build;
use crate::{Cost, EstimatorError, GradientEstimator};

/// Lanes that fill vectors of every level of instructions.
const WIDEST: usize = 16;

/// The groups of `lanes` lanes: those that fill the widest vectors, those of the rest that fill vectors of `narrowest` lanes,
/// and then lane by lane.
fn groups(lanes: usize, narrowest: usize) -> Vec<Range<usize>> {
    let widest = lanes - lanes % WIDEST;
    let filled = lanes - lanes % narrowest;
    let together = [0..widest, widest..filled].into_iter().filter(|group| !group.is_empty());
    together.chain((filled..lanes).map(|lane| lane..lane + 1)).collect()
}

/// The estimator that `config` describes: one for each group of lanes.
pub(crate) fn build<T: Scalar>(
    config: &impl Build,
    stack: Arc<Stack<T>>,
    lanes: usize,
    window: usize,
) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
    let groups = groups(lanes, config.narrowest());
    if groups.len() == 1 {
        return config.build(stack, 0..lanes, window);
    }
    let inputs = match stack.inputs() {
        Inputs::Dense(n) => n,
        Inputs::Symbols(_) => 0,
    };
    let group = |lanes: Range<usize>| -> Result<_, EstimatorError> {
        let zeros = |len: usize| vec![T::ZERO; len * lanes.len()];
        let (input, hidden_gradient) = (zeros(inputs), zeros(stack.hidden().len()));
        let estimator = config.build(stack.clone(), lanes.clone(), window)?;
        Ok(Group { estimator, input, hidden_gradient, lanes })
    };
    let groups = groups.into_iter().map(group).collect::<Result<_, _>>()?;
    let mut all = Groups { groups, hidden: vec![T::ZERO; stack.hidden().len() * lanes], lanes };
    all.collect();
    Ok(Box::new(all))
}

/// Estimators that share out the lanes.
struct Groups<T> {
    groups: Vec<Group<T>>,
    /// h_t of all lanes.
    hidden: Vec<T>,
    lanes: usize,
}

/// Consecutive lanes and their estimator.
struct Group<T> {
    lanes: Range<usize>,
    estimator: Box<dyn GradientEstimator<T>>,
    /// x_t and ∂L_t/∂h_t of these lanes.
    input: Vec<T>,
    hidden_gradient: Vec<T>,
}

/// Copies the lanes `range` of `from` to all lanes of `into`.
fn pick<T: Copy>(into: &mut [T], from: Lanes<'_, T>, range: &Range<usize>) {
    let entries = into.chunks_exact_mut(range.len()).zip(from.values().chunks_exact(from.lanes()));
    entries.for_each(|(into, from)| into.copy_from_slice(&from[range.clone()]));
}

impl<T: Scalar> Groups<T> {
    /// Takes over the hidden states of all groups.
    fn collect(&mut self) {
        for Group { lanes, estimator, .. } in &self.groups {
            let from = estimator.hidden();
            let entries =
                self.hidden.chunks_exact_mut(self.lanes).zip(from.values().chunks_exact(lanes.len()));
            entries.for_each(|(into, from)| into[lanes.clone()].copy_from_slice(from));
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
        for Group { lanes, estimator, input: own, .. } in &mut self.groups {
            let input = match input {
                Input::Dense(x) => {
                    let expected = (own.len() / lanes.len(), self.lanes);
                    assert_eq!(
                        (x.len(), x.lanes()),
                        expected,
                        "size and lanes of the input, found (left) and expected (right)"
                    );
                    pick(own, x, lanes);
                    Input::Dense(Lanes::new(own, lanes.len()))
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

    fn hidden(&self) -> Lanes<'_, T> {
        Lanes::new(&self.hidden, self.lanes)
    }

    fn observe(&mut self, weights: &[T], hidden_gradient: Lanes<'_, T>, gradient: &mut [T]) {
        let found = (hidden_gradient.len(), hidden_gradient.lanes());
        let expected = (self.hidden.len() / self.lanes, self.lanes);
        assert_eq!(
            found, expected,
            "size and lanes of the gradient by the hidden state, found (left) and expected (right)"
        );
        for Group { lanes, estimator, hidden_gradient: own, .. } in &mut self.groups {
            pick(own, hidden_gradient, lanes);
            estimator.observe(weights, Lanes::new(own, lanes.len()), gradient);
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
        let lanes = self.lanes;
        let group = self.groups.iter_mut().find(|group| group.lanes.contains(&lane));
        let group = group.unwrap_or_else(|| panic!("lane {lane} of {lanes}"));
        group.estimator.forget(lane - group.lanes.start);
        self.collect();
    }

    fn relay(&mut self, stack: Arc<Stack<T>>, origin: &[Option<u32>]) {
        self.groups.iter_mut().for_each(|group| group.estimator.relay(stack.clone(), origin));
    }

    fn cost(&self) -> Cost {
        let own = size_of::<Self>()
            + size_of_val(&self.hidden[..])
            + self.groups.capacity() * size_of::<Group<T>>();
        let mut all = Cost { bytes: own, ..Cost::default() };
        for group in &self.groups {
            let (cost, share) = (group.estimator.cost(), group.lanes.len() as f64 / self.lanes as f64);
            all.forward += share * cost.forward;
            all.linearize += share * cost.linearize;
            all.propagate += share * cost.propagate;
            all.gradient += share * cost.gradient;
            all.bytes += cost.bytes + size_of_val(&group.input[..]) + size_of_val(&group.hidden_gradient[..]);
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
