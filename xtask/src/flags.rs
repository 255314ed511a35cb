//! Every command and flag of `cargo xtask`.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

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
    Reproduce(Reproduce),
    /// Times every estimator, measures the peak rates of this machine to compare with, and writes a report.
    Bench(Bench),
    /// Fetches public texts to train on.
    #[command(subcommand)]
    Data(Data),
    /// Makes one run: the command of each task that `reproduce --engine` submits.
    #[command(hide = true)]
    RunOne(RunOne),
    /// Writes a working template of a cell, an estimator, a task or an experiment, and its line in the registry.
    New(New),
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
    /// Runs every check that a change must pass.
    Ci {
        /// Leaves out the tests, for a caller that has just run them.
        #[arg(long)]
        skip_tests: bool,
    },
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
    pub fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Paper => "paper",
        }
    }
}

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

/// Flags of `cargo xtask run-one`.
#[derive(Debug, Clone, Parser)]
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

/// Flags of `cargo xtask reproduce`.
#[derive(Debug, Clone, Parser)]
pub struct Reproduce {
    /// Experiments to run; all of them if none is named.
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

/// Flags of `cargo xtask bench`.
#[derive(Debug, Clone, Parser)]
pub struct Bench {
    /// Times fewer rows, each for a shorter time: under half a minute.
    #[arg(long)]
    pub quick: bool,
    /// Also times the same nets in JAX, and in braintrace if it is installed.
    #[arg(long)]
    pub peers: bool,
    /// Python interpreter that has JAX, and braintrace for its rows.
    #[arg(long, value_name = "FILE", default_value = "python3")]
    pub python: PathBuf,
    /// Folder for bench.json and the report.
    #[arg(long, value_name = "DIR", default_value = "runs/bench")]
    pub out: PathBuf,
}

/// What `cargo xtask data` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Data {
    /// Downloads a dataset, checks it and unpacks it; goes on where an interrupted download ended.
    Get {
        /// The dataset, as the list names it.
        name: String,
        /// Another address of the archive; it must serve the same bytes.
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        /// Data folder; the dataset becomes a folder in it.
        #[arg(long, value_name = "DIR", default_value = "data")]
        to: PathBuf,
    },
    /// Names the datasets, their sizes and licenses, and which of them are present.
    List {
        /// Data folder.
        #[arg(long, value_name = "DIR", default_value = "data")]
        to: PathBuf,
    },
}
