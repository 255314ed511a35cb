//! The configuration of a table.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

use super::fit::TableFit;
use super::rows::Dialect;
use crate::TaskError;

/// Where a target stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TableTargets {
    /// At every row, `horizon` rows ahead.
    #[default]
    Row,
    /// At the last row of each sequence alone, which holds the value to predict.
    End,
}

/// What becomes of a missing value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TableMissing {
    /// It is refused.
    #[default]
    Refuse,
    /// The net reads the last value of the column in the sequence, or 0 if there is none; a missing target is
    /// not asked for.
    Last,
    /// The net reads 0, which is the mean of a scaled column; a missing target is not asked for.
    Zero,
}

/// How the table is divided into training, validation and test parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TableSplit {
    /// The last rows of each sequence are held out.
    Time,
    /// The last sequences are held out as a whole.
    Sequence,
}

/// Configuration of a table as a task. A field that is left out has the default given with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TableConfig {
    /// The files, one or several of one format: CSV, TSV, JSON lines, NPY or NPZ. Each file is a sequence
    /// unless `sequence` is given, and so is each array of an NPZ file; one file alone is one long series.
    #[serde(deserialize_with = "one_or_many")]
    pub files: Vec<PathBuf>,
    /// The column that names the sequence of a row; the rows of a sequence must follow one another. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    /// Columns that the net reads, by name or by number from 1. Default: all but `sequence`, and without the
    /// targets if `horizon` is 0.
    #[serde(deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// Columns that the net predicts, by name or by number from 1: columns of numbers, or one column of classes.
    #[serde(deserialize_with = "one_or_many")]
    pub targets: Vec<String>,
    /// How many rows ahead of the input the target stands; 0 is the row of the input itself. Default 1, or 0 if
    /// `at` is `end`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub horizon: Option<u64>,
    /// Where targets stand. Default `row`.
    #[serde(skip_serializing_if = "is_default")]
    pub at: TableTargets,
    /// Whether the target is a class even if its column holds numbers; a column of text always is. Default false.
    #[serde(skip_serializing_if = "is_default")]
    pub classes: bool,
    /// Input columns whose numbers are names of categories; columns of text always are. Default: none.
    #[serde(deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// Whether columns of numbers are scaled by mean and standard deviation of the training part. Default true.
    #[serde(skip_serializing_if = "is_true")]
    pub scale: bool,
    /// What becomes of a missing value. Default `refuse`.
    #[serde(skip_serializing_if = "is_default")]
    pub missing: TableMissing,
    /// Texts that stand for a missing value, beside the empty one; upper and lower case are the same. Default
    /// NA, N/A, NaN, null, None, -, ?.
    #[serde(skip_serializing_if = "are_usual")]
    pub missing_values: Vec<String>,
    /// How the table is divided into parts. Default `sequence` if there are several sequences, else `time`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<TableSplit>,
    /// Share of the table that is held out for validation, from 0 (none) to below 1. Default 0.1.
    pub valid: f64,
    /// Share of the table, at its very end, that is held out as test data, from 0 (none) to below 1. Default 0.1.
    pub test: f64,
    /// Separator of the cells of CSV, one character or `tab`. Default: comma, semicolon or tab, whichever is
    /// most frequent in the first line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// Decimal sign of the numbers in CSV, a point or a comma. Default: a point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<String>,
    /// First character of the lines of a text that are comments, or `none`. Default `#`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether the first line of CSV names the columns; without names they are c1, c2, … Default: it does if it
    /// contains text and no cell begins with a digit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// Whether an input may equal a target `horizon` rows ahead in the whole training part. Default false.
    #[serde(skip_serializing_if = "is_default")]
    pub leak: bool,
    /// What was found in the training part; a model keeps it, to encode other files in the same way. Default:
    /// it is found when the task is built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit: Option<TableFit>,
}

fn usual() -> Vec<String> {
    ["NA", "N/A", "NaN", "null", "None", "-", "?"].map(String::from).to_vec()
}

fn are_usual(texts: &[String]) -> bool {
    texts == usual()
}

fn is_true(value: &bool) -> bool {
    *value
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A list; one value stands for a list of one.
fn one_or_many<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a text, or a list of texts")]
    enum OneOrMany<T> {
        One(T),
        Many(Vec<T>),
    }
    Ok(match OneOrMany::deserialize(from)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}

impl Default for TableConfig {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            sequence: None,
            inputs: Vec::new(),
            targets: Vec::new(),
            horizon: None,
            at: TableTargets::Row,
            classes: false,
            categories: Vec::new(),
            scale: true,
            missing: TableMissing::Refuse,
            missing_values: usual(),
            split: None,
            valid: 0.1,
            test: 0.1,
            delimiter: None,
            decimal: None,
            comment: None,
            header: None,
            leak: false,
            fit: None,
        }
    }
}

/// The error for a field that has the value `value`.
pub(super) fn refused(field: &'static str, value: impl Into<String>, expected: &'static str) -> TaskError {
    TaskError::Config { task: "table", field, value: value.into(), expected }
}

impl TableConfig {
    /// Rows from an input to its target.
    pub fn rows_ahead(&self) -> u64 {
        self.horizon.unwrap_or(match self.at {
            TableTargets::Row => 1,
            TableTargets::End => 0,
        })
    }

    /// Checks whatever can be checked without the files.
    pub(super) fn validate(&self) -> Result<(), TaskError> {
        if self.files.is_empty() {
            return Err(refused("files", "empty", "the path of a file, or a list of them"));
        }
        if self.targets.is_empty() {
            return Err(refused("targets", "empty", "the columns to predict, at least one"));
        }
        for (field, names) in
            [("inputs", &self.inputs), ("targets", &self.targets), ("categories", &self.categories)]
        {
            if let Some((_, name)) = names.iter().enumerate().find(|&(i, name)| names[..i].contains(name)) {
                return Err(refused(field, format!("a list with `{name}` in it twice"), "each column once"));
            }
        }
        if self.at == TableTargets::End {
            if self.rows_ahead() > 0 {
                let expected =
                    "0 or nothing, as `at` is \"end\": the target is in the last row of a sequence";
                return Err(refused("horizon", self.rows_ahead().to_string(), expected));
            }
            if self.split == Some(TableSplit::Time) {
                let expected = "\"sequence\" or nothing, as `at` is \"end\": a sequence cannot be cut";
                return Err(refused("split", "time", expected));
            }
        }
        for (field, share) in [("valid", self.valid), ("test", self.test)] {
            if !(0.0..1.0).contains(&share) {
                return Err(refused(field, share.to_string(), "a share from 0 to below 1"));
            }
        }
        if self.valid + self.test >= 1.0 {
            let expected = "a share that leaves something for training: less than 1 together with `test`";
            return Err(refused("valid", self.valid.to_string(), expected));
        }
        self.dialect().map(|_| ())
    }

    /// What is said about the format of texts.
    pub(super) fn dialect(&self) -> Result<Dialect, TaskError> {
        let byte = |text: &str| match text.as_bytes() {
            [byte] if byte.is_ascii_graphic() => Some(*byte),
            _ => None,
        };
        let decimal = match self.decimal.as_deref() {
            None | Some(".") => b'.',
            Some(",") => b',',
            Some(other) => return Err(refused("decimal", format!("`{other}`"), "\".\" or \",\"")),
        };
        let delimiter = match self.delimiter.as_deref() {
            None => None,
            Some("tab" | "\t") => Some(b'\t'),
            Some(" ") => Some(b' '),
            Some(other) => {
                let expected = "one ASCII character, or \"tab\"";
                Some(byte(other).ok_or_else(|| refused("delimiter", format!("`{other}`"), expected))?)
            }
        };
        let comment = match self.comment.as_deref() {
            None => Some(b'#'),
            Some("none") => None,
            Some(other) => {
                let expected = "one ASCII character, or \"none\"";
                Some(byte(other).ok_or_else(|| refused("comment", format!("`{other}`"), expected))?)
            }
        };
        if delimiter == Some(decimal) {
            let expected = "another character than the decimal sign";
            return Err(refused("delimiter", format!("`{}`", char::from(decimal)), expected));
        }
        Ok(Dialect { format: None, delimiter, comment, decimal })
    }
}
