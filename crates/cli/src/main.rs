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
    let matches = command().try_get_matches();
    let flags = match matches.and_then(|matches| Flags::from_arg_matches(&matches)) {
        Ok(flags) => flags,
        Err(error) if error.use_stderr() => {
            eprintln!("{}", one_line(&error.render().to_string()));
            return ExitCode::from(2);
        }
        // Not an error: the help, or the version.
        Err(help) => help.exit(),
    };
    // On a thread of the pool: work begins on others many times as fast from there as from outside.
    match rayon::scope(|_| run(&flags.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(2)
        }
    }
}

/// The commands. A number below zero is a value everywhere, even where it is a wrong one: there are no flags like it.
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

/// A message of the command-line parser without its line breaks and its usage.
fn one_line(message: &str) -> String {
    let words: Vec<&str> = message
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .filter(|line| !line.is_empty())
        .collect();
    format!("{}; see --help", words.join(" "))
}
