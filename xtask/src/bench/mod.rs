//! `cargo xtask bench`: times every row of the table beside the ceilings of the machine, and says which goals are met.

mod goals;
mod pages;
mod peers;
mod results;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use rtrl_benches::{Ceilings, Settings, language_model, measure};

use crate::flags::Bench;
use crate::report;
use crate::reproduce::machine::environment;
use crate::reproduce::stop_on_interrupt;
use peers::Peers;
use results::{Plan, Results};

/// Exit status and message of a command that did not succeed.
type Failure = (u8, String);

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
