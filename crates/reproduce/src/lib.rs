//! `cargo xtask reproduce`: from the catalogue of experiments to a report.

mod experiment;
pub mod flags;
mod made;
mod measured;
mod nets;
#[cfg(test)]
mod tests;

use std::path::Path;

use rtrl_report::{Claim, Report, Section, terminal};
use rtrl_sweep::{
    Choice, Failure, Missing, Planned, Request, Settings, Study, check, elsewhere_of, engine, entries,
    environment, make, prepare, stop_on_interrupt, tell_failures, undecided,
};

use experiment::{Experiment, Kind};
use flags::Reproduce;
use made::{Place, Selected, measure};
use measured::Item;

/// Declares the files of experiments, each with its `EXPERIMENTS`.
macro_rules! catalogue {
    ($($module:ident;)*) => {
        $(mod $module;)*

        /// Every experiment, in the order of the report.
        fn catalogue() -> impl Iterator<Item = &'static Experiment> {
            [$($module::EXPERIMENTS),*].into_iter().flatten()
        }
    };
}

// A new experiment is a file of its own, its configuration beside the others, and a line here.
catalogue! {
    equivalence;
    costs;
    memory;
    lm;
    copy;
    dependency;
    rules;
    external;
    bias;
    alignment;
    continual;
}

/// Columns of a terminal table.
const WIDTH: u16 = 118;

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
    let of_engine = |error: engine::EngineError| (error.status(), error.to_string());
    let jobs = engine::threads(&flags.engine).map_err(of_engine)?;
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
        selected.push(prepared(experiment, experiment.settings().map_err(mistake)?, request)?);
    }
    check_text(flags, &selected, request)?;
    if flags.plan {
        return plan_only(&selected, request, jobs);
    }
    let engine = engine::of_flags(&flags.engine, &flags.out).map_err(of_engine)?;
    prepare(&flags.out)?;
    let stop = stop_on_interrupt();
    let environment = environment();
    let place =
        Place { out: &flags.out, jobs, engine: engine.as_ref(), stop: &stop, environment: &environment };
    let (sections, failures) = sections(selected, request, &place)?;
    let not_run = not_run(&sections);
    let report = Report {
        title: "Real-time recurrent learning: reproduction".to_string(),
        profile: flags.profile.name().to_string(),
        command: command(flags),
        environment,
        experiments: sections,
        not_run,
    };
    publish(&report, &flags.out)?;
    outcome(&failures)
}

/// The claims of the reported experiments that their sections do not decide. Claims of other experiments are no matter of this report.
fn not_run(sections: &[Section]) -> Vec<Claim> {
    let decided: Vec<&str> = sections.iter().flat_map(|s| &s.claims).map(|claim| claim.id.as_str()).collect();
    let reported = catalogue().filter(|e| sections.iter().any(|section| section.name == e.name));
    let missing = reported.flat_map(|e| e.claims).filter(|statement| !decided.contains(&statement.id));
    missing.map(|statement| statement.decided(Vec::new())).collect()
}

/// Fails the command if its report, which has been written, lacks runs or measurements.
fn outcome(failures: &[String]) -> Result<(), Failure> {
    let Some(first) = failures.first() else { return Ok(()) };
    Err((
        1,
        format!("the report lacks {} runs or measurements that failed, the first: {first}", failures.len()),
    ))
}

/// Makes all measurements, sweeps and runs. Returns the sections of the experiments, and a message for everything
/// that failed. A run of a sweep that fails has no message: that is a result, a value that is not chosen.
fn sections(
    selected: Vec<Selected>,
    request: Request<'_>,
    place: &Place<'_>,
) -> Result<(Vec<Section>, Vec<String>), Failure> {
    let mut unmeasured = measure(&selected, place)?;
    let sweeps = selected.iter().map(|s| (s.experiment.name, s.sweep.as_slice())).collect::<Vec<_>>();
    let swept = make(&sweeps, place.engine, place.out, place.stop)?;
    let mut studies = Vec::new();
    for (Selected { experiment, settings, items, .. }, (done, lost)) in selected.into_iter().zip(swept) {
        let choice = settings.choose(&done, &lost);
        let plan = settings.plan(request, &choice.0).map_err(mistake)?;
        let (runs, failed, name) = (Vec::new(), Vec::new(), experiment.name.to_string());
        let study = Study { settings, name, runs, failed, sweep: done, sweep_failed: lost, choice };
        studies.push((experiment, items, study, plan));
    }
    let all = studies.iter().map(|(e, .., plan)| (e.name, plan.as_slice())).collect::<Vec<_>>();
    let made = make(&all, place.engine, place.out, place.stop)?;
    let (mut sections, mut failures) = (Vec::new(), Vec::new());
    for ((experiment, items, mut study, _), (done, failed)) in studies.into_iter().zip(made) {
        let (missing, items): (Vec<_>, Vec<_>) =
            items.into_iter().partition(|item| unmeasured.contains_key(&item.folder()));
        let missing = missing.into_iter().filter_map(|item| {
            let reason = unmeasured.remove(&item.folder())?;
            Some(Missing { label: item.label.clone(), seed: item.seed(), reason, folder: item.folder() })
        });
        let failed_runs = failed.iter().map(|run| Missing {
            label: run.method.clone(),
            seed: run.config.training.seed,
            reason: run.reason.clone(),
            folder: run.config.folder(),
        });
        let missing: Vec<_> = missing.chain(failed_runs).collect();
        let words =
            missing.iter().map(|m| format!("{} {} seed {}: {}", experiment.name, m.label, m.seed, m.reason));
        failures.extend(words);
        (study.runs, study.failed) = (done, failed);
        sections.push(section(experiment, &study, &items, &missing, place)?);
    }
    Ok((sections, failures))
}

/// What is to be run and measured for an experiment. Each method is built once, so that a bad text or setting is
/// found before anything is written.
fn prepared(
    experiment: &'static Experiment,
    settings: Settings,
    request: Request<'_>,
) -> Result<Selected, Failure> {
    let items = match experiment.kind {
        Kind::Runs { .. } => Vec::new(),
        Kind::Measured { items, .. } => {
            settings.measure(request).and_then(|table| items(experiment.name, &table)).map_err(mistake)?
        }
    };
    let sweep = settings.sweep_plan(request).map_err(mistake)?;
    let plan = settings.plan(request, &Choice::new()).map_err(mistake)?;
    check(&settings, &plan).map_err(mistake)?;
    Ok(Selected { experiment, settings, sweep, items })
}

/// Refuses a text that no selected experiment reads.
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
    let table = rtrl_sweep::plan(&all, measured, jobs).map_err(|message| (1, message))?;
    println!("{}", rtrl_report::tables(&[table], WIDTH));
    Ok(())
}

fn list() -> Result<(), Failure> {
    for experiment in catalogue() {
        let settings = experiment.settings().map_err(mistake)?;
        println!("{:<10} {}", experiment.name, settings.question);
    }
    Ok(())
}

fn names() -> String {
    catalogue().map(|e| e.name).collect::<Vec<_>>().join(", ")
}

/// The experiments of these names, or all; in the order of the catalogue.
fn select(names: &[String]) -> Result<Vec<&'static Experiment>, Failure> {
    // `lm` is every experiment whose name begins so.
    let is = |e: &Experiment, name: &String| {
        e.name.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    if let Some(unknown) = names.iter().find(|name| !catalogue().any(|e| is(e, name))) {
        let message = format!("there is no experiment `{unknown}`; there are: {}", self::names());
        return Err(mistake(message));
    }
    let chosen = |e: &&Experiment| names.is_empty() || names.iter().any(|name| is(e, name));
    Ok(catalogue().filter(chosen).collect())
}

/// The section of an experiment, from its finished runs and measurements.
fn section(
    experiment: &Experiment,
    study: &Study,
    items: &[Item],
    missing: &[Missing],
    place: &Place<'_>,
) -> Result<Section, Failure> {
    let mut section = match experiment.kind {
        // All measurements failed: the section has only the list of failures.
        Kind::Measured { .. } if items.is_empty() => Section::default(),
        Kind::Measured { section, .. } => {
            let mut section = section(items, place.out).map_err(|message| (1, message))?;
            let undecided = |claim| undecided(claim, missing.len(), "measurements");
            section.claims = section.claims.into_iter().map(undecided).collect();
            section.caveats.extend(measured::elsewhere(items, place.out, place.environment));
            section
        }
        Kind::Runs { section } => {
            let mut section = Section { runs: entries(study), ..section(study) };
            section.caveats.extend(elsewhere_of(&section.runs, place.environment));
            section
        }
    };
    section.name = experiment.name.to_string();
    section.question.clone_from(&study.settings.question);
    section.setup.extend(study.chosen());
    tell_failures(&mut section, missing);
    Ok(section)
}

/// The command that makes this report again.
fn command(flags: &Reproduce) -> String {
    let mut words = vec!["cargo xtask reproduce".to_string()];
    words.extend(flags.names.iter().cloned());
    words.push(format!("--profile {}", flags.profile.name()));
    for (flag, path) in [("--text", &flags.text), ("--valid", &flags.valid)] {
        // The name alone: the folder is of no use to other readers.
        let name = path.as_deref().and_then(Path::file_name);
        words.extend(name.map(|name| format!("{flag} {}", name.to_string_lossy())));
    }
    words.extend(flags.seeds.map(|seeds| format!("--seeds {seeds}")));
    words.join(" ")
}

fn publish(report: &Report, out: &Path) -> Result<(), Failure> {
    let failed = |error: rtrl_report::ReportError| (1, error.to_string());
    let written = rtrl_report::write(report, out).map_err(failed)?;
    rtrl_report::write_results(report, out).map_err(failed)?;
    println!("{}", terminal(report, WIDTH));
    println!("report: {}", written.html.display());
    Ok(())
}
