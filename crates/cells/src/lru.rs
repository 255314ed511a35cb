//! The linear recurrent unit.

use rand_xoshiro::Xoshiro256PlusPlus;
use rtrl_sparse::Scalar;

use crate::rotation::{Nonlinearity, Rotation};
use crate::{Cell, CellError, CellKind, CellStep, Inputs, Masks, Size, Structure, Wiring};

/// Linear recurrent units. In complex numbers, `c = c_1 + i c_2`:
///
/// ```text
/// c' = λ c + γ (B_1 + i B_2) x      λ = r e^{iθ}, r = exp(-exp(ν)), θ = exp(ϑ)
/// ```
///
/// with ν, ϑ and ln γ learned for each unit. The real output matrix on (c_1, c_2) is that of the readout or of
/// the layer above. SnAp-2 and e-prop *are* exact RTRL, with two entries of J for each weight.
///
/// # Shapes
/// State `[c_1; c_2]` of 2 k, k = `units`, all of it hidden. 5 k rows: k of B_1, k of B_2, and k each for the
/// parameters ν, ϑ and ln γ, which read the constant 1 alone; no other biases, no masks. Initially λ is uniform
/// on the unit disk, γ = √(1 - r²), and B is normal with the variance 1/(2 n) for n inputs.
///
/// # Reference
/// Orvieto et al., "Resurrecting recurrent neural networks for long sequences", arXiv:2303.06349, section 3;
/// learned online by Zucchet et al., arXiv:2305.15947.
#[derive(Debug, Clone)]
pub struct Lru {
    rotation: Rotation,
}

impl Lru {
    /// A cell of `units` complex units.
    ///
    /// # Errors
    /// If a size is zero.
    pub fn new(inputs: Inputs, units: usize) -> Result<Self, CellError> {
        Ok(Self { rotation: Rotation::new(inputs, units, Nonlinearity::Absent, true)? })
    }
}

impl CellKind for Lru {
    const WIRING: Wiring = Wiring::Fixed;
    const HIDDEN_PER_UNIT: usize = 2;

    fn build<T: Scalar>(inputs: Inputs, size: &Size, _: &Masks) -> Result<Box<dyn Cell<T>>, CellError> {
        Ok(Box::new(Self::new(inputs, size.units)?))
    }
}

impl<T: Scalar> Cell<T> for Lru {
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
