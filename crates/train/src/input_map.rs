//! From the input past the net to the readout.

use rtrl_cells::{Input, Inputs};
use rtrl_sparse::{Lanes, LanesMut, Linear, Pattern, Scalar, Sources};

/// A matrix V on the input of the step, `[outputs][inputs]`, and the input that was read last.
#[derive(Debug, Clone)]
pub(crate) struct InputMap<T> {
    inputs: Inputs,
    outputs: usize,
    /// Place of the first parameter.
    first: usize,
    linear: Linear,
    /// The input: one of the two is used, the other is empty.
    symbols: Vec<u32>,
    values: Vec<T>,
    /// V x, `[outputs][lanes]`.
    product: Vec<T>,
}

impl<T: Scalar> InputMap<T> {
    /// The map for `lanes` lanes whose parameters begin at `first`; it has read zeros.
    pub fn new(inputs: Inputs, outputs: usize, first: usize, lanes: usize) -> Self {
        let (coded, dense, symbols) = match inputs {
            Inputs::Dense(n) => (0, n, 0),
            Inputs::Symbols(n) => (n, 0, lanes),
        };
        Self {
            inputs,
            outputs,
            first,
            linear: Linear::new(Pattern::dense(outputs, inputs.len()), coded),
            symbols: vec![0; symbols],
            values: vec![T::ZERO; dense * lanes],
            product: vec![T::ZERO; outputs * lanes],
        }
    }

    /// The same for another number of lanes, which has read zeros.
    pub fn with_lanes(&self, lanes: usize) -> Self {
        Self::new(self.inputs, self.outputs, self.first, lanes)
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.outputs * self.inputs.len()
    }

    /// Multiply-adds of one step of one lane.
    pub fn macs(&self) -> usize {
        self.linear.dense_weights()
    }

    /// Keeps the input of the step.
    ///
    /// # Panics
    /// If it does not fit.
    pub fn read(&mut self, input: Input<'_, T>) {
        match input {
            Input::Symbols(symbols) => self.symbols.copy_from_slice(symbols),
            Input::Dense(values) => self.values.copy_from_slice(values.values()),
        }
    }

    /// Takes over the input that another one has read.
    pub fn follow(&mut self, other: &Self) {
        self.symbols.copy_from_slice(&other.symbols);
        self.values.copy_from_slice(&other.values);
    }

    /// `output += V x`.
    pub fn add(&mut self, parameters: &[T], output: &mut [T], lanes: usize) {
        let sources = Sources { symbols: &self.symbols, dense: Lanes::new(&self.values, lanes) };
        let weights = &parameters[self.first..self.first + self.len()];
        let mut product = LanesMut::new(&mut self.product, lanes);
        self.linear.multiply(weights, 0..self.outputs, sources, &mut product, 0);
        output.iter_mut().zip(&self.product).for_each(|(out, &p)| *out += p);
    }

    /// Adds the gradient of V to `gradient`, from the adjoint of the outputs.
    pub fn learn(&self, adjoint: Lanes<'_, T>, gradient: &mut [T]) {
        let sources = Sources { symbols: &self.symbols, dense: Lanes::new(&self.values, adjoint.lanes()) };
        let gradient = &mut gradient[self.first..self.first + self.len()];
        self.linear.accumulate_outer_rows(0..self.outputs, adjoint, sources, gradient);
    }
}
