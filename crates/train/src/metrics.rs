//! The metrics of a run, as JSON lines.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::number::is_zero;
use crate::{Alignment, RunConfig, TrainError};

/// One line of the metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Number of time steps made.
    pub step: u64,
    /// Symbols seen: time steps times lanes.
    pub characters: u64,
    /// Mean loss since the last record, in bits per target; none without a target, or if targets are numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<f64>,
    /// Mean squared error per target since the last record; none without a target, or if targets are symbols.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<f64>,
    /// Level of the task's curriculum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<u32>,
    /// Loss on held-out data, in bits per target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_bits: Option<f64>,
    /// Mean squared error per target on held-out data, if targets are numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_error: Option<f64>,
    /// Number of lanes since the last record that became NaN or infinite and began a new sequence.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped_lanes: u64,
    /// Why the run has gone back to this step; none if it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<String>,
    /// How the passive estimators compare with their reference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alignment: Vec<Alignment>,
    /// Seconds since the run began: the only field that differs from one execution to the next.
    pub seconds: f64,
}

impl Record {
    /// A record without measurements.
    pub(crate) fn at(step: u64, config: &RunConfig, seconds: f64) -> Self {
        Self {
            step,
            characters: step * config.training.lanes as u64,
            bits: None,
            error: None,
            level: None,
            valid_bits: None,
            valid_error: None,
            skipped_lanes: 0,
            rolled_back: None,
            alignment: Vec::new(),
            seconds,
        }
    }
}

/// Writes each record to the file at once.
#[derive(Debug)]
pub(crate) struct Writer {
    path: PathBuf,
    file: File,
    /// Seconds of the last record that was kept.
    pub seconds: f64,
}

impl Writer {
    /// Opens a file to write after its first `records` lines. What follows them is cut off.
    pub fn go_on(path: &Path, records: u64) -> Result<Self, TrainError> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(TrainError::file("open", path))?;
        let mut writer = Self { path: path.to_path_buf(), file, seconds: 0.0 };
        writer.cut(records)?;
        Ok(writer)
    }

    fn cut(&mut self, records: u64) -> Result<(), TrainError> {
        let failed = |source| TrainError::file("read", &self.path)(source);
        let mut content = Vec::new();
        self.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        self.file.read_to_end(&mut content).map_err(failed)?;
        let lines: Vec<_> = content.split_inclusive(|&byte| byte == b'\n').take(records as usize).collect();
        let whole = lines.iter().filter(|line| line.ends_with(b"\n")).count();
        if (whole as u64) < records {
            let reason = format!("the checkpoint knows of {records} records, {whole} are left");
            return Err(TrainError::Damaged { path: self.path.clone(), line: whole + 1, reason });
        }
        // If the last line is damaged, its seconds are unknown and time begins at zero.
        let last = lines.last().and_then(|line| serde_json::from_slice::<Record>(line).ok());
        self.seconds = last.map_or(0.0, |record| record.seconds);
        let len = lines.iter().map(|line| line.len() as u64).sum();
        let cut = self.file.set_len(len).and_then(|()| self.file.seek(SeekFrom::Start(len)));
        cut.map(drop).map_err(TrainError::file("write", &self.path))
    }

    /// Adds a record.
    pub fn write(&mut self, record: &Record) -> Result<(), TrainError> {
        let written = serde_json::to_vec(record).map_err(std::io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            self.file.write_all(&line)
        });
        written.map_err(TrainError::file("write", &self.path))
    }

    /// Flushes the file to the disk.
    pub fn sync(&self) -> Result<(), TrainError> {
        self.file.sync_data().map_err(TrainError::file("write", &self.path))
    }
}

/// Reads the records of a run. Where the run has gone back, the undone records of later steps are left out,
/// although they stay in the file.
///
/// # Errors
/// If the file cannot be read, or a line is not a record; the message names the line.
pub fn read_metrics(path: &Path) -> Result<Vec<Record>, TrainError> {
    parse(&std::fs::read_to_string(path).map_err(TrainError::file("read", path))?, path)
}

/// The records in the text of the file at `path`.
pub(crate) fn parse(text: &str, path: &Path) -> Result<Vec<Record>, TrainError> {
    let record = |(index, line)| {
        serde_json::from_str(line).map_err(|error: serde_json::Error| TrainError::Damaged {
            path: path.to_path_buf(),
            line: index + 1,
            reason: error.to_string(),
        })
    };
    let mut records: Vec<Record> = Vec::new();
    for record in text.lines().enumerate().map(record) {
        let record: Record = record?;
        if record.rolled_back.is_some() {
            records.retain(|earlier| earlier.step <= record.step);
        }
        records.push(record);
    }
    Ok(records)
}
