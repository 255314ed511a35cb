use std::path::PathBuf;

use rtrl_cells::CellError;
use rtrl_checkpoint::CheckpointError;
use rtrl_estimators::EstimatorError;
use rtrl_tasks::TaskError;

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file is not TOML, or has an unknown, missing or mistyped field.
    #[error("{name}, line {line}, column {column}: {message}")]
    Syntax {
        /// What was read.
        name: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
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
    /// The run was made with other data under the same name.
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
}

impl TrainError {
    /// For `map_err` on file operations.
    pub(crate) fn file(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { action, path, source }
    }
}
