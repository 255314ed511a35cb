//! The scheduler's programs.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::process::Command;

use super::EngineError;

/// Where the scheduler's programs are found.
#[derive(Debug, Clone, Default)]
pub struct Programs {
    /// A search path in place of the environment's `PATH`.
    pub path: Option<OsString>,
}

/// The engine that calls a program, for messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking {
    pub engine: &'static str,
    /// Where its programs are found, in words.
    pub place: &'static str,
}

impl Programs {
    /// A command for a program on the search path.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        command
    }
}

/// What a program has written to its standard output; its failure is an error with the last line of its standard error.
pub(super) fn output(command: &mut Command, asking: Asking) -> Result<String, EngineError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            EngineError::Missing { program: program.clone(), engine: asking.engine, place: asking.place }
        }
        _ => EngineError::Program { program: program.clone(), message: error.to_string() },
    })?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let message = last_line(&stderr)
        .or_else(|| last_line(&stdout))
        .map_or_else(|| output.status.to_string(), str::to_string);
    Err(EngineError::Program { program, message })
}

/// The last line that says something.
pub(super) fn last_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).rfind(|line| !line.is_empty())
}

/// The error for output that is not understood.
pub(super) fn unexpected(program: &str, output: &str) -> EngineError {
    let output = output.trim().chars().take(200).collect();
    EngineError::Output { program: program.to_string(), output }
}
