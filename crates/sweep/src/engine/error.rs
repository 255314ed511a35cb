//! Why an engine cannot be used.

use std::path::{Path, PathBuf};

/// Why an engine cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A flag that another engine would understand.
    #[error("{flag} is of no use to --engine {engine}; leave it out")]
    UselessFlag {
        /// The flag.
        flag: &'static str,
        /// The engine.
        engine: &'static str,
    },
    /// No run at a time.
    #[error("--jobs must be at least 1: it is the number of runs at a time")]
    NoJobs,
    /// Options for the scheduler that a shell would not take.
    #[error("--scheduler-options: a quotation mark is not closed in `{text}`")]
    Options {
        /// The options as given.
        text: String,
    },
    /// A path that cannot be written into a script.
    #[error("the path {path:?} cannot be given to a scheduler: {reason}")]
    Path {
        /// Which path.
        path: PathBuf,
        /// What it contains.
        reason: &'static str,
    },
    /// The scheduler's program is not there.
    #[error("there is no program `{program}` on PATH: --engine {engine} must run where {place}")]
    Missing {
        /// The program.
        program: String,
        /// The engine.
        engine: &'static str,
        /// Where the program would be found, in words.
        place: &'static str,
    },
    /// The scheduler's program failed.
    #[error("`{program}` failed: {message}")]
    Program {
        /// The program and its first words.
        program: String,
        /// The last line it wrote, or its exit status.
        message: String,
    },
    /// The scheduler's program wrote something unknown.
    #[error("`{program}` wrote something unexpected: {output}")]
    Output {
        /// The program and its first words.
        program: String,
        /// The beginning of what it wrote.
        output: String,
    },
    /// A file of the queue cannot be used.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The list of what was submitted is damaged.
    #[error("{}: {reason}; see which of your jobs are in the queue, cancel them, and remove the file", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Another process looks after the same queue.
    #[error("another process makes runs in {}; wait for it, or end it", path.display())]
    Busy {
        /// The queue's folder.
        path: PathBuf,
    },
    /// A configuration that has no file form.
    #[error(transparent)]
    Config(#[from] rtrl_train::ConfigError),
}

impl EngineError {
    /// For `map_err` on file operations.
    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { action, path, source }
    }

    /// Exit status: 2 for what the user can put right on the command line, 1 for anything else.
    pub fn status(&self) -> u8 {
        match self {
            Self::UselessFlag { .. }
            | Self::NoJobs
            | Self::Options { .. }
            | Self::Path { .. }
            | Self::Missing { .. } => 2,
            _ => 1,
        }
    }
}
