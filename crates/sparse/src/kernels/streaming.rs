//! Schedule 1 and 2: the recursion itself, one step of one block at a time.

use std::ops::Range;

use super::simd::{Kernel, Simd};
use super::vector::{add, axpy};
use super::{Computation, Local, Scratch, diagonal};
use crate::blocks::{Block, BlockRow, Blocks, Immediate};
use crate::parts::Part;
use crate::{Lanes, Linear, Scalar};

/// Bytes of J that are updated together. Their old values stay in a first-level cache where every state's row of D is dense, so that
/// loads are all there is to do. Where it is sparse, each of its entries takes time of its own, for a tile of any width: fewer
/// and wider tiles in the second-level cache are quicker, by up to 1.8 times.
const DENSE_TILE: usize = 32 * 1024;
const SPARSE_TILE: usize = 128 * 1024;

/// Bytes of a tile of this block.
fn tile_bytes(block: &Block) -> usize {
    if block.runs.is_empty() { SPARSE_TILE } else { DENSE_TILE }
}

/// The greatest number of scalars that a vector and a row of a tile have at any level.
const WIDEST: usize = 16;
pub(super) const WIDEST_ROW: usize = 8 * WIDEST;

/// Scalars of memory for the old values of a tile of `block`, and its alignment.
pub(super) fn tile_scalars<T>(block: &Block) -> usize {
    let reach = block.reach.len();
    let room = tile_bytes(block) / size_of::<T>();
    (reach * WIDEST_ROW).min(room).max(reach * WIDEST) + ALIGNMENT / size_of::<T>()
}

/// Tiles of a block of `f32` at the widest level.
pub(crate) fn tiles(block: &Block, lanes: usize) -> u64 {
    let vectors = if lanes == 1 { block.columns.div_ceil(WIDEST) } else { block.columns };
    let room = tile_bytes(block) / (block.reach.len() * WIDEST * size_of::<f32>());
    (vectors.div_ceil(room.clamp(1, WIDEST_ROW / WIDEST)) * lanes.div_ceil(WIDEST)) as u64
}

/// Memory that vectors of `width` scalars may read beyond an array of `columns`.
pub(super) fn padded(columns: usize) -> usize {
    columns.next_multiple_of(WIDEST)
}

/// A vector that straddles two lines of the cache is loaded twice.
const ALIGNMENT: usize = 64;

/// The part of `memory` from the first line of the cache on.
fn aligned<T>(memory: &mut [T]) -> &mut [T] {
    let skip = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT / size_of::<T>());
    &mut memory[skip..]
}

impl Blocks {
    /// One step of every block: `J ← P ∘ (D J + G ⊗ u)`, then `gradient += δᵀ J`, summed over lanes.
    ///
    /// `influence` is `[len()][lanes]`; `gradient` is laid out as the weights. Subnormal entries of J become zero.
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
        if !scratch.parts.is_empty() {
            let lanes = local.dynamics.lanes();
            let work = |part: &Self, influence: &mut [T], gradient: &mut [T], scratch: &mut Scratch<T>| {
                part.advance(influence, local, gradient, scratch);
            };
            return Part::each(&mut scratch.parts, self, lanes, influence, gradient, &work);
        }
        self.advance_range(0..self.blocks.len(), influence, local, gradient, scratch);
    }

    /// [`advance`](Self::advance) for all of `steps` steps, block by block: a block stays in the cache for the whole window.
    /// `local(τ)` yields step τ of `0..steps`.
    ///
    /// # Panics
    /// If sizes do not fit.
    pub fn sweep<'a, T: Scalar>(
        &self,
        influence: &mut [T],
        steps: usize,
        local: impl Fn(usize) -> Local<'a, T> + Sync,
        gradient: &mut [T],
        scratch: &mut Scratch<T>,
    ) {
        if steps > 0 && !scratch.parts.is_empty() {
            let lanes = local(0).dynamics.lanes();
            let work = |part: &Self, influence: &mut [T], gradient: &mut [T], scratch: &mut Scratch<T>| {
                part.sweep_alone(influence, steps, &local, gradient, scratch);
            };
            return Part::each(&mut scratch.parts, self, lanes, influence, gradient, &work);
        }
        self.sweep_alone(influence, steps, &local, gradient, scratch);
    }

    fn sweep_alone<'a, T: Scalar>(
        &self,
        influence: &mut [T],
        steps: usize,
        local: &impl Fn(usize) -> Local<'a, T>,
        gradient: &mut [T],
        scratch: &mut Scratch<T>,
    ) {
        for block in 0..self.blocks.len() {
            for step in 0..steps {
                self.advance_range(block..block + 1, influence, local(step), gradient, scratch);
            }
        }
    }

    fn advance_range<T: Scalar>(
        &self,
        range: Range<usize>,
        influence: &mut [T],
        local: Local<'_, T>,
        gradient: &mut [T],
        scratch: &mut Scratch<T>,
    ) {
        let (linear, lanes) = (&self.linear, local.dynamics.lanes());
        for blocks in self.blocks[range].chunk_by(|a, b| a.diagonal() == b.diagonal()) {
            let (influence, gradient, scratch) = (&mut *influence, &mut *gradient, &mut *scratch);
            let all = Advance { blocks, linear, influence, local, gradient, scratch };
            let computation = match (blocks[0].diagonal(), lanes) {
                (false, 1) => Computation::Advance(AdvanceAs(all)),
                (false, _) => Computation::AdvanceLanes(AdvanceAs(all)),
                (true, 1) => Computation::AdvanceAlone(AdvanceAs(all)),
                (true, _) => Computation::AdvanceAloneLanes(AdvanceAs(all)),
            };
            T::run(lanes, computation);
        }
    }
}

pub struct Advance<'a, T> {
    blocks: &'a [Block],
    linear: &'a Linear,
    influence: &'a mut [T],
    local: Local<'a, T>,
    gradient: &'a mut [T],
    scratch: &'a mut Scratch<T>,
}

/// Blocks whose D couples states, or blocks whose D does not; several lanes, or one. One function for all of them would be
/// slower by up to a sixth, for want of registers.
pub struct AdvanceAs<'a, T, const COUPLED: bool, const LANES: bool>(Advance<'a, T>);

impl<T: Scalar, const COUPLED: bool, const LANES: bool> Kernel<T> for AdvanceAs<'_, T, COUPLED, LANES> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let Advance { blocks, linear, influence, local, gradient, scratch } = self.0;
        let lanes = local.dynamics.lanes();
        // Values change from step to step.
        scratch.held = None;
        for block in blocks {
            let influence = &mut influence[block.start * lanes..(block.start + block.len()) * lanes];
            if COUPLED {
                gather(block, linear, local.sources.dense, scratch);
                if LANES {
                    scratch.gradient[..block.columns].fill(T::ZERO);
                }
                Step { block, local }.sweep::<S, LANES>(simd, influence, scratch);
                for row in &block.rows {
                    let weights = linear.pattern().entries(row.row);
                    add(simd, &mut gradient[weights], &scratch.gradient[row.columns.clone()]);
                }
            } else {
                diagonal::advance::<T, S, LANES>(simd, block, linear, influence, local, gradient, scratch);
            }
            if linear.symbols() > 0 {
                for row in block.rows.iter().filter(|row| row.coded > 0) {
                    add_symbols(block, row, linear, influence, local, gradient);
                }
            }
        }
    }
}

/// u of every column of the block; the columns of symbols are left as they are.
#[inline(always)]
fn gather<T: Scalar>(block: &Block, linear: &Linear, dense: Lanes<'_, T>, scratch: &mut Scratch<T>) {
    let Scratch { sources, held, .. } = scratch;
    for row in &block.rows {
        linear.gather(row.row, dense, sources, row.columns.start + row.coded, held);
    }
}

/// A vector of the lanes of one entry from `at` on, or its only lane everywhere.
#[inline(always)]
pub(super) fn coefficient<T: Scalar, S: Simd<T>, const LANES: bool>(
    simd: S,
    values: Lanes<'_, T>,
    entry: usize,
    at: usize,
) -> S::Vector {
    if LANES {
        simd.load(&values.values()[entry * values.lanes() + at..])
    } else {
        simd.splat(values.values()[entry])
    }
}

/// One step of a block whose D couples states.
struct Step<'a, T> {
    block: &'a Block,
    local: Local<'a, T>,
}

/// Where the vectors of a tile stand in J: vector `c` of the tile at `first + c * stride`, `len` scalars in all for one
/// lane.
#[derive(Clone, Copy)]
struct Place {
    first: usize,
    stride: usize,
    /// Scalars of the last vector.
    last: usize,
    /// Scalars of one row of J.
    row: usize,
    /// First column of the tile, and first of the lanes.
    column: usize,
    lane: usize,
}

impl<T: Scalar> Step<'_, T> {
    /// All tiles of the block, each a few vectors wide and all states high. A vector is `WIDTH` columns of the only lane, or
    /// `WIDTH` lanes of a column.
    #[inline(always)]
    fn sweep<S: Simd<T>, const LANES: bool>(&self, simd: S, influence: &mut [T], scratch: &mut Scratch<T>) {
        let (columns, lanes) = (self.block.columns, self.local.dynamics.lanes());
        let vectors = if LANES { columns } else { columns.div_ceil(S::WIDTH) };
        let room = tile_bytes(self.block) / (self.block.reach.len() * S::WIDTH * size_of::<T>());
        // Tiles of equal width.
        let tiles = vectors.div_ceil(room.clamp(1, S::TILE)).max(1);
        let wide = vectors.div_ceil(tiles);
        for lane in (0..lanes).step_by(S::WIDTH) {
            let mut vector = 0;
            while vector < vectors {
                let count = wide.min(vectors - vector);
                let column = if LANES { vector } else { vector * S::WIDTH };
                let end = column + count * S::WIDTH;
                let place = Place {
                    first: column * lanes + lane,
                    stride: if LANES { lanes } else { S::WIDTH },
                    last: if LANES { S::WIDTH } else { S::WIDTH - end.saturating_sub(columns) },
                    row: columns * lanes,
                    column,
                    lane,
                };
                match count {
                    1 => self.tile::<S, LANES, 1>(simd, influence, scratch, place),
                    2 => self.tile::<S, LANES, 2>(simd, influence, scratch, place),
                    3 => self.tile::<S, LANES, 3>(simd, influence, scratch, place),
                    4 => self.tile::<S, LANES, 4>(simd, influence, scratch, place),
                    5 => self.tile::<S, LANES, 5>(simd, influence, scratch, place),
                    6 => self.tile::<S, LANES, 6>(simd, influence, scratch, place),
                    7 => self.tile::<S, LANES, 7>(simd, influence, scratch, place),
                    _ => self.tile::<S, LANES, 8>(simd, influence, scratch, place),
                }
                vector += count;
            }
        }
    }

    /// One tile: its old values are set aside, then each state's new values are formed in registers, stored and contracted.
    #[inline(always)]
    fn tile<S: Simd<T>, const LANES: bool, const C: usize>(
        &self,
        simd: S,
        influence: &mut [T],
        scratch: &mut Scratch<T>,
        place: Place,
    ) {
        let (block, local) = (self.block, self.local);
        let Scratch { tile, sources, gradient, immediate, .. } = scratch;
        let old = &mut aligned(tile)[..block.reach.len() * C * S::WIDTH];
        for (old, row) in old.chunks_exact_mut(C * S::WIDTH).zip(influence.chunks_exact(place.row)) {
            for c in 0..C {
                let row = &row[place.first + c * place.stride..];
                let v = if c + 1 == C && place.last < S::WIDTH {
                    simd.load_part(&row[..place.last])
                } else {
                    simd.load(row)
                };
                simd.store(v, &mut old[c * S::WIDTH..]);
            }
        }
        let old = &*old;
        let zero = simd.splat(T::ZERO);
        let mut slope = [zero; C];
        let mut immediates = &block.immediate[..];
        for (i, row) in influence.chunks_exact_mut(place.row).enumerate() {
            let mut new = [zero; C];
            if immediates.first().is_some_and(|first| first.state as usize == i) {
                let own = immediates.partition_point(|entry| entry.state as usize <= i);
                let into = &mut immediate[..C * S::WIDTH];
                self.immediate::<S, LANES>(simd, &immediates[..own], sources, place, into);
                immediates = &immediates[own..];
                for (c, new) in new.iter_mut().enumerate() {
                    *new = simd.load(&into[c * S::WIDTH..]);
                }
            }
            for entry in block.dynamics_entries(i) {
                let d = coefficient::<T, S, LANES>(simd, local.dynamics, entry.entry as usize, place.lane);
                add_row(simd, &mut new, d, old, entry.column as usize);
            }
            for run in block.dynamics_runs(i) {
                for k in 0..run.len as usize {
                    let entry = run.entry as usize + k;
                    let d = coefficient::<T, S, LANES>(simd, local.dynamics, entry, place.lane);
                    add_row(simd, &mut new, d, old, run.column as usize + k);
                }
            }
            let delta = coefficient::<T, S, LANES>(simd, local.delta, block.reach[i] as usize, place.lane);
            for c in 0..C {
                let new = simd.flush(new[c]);
                slope[c] = simd.mul_add(delta, new, slope[c]);
                let row = &mut row[place.first + c * place.stride..];
                if c + 1 == C && place.last < S::WIDTH {
                    simd.store_part(new, &mut row[..place.last]);
                } else {
                    simd.store(new, row);
                }
            }
        }
        for (c, slope) in slope.into_iter().enumerate() {
            if LANES {
                gradient[place.column + c] += simd.sum(slope);
            } else {
                simd.store(slope, &mut gradient[place.column + c * S::WIDTH..]);
            }
        }
    }

    /// `G[i, row] u` for the columns of a tile, from the entries of G of one state.
    #[inline(always)]
    fn immediate<S: Simd<T>, const LANES: bool>(
        &self,
        simd: S,
        entries: &[Immediate],
        u: &[T],
        place: Place,
        into: &mut [T],
    ) {
        into.fill(T::ZERO);
        let (lanes, jacobian) = (self.local.row_jacobian.lanes(), self.local.row_jacobian);
        let width = if LANES { into.len() / S::WIDTH } else { into.len() };
        for entry in entries {
            let first = (entry.columns.start as usize).max(place.column);
            let last = (entry.columns.end as usize).min(place.column + width);
            if first >= last {
                continue;
            }
            if LANES {
                let g = coefficient::<T, S, true>(simd, jacobian, entry.entry as usize, place.lane);
                for column in first..last {
                    let into = &mut into[(column - place.column) * S::WIDTH..];
                    let u = simd.load(&u[column * lanes + place.lane..]);
                    simd.store(simd.mul_add(g, u, simd.load(into)), into);
                }
            } else {
                let g = jacobian.values()[entry.entry as usize];
                axpy(simd, &mut into[first - place.column..last - place.column], g, &u[first..last]);
            }
        }
    }
}

/// `new += d old[state]`, where a tile has `C` vectors for each state.
#[inline(always)]
fn add_row<T: Scalar, S: Simd<T>, const C: usize>(
    simd: S,
    new: &mut [S::Vector; C],
    d: S::Vector,
    old: &[T],
    state: usize,
) {
    let old = &old[state * C * S::WIDTH..][..C * S::WIDTH];
    for (c, new) in new.iter_mut().enumerate() {
        *new = simd.mul_add(d, simd.load(&old[c * S::WIDTH..]), *new);
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
