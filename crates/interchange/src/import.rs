//! Import: the weights of a net from tensors of PyTorch.

use rtrl_cells::{GateMask, Masks};
use rtrl_sparse::Pattern;
use rtrl_train::Model;

use crate::description::Description;
use crate::file::File;
use crate::find::{self, Tensors};
use crate::layout::{self, INPUT, Kind, Layout, RECURRENT, Tensor};
use crate::{InterchangeError, Names};

/// The meaning of a weight that is exactly zero in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Zeros {
    /// It is a weight like any other. A net that is imported into keeps its masks; in a net that is made from a file
    /// alone, every weight exists.
    Keep,
    /// There is no such weight: the nonzero weights of the file become the masks of the net.
    Mask,
}

/// Reads the weights of a net from the bytes of a safetensors file with PyTorch's names. The file must have the
/// tensors of exactly the layers and the readout of the model. If the file describes its net, the model must have
/// the same layers, readout, inputs and targets; sparsity may differ. All weights change or, after an error, none.
///
/// Numbers of 16 bits are taken over exactly, those of 64 bits are rounded to the nearest of 32 bits, so that tiny
/// ones become zero.
///
/// [`Zeros::Mask`] must not be used on the model of a trainer: the trainer would not notice that the masks
/// changed.
///
/// # Errors
/// If PyTorch has no equivalent of a layer; if the file is damaged, or describes another net; if tensors are
/// missing, or the net has no place for them, or they have another shape or type than the net needs; if several
/// modules could be a part of the net; if a weight is not finite, or no number of 32 bits is as large; with
/// [`Zeros::Keep`], if the file has a weight other than zero that the masks leave out; with [`Zeros::Mask`], if the
/// masks do not fit.
pub fn import(model: &mut Model, bytes: &[u8], names: &Names, zeros: Zeros) -> Result<(), InterchangeError> {
    let file = File::parse(bytes)?;
    if let Some(found) = file.description()? {
        found.expect(&Description::of(model), "the net")?;
    }
    let tensors = find::tensors(&file, model.net(), model.signals(), names)?;
    put(model, tensors, zeros)
}

/// Makes a net from the bytes of a safetensors file that describes it, as [`export`](crate::export) writes. The net
/// belongs to no run.
///
/// Memory is bounded by the size of the file, whatever it says of the net.
///
/// # Errors
/// As [`import`]; and if the file does not describe its net, or the net cannot be built.
pub fn from_bytes(bytes: &[u8], names: &Names, zeros: Zeros) -> Result<Model, InterchangeError> {
    let file = File::parse(bytes)?;
    let description = file.description()?.ok_or(InterchangeError::NoDescription)?;
    build(&file, &description, names, zeros)
}

/// Makes the net of this description from the tensors of a file.
pub(crate) fn build(
    file: &File<'_>,
    description: &Description,
    names: &Names,
    zeros: Zeros,
) -> Result<Model, InterchangeError> {
    let (net, inputs, targets) = (&description.net, description.inputs.into(), description.targets.into());
    // Every size of the net is one of a tensor that is read before the net is built.
    let tensors = find::tensors(file, net, (inputs, targets), names)?;
    // Masks and weights that the seed draws are replaced.
    let mut model =
        Model::initial(net, inputs, targets, 0).map_err(|error| InterchangeError::Net(Box::new(error)))?;
    if zeros == Zeros::Keep {
        let parts = layout::parts(net, inputs)?;
        let dense = parts.iter().map(|part| match part.gates {
            0 => Masks { gates: Vec::new() },
            gates => Masks::dense(gates, part.inputs, part.units),
        });
        let dense: Vec<_> = dense.collect();
        if model.masks() != dense {
            model.set_masks(dense)?;
        }
    }
    put(&mut model, tensors, zeros)?;
    Ok(model)
}

/// Overwrites the weights of a net, and with [`Zeros::Mask`] the masks.
fn put(model: &mut Model, mut tensors: Tensors, zeros: Zeros) -> Result<(), InterchangeError> {
    let layers = layout::layers(model)?;
    for (layer, tensors) in layers.iter().zip(&mut tensors.layers) {
        add_biases(layer, tensors)?;
    }
    match zeros {
        Zeros::Keep => {
            for (layer, tensors) in layers.iter().zip(&tensors.layers) {
                expect_masks(layer, tensors)?;
            }
        }
        Zeros::Mask => {
            let masks = layers.iter().zip(&tensors.layers).map(|(layer, tensors)| masks(layer, tensors));
            let masks = masks.collect::<Result<_, _>>()?;
            model.set_masks(masks)?;
        }
    }
    let mut weights = vec![0.0; model.weights().len()];
    for (layer, tensors) in layout::layers(model)?.iter().zip(&tensors.layers) {
        take(layer, tensors, &mut weights);
    }
    model.weights_mut().copy_from_slice(&weights);
    let parameters: Vec<f32> = tensors.readout.into_iter().flat_map(|tensor| tensor.values).collect();
    model.readout_mut().parameters_mut().copy_from_slice(&parameters);
    Ok(())
}

/// Makes one bias of two, in `bias_ih`, for the gates that have one here.
fn add_biases(layer: &Layout<'_>, tensors: &mut [Tensor]) -> Result<(), InterchangeError> {
    let [_, _, input, recurrent] = tensors else { return Ok(()) };
    let units = layer.part.units;
    let gates = (0..layer.structure.masked.len()).filter(|&gate| !layer.split(gate));
    for row in gates.flat_map(|gate| gate * units..(gate + 1) * units) {
        // An exported file has 0 for the recurrent one; adding it would turn -0 into 0.
        if recurrent.values[row] == 0.0 {
            continue;
        }
        let exact = f64::from(input.values[row]) + f64::from(recurrent.values[row]);
        input.values[row] += recurrent.values[row];
        if !input.values[row].is_finite() {
            let name = format!("{}` + `{}", input.slot.name, recurrent.slot.name);
            return Err(InterchangeError::Range { name, index: vec![row], found: exact });
        }
    }
    Ok(())
}

/// Checks that the file has zeros where the net has no weights.
fn expect_masks(layer: &Layout<'_>, tensors: &[Tensor]) -> Result<(), InterchangeError> {
    if layer.part.kind == Kind::Embedding {
        return Ok(());
    }
    let mut exists: Vec<_> = tensors.iter().map(|tensor| vec![false; tensor.values.len()]).collect();
    layer.each_weight(|_, tensor, at| exists[tensor][at] = true);
    for (tensor, exists) in [INPUT, RECURRENT].map(|part| (&tensors[part], &exists[part])) {
        let missing = tensor.values.iter().zip(exists).position(|(&value, &exists)| value != 0.0 && !exists);
        if let Some(at) = missing {
            let (name, index) = (tensor.slot.name.clone(), tensor.slot.index(at));
            return Err(InterchangeError::NoWeight { name, index, found: tensor.values[at] });
        }
    }
    Ok(())
}

/// The masks that keep the weights of a layer that are not zero, gate by gate.
fn masks(layer: &Layout<'_>, tensors: &[Tensor]) -> Result<Masks, InterchangeError> {
    if layer.part.kind == Kind::Embedding {
        return Ok(Masks { gates: Vec::new() });
    }
    let units = layer.part.units;
    let pattern = |tensor: &Tensor, gate: usize| {
        let columns = tensor.slot.shape[1];
        let rows = tensor.values.chunks_exact(columns).skip(gate * units).take(units);
        let present =
            |row: &[f32]| (0..columns as u32).filter(|&c| row[c as usize] != 0.0).collect::<Vec<_>>();
        Pattern::from_rows(columns, rows.map(present)).map_err(rtrl_cells::CellError::from)
    };
    let gates = 0..layer.structure.masked.len();
    let gates = gates.map(|gate| {
        Ok(GateMask {
            input: pattern(&tensors[INPUT], gate)?,
            recurrent: pattern(&tensors[RECURRENT], gate)?,
        })
    });
    Ok(Masks { gates: gates.collect::<Result<_, InterchangeError>>()? })
}

/// Copies the values of a layer's tensors to `weights`, those of the net. Biases have been
/// [added](add_biases).
fn take(layer: &Layout<'_>, tensors: &[Tensor], weights: &mut [f32]) {
    if layer.part.kind == Kind::Embedding {
        let (symbols, units) = (layer.part.inputs, layer.part.units);
        let rows = weights[layer.first..].chunks_exact_mut(symbols + 1).take(units);
        for (unit, row) in rows.enumerate() {
            for (symbol, weight) in row[..symbols].iter_mut().enumerate() {
                *weight = tensors[0].values[symbol * units + unit];
            }
        }
        return;
    }
    layer.each_weight(|weight, tensor, at| weights[weight] = tensors[tensor].values[at]);
}
