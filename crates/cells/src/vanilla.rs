//! The vanilla (Elman) recurrent net.

use std::fmt::Debug;

use rtrl_sparse::{Pattern, Scalar, math};

use crate::{Cell, CellError, CellKind, CellStep, GateRows, Inputs, Masks, PyTorch, Size, Structure, Wiring};

/// The nonlinearity of a vanilla net, `h = φ(z)`. A type of one's own that implements it gives a further net,
/// [`Vanilla<MyActivation>`](Vanilla).
pub trait Activation: Debug + Clone + Send + Sync + 'static {
    /// Overwrites `h` with φ(z), and `slope` with φ'(z), element by element. The three slices have the same
    /// length.
    fn apply<T: Scalar>(&self, z: &[T], h: &mut [T], slope: &mut [T]);
}

/// tanh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tanh;

impl Activation for Tanh {
    fn apply<T: Scalar>(&self, z: &[T], h: &mut [T], slope: &mut [T]) {
        h.copy_from_slice(z);
        math::tanh(h);
        for (slope, &h) in slope.iter_mut().zip(&*h) {
            *slope = T::ONE - h * h;
        }
    }
}

/// max(0, z), with derivative 0 at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Relu;

impl Activation for Relu {
    fn apply<T: Scalar>(&self, z: &[T], h: &mut [T], slope: &mut [T]) {
        for ((h, slope), &z) in h.iter_mut().zip(slope).zip(z) {
            // Written so that NaN stays NaN: a diverged net must not look silent.
            (*h, *slope) = if z > T::ZERO { (z, T::ONE) } else { (z * T::ZERO, T::ZERO) };
        }
    }
}

/// The vanilla recurrent net, `h_t = φ(W x_t + U h_{t-1} + b)` with φ = [`Tanh`], [`Relu`] or one's own.
///
/// # Shapes
/// One mask; state h of k = `units`; k rows.
///
/// # Reference
/// Elman, "Finding structure in time", Cognitive Science 14 (1990); the equation is that of PyTorch's `RNN`,
/// with one bias in place of its two.
#[derive(Debug, Clone)]
pub struct Vanilla<A = Tanh> {
    structure: Structure,
    activation: A,
}

impl<A: Activation> Vanilla<A> {
    /// A net of `units` units.
    ///
    /// # Errors
    /// If the masks do not fit, or a size is zero.
    pub fn new(inputs: Inputs, units: usize, masks: &Masks, activation: A) -> Result<Self, CellError> {
        let gated = Structure::gated(inputs, units, masks, &[GateRows::of(0)])?;
        let structure = Structure { direct: Pattern::empty(units, units), ..gated };
        Ok(Self { structure, activation })
    }
}

impl<A: Activation + Default> CellKind for Vanilla<A> {
    const WIRING: Wiring = Wiring::Gates(1);
    const PYTORCH: Result<PyTorch, &'static str> = Ok(PyTorch::Recurrent);

    fn build<T: Scalar>(inputs: Inputs, size: &Size, masks: &Masks) -> Result<Box<dyn Cell<T>>, CellError> {
        Ok(Box::new(Self::new(inputs, size.units, masks, A::default())?))
    }
}

impl<T: Scalar, A: Activation> Cell<T> for Vanilla<A> {
    fn structure(&self) -> &Structure {
        &self.structure
    }

    fn forward(&self, step: &mut CellStep<'_, T>) {
        step.preactivate(0..self.structure.states);
        let CellStep { rows, next, row_jacobian, .. } = step;
        let (z, h, g) = (rows.values_mut(), next.values_mut(), row_jacobian.values_mut());
        self.activation.apply(&z[..h.len()], h, g);
    }
}
