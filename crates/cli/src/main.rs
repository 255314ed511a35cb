//! `rtrl`: online learning from a stream of numbers, and everything around training runs.

mod eval;
mod exchange;
mod failure;
mod flags;
mod generate;
mod inspect;
mod live;
mod nets;
mod sample;
mod signals;
mod stream;
mod train;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
pub use failure::Failure;
use flags::{Command, Flags};

fn main() -> ExitCode {
    // Mistakes are told by clap, with its hints, and end with status 2.
    let flags = match Flags::from_arg_matches(&command().get_matches()) {
        Ok(flags) => flags,
        Err(error) => error.exit(),
    };
    // On a thread of the pool: work begins on others many times as fast from there as from outside.
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

/// The commands. Clap takes `-5` as a value everywhere, so that a range error is told instead of an unknown flag.
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
        Command::Sample(flags) => sample::run(flags),
        Command::Inspect(flags) => inspect::run(flags),
        Command::Export(flags) => exchange::export(flags),
        Command::Import(flags) => exchange::import(flags),
        Command::Metrics(flags) => exchange::metrics(flags),
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut self::command(), "rtrl", &mut std::io::stdout());
            Ok(())
        }
    }
}
