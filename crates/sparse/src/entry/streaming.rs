//! Schedules 1 and 2: J is advanced step by step.

use std::ops::Range;
use std::sync::Arc;

use crate::lanes::{Lanes, LanesMut};
use crate::linear::{Linear, Sources};
use crate::pattern::Pattern;
use crate::product::Operand;
use crate::recursion::advance::{Advance, AdvanceAs};
use crate::recursion::block::Kind;
use crate::recursion::step::check_window;
use crate::recursion::threads::Threads;
use crate::recursion::tile::Tiles;
use crate::recursion::{BlockError, Blocks, Macs, StepValues};
use crate::run::{Computation, Scalar};

/// Parts for each thread: one that is done early takes over a part of another.
const PARTS: usize = 2;

/// J of [`Blocks`], advanced step by step, with the memory for it. Only
/// [`step_without_loss`](Self::step_without_loss) allocates after construction, once.
#[derive(Debug, Clone)]
pub struct Streaming<T> {
    blocks: Arc<Blocks>,
    lanes: usize,
    influence: Vec<T>,
    threads: Threads<T, Tiles<T>>,
    bytes: usize,
    /// A δ of zeros and a gradient that nobody reads, for steps without a loss.
    lossless: Option<(Vec<T>, Vec<T>)>,
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

    /// A J of zeros in `lanes` lanes, for [`sweep`](Self::sweep) over windows of about `steps` steps. The work of
    /// a whole window decides whether it is shared out among threads.
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
            lossless: None,
        }
    }

    /// A J of zeros in `lanes` lanes from patterns alone:
    ///
    /// * `weights`, rows × sources: the weights of the linear map, all of dense sources;
    /// * `drives`, rows × states: the pattern of Gᵀ, the states that each row drives directly;
    /// * `dynamics`, states × states: the pattern of D;
    /// * `reach`, rows × states: the states whose entries of J are kept for the weights of each row.
    ///   `drives.product(&dynamics.transpose().closure())` keeps all that can be nonzero.
    ///
    /// ```
    /// use rtrl_sparse::{Pattern, Streaming};
    /// // Two states in a chain, 0 → 1; one row with one weight drives state 0.
    /// let dynamics = Pattern::from_rows(2, [vec![0], vec![0, 1]])?;
    /// let drives = Pattern::from_rows(2, [vec![0]])?;
    /// let reach = drives.product(&dynamics.transpose().closure());
    /// let mut j = Streaming::of_patterns(Pattern::dense(1, 1), &drives, &dynamics, &reach, 1)?;
    /// let mut gradient = [0.0];
    /// j.step_without_loss(&[0.5, 2.0, 0.25], &[1.0], &[3.0]);
    /// j.step(&[0.5, 2.0, 0.25], &[1.0], &[3.0], &[0.0, 1.0], &mut gradient);
    /// assert_eq!((j.get(0, 0), j.get(1, 0)), (Some(&[4.5][..]), Some(&[6.0][..])));
    /// assert_eq!((j.to_dense(0), gradient), (vec![4.5, 6.0], [6.0]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If sizes differ, or there are more entries than positions of 32 bits can count.
    ///
    /// # Panics
    /// If there are no lanes.
    #[track_caller]
    pub fn of_patterns(
        weights: Pattern,
        drives: &Pattern,
        dynamics: &Pattern,
        reach: &Pattern,
        lanes: usize,
    ) -> Result<Self, BlockError> {
        let reach: Vec<Vec<u32>> = (0..reach.rows()).map(|r| reach.row(r).to_vec()).collect();
        let linear = Linear::new(weights, 0);
        let blocks = Blocks::new(linear, Operand::plain(drives), Operand::plain(dynamics), &reach)?;
        Ok(Self::new(blocks, lanes))
    }

    /// [`advance`](Self::advance) for a map without symbols, by plain slices, each `[len][lanes]`: the values of D
    /// (`d`) and Gᵀ (`g`) at the positions of the layout (after [`of_patterns`](Self::of_patterns), in the order
    /// of the patterns), u and δ.
    ///
    /// # Panics
    /// If sizes do not fit, or the map has symbols.
    #[track_caller]
    pub fn step(&mut self, d: &[T], g: &[T], u: &[T], delta: &[T], gradient: &mut [T]) {
        let lanes = |values| Lanes::new(values, self.lanes);
        let sources = Sources { symbols: &[], dense: lanes(u) };
        let (dynamics, row_jacobian, delta) = (lanes(d), lanes(g), lanes(delta));
        self.advance(StepValues { dynamics, row_jacobian, sources, delta }, gradient);
    }

    /// [`step`](Self::step) without a loss, that is with δ = 0 and no gradient. The first call allocates.
    ///
    /// # Panics
    /// If sizes do not fit, or the map has symbols.
    #[track_caller]
    pub fn step_without_loss(&mut self, d: &[T], g: &[T], u: &[T]) {
        let (states, weights) = (self.blocks.states * self.lanes, self.blocks.linear.pattern().nnz());
        let zeros = || (vec![T::ZERO; states], vec![T::ZERO; weights]);
        let (delta, mut unread) = self.lossless.take().unwrap_or_else(zeros);
        self.step(d, g, u, &delta, &mut unread);
        self.lossless = Some((delta, unread));
    }

    /// Entry (`state`, `weight`) of J in every lane; `None` if it is not kept.
    pub fn get(&self, state: u32, weight: usize) -> Option<&[T]> {
        self.blocks.find(state, weight).map(|at| self.influence().at(at))
    }

    /// The entries of J that are kept: (state, weight, value in every lane), block after block.
    pub fn entries(&self) -> impl Iterator<Item = (u32, usize, &[T])> {
        self.blocks.entries().map(|(state, weight, at)| (state, weight, self.influence().at(at)))
    }

    /// The entries of J that are kept for one weight: (state, value in every lane).
    pub fn column(&self, weight: usize) -> impl Iterator<Item = (u32, &[T])> {
        let influence = self.influence();
        self.blocks.column(weight).into_iter().flat_map(move |(block, column)| {
            let at = move |local: usize| block.start() + local * block.columns() + column;
            block.reach().iter().enumerate().map(move |(i, &state)| (state, influence.at(at(i))))
        })
    }

    /// One lane of J as a dense, row-major matrix, states × weights, with zeros for entries that are not kept.
    ///
    /// # Panics
    /// If there is no such lane.
    #[track_caller]
    pub fn to_dense(&self, lane: usize) -> Vec<T> {
        assert!(lane < self.lanes, "lane {lane} of {}", self.lanes);
        let weights = self.blocks.linear.pattern().nnz();
        let mut dense = vec![T::ZERO; self.blocks.states * weights];
        for (state, weight, values) in self.entries() {
            dense[state as usize * weights + weight] = values[lane];
        }
        dense
    }

    /// One step of every block: `J ← P ∘ (D J + G ⊗ u)`, then `gradient += δᵀ J`, summed over lanes. The gradient
    /// has an entry for each weight, in their order. Subnormal entries of J become zero.
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

    /// [`advance`](Self::advance) for each of `steps` steps, block by block: a block stays in the cache for the
    /// whole window. `values(τ)` returns step τ of `0..steps`.
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

    /// J: one entry for each of [`Blocks::entries`], in that order.
    pub fn influence(&self) -> Lanes<'_, T> {
        Lanes::new(&self.influence, self.lanes)
    }

    /// J, to be overwritten.
    pub fn influence_mut(&mut self) -> LanesMut<'_, T> {
        LanesMut::new(&mut self.influence, self.lanes)
    }

    /// Bytes of J and of the scratch memory of one thread, without the layout. The scratch memory of further
    /// threads is not counted, so that the number is the same on every machine.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.influence[..]) + self.bytes
    }
}

/// One step of the blocks in `range`.
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
