//! Where the choice falls between two forms of the same computation.

/// Limits at which a layout of blocks takes one form of a computation or another. All forms give the same sums, in another order.
/// The defaults are what was measured to be fastest; tests set others, so that small blocks reach every form.
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
    /// Mean entries of a run from which on D[R, R] is kept as runs of consecutive entries: a vector along a shorter run does not
    /// pay.
    pub min_mean_run: usize,
    /// Fewest blocks whose adjoints are multiplied by D as one matrix: fewer do not share D often enough.
    pub min_dense_adjoint_blocks: usize,
    /// Multiply-adds of such a product in the time of one along the entries of D. Measured in one lane: some 60 against 1.5 to 2
    /// per nanosecond; in sixteen 60 against 6.
    pub dense_adjoint_speedup: usize,
    /// The same for the products of transitions.
    pub transition_speedup: usize,
    /// Least multiply-adds of a call that is shared out among threads, if it comes from a thread of the pool: 10 to 50
    /// microseconds, in which another thread wakes up.
    pub min_shared_macs: u64,
    /// The same for a call from outside of the pool, which has to wait for a worker.
    pub min_shared_macs_outside: u64,
    /// Greatest position that an index array may hold; at most `u32::MAX - 1`.
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
