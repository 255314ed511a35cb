//! The position of every weight in PyTorch's tensors.

use rtrl_cells::{PyTorch, Structure};
use rtrl_tasks::Signal;
use rtrl_train::{Model, NetConfig};

use crate::InterchangeError;
use crate::names::Prefixes;

/// The name and shape of a tensor of PyTorch: a row-major matrix or a vector.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slot {
    pub name: String,
    pub shape: Vec<usize>,
}

impl Slot {
    fn new(prefix: &str, name: &str, shape: Vec<usize>) -> Self {
        Self { name: format!("{prefix}{name}"), shape }
    }

    /// The index of the value at position `at`: row and column, or the row of a vector.
    pub fn index(&self, at: usize) -> Vec<usize> {
        match self.shape[..] {
            [_, columns] => vec![at / columns, at % columns],
            _ => vec![at],
        }
    }
}

/// A tensor with its values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    pub slot: Slot,
    pub values: Vec<f32>,
}

impl From<Slot> for Tensor {
    /// A tensor of zeros.
    fn from(slot: Slot) -> Self {
        Self { values: vec![0.0; slot.shape.iter().product()], slot }
    }
}

/// Positions of the four tensors of a recurrent layer in [`Part::slots`].
pub(crate) const INPUT: usize = 0;
pub(crate) const RECURRENT: usize = 1;
pub(crate) const INPUT_BIAS: usize = 2;
pub(crate) const RECURRENT_BIAS: usize = 3;

/// The PyTorch module that a layer belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Embedding,
    /// The n-th layer of an `nn.RNN`, `nn.GRU` or `nn.LSTM`.
    Recurrent(usize),
}

/// The sizes of a layer. They need no net, so that a file can be checked before one is built.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub kind: Kind,
    pub inputs: usize,
    pub units: usize,
    pub gates: usize,
}

/// The layers of a net, if PyTorch has equivalents: at the bottom an optional embedding of symbols, above it the
/// layers of one module, all of one kind and size.
pub(crate) fn parts(net: &NetConfig, signal: Signal) -> Result<Vec<Part>, InterchangeError> {
    for (found, field) in [(net.readout.bypass, "bypass"), (net.readout.output_gate, "output_gate")] {
        if found {
            return Err(InterchangeError::Readout { field });
        }
    }
    let mut found: Vec<Part> = Vec::with_capacity(net.layers.len());
    let mut recurrent = 0;
    for (depth, layer) in net.layers.iter().enumerate() {
        let refused = |reason| Err(InterchangeError::Layer { layer: depth, reason });
        let kind = match layer.pytorch() {
            Err(reason) => return refused(reason),
            Ok(PyTorch::Embedding) if depth > 0 => return refused("an embedding stands at the bottom only"),
            Ok(PyTorch::Embedding) if matches!(signal, Signal::Values(_)) => {
                return refused("nn.Embedding reads symbols, this embedding reads numbers");
            }
            Ok(PyTorch::Embedding) => Kind::Embedding,
            Ok(PyTorch::Recurrent) => Kind::Recurrent(recurrent),
            Ok(_) => return refused("this layer of PyTorch is not known here"),
        };
        let below = depth.checked_sub(1).filter(|_| recurrent > 0).map(|below| &net.layers[below]);
        if below.is_some_and(|below| !layer.same_kind(below) || layer.units() != below.units()) {
            return refused("layers of one PyTorch module are of one kind and size");
        }
        recurrent += usize::from(kind != Kind::Embedding);
        let (Signal::Symbols(lowest) | Signal::Values(lowest)) = signal;
        let inputs = found.last().map_or(lowest, |below| below.units);
        found.push(Part { kind, inputs, units: layer.units(), gates: layer.gates() });
    }
    Ok(found)
}

impl Part {
    /// The layer's tensors. A size that no file can have is `usize::MAX`.
    pub fn slots(&self, prefixes: &Prefixes) -> Vec<Slot> {
        match self.kind {
            Kind::Embedding => vec![Slot::new(&prefixes.embedding, "weight", vec![self.inputs, self.units])],
            Kind::Recurrent(n) => {
                let rows = self.gates.saturating_mul(self.units);
                let slot = |name: &str, shape| Slot::new(&prefixes.rnn, &format!("{name}_l{n}"), shape);
                vec![
                    slot("weight_ih", vec![rows, self.inputs]),
                    slot("weight_hh", vec![rows, self.units]),
                    slot("bias_ih", vec![rows]),
                    slot("bias_hh", vec![rows]),
                ]
            }
        }
    }
}

/// The readout's tensors, in the order of its parameters.
pub(crate) fn readout(net: &NetConfig, targets: Signal, prefixes: &Prefixes) -> Vec<Slot> {
    let (Signal::Symbols(outputs) | Signal::Values(outputs)) = targets;
    let units = net.layers.last().map_or(0, |layer| layer.units());
    let linear = |part: &str, inputs: usize, outputs: usize| {
        [("weight", vec![outputs, inputs]), ("bias", vec![outputs])]
            .map(|(name, shape)| Slot::new(&prefixes.readout, &format!("{part}{name}"), shape))
    };
    match net.readout.hidden {
        None => linear("", units, outputs).into(),
        Some(width) => [linear("0.", units, width), linear("2.", width, outputs)].concat(),
    }
}

/// Refuses prefixes that give two tensors the same name.
pub(crate) fn distinct<'a>(slots: impl Iterator<Item = &'a Slot>) -> Result<(), InterchangeError> {
    let mut names: Vec<_> = slots.map(|slot| &slot.name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => Err(InterchangeError::Shared { name: pair[0].clone() }),
    }
}

/// A layer of a net, and the positions of its weights.
pub(crate) struct Layout<'a> {
    pub part: Part,
    /// First weight of the layer among those of the net.
    pub first: usize,
    pub structure: &'a Structure,
}

/// The layers of a net, as for [`parts`].
pub(crate) fn layers(model: &Model) -> Result<Vec<Layout<'_>>, InterchangeError> {
    let stack = model.stack();
    let parts = parts(model.net(), model.signals().0)?;
    let layout = |(depth, part): (usize, Part)| {
        let first = stack.linear().pattern().entries(stack.layer_rows(depth).start).start;
        Layout { part, first, structure: stack.layer_structure(depth) }
    };
    Ok(parts.into_iter().enumerate().map(layout).collect())
}

impl Layout<'_> {
    /// Calls `each` for every weight of a recurrent layer, with three numbers: its position among the weights of
    /// the net, its tensor ([`INPUT`] and so on), and its position in that tensor.
    ///
    /// Gates are consecutive ranges of rows in PyTorch's tensors, in the order of the masked gates here. A bias
    /// belongs to `bias_ih`, unless the rows of the gate are split, as for the candidate of the GRU: then the row
    /// with the recurrent weights has its bias in `bias_hh`.
    pub fn each_weight(&self, mut each: impl FnMut(usize, usize, usize)) {
        let (units, one) = (self.part.units, self.structure.one());
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
