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
    /// One of the others, in a table that has the same fields as the whole.
    #[error("in `{table}`: {source}")]
    Inside {
        /// The table.
        table: &'static str,
        /// What is wrong.
        source: Box<ConfigError>,
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
    /// With its place in the file `name` that holds `text`: the beginning, if the field is not written there.
    pub(crate) fn located(self, text: &str, name: &str) -> Self {
        let Some((field, found)) = self.field() else { return self };
        let place = Place::of_field(text, name, &field, Some(&found));
        let place = place.unwrap_or_else(|| Place::beginning(name));
        Self::At { place, source: Box::new(self) }
    }

    /// The field that is to blame, and its value; none if the place is known.
    fn field(&self) -> Option<(String, String)> {
        match self {
            Self::Value { field, found, .. } => Some(((*field).to_string(), found.clone())),
            Self::Group { found, .. } => Some(("update.groups".to_string(), found.clone())),
            Self::Inside { table, source } => {
                let (field, found) = source.field()?;
                Some((format!("{table}.{field}"), found))
            }
            Self::Syntax { .. } | Self::At { .. } => None,
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
    /// A layer cannot be built.
    #[error("layers: {source}")]
    Layer {
        /// Which, from 0.
        layer: usize,
        /// Why.
        source: CellError,
    },
    /// The estimator cannot be built.
    #[error("estimator: {0}")]
    Estimator(#[from] EstimatorError),
    /// An estimator that runs beside the one that trains cannot be built.
    #[error("{field}: {source}")]
    Compared {
        /// Its table in the configuration; elements of lists have numbers, from 0, as names.
        field: String,
        /// Why.
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
            Self::Cell(_) => ("layers".to_string(), None),
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

    /// For `map_err` on file operations.
    pub(crate) fn file(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { action, path, source }
    }
}

/// What in the table of a layer an error speaks of: a field, with a dot before it, and a value.
fn in_layer(error: &CellError) -> (String, Option<String>) {
    match error {
        CellError::Zero { what } | CellError::Unmasked { what } => (format!(".{what}"), None),
        CellError::Sparsity { found, .. } => (String::new(), Some(found.clone())),
        CellError::TooLarge { units, .. } => (String::new(), Some(units.to_string())),
        _ => (String::new(), None),
    }
}

/// The value in the table of an estimator that an error speaks of.
fn in_estimator(error: &EstimatorError) -> Option<String> {
    match error {
        EstimatorError::Zero { .. } => Some("0".to_string()),
        EstimatorError::Range { found, .. } => Some(found.clone()),
        EstimatorError::Horizon { horizon, .. } => Some(horizon.to_string()),
        _ => None,
    }
}
