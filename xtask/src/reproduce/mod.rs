//! `cargo xtask reproduce`: from the catalogue of experiments to a report.

mod alignment;
mod bias;
mod continual;
mod copy;
mod costs;
mod equivalence;
mod experiment;
mod lm;
pub(crate) mod machine;
mod measured;
mod memory;
mod nets;
mod plan;
mod pool;
mod verdict;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use experiment::{Choice, Done, Experiment, Kind, Planned, Request, Settings, Study};
use measured::Item;
use rtrl_train::{Record, Trainer, read_metrics};
use serde::Serialize;

use crate::engine;
use crate::flags::Reproduce;
use crate::report::{self, Environment, Report, RunEntry, Section, terminal};

/// Every experiment, in the order of the report. A new one is a file of its own and a line here.
const CATALOGUE: &[Experiment] = &[
    equivalence::EXPERIMENT,
    costs::EXPERIMENT,
    memory::EXPERIMENT,
    lm::DENSE,
    lm::SPARSE,
    lm::WIDTH,
    copy::SPARSE,
    copy::ONLINE,
    bias::EXPERIMENT,
    alignment::EXPERIMENT,
    continual::EXPERIMENT,
];

/// Columns of a terminal table.
const WIDTH: u16 = 118;

/// A message for the user and the exit status that goes with it: 2 for a mistake in the command or its files, 130 for an
/// interruption, 1 for anything else.
type Failure = (u8, String);

#[allow(clippy::needless_pass_by_value)] // For `map_err(mistake)`, which hands the error over.
fn mistake(message: impl ToString) -> Failure {
    (2, message.to_string())
}

/// One experiment with what the command line makes of it.
struct Selected {
    experiment: &'static Experiment,
    settings: Settings,
    sweep: Vec<Planned>,
    items: Vec<Item>,
}

/// Runs the experiments that `flags` names and writes the report.
///
/// # Errors
/// Exit status and message.
pub fn run(flags: &Reproduce) -> Result<(), Failure> {
    if flags.list {
        return list();
    }
    let jobs = match flags.jobs {
        Some(0) => return Err(mistake("--jobs must be at least 1: it is the number of runs at a time")),
        Some(jobs) => jobs,
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    if flags.seeds == Some(0) {
        return Err(mistake("--seeds must be at least 1: a result needs a run"));
    }
    let request = Request {
        profile: flags.profile.name(),
        seeds: flags.seeds,
        text: flags.text.as_deref(),
        valid: flags.valid.as_deref(),
    };
    let mut selected = Vec::new();
    for experiment in select(&flags.names)? {
        selected.push(prepared(experiment, request)?);
    }
    check_text(flags, &selected, request)?;
    if flags.plan {
        return plan_only(&selected, request, jobs);
    }
    let engine = engine::of_flags(flags, jobs).map_err(|error| (error.status(), error.to_string()))?;
    prepare(&flags.out)?;
    let stop = stop_on_interrupt();
    measure(&selected, &flags.out, jobs, &stop)?;
    let sweeps = selected.iter().map(|s| (s.experiment.name, s.sweep.as_slice())).collect::<Vec<_>>();
    let failures = make(&sweeps, engine.as_ref(), &stop)?;
    // A value that diverges is a result of a sweep: it is not chosen.
    failures.iter().for_each(|message| eprintln!("left out of its sweep: {message}"));
    let (mut studies, mut finals) = (Vec::new(), Vec::new());
    for Selected { experiment, settings, sweep, items } in selected {
        let sweep: Vec<Done> = sweep.into_iter().filter_map(|run| collect(run, &flags.out).ok()).collect();
        let choice = settings.choose(&sweep);
        let plan = settings.plan(request, &choice).map_err(mistake)?;
        finals.push((experiment.name, plan));
        studies.push((
            experiment,
            items,
            Study { settings, name: experiment.name, runs: Vec::new(), sweep, choice },
        ));
    }
    let all = finals.iter().map(|(name, plan)| (*name, plan.as_slice())).collect::<Vec<_>>();
    let failures = make(&all, engine.as_ref(), &stop)?;
    if let Some(first) = failures.first() {
        let message = format!("{} of the runs failed, the first: {first}", failures.len());
        return Err((1, message));
    }
    let mut sections = Vec::new();
    for ((experiment, items, mut study), (_, plan)) in studies.into_iter().zip(finals) {
        study.runs = plan.into_iter().map(|run| collect(run, &flags.out)).collect::<Result<_, _>>()?;
        sections.push(section(experiment, &study, &items, &flags.out)?);
    }
    let decided: Vec<_> = sections.iter().flat_map(|section| &section.claims).collect();
    let not_run = verdict::not_run(&decided);
    let report = Report {
        title: "Real-time recurrent learning: reproduction".to_string(),
        profile: flags.profile.name().to_string(),
        command: command(flags),
        environment: machine::environment(),
        experiments: sections,
        not_run,
    };
    publish(&report, &flags.out)
}

/// What is to be run and measured of an experiment; each method is built once, so that a bad text or setting is found
/// before anything is written.
fn prepared(experiment: &'static Experiment, request: Request<'_>) -> Result<Selected, Failure> {
    let settings = experiment.settings().map_err(mistake)?;
    let items = match experiment.kind {
        Kind::Runs { .. } => Vec::new(),
        Kind::Measured { items, .. } => {
            settings.measure(request).and_then(|table| items(experiment.name, &table)).map_err(mistake)?
        }
    };
    let sweep = settings.sweep_plan(request).map_err(mistake)?;
    let plan = settings.plan(request, &Choice::new()).map_err(mistake)?;
    check(&plan)?;
    Ok(Selected { experiment, settings, sweep, items })
}

/// A text that no experiment reads is a mistake.
fn check_text(flags: &Reproduce, selected: &[Selected], request: Request<'_>) -> Result<(), Failure> {
    let Some(text) = &flags.text else { return Ok(()) };
    for Selected { settings, .. } in selected {
        let plan = settings.plan(request, &Choice::new()).map_err(mistake)?;
        if plan.iter().any(Planned::reads_text) {
            return Ok(());
        }
    }
    let message = format!(
        "--text {} is of no use: only the lm experiments read a text; name one, or leave --text out",
        text.display()
    );
    Err(mistake(message))
}

/// Prints what would be done.
fn plan_only(selected: &[Selected], request: Request<'_>, jobs: usize) -> Result<(), Failure> {
    let mut all = Vec::new();
    for Selected { experiment, settings, sweep, .. } in selected {
        let mut runs = sweep.clone();
        runs.extend(settings.plan(request, &Choice::new()).map_err(mistake)?);
        all.push((experiment.name, runs));
    }
    let all: Vec<_> = all.iter().map(|(name, runs)| (*name, runs.as_slice())).collect();
    let measured = selected.iter().map(|s| s.items.len()).sum();
    let table = plan::table(&all, measured, jobs).map_err(|message| (1, message))?;
    println!("{}", report::tables(&[table], WIDTH));
    Ok(())
}

/// Measures everything that is not measured yet: what is timed alone, then the rest side by side.
fn measure(selected: &[Selected], out: &Path, jobs: usize, stop: &AtomicBool) -> Result<(), Failure> {
    for alone in [true, false] {
        let wanted = selected.iter().filter_map(|s| match s.experiment.kind {
            Kind::Measured { measure, timed, .. } if timed == alone => Some((&s.items, measure)),
            _ => None,
        });
        let queue: Vec<_> = wanted.flat_map(|(items, m)| items.iter().map(move |item| (item, m))).collect();
        let threads = if alone { 1 } else { jobs };
        let done = pool::each(&queue, threads, stop, |(item, measure)| {
            eprintln!("{} {}", item.experiment, item.label);
            item.make(out, *measure)
        });
        interrupted(stop)?;
        done.map_err(|message| (1, message))?;
    }
    Ok(())
}

/// Makes all runs; returned are those that failed.
fn make(
    runs: &[(&'static str, &[Planned])],
    engine: &dyn engine::Engine,
    stop: &AtomicBool,
) -> Result<Vec<engine::Failure>, Failure> {
    let failures = pool::run(runs, engine, stop);
    interrupted(stop)?;
    failures.map_err(|error| (error.status(), error.to_string()))
}

fn interrupted(stop: &AtomicBool) -> Result<(), Failure> {
    if stop.load(Ordering::Relaxed) {
        let message = "interrupted; what was done is kept, and the same command goes on from there";
        return Err((130, message.to_string()));
    }
    Ok(())
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

/// Builds each method once.
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
pub(crate) fn stop_on_interrupt() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let set = stop.clone();
    // Without a handler an interruption still ends the program, only less politely.
    let _ = ctrlc::set_handler(move || set.store(true, Ordering::Relaxed));
    stop
}

/// Reads what a finished run has left, and makes sure that its files agree with each other.
fn collect(run: Planned, out: &Path) -> Result<Done, Failure> {
    let folder = run.config.folder();
    let read = || -> Result<Done, rtrl_train::TrainError> {
        let summary = rtrl_train::read_summary(&out.join(&folder))?;
        let records = read_metrics(&out.join(&folder).join("metrics.jsonl"))?;
        let Planned { method, config, tried } = run;
        Ok(Done { method, config, folder: folder.clone(), tried, records, summary })
    };
    let done = read().map_err(|error| (1, error.to_string()))?;
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
        let message =
            format!("{}: metrics and result contradict each other; remove the folder", path.display());
        return Err((1, message));
    }
    Ok(done)
}

fn section(experiment: &Experiment, study: &Study, items: &[Item], out: &Path) -> Result<Section, Failure> {
    let mut section = match experiment.kind {
        Kind::Measured { section, .. } => section(items, out).map_err(|message| (1, message))?,
        Kind::Runs { section } => {
            let runs = study.runs.iter().chain(&study.sweep).map(|run| RunEntry {
                label: match run.tried {
                    Some(value) => format!("{}, trying {value:.1e}", run.method),
                    None => run.method.clone(),
                },
                seed: run.config.training.seed,
                hash: run.summary.hash.clone(),
                config_toml: run.config.to_toml().unwrap_or_else(|error| error.to_string()),
                folder: run.folder.clone(),
                seconds: run.summary.seconds,
            });
            Section { runs: runs.collect(), ..section(study) }
        }
    };
    section.name = experiment.name.to_string();
    section.question.clone_from(&study.settings.question);
    section.setup.extend(study.chosen());
    Ok(section)
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
    /// All claims of the paper, in order.
    claims: Vec<&'a report::Claim>,
    experiments: Vec<ExperimentResult<'a>>,
}

#[derive(Serialize)]
struct ExperimentResult<'a> {
    name: &'a str,
    tables: &'a [report::Table],
    figures: &'a [report::Figure],
    runs: &'a [RunEntry],
}

fn publish(report: &Report, out: &Path) -> Result<(), Failure> {
    let results = Results {
        profile: &report.profile,
        command: &report.command,
        environment: &report.environment,
        claims: report::claims(report).into_iter().map(|(_, claim)| claim).collect(),
        experiments: report
            .experiments
            .iter()
            .map(|section| ExperimentResult {
                name: &section.name,
                tables: &section.tables,
                figures: &section.figures,
                runs: &section.runs,
            })
            .collect(),
    };
    let json = serde_json::to_string_pretty(&results).map_err(|error| (1, error.to_string()))?;
    report::replace(&out.join("results.json"), &json).map_err(|error| (1, error.to_string()))?;
    let written = report::write(report, out).map_err(|error| (1, error.to_string()))?;
    println!("{}", terminal(report, WIDTH));
    println!("report: {}", written.html.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(profile: &str) -> Request<'_> {
        Request { profile, seeds: None, text: None, valid: None }
    }

    #[test]
    fn every_experiment_plans_every_profile() {
        for experiment in CATALOGUE {
            for profile in ["quick", "standard", "paper"] {
                let request = request(profile);
                let Selected { settings, sweep, items, .. } = prepared(experiment, request).unwrap();
                let plan = settings.plan(request, &Choice::new()).unwrap();
                assert!(!plan.is_empty() || !items.is_empty(), "{} {profile} is empty", experiment.name);
                let runs = || plan.iter().chain(&sweep);
                let mut folders: Vec<_> = runs().map(|run| run.config.folder()).collect();
                folders.extend(items.iter().map(Item::folder));
                let all = folders.len();
                folders.sort();
                folders.dedup();
                assert_eq!(folders.len(), all, "{} {profile}: two runs are the same", experiment.name);
                for seed in plan.iter().map(|run| run.config.training.seed) {
                    let of_seed = plan.iter().filter(|run| run.config.training.seed == seed).count();
                    assert_eq!(of_seed, settings.methods.len(), "{} {profile} seed {seed}", experiment.name);
                    assert!(
                        sweep.iter().all(|run| run.config.training.seed != seed),
                        "seeds are chosen on others"
                    );
                }
            }
            assert!(experiment.settings().unwrap().plan(request("huge"), &Choice::new()).is_err());
        }
    }
}
