//! Tiles: a step updates a coupled block of J tile by tile, each all states high and a few vectors wide.

use super::block::Block;
use super::blocks::Blocks;
use crate::float::Float;
use crate::lanes::Lanes;
use crate::linear::Linear;
use crate::linear::forward::Held;

/// Bytes of a tile. With D[R, R] as runs, loads of old values dominate, one for each entry of D and vector: the
/// old values should fit L1. With D[R, R] entry by entry, the fixed cost of an entry dominates, whatever the
/// tile's width: fewer and wider tiles, which fit L2, are up to 1.8 times faster.
const DENSE_TILE: usize = 32 * 1024;
const SPARSE_TILE: usize = 128 * 1024;

/// The most bytes of a tile of this block, unless one vector of all states is larger.
pub(super) fn tile_bytes(block: &Block<'_>) -> usize {
    if !block.by_runs() { SPARSE_TILE } else { DENSE_TILE }
}

/// The most scalars in a vector, and in a row of a tile, at any level.
const WIDEST: usize = 16;
const WIDEST_ROW: usize = 8 * WIDEST;

/// Scalars of scratch for the old values of a tile of `block`, with room for alignment.
fn tile_scalars<T>(block: Block<'_>) -> usize {
    let reach = block.reach().len();
    let room = tile_bytes(&block) / size_of::<T>();
    (reach * WIDEST_ROW).min(room).max(reach * WIDEST) + ALIGNMENT / size_of::<T>()
}

/// Scalars of scratch for the values of G ⊗ u in a tile of `block`, with room for alignment.
fn immediate_scalars<T>(block: Block<'_>) -> usize {
    block.driven().count() * WIDEST_ROW + ALIGNMENT / size_of::<T>()
}

/// Number of tiles of a block of `f32` with the widest vectors.
pub(crate) fn tiles(block: Block<'_>, lanes: usize) -> u64 {
    let vectors = if lanes == 1 { block.columns().div_ceil(WIDEST) } else { block.columns() };
    let room = tile_bytes(&block) / (block.reach().len() * WIDEST * size_of::<f32>());
    (vectors.div_ceil(room.clamp(1, WIDEST_ROW / WIDEST)) * lanes.div_ceil(WIDEST)) as u64
}

/// Length of an array of `columns` scalars with room for whole vectors that read beyond the last of them.
fn padded(columns: usize) -> usize {
    columns.next_multiple_of(WIDEST)
}

/// Bytes of a cache line. Scratch begins at a line, since a load of a vector that straddles two lines takes two
/// accesses.
const ALIGNMENT: usize = 64;

/// The part of `memory` from the first cache line boundary on.
pub(super) fn aligned<T>(memory: &mut [T]) -> &mut [T] {
    let skip = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT / size_of::<T>());
    &mut memory[skip..]
}

/// Scratch memory for one step of any of the blocks.
#[derive(Debug, Clone)]
pub struct Tiles<T> {
    /// The values of one tile before its update.
    pub(super) tile: Vec<T>,
    /// The source of every column of a block, `[columns][lanes]`.
    pub(super) sources: Vec<T>,
    pub(super) held: Held,
    /// The same for a row whose sources are copied one by one: `sources` goes on to hold the run of other rows.
    one_by_one: Vec<T>,
    /// Gradient of the columns of a block.
    pub(super) gradient: Vec<T>,
    /// The values of G ⊗ u in a tile, for the states that G drives.
    pub(super) immediate: Vec<T>,
}

impl<T: Float> Tiles<T> {
    pub fn new(blocks: &Blocks, lanes: usize) -> Self {
        let columns = blocks.blocks().map(|block| block.columns()).max().unwrap_or(0);
        // Blocks with a diagonal D are updated in place.
        let tiled = blocks.blocks().filter(|block| !block.diagonal());
        // Blocks of one state or of two are updated row by row.
        let by_row = blocks.blocks().filter(|block| block.diagonal() || block.reach().len() == 2);
        let longest = by_row.flat_map(|block| block.rows()).map(|row| row.columns.len()).max().unwrap_or(0);
        Self {
            tile: vec![T::ZERO; tiled.clone().map(tile_scalars::<T>).max().unwrap_or(0)],
            sources: vec![T::ZERO; padded(columns * lanes)],
            held: Held::default(),
            one_by_one: vec![T::ZERO; longest * lanes],
            gradient: vec![T::ZERO; padded(columns)],
            immediate: vec![T::ZERO; tiled.map(immediate_scalars::<T>).max().unwrap_or(0)],
        }
    }

    /// Gathers the dense sources of row `r`.
    #[inline(always)]
    pub(super) fn gather(&mut self, linear: &Linear, r: usize, dense: Lanes<'_, T>) {
        if linear.one_by_one(r) {
            linear.gather(r, dense, &mut self.one_by_one, 0, &mut Held::default());
        } else {
            linear.gather(r, dense, &mut self.sources, 0, &mut self.held);
        }
    }

    /// The dense sources of row `r`, the last of its kind that was [gathered](Self::gather), `[sources][lanes]`; what follows them is
    /// not defined.
    #[inline(always)]
    pub(super) fn gathered(&self, linear: &Linear, r: usize) -> &[T] {
        if linear.one_by_one(r) { &self.one_by_one } else { &self.sources }
    }

    pub fn bytes(&self) -> usize {
        let arrays = [&self.tile, &self.sources, &self.one_by_one, &self.gradient, &self.immediate];
        arrays.iter().map(|array| size_of_val(&array[..])).sum()
    }
}
