//! The error with which a command ends: a message and an exit status.

use std::fmt::Display;
use std::path::Path;

use rtrl_train::TrainError;

/// Exit status of a failure that has no status of its own.
const FAILED: u8 = 1;

/// Exit status after a mistake in the command or in a configuration: nothing was done.
const USAGE: u8 = 2;

/// Exit status if another process is making the run, so that the same command can succeed later. `EX_TEMPFAIL` of
/// `sysexits.h`.
const TRY_AGAIN: u8 = 75;

/// Exit status after Ctrl-C or a signal: the one that a shell reports for a command that SIGINT ends.
pub const INTERRUPTED: u8 = 130;

/// The error of a command: a message that says what was wrong, where, and what to do, and an exit status.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    message: String,
    status: u8,
}

impl Failure {
    /// A failure with this message and status 1.
    pub fn new(message: impl Display) -> Self {
        Self { message: message.to_string(), status: FAILED }
    }

    /// A mistake in the command or in a configuration: status 2.
    pub fn usage(message: impl Display) -> Self {
        Self { message: message.to_string(), status: USAGE }
    }

    /// A failure with this message and exit status.
    pub fn of_status(status: u8, message: impl Display) -> Self {
        Self { message: message.to_string(), status }
    }

    /// A signal has stopped the command, which has printed its own message: status 130, and no further message.
    pub fn stopped() -> Self {
        Self { message: String::new(), status: INTERRUPTED }
    }

    /// For `map_err`: a file operation has failed. `action` is what was tried on the file at `path`, such as
    /// `read`.
    pub fn file(action: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |error| Self::new(format!("cannot {action} {path}: {error}"))
    }

    /// The exit status.
    pub fn status(&self) -> u8 {
        self.status
    }

    /// Whether the command has printed its message already, so that none is left to print.
    pub fn is_told(&self) -> bool {
        self.message.is_empty()
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        let mut inner = &error;
        while let TrainError::At { source, .. } = inner {
            inner = source;
        }
        let status = match inner {
            TrainError::Config(_)
            | TrainError::Cell(_)
            | TrainError::Layer { .. }
            | TrainError::Estimator(_)
            | TrainError::Compared { .. }
            | TrainError::Task(_) => USAGE,
            TrainError::Locked { .. } => TRY_AGAIN,
            _ => FAILED,
        };
        Self { message: error.to_string(), status }
    }
}

impl From<rtrl_train::ConfigError> for Failure {
    fn from(error: rtrl_train::ConfigError) -> Self {
        Self::usage(error)
    }
}

impl From<rtrl_tasks::TaskError> for Failure {
    fn from(error: rtrl_tasks::TaskError) -> Self {
        Self::usage(error)
    }
}
