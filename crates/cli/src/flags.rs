//! Every command and flag of `rtrl`.

mod stream;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use rtrl_sweep::flags::RunOne;

use crate::data::Data;
use crate::exchange_flags::{Export, Import, Metrics};
use crate::stream::rows::Format;
use crate::sweep::{Report, Sweep};
pub use stream::{Ahead, Header, Net, OnError, ReadoutRule, SkipSeen, Stream};

/// Real-time recurrent learning: recurrent nets that learn at every step.
#[derive(Debug, Parser)]
#[command(
    name = "rtrl",
    version,
    after_help = "\
Exit status: 0 success; 1 failure; 2 a mistake in the command or in a configuration file, nothing was done; 75 another process
is making the same run, try again later; 130 stopped by Ctrl-C or a signal, so that `rtrl train … && rtrl eval …` goes no
further."
)]
pub struct Flags {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `rtrl` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Learn to predict the next row of a stream of numbers while it comes in.
    Stream(Box<Stream>),
    /// Write a test stream of numbers: a chaotic system whose law may change on the way.
    Generate(Generate),
    /// Train a net from a configuration file, resuming if the run was interrupted.
    Train(Train),
    /// Print the mean loss of a trained net on held-out data, another text or another task.
    Eval(Eval),
    /// Print what a net that was trained on a table predicts for the rows of a file.
    Predict(Predict),
    /// Print text made up by a trained character model.
    Sample(Sample),
    /// Print sizes, sparsity and the cost of each estimator for a configuration, a model or a checkpoint.
    Inspect(Inspect),
    /// Write the weights of a net as safetensors, for PyTorch.
    Export(Export),
    /// Make a model from the weights of a PyTorch net, given as safetensors.
    Import(Import),
    /// Convert the metrics of a run to CSV, or to an event file for TensorBoard.
    Metrics(Metrics),
    /// Compare methods over seeds as a file says, and write a report; going on if it was interrupted.
    Sweep(Box<Sweep>),
    /// Write an HTML and a Markdown report of training runs.
    Report(Report),
    /// Make one run of a sweep, as a task of a scheduler.
    #[command(hide = true)]
    RunOne(RunOne),
    /// Fetch public texts to train on.
    #[command(subcommand)]
    Data(Data),
    /// Print a completion script for a shell.
    #[command(
        after_help = "Example:\n  rtrl completions bash > ~/.local/share/bash-completion/completions/rtrl"
    )]
    Completions {
        /// Shell that the script is for.
        shell: clap_complete::Shell,
    },
}

/// A system whose observations can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum System {
    /// Lorenz 1963: columns x, y, z.
    Lorenz,
    /// Mackey and Glass 1977: column x.
    MackeyGlass,
}

/// Flags of `rtrl generate`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  rtrl generate lorenz --rows 40000 --shift-at 20000 | rtrl stream --plot errors.svg > predictions.csv
  rtrl generate mackey-glass --rows 10000 --shift-at 5000 --to-tau 30")]
pub struct Generate {
    /// System to observe.
    #[arg(value_enum)]
    pub system: System,
    /// Number of rows [default: without end].
    #[arg(long, value_name = "N")]
    pub rows: Option<u64>,
    /// First row, counted from 1, that follows the changed law [default: no change].
    #[arg(long, value_name = "ROW", value_parser = clap::value_parser!(u64).range(3..))]
    pub shift_at: Option<u64>,
    /// Parameter ρ of Lorenz after the change; it is 28 before [default: 45].
    #[arg(long, value_name = "RHO", requires = "shift_at")]
    pub to_rho: Option<f64>,
    /// Parameter τ of Mackey–Glass after the change; it is 17 before [default: 30].
    #[arg(long, value_name = "TAU", requires = "shift_at")]
    pub to_tau: Option<f64>,
    /// Time between two rows, in the unit of the system's equations [default: 0.05 for Lorenz, 1 for Mackey–Glass].
    #[arg(long, value_name = "TIME")]
    pub dt: Option<f64>,
    /// Seed of the starting point.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Format of the output.
    #[arg(long, value_enum, default_value = "csv")]
    pub format: Format,
}

/// Flags of `rtrl train`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The run gets a folder named after its task and the hash of its configuration. After Ctrl-C, which saves a checkpoint, the same
command continues the run; the finished run has the same bits as one without interruption.

Exit status: 0 the run is finished; 1 failure; 2 a mistake in the command or in the configuration; 75 another process is making
this run; 130 stopped by Ctrl-C or a signal, after a checkpoint.

Examples:
  rtrl train copy.toml
  rtrl train lm.toml --live
  rtrl train lm.toml --out results --seed 3")]
pub struct Train {
    /// Configuration file, in TOML.
    pub config: PathBuf,
    /// Folder in which the run's folder is made.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// Set a field of the configuration to another value, such as `training.steps=20000` or `layers.0.units=64`; may be
    /// repeated.
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub settings: Vec<String>,
    /// Seed; the same as `--set training.seed=N`.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Begin with the net of this model, checkpoint or run folder. The configuration may leave out `layers`.
    #[arg(long, value_name = "MODEL")]
    pub from: Option<PathBuf>,
    /// Go on from the end of this shorter run of the same configuration, to the same results as in one run.
    #[arg(long, value_name = "RUN", conflicts_with = "from")]
    pub extend: Option<PathBuf>,
    /// Write an event file for TensorBoard into a folder of DIR, with each record as it is made.
    #[arg(long, value_name = "DIR")]
    pub tensorboard: Option<PathBuf>,
    /// Save a checkpoint at least every SECONDS seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub checkpoint_seconds: u64,
    /// Draw the learning curves on the terminal during training; `q` stops the run, as Ctrl-C does.
    #[arg(long, conflicts_with = "quiet")]
    pub live: bool,
    /// Print no progress and no notes.
    #[arg(long, short)]
    pub quiet: bool,
}

/// Which part of the held-out data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Validation data: evaluated during training.
    Valid,
    /// Test data: evaluated once, after training.
    Test,
}

/// Flags of `rtrl eval`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The loss is a mean over targets: bits for symbols, squared errors for numbers. A task without held-out data is evaluated on
new data that a training run with the same seed has not seen; a curriculum stays at its first level.

Examples:
  rtrl eval runs/char-lm-0123456789ab
  rtrl eval runs/char-lm-0123456789ab/model --text other.txt
  rtrl eval runs/char-lm-0123456789ab --dynamic 0.001
  rtrl eval runs/chaos-0123456789ab --task shifted.toml --steps 5000")]
pub struct Eval {
    /// Model, checkpoint, or folder of a run.
    pub model: PathBuf,
    /// Evaluate a character model on the whole of this text.
    #[arg(long, value_name = "FILE")]
    pub text: Option<PathBuf>,
    /// Configuration file with the task to evaluate on, instead of the model's own.
    #[arg(long, value_name = "CONFIG.toml", conflicts_with = "text")]
    pub task: Option<PathBuf>,
    /// Part of the held-out data.
    #[arg(long, value_enum, default_value = "valid")]
    pub part: Part,
    /// Evaluate at most the first N predictions on the text or the held-out data.
    #[arg(long, value_name = "N")]
    pub max_bytes: Option<u64>,
    /// Keep learning during the evaluation: SnAp-1 and SGD with this learning rate, an update at every step, one
    /// lane.
    #[arg(long, value_name = "RATE")]
    pub dynamic: Option<f64>,
    /// Time steps to evaluate in each of 32 lanes (in one lane with `--dynamic`), for a task without held-out
    /// data.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: u64,
}

/// Flags of `rtrl predict`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Columns are found by the names that they had in training and scaled as in training. The columns of the targets may be missing:
each line has the predictions that are made after that row, `x+1` for the value of x one row ahead.

Example:
  rtrl predict runs/table-0123456789ab new.csv > predictions.csv")]
pub struct Predict {
    /// Model, checkpoint, or folder of a run, of the task `table`.
    pub model: PathBuf,
    /// File with the rows: CSV, JSON lines, NPY or NPZ.
    pub file: PathBuf,
}

/// Flags of `rtrl sample`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  rtrl sample runs/char-lm-0123456789ab --prompt 'Once upon a time' --length 1000
  rtrl sample runs/char-lm-0123456789ab/model --temperature 0.5 --seed 7")]
pub struct Sample {
    /// Model or checkpoint of a character model, or folder of its run.
    pub model: PathBuf,
    /// Beginning of the text, which the model continues.
    #[arg(long, value_name = "TEXT", default_value = "\n")]
    pub prompt: String,
    /// Take the beginning of the text from this file.
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    pub prompt_file: Option<PathBuf>,
    /// Number of bytes to write after the prompt.
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub length: u64,
    /// Temperature: below 1 the text is more predictable, above 1 more random; 0 always takes the likeliest byte.
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    pub temperature: f64,
    /// Seed of the random draws.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// Flags of `rtrl inspect`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  rtrl inspect copy.toml
  rtrl inspect runs/copy-0123456789ab/model
  rtrl inspect sensors.ckpt")]
pub struct Inspect {
    /// Configuration file in TOML, model, checkpoint of a run or of a stream, or folder of a run.
    pub file: PathBuf,
}
