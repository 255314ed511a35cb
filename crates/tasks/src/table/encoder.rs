//! Rows as numbers for a net.

use std::borrow::Cow;
use std::collections::HashMap;

use super::cell::{Cell, category, is_decimal_comma, shown};
use super::config::TableMissing;
use super::error::TableFault;
use super::fit::{TableColumn, TableFit};
use super::header::find;
use super::rows::Record;
use super::source::{Content, Files, Place};
use crate::{Signal, TaskError};

/// The cell of a column, which is at the index `at` unless the rows are JSON objects; without an index it is
/// missing.
pub(super) fn cell<'a>(files: &Files, content: &Content<'a>, at: Option<usize>, name: &str) -> Cell<'a> {
    match (content, at) {
        (Content::Text(Record::Object(object)), _) => {
            object.get(name).map_or(Cell::Missing, |value| files.reading.value(value))
        }
        (_, None) => Cell::Missing,
        (Content::Text(Record::Cells(cells)), Some(at)) => files.reading.cell(&cells[at]),
        (Content::Numbers(row), Some(at)) if row[at].is_nan() => Cell::Missing,
        (Content::Numbers(row), Some(at)) => {
            files.reading.number(row[at]).unwrap_or(Cell::Text(Cow::Borrowed("inf")))
        }
    }
}

/// The fault of a text in a column of numbers.
pub(super) fn not_a_number(files: &Files, text: &str) -> TableFault {
    let hint = if files.reading.decimal() == b'.' && is_decimal_comma(text) {
        ": it has a decimal comma, so set `decimal = \",\"`"
    } else {
        ": correct it, or name it in `missing_values`"
    };
    TableFault::NotANumber { text: shown(text), hint }
}

/// A column and how its cells become numbers.
#[derive(Debug)]
struct Column {
    name: String,
    at: Option<usize>,
    mean: f64,
    deviation: f64,
    /// The categories by name; `None` for numbers.
    categories: Option<HashMap<String, usize>>,
    width: usize,
}

impl Column {
    fn new(column: &TableColumn, at: Option<usize>) -> Self {
        let numbered = || column.categories.iter().cloned().zip(0..).collect();
        Self {
            name: column.name.clone(),
            at,
            mean: column.mean,
            deviation: column.deviation,
            categories: (!column.is_number()).then(numbered),
            width: column.width(),
        }
    }

    /// The scaled number, or the index of the category; NaN for a missing value.
    fn value(&self, files: &Files, content: &Content<'_>, text: &mut String) -> Result<f64, TableFault> {
        let cell = cell(files, content, self.at, &self.name);
        match (&self.categories, cell) {
            (_, Cell::Missing) => Ok(f64::NAN),
            (None, Cell::Number(value)) => {
                let scaled = (value - self.mean) / self.deviation;
                let fits = (scaled as f32).is_finite();
                if fits { Ok(scaled) } else { Err(TableFault::TooLarge { value }) }
            }
            (None, Cell::Text(text)) => Err(not_a_number(files, &text)),
            (Some(categories), cell) => {
                let name = category(&cell, text);
                let found = categories.get(name).map(|&index| index as f64);
                found.ok_or_else(|| TableFault::Unseen { text: shown(name) })
            }
        }
    }
}

/// Encodes rows by what was found in the training part.
#[derive(Debug)]
pub(super) struct Encoder {
    inputs: Vec<Column>,
    targets: Vec<Column>,
    missing: TableMissing,
    /// Whether targets may be missing although `missing` refuses that.
    open: bool,
}

impl Encoder {
    /// The encoder of rows of `files`. If `open`, targets may be missing, and so may their columns.
    pub fn new(fit: &TableFit, files: &Files, missing: TableMissing, open: bool) -> Result<Self, TaskError> {
        let column = |column: &TableColumn, may_lack: bool| match find(&files.columns, &column.name) {
            Some(at) => Ok(Column::new(column, Some(at))),
            None if may_lack || files.is_json() => Ok(Column::new(column, None)),
            None => Err(files.no_column(&column.name)),
        };
        let inputs = fit.inputs.iter().map(|input| column(input, false)).collect::<Result<_, _>>()?;
        let targets = fit.targets.iter().map(|target| column(target, open)).collect::<Result<_, _>>()?;
        Ok(Self { inputs, targets, missing, open })
    }

    /// What a net reads. One column of categories alone is a symbol, if no value can be missing.
    pub fn inputs(&self) -> Signal {
        match self.inputs.as_slice() {
            [Column { categories: Some(categories), .. }] if self.missing == TableMissing::Refuse => {
                Signal::Symbols(categories.len())
            }
            columns => Signal::Values(columns.iter().map(|column| column.width).sum()),
        }
    }

    /// What a net predicts.
    pub fn targets(&self) -> Signal {
        match self.targets.as_slice() {
            [Column { categories: Some(categories), .. }] => Signal::Symbols(categories.len()),
            columns => Signal::Values(columns.len()),
        }
    }

    /// Numbers of input columns and of target columns.
    pub fn len(&self) -> (usize, usize) {
        (self.inputs.len(), self.targets.len())
    }

    /// Writes the values of a row to `to`, those of the inputs and then those of the targets: scaled numbers,
    /// or indices of categories. A missing target is NaN. A missing input is what `missing` says, `before`
    /// being the inputs of the row before in the sequence; a category without a value is NaN. A target that is
    /// not `asked` for may be missing.
    #[expect(clippy::too_many_arguments, reason = "these are the row, what is before it, and the buffers")]
    pub fn encode(
        &self,
        files: &Files,
        content: &Content<'_>,
        place: Place,
        asked: bool,
        before: &[f64],
        text: &mut String,
        to: &mut [f64],
    ) -> Result<(), TaskError> {
        let (inputs, targets) = to.split_at_mut(self.inputs.len());
        for ((column, to), before) in self.inputs.iter().zip(inputs).zip(before) {
            let error = |fault| files.error(place, Some(&column.name), fault);
            let value = column.value(files, content, text).map_err(error)?;
            *to = match self.missing {
                _ if !value.is_nan() => value,
                TableMissing::Refuse => return Err(error(TableFault::Missing)),
                TableMissing::Last => *before,
                TableMissing::Zero => column.nothing(),
            };
        }
        for (column, to) in self.targets.iter().zip(targets) {
            let error = |fault| files.error(place, Some(&column.name), fault);
            *to = column.value(files, content, text).map_err(error)?;
            if to.is_nan() && asked && self.missing == TableMissing::Refuse && !self.open {
                return Err(error(TableFault::Missing));
            }
        }
        Ok(())
    }

    /// Writes inputs that stand for no value at all: those before the first row of a sequence.
    pub fn nothing(&self, to: &mut [f64]) {
        for (column, to) in self.inputs.iter().zip(to) {
            *to = column.nothing();
        }
    }

    /// Writes the input of a net in lane `b` of `lanes`, from the values of a row.
    pub fn fill(&self, values: &[f64], symbols: &mut [u32], numbers: &mut [f32], b: usize, lanes: usize) {
        if let Some(symbol) = symbols.get_mut(b) {
            *symbol = values[0] as u32;
            return;
        }
        let mut at = 0;
        for (column, &value) in self.inputs.iter().zip(values) {
            for i in 0..column.width {
                numbers[(at + i) * lanes + b] = match column.categories {
                    None => value as f32,
                    Some(_) => f32::from(u8::from(value == i as f64)),
                };
            }
            at += column.width;
        }
    }
}

impl Column {
    /// The value of no value: 0, or no category.
    fn nothing(&self) -> f64 {
        if self.categories.is_some() { f64::NAN } else { 0.0 }
    }
}
