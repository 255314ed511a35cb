//! What the net reads of a series, and the statistics by which it is standardized.

use crate::ring::Ring;
use crate::scaler::Scaler;
use crate::{Columns, SeriesConfig};

/// The last row, and the inputs of the last rows.
pub struct Inputs {
    /// The columns that are read, but for a column of classes.
    columns: Vec<usize>,
    /// Those of them that have lags.
    lagged: Vec<usize>,
    lags: Vec<usize>,
    /// Columns from this index on are read as they are.
    exact: usize,
    /// The column of classes that is read, and the number of classes: an input for each.
    classes: Option<(usize, usize)>,
    /// Statistics of the values of each column.
    pub values: Scaler,
    /// The last row as the net reads it: in place of a missing value a prediction, or the value before it; for a class NaN.
    pub row: Vec<f64>,
    /// The last value that was observed in each column; NaN before the first.
    pub observed: Vec<f64>,
    /// What the net read in the last rows, as many as the greatest horizon: inputs, lagged inputs, then classes.
    pub read: Ring<f32>,
    /// Inputs of earlier rows, for the lags.
    pub past: Ring<f64>,
}

impl Inputs {
    pub fn new(settings: &SeriesConfig, columns: &Columns) -> Self {
        let (width, exact) = (columns.names().len(), columns.exact());
        let classes = columns.classes().map(|count| (columns.targets()[0], count));
        let is_class = |column: usize| classes.is_some_and(|(class, _)| class == column);
        let (class, inputs): (Vec<usize>, Vec<usize>) =
            columns.inputs().iter().partition(|&&column| is_class(column));
        let classes = classes.filter(|_| !class.is_empty());
        let lagged: Vec<usize> = inputs.iter().copied().filter(|&column| column < exact).collect();
        let reads = inputs.len() + lagged.len() * settings.lags.len() + classes.map_or(0, |(_, count)| count);
        Self {
            values: Scaler::new(width, settings.scale_rows),
            row: vec![0.0; width],
            observed: vec![f64::NAN; width],
            read: Ring::new(settings.furthest(), reads, 0.0),
            past: Ring::new(settings.lags.last().copied().unwrap_or(0), lagged.len(), 0.0),
            columns: inputs,
            lagged,
            lags: settings.lags.clone(),
            exact,
            classes,
        }
    }

    /// Number of inputs of the net.
    pub fn reads(&self) -> usize {
        self.columns.len() + self.lagged.len() * self.lags.len() + self.classes.map_or(0, |(_, count)| count)
    }

    /// The next row has nothing to do with those before it.
    pub fn begin_sequence(&mut self) {
        self.past.clear();
        self.read.clear();
    }

    /// Makes `row` the last row, and updates the statistics; a missing value stays as it was in the row before, or as the
    /// caller has set it. Returns the number of missing values.
    pub fn take_in(&mut self, row: &[Option<f64>]) -> u64 {
        let mut missing = 0;
        for (column, value) in row.iter().enumerate() {
            match finite(*value) {
                Some(value) if column >= self.exact => self.row[column] = value,
                Some(value) => {
                    self.values.update(column, value);
                    self.row[column] = value;
                    self.observed[column] = value;
                }
                None => missing += 1,
            }
        }
        missing
    }

    /// Adds the inputs of the last row to those that the net reads.
    pub fn push(&mut self) {
        let read = self.read.push();
        let (now, rest) = read.split_at_mut(self.columns.len());
        let (earlier, classes) = rest.split_at_mut(self.lagged.len() * self.lags.len());
        for (read, &column) in now.iter_mut().zip(&self.columns) {
            *read = match column < self.exact {
                true => self.values.standardized(column, self.row[column]),
                false => self.row[column] as f32,
            };
        }
        for (lag, read) in self.lags.iter().zip(earlier.chunks_exact_mut(self.lagged.len().max(1))) {
            match self.past.row(lag - 1) {
                Some(past) => {
                    for ((read, &x), &column) in read.iter_mut().zip(past).zip(&self.lagged) {
                        *read = self.values.standardized(column, x);
                    }
                }
                // Rows before the first are taken to have had the mean.
                None => read.fill(0.0),
            }
        }
        if let Some((column, _)) = self.classes {
            // All are 0 if the class is missing.
            let class = self.row[column];
            classes
                .iter_mut()
                .enumerate()
                .for_each(|(i, read)| *read = f32::from(u8::from(i as f64 == class)));
        }
        for (past, &column) in self.past.push().iter_mut().zip(&self.lagged) {
            *past = self.row[column];
        }
    }
}

/// A number, unless it is missing, NaN or infinite.
pub fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|x| x.is_finite())
}
