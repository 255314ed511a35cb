//! The independently recurrent net.

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use rtrl_sparse::Scalar;

use crate::{Cell, CellError, CellKind, CellStep, Inputs, Masks, Relu, Size, Structure, Vanilla, Wiring};

/// The independently recurrent net: a vanilla net in which each unit reads itself alone of the past,
/// `h' = relu(W x + u ∘ h + b)`.
///
/// D is diagonal, and SnAp-1 *is* exact RTRL at the cost of an eligibility trace.
///
/// # Shapes
/// One mask, diagonal on the recurrent side; state h of k = `units`; k rows. Initially each recurrent weight is
/// uniform on 0..1.
///
/// # Reference
/// Li et al., "Independently recurrent neural network (IndRNN)", arXiv:1803.04831.
#[derive(Debug, Clone)]
pub struct IndRnn {
    net: Vanilla<Relu>,
}

impl IndRnn {
    /// A net of `units` units.
    ///
    /// # Errors
    /// If the masks do not fit, are not diagonal, or a size is zero.
    pub fn new(inputs: Inputs, units: usize, masks: &Masks) -> Result<Self, CellError> {
        let net = Vanilla::new(inputs, units, masks, Relu)?;
        masks.check_diagonal()?;
        Ok(Self { net })
    }
}

impl CellKind for IndRnn {
    const WIRING: Wiring = Wiring::Diagonal(1);

    fn build<T: Scalar>(inputs: Inputs, size: &Size, masks: &Masks) -> Result<Box<dyn Cell<T>>, CellError> {
        Ok(Box::new(Self::new(inputs, size.units, masks)?))
    }
}

impl<T: Scalar> Cell<T> for IndRnn {
    fn structure(&self) -> &Structure {
        Cell::<T>::structure(&self.net)
    }

    fn initialize(&self, weights: &mut [T], rng: &mut Xoshiro256PlusPlus) {
        let structure = Cell::<T>::structure(self);
        for unit in 0..structure.states {
            // A row ends with its recurrent weight, if that exists.
            let own = structure.weights.find(unit, (structure.one() + 1 + unit) as u32);
            if let Some(own) = own {
                weights[own] = T::from_f64(rng.random::<f64>());
            }
        }
    }

    fn forward(&self, step: &mut CellStep<'_, T>) {
        self.net.forward(step);
    }
}
