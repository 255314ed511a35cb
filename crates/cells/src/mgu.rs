//! The minimal gated unit.

use rtrl_sparse::{Scalar, math};

use crate::{
    Cell, CellError, CellKind, CellStep, GateRows, Inputs, Masks, Past, Role, Size, Structure, Wiring,
};

/// The minimal gated unit, whose one gate both writes and resets, *before* the recurrent product:
///
/// ```text
/// f  = σ(W_f x + U_f h + b_f)
/// n  = tanh(W_n x + b_n + U_n (f ∘ h))
/// h' = (1 - f) ∘ h + f ∘ n
/// ```
///
/// A row of the gate reaches, at once, its own unit and every unit whose candidate n reads that unit.
///
/// # Shapes
/// Masks for the gates f, n; state h of k = `units`; 2 k rows in that order; recurrent sources h, then f ∘ h.
///
/// # Reference
/// Zhou et al., "Minimal gated unit for recurrent neural networks", arXiv:1603.09420.
#[derive(Debug, Clone)]
pub struct Mgu {
    structure: Structure,
    /// For each entry of the rows of f in the row Jacobian: the unit that it reaches, and the weight of U_n on
    /// the way, if there is one.
    paths: Vec<(u32, Option<u32>)>,
}

impl Mgu {
    /// A cell of `units` units.
    ///
    /// # Errors
    /// If the masks do not fit, or a size is zero.
    pub fn new(inputs: Inputs, units: usize, masks: &Masks) -> Result<Self, CellError> {
        let rows = [GateRows::of(0), GateRows { past: Past::Scaled, ..GateRows::of(1) }];
        let structure = Structure::gated(inputs, units, masks, &rows)?.scaled_by(0..units);
        let structure = structure.with_role(0, Role::Write);
        let gated_source = |unit: usize| (inputs.len() + 1 + units + unit) as u32;
        let paths = (0..units)
            .flat_map(|unit| structure.row_jacobian.row(unit).iter().map(move |&reached| (unit, reached)))
            .map(|(unit, reached)| {
                let weight = structure.weights.find(units + reached as usize, gated_source(unit));
                (reached, weight.map(|weight| weight as u32))
            })
            .collect();
        Ok(Self { structure, paths })
    }
}

impl CellKind for Mgu {
    const WIRING: Wiring = Wiring::Gates(2);

    fn build<T: Scalar>(inputs: Inputs, size: &Size, masks: &Masks) -> Result<Box<dyn Cell<T>>, CellError> {
        Ok(Box::new(Self::new(inputs, size.units, masks)?))
    }
}

impl<T: Scalar> Cell<T> for Mgu {
    fn structure(&self) -> &Structure {
        &self.structure
    }

    fn forward(&self, step: &mut CellStep<'_, T>) {
        let units = self.structure.states;
        step.preactivate(0..units);
        let (lanes, len) = (step.previous.lanes(), step.previous.values().len());
        step.scales.values_mut().copy_from_slice(&step.rows.values_mut()[..len]);
        math::sigmoid(step.scales.values_mut());
        step.rescale();
        step.preactivate(units..2 * units);

        let (n, h) = (&mut step.rows.values_mut()[len..2 * len], step.previous.values());
        let (f, next, direct) = (step.scales.values_mut(), step.next.values_mut(), step.direct.values_mut());
        let (gates, candidates) = step.row_jacobian.values_mut().split_at_mut(self.paths.len() * lanes);
        math::tanh(n);
        for e in 0..len {
            next[e] = h[e] + f[e] * (n[e] - h[e]);
            candidates[e] = f[e] * (T::ONE - n[e] * n[e]);
            direct[e] = T::ONE - f[e];
        }
        let mut entries = gates.chunks_exact_mut(lanes).zip(&self.paths);
        for unit in 0..units {
            for (g, &(reached, weight)) in entries.by_ref().take(self.structure.row_jacobian.row(unit).len())
            {
                let w = weight.map_or(T::ZERO, |weight| step.weights[weight as usize]);
                let own = reached as usize == unit;
                for (lane, g) in g.iter_mut().enumerate() {
                    let e = unit * lanes + lane;
                    let through = candidates[reached as usize * lanes + lane] * w * h[e];
                    let all = if own { n[e] - h[e] + through } else { through };
                    *g = all * (f[e] * (T::ONE - f[e]));
                }
            }
        }
    }
}
