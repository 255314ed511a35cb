//! What a run leaves when it is complete.

use std::path::Path;

use rtrl_estimators::Cost;
use rtrl_tasks::{BuildTask, TaskError};
use serde::{Deserialize, Serialize};

use crate::{RunConfig, TrainError, number};

/// What a finished run leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// [`RunConfig::hash`].
    pub hash: String,
    /// Version of this crate.
    pub version: String,
    /// The levels of instructions ([`rtrl_sparse::Level`]) that the steps were made with, each once, the last one last:
    /// several if the run was resumed on another processor. Results are the same bits for the same level, and equal to rounding for others.
    /// Empty in results of versions that did not record it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instructions: String,
    /// Identifies the data outside of the configuration, if there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<u64>,
    /// Time steps made.
    pub steps: u64,
    /// Mean loss of the last record with a target, in bits per target.
    pub bits: Option<f64>,
    /// Mean squared error of the last record with a target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<f64>,
    /// Final level of the curriculum.
    pub level: Option<u32>,
    /// Final loss on held-out data, in bits per target.
    pub valid_bits: Option<f64>,
    /// Loss on the test data, in bits per target, if there are such data.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "number::option")]
    pub test_bits: Option<f64>,
    /// The two again, with weights that go on learning while they are evaluated ([`RunConfig::dynamic`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic_valid_bits: Option<f64>,
    /// See above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic_test_bits: Option<f64>,
    /// Why one of these two is missing, or both: learning diverged during the evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic_diverged: Option<String>,
    /// Whether these two are still to come. Training is finished then, and the run is not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dynamic_pending: bool,
    /// Counted cost of the estimator.
    pub cost: Cost,
    /// Seconds that the run took: differs from one execution to the next.
    pub seconds: f64,
}

/// The summary, if the run of this configuration is complete.
pub(crate) fn finished(config: &RunConfig, path: &Path) -> Result<Option<Summary>, TrainError> {
    let complete = |summary: &Summary| summary.hash == config.hash() && !summary.dynamic_pending;
    // A result that cannot be read is as good as none: the run is made again.
    let Some(summary) = read_summary(path).ok().filter(complete) else { return Ok(None) };
    match config.task()?.fingerprint() {
        // A result does not need its data any more.
        Ok(None) | Err(TaskError::Missing { .. }) => Ok(Some(summary)),
        Ok(data) if data == summary.data => Ok(Some(summary)),
        Ok(_) => Err(TrainError::DataChanged { path: path.to_path_buf() }),
        Err(error) => Err(error.into()),
    }
}

/// The summary of a finished run in `folder`; if [`dynamic_pending`](Summary::dynamic_pending), of one whose training alone is
/// finished.
///
/// # Errors
/// If there is none or it is damaged.
pub fn read_summary(folder: &Path) -> Result<Summary, TrainError> {
    let path = folder.join("result.json");
    let text = std::fs::read_to_string(&path).map_err(TrainError::file("read", &path))?;
    serde_json::from_str(&text).map_err(|error| TrainError::Damaged {
        path,
        line: error.line(),
        reason: error.to_string(),
    })
}
