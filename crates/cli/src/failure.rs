//! Why a command ends without its result.

use std::fmt::Display;
use std::path::Path;

use rtrl_train::TrainError;

/// Exit status after a failure that is none of the others.
const FAILED: u8 = 1;

/// Exit status after a mistake in the command or in a configuration: nothing was done.
const USAGE: u8 = 2;

/// Exit status where the same command can succeed later: another process makes the run. `EX_TEMPFAIL` of `sysexits.h`.
const TRY_AGAIN: u8 = 75;

/// Exit status after Ctrl-C or a signal: what a shell gives to a command that SIGINT ends.
pub const INTERRUPTED: u8 = 130;

/// What was wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    message: String,
    status: u8,
}

impl Failure {
    /// With this message.
    pub fn new(message: impl Display) -> Self {
        Self { message: message.to_string(), status: FAILED }
    }

    /// A mistake in the command or in a configuration.
    pub fn usage(message: impl Display) -> Self {
        Self { message: message.to_string(), status: USAGE }
    }

    /// A signal has ended the command, which has said what there is to say.
    pub fn stopped() -> Self {
        Self { message: String::new(), status: INTERRUPTED }
    }

    /// A file that cannot be used: what was tried, and why it failed.
    pub fn file(action: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |error| Self::new(format!("cannot {action} {path}: {error}"))
    }

    /// The exit status that goes with it.
    pub fn status(&self) -> u8 {
        self.status
    }

    /// Whether everything was said before.
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
