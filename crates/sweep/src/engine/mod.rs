//! Engines, which make training runs: threads of this process, or a scheduler that is installed.
//!
//! `rtrl_train::run` makes a run in its folder, resumes it, or reads its result if it is complete. An engine
//! therefore only decides where and when; results do not depend on it.

mod cluster;
mod error;
mod hyperqueue;
mod job;
mod local;
mod program;
mod queue;
mod run_one;
mod slurm;

pub use cluster::{Cluster, Pace, Scheduler, Tasks};
pub use error::EngineError;
pub use hyperqueue::HyperQueue;
pub use job::{Engine, Event, Failure, Job};
pub use local::Local;
pub use local::on_threads;
pub use program::Programs;
pub use queue::{List, Queue};
pub use run_one::run as run_one;
pub use slurm::Slurm;

use std::path::Path;

use crate::flags::{EngineFlags, EngineKind};

/// The engine that the command line asks for, with runs in folders of `out`.
///
/// # Errors
/// If a flag is of no use to the engine, or no run at a time is asked for.
pub fn of_flags(flags: &EngineFlags, out: &Path) -> Result<Box<dyn Engine>, EngineError> {
    let threads = threads(flags)?;
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
        EngineKind::Local => Box::new(Local { out: out.to_path_buf(), threads }),
        EngineKind::Slurm => {
            let scheduler = Slurm {
                at_a_time: flags.jobs,
                minutes: flags.time_limit,
                options,
                programs: Programs::default(),
            };
            Box::new(Cluster::new(scheduler, out)?)
        }
        EngineKind::HyperQueue => {
            let scheduler = HyperQueue {
                server_dir: flags.server_dir.clone(),
                minutes: flags.time_limit,
                options,
                hq: std::env::var_os("RTRL_HQ").map(Into::into),
                programs: Programs::default(),
            };
            Box::new(Cluster::new(scheduler, out)?)
        }
    })
}

/// Runs at a time in this process: as many as the flag says, or as there are cores.
///
/// # Errors
/// If the flag says none.
pub fn threads(flags: &EngineFlags) -> Result<usize, EngineError> {
    match flags.jobs {
        Some(0) => Err(EngineError::NoJobs),
        Some(jobs) => Ok(jobs),
        None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
    }
}
