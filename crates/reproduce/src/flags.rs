//! The command line of `cargo xtask reproduce`.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use rtrl_sweep::flags::{EngineFlags, RunOne};

/// Trains everything that the experiments of the paper compare, and writes a report with a verdict for each claim.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask reproduce",
    bin_name = "cargo xtask reproduce",
    args_conflicts_with_subcommands = true
)]
pub struct Flags {
    /// What else the program can do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What is run, and where.
    #[command(flatten)]
    pub reproduce: Reproduce,
}

/// What the program can do besides.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Makes one run: the command of each task that `--engine` submits.
    #[command(hide = true)]
    RunOne(RunOne),
}

/// How large the experiments are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Minutes on two cores: every figure, at a small size.
    Quick,
    /// Hours: enough seeds and steps to decide each claim.
    Standard,
    /// The full protocol of the paper: sized for a cluster.
    Paper,
}

impl Profile {
    /// Its name in experiment files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Paper => "paper",
        }
    }
}

/// Trains everything that an experiment compares, and writes a report.
#[derive(Debug, Clone, clap::Args)]
pub struct Reproduce {
    /// Experiments to run: by their names, or by the words before a hyphen (`lm`, `copy`, `external`); all of them if none is named.
    pub names: Vec<String>,
    /// How large the experiments are.
    #[arg(long, value_enum, default_value = "quick")]
    pub profile: Profile,
    /// Text to learn instead of the generated one; its last part is held out for validation.
    #[arg(long, value_name = "FILE")]
    pub text: Option<PathBuf>,
    /// Validation text, instead of the last part of the training text.
    #[arg(long, value_name = "FILE", requires = "text")]
    pub valid: Option<PathBuf>,
    /// Number of seeds, instead of the profile's.
    #[arg(long, value_name = "N")]
    pub seeds: Option<u64>,
    /// Who makes the runs.
    #[command(flatten)]
    pub engine: EngineFlags,
    /// Folder for the runs and the report.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// Prints what would be run, with estimates of time and memory, and ends.
    #[arg(long)]
    pub plan: bool,
    /// Lists the experiments and ends.
    #[arg(long)]
    pub list: bool,
}
