//! The result of a run.

use std::path::Path;

use rtrl_estimators::Cost;
use rtrl_tasks::{BuildTask, TaskError};
use serde::{Deserialize, Serialize};

use crate::{RunConfig, TrainError, number};

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// [`RunConfig::hash`].
    pub hash: String,
    /// Version of this crate.
    pub version: String,
    /// The levels of instructions ([`rtrl_sparse::Level`]) that the steps were made with, each once, the last one
    /// last; several if the run was resumed on another processor. Results of one level have the same bits; those of
    /// different levels differ by rounding. Empty in results of versions that did not record it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instructions: String,
    /// [`BuildTask::fingerprint`] of the data outside of the configuration, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<u64>,
    /// Number of time steps made.
    pub steps: u64,
    /// Mean loss of the last record with a target, in bits per target; none if targets are numbers.
    pub bits: Option<f64>,
    /// Mean squared error per target of the last record with a target; none if targets are symbols.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<f64>,
    /// Final level of the curriculum.
    pub level: Option<u32>,
    /// Final loss on held-out data, in bits per target.
    pub valid_bits: Option<f64>,
    /// Final mean squared error per target on held-out data, if targets are numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_error: Option<f64>,
    /// The lowest loss on the validation data, as `valid_bits` or `valid_error`. The net is in the file `best`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_valid: Option<f64>,
    /// The step of `best_valid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_step: Option<u64>,
    /// Loss on the test data, in bits per target, if there are such data.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "number::option")]
    pub test_bits: Option<f64>,
    /// Mean squared error per target on the test data, if there are such data and targets are numbers.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "number::option")]
    pub test_error: Option<f64>,
    /// As `valid_bits`, but with weights that go on learning while they are evaluated ([`RunConfig::dynamic`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic_valid_bits: Option<f64>,
    /// As `test_bits`, but with weights that go on learning while they are evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic_test_bits: Option<f64>,
    /// Why `dynamic_valid_bits` or `dynamic_test_bits` or both are missing: learning diverged during the
    /// evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic_diverged: Option<String>,
    /// Whether the dynamic evaluation is still to come. Training is then finished, but the run is not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dynamic_pending: bool,
    /// Counted cost of the estimator.
    pub cost: Cost,
    /// Seconds that the run took; they differ from one execution to the next.
    pub seconds: f64,
}

/// The summary in the folder `path`, if the run of this configuration is complete.
pub(crate) fn finished(config: &RunConfig, path: &Path) -> Result<Option<Summary>, TrainError> {
    let complete = |summary: &Summary| summary.hash == config.hash() && !summary.dynamic_pending;
    // A result that cannot be read counts as missing: the run is made again.
    let Some(summary) = read_summary(path).ok().filter(complete) else { return Ok(None) };
    match config.task()?.fingerprint() {
        // The data may have been removed since: the result is still valid.
        Ok(None) | Err(TaskError::Missing { .. }) => Ok(Some(summary)),
        Ok(data) if data == summary.data => Ok(Some(summary)),
        Ok(_) => Err(TrainError::DataChanged { path: path.to_path_buf() }),
        Err(error) => Err(error.into()),
    }
}

/// The summary in `folder`. If [`dynamic_pending`](Summary::dynamic_pending) is set, only the training is finished.
///
/// # Errors
/// If there is no summary, or it is damaged.
pub fn read_summary(folder: &Path) -> Result<Summary, TrainError> {
    let path = folder.join("result.json");
    let text = std::fs::read_to_string(&path).map_err(TrainError::file("read", &path))?;
    serde_json::from_str(&text).map_err(|error| TrainError::Damaged {
        path,
        line: error.line(),
        reason: error.to_string(),
    })
}
