//! A trained linear map of the input, to be used as the lowest layer of a stack.

use rtrl_sparse::{Pattern, Scalar};

use crate::{Cell, CellError, CellKind, CellStep, Inputs, Masks, PyTorch, Size, Structure, Wiring};

/// An embedding, `e_t = W x_t + b`: a layer without a past.
///
/// If the inputs are symbols, each column of W is the vector of one symbol, and the layer above reads `units`
/// numbers in place of a whole alphabet. Exact RTRL keeps the influence of each row of the embedding on every
/// state above.
///
/// # Shapes
/// State e of `units`; one row for each unit; no masks.
#[derive(Debug, Clone)]
pub struct Embedding {
    structure: Structure,
}

impl Embedding {
    /// An embedding in `units` numbers.
    ///
    /// # Errors
    /// If a size is zero.
    pub fn new(inputs: Inputs, units: usize) -> Result<Self, CellError> {
        let structure = Structure {
            inputs,
            states: units,
            hidden: 0..units,
            recurrent: Vec::new(),
            weights: Pattern::dense(units, inputs.len() + 1),
            row_jacobian: Pattern::identity(units),
            direct: Pattern::empty(units, units),
            masked: Vec::new(),
        };
        structure.validate()?;
        Ok(Self { structure })
    }
}

impl CellKind for Embedding {
    const WIRING: Wiring = Wiring::Fixed;
    const PYTORCH: Result<PyTorch, &'static str> = Ok(PyTorch::Embedding);

    fn build<T: Scalar>(inputs: Inputs, size: &Size, _: &Masks) -> Result<Box<dyn Cell<T>>, CellError> {
        Ok(Box::new(Self::new(inputs, size.units)?))
    }
}

impl<T: Scalar> Cell<T> for Embedding {
    fn structure(&self) -> &Structure {
        &self.structure
    }

    fn forward(&self, step: &mut CellStep<'_, T>) {
        step.preactivate(0..self.structure.states);
        step.next.values_mut().copy_from_slice(step.rows.values_mut());
        step.row_jacobian.values_mut().fill(T::ONE);
    }
}
