//! Who makes training runs: threads of this process, or a scheduler that is there already.
//!
//! A run is made in its folder, resumes by itself and is read if it is complete (`rtrl_train::run`), so that an engine only
//! decides where and when. Results do not depend on it.

mod cluster;
mod error;
mod hyperqueue;
mod local;
mod program;
mod queue;
mod run_one;
mod slurm;

use std::path::Path;
use std::sync::atomic::AtomicBool;

pub use cluster::{Cluster, Pace, Scheduler, Tasks};
pub use error::EngineError;
pub use hyperqueue::HyperQueue;
pub use local::Local;
pub(crate) use local::on_threads;
pub use program::Programs;
pub use queue::{List, Queue};
use rtrl_train::{RunConfig, Summary};
pub use run_one::run as run_one;
pub use slurm::Slurm;

use crate::flags::{EngineKind, Reproduce};

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

/// The engine that the command line asks for; `threads` is for the local one.
///
/// # Errors
/// If a flag is of no use to the engine.
pub fn of_flags(flags: &Reproduce, threads: usize) -> Result<Box<dyn Engine>, EngineError> {
    let given = [
        ("--time-limit", flags.time_limit.is_some()),
        ("--scheduler-options", flags.scheduler_options.is_some()),
        ("--server-dir", flags.server_dir.is_some()),
        ("--jobs", flags.jobs.is_some()),
    ];
    let (engine, useless): (_, &[&str]) = match flags.engine {
        EngineKind::Local => ("local", &["--time-limit", "--scheduler-options", "--server-dir"]),
        EngineKind::Slurm => ("slurm", &["--server-dir"]),
        EngineKind::HyperQueue => ("hyperqueue", &["--jobs"]),
    };
    if let Some((flag, _)) = given.iter().find(|(flag, given)| *given && useless.contains(flag)) {
        return Err(EngineError::UselessFlag { flag, engine });
    }
    let options = match &flags.scheduler_options {
        None => Vec::new(),
        Some(text) => shlex::split(text).ok_or_else(|| EngineError::Options { text: text.clone() })?,
    };
    Ok(match flags.engine {
        EngineKind::Local => Box::new(Local { out: flags.out.clone(), threads }),
        EngineKind::Slurm => {
            let scheduler = Slurm {
                at_a_time: flags.jobs,
                minutes: flags.time_limit,
                options,
                programs: Programs::default(),
            };
            Box::new(Cluster::new(scheduler, &flags.out)?)
        }
        EngineKind::HyperQueue => {
            let scheduler = HyperQueue {
                server_dir: flags.server_dir.clone(),
                minutes: flags.time_limit,
                options,
                hq: std::env::var_os("RTRL_HQ").map(Into::into),
                programs: Programs::default(),
            };
            Box::new(Cluster::new(scheduler, &flags.out)?)
        }
    })
}

/// The result of a run that needs no more than to be read: `None` if there is something left to make.
fn finished(config: &RunConfig, out: &Path) -> Option<Result<Summary, String>> {
    let summary = rtrl_train::read_summary(&out.join(config.folder())).ok()?;
    if summary.hash != config.hash() {
        return None;
    }
    // Now a call only compares the data; should the folder vanish under it, it is not this process that makes the run.
    let stop = AtomicBool::new(true);
    match rtrl_train::run(config, &rtrl_train::RunOptions::new(out), &mut |_| {}, &stop) {
        Ok(rtrl_train::Outcome::Finished(summary)) => Some(Ok(*summary)),
        Ok(rtrl_train::Outcome::Interrupted) => None,
        Err(error) => Some(Err(error.to_string())),
    }
}
