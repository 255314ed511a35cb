//! `rtrl-reproduce`, which `cargo xtask reproduce` starts.

use std::process::ExitCode;

use clap::Parser;
use rtrl_reproduce::flags::{Command, Flags};

fn main() -> ExitCode {
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(error) if error.use_stderr() => {
            eprintln!("{}", one_line(&error.render().to_string()));
            return ExitCode::from(2);
        }
        // Not an error: the help.
        Err(help) => help.exit(),
    };
    let result = match flags.command {
        Some(Command::RunOne(flags)) => rtrl_sweep::engine::run_one(&flags),
        None => rtrl_reproduce::run(&flags.reproduce),
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
