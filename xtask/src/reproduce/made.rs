//! Makes runs and measurements, and reads their results; a failure is kept with its reason.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rtrl_train::{Record, read_metrics};

use super::experiment::{Experiment, Kind};
use super::measured::Item;
use super::pool;
use super::runs::{Done, Failed};
use super::settings::{Planned, Settings};
use crate::engine::Engine;
use crate::report::{Align, Environment, Table};

/// A message for the user and the exit status that goes with it: 2 for a mistake in the command or its files, 130 for an
/// interruption, 1 for anything else.
pub(super) type Failure = (u8, String);

/// One experiment with what the command line makes of it.
pub(super) struct Selected {
    pub experiment: &'static Experiment,
    pub settings: Settings,
    pub sweep: Vec<Planned>,
    pub items: Vec<Item>,
}

/// Where runs and measurements are made, and by whom.
pub(super) struct Place<'a> {
    pub out: &'a Path,
    /// Measurements at a time.
    pub jobs: usize,
    pub engine: &'a dyn Engine,
    pub stop: &'a AtomicBool,
    pub environment: &'a Environment,
}

/// A run or a measurement that has no result.
pub(super) struct Missing {
    pub label: String,
    pub seed: u64,
    pub reason: String,
    pub folder: String,
}

/// Measures everything that is not measured yet: first, one by one, items that are timed, then the rest side by
/// side. Returns the reasons of failures, by folder.
pub(super) fn measure(selected: &[Selected], place: &Place<'_>) -> Result<HashMap<String, String>, Failure> {
    let mut failures = HashMap::new();
    for alone in [true, false] {
        let wanted = selected.iter().filter_map(|s| match s.experiment.kind {
            Kind::Measured { measure, timed, .. } if timed == alone => Some((&s.items, measure)),
            _ => None,
        });
        let queue: Vec<_> = wanted.flat_map(|(items, m)| items.iter().map(move |item| (item, m))).collect();
        let threads = if alone { 1 } else { place.jobs };
        let failed = pool::each(&queue, threads, place.stop, |(item, measure)| {
            eprintln!("{} {}", item.experiment, item.label);
            item.make(place.out, *measure, place.environment)
        });
        interrupted(place.stop)?;
        for (index, reason) in failed {
            eprintln!("failed: {} {}: {reason}", queue[index].0.experiment, queue[index].0.label);
            failures.insert(queue[index].0.folder(), reason);
        }
    }
    Ok(failures)
}

/// The runs of an experiment that are finished, and those that failed.
pub(super) type Made = (Vec<Done>, Vec<Failed>);

/// Makes all runs of these experiments.
pub(super) fn make(runs: &[(&'static str, &[Planned])], place: &Place<'_>) -> Result<Vec<Made>, Failure> {
    let failures = pool::run(runs, place.engine, place.stop);
    interrupted(place.stop)?;
    let failures = failures.map_err(|error| (error.status(), error.to_string()))?;
    let mut reasons: HashMap<usize, String> = failures.into_iter().map(|f| (f.job, f.reason)).collect();
    let mut job = 0;
    let of_experiment = |(_, plan): &(&str, &[Planned])| {
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for run in plan.iter() {
            let found = match reasons.remove(&job) {
                Some(reason) => Err(reason),
                None => collect(run, place.out),
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

fn interrupted(stop: &AtomicBool) -> Result<(), Failure> {
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
        Ok(Done { method, config, folder: folder.clone(), tried, records, summary })
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
pub(super) fn failures(missing: &[Missing]) -> Table {
    let row = |m: &Missing| vec![m.label.clone(), m.seed.to_string(), m.reason.clone(), m.folder.clone()];
    Table {
        caption: "Failed".to_string(),
        headers: ["what", "seed", "why", "folder"].map(str::to_string).to_vec(),
        rows: missing.iter().map(row).collect(),
        align: vec![Align::Left, Align::Right],
    }
}
