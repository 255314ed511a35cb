//! The training, validation and test parts of a table.

use super::config::{TableConfig, TableSplit, TableTargets, refused};
use super::error::{TableError, TableFault};
use super::index::Index;
use super::source::Files;
use crate::TaskError;

/// Consecutive rows that a lane reads from a reset state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// The first row, counted through all files from 0.
    pub first: u64,
    /// Number of rows.
    pub rows: u64,
    /// One past the last row that may be a target.
    pub until: u64,
}

/// The rows of each part.
#[derive(Debug)]
pub(super) struct Parts {
    pub training: Vec<Span>,
    pub valid: Vec<Span>,
    pub test: Vec<Span>,
}

impl Parts {
    /// Divides the table as the configuration says.
    pub fn new(config: &TableConfig, files: &Files, index: &Index) -> Result<Self, TaskError> {
        let several = index.sequences.len() > 1 || config.at == TableTargets::End;
        let split = config.split.unwrap_or(if several { TableSplit::Sequence } else { TableSplit::Time });
        let mut parts = Self { training: Vec::new(), valid: Vec::new(), test: Vec::new() };
        let span = |first, rows| Span { first, rows, until: first + rows };
        let share = |of: u64, unit| {
            let part = |share: f64| (of as f64 * share).round() as u64;
            let (valid, test) = (part(config.valid), part(config.test));
            let empty = |part, share| {
                let hint = if unit == "rows" { "" } else { ", or `split = \"time\"`" };
                let hint = if config.at == TableTargets::End { "" } else { hint };
                let fault = TableFault::EmptyPart { part, share, of, unit, hint };
                let path = files.path(0).to_path_buf();
                TaskError::Table(Box::new(TableError { path, row: None, column: None, fault }))
            };
            for (part, share, count) in [("validation", config.valid, valid), ("test", config.test, test)] {
                if share > 0.0 && count == 0 {
                    return Err(empty(part, share));
                }
            }
            match of.checked_sub(valid + test) {
                None | Some(0) => Err(empty("training", 1.0 - config.valid - config.test)),
                Some(training) => Ok((training, valid, test)),
            }
        };
        match split {
            TableSplit::Sequence => {
                let (training, valid, _) = share(index.sequences.len() as u64, "sequences")?;
                for (i, sequence) in (0..).zip(&index.sequences) {
                    let part = match i {
                        _ if i < training => &mut parts.training,
                        _ if i < training + valid => &mut parts.valid,
                        _ => &mut parts.test,
                    };
                    part.push(span(sequence.first, sequence.rows));
                }
            }
            TableSplit::Time => {
                for sequence in &index.sequences {
                    let (training, valid, test) = share(sequence.rows, "rows")?;
                    let (middle, last) = (sequence.first + training, sequence.first + training + valid);
                    parts.training.push(span(sequence.first, training));
                    parts.valid.extend((valid > 0).then(|| span(middle, valid)));
                    parts.test.extend((test > 0).then(|| span(last, test)));
                }
            }
        }
        let need = config.rows_ahead().saturating_add(1);
        let named = [("training", &parts.training), ("validation", &parts.valid), ("test", &parts.test)];
        for (part, spans) in named {
            if let Some(short) = spans.iter().find(|span| span.rows < need) {
                let why =
                    " for one target: leave the sequence out, or choose a smaller `horizon` or another split";
                return Err(too_short(files, index, short, part, need, why));
            }
        }
        Ok(parts)
    }
}

/// The error for a span with fewer than `need` rows.
pub(super) fn too_short(
    files: &Files,
    index: &Index,
    span: &Span,
    part: &'static str,
    need: u64,
    why: &'static str,
) -> TaskError {
    let fault = TableFault::TooShort { part, rows: span.rows, need, why };
    files.error(index.sequence(span.first).place, None, fault)
}

/// One series in one piece for each lane, of equal lengths but for one row; targets may stand in the piece after.
pub(super) fn pieces(series: Span, lanes: usize) -> Vec<Span> {
    let (share, longer) = (series.rows / lanes as u64, series.rows % lanes as u64);
    let piece = |b: u64| Span {
        first: series.first + b * share + b.min(longer),
        rows: share + u64::from(b < longer),
        until: series.until,
    };
    (0..lanes as u64).map(piece).filter(|piece| piece.rows > 0).collect()
}

/// The spans with their first `most` targets alone.
pub(super) fn limited(
    spans: Vec<Span>,
    config: &TableConfig,
    most: Option<u64>,
) -> Result<Vec<Span>, TaskError> {
    let Some(mut left) = most else { return Ok(spans) };
    if left == 0 {
        return Err(refused("max_bytes", "0", "a number of predictions, 1 or more, or leave it out"));
    }
    let mut kept = Vec::new();
    for span in spans {
        if left == 0 {
            break;
        }
        let targets = match config.at {
            TableTargets::Row => span.rows - config.rows_ahead().min(span.rows),
            TableTargets::End => 1,
        };
        // What is left over of a sequence has no targets in the rows that are cut off.
        let rows = if targets > left { left } else { span.rows };
        kept.push(Span { rows, ..span });
        left -= targets.min(left);
    }
    Ok(kept)
}
