//! The names of tensors: a prefix for each part of a net.

use serde::{Deserialize, Serialize};

/// Prefixes of the tensor names of each part of a net, with the dot: `rnn.` makes `rnn.weight_ih_l0`. The empty
/// prefix is that of a bare module.
///
/// A prefix that is not given is the default on export, and is found on import:
///
/// * `rnn` is what stands before `weight_ih_l0`;
/// * `readout` stands before `weight` and `bias`, or, with a hidden layer, before `0.weight`, `0.bias`, `2.weight`
///   and `2.bias`;
/// * `embedding` stands before a matrix `weight` without `bias`.
///
/// If several prefixes are possible, those whose tensors have the shapes of the net are left.
///
/// On import, a tensor that the net has no place for is refused. Once the prefixes of all parts that the net has are
/// given, this holds for the tensors of these modules alone: the file may hold other modules as well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// The prefix of the tensors of `nn.Embedding`. The default is `embedding.`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<String>,
    /// The prefix of the tensors of `nn.RNN`, `nn.GRU` or `nn.LSTM`. The default is `rnn.`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rnn: Option<String>,
    /// The prefix of the tensors of the readout: an `nn.Linear` or, with a hidden layer, an `nn.Sequential` of
    /// Linear, ReLU and Linear, where a number 0 or 2 follows the prefix. The default is `readout.`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readout: Option<String>,
}

impl Names {
    /// The prefixes with which tensors are written.
    pub(crate) fn written(&self) -> Prefixes {
        let or = |given: &Option<String>, default: String| given.clone().unwrap_or(default);
        let default = Prefixes::default();
        Prefixes {
            embedding: or(&self.embedding, default.embedding),
            rnn: or(&self.rnn, default.rnn),
            readout: or(&self.readout, default.readout),
        }
    }

    /// These names, and those of `other` where none are given.
    pub(crate) fn or(&self, other: &Self) -> Self {
        let or = |given: &Option<String>, other: &Option<String>| given.clone().or_else(|| other.clone());
        Self {
            embedding: or(&self.embedding, &other.embedding),
            rnn: or(&self.rnn, &other.rnn),
            readout: or(&self.readout, &other.readout),
        }
    }
}

/// The prefix of each part. That of a part that the net does not have means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prefixes {
    pub embedding: String,
    pub rnn: String,
    pub readout: String,
}

impl Default for Prefixes {
    /// Those of a module with the fields `embedding`, `rnn` and `readout`.
    fn default() -> Self {
        Self { embedding: "embedding.".into(), rnn: "rnn.".into(), readout: "readout.".into() }
    }
}
