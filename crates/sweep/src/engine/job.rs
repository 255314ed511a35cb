//! A run that is to be made, and who makes it.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use rtrl_train::{RunConfig, Summary};

use super::error::EngineError;

/// One run that is to be made.
#[derive(Debug, Clone)]
pub struct Job {
    /// The experiment that wants it, as a number that the caller chooses.
    pub experiment: usize,
    /// What messages call it.
    pub label: String,
    /// What is run.
    pub config: RunConfig,
}

/// A run that was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The run's index among the jobs.
    pub job: usize,
    /// What messages call it.
    pub label: String,
    /// Why, in one line.
    pub reason: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.label, self.reason)
    }
}

/// What happens while runs are made.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// Run `job` has come to this time step.
    Step {
        /// Its index among the jobs.
        job: usize,
        /// The time step; less than before if the run was rolled back or lost.
        step: u64,
    },
    /// Run `job` is complete, now or from an earlier call.
    Finished {
        /// Its index among the jobs.
        job: usize,
        /// Its result.
        summary: &'a Summary,
    },
    /// A run was not made.
    Failed(&'a Failure),
    /// Something the user should know.
    Note(&'a str),
}

/// Makes runs.
pub trait Engine {
    /// Makes all `jobs`, and returns those that failed; one that fails does not stop the others.
    ///
    /// When `stop` is set it returns soon: what is not finished then is neither made nor failed, and the same call goes on
    /// from there.
    ///
    /// # Errors
    /// If the engine itself cannot be used.
    fn make(
        &self,
        jobs: &[Job],
        stop: &AtomicBool,
        report: &(dyn Fn(Event<'_>) + Sync),
    ) -> Result<Vec<Failure>, EngineError>;
}

/// The result of a run that is complete, or why it cannot be used; `None` if the run is not complete.
pub(super) fn finished(config: &RunConfig, out: &Path) -> Option<Result<Summary, String>> {
    let summary = rtrl_train::read_summary(&out.join(config.folder())).ok()?;
    if summary.hash != config.hash() {
        return None;
    }
    // For a complete run this call only checks that its data are the same. `stop` is set, so that no run is made
    // here if the folder vanishes meanwhile.
    let stop = AtomicBool::new(true);
    match rtrl_train::run(config, &rtrl_train::RunOptions::new(out), &mut |_| {}, &stop) {
        Ok(rtrl_train::Outcome::Finished(summary)) => Some(Ok(*summary)),
        Ok(rtrl_train::Outcome::Interrupted) => None,
        Err(error) => Some(Err(error.to_string())),
    }
}
