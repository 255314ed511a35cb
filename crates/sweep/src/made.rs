//! Makes runs, and reads their results; a failure is kept with its reason.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rtrl_report::{Align, Table};
use rtrl_train::{Record, read_metrics};

use crate::engine::Engine;
use crate::machine::signed;
use crate::pool;
use crate::runs::{Done, Failed};
use crate::settings::Planned;

/// A message for the user and the exit status that goes with it: 2 for a mistake in the command or its files, 130 for an
/// interruption, 1 for anything else.
pub type Failure = (u8, String);

/// A run or a measurement that has no result.
pub struct Missing {
    /// The method, or what was to be measured.
    pub label: String,
    /// Its seed.
    pub seed: u64,
    /// Why there is none, in one line.
    pub reason: String,
    /// Its folder in the output folder.
    pub folder: String,
}

/// The runs of an experiment that are finished, and those that failed.
pub type Made = (Vec<Done>, Vec<Failed>);

/// Makes all runs of these experiments, each with its name, in folders of `out`; the engine makes them there.
///
/// # Errors
/// If the engine cannot be used, or `stop` was set.
pub fn make(
    runs: &[(&str, &[Planned])],
    engine: &dyn Engine,
    out: &Path,
    stop: &AtomicBool,
) -> Result<Vec<Made>, Failure> {
    let failures = pool::run(runs, engine, stop);
    interrupted(stop)?;
    let failures = failures.map_err(|error| (error.status(), error.to_string()))?;
    let mut reasons: HashMap<usize, String> = failures.into_iter().map(|f| (f.job, f.reason)).collect();
    let mut job = 0;
    let of_experiment = |(_, plan): &(&str, &[Planned])| {
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for run in plan.iter() {
            let found = match reasons.remove(&job) {
                Some(reason) => Err(reason),
                None => collect(run, out),
            };
            job += 1;
            match found {
                Ok(run) => done.push(run),
                Err(reason) => {
                    let Planned { method, config, tried } = run.clone();
                    failed.push(Failed { method, config, tried, reason });
                }
            }
        }
        (done, failed)
    };
    Ok(runs.iter().map(of_experiment).collect())
}

/// An interruption, if `stop` is set.
///
/// # Errors
/// Status 130.
pub fn interrupted(stop: &AtomicBool) -> Result<(), Failure> {
    if stop.load(Ordering::Relaxed) {
        let message = "interrupted; what was done is kept, and the same command goes on from there";
        return Err((130, message.to_string()));
    }
    Ok(())
}

/// Reads what a finished run has left, and makes sure that its files agree with each other.
fn collect(run: &Planned, out: &Path) -> Result<Done, String> {
    let folder = run.config.folder();
    let read = || -> Result<Done, rtrl_train::TrainError> {
        let summary = rtrl_train::read_summary(&out.join(&folder))?;
        let records = read_metrics(&out.join(&folder).join("metrics.jsonl"))?;
        let Planned { method, config, tried } = run.clone();
        let machine = signed(&out.join(&folder));
        Ok(Done { method, config, folder: folder.clone(), tried, records, summary, machine })
    };
    let done = read().map_err(|error| error.to_string())?;
    let last = |of: fn(&Record) -> Option<f64>| done.records.iter().rev().find_map(of);
    let pairs = [
        (last(|r| r.bits), done.summary.bits),
        (last(|r| r.error), done.summary.error),
        (last(|r| r.valid_bits), done.summary.valid_bits),
        (last(|r| r.level.map(f64::from)), done.summary.level.map(f64::from)),
    ];
    let whole = done.records.last().map(|record| record.step) == Some(done.summary.steps);
    if done.summary.hash != done.config.hash() || !whole || pairs.iter().any(|(a, b)| a != b) {
        let path = out.join(&done.folder);
        return Err(format!(
            "{}: metrics and result contradict each other; remove the folder",
            path.display()
        ));
    }
    Ok(done)
}

/// The table of failures.
pub fn failures(missing: &[Missing]) -> Table {
    let row = |m: &Missing| vec![m.label.clone(), m.seed.to_string(), m.reason.clone(), m.folder.clone()];
    Table {
        caption: "Failed".to_string(),
        headers: ["what", "seed", "why", "folder"].map(str::to_string).to_vec(),
        rows: missing.iter().map(row).collect(),
        align: vec![Align::Left, Align::Right],
    }
}
