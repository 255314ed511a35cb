//! A layer of a readout.

use rtrl_sparse::{Lanes, LanesMut, Linear, Pattern, Scalar, Sources};

/// `W input + b`: its range of the parameters, the matrix `[outputs][inputs]` and then the bias, and its output at the last step.
#[derive(Debug, Clone)]
pub(crate) struct Affine<T> {
    pub inputs: usize,
    pub outputs: usize,
    /// Place of the first parameter.
    first: usize,
    /// The weight matrix with a dense pattern, so that its products are those of the net, which allocate nothing.
    linear: Linear,
    pub output: Vec<T>,
}

impl<T: Scalar> Affine<T> {
    /// The map whose parameters begin at `first`.
    pub fn new(inputs: usize, outputs: usize, first: usize, lanes: usize) -> Self {
        let linear = Linear::new(Pattern::dense(outputs, inputs), 0);
        Self { inputs, outputs, first, linear, output: vec![T::ZERO; outputs * lanes] }
    }

    /// The same for another number of lanes.
    pub fn with_lanes(&self, lanes: usize) -> Self {
        Self { output: vec![T::ZERO; self.outputs * lanes], ..self.clone() }
    }

    /// Multiply-adds of one step of one lane.
    pub fn macs(&self) -> usize {
        self.inputs * self.outputs
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        (self.inputs + 1) * self.outputs
    }

    fn bias(&self) -> usize {
        self.first + self.inputs * self.outputs
    }

    /// `output ← W input + b`.
    pub fn forward(&mut self, parameters: &[T], input: Lanes<'_, T>) {
        let (weights, bias) =
            parameters[self.first..self.bias() + self.outputs].split_at(self.inputs * self.outputs);
        let (rows, lanes) = (0..self.outputs, input.lanes());
        let mut output = LanesMut::new(&mut self.output, lanes);
        self.linear.multiply(weights, rows, sources(input), &mut output, 0);
        for (out, &b) in self.output.chunks_exact_mut(lanes).zip(bias) {
            out.iter_mut().for_each(|out| *out += b);
        }
    }

    /// Backpropagates from the adjoint of the output, which is in `output`: adds the gradient of the parameters to
    /// `gradient`, and overwrites `back` with the adjoint of the input.
    pub fn backward(&self, parameters: &[T], input: Lanes<'_, T>, gradient: &mut [T], back: &mut [T]) {
        let (lanes, rows) = (input.lanes(), 0..self.outputs);
        let adjoint = Lanes::new(&self.output, lanes);
        let (weights, bias) = gradient[self.first..].split_at_mut(self.inputs * self.outputs);
        self.linear.accumulate_outer_rows(rows.clone(), adjoint, sources(input), weights);
        for (b, a) in bias.iter_mut().zip(self.output.chunks_exact(lanes)) {
            *b += a.iter().copied().sum();
        }
        back.fill(T::ZERO);
        let weights = &parameters[self.first..self.bias()];
        self.linear.multiply_transposed(weights, rows, adjoint, &mut LanesMut::new(back, lanes), 0);
    }
}

fn sources<T>(dense: Lanes<'_, T>) -> Sources<'_, T> {
    Sources { symbols: &[], dense }
}
