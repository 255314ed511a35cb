//! A window's gradient by the adjoints of the blocks, with the memory for it.

use crate::lanes::Lanes;
use crate::linear::Outers;
use crate::recursion::adjoint::{Adjoint, Initial};
use crate::recursion::dense_adjoint::{Dense, PullBack};
use crate::recursion::flat::Flat;
use crate::recursion::{Blocks, StepValues};
use crate::run::{Computation, Scalar};

/// Scratch memory for the adjoints of a window.
#[derive(Debug, Clone)]
pub(crate) struct Window<T> {
    /// a of every block, one after the other, each `[reach][lanes]`.
    adjoint: Vec<T>,
    /// Scratch for a of one block, one step earlier.
    new: Vec<T>,
    /// aᵀ G of every row, `[rows][lanes]`.
    rows: Vec<T>,
    outers: Outers<T>,
    /// In one lane, if all blocks are small.
    flat: Option<Flat>,
    dense: Option<Dense<T>>,
}

impl<T: Scalar> Window<T> {
    pub fn new(blocks: &Blocks, lanes: usize, steps: usize) -> Self {
        let reaches = || blocks.blocks().map(|block| block.reach().len());
        let zeros = |len: usize| vec![T::ZERO; len * lanes];
        let flat = if lanes == 1 && !blocks.dense_adjoint() { Flat::new(blocks) } else { None };
        Self {
            adjoint: zeros(reaches().sum()),
            new: zeros(if flat.is_some() { reaches().sum() } else { reaches().max().unwrap_or(0) }),
            flat,
            rows: zeros(blocks.linear.pattern().rows()),
            outers: Outers::new(blocks.linear.clone(), lanes, steps),
            dense: blocks.dense_adjoint().then(|| Dense::new(blocks, lanes)),
        }
    }

    pub fn bytes(&self) -> usize {
        let parts = [&self.adjoint, &self.new, &self.rows];
        parts.iter().map(|part| size_of_val(&part[..])).sum::<usize>()
            + self.outers.bytes()
            + self.flat.as_ref().map_or(0, Flat::bytes)
            + self.dense.as_ref().map_or(0, Dense::bytes)
    }

    /// Adds the gradient of a window, and `(D_1[R, R]ᵀ a_1)ᵀ J_0` if `influence`, the J_0 before the window, is
    /// given.
    pub fn gradient<'a>(
        &mut self,
        blocks: &Blocks,
        influence: Option<&[T]>,
        steps: usize,
        values: &impl Fn(usize) -> StepValues<'a, T>,
        gradient: &mut [T],
    ) {
        if steps == 0 {
            return;
        }
        let lanes = values(0).delta.lanes();
        self.adjoint.fill(T::ZERO);
        for step in (0..steps).rev() {
            let now = values(step);
            let after = (step + 1 < steps).then(|| values(step + 1).dynamics);
            let dynamics = self.leave(blocks, after);
            let Self { adjoint, new, rows, flat, .. } = self;
            let flat = flat.as_ref();
            T::run(lanes, Computation::Adjoint(Adjoint { blocks, flat, dynamics, now, adjoint, new, rows }));
            self.outers.push(Lanes::new(&self.rows, lanes), now.sources, gradient);
        }
        self.outers.flush(gradient);
        if let Some(influence) = influence {
            let dynamics = self.leave(blocks, Some(values(0).dynamics));
            let Self { adjoint, new, .. } = self;
            let kernel = Initial { blocks, lanes, dynamics, influence, adjoint, new, gradient };
            T::run(lanes, Computation::Initial(kernel));
        }
    }

    /// If the layout has a dense adjoint, pulls the adjoints of all blocks back through `dynamics` and returns
    /// `None`. Else returns `dynamics`, for the next kernel to do so block by block.
    fn leave<'a>(&mut self, blocks: &Blocks, dynamics: Option<Lanes<'a, T>>) -> Option<Lanes<'a, T>> {
        match (&mut self.dense, dynamics) {
            (Some(dense), Some(dynamics)) => {
                let kernel = PullBack { blocks, dynamics, adjoint: &mut self.adjoint, memory: dense };
                // The kernel takes one lane at a time, with vectors along the states: hence 1, not `lanes`.
                T::run(1, Computation::PullBack(kernel));
                None
            }
            (_, dynamics) => dynamics,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::{Linear, Sources};
    use crate::pattern::Pattern;
    use crate::product::Operand;

    /// A part of the blocks may be small where the whole is not, and a gradient must not depend on how it is divided.
    #[test]
    fn small_blocks_have_the_same_bits_taken_at_once_and_one_by_one() {
        let (states, rows, steps) = (12, 18, 5);
        // Blocks of one, two and three states; D within them dense but for one entry.
        let block = |state: usize| [0..1, 1..3, 3..6][[0, 1, 1, 2, 2, 2][state % 6]].clone();
        let reach = |state: usize| block(state).map(|s| (state / 6 * 6 + s) as u32).collect::<Vec<_>>();
        let kept = |r: usize| reach(r).into_iter().filter(move |&c| (r, c) != (3, 5)).collect::<Vec<_>>();
        let dynamics = Pattern::from_rows(states, (0..states).map(kept)).expect("increasing");
        let jacobian = Pattern::from_rows(states, (0..rows).map(|r| reach(r % states))).expect("increasing");
        let weights = Pattern::from_rows(4, (0..rows).map(|_| 0..4)).expect("increasing");
        let reach: Vec<_> = (0..rows).map(|r| reach(r % states)).collect();
        let linear = Linear::new(weights, 0);
        let blocks = Blocks::new(linear, Operand::plain(&jacobian), Operand::plain(&dynamics), &reach)
            .expect("reaches that fit");
        let number = |i: usize| ((i * 2_654_435_761) % 1000) as f32 / 617.0 - 0.8;
        let data: Vec<[Vec<f32>; 4]> = (0..steps)
            .map(|t| {
                let numbers = |k: usize, len: usize| (0..len).map(|i| number(97 * t + 31 * k + i)).collect();
                [numbers(0, dynamics.nnz()), numbers(1, jacobian.nnz()), numbers(2, 4), numbers(3, states)]
            })
            .collect();
        let values = |t: usize| {
            let [dynamics, row_jacobian, dense, delta] =
                std::array::from_fn(|k| Lanes::new(&data[t][k][..], 1));
            StepValues { dynamics, row_jacobian, sources: Sources { symbols: &[], dense }, delta }
        };
        let gradient = |window: &mut Window<f32>| {
            let mut gradient = vec![0.0; rows * 4];
            window.gradient(&blocks, None, steps, &values, &mut gradient);
            gradient
        };
        let mut window = Window::new(&blocks, 1, steps);
        assert!(window.flat.is_some(), "blocks of at most four states");
        let at_once = gradient(&mut window);
        window.flat = None;
        let one_by_one = gradient(&mut window);
        assert!(at_once.iter().all(|g| g.is_finite() && *g != 0.0), "{at_once:?}");
        let bits = |gradient: &[f32]| gradient.iter().map(|g| g.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&at_once), bits(&one_by_one), "{at_once:?} and {one_by_one:?}");
    }
}
