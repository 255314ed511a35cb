//! `rtrl`: online learning from a stream of numbers, and everything around training runs.

mod data;
mod eval;
mod exchange;
mod exchange_flags;
mod failure;
mod flags;
mod generate;
mod inspect;
mod live;
mod nets;
mod predict;
mod sample;
mod signals;
mod stream;
mod sweep;
mod train;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
pub use failure::Failure;
use flags::{Command, Flags};

fn main() -> ExitCode {
    // On a mistake clap prints its message and hints and exits with status 2; after `--help` or `--version` it
    // exits with 0.
    let flags = match Flags::from_arg_matches(&command().get_matches()) {
        Ok(flags) => flags,
        Err(error) => error.exit(),
    };
    // Run on a pool thread: handing work to other threads is many times faster from there than from outside the
    // pool.
    match rayon::scope(|_| run(&flags.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_told() {
                eprintln!("error: {failure}");
            }
            ExitCode::from(failure.status())
        }
    }
}

/// The commands with their flags. Every flag that takes a value accepts `-5` as one, so that the user is told of a
/// wrong range and not of an unknown flag.
fn command() -> clap::Command {
    let negative = |flag: clap::Arg| {
        let takes = flag.get_action().takes_values();
        flag.allow_negative_numbers(takes)
    };
    Flags::command().mut_subcommands(|all| all.mut_args(negative))
}

fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Stream(flags) => stream::run(flags),
        Command::Generate(flags) => generate::run(flags),
        Command::Train(flags) => train::run(flags),
        Command::Eval(flags) => eval::run(flags),
        Command::Predict(flags) => predict::run(flags),
        Command::Sample(flags) => sample::run(flags),
        Command::Inspect(flags) => inspect::run(flags),
        Command::Export(flags) => exchange::export(flags),
        Command::Import(flags) => exchange::import(flags),
        Command::Metrics(flags) => exchange::metrics(flags),
        Command::Sweep(flags) => sweep::sweep(flags),
        Command::Report(flags) => sweep::report(flags),
        Command::RunOne(flags) => sweep::run_one(flags),
        Command::Data(flags) => data::run(flags),
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut self::command(), "rtrl", &mut std::io::stdout());
            Ok(())
        }
    }
}
