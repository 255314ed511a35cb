//! `cargo xtask bench`: times every row of the table beside the ceilings of the machine, and says which goals are met.

mod goals;
mod pages;
mod peers;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use rtrl_benches::{
    Ceilings, CharactersPerSecond, Measured, Row, Scaling, Settings, batches, language_model, measure, scale,
    scalings, schedules, steps, threads,
};
use serde::Serialize;

use crate::flags::Bench;
use crate::report::{self, Environment};
use crate::reproduce::machine::environment;
use crate::reproduce::stop_on_interrupt;
use goals::Goal;
use peers::Peers;

/// Exit status and message of a command that did not succeed.
type Failure = (u8, String);

/// Everything that was measured.
#[derive(Serialize)]
struct Results {
    command: String,
    environment: Environment,
    seconds: f64,
    ceilings: Ceilings,
    rows: Vec<Measured>,
    language_model: Vec<CharactersPerSecond>,
    peers: Peers,
    goals: Vec<Goal>,
    #[serde(skip)]
    plan: Plan,
}

impl Results {
    /// A row, if it was timed.
    fn find(&self, row: &Row) -> Option<&Measured> {
        self.rows.iter().find(|measured| measured.row == *row)
    }
}

/// The rows, by what they are for.
struct Plan {
    steps: Vec<Row>,
    scalings: Vec<Scaling>,
    schedules: Vec<[Row; 4]>,
    threads: Vec<[Row; 2]>,
    scale: Vec<Row>,
}

impl Plan {
    fn new(quick: bool, cores: usize) -> Self {
        Self {
            steps: steps(quick),
            scalings: scalings(quick),
            schedules: schedules(quick),
            threads: threads(cores),
            scale: scale(quick),
        }
    }

    fn batches(&self) -> Vec<Vec<Row>> {
        let lines = self.scalings.iter().flat_map(|scaling| &scaling.lines);
        let points = lines.flat_map(|line| &line.points).map(|(_, row)| row);
        let others = self.schedules.iter().flatten().chain(self.threads.iter().flatten()).chain(&self.scale);
        batches(self.steps.iter().chain(points).chain(others).copied())
    }
}

/// Runs the command.
///
/// # Errors
/// If the output cannot be written, or the run is interrupted.
pub fn run(flags: &Bench) -> Result<(), Failure> {
    let begun = Instant::now();
    let stop = stop_on_interrupt();
    prepare(&flags.out)?;
    let mut results = timed(flags, &stop)?;
    results.goals = goals::all(&results);
    results.seconds = begun.elapsed().as_secs_f64();
    let json = serde_json::to_string_pretty(&results).map_err(|error| (1, error.to_string()))?;
    report::replace(&flags.out.join("bench.json"), &json).map_err(|error| (1, error.to_string()))?;
    let page = pages::report(&results);
    let written = report::write(&page, &flags.out).map_err(|error| (1, error.to_string()))?;
    println!("{}", report::tables(&[pages::goals(&results.goals)], 120));
    println!("{}", results.peers.words());
    println!("report: {}", written.html.display());
    Ok(())
}

/// Makes sure, before minutes are spent, that the output can be written.
fn prepare(out: &Path) -> Result<(), Failure> {
    let probe = std::fs::create_dir_all(out).and_then(|()| tempfile::NamedTempFile::new_in(out));
    probe.map(drop).map_err(|error| {
        let message = format!("cannot write to {}: {error}; choose another folder with --out", out.display());
        (2, message)
    })
}

/// Times everything, with a line of progress.
fn timed(flags: &Bench, stop: &AtomicBool) -> Result<Results, Failure> {
    let interrupted = || (130, "interrupted; nothing was written".to_string());
    let go_on = || !stop.load(Ordering::Relaxed);
    let settings = if flags.quick {
        Settings { rounds: 3, turn: Duration::from_millis(12) }
    } else {
        Settings { rounds: 5, turn: Duration::from_millis(40) }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let plan = Plan::new(flags.quick, cores);
    let batches = plan.batches();
    let bar = ProgressBar::new(batches.len() as u64 + 3);
    if let Ok(style) = ProgressStyle::with_template("{bar:32} {percent:>3} %  {eta} left  {msg}") {
        bar.set_style(style);
    }
    bar.set_message("ceilings of the machine");
    let ceilings = Ceilings::measure();
    bar.inc(1);
    let mut rows = Vec::new();
    for batch in &batches {
        bar.set_message(format!("{}, B {}", batch[0].net, batch[0].lanes));
        rows.extend(measure(batch, settings, &go_on).ok_or_else(interrupted)?);
        bar.inc(1);
    }
    bar.set_message("language model");
    let language_model = language_model(if flags.quick { 2 } else { 6 }, &go_on).ok_or_else(interrupted)?;
    bar.inc(1);
    bar.set_message("peers");
    let peers = if flags.peers { peers::run(&flags.python, stop) } else { Peers::NotAsked };
    bar.finish_and_clear();
    if !go_on() {
        return Err(interrupted());
    }
    Ok(Results {
        command: command(flags),
        environment: environment(),
        seconds: 0.0,
        ceilings,
        rows,
        language_model,
        peers,
        goals: Vec::new(),
        plan,
    })
}

/// The command that makes these results again.
fn command(flags: &Bench) -> String {
    let quick = if flags.quick { " --quick" } else { "" };
    let peers = if flags.peers { " --peers" } else { "" };
    format!("cargo xtask bench{quick}{peers}")
}
