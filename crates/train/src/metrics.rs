//! Measurements of a run, as JSON lines.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Alignment, TrainError};

/// One line of the metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Time steps made.
    pub step: u64,
    /// Symbols seen: time steps times lanes.
    pub characters: u64,
    /// Mean loss since the last record, in bits per target; none if there was no target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<f64>,
    /// Level of the task's curriculum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<u32>,
    /// Loss on held-out data, in bits per target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_bits: Option<f64>,
    /// How passive estimators compare with their reference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alignment: Vec<Alignment>,
    /// Seconds since the run began: the only field that differs from one execution to the next.
    pub seconds: f64,
}

/// Writes records, each flushed as it is written.
#[derive(Debug)]
pub(crate) struct Writer {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Writer {
    pub fn create(path: &Path) -> Result<Self, TrainError> {
        let file = File::create(path).map_err(TrainError::file("create", path))?;
        Ok(Self { path: path.to_path_buf(), file: BufWriter::new(file) })
    }

    pub fn write(&mut self, record: &Record) -> Result<(), TrainError> {
        serde_json::to_writer(&mut self.file, record)
            .map_err(std::io::Error::from)
            .and_then(|()| self.file.write_all(b"\n"))
            .and_then(|()| self.file.flush())
            .map_err(TrainError::file("write", &self.path))
    }
}

/// Reads the records of a run.
///
/// # Errors
/// If the file cannot be read, or a line is not a record: the message names the line.
pub fn read_metrics(path: &Path) -> Result<Vec<Record>, TrainError> {
    let text = std::fs::read_to_string(path).map_err(TrainError::file("read", path))?;
    let record = |(index, line)| {
        serde_json::from_str(line).map_err(|error: serde_json::Error| TrainError::Damaged {
            path: path.to_path_buf(),
            line: index + 1,
            reason: error.to_string(),
        })
    };
    text.lines().enumerate().map(record).collect()
}
