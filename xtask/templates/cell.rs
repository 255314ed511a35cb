//! A gated cell: say here which.

use rtrl_sparse::{Scalar, math};

use crate::{Cell, CellError, CellKind, CellStep, GateRows, Inputs, Masks, Role, Size, Structure, Wiring};

/// A gate f between the past and the candidate n:
///
/// ```text
/// f  = σ(W_f x + U_f h + b_f)
/// n  = tanh(W_n x + U_n h + b_n)
/// h' = f ∘ h + (1 - f) ∘ n
/// ```
///
/// # Shapes
/// Masks for the gates f, n; state h of `units`; 2 k rows in that order.
///
/// # Reference
/// Where the equations are from.
#[derive(Debug, Clone)]
pub struct Template {
    structure: Structure,
}

impl CellKind for Template {
    const WIRING: Wiring = Wiring::Gates(2);

    fn build<T: Scalar>(inputs: Inputs, size: &Size, masks: &Masks) -> Result<Box<dyn Cell<T>>, CellError> {
        let structure = Structure::gated(inputs, size.units, masks, &[0, 1].map(GateRows::of))?
            // For settings of the initial weights that concern the gate with which the state is kept.
            .with_role(0, Role::Keep);
        Ok(Box::new(Self { structure }))
    }
}

impl<T: Scalar> Cell<T> for Template {
    fn structure(&self) -> &Structure {
        &self.structure
    }

    fn forward(&self, step: &mut CellStep<'_, T>) {
        step.preactivate(0..self.structure.rows());
        let CellStep { rows, previous, next, row_jacobian, direct, .. } = step;
        let (z, h) = (rows.values_mut(), previous.values());
        let (next, g, direct) = (next.values_mut(), row_jacobian.values_mut(), direct.values_mut());
        // One value for each unit and lane.
        let len = h.len();
        math::sigmoid(&mut z[..len]);
        math::tanh(&mut z[len..2 * len]);
        for e in 0..len {
            let (f, n) = (z[e], z[len + e]);
            next[e] = f * h[e] + (T::ONE - f) * n;
            // ∂h'/∂z of both rows, and ∂h'/∂h where it does not pass through z.
            g[e] = (h[e] - n) * f * (T::ONE - f);
            g[len + e] = (T::ONE - f) * (T::ONE - n * n);
            direct[e] = f;
        }
    }
}
