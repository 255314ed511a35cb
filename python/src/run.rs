//! Whole runs: the program's `rtrl train`, and its metrics.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use rtrl::train::{Outcome, Progress, RunConfig, RunOptions, read_metrics, run};

use crate::error::{self, value};
use crate::settings;

/// Makes the run that a configuration describes (JSON, or TOML with the name of its file), and returns its folder and
/// its summary as JSON, or no summary if it was interrupted.
#[pyfunction]
#[pyo3(signature = (config, toml, root, checkpoint_seconds, keep_checkpoint, progress=None))]
pub fn train(
    py: Python<'_>,
    config: &str,
    toml: Option<&str>,
    root: PathBuf,
    checkpoint_seconds: f64,
    keep_checkpoint: bool,
    progress: Option<Py<PyAny>>,
) -> PyResult<(PathBuf, Option<String>)> {
    let config: RunConfig = match toml {
        Some(name) => RunConfig::from_toml(config, name).map_err(value)?,
        None => settings::read("config", config)?,
    };
    config.validate().map_err(value)?;
    let every = std::time::Duration::try_from_secs_f64(checkpoint_seconds).map_err(|_| {
        value(format!("`checkpoint_seconds` must be a number of seconds, found {checkpoint_seconds}"))
    })?;
    let options = RunOptions { checkpoint_every: every, keep_checkpoint, ..RunOptions::new(root) };
    let stop = AtomicBool::new(false);
    let mut raised = None;
    let outcome = py.detach(|| {
        let mut windows = 0_u32;
        run(
            &config,
            &options,
            &mut |now: Progress| {
                windows = windows.wrapping_add(1);
                // Python is asked for signals from time to time, as taking its lock is no small part of a window.
                if now.record.is_none() && !windows.is_multiple_of(256) {
                    return;
                }
                let told = Python::attach(|py| {
                    py.check_signals()?;
                    match (&progress, &now.record) {
                        (Some(call), Some(record)) => {
                            let record = serde_json::to_string(record).map_err(value)?;
                            call.call1(py, (now.step, now.steps, record)).map(drop)
                        }
                        _ => Ok(()),
                    }
                });
                if let Err(error) = told {
                    raised.get_or_insert(error);
                    stop.store(true, Ordering::Relaxed);
                }
            },
            &stop,
        )
    });
    if let Some(error) = raised {
        return Err(error);
    }
    let resolved = config.resolved().map_err(|error| error::train(&error))?;
    let folder = options.root.join(resolved.folder());
    match outcome.map_err(|error| error::train(&error))? {
        Outcome::Finished(summary) => Ok((folder, Some(serde_json::to_string(&summary).map_err(value)?))),
        Outcome::Interrupted => Ok((folder, None)),
    }
}

/// The metrics of a run, the records as a JSON list.
#[pyfunction]
pub fn metrics(folder: PathBuf) -> PyResult<String> {
    let records = read_metrics(&folder.join("metrics.jsonl")).map_err(|error| error::train(&error))?;
    serde_json::to_string(&records).map_err(value)
}
