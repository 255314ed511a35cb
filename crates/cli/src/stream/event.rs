//! What happens to a stream, and how it ends.

use std::io::ErrorKind;

use super::rows::{Format, LeftOut, Row};
use crate::Failure;

/// What the main loop waits for.
pub enum Event {
    /// The format that was found, and what separates cells.
    Format(Format, u8),
    /// A row.
    Row(Row),
    /// There are no more rows; what all lines without one are.
    End(LeftOut),
    /// The input cannot be read.
    Failed(std::io::Error),
    /// A signal asks for the end.
    Stop,
}

/// Why a stream ends before its input.
pub enum Ended {
    /// Nobody reads the output.
    NobodyReads,
    /// A signal asked for it.
    Asked,
    /// Predictions cannot be written.
    Lost(Failure),
    /// Something else was wrong.
    Bad(Failure),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Bad(failure)
    }
}

impl From<std::io::Error> for Ended {
    /// An error of the output.
    fn from(error: std::io::Error) -> Self {
        if error.kind() == ErrorKind::BrokenPipe {
            return Self::NobodyReads;
        }
        Self::Lost(Failure::new(format!("cannot write the predictions: {error}")))
    }
}
