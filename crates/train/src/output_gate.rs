//! A gate between the hidden state and the readout.

use rtrl_cells::{Input, Inputs};
use rtrl_sparse::{Lanes, Scalar, math};

use crate::affine::Affine;
use crate::input_map::InputMap;

/// `o ∘ h` with `o = σ(U h + V x + b)`, from the hidden state h and the input x of the step. It has no memory of its own.
/// Its parameters are U, b, V.
///
/// # Reference
/// The output gate of Irie et al., arXiv:2305.19044, which reads the state of the same step.
#[derive(Debug, Clone)]
pub(crate) struct OutputGate<T> {
    /// U and b. Its output is o.
    hidden: Affine<T>,
    /// V.
    input: InputMap<T>,
    /// `o ∘ h`.
    gated: Vec<T>,
}

impl<T: Scalar> OutputGate<T> {
    /// The gate of `units` hidden states whose parameters begin at `first`.
    pub fn new(inputs: Inputs, units: usize, first: usize, lanes: usize) -> Self {
        let hidden = Affine::new(units, units, first, lanes);
        let input = InputMap::new(inputs, units, first + hidden.len(), lanes);
        Self { hidden, input, gated: vec![T::ZERO; units * lanes] }
    }

    /// The same for another number of lanes, which has read zeros.
    pub fn with_lanes(&self, lanes: usize) -> Self {
        let Self { hidden, input, .. } = self;
        let gated = vec![T::ZERO; hidden.outputs * lanes];
        Self { hidden: hidden.with_lanes(lanes), input: input.with_lanes(lanes), gated }
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.hidden.len() + self.input.len()
    }

    /// Multiply-adds of one step of one lane.
    pub fn macs(&self) -> usize {
        self.hidden.macs() + self.input.macs() + self.hidden.outputs
    }

    /// Keeps the input of the step.
    ///
    /// # Panics
    /// If it does not fit.
    pub fn read(&mut self, input: Input<'_, T>) {
        self.input.read(input);
    }

    /// Takes over the input that another one has read.
    pub fn follow(&mut self, other: &Self) {
        self.input.follow(&other.input);
    }

    /// `o ∘ h`.
    pub fn forward(&mut self, parameters: &[T], h: Lanes<'_, T>) -> Lanes<'_, T> {
        self.hidden.forward(parameters, h);
        self.input.add(parameters, &mut self.hidden.output, h.lanes());
        math::sigmoid(&mut self.hidden.output);
        for ((gated, &o), &h) in self.gated.iter_mut().zip(&self.hidden.output).zip(h.values()) {
            *gated = o * h;
        }
        self.gated(h.lanes())
    }

    /// What [`forward`](Self::forward) returned last.
    pub fn gated(&self, lanes: usize) -> Lanes<'_, T> {
        Lanes::new(&self.gated, lanes)
    }

    /// Backpropagates through the last [`forward`](Self::forward), once: adds the gradient of the parameters to
    /// `gradient`, and replaces the adjoint of `o ∘ h`, which is in `adjoint`, by that of h.
    pub fn backward(&mut self, parameters: &[T], h: Lanes<'_, T>, gradient: &mut [T], adjoint: &mut [T]) {
        let direct = &mut self.gated;
        for (((direct, o), &a), &h) in
            direct.iter_mut().zip(&mut self.hidden.output).zip(&*adjoint).zip(h.values())
        {
            *direct = a * *o;
            *o = a * h * (*o * (T::ONE - *o));
        }
        self.input.learn(Lanes::new(&self.hidden.output, h.lanes()), gradient);
        self.hidden.backward(parameters, h, gradient, adjoint);
        adjoint.iter_mut().zip(&self.gated).for_each(|(a, &direct)| *a += direct);
    }
}
