//! `--plan`: what would be run, how long it would take and how much memory it needs.

use std::time::{Duration, Instant};

use rtrl_report::{Align, Table};
use rtrl_train::{RunConfig, TrainError, Trainer};

use crate::settings::Planned;

/// For how long windows of a method are made to estimate its speed.
const CALIBRATION: Duration = Duration::from_millis(300);

/// Runs of one method of one experiment.
struct Group<'a> {
    experiment: &'a str,
    method: &'a str,
    runs: u64,
    steps: u64,
    config: &'a RunConfig,
}

/// What a method was found to need.
struct Calibrated {
    seconds_per_step: f64,
    bytes: f64,
}

/// A row for each experiment and method, and the time of all with `jobs` runs at a time: sweeps and final runs, the rates
/// measured on a few windows, the memory counted.
///
/// # Errors
/// If a run cannot be built or made.
pub fn table(experiments: &[(&str, &[Planned])], measured: usize, jobs: usize) -> Result<Table, String> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (experiment, planned) in experiments {
        for run in *planned {
            let steps = run.config.training.steps.unwrap_or(0);
            let same = |g: &&mut Group<'_>| g.experiment == *experiment && g.method == run.method;
            match groups.iter_mut().find(same) {
                Some(group) => {
                    group.runs += 1;
                    group.steps += steps;
                }
                None => groups.push(Group {
                    experiment,
                    method: &run.method,
                    runs: 1,
                    steps,
                    config: &run.config,
                }),
            }
        }
    }
    let (mut rows, mut total, mut largest) = (Vec::new(), 0.0, 0.0_f64);
    for group in &groups {
        let Calibrated { seconds_per_step, bytes } = calibrate(group.config)?;
        let seconds = seconds_per_step * group.steps as f64;
        total += seconds;
        largest = largest.max(bytes);
        rows.push(vec![
            group.experiment.to_string(),
            group.method.to_string(),
            group.runs.to_string(),
            group.steps.to_string(),
            format!("{:.0}", 1.0 / seconds_per_step),
            format!("{:.1}", bytes / 1e6),
            rtrl_report::duration(seconds),
        ]);
    }
    let headers = ["experiment", "method", "runs", "time steps", "steps per second", "megabytes", "time"];
    let align =
        [Align::Left, Align::Left, Align::Right, Align::Right, Align::Right, Align::Right, Align::Right];
    Ok(Table {
        caption: format!(
            "{} of runs, {} on {jobs} at a time, up to {:.0} megabytes at once; and {measured} measurements. Rates are those of \
             a third of a second of each method, without the held-out text; memory is counted.",
            rtrl_report::duration(total),
            rtrl_report::duration(total / jobs as f64),
            largest * jobs as f64 / 1e6
        ),
        headers: headers.map(str::to_string).to_vec(),
        rows,
        align: align.to_vec(),
    })
}

/// Makes windows of a run for a moment, to measure the time of a step and count the memory.
fn calibrate(config: &RunConfig) -> Result<Calibrated, String> {
    let mut trainer = Trainer::new(config).map_err(|error| error.to_string())?;
    // Whether there is a next window. A net that diverges is measured up to there: the run itself will tell.
    let next = |trainer: &mut Trainer| match trainer.train_window() {
        Ok(_) => Ok(config.training.steps.is_none_or(|steps| trainer.steps() < steps)),
        Err(TrainError::Diverged { .. }) => Ok(false),
        Err(error) => Err(error.to_string()),
    };
    // The first window pays for cold caches.
    let mut more = next(&mut trainer)?;
    let (started, before) = (Instant::now(), trainer.steps());
    while more && started.elapsed() < CALIBRATION {
        more = next(&mut trainer)?;
    }
    let steps = (trainer.steps() - before).max(1) as f64;
    // For each weight of net and readout: the weight, its gradient and two moments of Adam, 4 bytes each.
    let parameters = (trainer.weights().len() + trainer.readout().parameters().len()) as f64;
    Ok(Calibrated {
        seconds_per_step: started.elapsed().as_secs_f64() / steps,
        bytes: trainer.cost().bytes as f64 + 16.0 * parameters,
    })
}
