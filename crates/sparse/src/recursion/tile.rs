//! Tiles: the part of a block of J that a step updates at once, and the memory for it.

use super::block::Block;
use super::blocks::Blocks;
use crate::float::Float;
use crate::linear::forward::Held;

/// Bytes of J that are updated together. Their old values stay in a first-level cache where every state's row of D is dense, so that
/// loads are all there is to do. Where it is sparse, each of its entries takes time of its own, for a tile of any width: fewer
/// and wider tiles in the second-level cache are quicker, by up to 1.8 times.
const DENSE_TILE: usize = 32 * 1024;
const SPARSE_TILE: usize = 128 * 1024;

/// Bytes of a tile of this block.
pub(super) fn tile_bytes(block: &Block<'_>) -> usize {
    if !block.by_runs() { SPARSE_TILE } else { DENSE_TILE }
}

/// The greatest number of scalars that a vector and a row of a tile have at any level.
const WIDEST: usize = 16;
const WIDEST_ROW: usize = 8 * WIDEST;

/// Scalars of memory for the old values of a tile of `block`, and its alignment.
fn tile_scalars<T>(block: Block<'_>) -> usize {
    let reach = block.reach().len();
    let room = tile_bytes(&block) / size_of::<T>();
    (reach * WIDEST_ROW).min(room).max(reach * WIDEST) + ALIGNMENT / size_of::<T>()
}

/// Scalars of memory for what G and u add to a tile of `block`, and its alignment.
fn immediate_scalars<T>(block: Block<'_>) -> usize {
    block.driven().count() * WIDEST_ROW + ALIGNMENT / size_of::<T>()
}

/// Tiles of a block of `f32` at the widest level.
pub(crate) fn tiles(block: Block<'_>, lanes: usize) -> u64 {
    let vectors = if lanes == 1 { block.columns().div_ceil(WIDEST) } else { block.columns() };
    let room = tile_bytes(&block) / (block.reach().len() * WIDEST * size_of::<f32>());
    (vectors.div_ceil(room.clamp(1, WIDEST_ROW / WIDEST)) * lanes.div_ceil(WIDEST)) as u64
}

/// Memory that vectors of `width` scalars may read beyond an array of `columns`.
fn padded(columns: usize) -> usize {
    columns.next_multiple_of(WIDEST)
}

/// A vector that straddles two lines of the cache is loaded twice.
const ALIGNMENT: usize = 64;

/// The part of `memory` from the first line of the cache on.
pub(super) fn aligned<T>(memory: &mut [T]) -> &mut [T] {
    let skip = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT / size_of::<T>());
    &mut memory[skip..]
}

/// Memory for the tiles of blocks.
#[derive(Debug, Clone)]
pub struct Tiles<T> {
    /// One tile of a block before its update.
    pub(super) tile: Vec<T>,
    /// Sources gathered into the columns of a block.
    pub(super) sources: Vec<T>,
    pub(super) held: Held,
    /// Gradient of the columns of a block.
    pub(super) gradient: Vec<T>,
    /// What G and u add to the states of a tile.
    pub(super) immediate: Vec<T>,
}

impl<T: Float> Tiles<T> {
    pub fn new(blocks: &Blocks, lanes: usize) -> Self {
        let columns = blocks.blocks().map(|block| block.columns()).max().unwrap_or(0);
        // Blocks with a diagonal D are updated in place.
        let tiled = blocks.blocks().filter(|block| !block.diagonal());
        Self {
            tile: vec![T::ZERO; tiled.clone().map(tile_scalars::<T>).max().unwrap_or(0)],
            sources: vec![T::ZERO; padded(columns * lanes)],
            held: Held::default(),
            gradient: vec![T::ZERO; padded(columns)],
            immediate: vec![T::ZERO; tiled.map(immediate_scalars::<T>).max().unwrap_or(0)],
        }
    }

    pub fn bytes(&self) -> usize {
        let arrays = [&self.tile, &self.sources, &self.gradient, &self.immediate];
        arrays.iter().map(|array| size_of_val(&array[..])).sum()
    }
}
