//! Blocks shared out among threads.
//!
//! A part is a range of the blocks as a layout of its own, with its own rows of the linear map, its own gradient
//! and its own memory. Blocks do not depend on each other, hence neither do parts. A part inherits from the whole
//! every decision on which the order of a sum depends (bands, runs, forms of products), so that results do not
//! depend on the number of threads.

use std::ops::Range;

use super::block::Block;
use super::blocks::Blocks;
use super::cost::Macs;
use super::layout::Layout;
use crate::float::Float;
use crate::simd::Level;

/// The scratch memory `M` of a computation: one for all blocks, or one for each part.
///
/// Construction decides whether the work is large enough to be split, for as many threads as the rayon pool has in
/// which it runs. On a thread of the pool (`rayon::scope` runs a program on one) smaller work is split than
/// outside: such a thread neither waits for others to begin nor allocates.
#[derive(Debug, Clone)]
pub(crate) enum Threads<T, M> {
    One(M),
    Several(Vec<Part<T, M>>),
}

/// A range of the blocks, with the memory that a thread needs for them.
#[derive(Debug, Clone)]
pub(crate) struct Part<T, M> {
    blocks: Blocks,
    memory: M,
    gradient: Vec<T>,
    /// The row of the whole map that each row of the part is.
    rows: Vec<u32>,
}

impl<T: Float, M: Send> Threads<T, M> {
    /// Memory for `blocks` in `lanes` lanes, where one call takes `macs` multiply-adds per lane. With more than
    /// one part per thread, a thread that is done early takes over a part of another.
    pub fn new(
        blocks: &Blocks,
        lanes: usize,
        macs: Macs,
        parts_per_thread: usize,
        memory: impl Fn(&Blocks) -> M,
    ) -> Self {
        let inside = pool::inside();
        let Layout { min_shared_macs, min_shared_macs_outside, .. } = blocks.layout;
        let worthwhile = if inside { min_shared_macs } else { min_shared_macs_outside };
        // The number of threads is asked for last: asking starts all threads of the global pool.
        if macs.total() * (lanes as u64) < worthwhile || pool::threads() == 1 {
            return Self::One(memory(blocks));
        }
        let shares = parts_per_thread * pool::threads();
        let work = |block: Block<'_>| (block.dynamics_nnz() + block.reach().len()) * block.columns();
        let all: usize = blocks.blocks().map(work).sum();
        let (mut parts, mut first, mut done) = (Vec::new(), 0, 0);
        let count = blocks.blocks().len();
        for (at, block) in blocks.blocks().enumerate() {
            done += work(block);
            if done * shares >= all * (parts.len() + 1) || at + 1 == count {
                parts.push(Part::new(blocks, first..at + 1, &memory));
                first = at + 1;
            }
        }
        Self::Several(parts)
    }

    /// Calls `work` for all blocks, or for every part on the threads of the current pool, at this thread's level.
    /// A part gets its range of `influence` (nothing if that is empty) and a gradient of its own, which is copied
    /// from the whole gradient before and back afterwards.
    pub fn each(
        &mut self,
        whole: &Blocks,
        lanes: usize,
        influence: &mut [T],
        gradient: &mut [T],
        work: impl Fn(&Blocks, &mut [T], &mut [T], &mut M) + Sync,
    ) {
        let parts = match self {
            Self::One(memory) => return work(whole, influence, gradient, memory),
            Self::Several(parts) => parts,
        };
        let (level, pattern, before) = (Level::current(), whole.linear().pattern(), &*gradient);
        split(parts, lanes, influence, &|part: &mut Part<T, M>, influence: &mut [T]| {
            let own = part.blocks.linear().pattern();
            for (r, &row) in part.rows.iter().enumerate() {
                part.gradient[own.entries(r)].copy_from_slice(&before[pattern.entries(row as usize)]);
            }
            level.force(|| work(&part.blocks, influence, &mut part.gradient, &mut part.memory));
        });
        for part in parts {
            let own = part.blocks.linear().pattern();
            for (r, &row) in part.rows.iter().enumerate() {
                gradient[pattern.entries(row as usize)].copy_from_slice(&part.gradient[own.entries(r)]);
            }
        }
    }

    /// [`each`](Self::each) for work that does not use the gradient.
    pub fn each_without_gradient(
        &mut self,
        whole: &Blocks,
        lanes: usize,
        influence: &mut [T],
        work: impl Fn(&Blocks, &mut [T], &mut M) + Sync,
    ) {
        let parts = match self {
            Self::One(memory) => return work(whole, influence, memory),
            Self::Several(parts) => parts,
        };
        let level = Level::current();
        split(parts, lanes, influence, &|part: &mut Part<T, M>, influence: &mut [T]| {
            level.force(|| work(&part.blocks, influence, &mut part.memory));
        });
    }
}

impl<T: Float, M> Part<T, M> {
    fn new(whole: &Blocks, range: Range<usize>, memory: impl Fn(&Blocks) -> M) -> Self {
        let own = whole.blocks().skip(range.start).take(range.len());
        let mut rows: Vec<u32> = own.flat_map(|block| block.rows()).map(|row| row.row as u32).collect();
        rows.sort_unstable();
        let linear = whole.linear().part(&rows);
        let renumbered = |row: usize| rows.binary_search(&(row as u32)).expect("a row of the part");
        let blocks = whole.part(range, linear, renumbered);
        let gradient = vec![T::ZERO; blocks.linear().pattern().nnz()];
        Self { memory: memory(&blocks), gradient, blocks, rows }
    }
}

fn split<T: Float, M: Send>(
    parts: &mut [Part<T, M>],
    lanes: usize,
    influence: &mut [T],
    work: &(impl Fn(&mut Part<T, M>, &mut [T]) + Sync),
) {
    match parts {
        [] => {}
        [part] => work(part, influence),
        _ => {
            let (left, right) = parts.split_at_mut(parts.len() / 2);
            let len: usize = left.iter().map(|part| part.blocks.len() * lanes).sum();
            let (own, others) = influence.split_at_mut(if influence.is_empty() { 0 } else { len });
            pool::join(|| split(left, lanes, own, work), || split(right, lanes, others, work));
        }
    }
}

/// The thread pool of rayon.
#[cfg(feature = "rayon")]
mod pool {
    pub use rayon::{current_num_threads as threads, join};

    pub fn inside() -> bool {
        rayon::current_thread_index().is_some()
    }
}

/// A stand-in without rayon: one thread.
#[cfg(not(feature = "rayon"))]
mod pool {
    pub fn inside() -> bool {
        false
    }

    pub fn threads() -> usize {
        1
    }

    pub fn join(a: impl FnOnce(), b: impl FnOnce()) {
        a();
        b();
    }
}
