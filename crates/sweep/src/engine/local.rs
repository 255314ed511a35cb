//! Runs on threads of this process.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rtrl_train::{Outcome, Progress, RunOptions};

use super::error::EngineError;
use super::job::{Engine, Event, Failure, Job};
use crate::machine::sign;

/// Does `work` so that its kernels use up to `threads` threads.
pub fn on_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(work),
        // If no threads can be started, the work shares those of the process: slower, with the same results.
        Err(_) => work(),
    }
}

/// Makes runs on threads of this process.
#[derive(Debug, Clone)]
pub struct Local {
    /// Folder of the runs' folders.
    pub out: PathBuf,
    /// Runs at a time.
    pub threads: usize,
}

impl Engine for Local {
    fn make(
        &self,
        jobs: &[Job],
        stop: &AtomicBool,
        report: &(dyn Fn(Event<'_>) + Sync),
    ) -> Result<Vec<Failure>, EngineError> {
        let next = AtomicUsize::new(0);
        let failures = Mutex::new(Vec::new());
        let work = || {
            while !stop.load(Ordering::Relaxed) {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(job) = jobs.get(index) else { break };
                let folder = self.out.join(job.config.folder());
                // What was there was made by an earlier call.
                let there = folder.join("result.json").exists();
                let mut progress = |p: Progress| report(Event::Step { job: index, step: p.step });
                match rtrl_train::run(&job.config, &RunOptions::new(&self.out), &mut progress, stop) {
                    Ok(Outcome::Finished(summary)) => {
                        if !there {
                            sign(&folder);
                        }
                        report(Event::Finished { job: index, summary: &summary });
                    }
                    Ok(Outcome::Interrupted) => {}
                    Err(error) => {
                        let failure =
                            Failure { job: index, label: job.label.clone(), reason: error.to_string() };
                        report(Event::Failed(&failure));
                        failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
                    }
                }
            }
        };
        let runs = self.threads.min(jobs.len());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..runs {
                // Runs share the cores; otherwise each would start one thread for every core.
                scope.spawn(|| on_threads((cores / runs).max(1), work));
            }
        });
        Ok(failures.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}
