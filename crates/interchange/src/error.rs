use std::path::PathBuf;

use rtrl_cells::CellError;
use rtrl_train::TrainError;
use safetensors::{Dtype, SafeTensorError};

/// Why weights cannot be exported or imported. The model is then unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InterchangeError {
    /// PyTorch has no equivalent of a layer.
    #[error("layer {layer}: {reason}")]
    Layer {
        /// The layer, counted from 0.
        layer: usize,
        /// Why not.
        reason: &'static str,
    },
    /// The readout has a part, such as a bypass, which no tensor of the format has a name for.
    #[error("a readout with `{field}` cannot be exchanged: train the net without it, or keep it as a model")]
    Readout {
        /// The setting of `readout`.
        field: &'static str,
    },
    /// The bytes are not a safetensors file, or are damaged; or the tensors cannot be written as one.
    #[error("not a safetensors file: {0}")]
    Format(#[source] SafeTensorError),
    /// The file holds weights and does not say of what net.
    #[error(
        "the file does not describe its net, as those that this program exports do: give its configuration"
    )]
    NoDescription,
    /// What a file says of its net cannot be used.
    #[error("{place}: {reason}")]
    Description {
        /// The part of the file, or the file of a folder.
        place: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The file is one of another net.
    #[error("the file describes {what} as {file}, but {owner} has {given}")]
    Differs {
        /// What differs, such as `layer 0`.
        what: String,
        /// The file's description of it.
        file: String,
        /// Whose net the other one is.
        owner: &'static str,
        /// What the other net has.
        given: String,
    },
    /// The net that a file describes cannot be built.
    #[error("the net that the file describes: {0}")]
    Net(#[source] Box<TrainError>),
    /// Several modules of the file could be the same part of the net.
    #[error("{part} could be any of the modules with the prefixes {found}: name one, as in `{part}=PREFIX`")]
    Ambiguous {
        /// The part, a field of [`Names`](crate::Names).
        part: &'static str,
        /// The prefixes, separated by commas.
        found: String,
    },
    /// The [`Names`](crate::Names) give two tensors of the net the same name.
    #[error("two parts of the net have a tensor `{name}`: give them other prefixes")]
    Shared {
        /// The name of the tensors.
        name: String,
    },
    /// The file lacks a tensor that the net needs.
    #[error("there is no tensor `{name}`; the file has: {found}")]
    Missing {
        /// Its name.
        name: String,
        /// The names of the file's tensors, separated by commas.
        found: String,
    },
    /// The file has tensors that the net has no place for.
    #[error("the net has no place for the tensors {names}")]
    Unexpected {
        /// Their names, separated by commas.
        names: String,
    },
    /// A tensor has another shape than the net needs.
    #[error("`{name}` has the shape {found:?}, the net needs {expected:?}")]
    Shape {
        /// Its name.
        name: String,
        /// What the net needs.
        expected: Vec<usize>,
        /// What the file has.
        found: Vec<usize>,
    },
    /// The numbers of a tensor are of a type that is not read: neither F16, BF16, F32 nor F64.
    #[error("`{name}` is {found:?}: convert it to F32")]
    Type {
        /// Its name.
        name: String,
        /// Its type.
        found: Dtype,
    },
    /// A weight is NaN or infinite.
    #[error("`{name}` has the number {found} at {index:?}")]
    NotFinite {
        /// Its name.
        name: String,
        /// Its index: row and column, or the row of a vector.
        index: Vec<usize>,
        /// The number.
        found: f32,
    },
    /// A weight is finite, and no number of 32 bits is as large.
    #[error("`{name}` is {found:e} at {index:?}, which is too large for a number of 32 bits")]
    Range {
        /// Its name, or those of the two biases that it is the sum of.
        name: String,
        /// Its index: row and column, or the row of a vector.
        index: Vec<usize>,
        /// The number.
        found: f64,
    },
    /// A number of the file is not zero where the masks of the net leave no weight.
    /// [`Zeros::Mask`](crate::Zeros::Mask) makes the masks of the file's zeros.
    #[error("`{name}` is {found} at {index:?}, where the masks of the net leave no weight")]
    NoWeight {
        /// Its name.
        name: String,
        /// Row and column.
        index: Vec<usize>,
        /// The number.
        found: f32,
    },
    /// The net does not take the masks that the zeros of the file imply ([`Zeros::Mask`](crate::Zeros::Mask)).
    #[error("zeros as masks: {0}")]
    Masks(#[from] CellError),
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
}
