//! Formats of rows as flags name them.

use clap::ValueEnum;
use rtrl_tasks::table::rows;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Comma-separated values, with or without a header.
    Csv,
    /// JSON lines: one object per line.
    Json,
}

impl From<Format> for rows::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Csv => Self::Csv,
            Format::Json => Self::Json,
        }
    }
}

impl From<rows::Format> for Format {
    fn from(format: rows::Format) -> Self {
        match format {
            rows::Format::Csv => Self::Csv,
            rows::Format::Json => Self::Json,
        }
    }
}
