//! The vanilla (Elman) recurrent net.

use rtrl_sparse::{Pattern, Scalar, math};
use serde::{Deserialize, Serialize};

use crate::gates::{self, GateRows};
use crate::{Cell, CellError, CellStep, Inputs, Masks, Recurrent, Structure};

/// The nonlinearity of a vanilla net.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// tanh.
    #[default]
    Tanh,
    /// max(0, z), with derivative 0 at 0.
    Relu,
}

/// The vanilla recurrent net, `h_t = φ(W x_t + U h_{t-1} + b)` with φ = tanh or ReLU.
///
/// # Shapes
/// One gate; state h of `units`; k rows.
///
/// # Reference
/// Elman, "Finding structure in time", Cognitive Science 14 (1990); the equation is that of PyTorch's `RNN`, its two
/// biases taken as one.
#[derive(Debug, Clone)]
pub struct Vanilla {
    structure: Structure,
    activation: Activation,
}

impl Vanilla {
    /// A net of `units` units.
    ///
    /// # Errors
    /// If the masks do not fit, or a size is zero.
    pub fn new(
        inputs: Inputs,
        units: usize,
        masks: &Masks,
        activation: Activation,
    ) -> Result<Self, CellError> {
        masks.validate(1, inputs.len(), units)?;
        let rows = [GateRows { mask: 0, input: true, recurrent: Some(0) }];
        let structure = Structure {
            inputs,
            states: units,
            hidden: 0..units,
            recurrent: (0..units as u32).map(Recurrent::State).collect(),
            weights: gates::weights(masks, inputs.len(), units, units, &rows)?,
            row_jacobian: gates::own_unit(1, units),
            direct: Pattern::empty(units, units),
            masked: gates::masked(masks, units, &rows),
        };
        Ok(Self { structure, activation })
    }
}

impl<T: Scalar> Cell<T> for Vanilla {
    fn structure(&self) -> &Structure {
        &self.structure
    }

    fn forward(&self, step: &mut CellStep<'_, T>) {
        step.preactivate(0..self.structure.states);
        let CellStep { rows, next, row_jacobian, .. } = step;
        let (z, h, g) = (rows.values(), next.values(), row_jacobian.values());
        match self.activation {
            Activation::Tanh => {
                h.copy_from_slice(&z[..h.len()]);
                math::tanh(h);
                for (g, &h) in g.iter_mut().zip(&*h) {
                    *g = T::ONE - h * h;
                }
            }
            Activation::Relu => {
                for ((h, g), &z) in h.iter_mut().zip(g).zip(&*z) {
                    // Written so that NaN stays NaN: a diverged net must not look silent.
                    (*h, *g) = if z > T::ZERO { (z, T::ONE) } else { (z * T::ZERO, T::ZERO) };
                }
            }
        }
    }
}
