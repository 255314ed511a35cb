//! Nets from their descriptions, what they answer, and PyTorch's equations written out once more.

#![allow(dead_code)] // Each test uses its part.

pub mod any_bytes;

use std::collections::{BTreeMap, HashMap};

use rtrl_cells::{Input, Masks};
use rtrl_sparse::Lanes;
use rtrl_tasks::Signal;
use rtrl_train::{Model, NetConfig, RunConfig};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

/// One step's input.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(untagged)]
pub enum Read {
    Symbol(u32),
    Values(Vec<f32>),
}

/// The net of a vector file, as `vectors.py` describes it.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Net {
    pub kind: String,
    pub layers: usize,
    pub units: usize,
    pub values: Option<usize>,
    pub symbols: Option<usize>,
    pub embedding: Option<usize>,
    pub readout: Option<usize>,
    pub outputs: usize,
    pub zeros: Option<f64>,
}

impl Net {
    /// A net of this description, its masks drawn with this sparsity.
    pub fn model(&self, sparsity: f64, seed: u64) -> Model {
        let embedding = self.embedding.map(|width| format!("{{ kind = 'embedding', units = {width} }},"));
        let layer = format!("{{ kind = '{}', units = {}, sparsity = {sparsity} }},", self.kind, self.units);
        let readout = self.readout.map(|width| format!("hidden = {width}")).unwrap_or_default();
        let config = format!(
            "task = {{ kind = 'copy' }}
             layers = [{} {}]
             estimator = {{ kind = 'snap', order = 1 }}
             readout = {{ {readout} }}
             optimizer = {{ kind = 'adam', learning_rate = 0.01 }}
             training = {{ lanes = 1, window = 1, steps = 100, seed = {seed} }}",
            embedding.unwrap_or_default(),
            layer.repeat(self.layers),
        );
        let config = RunConfig::from_toml(&config, "test").unwrap();
        let inputs = self.symbols.map_or_else(|| Signal::Values(self.values.unwrap()), Signal::Symbols);
        Model::new(&config, inputs, Signal::Values(self.outputs)).unwrap()
    }
}

/// A file that `vectors.py` wrote.
#[derive(Debug, serde::Deserialize)]
pub struct Vectors {
    pub net: Net,
    pub inputs: Vec<Read>,
    pub hidden: Vec<Vec<f64>>,
    pub outputs: Vec<Vec<f64>>,
}

pub const NAMES: [&str; 6] = ["gru", "gru-symbols", "lstm", "lstm-embedding", "rnn", "rnn-relu"];

pub fn vectors(name: &str) -> (Vectors, Vec<u8>) {
    let path = |suffix: &str| format!("{}/tests/vectors/{name}.{suffix}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path("json")).unwrap();
    (serde_json::from_str(&text).unwrap(), std::fs::read(path("safetensors")).unwrap())
}

/// Hidden states and outputs of a model of numbers, step by step.
pub fn answers(model: &Model, inputs: &[Read]) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let stack = model.stack();
    let (mut rollout, mut trace) = (stack.rollout(1), stack.trace(1));
    let mut readout = model.readout().with_lanes(1);
    let numbers = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    let mut answers = (Vec::new(), Vec::new());
    for (t, input) in inputs.iter().enumerate() {
        let input = match input {
            Read::Symbol(symbol) => Input::Symbols(std::slice::from_ref(symbol)),
            Read::Values(values) => Input::Dense(Lanes::new(values, 1)),
        };
        stack.forward(model.weights(), input, &[t == 0], &mut rollout, &mut trace);
        let hidden = rollout.state().slice(stack.hidden());
        answers.0.push(numbers(hidden.values()));
        answers.1.push(numbers(readout.forward(hidden).values()));
    }
    answers
}

/// Greatest difference of two lists of vectors.
pub fn difference(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    assert_eq!(a.len(), b.len());
    let pairs = a.iter().zip(b).flat_map(|(a, b)| {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b)
    });
    // Written so that NaN is a difference.
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, |most, d| if d <= most { most } else { d })
}

/// The text that describes the net of a file.
pub fn description(bytes: &[u8]) -> String {
    let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
    header.metadata().as_ref().unwrap()["rtrl"].clone()
}

/// Everything that a net is, its numbers as bits.
#[derive(Debug, PartialEq)]
pub struct Bits {
    pub net: NetConfig,
    pub signals: (Signal, Signal),
    pub masks: Vec<Masks>,
    pub weights: Vec<u32>,
    pub readout: Vec<u32>,
}

pub fn bits(model: &Model) -> Bits {
    let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect();
    Bits {
        net: model.net().clone(),
        signals: model.signals(),
        masks: model.masks().to_vec(),
        weights: bits(model.weights()),
        readout: bits(model.readout().parameters()),
    }
}

/// The initial net of layers and a readout in JSON.
pub fn net(json: &str, inputs: Signal, targets: Signal) -> Model {
    let net: NetConfig = serde_json::from_str(json).unwrap();
    Model::initial(&net, inputs, targets, 3).unwrap()
}

/// Tensors by name, to be looked at and changed.
#[derive(Debug, Clone, PartialEq)]
pub struct File(pub BTreeMap<String, (Vec<usize>, Vec<f32>)>);

impl File {
    pub fn read(bytes: &[u8]) -> Self {
        let file = SafeTensors::deserialize(bytes).unwrap();
        let tensor = |(name, view): (String, TensorView<'_>)| {
            let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
            (name, (view.shape().to_vec(), values.collect()))
        };
        Self(file.tensors().into_iter().map(tensor).collect())
    }

    /// The file, without metadata.
    pub fn bytes(&self) -> Vec<u8> {
        self.described(None)
    }

    /// The file with this text as the description of its net.
    pub fn described(&self, json: Option<&str>) -> Vec<u8> {
        let data: Vec<Vec<u8>> =
            self.0.values().map(|(_, v)| v.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
        let tensors = self.0.iter().zip(&data).map(|((name, (shape, _)), data)| {
            (name, TensorView::new(Dtype::F32, shape.clone(), data).unwrap())
        });
        let metadata = json.map(|json| HashMap::from([("rtrl".to_string(), json.to_string())]));
        safetensors::serialize(tensors, metadata).unwrap()
    }

    /// Replaces the beginnings of names.
    pub fn renamed(self, prefixes: &[(&str, &str)]) -> Self {
        let new = |name: String| {
            let found = prefixes.iter().find_map(|(old, new)| Some((new, name.strip_prefix(old)?)));
            found.map_or(name.clone(), |(new, rest)| format!("{new}{rest}"))
        };
        Self(self.0.into_iter().map(|(name, tensor)| (new(name), tensor)).collect())
    }

    pub fn values(&mut self, name: &str) -> &mut Vec<f32> {
        &mut self.0.get_mut(name).unwrap().1
    }

    /// Swaps two blocks of rows, in all four tensors of layer 0.
    pub fn swap_gates(&mut self, units: usize, a: usize, b: usize) {
        for name in ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"] {
            let (shape, values) = self.0.get_mut(&format!("rnn.{name}")).unwrap();
            let block = units * shape.get(1).copied().unwrap_or(1);
            for i in 0..block {
                values.swap(a * block + i, b * block + i);
            }
        }
    }

    fn linear(&self, weight: &str, bias: &str, x: &[f64]) -> Vec<f64> {
        let ((shape, w), (_, b)) = (&self.0[weight], &self.0[bias]);
        let row = |r: usize| {
            let row = &w[r * shape[1]..(r + 1) * shape[1]];
            f64::from(b[r]) + row.iter().zip(x).map(|(&w, x)| f64::from(w) * x).sum::<f64>()
        };
        (0..shape[0]).map(row).collect()
    }

    /// What `torch.nn` makes of an input, from its documentation, in double precision: shares nothing with the crate.
    pub fn pytorch(&self, net: &Net, inputs: &[Read]) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
        let zeros = vec![vec![0.0; net.units]; net.layers];
        let (mut h, mut c) = (zeros.clone(), zeros);
        let mut answers = (Vec::new(), Vec::new());
        for input in inputs {
            let mut x: Vec<f64> = match input {
                Read::Values(values) => values.iter().map(|&v| f64::from(v)).collect(),
                Read::Symbol(symbol) => {
                    let one = |s: usize| f64::from(u8::from(s == *symbol as usize));
                    match (net.symbols, net.embedding) {
                        (Some(_), Some(width)) => {
                            let table = &self.0["embedding.weight"].1;
                            let row = &table[*symbol as usize * width..][..width];
                            row.iter().map(|&v| f64::from(v)).collect()
                        }
                        (symbols, _) => (0..symbols.unwrap()).map(one).collect(),
                    }
                }
            };
            for l in 0..net.layers {
                let name = |tensor: &str| format!("rnn.{tensor}_l{l}");
                let a = self.linear(&name("weight_ih"), &name("bias_ih"), &x);
                let b = self.linear(&name("weight_hh"), &name("bias_hh"), &h[l]);
                for j in 0..net.units {
                    let both = |gate: usize| a[gate * net.units + j] + b[gate * net.units + j];
                    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
                    h[l][j] = match net.kind.as_str() {
                        "gru" => {
                            let (r, z) = (sigmoid(both(0)), sigmoid(both(1)));
                            let n = (a[2 * net.units + j] + r * b[2 * net.units + j]).tanh();
                            (1.0 - z) * n + z * h[l][j]
                        }
                        "lstm" => {
                            c[l][j] = sigmoid(both(1)) * c[l][j] + sigmoid(both(0)) * both(2).tanh();
                            sigmoid(both(3)) * c[l][j].tanh()
                        }
                        "vanilla" => both(0).tanh(),
                        "vanilla-relu" => both(0).max(0.0),
                        other => panic!("{other}"),
                    };
                }
                x.clone_from(&h[l]);
            }
            answers.0.push(x.clone());
            answers.1.push(if net.readout.is_some() {
                let hidden = self.linear("readout.0.weight", "readout.0.bias", &x);
                let hidden: Vec<f64> = hidden.into_iter().map(|x| x.max(0.0)).collect();
                self.linear("readout.2.weight", "readout.2.bias", &hidden)
            } else {
                self.linear("readout.weight", "readout.bias", &x)
            });
        }
        answers
    }
}
