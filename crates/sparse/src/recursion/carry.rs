//! J at the end of a window, formed at once from the transitions Φ of its steps.

use super::block::{Block, BlockRow};
use super::blocks::Blocks;
use super::step::StepValues;
use crate::float::Float;
use crate::lanes::Lanes;
use crate::linear::Linear;
use crate::simd::matmul::{MatMul, ROW_PADDING, ROWS};
use crate::simd::vector::axpy;
use crate::simd::{Kernel, Simd};

/// Scratch memory, large enough for each of the blocks.
#[derive(Debug, Clone)]
pub struct Largest<T> {
    /// Transposed Φ(τ → T) for τ = 0 … T, each `[reach][reach]`.
    transitions: Vec<T>,
    /// D of one step, `[reach][reach]` with padded rows, for blocks that multiply whole matrices.
    dynamics: Vec<T>,
    /// Transposed Φ(τ → T) G_τ of one row, `[steps][reach]`.
    columns: Vec<T>,
    /// The dense sources of that row, `[steps][columns]`.
    sources: Vec<T>,
    /// J of that row, `[reach][columns]`, before and after the window.
    old: Vec<T>,
    new: Vec<T>,
    pack: Vec<T>,
}

impl<T: Float> Largest<T> {
    pub fn new(blocks: &Blocks, steps: usize) -> Self {
        let largest = |size: &dyn Fn(Block<'_>) -> usize| blocks.blocks().map(size).max().unwrap_or(0);
        let reach = largest(&|block| block.reach().len());
        let columns = largest(&widest);
        let zeros = |len: usize| vec![T::ZERO; len];
        Self {
            transitions: zeros((steps + 1) * reach * reach),
            dynamics: zeros(
                largest(&|block| if block.whole_transitions() { block.reach().len() } else { 0 })
                    * (reach + ROW_PADDING),
            ),
            columns: zeros(steps * (reach + ROW_PADDING)),
            sources: zeros(steps * (columns + ROW_PADDING)),
            old: zeros(reach * (columns + ROW_PADDING)),
            new: zeros(reach * (columns + ROW_PADDING)),
            pack: zeros(ROWS * reach.max(steps)),
        }
    }

    pub fn bytes(&self) -> usize {
        let parts = [
            &self.transitions,
            &self.dynamics,
            &self.columns,
            &self.sources,
            &self.old,
            &self.new,
            &self.pack,
        ];
        parts.iter().map(|part| size_of_val(&part[..])).sum()
    }
}

/// Columns of a block's widest row.
fn widest(block: Block<'_>) -> usize {
    block.rows().iter().map(|row| row.columns.len()).max().unwrap_or(0)
}

/// See [`Carrying::carry`](crate::Carrying::carry).
pub struct Carry<'a, T> {
    pub blocks: &'a Blocks,
    pub influence: &'a mut [T],
    pub steps: usize,
    pub lanes: usize,
    pub values: &'a dyn Fn(usize) -> StepValues<'a, T>,
    pub memory: &'a mut Largest<T>,
}

impl<T: Float> Kernel<T> for Carry<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let Self { blocks, influence, steps, lanes, values, memory } = self;
        for block in blocks.blocks() {
            let influence = &mut influence[block.start() * lanes..(block.start() + block.len()) * lanes];
            for lane in 0..lanes {
                let window = LaneWindow { block, linear: &blocks.linear, steps, lanes, lane, values };
                window.transitions(simd, memory);
                let mut last = None;
                for row in block.rows().iter().filter(|row| !row.columns.is_empty()) {
                    // Neighboring rows with the same sources share one copy of them.
                    if !last.is_some_and(|last| blocks.linear.alike(last, row.row)) {
                        window.gather(row, &mut memory.sources);
                    }
                    last = Some(row.row);
                    window.row(simd, row, influence, memory);
                }
            }
        }
    }
}

/// A window of one block in one lane.
struct LaneWindow<'a, T> {
    block: Block<'a>,
    linear: &'a Linear,
    steps: usize,
    lanes: usize,
    lane: usize,
    values: &'a dyn Fn(usize) -> StepValues<'a, T>,
}

impl<T: Float> LaneWindow<'_, T> {
    #[inline(always)]
    fn value(&self, values: Lanes<'_, T>, entry: usize) -> T {
        values.values()[entry * self.lanes + self.lane]
    }

    /// Forms the transposed Φ(τ → T) for τ = T, T-1, …, 0, and writes it to position τ of the transitions.
    #[inline(always)]
    fn transitions<S: Simd<T>>(&self, simd: S, memory: &mut Largest<T>) {
        let reach = self.block.reach().len();
        let size = reach * reach;
        let Largest { transitions, dynamics, pack, .. } = memory;
        let into = &mut transitions[..(self.steps + 1) * size];
        into[self.steps * size..].fill(T::ZERO);
        into[self.steps * size..].iter_mut().step_by(reach + 1).for_each(|one| *one = T::ONE);
        for step in (0..self.steps).rev() {
            let d = (self.values)(step).dynamics;
            let (before, after) = into[step * size..(step + 2) * size].split_at_mut(size);
            if self.block.whole_transitions() {
                self.transit(simd, d, before, after, dynamics, pack);
            } else {
                before.fill(T::ZERO);
                for (i, after) in after.chunks_exact(reach).enumerate() {
                    for entry in self.block.dynamics_entries(i) {
                        let before = &mut before[entry.column() * reach..][..reach];
                        axpy(simd, before, self.value(d, entry.entry()), after);
                    }
                    for run in self.block.dynamics_runs(i) {
                        for k in 0..run.len {
                            let before = &mut before[(run.column + k) as usize * reach..][..reach];
                            axpy(simd, before, self.value(d, (run.entry + k) as usize), after);
                        }
                    }
                }
            }
            // A decaying transition would otherwise stay subnormal, hence slow, for the rest of the window.
            before.iter_mut().for_each(|phi| *phi = phi.flush());
        }
    }

    /// One step of [`transitions`](Self::transitions) with D[R, R] as a dense matrix: `before ← Dᵀ after`.
    #[inline(always)]
    fn transit<S: Simd<T>>(
        &self,
        simd: S,
        values: Lanes<'_, T>,
        before: &mut [T],
        after: &[T],
        dynamics: &mut [T],
        pack: &mut [T],
    ) {
        let reach = self.block.reach().len();
        let stride = reach + ROW_PADDING;
        let dynamics = &mut dynamics[..reach * stride];
        dynamics.fill(T::ZERO);
        for (i, row) in dynamics.chunks_exact_mut(stride).enumerate() {
            for entry in self.block.dynamics_entries(i) {
                row[entry.column()] = self.value(values, entry.entry());
            }
            for run in self.block.dynamics_runs(i) {
                for k in 0..run.len {
                    row[(run.column + k) as usize] = self.value(values, (run.entry + k) as usize);
                }
            }
        }
        let product = MatMul {
            out: before,
            out_stride: reach,
            add: false,
            sizes: (reach, reach, reach),
            a: dynamics,
            a_strides: (1, stride),
            b: after,
            b_stride: reach,
            pack,
        };
        simd.call(product);
    }

    /// Copies the dense sources of a row, step after step.
    #[inline(always)]
    fn gather(&self, row: &BlockRow, into: &mut [T]) {
        for (step, into) in into.chunks_exact_mut(self.stride(row)).take(self.steps).enumerate() {
            let dense = (self.values)(step).sources.dense;
            self.linear.gather_lane(row.row, dense, self.lane, into);
        }
    }

    /// Row stride of `sources`: the number of dense sources of the row, and padding.
    #[inline(always)]
    fn stride(&self, row: &BlockRow) -> usize {
        row.columns.len() - row.coded + ROW_PADDING
    }

    /// Moves J of one row of the map to the end of the window.
    #[inline(always)]
    fn row<S: Simd<T>>(&self, simd: S, row: &BlockRow, influence: &mut [T], memory: &mut Largest<T>) {
        let (reach, width, steps) = (self.block.reach().len(), row.columns.len(), self.steps);
        let Largest { transitions, columns, sources, old, new, pack, .. } = memory;
        let (tall, wide) = (reach + ROW_PADDING, width + ROW_PADDING);
        let place =
            |i: usize, c: usize| (i * self.block.columns() + row.columns.start + c) * self.lanes + self.lane;
        for (i, old) in old.chunks_exact_mut(wide).take(reach).enumerate() {
            let own = &influence[place(i, 0)..];
            if self.lanes == 1 {
                old[..width].copy_from_slice(&own[..width]);
            } else {
                let own = own.iter().step_by(self.lanes);
                old[..width].iter_mut().zip(own).for_each(|(old, &j)| *old = j);
            }
        }
        let transit = MatMul {
            out: new,
            out_stride: wide,
            add: false,
            sizes: (reach, reach, width),
            a: transitions,
            a_strides: (1, reach),
            b: old,
            b_stride: wide,
            pack,
        };
        simd.call(transit);
        let first = self.linear.pattern().entries(row.row).start;
        for (step, column) in columns.chunks_exact_mut(tall).take(steps).enumerate() {
            let local = (self.values)(step);
            let column = &mut column[..reach];
            column.fill(T::ZERO);
            for &(k, entry) in self.block.jacobian(row) {
                let phi = &transitions[((step + 1) * reach + k as usize) * reach..][..reach];
                axpy(simd, column, self.value(local.row_jacobian, entry as usize), phi);
            }
            let symbol = local.sources.symbols.get(self.lane);
            if let Some(entry) = symbol.and_then(|&symbol| self.linear.symbol_entry(row.row, symbol)) {
                for (new, &phi) in new.chunks_exact_mut(wide).zip(&*column) {
                    new[entry - first] += phi;
                }
            }
        }
        let driven = MatMul {
            out: &mut new[row.coded..],
            out_stride: wide,
            add: true,
            sizes: (reach, steps, width - row.coded),
            a: columns,
            a_strides: (1, tall),
            b: sources,
            b_stride: self.stride(row),
            pack,
        };
        simd.call(driven);
        for (i, new) in new.chunks_exact(wide).take(reach).enumerate() {
            let own = &mut influence[place(i, 0)..];
            if self.lanes == 1 {
                own.iter_mut().zip(&new[..width]).for_each(|(j, new)| *j = new.flush());
            } else {
                own.iter_mut().step_by(self.lanes).zip(&new[..width]).for_each(|(j, new)| *j = new.flush());
            }
        }
    }
}
