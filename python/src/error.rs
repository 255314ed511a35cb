//! Errors of the crates as exceptions.

use std::fmt::Display;

use pyo3::PyErr;
use pyo3::exceptions::{PyOSError, PyValueError};
use rtrl::checkpoint::CheckpointError;
use rtrl::train::TrainError;

/// A `ValueError` with this message.
pub fn value(message: impl Display) -> PyErr {
    PyValueError::new_err(message.to_string())
}

/// An `OSError` for a file that cannot be read or written, otherwise a `ValueError`.
pub fn train(error: &TrainError) -> PyErr {
    match error {
        TrainError::File { .. } => PyOSError::new_err(error.to_string()),
        TrainError::Checkpoint { path, source } => checkpoint(source, &path.display()),
        _ => value(error),
    }
}

/// As [`train`], with the name of the file.
pub fn checkpoint(error: &CheckpointError, path: &dyn Display) -> PyErr {
    let message = format!("checkpoint {path}: {error}");
    match error {
        CheckpointError::File { .. } => PyOSError::new_err(message),
        _ => value(message),
    }
}
