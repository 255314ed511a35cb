//! The leaky recurrent net.

use rand_xoshiro::Xoshiro256PlusPlus;
use rtrl_sparse::{Scalar, math};

use crate::{Cell, CellError, CellKind, CellStep, GateRows, Inputs, Masks, Past, Size, Structure, Wiring};

/// The leaky recurrent net, a continuous-time net in steps of Euler:
///
/// ```text
/// n  = tanh(W x + U h + b)
/// h' = λ h + (1 - λ) n
/// ```
///
/// λ is the same for all units and fixed, [`Size::leak`], or each unit learns its own, λ = 1 - σ(a).
/// The cell for which RFLO and e-prop were made: on it, e-prop is RFLO of the rate λ.
///
/// # Shapes
/// One mask; state h of k = `units`; k rows, and k more for a if λ is learned. A row of a reads nothing but the
/// constant 1, so that a is the bias of its row. Initially each learned λ is 0.9.
///
/// # Reference
/// Murray, "Local online learning in recurrent networks with random feedback", eLife 8 (2019), equation 1, with
/// λ = 1 - 1/τ.
#[derive(Debug, Clone)]
pub struct Leaky {
    structure: Structure,
    /// λ, if it is fixed.
    leak: Option<f64>,
}

impl Leaky {
    /// A net of `units` units that keep the share `leak` of their state, or learn it.
    ///
    /// # Errors
    /// If the masks do not fit, a size is zero, or the leak lies outside 0..1.
    pub fn new(inputs: Inputs, units: usize, masks: &Masks, leak: Option<f64>) -> Result<Self, CellError> {
        if let Some(leak) = leak.filter(|leak| !(0.0..1.0).contains(leak)) {
            return Err(CellError::Leak { found: leak.to_string() });
        }
        let parameter = GateRows { mask: 0, input: false, past: Past::Nothing };
        let rows = [GateRows::of(0), parameter];
        let rows = if leak.is_some() { &rows[..1] } else { &rows[..] };
        Ok(Self { structure: Structure::gated(inputs, units, masks, rows)?, leak })
    }
}

impl CellKind for Leaky {
    const WIRING: Wiring = Wiring::Gates(1);
    const LEAK: bool = true;

    fn build<T: Scalar>(inputs: Inputs, size: &Size, masks: &Masks) -> Result<Box<dyn Cell<T>>, CellError> {
        Ok(Box::new(Self::new(inputs, size.units, masks, size.leak)?))
    }
}

impl<T: Scalar> Cell<T> for Leaky {
    fn structure(&self) -> &Structure {
        &self.structure
    }

    fn initialize(&self, weights: &mut [T], _: &mut Xoshiro256PlusPlus) {
        if self.leak.is_none() {
            // The rows of a come last, with one weight each.
            let first = weights.len() - self.structure.states;
            weights[first..].fill(T::from_f64(-9.0_f64.ln()));
        }
    }

    fn forward(&self, step: &mut CellStep<'_, T>) {
        step.preactivate(0..self.structure.rows());
        let CellStep { rows, previous, next, row_jacobian, direct, .. } = step;
        let (z, h) = (rows.values_mut(), previous.values());
        let (next, g, direct) = (next.values_mut(), row_jacobian.values_mut(), direct.values_mut());
        let len = h.len();
        math::tanh(&mut z[..len]);
        if let Some(leak) = self.leak {
            direct.fill(T::from_f64(leak));
        } else {
            math::sigmoid(&mut z[len..2 * len]);
            for e in 0..len {
                let (n, written) = (z[e], z[len + e]);
                direct[e] = T::ONE - written;
                g[len + e] = (n - h[e]) * (written * (T::ONE - written));
            }
        }
        for e in 0..len {
            let (n, kept) = (z[e], direct[e]);
            next[e] = n + kept * (h[e] - n);
            g[e] = (T::ONE - kept) * (T::ONE - n * n);
        }
    }
}
