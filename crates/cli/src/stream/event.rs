//! Events of a stream, from the thread that reads it and from signals, and the reasons for which it ends early.

use std::io::ErrorKind;

use rtrl_tasks::table::rows::{LeftOut, Row};

use super::rows::Format;
use super::serve::Asked;
use crate::Failure;

/// What the main loop waits for.
pub enum Event {
    /// Format and delimiter of the input, before its first row.
    Format(Format, u8),
    /// A row.
    Row(Row),
    /// There are no more rows; counts of all lines without a row.
    End(LeftOut),
    /// The input cannot be read.
    Failed(std::io::Error),
    /// A question of a client.
    Asked(Asked),
    /// A signal asks for the end.
    Stop,
}

/// Why a stream ends before its input.
pub enum Ended {
    /// Nobody reads the output.
    NobodyReads,
    /// A signal asked for the end.
    Asked,
    /// A row, or the whole input, cannot be used.
    Refused(Failure),
    /// Predictions cannot be written.
    Lost(Failure),
    /// Any other failure.
    Bad(Failure),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Bad(failure)
    }
}

impl From<std::io::Error> for Ended {
    /// Takes `error` for one of writing the output.
    fn from(error: std::io::Error) -> Self {
        if error.kind() == ErrorKind::BrokenPipe {
            return Self::NobodyReads;
        }
        Self::Lost(Failure::new(format!("cannot write the predictions: {error}")))
    }
}
