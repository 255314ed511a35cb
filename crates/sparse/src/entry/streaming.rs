//! Schedules 1 and 2: J is advanced step by step.

use std::ops::Range;
use std::sync::Arc;

use crate::lanes::{Lanes, LanesMut};
use crate::recursion::advance::{Advance, AdvanceAs};
use crate::recursion::block::Kind;
use crate::recursion::step::check_window;
use crate::recursion::threads::Threads;
use crate::recursion::tile::Tiles;
use crate::recursion::{Blocks, Macs, StepValues};
use crate::run::{Computation, Scalar};

/// Parts for each thread.
const PARTS: usize = 2;

/// J of [`Blocks`], advanced at every step, and the memory for that: nothing is allocated after construction.
#[derive(Debug, Clone)]
pub struct Streaming<T> {
    blocks: Arc<Blocks>,
    lanes: usize,
    influence: Vec<T>,
    threads: Threads<T, Tiles<T>>,
    bytes: usize,
}

impl<T: Scalar> Streaming<T> {
    /// A J of zeros in `lanes` lanes, to be advanced by one step at a time.
    ///
    /// # Panics
    /// If there are no lanes.
    #[track_caller]
    pub fn new(blocks: impl Into<Arc<Blocks>>, lanes: usize) -> Self {
        Self::for_windows(blocks, lanes, 1)
    }

    /// A J of zeros, to be advanced by windows of some `steps` steps: these are worth more threads than a single step.
    ///
    /// # Panics
    /// If there are no lanes.
    #[track_caller]
    pub fn for_windows(blocks: impl Into<Arc<Blocks>>, lanes: usize, steps: usize) -> Self {
        assert!(lanes > 0, "lanes must be at least 1");
        let blocks = blocks.into();
        let macs: Macs = blocks.advance_macs().times(steps);
        let memory = |blocks: &Blocks| Tiles::new(blocks, lanes);
        Self {
            bytes: memory(&blocks).bytes(),
            threads: Threads::new(&blocks, lanes, macs, PARTS, memory),
            influence: vec![T::ZERO; blocks.len() * lanes],
            blocks,
            lanes,
        }
    }

    /// One step of every block: `J ← P ∘ (D J + G ⊗ u)`, then `gradient += δᵀ J`, summed over lanes. The gradient is laid out as the
    /// weights. Subnormal entries of J become zero.
    ///
    /// # Panics
    /// If sizes or lanes do not fit.
    #[track_caller]
    pub fn advance(&mut self, step: StepValues<'_, T>, gradient: &mut [T]) {
        check_window(&self.blocks, self.lanes, 1, |_| step, Some(gradient.len()));
        let Self { blocks, lanes, influence, threads, .. } = self;
        threads.each(blocks, *lanes, influence, gradient, |blocks, influence, gradient, tiles| {
            advance(blocks, 0..blocks.arrays.count(), influence, step, gradient, tiles);
        });
    }

    /// [`advance`](Self::advance) for all of `steps` steps, block by block: a block stays in the cache for the whole window.
    /// `values(τ)` yields step τ of `0..steps`.
    ///
    /// # Panics
    /// If sizes or lanes do not fit.
    #[track_caller]
    pub fn sweep<'a>(
        &mut self,
        steps: usize,
        values: impl Fn(usize) -> StepValues<'a, T> + Sync,
        gradient: &mut [T],
    ) {
        check_window(&self.blocks, self.lanes, steps, &values, Some(gradient.len()));
        let Self { blocks, lanes, influence, threads, .. } = self;
        threads.each(blocks, *lanes, influence, gradient, |blocks, influence, gradient, tiles| {
            for block in 0..blocks.arrays.count() {
                for step in 0..steps {
                    advance(blocks, block..block + 1, influence, values(step), gradient, tiles);
                }
            }
        });
    }

    /// The layout of J.
    pub fn blocks(&self) -> &Arc<Blocks> {
        &self.blocks
    }

    /// J: its entries in the order of [`blocks`](Self::blocks).
    pub fn influence(&self) -> Lanes<'_, T> {
        Lanes::new(&self.influence, self.lanes)
    }

    /// J, to be overwritten.
    pub fn influence_mut(&mut self) -> LanesMut<'_, T> {
        LanesMut::new(&mut self.influence, self.lanes)
    }

    /// Bytes of J and of the memory that one thread needs, without the layout. Several threads have some memory of their own
    /// besides, which is not counted: the number is the same on every machine.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.influence[..]) + self.bytes
    }
}

/// One step of some blocks.
fn advance<T: Scalar>(
    blocks: &Blocks,
    range: Range<usize>,
    influence: &mut [T],
    step: StepValues<'_, T>,
    gradient: &mut [T],
    tiles: &mut Tiles<T>,
) {
    let lanes = step.dynamics.lanes();
    for Kind { blocks: range, diagonal } in blocks.arrays.kinds(range) {
        let (influence, gradient, tiles) = (&mut *influence, &mut *gradient, &mut *tiles);
        let all = Advance { blocks, range, influence, step, gradient, tiles };
        let computation = match (diagonal, lanes) {
            (false, 1) => Computation::Advance(AdvanceAs(all)),
            (false, _) => Computation::AdvanceLanes(AdvanceAs(all)),
            (true, 1) => Computation::AdvanceDiagonal(AdvanceAs(all)),
            (true, _) => Computation::AdvanceDiagonalLanes(AdvanceAs(all)),
        };
        T::run(lanes, computation);
    }
}
