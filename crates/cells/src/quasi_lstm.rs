//! A gated cell with element-wise recurrence.

use rtrl_sparse::{Scalar, math};

use crate::{
    Cell, CellError, CellKind, CellStep, GateRows, Inputs, Masks, PyTorch, Role, Size, Structure, Wiring,
};

/// A gated cell whose gates see only their own unit of the past:
///
/// ```text
/// f  = σ(W_f x + w_f ∘ c + b_f)
/// z  = tanh(W_z x + w_z ∘ c + b_z)
/// c' = f ∘ c + (1 - f) ∘ z
/// ```
///
/// No unit ever reaches another, so D is diagonal, and SnAp-1 *is* exact RTRL at the cost of an eligibility trace.
///
/// # Shapes
/// Masks for the gates f, z, diagonal on the recurrent side; state c of `units`; 2 k rows in that order.
///
/// # Reference
/// Mozer, "A focused backpropagation algorithm for temporal pattern recognition" (1989); the cell of Irie et al.,
/// arXiv:2305.19044, without its output gate `h = σ(W_o x + U_o c') ∘ c'`. That gate reads c' of all units at the same
/// step and has no memory, so that it belongs to the readout: `output_gate` of `rtrl-train`. Exact RTRL is as cheap with
/// it as without.
#[derive(Debug, Clone)]
pub struct QuasiLstm {
    structure: Structure,
}

impl QuasiLstm {
    /// A cell of `units` units.
    ///
    /// # Errors
    /// If the masks do not fit, are not diagonal, or a size is zero.
    pub fn new(inputs: Inputs, units: usize, masks: &Masks) -> Result<Self, CellError> {
        let structure =
            Structure::gated(inputs, units, masks, &[0, 1].map(GateRows::of))?.with_role(0, Role::Keep);
        masks.check_diagonal()?;
        Ok(Self { structure })
    }
}

impl CellKind for QuasiLstm {
    const WIRING: Wiring = Wiring::Diagonal(2);
    const PYTORCH: Result<PyTorch, &'static str> = Err("PyTorch has no element-wise recurrence");

    fn build<T: Scalar>(inputs: Inputs, size: &Size, masks: &Masks) -> Result<Box<dyn Cell<T>>, CellError> {
        Ok(Box::new(Self::new(inputs, size.units, masks)?))
    }
}

impl<T: Scalar> Cell<T> for QuasiLstm {
    fn structure(&self) -> &Structure {
        &self.structure
    }

    fn forward(&self, step: &mut CellStep<'_, T>) {
        step.preactivate(0..self.structure.rows());
        let CellStep { rows, previous, next, row_jacobian, direct, .. } = step;
        let (a, c) = (rows.values_mut(), previous.values());
        let (next, g, direct) = (next.values_mut(), row_jacobian.values_mut(), direct.values_mut());
        let n = c.len();
        math::sigmoid(&mut a[..n]);
        math::tanh(&mut a[n..2 * n]);
        for e in 0..n {
            let (f, z) = (a[e], a[n + e]);
            next[e] = z + f * (c[e] - z);
            g[e] = (c[e] - z) * (f * (T::ONE - f));
            g[n + e] = (T::ONE - f) * (T::ONE - z * z);
            direct[e] = f;
        }
    }
}
