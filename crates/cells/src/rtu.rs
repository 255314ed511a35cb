//! Recurrent trace units.

use rand_xoshiro::Xoshiro256PlusPlus;
use rtrl_sparse::Scalar;

use crate::rotation::{Nonlinearity, Rotation};
use crate::{Cell, CellError, CellKind, CellStep, Inputs, Masks, Size, Structure, Wiring};

/// Recurrent trace units with the nonlinearity inside the recurrence. In complex numbers, `c = c_1 + i c_2`:
///
/// ```text
/// c' = tanh(λ c + γ (W_1 + i W_2) x)      λ = r e^{iθ}, r = exp(-exp(ν)), θ = exp(ϑ), γ = √(1 - r²)
/// ```
///
/// with tanh of both parts by themselves. No unit reads another's past: J has two entries for each weight, and
/// SnAp-2 and e-prop *are* exact RTRL. SnAp-1 is not, since c_1 reaches c_2 a step later.
///
/// # Shapes
/// State `[c_1; c_2]` of 2 k, k = `units`, all of it hidden. 4 k rows: k of W_1, k of W_2, and k each for the
/// parameters ν and ϑ, which read the constant 1 alone; no other biases, no masks. Initially λ is uniform on the
/// unit disk.
///
/// # Reference
/// Elelimy et al., "Real-time recurrent learning using trace units in reinforcement learning",
/// arXiv:2409.01449, section 4: nonlinear RTUs, with tanh.
#[derive(Debug, Clone)]
pub struct Rtu {
    rotation: Rotation,
}

/// Recurrent trace units with a linear recurrence and the nonlinearity outside:
///
/// ```text
/// c' = λ c + γ (W_1 + i W_2) x      y = tanh c'
/// ```
///
/// with λ and γ as in [`Rtu`]. SnAp-2 and e-prop *are* exact RTRL.
///
/// # Shapes
/// State `[y_1; y_2; c_1; c_2]` of 4 k, k = `units`, with y hidden; rows as in [`Rtu`].
///
/// # Reference
/// Elelimy et al., arXiv:2409.01449, section 4: linear RTUs, with tanh.
#[derive(Debug, Clone)]
pub struct RtuLinear {
    rotation: Rotation,
}

macro_rules! trace_units {
    ($cell:ident, $nonlinearity:ident) => {
        impl $cell {
            /// A cell of `units` complex units.
            ///
            /// # Errors
            /// If a size is zero.
            pub fn new(inputs: Inputs, units: usize) -> Result<Self, CellError> {
                Ok(Self { rotation: Rotation::new(inputs, units, Nonlinearity::$nonlinearity, false)? })
            }
        }

        impl CellKind for $cell {
            const WIRING: Wiring = Wiring::Fixed;
            const HIDDEN_PER_UNIT: usize = 2;

            fn build<T: Scalar>(
                inputs: Inputs,
                size: &Size,
                _: &Masks,
            ) -> Result<Box<dyn Cell<T>>, CellError> {
                Ok(Box::new(Self::new(inputs, size.units)?))
            }
        }

        impl<T: Scalar> Cell<T> for $cell {
            fn structure(&self) -> &Structure {
                &self.rotation.structure
            }

            fn initialize(&self, weights: &mut [T], rng: &mut Xoshiro256PlusPlus) {
                self.rotation.initialize(weights, rng);
            }

            fn forward(&self, step: &mut CellStep<'_, T>) {
                self.rotation.forward(step);
            }
        }
    };
}
trace_units!(Rtu, Inside);
trace_units!(RtuLinear, Outside);
