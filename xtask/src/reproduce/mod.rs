//! `cargo xtask reproduce`: from the catalogue of experiments to a report.

mod alignment;
mod copy;
mod experiment;
mod lm;
mod machine;
mod pool;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use experiment::{Done, Experiment, Planned, Study};
use rtrl_train::{Trainer, read_metrics};
use serde::Serialize;

use crate::engine;
use crate::flags::Reproduce;
use crate::report::{self, Environment, Report, RunEntry, Section, terminal};

/// Every experiment, in the order of the report. A new one is a file of its own and a line here.
const CATALOGUE: &[Experiment] = &[copy::EXPERIMENT, lm::EXPERIMENT, alignment::EXPERIMENT];

/// A message for the user and the exit status that goes with it: 2 for a mistake in the command or its files, 130 for an
/// interruption, 1 for anything else.
type Failure = (u8, String);

#[allow(clippy::needless_pass_by_value)] // For `map_err(mistake)`, which hands the error over.
fn mistake(message: impl ToString) -> Failure {
    (2, message.to_string())
}

/// Runs the experiments that `flags` names and writes the report.
///
/// # Errors
/// Exit status and message.
pub fn run(flags: &Reproduce) -> Result<(), Failure> {
    if flags.list {
        return list();
    }
    let started = Instant::now();
    let jobs = match flags.jobs {
        Some(0) => return Err(mistake("--jobs must be at least 1: it is the number of runs at a time")),
        Some(jobs) => jobs,
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    if flags.seeds == Some(0) {
        return Err(mistake("--seeds must be at least 1: a result needs a run"));
    }
    let mut plans = Vec::new();
    for experiment in select(&flags.names)? {
        let settings = experiment.settings().map_err(mistake)?;
        let plan = settings
            .plan(flags.profile.name(), flags.seeds, flags.text.as_deref(), flags.valid.as_deref())
            .map_err(mistake)?;
        check(&plan)?;
        plans.push((experiment, settings, plan));
    }
    if let Some(text) = &flags.text
        && !plans.iter().flat_map(|(_, _, plan)| plan).any(Planned::reads_text)
    {
        let message = format!(
            "--text {} is of no use: only lm reads a text; name it, or leave --text out",
            text.display()
        );
        return Err(mistake(message));
    }
    let engine = engine::of_flags(flags, jobs).map_err(|error| (error.status(), error.to_string()))?;
    prepare(&flags.out)?;
    let stop = stop_on_interrupt();
    let all =
        plans.iter().map(|(experiment, _, plan)| (experiment.name, plan.as_slice())).collect::<Vec<_>>();
    let failures = pool::run(&all, engine.as_ref(), &stop);
    let failures = failures.map_err(|error| (error.status(), error.to_string()))?;
    if stop.load(Ordering::Relaxed) {
        let message = "interrupted; finished runs are kept, and the same command goes on with the others";
        return Err((130, message.to_string()));
    }
    if let Some(first) = failures.first() {
        let message = format!("{} of the runs failed, the first: {first}", failures.len());
        return Err((1, message));
    }
    let mut sections = Vec::new();
    for (experiment, settings, plan) in plans {
        let runs = plan.into_iter().map(|run| collect(run, &flags.out)).collect::<Result<_, _>>()?;
        sections.push(section(experiment, &Study { settings, name: experiment.name, runs }));
    }
    let report = Report {
        title: "Real-time recurrent learning: reproduction".to_string(),
        profile: flags.profile.name().to_string(),
        command: command(flags),
        elapsed_seconds: started.elapsed().as_secs_f64(),
        environment: machine::environment(),
        experiments: sections,
    };
    publish(&report, &flags.out)
}

fn list() -> Result<(), Failure> {
    for experiment in CATALOGUE {
        let settings = experiment.settings().map_err(mistake)?;
        println!("{:<10} {}", experiment.name, settings.question);
    }
    Ok(())
}

fn names() -> String {
    CATALOGUE.iter().map(|e| e.name).collect::<Vec<_>>().join(", ")
}

/// The experiments of these names, or all; in the order of the catalogue.
fn select(names: &[String]) -> Result<Vec<&'static Experiment>, Failure> {
    if let Some(unknown) = names.iter().find(|name| !CATALOGUE.iter().any(|e| e.name == **name)) {
        let message = format!("there is no experiment `{unknown}`; there are: {}", self::names());
        return Err(mistake(message));
    }
    let chosen = |e: &&Experiment| names.is_empty() || names.iter().any(|name| name == e.name);
    Ok(CATALOGUE.iter().filter(chosen).collect())
}

/// Builds each method once, so that a bad text or setting is found before anything is written.
fn check(plan: &[Planned]) -> Result<(), Failure> {
    for run in plan.iter().filter(|run| run.config.training.seed == 0) {
        Trainer::new(&run.config).map_err(mistake)?;
    }
    Ok(())
}

/// Makes sure that the output folder exists and can be written.
fn prepare(out: &Path) -> Result<(), Failure> {
    let probe = std::fs::create_dir_all(out).and_then(|()| tempfile::NamedTempFile::new_in(out));
    probe.map(drop).map_err(|error| {
        mistake(format!("cannot write to {}: {error}; choose another folder with --out", out.display()))
    })
}

/// A flag that Ctrl-C or a request to terminate sets.
fn stop_on_interrupt() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let set = stop.clone();
    // Without a handler an interruption still ends the program, only less politely.
    let _ = ctrlc::set_handler(move || set.store(true, Ordering::Relaxed));
    stop
}

/// Reads what a finished run has left.
fn collect(run: Planned, out: &Path) -> Result<Done, Failure> {
    let folder = run.config.folder();
    let read = || -> Result<Done, rtrl_train::TrainError> {
        let summary = rtrl_train::read_summary(&out.join(&folder))?;
        let records = read_metrics(&out.join(&folder).join("metrics.jsonl"))?;
        Ok(Done { method: run.method, config: run.config, folder: folder.clone(), records, summary })
    };
    read().map_err(|error| (1, error.to_string()))
}

fn section(experiment: &Experiment, study: &Study) -> Section {
    let runs = study.runs.iter().map(|run| RunEntry {
        label: run.method.clone(),
        seed: run.config.training.seed,
        hash: run.summary.hash.clone(),
        config_toml: run.config.to_toml().unwrap_or_else(|error| error.to_string()),
        folder: run.folder.clone(),
        seconds: run.summary.seconds,
    });
    Section { runs: runs.collect(), ..(experiment.section)(study) }
}

/// The command that makes this report again.
fn command(flags: &Reproduce) -> String {
    let mut words = vec!["cargo xtask reproduce".to_string()];
    words.extend(flags.names.iter().cloned());
    words.push(format!("--profile {}", flags.profile.name()));
    for (flag, path) in [("--text", &flags.text), ("--valid", &flags.valid)] {
        // The folder it lay in is nobody else's business.
        let name = path.as_deref().and_then(Path::file_name);
        words.extend(name.map(|name| format!("{flag} {}", name.to_string_lossy())));
    }
    words.extend(flags.seeds.map(|seeds| format!("--seeds {seeds}")));
    words.join(" ")
}

/// The machine-readable result.
#[derive(Serialize)]
struct Results<'a> {
    profile: &'a str,
    command: &'a str,
    environment: &'a Environment,
    experiments: Vec<ExperimentResult<'a>>,
}

#[derive(Serialize)]
struct ExperimentResult<'a> {
    name: &'a str,
    claims: &'a [report::Claim],
    tables: &'a [report::Table],
    figures: &'a [report::Figure],
    runs: &'a [RunEntry],
}

fn publish(report: &Report, out: &Path) -> Result<(), Failure> {
    let results = Results {
        profile: &report.profile,
        command: &report.command,
        environment: &report.environment,
        experiments: report
            .experiments
            .iter()
            .map(|section| ExperimentResult {
                name: &section.name,
                claims: &section.claims,
                tables: &section.tables,
                figures: &section.figures,
                runs: &section.runs,
            })
            .collect(),
    };
    let json = serde_json::to_string_pretty(&results).map_err(|error| (1, error.to_string()))?;
    report::replace(&out.join("results.json"), &json).map_err(|error| (1, error.to_string()))?;
    let written = report::write(report, out).map_err(|error| (1, error.to_string()))?;
    let width = 118;
    println!("{}", terminal(report, width));
    println!("report: {}", written.html.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_experiment_plans_every_profile() {
        for experiment in CATALOGUE {
            let settings = experiment.settings().unwrap();
            for profile in ["quick", "standard", "paper"] {
                let plan = settings.plan(profile, None, None, None).unwrap();
                let mut folders: Vec<_> = plan.iter().map(|run| run.config.folder()).collect();
                folders.sort();
                folders.dedup();
                assert_eq!(folders.len(), plan.len(), "{} {profile}: two runs are the same", experiment.name);
                for seed in plan.iter().map(|run| run.config.training.seed) {
                    let of_seed = plan.iter().filter(|run| run.config.training.seed == seed).count();
                    assert_eq!(of_seed, settings.methods.len(), "{} {profile} seed {seed}", experiment.name);
                }
            }
            assert_eq!(settings.plan("quick", Some(1), None, None).unwrap().len(), settings.methods.len());
            assert!(settings.plan("huge", None, None, None).is_err());
        }
    }

    #[test]
    fn the_quick_profile_can_be_built() {
        for experiment in CATALOGUE {
            let settings = experiment.settings().unwrap();
            check(&settings.plan("quick", Some(1), None, None).unwrap()).unwrap();
        }
    }
}
