//! Schedules 1 and 2: the recursion itself, one step of one block at a time.

use std::ops::Range;

use super::block::{Block, BlockRow, Immediate};
use super::blocks::Blocks;
use super::diagonal;
use super::pair;
use super::rows::{Place, Rows};
use super::step::StepValues;
use super::tile::{Tiles, aligned, tile_bytes};
use crate::float::Float;
use crate::lanes::Lanes;
use crate::linear::Linear;
use crate::linear::forward::Held;
use crate::simd::vector::{add, axpy};
use crate::simd::{Kernel, Simd};

/// One step of the blocks in `range`, which are all of one [`Kind`](super::block::Kind).
pub struct Advance<'a, T> {
    pub blocks: &'a Blocks,
    pub range: Range<usize>,
    pub influence: &'a mut [T],
    pub step: StepValues<'a, T>,
    pub gradient: &'a mut [T],
    pub tiles: &'a mut Tiles<T>,
}

/// The kernel for blocks whose D[R, R] couples states (`COUPLED`) or is diagonal, in several lanes (`LANES`) or
/// one. A single kernel for all four cases runs out of registers and is up to a sixth slower.
pub struct AdvanceAs<'a, T, const COUPLED: bool, const LANES: bool>(pub Advance<'a, T>);

impl<T: Float, const COUPLED: bool, const LANES: bool> Kernel<T> for AdvanceAs<'_, T, COUPLED, LANES> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let Advance { blocks, range, influence, step, gradient, tiles } = self.0;
        let (linear, lanes) = (&blocks.linear, step.dynamics.lanes());
        // The sources gathered at the last step are out of date.
        tiles.held = Held::default();
        for b in range {
            let block = &blocks.arrays.block(b);
            let influence = &mut influence[block.start() * lanes..(block.start() + block.len()) * lanes];
            if COUPLED && !LANES && block.reach().len() == 2 {
                pair::advance(simd, block, linear, influence, step, gradient, tiles);
            } else if COUPLED {
                gather(block, linear, step.sources.dense, tiles);
                // A block of one row adds to the gradient in place. The gradient of several rows, whose weights
                // may not be adjacent, is formed in scratch. One call serves both, since `sweep` is inlined whole.
                let mut apart = std::mem::take(&mut tiles.gradient);
                let into = if let [row] = block.rows() {
                    &mut gradient[linear.pattern().entries(row.row)]
                } else {
                    apart[..block.columns()].fill(T::ZERO);
                    &mut apart[..block.columns()]
                };
                Step { block, step }.sweep::<S, LANES>(simd, influence, into, tiles);
                if block.rows().len() > 1 {
                    for row in block.rows() {
                        let weights = linear.pattern().entries(row.row);
                        add(simd, &mut gradient[weights], &apart[row.columns.clone()]);
                    }
                }
                tiles.gradient = apart;
            } else {
                diagonal::advance::<T, S, LANES>(simd, block, linear, influence, step, gradient, tiles);
            }
            if linear.symbols() > 0 {
                for row in block.rows().iter().filter(|row| row.coded > 0) {
                    add_symbols(block, row, linear, influence, step, gradient);
                }
            }
        }
    }
}

/// Gathers u of every column of the block; the columns of symbols are left as they are.
#[inline(always)]
fn gather<T: Float>(block: &Block<'_>, linear: &Linear, dense: Lanes<'_, T>, tiles: &mut Tiles<T>) {
    let Tiles { sources, held, .. } = tiles;
    for row in block.rows() {
        linear.gather(row.row, dense, sources, row.columns.start + row.coded, held);
    }
}

/// The vector of lanes of one entry from lane `at` on, or the only lane of the entry in every place.
#[inline(always)]
fn coefficient<T: Float, S: Simd<T>, const LANES: bool>(
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
    block: &'a Block<'a>,
    step: StepValues<'a, T>,
}

impl<T: Float> Step<'_, T> {
    /// Advances all tiles of the block, each a few vectors wide and all states high. A vector is `WIDTH` columns
    /// of the only lane, or `WIDTH` lanes of a column.
    #[inline(always)]
    fn sweep<S: Simd<T>, const LANES: bool>(
        &self,
        simd: S,
        influence: &mut [T],
        gradient: &mut [T],
        tiles: &mut Tiles<T>,
    ) {
        let (columns, lanes) = (self.block.columns(), self.step.dynamics.lanes());
        let vectors = if LANES { columns } else { columns.div_ceil(S::WIDTH) };
        let bytes = self.block.reach().len() * S::WIDTH * size_of::<T>();
        let wide = if vectors <= S::TILE && vectors * bytes <= tile_bytes(self.block) {
            vectors
        } else {
            // Tiles of equal width.
            let room = tile_bytes(self.block) / bytes;
            vectors.div_ceil(vectors.div_ceil(room.clamp(1, S::TILE)))
        };
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
                let Tiles { tile, sources, immediate, .. } = &mut *tiles;
                let memory = [aligned(tile), aligned(immediate)];
                self.immediate::<S, LANES>(simd, sources, place, count, memory[1]);
                let gradient = &mut gradient[column..];
                // Wider tiles than a level has are not compiled for it.
                match count {
                    1 => self.tile::<S, LANES, 1>(simd, influence, gradient, memory, place),
                    2 if S::TILE >= 2 => self.tile::<S, LANES, 2>(simd, influence, gradient, memory, place),
                    3 if S::TILE >= 3 => self.tile::<S, LANES, 3>(simd, influence, gradient, memory, place),
                    4 if S::TILE >= 4 => self.tile::<S, LANES, 4>(simd, influence, gradient, memory, place),
                    5 if S::TILE >= 5 => self.tile::<S, LANES, 5>(simd, influence, gradient, memory, place),
                    6 if S::TILE >= 6 => self.tile::<S, LANES, 6>(simd, influence, gradient, memory, place),
                    7 if S::TILE >= 7 => self.tile::<S, LANES, 7>(simd, influence, gradient, memory, place),
                    _ if S::TILE >= 8 => self.tile::<S, LANES, 8>(simd, influence, gradient, memory, place),
                    _ => unreachable!("a tile is at most `TILE` vectors wide"),
                }
                vector += count;
            }
        }
    }

    /// One tile: its old values are copied to scratch, then the new values of each state are formed in registers,
    /// stored and contracted with δ.
    #[inline(always)]
    fn tile<S: Simd<T>, const LANES: bool, const C: usize>(
        &self,
        simd: S,
        influence: &mut [T],
        gradient: &mut [T],
        memory: [&mut [T]; 2],
        place: Place,
    ) {
        let slope = Rows { block: self.block, step: self.step, place }
            .advance::<S, LANES, C>(simd, influence, memory);
        if LANES {
            for (gradient, slope) in gradient.iter_mut().zip(slope) {
                *gradient += simd.sum(slope);
            }
        } else {
            for (gradient, slope) in gradient.chunks_mut(S::WIDTH).zip(slope) {
                if gradient.len() < S::WIDTH {
                    simd.store_part(simd.add(simd.load_part(gradient), slope), gradient);
                } else {
                    simd.store(simd.add(simd.load(gradient), slope), gradient);
                }
            }
        }
    }

    /// Writes `G[i, row] u` for the columns of a tile to `memory`, state after state, for the states `i` that G
    /// drives.
    #[inline(always)]
    fn immediate<S: Simd<T>, const LANES: bool>(
        &self,
        simd: S,
        u: &[T],
        place: Place,
        vectors: usize,
        memory: &mut [T],
    ) {
        let (lanes, jacobian) = (self.step.row_jacobian.lanes(), self.step.row_jacobian);
        let width = if LANES { vectors } else { vectors * S::WIDTH };
        let end = self.block.columns().min(place.column + width);
        for (entries, into) in self.block.driven().zip(memory.chunks_exact_mut(vectors * S::WIDTH)) {
            if let [Immediate { columns, entry, .. }] = entries
                && columns.start as usize <= place.column
                && columns.end as usize >= end
            {
                // The tile lies within the columns of one row of the map, so whole vectors are multiplied. Values
                // beyond the last column are never stored in J.
                let g = coefficient::<T, S, LANES>(simd, jacobian, *entry as usize, place.lane);
                let (first, stride) =
                    if LANES { (place.column * lanes + place.lane, lanes) } else { (place.column, S::WIDTH) };
                for (c, into) in into.chunks_exact_mut(S::WIDTH).enumerate() {
                    let u = simd.load(&u[first + c * stride..]);
                    simd.store(simd.mul_add(g, u, simd.splat(T::ZERO)), into);
                }
                continue;
            }
            into.fill(T::ZERO);
            for entry in entries {
                let first = (entry.columns.start as usize).max(place.column);
                let last = (entry.columns.end as usize).min(end);
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
}

/// Adds `G ⊗ u` of the one-hot sources of a row, which touches one column in each lane, to J and the gradient.
fn add_symbols<T: Float>(
    block: &Block<'_>,
    row: &BlockRow,
    linear: &Linear,
    influence: &mut [T],
    step: StepValues<'_, T>,
    gradient: &mut [T],
) {
    let lanes = step.delta.lanes();
    let first = linear.pattern().entries(row.row).start;
    for (lane, &symbol) in step.sources.symbols.iter().enumerate() {
        let Some(entry) = linear.symbol_entry(row.row, symbol) else { continue };
        let column = row.columns.start + entry - first;
        for &(i, e) in block.jacobian(row) {
            let g = step.row_jacobian.at(e as usize)[lane];
            influence[(i as usize * block.columns() + column) * lanes + lane] += g;
            gradient[entry] += step.delta.at(block.reach()[i as usize] as usize)[lane] * g;
        }
    }
}
