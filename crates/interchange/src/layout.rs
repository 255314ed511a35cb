//! The position of every weight in PyTorch's tensors.

use rtrl_cells::{CellConfig, PyTorch, Structure};
use rtrl_train::Model;

use crate::InterchangeError;

/// Prefixes of the tensor names of each part of a net, with the dot: `rnn.` makes `rnn.weight_ih_l0`.
///
/// The defaults are those of a module with the fields `embedding`, `rnn` and `readout`. For the tensors of a bare
/// `nn.GRU`, set `rnn` to the empty string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The prefix of the tensors of `nn.Embedding`.
    pub embedding: String,
    /// The prefix of the tensors of `nn.RNN`, `nn.GRU` or `nn.LSTM`.
    pub rnn: String,
    /// The prefix of the tensors of the readout: an `nn.Linear` or, with a hidden layer, an `nn.Sequential` of
    /// Linear, ReLU and Linear, where a number 0 or 2 follows the prefix.
    pub readout: String,
}

impl Default for Names {
    fn default() -> Self {
        Self { embedding: "embedding.".into(), rnn: "rnn.".into(), readout: "readout.".into() }
    }
}

/// A tensor of PyTorch: a row-major matrix or a vector.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

impl Tensor {
    pub fn zeros(name: String, shape: Vec<usize>) -> Self {
        let len = shape.iter().product();
        Self { name, shape, values: vec![0.0; len] }
    }

    /// The index of the value at position `at`: row and column, or the row of a vector.
    pub fn index(&self, at: usize) -> Vec<usize> {
        match self.shape[..] {
            [_, columns] => vec![at / columns, at % columns],
            _ => vec![at],
        }
    }
}

/// Positions of the four tensors of a recurrent layer in [`Layout::tensors`].
pub(crate) const INPUT: usize = 0;
pub(crate) const RECURRENT: usize = 1;
pub(crate) const INPUT_BIAS: usize = 2;
pub(crate) const RECURRENT_BIAS: usize = 3;

/// A layer of the net and its tensors.
pub(crate) struct Layout<'a> {
    /// First weight of the layer among those of the net.
    pub first: usize,
    pub units: usize,
    pub structure: &'a Structure,
    pub kind: Kind,
}

/// The PyTorch module that a layer belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Embedding,
    /// The n-th layer of an `nn.RNN`, `nn.GRU` or `nn.LSTM`.
    Recurrent(usize),
}

/// The layers of a net, if PyTorch has equivalents: at the bottom an optional embedding of symbols, above it the
/// layers of one module, all of one kind and size.
pub(crate) fn layers(model: &Model) -> Result<Vec<Layout<'_>>, InterchangeError> {
    let stack = model.stack();
    let layers = &model.config().layers;
    let mut found: Vec<Layout<'_>> = Vec::with_capacity(layers.len());
    let embedding = |layer: &&CellConfig| layer.pytorch() == Ok(PyTorch::Embedding);
    let embeddings = layers.iter().take_while(embedding).count();
    for (depth, layer) in layers.iter().enumerate() {
        let refused = |reason| Err(InterchangeError::Layer { layer: depth, reason });
        let structure = stack.layer_structure(depth);
        let kind = match layer.pytorch() {
            Err(reason) => return refused(reason),
            Ok(PyTorch::Embedding) if depth > 0 => return refused("an embedding stands at the bottom only"),
            Ok(PyTorch::Embedding) if matches!(structure.inputs, rtrl_cells::Inputs::Dense(_)) => {
                return refused("nn.Embedding reads symbols, this embedding reads numbers");
            }
            Ok(PyTorch::Embedding) => Kind::Embedding,
            Ok(PyTorch::Recurrent) => Kind::Recurrent(depth - embeddings),
            Ok(_) => return refused("this layer of PyTorch is not known here"),
        };
        let below = depth.checked_sub(1).filter(|below| *below >= embeddings).map(|below| &layers[below]);
        if below.is_some_and(|below| !layer.same_kind(below) || layer.units() != below.units()) {
            return refused("layers of one PyTorch module are of one kind and size");
        }
        let row = stack.layer_rows(depth).start;
        let first = stack.linear().pattern().entries(row).start;
        found.push(Layout { first, units: layer.units(), structure, kind });
    }
    Ok(found)
}

impl Layout<'_> {
    /// The layer's tensors, filled with zeros.
    pub fn tensors(&self, names: &Names) -> Vec<Tensor> {
        let inputs = self.structure.inputs.len();
        match self.kind {
            Kind::Embedding => {
                vec![Tensor::zeros(format!("{}weight", names.embedding), vec![inputs, self.units])]
            }
            Kind::Recurrent(n) => {
                let rows = self.structure.masked.len() * self.units;
                let tensor = |name: &str, shape| Tensor::zeros(format!("{}{name}_l{n}", names.rnn), shape);
                vec![
                    tensor("weight_ih", vec![rows, inputs]),
                    tensor("weight_hh", vec![rows, self.units]),
                    tensor("bias_ih", vec![rows]),
                    tensor("bias_hh", vec![rows]),
                ]
            }
        }
    }

    /// Calls `each` for every weight of a recurrent layer, with three numbers: its position among the weights of
    /// the net, its tensor ([`INPUT`] and so on), and its position in that tensor.
    ///
    /// Gates are consecutive ranges of rows in PyTorch's tensors, in the order of the masked gates here. A bias
    /// belongs to `bias_ih`, unless the rows of the gate are split, as for the candidate of the GRU: then the row
    /// with the recurrent weights has its bias in `bias_hh`.
    pub fn each_weight(&self, mut each: impl FnMut(usize, usize, usize)) {
        let (units, one) = (self.units, self.structure.one());
        let weights = &self.structure.weights;
        for (gate, rows) in self.structure.masked.iter().enumerate() {
            for unit in 0..units {
                let (row, input, recurrent) = (gate * units + unit, rows.input + unit, rows.recurrent + unit);
                let split = input != recurrent;
                for own in if split { vec![input, recurrent] } else { vec![input] } {
                    for (entry, &source) in weights.entries(own).zip(weights.row(own)) {
                        let (tensor, at) = match (source as usize).checked_sub(one) {
                            None => (INPUT, row * one + source as usize),
                            Some(0) if split && own == recurrent => (RECURRENT_BIAS, row),
                            Some(0) => (INPUT_BIAS, row),
                            Some(source) => (RECURRENT, row * units + source - 1),
                        };
                        each(self.first + entry, tensor, at);
                    }
                }
            }
        }
    }

    /// Whether the rows of a gate are split: one row with the input weights and one with the recurrent weights,
    /// each with a bias of its own.
    pub fn split(&self, gate: usize) -> bool {
        let rows = self.structure.masked[gate];
        rows.input != rows.recurrent
    }
}

/// The readout's tensors, filled with zeros, in the order of its parameters.
pub(crate) fn readout(model: &Model, names: &Names) -> Vec<Tensor> {
    let outputs = match model.signals().1 {
        rtrl_tasks::Signal::Symbols(n) | rtrl_tasks::Signal::Values(n) => n,
    };
    let hidden = model.stack().hidden().len();
    let linear = |part: &str, inputs: usize, outputs: usize| {
        [("weight", vec![outputs, inputs]), ("bias", vec![outputs])]
            .map(|(name, shape)| Tensor::zeros(format!("{}{part}{name}", names.readout), shape))
    };
    match model.config().readout.hidden {
        None => linear("", hidden, outputs).into(),
        Some(width) => [linear("0.", hidden, width), linear("2.", width, outputs)].concat(),
    }
}
