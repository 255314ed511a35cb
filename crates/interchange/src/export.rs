//! Export: the weights of a net as tensors of PyTorch.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use rtrl_train::Model;
use safetensors::{Dtype, tensor::TensorView};

use crate::InterchangeError;
use crate::layout::{self, Kind, Layout, Names, Tensor};

/// The bytes of a safetensors file with the weights of a net, named as in PyTorch. Weights that do not exist are
/// zeros.
///
/// # Errors
/// [`InterchangeError::Layer`] if PyTorch has no equivalent of a layer.
pub fn export(model: &Model, names: &Names) -> Result<Vec<u8>, InterchangeError> {
    let tensors = tensors(model, names)?;
    let bytes: Vec<_> = tensors.iter().map(bytes).collect();
    safetensors::serialize(views(&tensors, &bytes)?, information()).map_err(InterchangeError::Format)
}

/// [`export`]s to the file at `path`. Also after a failure, the file is either complete or as it was before.
///
/// # Errors
/// Those of [`export`], or [`InterchangeError::File`] if the file cannot be written.
pub fn save(model: &Model, names: &Names, path: &Path) -> Result<(), InterchangeError> {
    let bytes = export(model, names)?;
    rtrl_checkpoint::replace(path, |file| file.write_all(&bytes)).map_err(|source| InterchangeError::File {
        action: "write",
        path: path.to_path_buf(),
        source,
    })
}

/// The metadata that loaders for PyTorch expect beside the tensors.
fn information() -> Option<HashMap<String, String>> {
    Some(HashMap::from([("format".to_string(), "pt".to_string())]))
}

fn bytes(tensor: &Tensor) -> Vec<u8> {
    tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn views<'a>(
    tensors: &'a [Tensor],
    bytes: &'a [Vec<u8>],
) -> Result<Vec<(&'a str, TensorView<'a>)>, InterchangeError> {
    let view = |(tensor, bytes): (&'a Tensor, &'a Vec<u8>)| {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes);
        view.map(|view| (tensor.name.as_str(), view)).map_err(InterchangeError::Format)
    };
    tensors.iter().zip(bytes).map(view).collect()
}

fn tensors(model: &Model, names: &Names) -> Result<Vec<Tensor>, InterchangeError> {
    let mut all = Vec::new();
    for layer in layout::layers(model)? {
        all.extend(fill(&layer, layer.tensors(names), model.weights()));
    }
    let mut parameters = model.readout().parameters();
    for mut tensor in layout::readout(model, names) {
        let (own, rest) = parameters.split_at(tensor.values.len());
        tensor.values.copy_from_slice(own);
        parameters = rest;
        all.push(tensor);
    }
    Ok(all)
}

fn fill(layer: &Layout<'_>, mut tensors: Vec<Tensor>, weights: &[f32]) -> Vec<Tensor> {
    match layer.kind {
        Kind::Embedding => {
            // The row of a unit is its weight of every symbol, then its bias. nn.Embedding has no bias, but a step
            // reads exactly one symbol, so the bias can be added to every weight.
            let table = &mut tensors[0].values;
            let symbols = layer.structure.inputs.len();
            for (unit, row) in weights[layer.first..].chunks_exact(symbols + 1).take(layer.units).enumerate()
            {
                for (symbol, weight) in row[..symbols].iter().enumerate() {
                    table[symbol * layer.units + unit] = weight + row[symbols];
                }
            }
        }
        Kind::Recurrent(_) => {
            layer.each_weight(|weight, tensor, at| tensors[tensor].values[at] = weights[weight]);
        }
    }
    tensors
}
