//! `cargo xtask`: development and reproduction tasks.

use std::process::ExitCode;

use clap::Parser;
use xtask::flags::{Command, Flags};
use xtask::{ci, fmt, fuzz, instructions, miri, new, nightly, python, start};

fn main() -> ExitCode {
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(error) if error.use_stderr() => {
            eprintln!("{}", one_line(&error.render().to_string()));
            return ExitCode::from(2);
        }
        // Not an error: the help, or the version.
        Err(help) => help.exit(),
    };
    let result = match flags.command {
        Command::Reproduce(arguments) => start::reproduce(&arguments.words),
        Command::Bench(arguments) => start::bench(&arguments.words),
        Command::Data(arguments) => start::rtrl("data", &arguments.words),
        Command::Report(arguments) => start::rtrl("report", &arguments.words),
        Command::New(flags) => new::run(&flags),
        Command::Instructions(flags) => instructions::run(&flags),
        Command::Figures => start::figures(),
        Command::Fmt => fmt::run(false).map_err(|message| (1, message)),
        Command::Imports(flags) => {
            let root = flags.root.as_deref().unwrap_or_else(|| nightly::root());
            rtrl_imports::print(root, flags.name.as_deref(), flags.dot).map_err(|message| (2, message))
        }
        Command::Fuzz(flags) => fuzz::run(&flags),
        Command::Miri => miri::run(),
        Command::Python(flags) => python::run(&flags),
        Command::Ci { skip_tests } => ci::run(skip_tests).map_err(|message| (1, message)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err((status, message)) => {
            eprintln!("error: {message}");
            ExitCode::from(status)
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
