//! A kind of cell: how it is built, and what it may do without.

use rtrl_sparse::Scalar;

use crate::{Cell, CellError, Inputs, Masks, Size};

/// A kind of cell, for nets that are described in a configuration. Own ones reach configurations by [`register`](crate::register).
pub trait CellKind: 'static {
    /// Which weights it can do without.
    const WIRING: Wiring;

    /// The layer of PyTorch that it is, or why there is none.
    const PYTORCH: Result<PyTorch, &'static str> = Err("PyTorch has no such layer");

    /// A cell of `size` for `inputs` with these masks: one for each gate of [`WIRING`](Self::WIRING).
    ///
    /// # Errors
    /// If a size is zero or the masks do not fit.
    fn build<T: Scalar>(inputs: Inputs, size: &Size, masks: &Masks) -> Result<Box<dyn Cell<T>>, CellError>;
}

/// Which weights a kind of cell can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wiring {
    /// Any, in each of this many gates.
    Gates(usize),
    /// Those of the inputs, in each of this many gates; recurrence is element-wise.
    Diagonal(usize),
    /// None.
    Fixed,
}

impl Wiring {
    /// Number of gates with masks.
    #[must_use]
    pub fn gates(self) -> usize {
        match self {
            Self::Gates(gates) | Self::Diagonal(gates) => gates,
            Self::Fixed => 0,
        }
    }
}

/// A layer of PyTorch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PyTorch {
    /// `nn.Embedding`.
    Embedding,
    /// A layer of `nn.RNN`, `nn.GRU` or `nn.LSTM`: the gates in the order of the masks.
    Recurrent,
}
