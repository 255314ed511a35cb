//! One experiment from its file to its results.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use rtrl_train::Trainer;

use crate::engine::Engine;
use crate::made::{Failure, make};
use crate::settings::{Choice, Planned, Request, Settings};
use crate::study::Study;

/// All runs of an experiment: first those of its sweep, then those that count, with what the sweep has chosen. What is finished in
/// `out` is read, what was interrupted goes on.
///
/// # Errors
/// Status 2 for a mistake in the file, before anything is written; 130 if `stop` was set; 1 if the engine cannot be used.
pub fn conduct(
    name: &str,
    settings: Settings,
    request: Request<'_>,
    engine: &dyn Engine,
    out: &Path,
    stop: &AtomicBool,
) -> Result<Study, Failure> {
    let mistake = |message: String| (2, message);
    let tried = settings.sweep_plan(request).map_err(mistake)?;
    let made = make(&[(name, &tried)], engine, out, stop)?.pop();
    let (sweep, sweep_failed) = made.unwrap_or_default();
    let choice = settings.choose(&sweep, &sweep_failed);
    let plan = settings.plan(request, &choice.0).map_err(mistake)?;
    let (runs, failed) = make(&[(name, &plan)], engine, out, stop)?.pop().unwrap_or_default();
    Ok(Study { settings, name: name.to_string(), runs, failed, sweep, sweep_failed, choice })
}

/// Builds each method once, so that a mistake is found before anything is run.
///
/// # Errors
/// The method with its mistake.
pub fn check(plan: &[Planned]) -> Result<(), String> {
    let mut checked: Vec<&str> = Vec::new();
    for run in plan {
        if !checked.contains(&run.method.as_str()) {
            Trainer::new(&run.config).map_err(|error| format!("method `{}`: {error}", run.method))?;
            checked.push(&run.method);
        }
    }
    Ok(())
}

/// What is to be run for an experiment without a choice: its sweep, and the runs that count with the setting of the configuration.
///
/// # Errors
/// A mistake in the file.
pub fn planned(settings: &Settings, request: Request<'_>) -> Result<Vec<Planned>, String> {
    let mut runs = settings.sweep_plan(request)?;
    runs.extend(settings.plan(request, &Choice::new())?);
    Ok(runs)
}
