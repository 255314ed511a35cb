//! Flags that the programs which make runs have in common.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What makes the runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EngineKind {
    /// Threads of this process.
    Local,
    /// Slurm, by `sbatch`.
    Slurm,
    /// A HyperQueue server, by `hq submit`.
    #[value(name = "hyperqueue")]
    HyperQueue,
}

/// Flags that say what makes the runs.
#[derive(Debug, Clone, Args)]
pub struct EngineFlags {
    /// What makes the runs: threads of this process or a scheduler; see docs/CLUSTERS.md.
    #[arg(long, value_enum, default_value = "local")]
    pub engine: EngineKind,
    /// Time limit of each task of a scheduler; a run that reaches it is continued from its checkpoint.
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(3..))]
    pub time_limit: Option<u32>,
    /// Further options of `sbatch` or `hq submit`, quoted as for a shell: "--partition=long --account=mine".
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true)]
    pub scheduler_options: Option<String>,
    /// The HyperQueue server's folder, instead of what HQ_SERVER_DIR says.
    #[arg(long, value_name = "DIR")]
    pub server_dir: Option<PathBuf>,
    /// Runs at a time; by default as many as there are cores, or as the scheduler allows.
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
}

/// Flags of `run-one`, the command of each task that a scheduler is given.
#[derive(Debug, Clone, Args)]
pub struct RunOne {
    /// Configuration file of the run; with an index, a list of such files, one per line.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Folder in which the run's folder is made.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Line of the list, from 0.
    #[arg(long, value_name = "N")]
    pub index: Option<usize>,
    /// Environment variable that holds the line of the list.
    #[arg(long, value_name = "NAME", conflicts_with = "index")]
    pub index_from: Option<String>,
}
