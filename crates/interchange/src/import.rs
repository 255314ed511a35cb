//! Import: the weights of a net from tensors of PyTorch.

use std::path::Path;

use rtrl_cells::{GateMask, Masks};
use rtrl_sparse::Pattern;
use rtrl_train::Model;
use safetensors::{Dtype, SafeTensors};

use crate::InterchangeError;
use crate::layout::{self, INPUT, INPUT_BIAS, Kind, Layout, Names, RECURRENT, RECURRENT_BIAS, Tensor};

/// The meaning of a weight that is exactly zero in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Zeros {
    /// It is a weight like any other; the net keeps its masks.
    Keep,
    /// There is no such weight: the nonzero weights of the file become the masks of the net.
    Mask,
}

/// Reads the weights of a net from the bytes of a safetensors file with PyTorch's names. The file must have the
/// tensors of exactly the layers and the readout of the model. All weights change or, after an error, none.
///
/// [`Zeros::Mask`] must not be used on the model of a trainer: the trainer would not notice that the masks
/// changed.
///
/// # Errors
/// If PyTorch has no equivalent of a layer; if the file is damaged; if tensors are missing, or the net has no
/// place for them, or they have another shape or type than the net needs; if a weight is not finite; with
/// [`Zeros::Keep`], if the file has a weight other than zero that the masks leave out; with [`Zeros::Mask`], if
/// the masks do not fit.
pub fn import(model: &mut Model, bytes: &[u8], names: &Names, zeros: Zeros) -> Result<(), InterchangeError> {
    let file = SafeTensors::deserialize(bytes).map_err(InterchangeError::Format)?;
    let layers = layout::layers(model)?;
    let read = |tensors: Vec<Tensor>| tensors.into_iter().map(|tensor| fill(tensor, &file)).collect();
    let tensors = layers.iter().map(|layer| read(layer.tensors(names)));
    let tensors: Vec<Vec<Tensor>> = tensors.collect::<Result<_, _>>()?;
    let readout: Vec<Tensor> = read(layout::readout(model, names))?;
    let known = |name: &&str| !tensors.iter().chain([&readout]).flatten().any(|t| t.name == **name);
    let names: Vec<_> = file.names().into_iter().filter(known).collect();
    if !names.is_empty() {
        return Err(InterchangeError::Unexpected { names: listed(names) });
    }
    match zeros {
        Zeros::Keep => {
            for (layer, tensors) in layers.iter().zip(&tensors) {
                expect_masks(layer, tensors)?;
            }
        }
        Zeros::Mask => {
            let masks = layers.iter().zip(&tensors).map(|(layer, tensors)| masks(layer, tensors));
            let masks = masks.collect::<Result<_, _>>()?;
            model.set_masks(masks)?;
        }
    }
    let mut weights = vec![0.0; model.weights().len()];
    for (layer, tensors) in layout::layers(model)?.iter().zip(&tensors) {
        take(layer, tensors, &mut weights);
    }
    model.weights_mut().copy_from_slice(&weights);
    let parameters: Vec<f32> = readout.into_iter().flat_map(|tensor| tensor.values).collect();
    model.readout_mut().parameters_mut().copy_from_slice(&parameters);
    Ok(())
}

/// [`import`]s from the file at `path`.
///
/// # Errors
/// Those of [`import`], or [`InterchangeError::File`] if the file cannot be read.
pub fn load(model: &mut Model, path: &Path, names: &Names, zeros: Zeros) -> Result<(), InterchangeError> {
    let bytes = std::fs::read(path).map_err(|source| InterchangeError::File {
        action: "read",
        path: path.to_path_buf(),
        source,
    })?;
    import(model, &bytes, names, zeros)
}

fn listed(mut names: Vec<&str>) -> String {
    names.sort_unstable();
    names.join(", ")
}

/// Fills a tensor from the file; checks its type, its shape, and that its values are finite.
fn fill(mut tensor: Tensor, file: &SafeTensors<'_>) -> Result<Tensor, InterchangeError> {
    let Ok(view) = file.tensor(&tensor.name) else {
        return Err(InterchangeError::Missing { name: tensor.name, found: listed(file.names()) });
    };
    if view.dtype() != Dtype::F32 {
        return Err(InterchangeError::Type { name: tensor.name, found: view.dtype() });
    }
    if view.shape() != tensor.shape {
        let (expected, found) = (tensor.shape, view.shape().to_vec());
        return Err(InterchangeError::Shape { name: tensor.name, expected, found });
    }
    for (value, bytes) in tensor.values.iter_mut().zip(view.data().chunks_exact(4)) {
        *value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    match tensor.values.iter().position(|value| !value.is_finite()) {
        None => Ok(tensor),
        Some(at) => Err(InterchangeError::NotFinite {
            index: tensor.index(at),
            found: tensor.values[at],
            name: tensor.name,
        }),
    }
}

/// Checks that the file has zeros where the net has no weights.
fn expect_masks(layer: &Layout<'_>, tensors: &[Tensor]) -> Result<(), InterchangeError> {
    if layer.kind == Kind::Embedding {
        return Ok(());
    }
    let mut exists: Vec<_> = tensors.iter().map(|tensor| vec![false; tensor.values.len()]).collect();
    layer.each_weight(|_, tensor, at| exists[tensor][at] = true);
    for (tensor, exists) in [INPUT, RECURRENT].map(|part| (&tensors[part], &exists[part])) {
        let missing = tensor.values.iter().zip(exists).position(|(&value, &exists)| value != 0.0 && !exists);
        if let Some(at) = missing {
            let (name, index) = (tensor.name.clone(), tensor.index(at));
            return Err(InterchangeError::NoWeight { name, index, found: tensor.values[at] });
        }
    }
    Ok(())
}

/// The masks that keep the weights of a layer that are not zero, gate by gate.
fn masks(layer: &Layout<'_>, tensors: &[Tensor]) -> Result<Masks, InterchangeError> {
    if layer.kind == Kind::Embedding {
        return Ok(Masks { gates: Vec::new() });
    }
    let pattern = |tensor: &Tensor, gate: usize| {
        let columns = tensor.shape[1];
        let rows = tensor.values.chunks_exact(columns).skip(gate * layer.units).take(layer.units);
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

/// Copies the values of a layer's tensors to `weights`, those of the net.
fn take(layer: &Layout<'_>, tensors: &[Tensor], weights: &mut [f32]) {
    if layer.kind == Kind::Embedding {
        let symbols = layer.structure.inputs.len();
        let rows = weights[layer.first..].chunks_exact_mut(symbols + 1).take(layer.units);
        for (unit, row) in rows.enumerate() {
            for (symbol, weight) in row[..symbols].iter_mut().enumerate() {
                *weight = tensors[0].values[symbol * layer.units + unit];
            }
        }
        return;
    }
    layer.each_weight(|weight, tensor, at| {
        weights[weight] = match tensor {
            INPUT_BIAS if !layer.split(at / layer.units) => {
                // The net has one bias for both. An exported file has 0 for the recurrent one; adding it would
                // turn -0 into 0.
                match (tensors[INPUT_BIAS].values[at], tensors[RECURRENT_BIAS].values[at]) {
                    (bias, 0.0) => bias,
                    (input, recurrent) => input + recurrent,
                }
            }
            _ => tensors[tensor].values[at],
        };
    });
}
