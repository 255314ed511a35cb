//! `rtrl sweep`: an experiment of one's own, and its report; `rtrl report`: a report of runs that are there.

use std::path::{Path, PathBuf};

use clap::Args;
use rtrl_report::{Report as Page, Section, tables, terminal};
use rtrl_sweep::flags::{EngineFlags, RunOne};
use rtrl_sweep::{
    Request, Settings, check, collected, conduct, elsewhere_of, engine, environment, planned, prepare,
    section,
};

use crate::Failure;
use crate::signals::stop_flag;

/// Columns of tables on the terminal.
const WIDTH: u16 = 118;

/// Flags of `rtrl sweep`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The file has a question, the common configuration in [run], what is compared in [[methods]] (a label, and in `run` what is different),
a setting that is chosen for each method in [sweep], and seeds in [profiles.NAME]:

  question = \"Does SnAp-2 copy longer strings than SnAp-1?\"
  [run]
  task = { kind = \"copy\" }
  layers = [{ kind = \"gru\", units = 32, sparsity = 0.75 }]
  optimizer = { kind = \"adam\", learning_rate = 1e-3 }
  training = { lanes = 16, window = 1, steps = 20000, log_every = 1000 }
  [[methods]]
  label = \"SnAp-1\"
  run = { estimator = { kind = \"snap\", order = 1 } }
  [[methods]]
  label = \"SnAp-2\"
  run = { estimator = { kind = \"snap\", order = 2 } }
  [sweep]
  key = \"optimizer.learning_rate\"
  values = [1e-3, 3e-3, 1e-2]
  score = \"level\"
  [profiles.quick]
  seeds = 5
  sweep_seeds = 2

Each run has a folder named by the hash of its configuration. The same command goes on with what was interrupted, and makes no run
twice. A run that fails is named in the report, and the command then exits with 1.")]
pub struct Sweep {
    /// File of the experiment.
    pub file: PathBuf,
    /// Profile of the file; needed only if there are several and none is called `quick`.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Number of seeds, instead of the profile's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: Option<u64>,
    /// Who makes the runs.
    #[command(flatten)]
    pub engine: EngineFlags,
    /// Folder for the runs and the report.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// Print what would be run, with estimates of time and memory, and end.
    #[arg(long)]
    pub plan: bool,
}

/// Flags of `rtrl report`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Runs that differ by nothing but the seed are one line of a figure, with a band over seeds; the others are named by the settings in which
they differ.

Example:
  for seed in 0 1 2; do rtrl train copy.toml --seed $seed --out runs; done; rtrl report runs --out report")]
pub struct Report {
    /// Folders of runs, or folders that have such folders in them.
    #[arg(required = true)]
    pub runs: Vec<PathBuf>,
    /// Folder for report.html, report.md, results.json and the figures.
    #[arg(long, value_name = "DIR", default_value = "report")]
    pub out: PathBuf,
}

/// Runs `rtrl sweep`.
pub fn sweep(flags: &Sweep) -> Result<(), Failure> {
    let text = std::fs::read_to_string(&flags.file)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", flags.file.display())))?;
    let settings = Settings::read(&text, &flags.file.display().to_string()).map_err(Failure::usage)?;
    let profile = settings.profile_or_only(flags.profile.as_deref()).map_err(Failure::usage)?;
    let request = Request { seeds: flags.seeds, ..Request::new(&profile) };
    let plan = planned(&settings, request).map_err(Failure::usage)?;
    let file = flags.file.display();
    if plan.is_empty() {
        return Err(Failure::usage(format!(
            "{file}: profile `{profile}` has no run: `seeds` or `[[methods]]` is missing"
        )));
    }
    check(&plan).map_err(|message| Failure::usage(format!("{file}: {message}")))?;
    let name = flags
        .file
        .file_stem()
        .map_or_else(|| "sweep".to_string(), |stem| stem.to_string_lossy().into_owned());
    if flags.plan {
        let jobs = engine::threads(&flags.engine)?;
        let table = rtrl_sweep::plan(&[(&name, &plan)], 0, jobs).map_err(Failure::new)?;
        println!("{}", tables(&[table], WIDTH));
        return Ok(());
    }
    let engine = engine::of_flags(&flags.engine, &flags.out)?;
    prepare(&flags.out)?;
    let stop = stop_flag(|| {})?;
    let study = conduct(&name, settings, request, &*engine, &flags.out, &stop)?;
    let failed = study.failed.len();
    let seeds = flags.seeds.map(|seeds| format!(" --seeds {seeds}")).unwrap_or_default();
    let stem = flags.file.file_name().unwrap_or_default().to_string_lossy();
    let command = format!("rtrl sweep {stem} --profile {profile}{seeds}");
    publish(section(&study), &profile, command, &flags.out)?;
    match failed {
        0 => Ok(()),
        _ => Err(Failure::new(format!("{failed} of the runs failed; the report names them"))),
    }
}

/// Runs `rtrl report`.
pub fn report(flags: &Report) -> Result<(), Failure> {
    let (study, unfinished) = collected("runs", &flags.runs).map_err(Failure::usage)?;
    prepare(&flags.out)?;
    let mut section = section(&study);
    if !unfinished.is_empty() {
        let words = format!("Not finished, and left out: {}.", unfinished.join(", "));
        eprintln!("{words}");
        section.caveats.push(words);
    }
    let runs: Vec<_> = flags.runs.iter().map(|path| path.display().to_string()).collect();
    publish(section, "", format!("rtrl report {}", runs.join(" ")), &flags.out)
}

/// Makes one run: the command of each task that `--engine` submits.
pub fn run_one(flags: &RunOne) -> Result<(), Failure> {
    Ok(engine::run_one(flags)?)
}

fn publish(mut section: Section, profile: &str, command: String, out: &Path) -> Result<(), Failure> {
    let environment = environment();
    section.caveats.extend(elsewhere_of(&section.runs, &environment));
    let page = Page {
        title: section.question.clone(),
        profile: profile.to_string(),
        command,
        environment,
        experiments: vec![section],
        not_run: Vec::new(),
    };
    let written = rtrl_report::write(&page, out).map_err(Failure::new)?;
    rtrl_report::write_results(&page, out).map_err(Failure::new)?;
    println!("{}", terminal(&page, WIDTH));
    println!("report: {}", written.html.display());
    Ok(())
}

impl From<(u8, String)> for Failure {
    fn from((status, message): (u8, String)) -> Self {
        Self::of_status(status, message)
    }
}

impl From<engine::EngineError> for Failure {
    fn from(error: engine::EngineError) -> Self {
        Self::of_status(error.status(), error)
    }
}
