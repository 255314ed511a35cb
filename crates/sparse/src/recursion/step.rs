//! The values of D, G, u and δ at one step.

use super::blocks::Blocks;
use crate::lanes::Lanes;
use crate::linear::Sources;

/// The values of one step, each array `[len][lanes]`.
#[derive(Debug, Clone, Copy)]
pub struct StepValues<'a, T> {
    /// Values of D at the positions given to [`Blocks::new`]. All are zero in a lane that begins a sequence.
    pub dynamics: Lanes<'a, T>,
    /// Values of G at the positions given to [`Blocks::new`].
    pub row_jacobian: Lanes<'a, T>,
    /// u.
    pub sources: Sources<'a, T>,
    /// δ, the gradient of this step's loss by the states: one entry for each state.
    pub delta: Lanes<'a, T>,
}

impl<T> StepValues<'_, T> {
    /// Checks every size against `blocks` in `lanes` lanes. The arrays of D and G may be longer than needed.
    #[track_caller]
    pub(crate) fn check(&self, blocks: &Blocks, lanes: usize) {
        let Self { dynamics, row_jacobian, sources, delta } = self;
        let found = [dynamics.lanes(), row_jacobian.lanes(), sources.dense.lanes(), delta.lanes()];
        assert_eq!(found, [lanes; 4], "lanes of D, G, u and δ");
        let (values, _) = blocks.arrays.dynamics_values();
        assert!(dynamics.len() >= values, "{} values of D, not {values} or more", dynamics.len());
        let values = blocks.arrays.jacobian_values();
        assert!(row_jacobian.len() >= values, "{} values of G, not {values} or more", row_jacobian.len());
        assert_eq!(sources.dense.len(), blocks.linear.dense_sources(), "dense sources");
        assert_eq!(delta.len(), blocks.states, "entries of δ, one for each state");
        sources.check_symbols(blocks.linear.symbols(), lanes);
    }
}

/// Checks every step of a window, and the length of the gradient if it is given.
#[track_caller]
pub(crate) fn check_window<'a, T: 'a>(
    blocks: &Blocks,
    lanes: usize,
    steps: usize,
    values: impl Fn(usize) -> StepValues<'a, T>,
    gradient: Option<usize>,
) {
    (0..steps).for_each(|step| values(step).check(blocks, lanes));
    if let Some(len) = gradient {
        assert_eq!(len, blocks.linear.pattern().nnz(), "entries of the gradient, and weights");
    }
}
