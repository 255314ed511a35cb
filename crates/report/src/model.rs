//! What a report says, as plain data. Nothing here knows how it is drawn.

use serde::{Deserialize, Serialize};

use super::condition::{Condition, Verdict};

/// A whole report: one run of `cargo xtask reproduce`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Title of the page.
    pub title: String,
    /// Profile that was run: `quick`, `standard` or `paper`.
    pub profile: String,
    /// Command line that made the report, to be repeated by the reader.
    pub command: String,
    /// Machine and versions.
    pub environment: Environment,
    /// One section per experiment, in the order of the page.
    pub experiments: Vec<Section>,
    /// Claims that no experiment of the report decides.
    #[serde(default)]
    pub not_run: Vec<Claim>,
}

/// Machine and versions that the numbers depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Version of the `rtrl` crates.
    pub rtrl_version: String,
    /// Commit of the work tree, if it is under version control.
    pub commit: Option<String>,
    /// Compiler version.
    pub rustc: String,
    /// Operating system and kernel.
    pub os: String,
    /// Processor model.
    pub cpu: String,
    /// Logical cores that the run could use.
    pub cores: usize,
    /// Physical memory.
    pub memory_bytes: u64,
    /// Instruction set that the kernels dispatched to.
    pub isa: String,
}

/// One experiment: a question and what came out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Name of the experiment, as on the command line.
    pub name: String,
    /// The question that it answers.
    pub question: String,
    /// How it was run, one paragraph each.
    pub setup: Vec<String>,
    /// Figures, each with its data.
    pub figures: Vec<Figure>,
    /// Tables of numbers.
    pub tables: Vec<Table>,
    /// Claims that this experiment decides.
    pub claims: Vec<Claim>,
    /// What the reader must not conclude.
    pub caveats: Vec<String>,
    /// Every run behind the numbers.
    pub runs: Vec<RunEntry>,
}

/// A line figure: one line per series, with its spread over seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// Stem of the figure's files and its anchor in the page: ASCII letters, digits, `-` and `_`;
    /// unique in the report, whatever the case of its letters.
    pub id: String,
    /// What the figure shows. How the band was made is added when it is drawn.
    pub caption: String,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// Seed of each value of a point, the same at every point of every line; none where seeds play no role.
    #[serde(default)]
    pub seeds: Vec<u64>,
    /// The lines.
    pub series: Vec<Series>,
    /// Horizontal lines to compare with, such as chance level.
    #[serde(default)]
    pub references: Vec<Reference>,
    /// Single published numbers to compare with, drawn as hollow markers.
    #[serde(default)]
    pub yardsticks: Vec<Yardstick>,
}

/// One axis of a figure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// Quantity and unit.
    pub label: String,
    /// Logarithmic, base 10. Values that are not positive are then left out, and the caption says so.
    #[serde(default)]
    pub log: bool,
    /// Whether values are whole numbers, such as levels: bands are then at least as wide as rounding makes them.
    #[serde(default)]
    pub whole: bool,
}

impl Axis {
    /// A linear axis for this quantity and unit.
    #[must_use]
    pub fn linear(label: &str) -> Self {
        Self { label: label.to_string(), ..Self::default() }
    }

    /// A logarithmic axis for this quantity and unit.
    #[must_use]
    pub fn log(label: &str) -> Self {
        Self { log: true, ..Self::linear(label) }
    }
}

/// One line of a figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// Label at the end of the line, unique in its figure.
    pub label: String,
    /// Points in the order in which they are joined.
    pub points: Vec<Point>,
}

/// What all seeds measured at one x.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Position on the horizontal axis.
    #[serde(with = "super::number::scalar")]
    pub x: f64,
    /// One value per seed, in the order of [`Figure::seeds`]. Not finite for a seed that failed.
    #[serde(with = "super::number::list")]
    pub y: Vec<f64>,
}

/// A horizontal line to compare with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Label beside the line.
    pub label: String,
    /// Height of the line.
    #[serde(with = "super::number::scalar")]
    pub y: f64,
}

/// A single published number to compare with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Yardstick {
    /// Label beside the marker: whose number it is.
    pub label: String,
    /// Position on the horizontal axis.
    #[serde(with = "super::number::scalar")]
    pub x: f64,
    /// Position on the vertical axis.
    #[serde(with = "super::number::scalar")]
    pub y: f64,
}

/// A table of cells that are already formatted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// What the table shows.
    pub caption: String,
    /// One header per column. The first column names the row.
    pub headers: Vec<String>,
    /// Rows. A short row is filled with empty cells; a long one widens the table.
    pub rows: Vec<Vec<String>>,
    /// One alignment per column; columns without one are left-aligned.
    #[serde(default)]
    pub align: Vec<Align>,
}

/// Alignment of a table column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Align {
    /// Words.
    #[default]
    Left,
    /// Numbers.
    Right,
    /// Marks.
    Center,
}

/// A claim of the paper and what the runs say about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Name of the claim, such as `C1`.
    pub id: String,
    /// The claim in one sentence.
    pub text: String,
    /// Whether it held.
    pub verdict: Verdict,
    /// The numbers that decide it, in words.
    pub evidence: String,
    /// The same numbers for programs: a name and a value each.
    #[serde(default)]
    pub numbers: Vec<(String, f64)>,
    /// Seeds behind the numbers.
    #[serde(default)]
    pub seeds: Vec<u64>,
    /// Hashes of the runs behind the numbers.
    #[serde(default)]
    pub runs: Vec<String>,
    /// What decides it. None where failures alone decide.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// One training run behind the numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunEntry {
    /// What was run, usually the label of its series.
    pub label: String,
    /// Seed of the run.
    pub seed: u64,
    /// Hash of its config.
    pub hash: String,
    /// The whole config, as TOML.
    pub config_toml: String,
    /// Folder of the run, relative to the report.
    pub folder: String,
    /// Training time.
    pub seconds: f64,
    /// Where it was made; `None` if that was not recorded.
    #[serde(default)]
    pub machine: Option<Machine>,
}

/// Where a run or a measurement was made: what its bits or its time depend on besides its configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Version of the `rtrl` crates.
    #[serde(default)]
    pub version: String,
    /// Commit of the work tree, if the program was compiled in one.
    pub commit: Option<String>,
    /// Processor model.
    pub cpu: String,
    /// Instruction set that the kernels were dispatched to.
    pub isa: String,
}

impl Machine {
    /// That of an environment.
    #[must_use]
    pub fn of(environment: &Environment) -> Self {
        let Environment { rtrl_version, commit, cpu, isa, .. } = environment.clone();
        Self { version: rtrl_version, commit, cpu, isa }
    }
}
