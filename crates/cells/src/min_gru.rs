//! The minimal GRU without recurrent weights.

use rtrl_sparse::{Pattern, Scalar, math};

use crate::{Cell, CellError, CellKind, CellStep, Inputs, Masks, Size, Structure, Wiring};

/// The minGRU, a leaky integrator whose rate and target the input sets:
///
/// ```text
/// z  = σ(W_z x + b_z)
/// n  = W_n x + b_n
/// h' = (1 - z) ∘ h + z ∘ n
/// ```
///
/// No unit reads the past but through its own leak, so D is diagonal: SnAp-1 and e-prop *are* exact RTRL.
///
/// # Shapes
/// State h of k = `units`; 2 k rows in the order z, n; no masks.
///
/// # Reference
/// Feng et al., "Were RNNs all we needed?", arXiv:2410.01201, section 3.1.
#[derive(Debug, Clone)]
pub struct MinGru {
    structure: Structure,
}

impl MinGru {
    /// A cell of `units` units.
    ///
    /// # Errors
    /// If a size is zero.
    pub fn new(inputs: Inputs, units: usize) -> Result<Self, CellError> {
        let own_unit = (0..2 * units).map(|row| [(row % units) as u32]);
        let structure = Structure {
            inputs,
            states: units,
            hidden: 0..units,
            recurrent: Vec::new(),
            weights: Pattern::dense(2 * units, inputs.len() + 1),
            row_jacobian: Pattern::from_rows(units, own_unit)?,
            direct: Pattern::identity(units),
            masked: Vec::new(),
        };
        structure.validate()?;
        Ok(Self { structure })
    }
}

impl CellKind for MinGru {
    const WIRING: Wiring = Wiring::Fixed;

    fn build<T: Scalar>(inputs: Inputs, size: &Size, _: &Masks) -> Result<Box<dyn Cell<T>>, CellError> {
        Ok(Box::new(Self::new(inputs, size.units)?))
    }
}

impl<T: Scalar> Cell<T> for MinGru {
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
            let (z, n) = (a[e], a[len + e]);
            next[e] = h[e] + z * (n - h[e]);
            g[e] = (n - h[e]) * (z * (T::ONE - z));
            g[len + e] = z;
            direct[e] = T::ONE - z;
        }
    }
}
