//! Which numbers of a row a forecaster reads, and which it predicts.

use rtrl_train::ConfigError;
use serde::{Deserialize, Serialize};

/// The numbers of a row, by name. Those that are neither read nor predicted are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// Names of all numbers of a row.
    names: Vec<String>,
    /// Indices of the numbers that the net reads.
    inputs: Vec<usize>,
    /// Indices of the numbers that it predicts.
    targets: Vec<usize>,
    /// Numbers from this index on are read as they are.
    exact: usize,
    /// Number of classes, if the target is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    classes: Option<usize>,
}

impl Columns {
    /// Rows of the numbers `names`; the net reads those at the indices `inputs` and predicts those at `targets`.
    ///
    /// # Errors
    /// If nothing is read or predicted, an index is out of range, or one of a list comes twice.
    pub fn new(names: Vec<String>, inputs: Vec<usize>, targets: Vec<usize>) -> Result<Self, ConfigError> {
        for (field, list) in [("inputs", &inputs), ("targets", &targets)] {
            let distinct = list.iter().enumerate().all(|(i, column)| !list[..i].contains(column));
            if list.is_empty() || !distinct || list.iter().any(|&column| column >= names.len()) {
                let allowed = "one or more distinct indices of columns";
                let found = format!("{list:?} of {} columns", names.len());
                return Err(ConfigError::Value { field, allowed, found });
            }
        }
        Ok(Self { exact: names.len(), names, inputs, targets, classes: None })
    }

    /// Rows of the numbers `names`, each of which is read and predicted.
    ///
    /// # Errors
    /// If there are none.
    pub fn all<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Result<Self, ConfigError> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let all: Vec<usize> = (0..names.len()).collect();
        Self::new(names, all.clone(), all)
    }

    /// From index `exact` on the net reads the numbers as they are, such as indicators of categories or the time of day.
    /// They are not standardized, and have no lags.
    ///
    /// # Errors
    /// If one of them is a target.
    pub fn exact_from(mut self, exact: usize) -> Result<Self, ConfigError> {
        let numbers = self.targets.iter().filter(|_| self.classes.is_none());
        if let Some(target) = numbers.copied().find(|&target| target >= exact) {
            let (allowed, found) =
                ("standardized numbers", format!("column {target}, which is read as it is"));
            return Err(ConfigError::Value { field: "targets", allowed, found });
        }
        self.exact = exact;
        Ok(self)
    }

    /// The target is one of so many classes: its number in a row is an index. If it is an input too, the net reads an
    /// indicator of each class, of which none is set where the class is missing.
    ///
    /// # Errors
    /// If there are several targets, or fewer than 2 classes.
    pub fn with_classes(mut self, classes: usize) -> Result<Self, ConfigError> {
        let (field, found) = match self.targets.len() {
            1 if classes < 2 => ("classes", classes.to_string()),
            1 => {
                self.classes = Some(classes);
                return Ok(self);
            }
            targets => ("targets", format!("{targets} targets")),
        };
        Err(ConfigError::Value { field, allowed: "a single target, of 2 or more classes", found })
    }

    /// Number of classes, if the target is one.
    #[must_use]
    pub fn classes(&self) -> Option<usize> {
        self.classes
    }

    /// Index from which on numbers are read as they are.
    #[must_use]
    pub fn exact(&self) -> usize {
        self.exact
    }

    /// Names of all numbers of a row.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Indices of the numbers that the net reads.
    #[must_use]
    pub fn inputs(&self) -> &[usize] {
        &self.inputs
    }

    /// Indices of the numbers that it predicts.
    #[must_use]
    pub fn targets(&self) -> &[usize] {
        &self.targets
    }
}
