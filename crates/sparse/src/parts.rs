//! Blocks shared out among threads.
//!
//! A part is some of the blocks as a layout of its own: with its own rows of the linear map, its own gradient and its own memory. Blocks
//! do not depend on each other, so that parts do not either. A part inherits from the whole every decision on which the order of a
//! sum depends (bands, runs, forms of products), so that results do not depend on the number of threads.

use crate::kernels::simd::Level;
use crate::{Block, Blocks, Layout, Purpose, Scalar, Scratch};

/// Parts for each thread: a thread that is done early takes from another.
const SHARES: usize = 2;

/// Some of the blocks, with what a thread needs to work on them.
#[derive(Debug, Clone)]
pub(crate) struct Part<T> {
    pub blocks: Blocks,
    pub scratch: Scratch<T>,
    pub gradient: Vec<T>,
    /// Which row of the whole each row is.
    rows: Vec<u32>,
}

impl<T: Scalar> Part<T> {
    /// The parts for as many threads as this thread's pool has; none if that would not pay.
    pub fn share(blocks: &Blocks, lanes: usize, purpose: Purpose) -> Vec<Self> {
        let macs = match purpose {
            Purpose::Advance => blocks.advance_macs(),
            Purpose::Sweep(steps) => blocks.advance_macs().times(steps),
            Purpose::Adjoint(steps) => blocks.adjoint_macs(steps, false),
            Purpose::Carry(steps) => blocks.carry_macs(steps),
        };
        let inside = rayon::current_thread_index().is_some();
        let Layout { min_shared_macs, min_shared_macs_outside, .. } = blocks.layout;
        let worthwhile = if inside { min_shared_macs } else { min_shared_macs_outside };
        if macs.total() * (lanes as u64) < worthwhile {
            return Vec::new();
        }
        // Asked last: the first question starts all threads of the global pool.
        let threads = rayon::current_num_threads();
        if threads == 1 {
            return Vec::new();
        }
        let work = |block: Block<'_>| (block.dynamics_nnz() + block.reach().len()) * block.columns();
        let all: usize = blocks.blocks().map(work).sum();
        // Every part of a dense adjoint spreads D out for itself.
        let whole = matches!(purpose, Purpose::Adjoint(_)) && blocks.dense_adjoint();
        let shares = if whole { threads } else { SHARES * threads };
        let (mut parts, mut first, mut done) = (Vec::new(), 0, 0);
        let count = blocks.blocks().len();
        for (at, block) in blocks.blocks().enumerate() {
            done += work(block);
            if done * shares >= all * (parts.len() + 1) || at + 1 == count {
                parts.push(Self::new(blocks, first..at + 1, lanes, purpose));
                first = at + 1;
            }
        }
        parts
    }

    fn new(whole: &Blocks, range: std::ops::Range<usize>, lanes: usize, purpose: Purpose) -> Self {
        let own = whole.blocks().skip(range.start).take(range.len());
        let mut rows: Vec<u32> = own.flat_map(|block| block.rows()).map(|row| row.row as u32).collect();
        rows.sort_unstable();
        let linear = whole.linear.part(&rows);
        let renumbered = |row: usize| rows.binary_search(&(row as u32)).expect("a row of the part");
        let blocks = whole.part(range, linear, renumbered);
        Self {
            scratch: Scratch::alone(&blocks, lanes, purpose),
            gradient: vec![T::ZERO; blocks.linear.pattern().nnz()],
            blocks,
            rows,
        }
    }

    /// Does `work` with every part, on the threads of this thread's pool, at this thread's level: with its part of
    /// `influence` (if that is not empty) and its own gradient, which begins as that of the whole and ends as part of it.
    pub fn each(
        parts: &mut [Self],
        whole: &Blocks,
        lanes: usize,
        influence: &mut [T],
        gradient: &mut [T],
        work: &(impl Fn(&Blocks, &mut [T], &mut [T], &mut Scratch<T>) + Sync),
    ) {
        let (level, pattern, before) = (Level::current(), whole.linear.pattern(), &*gradient);
        Self::split(parts, lanes, influence, &|part, influence| {
            for (own, &row) in (0..).zip(&part.rows) {
                let own = part.blocks.linear.pattern().entries(own);
                part.gradient[own].copy_from_slice(&before[pattern.entries(row as usize)]);
            }
            level.force(|| work(&part.blocks, influence, &mut part.gradient, &mut part.scratch));
        });
        for part in parts {
            for (own, &row) in (0..).zip(&part.rows) {
                let own = part.blocks.linear.pattern().entries(own);
                gradient[pattern.entries(row as usize)].copy_from_slice(&part.gradient[own]);
            }
        }
    }

    /// The same for work that leaves the gradient alone.
    pub fn each_alone(
        parts: &mut [Self],
        lanes: usize,
        influence: &mut [T],
        work: &(impl Fn(&Blocks, &mut [T], &mut Scratch<T>) + Sync),
    ) {
        let level = Level::current();
        Self::split(parts, lanes, influence, &|part, influence| {
            level.force(|| work(&part.blocks, influence, &mut part.scratch));
        });
    }

    fn split(
        parts: &mut [Self],
        lanes: usize,
        influence: &mut [T],
        work: &(impl Fn(&mut Self, &mut [T]) + Sync),
    ) {
        match parts {
            [] => {}
            [part] => work(part, influence),
            _ => {
                let (left, right) = parts.split_at_mut(parts.len() / 2);
                let len: usize = left.iter().map(|part| part.blocks.len() * lanes).sum();
                let (own, others) = influence.split_at_mut(if influence.is_empty() { 0 } else { len });
                rayon::join(
                    || Self::split(left, lanes, own, work),
                    || Self::split(right, lanes, others, work),
                );
            }
        }
    }
}
