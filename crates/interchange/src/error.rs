use std::path::PathBuf;

use rtrl_cells::CellError;
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
    /// The bytes are not a safetensors file, or are damaged; or the tensors cannot be written as one.
    #[error("not a safetensors file: {0}")]
    Format(#[source] SafeTensorError),
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
    /// The numbers of a tensor are not 32-bit floating point.
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
    /// A number of the file is not zero where the masks of the net leave no weight.
    #[error(
        "`{name}` is {found} at {index:?}, where the masks of the net leave no weight; import with `Zeros::Mask`"
    )]
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
