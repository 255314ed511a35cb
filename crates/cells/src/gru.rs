//! The gated recurrent unit with the reset gate after the matrix product.

use rtrl_sparse::{Scalar, math};

use crate::{
    Cell, CellError, CellKind, CellStep, GateRows, Inputs, Masks, Past, PyTorch, Role, Size, Structure,
    Wiring,
};

/// The GRU whose reset gate acts *after* the recurrent product, as in PyTorch and cuDNN:
///
/// ```text
/// r  = σ(W_r x + U_r h + b_r)
/// z  = σ(W_z x + U_z h + b_z)
/// n  = tanh(W_n x + b_n + r ∘ (U_n h + c_n))
/// h' = (1 - z) ∘ n + z ∘ h
/// ```
///
/// Each unit has four rows, since the reset gate multiplies only one of the two sums in n. Every row reaches
/// its own unit alone.
///
/// # Shapes
/// Masks for the gates r, z, n; state h of k = `units`; 4 k rows in the order r, z, `W_n x + b_n`,
/// `U_n h + c_n`.
///
/// # Reference
/// Cho et al., arXiv:1406.1078v3 (2014); the variant of PyTorch's `GRU`, with one bias in place of its two for
/// each of r and z.
#[derive(Debug, Clone)]
pub struct Gru {
    structure: Structure,
}

impl Gru {
    /// A cell of `units` units.
    ///
    /// # Errors
    /// If the masks do not fit, or a size is zero.
    pub fn new(inputs: Inputs, units: usize, masks: &Masks) -> Result<Self, CellError> {
        let rows = [
            GateRows::of(0),
            GateRows::of(1),
            GateRows { past: Past::Nothing, ..GateRows::of(2) },
            GateRows { input: false, ..GateRows::of(2) },
        ];
        let structure = Structure::gated(inputs, units, masks, &rows)?.with_role(1, Role::Keep);
        Ok(Self { structure })
    }
}

impl CellKind for Gru {
    const WIRING: Wiring = Wiring::Gates(3);
    const PYTORCH: Result<PyTorch, &'static str> = Ok(PyTorch::Recurrent);

    fn build<T: Scalar>(inputs: Inputs, size: &Size, masks: &Masks) -> Result<Box<dyn Cell<T>>, CellError> {
        Ok(Box::new(Self::new(inputs, size.units, masks)?))
    }
}

impl<T: Scalar> Cell<T> for Gru {
    fn structure(&self) -> &Structure {
        &self.structure
    }

    fn forward(&self, step: &mut CellStep<'_, T>) {
        step.preactivate(0..self.structure.rows());
        let CellStep { rows, previous, next, row_jacobian, direct, .. } = step;
        let (a, h) = (rows.values_mut(), previous.values());
        let (next, g, direct) = (next.values_mut(), row_jacobian.values_mut(), direct.values_mut());
        let n = h.len();
        math::sigmoid(&mut a[..2 * n]);
        for e in 0..n {
            a[2 * n + e] += a[e] * a[3 * n + e];
        }
        math::tanh(&mut a[2 * n..3 * n]);
        for e in 0..n {
            let (r, z, candidate, recurrent) = (a[e], a[n + e], a[2 * n + e], a[3 * n + e]);
            next[e] = candidate + z * (h[e] - candidate);
            // dh'/d(argument of tanh), through which r and both halves of n act.
            let inner = (T::ONE - z) * (T::ONE - candidate * candidate);
            g[e] = inner * recurrent * (r * (T::ONE - r));
            g[n + e] = (h[e] - candidate) * (z * (T::ONE - z));
            g[2 * n + e] = inner;
            g[3 * n + e] = inner * r;
            direct[e] = z;
        }
    }
}
