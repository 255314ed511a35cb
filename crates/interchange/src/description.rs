//! What a file says of its net: everything but the weights.

use rtrl_cells::CellConfig;
use rtrl_tasks::Signal;
use rtrl_train::{Model, NetConfig};
use serde::{Deserialize, Serialize};

use crate::InterchangeError;

/// The key of the description in the metadata of a safetensors file.
pub(crate) const KEY: &str = "rtrl";

/// A net without its weights and masks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Description {
    pub net: NetConfig,
    pub inputs: Count,
    pub targets: Count,
}

/// A [`Signal`] in JSON: `{"symbols": 4}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Count {
    Symbols(usize),
    Values(usize),
}

impl From<Signal> for Count {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Symbols(n) => Self::Symbols(n),
            Signal::Values(n) => Self::Values(n),
        }
    }
}

impl From<Count> for Signal {
    fn from(count: Count) -> Self {
        match count {
            Count::Symbols(n) => Self::Symbols(n),
            Count::Values(n) => Self::Values(n),
        }
    }
}

impl Count {
    fn words(self) -> String {
        match self {
            Self::Symbols(n) => format!("{n} symbols"),
            Self::Values(n) => format!("{n} numbers"),
        }
    }
}

impl Description {
    pub fn of(model: &Model) -> Self {
        let (inputs, targets) = model.signals();
        Self { net: model.net().clone(), inputs: inputs.into(), targets: targets.into() }
    }

    /// The description as one line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain data")
    }

    /// Reads the JSON of [`to_json`](Self::to_json).
    pub fn from_json(json: &str) -> Result<Self, InterchangeError> {
        let place = "the metadata `rtrl`";
        let refused = |reason| InterchangeError::Description { place, reason };
        let read: Self = serde_json::from_str(json).map_err(|error| refused(error.to_string()))?;
        read.checked(place)
    }

    /// The description, if no size is 0. `place` is where it was read.
    pub fn checked(self, place: &'static str) -> Result<Self, InterchangeError> {
        let (Count::Symbols(inputs) | Count::Values(inputs)) = self.inputs;
        let (Count::Symbols(targets) | Count::Values(targets)) = self.targets;
        let zero = if self.net.layers.is_empty() {
            "layers"
        } else if self.net.layers.iter().any(|layer| layer.units() == 0) {
            "units"
        } else if self.net.readout.hidden == Some(0) {
            "hidden"
        } else if inputs == 0 {
            "inputs"
        } else if targets == 0 {
            "targets"
        } else {
            return Ok(self);
        };
        Err(InterchangeError::Description { place, reason: format!("`{zero}` must be at least 1, found 0") })
    }

    /// Refuses a file with this description for another net. Sparsity does not count: it only says how the first
    /// masks were drawn. `owner` says whose net `other` is.
    pub fn expect(&self, other: &Self, owner: &'static str) -> Result<(), InterchangeError> {
        let differ = |what: String, file: String, given: String| {
            Err(InterchangeError::Differs { what, file, owner, given })
        };
        let (own, others) = (&self.net.layers, &other.net.layers);
        if own.len() != others.len() {
            let words = |layers: &[CellConfig]| match layers.len() {
                1 => "one layer".to_string(),
                n => format!("{n} layers"),
            };
            return differ("the net".into(), words(own), words(others));
        }
        for (depth, (own, other)) in own.iter().zip(others).enumerate() {
            if !own.same_kind(other) || own.units() != other.units() {
                return differ(format!("layer {depth}"), words(own), words(other));
            }
        }
        let readout = |width: Option<usize>| match width {
            None => "linear".to_string(),
            Some(width) => format!("a hidden layer of {width} units"),
        };
        let (own, others) = (self.net.readout.hidden, other.net.readout.hidden);
        if own != others {
            return differ("the readout".into(), readout(own), readout(others));
        }
        for (what, own, other) in
            [("the inputs", self.inputs, other.inputs), ("the targets", self.targets, other.targets)]
        {
            if own != other {
                return differ(what.into(), own.words(), other.words());
            }
        }
        Ok(())
    }
}

/// Kind and size of a layer.
fn words(layer: &CellConfig) -> String {
    let value = serde_json::to_value(layer).unwrap_or_default();
    format!("`{}` of {} units", value["kind"].as_str().unwrap_or("?"), layer.units())
}
