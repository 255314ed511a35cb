//! Export: the weights of a net as tensors of PyTorch.

use std::collections::HashMap;

use rtrl_train::Model;
use safetensors::{Dtype, tensor::TensorView};

use crate::description::{Description, KEY};
use crate::layout::{self, Kind, Layout, Tensor};
use crate::names::Prefixes;
use crate::{InterchangeError, Names};

/// The bytes of a safetensors file with the weights of a net, named as in PyTorch. Weights that do not exist are
/// zeros. The metadata describe the net, so that [`from_bytes`](crate::from_bytes) needs nothing else; equal nets
/// give equal bytes.
///
/// # Errors
/// [`InterchangeError::Layer`] if PyTorch has no equivalent of a layer; [`InterchangeError::Shared`] if the names
/// give two tensors the same name.
pub fn export(model: &Model, names: &Names) -> Result<Vec<u8>, InterchangeError> {
    let tensors = tensors(model, &names.written())?;
    layout::distinct(tensors.iter().map(|tensor| &tensor.slot))?;
    let bytes: Vec<_> = tensors.iter().map(bytes).collect();
    safetensors::serialize(views(&tensors, &bytes)?, Some(metadata(model))).map_err(InterchangeError::Format)
}

/// The metadata: the format, which loaders for PyTorch expect, and the description of the net.
fn metadata(model: &Model) -> HashMap<String, String> {
    let make = || {
        let format = ("format".to_string(), "pt".to_string());
        HashMap::from([format, (KEY.to_string(), Description::of(model).to_json())])
    };
    // The map is written in its own order, which is drawn anew for each map. One of the two orders is waited for, so
    // that equal nets give equal files.
    loop {
        let metadata = make();
        if metadata.keys().next().is_some_and(|first| first == "format") {
            return metadata;
        }
    }
}

fn bytes(tensor: &Tensor) -> Vec<u8> {
    tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn views<'a>(
    tensors: &'a [Tensor],
    bytes: &'a [Vec<u8>],
) -> Result<Vec<(&'a str, TensorView<'a>)>, InterchangeError> {
    let view = |(tensor, bytes): (&'a Tensor, &'a Vec<u8>)| {
        let view = TensorView::new(Dtype::F32, tensor.slot.shape.clone(), bytes);
        view.map(|view| (tensor.slot.name.as_str(), view)).map_err(InterchangeError::Format)
    };
    tensors.iter().zip(bytes).map(view).collect()
}

fn tensors(model: &Model, prefixes: &Prefixes) -> Result<Vec<Tensor>, InterchangeError> {
    let mut all = Vec::new();
    for layer in layout::layers(model)? {
        let slots = layer.part.slots(prefixes);
        all.extend(fill(&layer, slots.into_iter().map(Tensor::from).collect(), model.weights()));
    }
    let mut parameters = model.readout().parameters();
    for slot in layout::readout(model.net(), model.signals().1, prefixes) {
        let (own, rest) = parameters.split_at(slot.shape.iter().product());
        all.push(Tensor { slot, values: own.to_vec() });
        parameters = rest;
    }
    Ok(all)
}

fn fill(layer: &Layout<'_>, mut tensors: Vec<Tensor>, weights: &[f32]) -> Vec<Tensor> {
    match layer.part.kind {
        Kind::Embedding => {
            // The row of a unit is its weight of every symbol, then its bias. nn.Embedding has no bias, but a step
            // reads exactly one symbol, so the bias can be added to every weight.
            let table = &mut tensors[0].values;
            let (symbols, units) = (layer.part.inputs, layer.part.units);
            for (unit, row) in weights[layer.first..].chunks_exact(symbols + 1).take(units).enumerate() {
                for (symbol, weight) in row[..symbols].iter().enumerate() {
                    table[symbol * units + unit] = weight + row[symbols];
                }
            }
        }
        Kind::Recurrent(_) => {
            layer.each_weight(|weight, tensor, at| tensors[tensor].values[at] = weights[weight]);
        }
    }
    tensors
}
