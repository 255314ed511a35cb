//! Every command and flag of `rtrl`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::stream::rows::Format;

/// Real-time recurrent learning: recurrent nets that learn at every step.
#[derive(Debug, Parser)]
#[command(name = "rtrl", version)]
pub struct Flags {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `rtrl` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Learns to predict the next row of a stream of numbers, while it comes in.
    Stream(Box<Stream>),
    /// Writes a stream of numbers whose law may change on the way.
    Generate(Generate),
    /// Makes the training run of a configuration in a folder of its own, or goes on with it.
    Train(Train),
    /// Mean loss of a trained net on held-out data, another text or another task.
    Eval(Eval),
    /// Writes text that a trained character model makes up.
    Sample(Sample),
    /// Sizes, sparsity, reach and counted costs of a configuration, a model or a checkpoint.
    Inspect(Inspect),
    /// Writes the weights of a net for PyTorch, as safetensors.
    Export(Export),
    /// Makes a model of weights from PyTorch, given as safetensors.
    Import(Import),
    /// Writes the metrics of a run as CSV, or as an event file of TensorBoard.
    Metrics(Metrics),
    /// Writes a completion script for a shell.
    #[command(
        after_help = "Example:\n  rtrl completions bash > ~/.local/share/bash-completion/completions/rtrl"
    )]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// What happens at a row that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnError {
    /// The stream ends, with a checkpoint and a message.
    Stop,
    /// The row is left out, and counted.
    Skip,
}

/// Whether the first line names the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Header {
    /// It does if one of its cells is text.
    Auto,
    /// It does.
    Yes,
    /// It does not.
    No,
}

/// Flags of `rtrl stream`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Each row is scored, learned from and written out before the next is waited for. For each target column `x` the output has
the value, and what was predicted for this row by the net (`x.model`), by the last value (`x.last`) and by a linear model
that also learns online (`x.linear`), the net's error, and the net's prediction of the next row (`x.next`). The scores are
running mean squared errors in units of the columns' variance: 1 is as good as predicting the mean.

Examples:
  rtrl generate lorenz --rows 40000 --shift-at 20000 | rtrl stream > predictions.csv
  rtrl stream sensors.csv --target temperature --checkpoint sensors.ckpt
  tail -f log.jsonl | rtrl stream --checkpoint log.ckpt --on-error skip
  rtrl stream data.csv --cell lstm --units 64 --order 2 --plot errors.svg --quiet > /dev/null")]
pub struct Stream {
    /// What to read; standard input if no file is given. A file goes on behind the rows that the checkpoint has seen, standard
    /// input is new.
    pub file: Option<PathBuf>,
    /// How rows are written; JSON lines begin with a brace.
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// What separates the cells of CSV: one character, or `tab`.
    #[arg(long, value_name = "CHARACTER", default_value = ",", value_parser = delimiter)]
    pub delimiter: u8,
    /// Whether the first line of CSV names the columns.
    #[arg(long, value_enum, default_value = "auto")]
    pub header: Header,
    /// Columns to predict, by name or number; all that hold numbers by default.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub target: Vec<String>,
    /// Columns to read, by name or number; all that hold numbers by default.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub input: Vec<String>,
    /// How the output is written; as the input by default.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub output: Option<Format>,
    /// What happens at a row with text or another number of columns.
    #[arg(long, value_enum, default_value = "stop")]
    pub on_error: OnError,
    /// Settings, as in the configuration of a training run; the flags below go before it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Settings of the net.
    #[command(flatten)]
    pub net: Net,
    /// Rows over which scores are taken [default: 500].
    #[arg(long, value_name = "N")]
    pub score_rows: Option<u64>,
    /// Where the state is kept; if the file exists, learning goes on from it.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Rows between two checkpoints.
    #[arg(long, value_name = "N", requires = "checkpoint", value_parser = clap::value_parser!(u64).range(1..))]
    pub checkpoint_rows: Option<u64>,
    /// Seconds between two checkpoints.
    #[arg(long, value_name = "SECONDS", requires = "checkpoint", default_value = "60")]
    pub checkpoint_seconds: u64,
    /// Draws the scores over the rows read.
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
    /// Leaves out the notes and the summary on standard error.
    #[arg(long, short)]
    pub quiet: bool,
}

/// Settings of a net and how it learns.
#[derive(Debug, Clone, Args)]
pub struct Net {
    /// Units of each layer [default: 32].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub units: Option<u64>,
    /// Kind of cell: vanilla, gru, lstm, quasi-lstm, … [default: lstm]
    #[arg(long, value_name = "KIND")]
    pub cell: Option<String>,
    /// Kind of estimator: snap, rtrl, uoro, bptt, frozen, … [default: snap]
    #[arg(long, value_name = "KIND")]
    pub estimator: Option<String>,
    /// Order n of SnAp-n [default: 1].
    #[arg(long, value_name = "N")]
    pub order: Option<usize>,
    /// Kind of optimizer: sgd, momentum, rms-prop, adam, adamw [default: adam].
    #[arg(long, value_name = "KIND")]
    pub optimizer: Option<String>,
    /// Learning rate [default: 0.002].
    #[arg(long, value_name = "RATE")]
    pub learning_rate: Option<f64>,
    /// Seed of the initial weights [default: 0].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
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
    /// Which system is observed.
    #[arg(value_enum)]
    pub system: System,
    /// How many observations; without end by default.
    #[arg(long, value_name = "N")]
    pub rows: Option<u64>,
    /// The first row, counted from 1, that obeys the law after the shift; no shift by default.
    #[arg(long, value_name = "ROW", value_parser = clap::value_parser!(u64).range(3..))]
    pub shift_at: Option<u64>,
    /// ρ of Lorenz after the shift, 28 before it [default: 45].
    #[arg(long, value_name = "RHO", requires = "shift_at")]
    pub to_rho: Option<f64>,
    /// τ of Mackey–Glass after the shift, 17 before it [default: 30].
    #[arg(long, value_name = "TAU", requires = "shift_at")]
    pub to_tau: Option<f64>,
    /// Time between two observations, in the system's own unit [default: 0.05 for Lorenz, 1 for Mackey–Glass].
    #[arg(long, value_name = "TIME")]
    pub dt: Option<f64>,
    /// Seed of the place where it begins.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// How the rows are written.
    #[arg(long, value_enum, default_value = "csv")]
    pub format: Format,
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii_graphic() || matches!(byte, b'\t' | b' ') => Ok(*byte),
        _ => Err("give one character, or `tab`".into()),
    }
}

/// Flags of `rtrl train`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The run has a folder named by its task and the hash of its configuration. Ctrl-C leaves a checkpoint; the same command goes on
from it, and the complete run has the same bits as an unbroken one.

Examples:
  rtrl train copy.toml
  rtrl train lm.toml --live
  rtrl train lm.toml --out results --seed 3")]
pub struct Train {
    /// The configuration, in TOML.
    pub config: PathBuf,
    /// Folder of the runs' folders.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// Seed, instead of the configuration's.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Seconds between two checkpoints.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub checkpoint_seconds: u64,
    /// Draws the curves on the terminal while the run is made: q stops as Ctrl-C does.
    #[arg(long, conflicts_with = "quiet")]
    pub live: bool,
    /// Leaves out progress and notes.
    #[arg(long, short)]
    pub quiet: bool,
}

/// Which part of the held-out data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// What is looked at during training.
    Valid,
    /// What is looked at once, at the end.
    Test,
}

/// Flags of `rtrl eval`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Losses are means per target: bits for symbols, squared errors for numbers. A task without held-out data is evaluated on steps
that no training with the same seed has seen; a curriculum stays at its first level.

Examples:
  rtrl eval runs/char-lm-0123456789ab
  rtrl eval runs/char-lm-0123456789ab/model --text other.txt
  rtrl eval runs/char-lm-0123456789ab --dynamic 0.001
  rtrl eval runs/chaos-0123456789ab --task shifted.toml --steps 5000")]
pub struct Eval {
    /// A model or checkpoint, or the folder of a run.
    pub model: PathBuf,
    /// A text for a character model, all of it.
    #[arg(long, value_name = "FILE")]
    pub text: Option<PathBuf>,
    /// A configuration whose task takes the place of the model's own.
    #[arg(long, value_name = "CONFIG.toml", conflicts_with = "text")]
    pub task: Option<PathBuf>,
    /// Which part of the held-out data.
    #[arg(long, value_enum, default_value = "valid")]
    pub part: Part,
    /// Predictions at most, of held-out data.
    #[arg(long, value_name = "N")]
    pub max_bytes: Option<u64>,
    /// The weights go on learning while they are evaluated, by SnAp-1 and SGD with this rate, at every step of one piece.
    #[arg(long, value_name = "RATE")]
    pub dynamic: Option<f64>,
    /// Time steps in each of 32 lanes (with `--dynamic` one), for a task without held-out data.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: u64,
}

/// Flags of `rtrl sample`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  rtrl sample runs/char-lm-0123456789ab --prompt 'Once upon a time' --length 1000
  rtrl sample runs/char-lm-0123456789ab/model --temperature 0.5 --seed 7")]
pub struct Sample {
    /// A model or checkpoint of a character model, or the folder of a run.
    pub model: PathBuf,
    /// What the text begins with.
    #[arg(long, value_name = "TEXT", default_value = "\n")]
    pub prompt: String,
    /// Bytes to write after the prompt.
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub length: u64,
    /// Below 1 likely bytes become likelier, above 1 less so; at 0 the likeliest is taken.
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    pub temperature: f64,
    /// Seed of the draws.
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
    /// A configuration in TOML, a model, a checkpoint of a run or of a stream, or the folder of a run.
    pub file: PathBuf,
}

/// Flags of `rtrl export`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Tensors have PyTorch's names (rnn.weight_ih_l0, …, readout.weight, …), shapes and order of gates; weights that do not exist are
zeros.

Example:
  rtrl export runs/char-lm-0123456789ab net.safetensors")]
pub struct Export {
    /// A model or checkpoint, or the folder of a run.
    pub model: PathBuf,
    /// What is written.
    pub to: PathBuf,
}

/// Flags of `rtrl import`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The configuration says what the net is: its layers, its readout, and by its task what is read and predicted.

Example:
  rtrl import net.safetensors lm.toml model --mask")]
pub struct Import {
    /// The weights.
    pub from: PathBuf,
    /// The configuration of the net, in TOML.
    pub config: PathBuf,
    /// The model that is written.
    pub to: PathBuf,
    /// Weights that are zero do not exist in the model; otherwise they are weights as any other.
    #[arg(long)]
    pub mask: bool,
}

/// Flags of `rtrl metrics`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Called again for a run that goes on, it adds what is new.

Examples:
  rtrl metrics runs/copy-0123456789ab copy.csv
  rtrl metrics runs/copy-0123456789ab logs/copy/events.out.tfevents.copy")]
pub struct Metrics {
    /// The folder of a run.
    pub run: PathBuf,
    /// What is written: CSV if its name ends in `.csv`, an event file if it contains `tfevents`.
    pub to: PathBuf,
}
