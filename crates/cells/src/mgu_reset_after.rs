//! The minimal gated unit whose gate resets after the recurrent product.

use rtrl_sparse::{Scalar, math};

use crate::{
    Cell, CellError, CellKind, CellStep, GateRows, Inputs, Masks, Past, Role, Size, Structure, Wiring,
};

/// The minimal gated unit, whose one gate both writes and resets, *after* the recurrent product, as the gate of
/// PyTorch's GRU does:
///
/// ```text
/// f  = σ(W_f x + U_f h + b_f)
/// n  = tanh(W_n x + b_n + f ∘ (U_n h + c_n))
/// h' = (1 - f) ∘ h + f ∘ n
/// ```
///
/// Every row reaches its own unit alone, so that SnAp-1 is as cheap as on a [`Gru`](crate::Gru).
///
/// # Shapes
/// Masks for the gates f, n; state h of k = `units`; 3 k rows in the order f, `W_n x + b_n`, `U_n h + c_n`.
///
/// # Reference
/// Zhou et al., "Minimal gated unit for recurrent neural networks", arXiv:1603.09420, with the reset where
/// PyTorch's `GRU` has it.
#[derive(Debug, Clone)]
pub struct MguResetAfter {
    structure: Structure,
}

impl MguResetAfter {
    /// A cell of `units` units.
    ///
    /// # Errors
    /// If the masks do not fit, or a size is zero.
    pub fn new(inputs: Inputs, units: usize, masks: &Masks) -> Result<Self, CellError> {
        let rows = [
            GateRows::of(0),
            GateRows { past: Past::Nothing, ..GateRows::of(1) },
            GateRows { input: false, ..GateRows::of(1) },
        ];
        let structure = Structure::gated(inputs, units, masks, &rows)?.with_role(0, Role::Write);
        Ok(Self { structure })
    }
}

impl CellKind for MguResetAfter {
    const WIRING: Wiring = Wiring::Gates(2);

    fn build<T: Scalar>(inputs: Inputs, size: &Size, masks: &Masks) -> Result<Box<dyn Cell<T>>, CellError> {
        Ok(Box::new(Self::new(inputs, size.units, masks)?))
    }
}

impl<T: Scalar> Cell<T> for MguResetAfter {
    fn structure(&self) -> &Structure {
        &self.structure
    }

    fn forward(&self, step: &mut CellStep<'_, T>) {
        step.preactivate(0..self.structure.rows());
        let CellStep { rows, previous, next, row_jacobian, direct, .. } = step;
        let (a, h) = (rows.values_mut(), previous.values());
        let (next, g, direct) = (next.values_mut(), row_jacobian.values_mut(), direct.values_mut());
        let len = h.len();
        math::sigmoid(&mut a[..len]);
        for e in 0..len {
            a[len + e] += a[e] * a[2 * len + e];
        }
        math::tanh(&mut a[len..2 * len]);
        for e in 0..len {
            let (f, n, recurrent) = (a[e], a[len + e], a[2 * len + e]);
            next[e] = h[e] + f * (n - h[e]);
            // dh'/d(argument of tanh), through which f and both halves of n act.
            let inner = f * (T::ONE - n * n);
            g[e] = (n - h[e] + inner * recurrent) * (f * (T::ONE - f));
            g[len + e] = inner;
            g[2 * len + e] = inner * f;
            direct[e] = T::ONE - f;
        }
    }
}
