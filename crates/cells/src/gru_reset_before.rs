//! The gated recurrent unit with the reset gate before the matrix product.

use rtrl_sparse::{Scalar, math};

use crate::{
    Cell, CellError, CellKind, CellStep, GateRows, Inputs, Masks, Past, PyTorch, Role, Size, Structure,
    Wiring,
};

/// The GRU whose reset gate acts *before* the recurrent product:
///
/// ```text
/// r  = σ(W_r x + U_r h + b_r)
/// z  = σ(W_z x + U_z h + b_z)
/// n  = tanh(W_n x + b_n + U_n (r ∘ h))
/// h' = (1 - z) ∘ n + z ∘ h
/// ```
///
/// The reset row of unit j reaches, at once, every unit whose candidate reads unit j: its immediate pattern is
/// column j of the mask of U_n, not unit j. SnAp-1 keeps all of these entries.
///
/// # Shapes
/// Masks for the gates r, z, n; state h of k = `units`; 3 k rows in the order r, z, n; recurrent sources h,
/// then r ∘ h.
///
/// # Reference
/// Cho et al., arXiv:1406.1078v1 (2014), equations 5 to 8.
#[derive(Debug, Clone)]
pub struct GruResetBefore {
    structure: Structure,
    /// For each entry of the reset rows in the row Jacobian: the unit that it reaches, and the weight of U_n on
    /// the way.
    paths: Vec<(u32, u32)>,
}

impl GruResetBefore {
    /// A cell of `units` units.
    ///
    /// # Errors
    /// If the masks do not fit, or a size is zero.
    pub fn new(inputs: Inputs, units: usize, masks: &Masks) -> Result<Self, CellError> {
        let rows = [GateRows::of(0), GateRows::of(1), GateRows { past: Past::Scaled, ..GateRows::of(2) }];
        let structure = Structure::gated(inputs, units, masks, &rows)?.scaled_only_by(0..units);
        let structure = structure.with_role(1, Role::Keep);
        let reset_source = |unit: usize| (inputs.len() + 1 + units + unit) as u32;
        let paths = (0..units)
            .flat_map(|unit| structure.row_jacobian.row(unit).iter().map(move |&reached| (unit, reached)))
            .filter_map(|(unit, i)| {
                let weight = structure.weights.find(2 * units + i as usize, reset_source(unit))?;
                Some((i, weight as u32))
            })
            .collect();
        Ok(Self { structure, paths })
    }
}

impl CellKind for GruResetBefore {
    const WIRING: Wiring = Wiring::Gates(3);
    const PYTORCH: Result<PyTorch, &'static str> =
        Err("nn.GRU has its reset gate after the product; use `gru`");

    fn build<T: Scalar>(inputs: Inputs, size: &Size, masks: &Masks) -> Result<Box<dyn Cell<T>>, CellError> {
        Ok(Box::new(Self::new(inputs, size.units, masks)?))
    }
}

impl<T: Scalar> Cell<T> for GruResetBefore {
    fn structure(&self) -> &Structure {
        &self.structure
    }

    fn forward(&self, step: &mut CellStep<'_, T>) {
        let units = self.structure.states;
        step.preactivate(0..2 * units);
        let n = step.previous.values().len();
        step.scales.values_mut().copy_from_slice(&step.rows.values_mut()[..n]);
        math::sigmoid(step.scales.values_mut());
        step.rescale();
        step.preactivate(2 * units..3 * units);

        let reset_entries = self.paths.len();
        let lanes = step.previous.lanes();
        let (a, h) = (&mut step.rows.values_mut()[..3 * n], step.previous.values());
        let (next, direct) = (step.next.values_mut(), step.direct.values_mut());
        let (resets, others) = step.row_jacobian.values_mut().split_at_mut(reset_entries * lanes);
        math::sigmoid(&mut a[n..2 * n]);
        math::tanh(&mut a[2 * n..]);
        for e in 0..n {
            let (z, candidate) = (a[n + e], a[2 * n + e]);
            next[e] = candidate + z * (h[e] - candidate);
            others[e] = (h[e] - candidate) * (z * (T::ONE - z));
            others[n + e] = (T::ONE - z) * (T::ONE - candidate * candidate);
            direct[e] = z;
        }
        let r = step.scales.values_mut();
        let mut entries = resets.chunks_exact_mut(lanes).zip(&self.paths);
        for unit in 0..units {
            let entries = entries.by_ref().take(self.structure.row_jacobian.row(unit).len());
            for (g, &(reached, weight)) in entries {
                let w = step.weights[weight as usize];
                let inner = &others[n + reached as usize * lanes..];
                for (lane, g) in g.iter_mut().enumerate() {
                    let e = unit * lanes + lane;
                    *g = inner[lane] * w * h[e] * (r[e] * (T::ONE - r[e]));
                }
            }
        }
    }
}
