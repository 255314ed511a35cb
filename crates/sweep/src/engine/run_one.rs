//! One run, for a scheduler's task.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rtrl_train::{Outcome, RunConfig, RunOptions, TrainError};

use crate::flags::RunOne;
use crate::machine::sign;

/// Exit status after which the same command continues the run: `EX_TEMPFAIL` of `sysexits.h`.
const AGAIN: u8 = 75;

/// Makes one run, and prints one line about it.
///
/// # Errors
/// Exit status and message: 75 if the run was interrupted or is being made by another process, 2 for a mistake in the
/// arguments or the configuration, 1 for anything else.
pub fn run(flags: &RunOne) -> Result<(), (u8, String)> {
    let config = config(flags).map_err(|message| (2, message))?;
    let stop = Arc::new(AtomicBool::new(false));
    let set = stop.clone();
    // If no handler can be installed, an interruption still ends the run, which then resumes from its last regular
    // checkpoint.
    let _ = ctrlc::set_handler(move || set.store(true, Ordering::Relaxed));
    let folder = flags.out.join(config.folder());
    let there = folder.join("result.json").exists();
    match rtrl_train::run(&config, &RunOptions::new(&flags.out), &mut |_| {}, &stop) {
        Ok(Outcome::Finished(summary)) => {
            if !there {
                sign(&folder);
            }
            println!("finished: {} after {} time steps", config.folder(), summary.steps);
            Ok(())
        }
        Ok(Outcome::Interrupted) => {
            Err((AGAIN, "interrupted after a checkpoint; made again, the run goes on".into()))
        }
        Err(error) => Err((status(&error), error.to_string())),
    }
}

fn status(error: &TrainError) -> u8 {
    match error {
        TrainError::Locked { .. } => AGAIN,
        TrainError::Config(_)
        | TrainError::Cell(_)
        | TrainError::Layer { .. }
        | TrainError::Estimator(_)
        | TrainError::Compared { .. }
        | TrainError::Task(_) => 2,
        _ => 1,
    }
}

fn config(flags: &RunOne) -> Result<RunConfig, String> {
    let index = match (&flags.index_from, flags.index) {
        (Some(variable), _) => {
            let value =
                std::env::var(variable).map_err(|error| format!("--index-from {variable}: {error}"))?;
            let index =
                value.parse().map_err(|error| format!("--index-from {variable}: `{value}`: {error}"))?;
            Some(index)
        }
        (None, index) => index,
    };
    let Some(index) = index else { return read(&flags.config) };
    let list = text(&flags.config)?;
    let lines: Vec<&str> = list.lines().collect();
    let Some(name) = lines.get(index) else {
        return Err(format!("there is no run {index} in {}: it has {}", flags.config.display(), lines.len()));
    };
    read(&flags.config.with_file_name(name))
}

fn read(path: &Path) -> Result<RunConfig, String> {
    RunConfig::from_toml(&text(path)?, &path.display().to_string()).map_err(|error| error.to_string())
}

fn text(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}
