//! What can be wrong with a table.

use std::fmt;
use std::path::PathBuf;

/// Names of columns that a message lists at most.
const LISTED: usize = 40;

/// Why a table cannot be used, and where. The message is one line with the file, the row and the column.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub struct TableError {
    /// The file; for an array of an NPZ file, followed by the array's name.
    pub path: PathBuf,
    /// The row, if one row is to blame.
    pub row: Option<RowNumber>,
    /// The column, if one column is to blame.
    pub column: Option<String>,
    /// What is wrong.
    pub fault: TableFault,
}

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowNumber {
    /// The line of a text with which the row begins, from 1.
    Line(u64),
    /// The row of an array, from 1.
    Row(u64),
}

/// What is wrong with a table.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TableFault {
    /// A row has another number of cells than those before.
    #[error("{found} cells where there should be {expected}: complete the row, or leave it out")]
    Ragged {
        /// Cells of the row.
        found: usize,
        /// Columns of the table.
        expected: usize,
    },
    /// A line is no row of the format.
    #[error("{reason}")]
    Malformed {
        /// What the reader says.
        reason: String,
    },
    /// Text stands in a column of numbers.
    #[error("`{text}` is no finite number{hint}")]
    NotANumber {
        /// The cell, shortened.
        text: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// A number is so large that a net cannot read it as a 32-bit number.
    #[error("{value} is too large for a net: correct it, or scale the column")]
    TooLarge {
        /// The number, in the units of the file.
        value: f64,
    },
    /// A category does not occur in the training part.
    #[error(
        "category `{text}` does not occur in the training part: correct it, split the table in another way, \
         or leave the column out"
    )]
    Unseen {
        /// The cell, shortened.
        text: String,
    },
    /// A column has more categories than can be told apart.
    #[error("more than {most} categories: leave the column out, or correct it if it should hold numbers")]
    TooManyCategories {
        /// Most categories of a column.
        most: usize,
    },
    /// A value is missing.
    #[error("no value: fill it in, or set `missing` to \"last\" or \"zero\"")]
    Missing,
    /// A column has no value in the training part.
    #[error("no value in the training part: leave the column out")]
    NoValue,
    /// A column is asked for that does not exist.
    #[error("there is no such column; there are: {}", Names(.columns))]
    NoColumn {
        /// The columns that exist.
        columns: Vec<String>,
    },
    /// Two columns have one name.
    #[error("columns {first} and {second} both have this name: rename one of them")]
    Repeated {
        /// Number of the first, from 1.
        first: usize,
        /// Number of the second, from 1.
        second: usize,
    },
    /// A file has other columns than the first file.
    #[error("the columns are {}, but those of the first file are {}", Names(.found), Names(.expected))]
    OtherColumns {
        /// Columns of this file.
        found: Vec<String>,
        /// Columns of the first file.
        expected: Vec<String>,
    },
    /// A file has another format than the first file.
    #[error("this is {found}, but the first file is {expected}: give files of one format")]
    OtherFormat {
        /// Format of this file.
        found: &'static str,
        /// Format of the first file.
        expected: &'static str,
    },
    /// A file has no rows.
    #[error("there are no rows")]
    NoRows,
    /// A sequence goes on after another one has begun.
    #[error("sequence `{name}` goes on here, after another one: sort the table by sequence")]
    Scattered {
        /// The value of the column of sequences, shortened.
        name: String,
    },
    /// A sequence, or the part of it that belongs to one part of the data, has too few rows.
    #[error("the sequence that begins here has {rows} rows in the {part} part, but {need} are needed{why}")]
    TooShort {
        /// `"training"`, `"validation"` or `"test"`.
        part: &'static str,
        /// Rows that it has.
        rows: u64,
        /// Rows that it needs.
        need: u64,
        /// For what, and what to do.
        why: &'static str,
    },
    /// A part of the data has nothing in it.
    #[error("the {part} part is empty: a share of {share} of {of} {unit} is none; set another share{hint}")]
    EmptyPart {
        /// `"training"`, `"validation"` or `"test"`.
        part: &'static str,
        /// The share that the configuration asks for.
        share: f64,
        /// Sequences or rows there are.
        of: u64,
        /// `"sequences"` or `"rows"`.
        unit: &'static str,
        /// What else can be done.
        hint: &'static str,
    },
    /// An input tells the target.
    #[error(
        "this input equals the target `{target}` {horizon} rows ahead wherever both are known in the training part: \
         leave it out of `inputs`, or set `leak = true` if that is meant"
    )]
    Leak {
        /// The column of the target.
        target: String,
        /// Rows from the input to the target.
        horizon: u64,
    },
    /// A file that should hold an array of numbers does not.
    #[error("{reason}")]
    Array {
        /// What it holds instead.
        reason: String,
    },
}

/// Names with commas between them.
struct Names<'a>(&'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0[..self.0.len().min(LISTED)].join(", "))?;
        match self.0.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, ", … ({more} more)"),
        }
    }
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.path)?;
        match self.row {
            Some(RowNumber::Line(line)) => write!(f, ", line {line}")?,
            Some(RowNumber::Row(row)) => write!(f, ", row {row}")?,
            None => {}
        }
        if let Some(column) = &self.column {
            write!(f, ", column `{column}`")?;
        }
        write!(f, ": {}", self.fault)
    }
}
