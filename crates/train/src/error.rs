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
        /// Place of the mistake.
        place: Place,
        /// What is wrong, with the field and the allowed values.
        message: String,
    },
    /// Settings for a group of parameters that does not exist.
    #[error("`update.groups` names `{found}`; there are: {known}")]
    Group {
        /// The name found.
        found: String,
        /// The names of the groups that exist.
        known: String,
    },
    /// A field has an invalid value.
    #[error("`{field}` must be {allowed}, found {found}")]
    Value {
        /// Name of the field, with its table.
        field: &'static str,
        /// The allowed values.
        allowed: &'static str,
        /// The value found.
        found: String,
    },
    /// A setting beside the file that cannot be used.
    #[error("setting `{setting}`: {reason}")]
    Setting {
        /// The setting, `FIELD=VALUE`; all of them, if it is not known which is to blame.
        setting: String,
        /// What is wrong.
        reason: String,
    },
    /// Another of these errors, in a table that has the same fields as the whole configuration.
    #[error("in `{table}`: {source}")]
    Inside {
        /// Name of the table.
        table: &'static str,
        /// The error with the name of the field in that table.
        source: Box<ConfigError>,
    },
    /// Another of these errors, with its place in a file.
    #[error("{place}: {source}")]
    At {
        /// Place of the mistake.
        place: Place,
        /// The error without its place.
        source: Box<ConfigError>,
    },
}

impl ConfigError {
    /// Adds the place in the file `name` that holds `text`; the beginning of the file if it does not have the
    /// field.
    pub(crate) fn located(self, text: &str, name: &str) -> Self {
        let Some((field, found)) = self.field() else { return self };
        let place = Place::of_field(text, name, &field, Some(&found));
        let place = place.unwrap_or_else(|| Place::beginning(name));
        Self::At { place, source: Box::new(self) }
    }

    /// The field with the mistake, and its value; `None` if the error has a place already.
    pub(crate) fn field(&self) -> Option<(String, String)> {
        match self {
            Self::Value { field, found, .. } => Some(((*field).to_string(), found.clone())),
            Self::Group { found, .. } => Some(("update.groups".to_string(), found.clone())),
            Self::Inside { table, source } => {
                let (field, found) = source.field()?;
                Some((format!("{table}.{field}"), found))
            }
            Self::Syntax { .. } | Self::At { .. } | Self::Setting { .. } => None,
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
    /// The settings of the initial weights do not fit the layers.
    #[error("init: {0}")]
    Init(CellError),
    /// A layer cannot be built.
    #[error("layers: {source}")]
    Layer {
        /// Number of the layer, from 0.
        layer: usize,
        /// The error of the layer.
        source: CellError,
    },
    /// The estimator cannot be built.
    #[error("estimator: {0}")]
    Estimator(#[from] EstimatorError),
    /// A passive estimator, or the reference that it is compared with, cannot be built.
    #[error("{field}: {source}")]
    Compared {
        /// Path of its table in the configuration; elements of lists are named by their numbers, from 0.
        field: String,
        /// The error of the estimator.
        source: EstimatorError,
    },
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
        /// The estimator's configuration, in its debug form.
        estimator: String,
        /// Name of the quantity, such as `gradient`.
        quantity: &'static str,
    },
    /// All time steps of the run have been made.
    #[error("all {steps} steps of the run are made: `training.steps` says how many there are")]
    Finished {
        /// Time steps of the run.
        steps: u64,
    },
    /// The run folder or a file in it cannot be used.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// The attempted action, as a verb with its object.
        action: &'static str,
        /// Path of the file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A checkpoint or model cannot be written or used.
    #[error("checkpoint {}: {source}", path.display())]
    Checkpoint {
        /// Path of the file.
        path: PathBuf,
        /// The error of the checkpoint.
        source: CheckpointError,
    },
    /// The folder is locked by another process that makes the same run.
    #[error("another process is making the run in {}; wait for it, or end it", path.display())]
    Locked {
        /// The run's folder.
        path: PathBuf,
    },
    /// The data of the run have changed since it was made, as far as
    /// [`Corpus::fingerprint`](rtrl_tasks::Corpus::fingerprint) tells.
    #[error("the text of the run in {} has changed since it was made; restore it, or remove the folder", path.display())]
    DataChanged {
        /// The run's folder.
        path: PathBuf,
    },
    /// A file of the run folder is damaged.
    #[error("{}, line {line}: {reason}; remove the run's folder to run it again", path.display())]
    Damaged {
        /// Path of the file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// Layers, estimator or task cannot be built; with the place that describes them in the configuration file.
    #[error("{place}: {source}")]
    At {
        /// Place of the mistake.
        place: Place,
        /// The error without its place.
        source: Box<TrainError>,
    },
}

impl TrainError {
    /// Adds the place in the configuration file `name` that holds `text`, if the error is a mistake in that file.
    #[must_use]
    pub fn located(self, text: &str, name: &str) -> Self {
        let (field, found) = match &self {
            Self::Config(error) => return Self::Config(error.clone().located(text, name)),
            Self::Cell(_) => ("layers".to_string(), None),
            Self::Init(_) => ("init".to_string(), None),
            Self::Layer { layer, source } => {
                let (field, found) = in_layer(source);
                (format!("layers.{layer}{field}"), found)
            }
            Self::Estimator(error) => ("estimator".to_string(), in_estimator(error)),
            Self::Compared { field, source } => (field.clone(), in_estimator(source)),
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

    /// Makes an error from an I/O error: for `map_err` on file operations.
    pub(crate) fn file(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { action, path, source }
    }
}

/// The part of a layer's table that an error is about: a field, with a dot before it, or empty; and a value.
fn in_layer(error: &CellError) -> (String, Option<String>) {
    match error {
        CellError::Zero { what } | CellError::Unmasked { what } => (format!(".{what}"), None),
        CellError::Sparsity { found, .. } => (String::new(), Some(found.clone())),
        CellError::TooLarge { units, .. } => (String::new(), Some(units.to_string())),
        _ => (String::new(), None),
    }
}

/// The value in an estimator's table that an error is about.
fn in_estimator(error: &EstimatorError) -> Option<String> {
    match error {
        EstimatorError::Zero { .. } => Some("0".to_string()),
        EstimatorError::Range { found, .. } => Some(found.clone()),
        EstimatorError::Horizon { horizon, .. } => Some(horizon.to_string()),
        _ => None,
    }
}
