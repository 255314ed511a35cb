//! `cargo xtask`: development and reproduction tasks.

use std::process::ExitCode;

use clap::Parser;
use xtask::flags::{Command, Flags};
use xtask::{ci, reproduce};

fn main() -> ExitCode {
    let result = match Flags::parse().command {
        Command::Reproduce(flags) => reproduce::run(&flags),
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
