//! What is found in the training part of a table.

use serde::{Deserialize, Serialize};

/// What is found in the training part of a table, and suffices to encode any other file of the same kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableFit {
    /// Rows of the training part.
    pub rows: u64,
    /// Sequences of the training part.
    pub sequences: u64,
    /// The columns that the net reads, in their order.
    pub inputs: Vec<TableColumn>,
    /// The columns that it predicts, in their order.
    pub targets: Vec<TableColumn>,
}

/// A column, as it is in the training part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// What is subtracted from its numbers: their mean, or 0 if they are not scaled.
    pub mean: f64,
    /// By what its numbers are then divided: their standard deviation, or 1 if they are constant or not scaled.
    pub deviation: f64,
    /// Its categories, in the order in which they are numbered. Default: none, as it holds numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
}

impl TableColumn {
    /// Whether it holds numbers rather than categories.
    #[must_use]
    pub fn is_number(&self) -> bool {
        self.categories.is_empty()
    }

    /// Entries that it takes in the input of a net: one for a number, one for each category.
    #[must_use]
    pub fn width(&self) -> usize {
        self.categories.len().max(1)
    }
}

impl TableFit {
    /// Names of the target columns, in the order of the predictions.
    pub fn target_names(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(|column| column.name.as_str())
    }

    /// Names of the classes that the net predicts, by their symbols; `None` if it predicts numbers.
    #[must_use]
    pub fn classes(&self) -> Option<&[String]> {
        match self.targets.as_slice() {
            [column] if !column.is_number() => Some(&column.categories),
            _ => None,
        }
    }

    /// A prediction of the target of index `target`, or a target, in the unit of its column.
    ///
    /// # Panics
    /// If there is no such target.
    #[must_use]
    pub fn unscale(&self, target: usize, value: f64) -> f64 {
        let column = &self.targets[target];
        value * column.deviation + column.mean
    }

    /// What is wrong with the fit, if it has not been made by this crate or has been changed.
    pub(super) fn complaint(&self) -> Option<String> {
        let scale = |column: &TableColumn| {
            column.mean.is_finite() && column.deviation.is_finite() && column.deviation > 0.0
        };
        let unique = |names: &[String]| {
            let mut names: Vec<&String> = names.iter().collect();
            names.sort_unstable();
            names.windows(2).all(|pair| pair[0] != pair[1])
        };
        let mut all = self.inputs.iter().chain(&self.targets);
        if let Some(column) = all.find(|column| !scale(column) || !unique(&column.categories)) {
            return Some(format!("not valid for column `{}`", column.name));
        }
        let numbers = self.targets.iter().all(TableColumn::is_number);
        let valid =
            !self.inputs.is_empty() && !self.targets.is_empty() && (numbers || self.targets.len() == 1);
        (!valid).then(|| "without inputs or targets, or with several columns of classes".to_string())
    }
}
