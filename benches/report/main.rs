//! `cargo xtask bench`: times every row of the table beside the ceilings of the machine, and says which goals are met.

mod goals;
mod pages;
mod peers;
mod results;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use rtrl_benches::{Ceilings, Settings, language_model, measure};
use rtrl_sweep::{Failure, environment, prepare, stop_on_interrupt};

use peers::Peers;
use results::{Plan, Results};

/// Times every estimator, measures the peak rates of this machine to compare with, and writes a report.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Flags {
    /// Times fewer rows, each for a shorter time: under half a minute.
    #[arg(long)]
    quick: bool,
    /// Also times the same nets in JAX, and in braintrace if it is installed.
    #[arg(long)]
    peers: bool,
    /// Python interpreter that has JAX, and braintrace for its rows.
    #[arg(long, value_name = "FILE", default_value = "python3")]
    python: PathBuf,
    /// Folder for bench.json and the report.
    #[arg(long, value_name = "DIR", default_value = "runs/bench")]
    out: PathBuf,
}

fn main() -> ExitCode {
    match run(&Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err((status, message)) => {
            eprintln!("error: {message}");
            ExitCode::from(status)
        }
    }
}

fn run(flags: &Flags) -> Result<(), Failure> {
    let begun = Instant::now();
    let stop = stop_on_interrupt();
    prepare(&flags.out)?;
    let mut results = timed(flags, &stop)?;
    results.goals = goals::all(&results);
    results.seconds = begun.elapsed().as_secs_f64();
    let json = serde_json::to_string_pretty(&results).map_err(|error| (1, error.to_string()))?;
    rtrl_report::replace(&flags.out.join("bench.json"), &json).map_err(|error| (1, error.to_string()))?;
    let page = pages::report(&results);
    let written = rtrl_report::write(&page, &flags.out).map_err(|error| (1, error.to_string()))?;
    println!("{}", rtrl_report::tables(&[pages::goals(&results.goals)], 120));
    println!("{}", results.peers.words());
    println!("report: {}", written.html.display());
    Ok(())
}

/// Times everything, with a line of progress.
fn timed(flags: &Flags, stop: &AtomicBool) -> Result<Results, Failure> {
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
fn command(flags: &Flags) -> String {
    let quick = if flags.quick { " --quick" } else { "" };
    let peers = if flags.peers { " --peers" } else { "" };
    format!("cargo xtask bench{quick}{peers}")
}
