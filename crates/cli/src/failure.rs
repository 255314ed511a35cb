//! Why a command ends without its result, in one line.

use std::fmt::Display;
use std::path::Path;

/// What was wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

impl Failure {
    /// With this message; of several lines, the first.
    pub fn new(message: impl Display) -> Self {
        Self(message.to_string().lines().next().unwrap_or_default().to_string())
    }

    /// A file that cannot be used: what was tried, and why it failed.
    pub fn file(action: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |error| Self::new(format!("cannot {action} {path}: {error}"))
    }
}

impl From<rtrl_train::TrainError> for Failure {
    fn from(error: rtrl_train::TrainError) -> Self {
        Self::new(error)
    }
}

impl From<rtrl_train::ConfigError> for Failure {
    fn from(error: rtrl_train::ConfigError) -> Self {
        Self::new(error)
    }
}

impl From<rtrl_tasks::TaskError> for Failure {
    fn from(error: rtrl_tasks::TaskError) -> Self {
        Self::new(error)
    }
}
