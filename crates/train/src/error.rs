use std::path::PathBuf;

use rtrl_cells::CellError;
use rtrl_checkpoint::CheckpointError;
use rtrl_estimators::EstimatorError;
use rtrl_tasks::TaskError;

use crate::Place;

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file is not TOML, or has an unknown, missing or mistyped field.
    #[error("{place}: {message}")]
    Syntax {
        /// Where.
        place: Place,
        /// What is wrong, with the field and what is allowed.
        message: String,
    },
    /// Settings for a group of parameters that does not exist.
    #[error("`update.groups` names `{found}`; there are: {known}")]
    Group {
        /// The name found.
        found: String,
        /// The names that there are.
        known: String,
    },
    /// A value without meaning.
    #[error("`{field}` must be {allowed}, found {found}")]
    Value {
        /// The field, with its table.
        field: &'static str,
        /// What is allowed.
        allowed: &'static str,
        /// The value found.
        found: String,
    },
    /// One of the others, and where in a file it was found.
    #[error("{place}: {source}")]
    At {
        /// Where.
        place: Place,
        /// What is wrong.
        source: Box<ConfigError>,
    },
}

impl ConfigError {
    /// With its place in the file `name` that holds `text`, if the field is written there.
    pub(crate) fn located(self, text: &str, name: &str) -> Self {
        let field = match &self {
            Self::Value { field, .. } => field,
            Self::Group { .. } => "update.groups",
            Self::Syntax { .. } | Self::At { .. } => return self,
        };
        match Place::of_field(text, name, field, None) {
            Some(place) => Self::At { place, source: Box::new(self) },
            None => self,
        }
    }
}

/// Why a training run failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A cell or a stack cannot be built.
    #[error("layers: {0}")]
    Cell(#[from] CellError),
    /// The estimator cannot be built.
    #[error("estimator: {0}")]
    Estimator(#[from] EstimatorError),
    /// The task or its data failed.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// A quantity became NaN or infinite.
    #[error(
        "step {step}: the {quantity} is not finite under {estimator}; lower the learning rate, clip, or set a policy under `divergence`"
    )]
    Diverged {
        /// Time step, from 1.
        step: u64,
        /// The estimator, as its configuration names it.
        estimator: String,
        /// Which quantity.
        quantity: &'static str,
    },
    /// The run has come to its end.
    #[error("all {steps} steps of the run are made: `training.steps` says how many there are")]
    Finished {
        /// Steps of the run.
        steps: u64,
    },
    /// The run folder or a file in it cannot be used.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A checkpoint or model cannot be written or used.
    #[error("checkpoint {}: {source}", path.display())]
    Checkpoint {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: CheckpointError,
    },
    /// Another process is making the run.
    #[error("another process is making the run in {}; wait for it, or end it", path.display())]
    Locked {
        /// The run's folder.
        path: PathBuf,
    },
    /// The run was made with other data under the same name, as far as
    /// [`Corpus::fingerprint`](rtrl_tasks::Corpus::fingerprint) tells.
    #[error("the text of the run in {} has changed since it was made; restore it, or remove the folder", path.display())]
    DataChanged {
        /// The run's folder.
        path: PathBuf,
    },
    /// A file of the run folder is damaged.
    #[error("{}, line {line}: {reason}; remove the run's folder to run it again", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// Layers, estimator or task cannot be built, and where the configuration file says what they are.
    #[error("{place}: {source}")]
    At {
        /// Where.
        place: Place,
        /// What is wrong.
        source: Box<TrainError>,
    },
}

impl TrainError {
    /// With its place in the configuration file `name` that holds `text`, if it is a mistake in there.
    #[must_use]
    pub fn located(self, text: &str, name: &str) -> Self {
        let (field, found) = match &self {
            Self::Config(error) => return Self::Config(error.clone().located(text, name)),
            Self::Cell(error) => ("layers".to_string(), in_layers(error)),
            Self::Estimator(EstimatorError::Zero { .. }) => ("estimator".to_string(), Some("0".to_string())),
            Self::Estimator(EstimatorError::Range { found, .. }) => {
                ("estimator".to_string(), Some(found.clone()))
            }
            Self::Estimator(_) => ("estimator".to_string(), None),
            Self::Task(TaskError::Config { field, .. }) => (format!("task.{field}"), None),
            Self::Task(TaskError::Missing { path } | TaskError::NotAFile { path, .. }) => {
                ("task".to_string(), Some(path.display().to_string()))
            }
            Self::Task(_) => ("task".to_string(), None),
            _ => return self,
        };
        match Place::of_field(text, name, &field, found.as_deref()) {
            Some(place) => Self::At { place, source: Box::new(self) },
            None => self,
        }
    }

    /// For `map_err` on file operations.
    pub(crate) fn file(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { action, path, source }
    }
}

/// The value among the layers that an error speaks of.
fn in_layers(error: &CellError) -> Option<String> {
    match error {
        CellError::Zero { .. } => Some("0".to_string()),
        CellError::Sparsity { found, .. } => Some(found.clone()),
        CellError::TooLarge { units, .. } => Some(units.to_string()),
        _ => None,
    }
}
