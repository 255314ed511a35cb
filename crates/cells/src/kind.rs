//! A kind of cell: how it is built, and which weights may be missing.

use rtrl_sparse::Scalar;

use crate::{Cell, CellError, Inputs, Masks, Size, Wiring};

/// A kind of cell that a configuration can name. [`register`](crate::register) makes one's own kinds known to
/// configurations.
pub trait CellKind: 'static {
    /// Which weights may be missing.
    const WIRING: Wiring;

    /// Hidden states of each unit: what the layer above reads of it.
    const HIDDEN_PER_UNIT: usize = 1;

    /// Whether [`Size::leak`] has a meaning for the cell.
    const LEAK: bool = false;

    /// The PyTorch layer to which the cell corresponds, or the reason why there is none.
    const PYTORCH: Result<PyTorch, &'static str> = Err("PyTorch has no such layer");

    /// A cell of `size` for `inputs` with these masks: one for each gate of [`WIRING`](Self::WIRING).
    ///
    /// # Errors
    /// If a size is zero or the masks do not fit.
    fn build<T: Scalar>(inputs: Inputs, size: &Size, masks: &Masks) -> Result<Box<dyn Cell<T>>, CellError>;
}

/// A PyTorch layer whose weights can be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PyTorch {
    /// `nn.Embedding`.
    Embedding,
    /// A layer of `nn.RNN`, `nn.GRU` or `nn.LSTM`: the gates in the order of the masks.
    Recurrent,
}
