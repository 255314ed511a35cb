//! Schedule 1 and 2: the recursion itself, one step of one block at a time.

use super::vector::{add, axpy, axpy_lanes, dot};
use super::{Local, Scratch};
use crate::blocks::{Block, BlockRow, Blocks};
use crate::{Lanes, Linear, Scalar};

/// Scalars of J that are updated together: small enough to stay in a first-level cache beside their old values.
const TILE: usize = 2048;

/// Columns of a block that are updated together.
pub(super) fn tile_columns(block: &Block, lanes: usize) -> usize {
    (TILE / (block.reach.len() * lanes))
        .max(1)
        .next_multiple_of(if lanes == 1 { 16 } else { 1 })
        // Rows without weights make a block without columns.
        .min(block.columns.max(1))
}

impl Blocks {
    /// One step of every block: `J ← P ∘ (D J + G ⊗ u)`, then `gradient += δᵀ J`, summed over lanes.
    ///
    /// `influence` is `[len()][lanes]`; `gradient` is laid out as the weights.
    ///
    /// # Panics
    /// If sizes do not fit.
    pub fn advance<T: Scalar>(
        &self,
        influence: &mut [T],
        local: Local<'_, T>,
        gradient: &mut [T],
        scratch: &mut Scratch<T>,
    ) {
        for block in 0..self.blocks.len() {
            self.advance_block(block, influence, local, gradient, scratch);
        }
    }

    /// [`advance`](Self::advance) for one block: a sweep that stays with a block for all steps of a window keeps it in
    /// the cache.
    ///
    /// # Panics
    /// If sizes do not fit.
    pub fn advance_block<T: Scalar>(
        &self,
        block: usize,
        influence: &mut [T],
        local: Local<'_, T>,
        gradient: &mut [T],
        scratch: &mut Scratch<T>,
    ) {
        let lanes = local.dynamics.lanes();
        let block = &self.blocks[block];
        let influence = &mut influence[block.start * lanes..(block.start + block.len()) * lanes];
        gather(block, &self.linear, local.sources.dense, &mut scratch.sources);
        scratch.gradient[..block.columns].fill(T::ZERO);
        let step = tile_columns(block, lanes);
        let mut first = 0;
        while first < block.columns {
            let columns = first..(first + step).min(block.columns);
            recur(block, influence, columns.clone(), local.dynamics, &mut scratch.tile);
            add_immediate(block, influence, columns.clone(), local.row_jacobian, &scratch.sources);
            contract(block, influence, columns.clone(), local.delta, &mut scratch.gradient);
            first = columns.end;
        }
        for row in &block.rows {
            let weights = self.linear.pattern().entries(row.row);
            add(&mut gradient[weights], &scratch.gradient[row.columns.clone()]);
        }
        if self.linear.symbols() > 0 {
            for row in block.rows.iter().filter(|row| row.coded > 0) {
                add_symbols(block, row, &self.linear, influence, local, gradient);
            }
        }
    }
}

/// u of every column of the block; the columns of symbols are left as they are.
fn gather<T: Scalar>(block: &Block, linear: &Linear, dense: Lanes<'_, T>, into: &mut [T]) {
    let lanes = dense.lanes();
    for row in &block.rows {
        let columns = row.columns.start + row.coded..row.columns.end;
        linear.gather(row.row, dense, &mut into[columns.start * lanes..columns.end * lanes]);
    }
}

/// J[:, columns] ← D[R, R] J[:, columns].
fn recur<T: Scalar>(
    block: &Block,
    influence: &mut [T],
    columns: std::ops::Range<usize>,
    d: Lanes<'_, T>,
    old: &mut [T],
) {
    let lanes = d.lanes();
    let (width, stride) = (columns.len() * lanes, block.columns * lanes);
    let start = columns.start * lanes;
    if !block.diagonal {
        for i in 0..block.reach.len() {
            let row = i * stride + start;
            old[i * width..(i + 1) * width].copy_from_slice(&influence[row..row + width]);
        }
    }
    for i in 0..block.reach.len() {
        let row = &mut influence[i * stride + start..][..width];
        match block.dynamics_row(i) {
            [run] if block.diagonal => scale(row, d.at(run.entry as usize)),
            runs => {
                row.fill(T::ZERO);
                for run in runs {
                    for k in 0..run.len as usize {
                        let old = &old[(run.column as usize + k) * width..][..width];
                        axpy_lanes(row, d.at(run.entry as usize + k), old);
                    }
                }
            }
        }
    }
}

/// `x[c][b] *= a[b]`.
fn scale<T: Scalar>(x: &mut [T], a: &[T]) {
    if let &[a] = a {
        x.iter_mut().for_each(|x| *x *= a);
    } else {
        for x in x.chunks_exact_mut(a.len()) {
            x.iter_mut().zip(a).for_each(|(x, &a)| *x *= a);
        }
    }
}

/// J[:, columns] += G[R, row] u for every row that has some of the columns.
fn add_immediate<T: Scalar>(
    block: &Block,
    influence: &mut [T],
    columns: std::ops::Range<usize>,
    g: Lanes<'_, T>,
    u: &[T],
) {
    let lanes = g.lanes();
    let stride = block.columns * lanes;
    for row in &block.rows {
        let first = (row.columns.start + row.coded).max(columns.start) * lanes;
        let last = row.columns.end.min(columns.end) * lanes;
        if first >= last {
            continue;
        }
        for &(i, entry) in &row.jacobian {
            let i = i as usize * stride;
            axpy_lanes(&mut influence[i + first..i + last], g.at(entry as usize), &u[first..last]);
        }
    }
}

/// gradient[columns] += δ[R]ᵀ J[:, columns], summed over lanes.
fn contract<T: Scalar>(
    block: &Block,
    influence: &[T],
    columns: std::ops::Range<usize>,
    delta: Lanes<'_, T>,
    gradient: &mut [T],
) {
    let lanes = delta.lanes();
    let stride = block.columns * lanes;
    for (i, &state) in block.reach.iter().enumerate() {
        let delta = delta.at(state as usize);
        let row = &influence[i * stride + columns.start * lanes..i * stride + columns.end * lanes];
        if let &[delta] = delta {
            axpy(&mut gradient[columns.clone()], delta, row);
        } else {
            for (g, row) in gradient[columns.clone()].iter_mut().zip(row.chunks_exact(lanes)) {
                *g += dot(delta, row);
            }
        }
    }
}

/// The rank-one update of the one-hot sources touches one column in each lane.
fn add_symbols<T: Scalar>(
    block: &Block,
    row: &BlockRow,
    linear: &Linear,
    influence: &mut [T],
    local: Local<'_, T>,
    gradient: &mut [T],
) {
    let lanes = local.delta.lanes();
    let first = linear.pattern().entries(row.row).start;
    for (lane, &symbol) in local.sources.symbols.iter().enumerate() {
        let Some(entry) = linear.symbol_entry(row.row, symbol) else { continue };
        let column = row.columns.start + entry - first;
        for &(i, e) in &row.jacobian {
            let g = local.row_jacobian.at(e as usize)[lane];
            influence[(i as usize * block.columns + column) * lanes + lane] += g;
            gradient[entry] += local.delta.at(block.reach[i as usize] as usize)[lane] * g;
        }
    }
}
