//! Every command and flag of `cargo xtask`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Development and reproduction tasks of the rtrl workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub struct Flags {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `cargo xtask` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Trains everything that an experiment compares, and writes a report.
    #[command(disable_help_flag = true)]
    Reproduce(Words),
    /// Times every estimator, measures the peak rates of this machine to compare with, and writes a report.
    #[command(disable_help_flag = true)]
    Bench(Words),
    /// Fetches public texts to train on; the same as `rtrl data`.
    #[command(disable_help_flag = true)]
    Data(Words),
    /// Makes an HTML and a Markdown report of the runs in folders; the same as `rtrl report`.
    #[command(disable_help_flag = true)]
    Report(Words),
    /// Writes a working template of a cell, an estimator, a task or an experiment, and its line in the registry.
    New(New),
    /// Counts the instructions of the hottest steps under valgrind, and compares them with benches/instructions.txt.
    Instructions(Instructions),
    /// Generates the figures, the equations and the reference of configurations in the documentation.
    Figures,
    /// Formats every Rust file of the workspace, including those that only a macro declares.
    Fmt,
    /// Prints which files of a crate import which, circles, and imports against the declared order of modules.
    Imports(Imports),
    /// Fuzzes everything that reads a file; needs the nightly toolchain and cargo-fuzz.
    Fuzz(Fuzz),
    /// Runs the tests of rtrl-sparse under Miri, which detects undefined behavior; needs the nightly toolchain and
    /// Miri.
    Miri,
    /// Builds the Python package in a virtual environment under target/, and runs its tests and type checks.
    Python(Python),
    /// Runs every check that a change must pass.
    Ci {
        /// Leaves out the tests, for a caller that has just run them.
        #[arg(long)]
        skip_tests: bool,
    },
}

/// Arguments that another program of the workspace parses.
#[derive(Debug, Clone, Args)]
pub struct Words {
    /// Arguments of the command; see its --help.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<OsString>,
}

/// Flags of `cargo xtask imports`.
#[derive(Debug, Clone, Parser)]
pub struct Imports {
    /// Crate whose files are listed with their imports; without it, a summary of all crates.
    #[arg(value_name = "CRATE")]
    pub name: Option<String>,
    /// Prints the graph for Graphviz.
    #[arg(long)]
    pub dot: bool,
    /// Root of another checkout of the workspace.
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// What can be added by one file and one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NewKind {
    /// A recurrent cell.
    Cell,
    /// A gradient estimator.
    Estimator,
    /// A task that configuration files can name.
    Task,
    /// An experiment of `cargo xtask reproduce`.
    Experiment,
}

/// Flags of `cargo xtask new`.
#[derive(Debug, Clone, Parser)]
pub struct New {
    /// What to add.
    #[arg(value_enum)]
    pub kind: NewKind,
    /// Its name in configuration files, such as `gated-unit`.
    pub name: String,
    /// Root of another checkout of the workspace.
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// What is fuzzed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FuzzTarget {
    /// The reader of models.
    Model,
    /// The reader of checkpoints, and the runs that go on from them.
    Trainer,
    /// The reader of configurations, and what is built from them.
    Config,
    /// The reader of texts.
    Corpus,
    /// The reader of safetensors.
    Tensors,
    /// The readers of tables.
    Table,
}

/// Flags of `cargo xtask fuzz`.
#[derive(Debug, Clone, Parser)]
pub struct Fuzz {
    /// What to fuzz; everything if nothing is named.
    #[arg(value_enum, value_name = "TARGET")]
    pub targets: Vec<FuzzTarget>,
    /// Seconds for each target.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: u64,
}

/// Flags of `cargo xtask instructions`.
#[derive(Debug, Clone, Parser)]
pub struct Instructions {
    /// Writes the counts to benches/instructions.txt.
    #[arg(long)]
    pub update: bool,
}

/// Flags of `cargo xtask python`.
#[derive(Debug, Clone, Parser)]
pub struct Python {
    /// Tests with PyTorch, JAX, River, pandas, polars and Matplotlib too, and runs the long tests.
    #[arg(long)]
    pub full: bool,
    /// Ends without an error, and says so, if there is no Python, or no package index to install what the tests need.
    #[arg(long)]
    pub if_present: bool,
    /// The interpreter; by default python3 or python.
    #[arg(long, value_name = "PATH")]
    pub python: Option<PathBuf>,
}
