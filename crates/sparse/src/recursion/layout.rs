//! The limits at which the layout chooses between two forms of the same computation.

/// Limits at which a layout of blocks takes one form of a computation or another. All forms give the same sums, in
/// different orders. The defaults were measured to be fastest; tests set others, so that small blocks take every
/// form.
///
/// ```
/// use rtrl_sparse::{Blocks, Layout, Linear, Operand, Pattern};
/// let (states, linear) = (Pattern::dense(2, 2), Linear::new(Pattern::dense(2, 3), 0));
/// // D[R, R] as runs of consecutive entries, however short.
/// let layout = Layout { min_mean_run: 1, ..Layout::default() };
/// let reach = [vec![0, 1], vec![0, 1]];
/// let blocks = Blocks::with_layout(linear, Operand::plain(&states), Operand::plain(&states), &reach, layout)?;
/// assert_eq!(blocks.len(), 2 * 6);
/// # Ok::<(), rtrl_sparse::BlockError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Least mean length of the runs of consecutive entries of D[R, R] for which it is kept as runs. With shorter
    /// runs it is kept entry by entry, since vectors along them do not pay.
    pub min_mean_run: usize,
    /// Fewest blocks whose adjoints are multiplied by D as one matrix. With fewer, too few products share the
    /// dense copy of D that each step makes.
    pub min_dense_adjoint_blocks: usize,
    /// How many multiply-adds of the product of all adjoints by D, as one matrix, take as long as one along the
    /// entries of D. Measured in one lane: about 60 per nanosecond against 1.5 to 2; in sixteen lanes: 60 against
    /// 6.
    pub dense_adjoint_speedup: usize,
    /// The same ratio for the products that form the transitions Φ.
    pub transition_speedup: usize,
    /// Least multiply-adds of a call, in all lanes, that are shared out among threads if the recursion is
    /// constructed on a thread of the rayon pool: 10 to 50 microseconds of work, the time in which another thread
    /// wakes up.
    pub min_shared_macs: u64,
    /// The same for construction outside the pool, from where each call also waits for a worker.
    pub min_shared_macs_outside: u64,
    /// The most entries that an index array may count. A value above `u32::MAX - 1` counts as that.
    pub max_index: u32,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            min_mean_run: 8,
            min_dense_adjoint_blocks: 8,
            dense_adjoint_speedup: 16,
            transition_speedup: 4,
            min_shared_macs: 400_000,
            min_shared_macs_outside: 2_000_000,
            max_index: u32::MAX - 1,
        }
    }
}
