use std::path::PathBuf;

use rtrl_cells::CellError;
use safetensors::{Dtype, SafeTensorError};

/// Why weights cannot be exchanged. The model is unchanged then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InterchangeError {
    /// A layer has no equal in PyTorch.
    #[error("layer {layer}: {reason}")]
    Layer {
        /// The layer, counted from 0.
        layer: usize,
        /// What PyTorch does not have.
        reason: &'static str,
    },
    /// The bytes are not a safetensors file, or are damaged.
    #[error("not a safetensors file: {0}")]
    Format(#[source] SafeTensorError),
    /// A tensor is not there.
    #[error("there is no tensor `{name}`; the file has: {found}")]
    Missing {
        /// Its name.
        name: String,
        /// The names that there are.
        found: String,
    },
    /// The file has tensors that the net has no place for.
    #[error("the net has no place for the tensors {names}")]
    Unexpected {
        /// Their names.
        names: String,
    },
    /// A tensor has another shape than the net.
    #[error("`{name}` has the shape {found:?}, the net needs {expected:?}")]
    Shape {
        /// Its name.
        name: String,
        /// What the net needs.
        expected: Vec<usize>,
        /// What the file has.
        found: Vec<usize>,
    },
    /// A tensor is not of 32-bit floating point numbers.
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
        /// Where: row and column, or row alone.
        index: Vec<usize>,
        /// The number.
        found: f32,
    },
    /// A weight that the net does not have is not zero.
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
    /// The masks that the zeros make are no masks for the net.
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
