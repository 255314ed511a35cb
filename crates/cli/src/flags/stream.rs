//! Flags of `rtrl stream`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use rtrl_stream::Share;

use crate::stream::rows::Format;
use crate::stream::time::Span;

/// What happens at a row that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnError {
    /// Save the checkpoint, print what is wrong and where, and end with status 1.
    Stop,
    /// Leave the row out and count it; only the first such row is printed.
    Skip,
}

/// Whether the first line names the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Header {
    /// The first line is a header if it contains text and no cell begins with a digit.
    Auto,
    /// The first line is a header.
    Yes,
    /// There is no header: the columns are named c1, c2, …
    No,
}

/// Which rows of the input are skipped because they were seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SkipSeen {
    /// Skip the rows of a file that the checkpoint has seen; read any other file, and any pipe, from its first
    /// row.
    Auto,
    /// Skip as many rows as were seen of the last input, without comparing them.
    Yes,
    /// Skip no row.
    No,
}

/// Flags of `rtrl stream`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Each row is scored, learned from and written out before the next one is waited for. The output has a row for each row of the
input. For each target column `x` it has the value `x`; the predictions that were made for this row by the net (`x.model`),
by repeating the last observed value (`x.last`) and by a linear model that also learns online (`x.linear`); the net's error
(`x.error`); and the net's prediction of the next row (`x.next`). With --horizon 5, `x.model+5` and `x.linear+5` are predictions
of the row five rows later, and `x.error+5` is the error in this row of the prediction made five rows before. With --season,
`x.season` repeats the value of one season before. With --interval, `x.lower` and `x.upper` enclose `x.next`, `x.lower+5` and
`x.upper+5` enclose `x.model+5`. With --anomaly, `anomaly` is in 0..1 and near 1 if the errors of this row are greater than the
recent ones; `drift` is 1 in a row with which errors have become greater for good. The scores are running mean squared errors divided by the
variance of the column: 1 is as good as predicting the mean. A value that is missing is not learned from or scored; the net
reads its own prediction instead.

Of a column of words, `x.model`, `x.last` and `x.frequent` are the class that the net predicted for this row, the one before it
and the one that occurs most often; `x.loss` is by how many bits the class of this row surprised the net; `x.next` is the class
that it predicts next, and `x.probability` how likely it takes that to be. Words that were not listed, and not in the first 100
rows, are one class, `another`. The scores are shares of wrong classes, and bits for each class: of the net (`score.loss`), and
of how often each class has occurred (`score.loss.frequent`).

A column holds numbers if its first value is one. The columns are chosen by the first 100 rows of a file, or by the first row
of a pipe that has a number; what is read, predicted and left out is printed on standard error. A number that comes later in
a column that is left out is printed, once. Name columns by --input and --target to choose them yourself.

With --checkpoint, a file that has grown is continued behind the rows that were seen. A checkpoint remembers the last 16 inputs
by hashes of their rows. It is saved after the predictions were written; a process that is killed writes the rows since the
last checkpoint again, with the same bits, when it is resumed.

Exit status: 0 the input has ended, or nobody reads the output any more; 1 failure; 2 a mistake in the command or in the file
of --config; 130 stopped by Ctrl-C or a signal, after a checkpoint.

Examples:
  rtrl generate lorenz --rows 40000 --shift-at 20000 | rtrl stream > predictions.csv
  rtrl stream sensors.csv --target temperature --checkpoint sensors.ckpt
  rtrl stream export.csv --decimal , --missing NA,-999
  tail -f log.jsonl | rtrl stream --checkpoint log.ckpt --on-error skip
  rtrl stream data.csv --cell lstm --units 64 --order 2 --plot errors.svg --quiet > /dev/null")]
pub struct Stream {
    /// File to read; standard input if none is given.
    pub file: Option<PathBuf>,
    /// Format of the input; by default JSON lines if the first line begins with a brace, else CSV.
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Separator of the cells of CSV: one character, or `tab`; by default comma, semicolon or tab, whichever is
    /// most frequent in the first line.
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    pub delimiter: Option<u8>,
    /// Decimal sign of the numbers in CSV: a point or a comma.
    #[arg(long, value_name = "SIGN", default_value = ".", value_parser = decimal)]
    pub decimal: u8,
    /// Texts that mean a missing value, in addition to empty cells; upper and lower case are the same.
    #[arg(
        long,
        value_name = "LIST",
        allow_hyphen_values = true,
        value_delimiter = ',',
        default_value = "NA,N/A,NaN,null,None,-,?"
    )]
    pub missing: Vec<String>,
    /// Lines that begin with this character are comments and are left out; `none` if there are no comments.
    #[arg(long, value_name = "CHARACTER", default_value = "#", value_parser = comment)]
    pub comment: Comment,
    /// Whether the first line of CSV names the columns.
    #[arg(long, value_enum, default_value = "auto")]
    pub header: Header,
    /// Columns to predict, by name or number [default: all columns with numbers]. A column of words is predicted alone, as
    /// one of several classes.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub target: Vec<String>,
    /// Columns that the net reads, by name or number [default: all columns with numbers].
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub input: Vec<String>,
    /// Columns that are written to the output as they are, such as ids. They are not predicted, unless --input or
    /// --target names them.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub keep: Vec<String>,
    /// Column that holds the time of each row: 2024-05-31, 2024-05-31 14:30:05, 2024-05-31T14:30:05Z, or seconds or
    /// milliseconds since 1970. The net also reads the time of day and the day of the week. The column is kept in the
    /// output.
    #[arg(long, value_name = "COLUMN")]
    pub time: Option<String>,
    /// When more time than this lies between two rows, such as 90s, 10m, 2h or 1d, the net forgets its state: what came
    /// before says nothing about what comes. It keeps what it has learned.
    #[arg(long, value_name = "DURATION")]
    pub gap: Option<Span>,
    /// Column of words, such as names of places, that the net reads: one input for each of these words, and one for all
    /// others. If --target names the column, these are its classes. May be repeated. Words of a column that --input or
    /// --target names are found in the first 100 rows of a file.
    #[arg(long, value_name = "COLUMN=A,B,…", value_parser = categories)]
    pub categories: Vec<(String, Vec<String>)>,
    /// Column that says to which series a row belongs, such as the name of a sensor. Each series is predicted by its own
    /// rows. The column is kept in the output.
    #[arg(long, value_name = "COLUMN")]
    pub key: Option<String>,
    /// What the series of different keys have in common. With `weights` one net learns from all of them, so that a new
    /// one is predicted well from its first rows; with `nothing` each has a net of its own, for series that follow
    /// different laws [default: weights].
    #[arg(long, value_enum, value_name = "WHAT", requires = "key")]
    pub share: Option<SharedBy>,
    /// Forget a series that has none of N rows. Should it come again, it is a new one.
    #[arg(long, value_name = "N", requires = "key", value_parser = clap::value_parser!(u64).range(1..))]
    pub forget_after: Option<u64>,
    /// Format of the output [default: that of the input].
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub output: Option<Format>,
    /// Significant digits of predictions, errors and scores; by default as many as it takes to read back the same
    /// number. Observed values are always written in full.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=17))]
    pub digits: Option<u8>,
    /// What to do with a row that cannot be used, such as text in a column of numbers or another number of cells.
    #[arg(long, value_enum, default_value = "stop")]
    pub on_error: OnError,
    /// TOML file with the tables `layers`, `estimator`, `readout`, `optimizer` and `update` of a training
    /// configuration, the `seed` in `training`, and the columns in `stream`; flags override it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Horizons and what is said beside the predictions.
    #[command(flatten)]
    pub ahead: Ahead,
    /// Settings of the net.
    #[command(flatten)]
    pub net: Net,
    /// Begin with the weights of this net: a model, a run folder, or the checkpoint of another stream. It must have the
    /// same layers, inputs and targets. If the checkpoint of this stream exists, it goes on with its own net.
    #[arg(long, value_name = "MODEL")]
    pub from: Option<PathBuf>,
    /// Predict and score, and learn nothing: the weights stay as they are.
    #[arg(long)]
    pub freeze: bool,
    /// Learn from the first N rows of each series without scoring them.
    #[arg(long, value_name = "N")]
    pub warm_up: Option<u64>,
    /// Number of rows over which scores are averaged [default: 500].
    #[arg(long, value_name = "N")]
    pub score_rows: Option<u64>,
    /// File that keeps what was learned; if it exists, learning continues from it.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Whether to skip rows of the input that the checkpoint has seen.
    #[arg(long, value_enum, value_name = "WHEN", requires = "checkpoint", default_value = "auto")]
    pub skip_seen: SkipSeen,
    /// Also save the checkpoint every N rows.
    #[arg(long, value_name = "N", requires = "checkpoint", value_parser = clap::value_parser!(u64).range(1..))]
    pub checkpoint_rows: Option<u64>,
    /// Save the checkpoint at least every SECONDS seconds while rows come in.
    #[arg(long, value_name = "SECONDS", requires = "checkpoint", default_value = "60")]
    pub checkpoint_seconds: u64,
    /// At the end, draw the scores over the rows as a figure in this file.
    #[arg(long, value_name = "FILE.svg", conflicts_with = "key")]
    pub plot: Option<PathBuf>,
    /// Read rows from the network instead of a file: listen at this address, as in 127.0.0.1:8080. POST rows of CSV or JSON
    /// lines to /rows, and the response has their predictions; GET /state says how far the stream is; / is a page that
    /// shows it. Ctrl-C saves the checkpoint and ends.
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with_all = ["file", "skip_seen", "plot"])]
    pub serve: Option<String>,
    /// Text that clients must send, as `Authorization: Bearer TOKEN`, needed if other machines can reach the address. The
    /// variable RTRL_TOKEN sets it too, where other users do not see it.
    #[arg(long, requires = "serve", value_name = "TOKEN")]
    pub token: Option<String>,
    /// Print no notes and no summary on standard error.
    #[arg(long, short)]
    pub quiet: bool,
}

/// What the series of different keys have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SharedBy {
    /// The weights of one net.
    Weights,
    /// Nothing.
    Nothing,
}

impl From<SharedBy> for Share {
    fn from(shared: SharedBy) -> Self {
        match shared {
            SharedBy::Weights => Self::Weights,
            SharedBy::Nothing => Self::Nothing,
        }
    }
}

/// Flags of horizons, and of what is said beside the predictions.
#[derive(Debug, Clone, Args)]
pub struct Ahead {
    /// How many rows ahead to predict, one or several: `1,5` [default: 1].
    #[arg(long, value_name = "ROWS", value_delimiter = ',')]
    pub horizon: Vec<usize>,
    /// Rows of a season, such as 168 for a week of hours: adds the predictor `season`, which repeats the value of one
    /// season before.
    #[arg(long, value_name = "N")]
    pub season: Option<usize>,
    /// Also read the inputs of the last N rows before the present one.
    #[arg(long, value_name = "N")]
    pub lags: Option<usize>,
    /// Also read the inputs of so many rows before the present one, each by its number: `48,336`.
    #[arg(long, value_name = "ROWS", value_delimiter = ',')]
    pub lag: Vec<usize>,
    /// Give intervals that cover this share of the values: 0.9.
    #[arg(long, value_name = "SHARE")]
    pub interval: Option<f64>,
    /// Give an anomaly score for each row, and say where errors have become greater for good.
    #[arg(long)]
    pub anomaly: bool,
}

/// Settings of a net and how it learns.
#[derive(Debug, Clone, Args)]
pub struct Net {
    /// Units in each layer [default: 32].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub units: Option<u64>,
    /// Kind of cell: vanilla, gru, lstm, quasi-lstm, … [default: lstm]
    #[arg(long, value_name = "KIND")]
    pub cell: Option<String>,
    /// Kind of gradient estimator: snap, rtrl, uoro, bptt, frozen, … [default: snap]
    #[arg(long, value_name = "KIND")]
    pub estimator: Option<String>,
    /// Order n of SnAp-n [default: 1].
    #[arg(long, value_name = "N")]
    pub order: Option<usize>,
    /// Kind of optimizer: sgd, momentum, rms-prop, adam, adamw, obgd, nlms; or `auto`: the first 1000 rows are learned
    /// with several side by side, and the best goes on [default: adam].
    #[arg(long, value_name = "KIND")]
    pub optimizer: Option<String>,
    /// How the readout learns: `gradient`, by the optimizer; or `rls`, by recursive least squares, which has no rate and
    /// follows a linear law within a few rows. The recurrent weights learn by the optimizer all the same [default: gradient].
    #[arg(long, value_enum, value_name = "HOW")]
    pub readout: Option<ReadoutRule>,
    /// Learning rate [default: 0.002].
    #[arg(long, value_name = "RATE")]
    pub learning_rate: Option<f64>,
    /// Seed of the initial weights [default: 0].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// How the readout learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReadoutRule {
    /// By its gradient and the optimizer.
    Gradient,
    /// By recursive least squares.
    Rls,
}

/// First character of a comment line; `None` if there are no comments.
pub type Comment = Option<u8>;

fn comment(text: &str) -> Result<Comment, String> {
    match text.as_bytes() {
        b"none" => Ok(None),
        [byte] if byte.is_ascii_graphic() => Ok(Some(*byte)),
        _ => Err("give one character, or `none`".into()),
    }
}

fn categories(text: &str) -> Result<(String, Vec<String>), String> {
    let wrong = || "give a column and its words, as in place=north,south".to_string();
    let (column, names) = text.split_once('=').ok_or_else(wrong)?;
    let names: Vec<String> = names.split(',').map(|name| name.trim().to_string()).collect();
    if column.is_empty() || names.iter().any(String::is_empty) {
        return Err(wrong());
    }
    match names.iter().enumerate().find(|&(i, name)| names[..i].contains(name)) {
        Some((_, name)) => Err(format!("`{name}` is there twice")),
        None => Ok((column.to_string(), names)),
    }
}

fn decimal(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte @ (b'.' | b',')] => Ok(*byte),
        _ => Err("give `.` or `,`".into()),
    }
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii_graphic() || matches!(byte, b'\t' | b' ') => Ok(*byte),
        _ => Err("give one character, or `tab`".into()),
    }
}
