//! A table that somebody has: CSV, TSV, JSON lines, NPY or NPZ, with many sequences or one long series.
//!
//! A first pass over the files finds where sequences begin. A second one finds what is in the columns of the
//! training part (means, deviations and categories, a [`TableFit`]), and checks the other parts by it. Steps are
//! then read by position, with one buffer for each lane, so memory does not grow with the rows of the files. What
//! is kept is where each sequence begins, and at most 4096 places between. An array of an NPZ file is unpacked
//! into a temporary file first, since what is compressed cannot be read by position.
//!
//! [`rows`], [`cell`] and [`header`] read texts; `rtrl stream` reads by them too.

pub mod cell;
mod config;
mod encoder;
mod error;
mod fit;
pub mod header;
mod index;
mod lane;
mod learn;
mod lines;
mod npy;
mod parts;
pub mod rows;
mod source;
mod task;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use config::{TableConfig, TableMissing, TableSplit, TableTargets};
pub use error::{RowNumber, TableError, TableFault};
pub use fit::{TableColumn, TableFit};
pub use task::TableTask;

use cell::{Cell, Reading};
use config::refused;
use encoder::Encoder;
use index::Index;
use lane::Table;
use learn::{Learned, learn};
use parts::{Parts, Span, limited, pieces, too_short};
use source::{Cursor, Files};
use task::Deal;

use crate::{BuildTask, Evaluation, Part, Signal, Step, Task, TaskError};

/// Files that were read once.
struct Survey {
    files: Arc<Files>,
    index: Index,
    /// Indices of the columns.
    inputs: Vec<usize>,
    targets: Vec<usize>,
    /// Whether each column holds text, by its first value.
    texts: Vec<bool>,
}

/// Least rows of a piece of a held-out series that is evaluated side by side with others.
const LEAST_PIECE: u64 = 1000;

impl TableConfig {
    /// Opens files of the format that the configuration describes.
    fn open(&self, paths: &[PathBuf]) -> Result<Arc<Files>, TaskError> {
        let dialect = self.dialect()?;
        let reading = Reading::new(&self.missing_values, dialect.decimal);
        Files::open(paths, dialect, self.header, reading).map(Arc::new)
    }

    /// Reads the files once.
    fn survey(&self) -> Result<Survey, TaskError> {
        self.validate()?;
        let files = self.open(&self.files)?;
        let sequence = self.sequence.as_deref().map(|name| files.find(name)).transpose()?;
        let all = |names: &[String]| names.iter().map(|name| files.find(name)).collect::<Result<Vec<_>, _>>();
        let (mut inputs, targets) = (all(&self.inputs)?, all(&self.targets)?);
        let now = self.rows_ahead() == 0;
        if inputs.is_empty() {
            let free = |i: &usize| Some(*i) != sequence && !(now && targets.contains(i));
            inputs = (0..files.columns.len()).filter(free).collect();
        }
        if inputs.is_empty() {
            return Err(refused("inputs", "empty", "columns other than the targets, at least one"));
        }
        for (field, columns) in [("inputs", &inputs), ("targets", &targets)] {
            if let Some((_, &i)) = columns.iter().enumerate().find(|&(at, i)| columns[..at].contains(i)) {
                let value = format!("a list with column `{}` in it twice", files.columns[i]);
                return Err(refused(field, value, "each column once, by name or by number"));
            }
        }
        if let Some(&same) = inputs.iter().find(|i| now && !self.leak && targets.contains(i)) {
            let target = files.columns[same].clone();
            return Err(TaskError::Table(Box::new(TableError {
                path: files.path(0).to_path_buf(),
                row: None,
                column: Some(target.clone()),
                fault: TableFault::Leak { target, horizon: 0 },
            })));
        }
        let mut texts = vec![None; files.columns.len()];
        let index = Index::new(&files, sequence, |content| {
            for &i in inputs.iter().chain(&targets) {
                texts[i] =
                    texts[i].or_else(|| match encoder::cell(&files, content, Some(i), &files.columns[i]) {
                        Cell::Missing => None,
                        Cell::Number(_) => Some(false),
                        Cell::Text(_) => Some(true),
                    });
            }
        })?;
        let texts = texts.into_iter().map(|text| text == Some(true)).collect();
        Ok(Survey { files, index, inputs, targets, texts })
    }

    /// The fit that the configuration has, or that of the training part, after which all other parts are checked.
    fn fitted(&self, survey: &Survey, parts: &Parts) -> Result<TableFit, TaskError> {
        let Survey { files, index, inputs, targets, texts } = survey;
        if let Some(fit) = &self.fit {
            let named = |columns: &[TableColumn], found: &[usize]| {
                let names = found.iter().map(|&i| &files.columns[i]);
                columns.iter().map(|column| &column.name).eq(names)
            };
            if !named(&fit.inputs, inputs) || !named(&fit.targets, targets) {
                return Err(refused(
                    "fit",
                    "of other columns",
                    "what was found in this table, or leave it out",
                ));
            }
            return self.checked(fit).cloned();
        }
        let named: Vec<usize> =
            self.categories.iter().map(|name| files.find(name)).collect::<Result<_, _>>()?;
        if let Some(i) = named.iter().find(|i| !inputs.contains(i)) {
            let value = format!("a list with `{}` in it, which is no input", files.columns[*i]);
            return Err(refused("categories", value, "columns among the inputs"));
        }
        let classes: Vec<bool> = targets.iter().map(|&i| self.classes || texts[i]).collect();
        if classes.contains(&true) && targets.len() > 1 {
            let names: Vec<_> = targets.iter().map(|&i| files.columns[i].as_str()).collect();
            return Err(refused("targets", names.join(", "), "columns of numbers, or one column of classes"));
        }
        let learned = (
            inputs.iter().map(|&i| Learned::new(i, texts[i] || named.contains(&i))).collect(),
            targets.iter().zip(classes).map(|(&i, classes)| Learned::new(i, classes)).collect(),
        );
        let mut cursor = Cursor::new(files)?;
        let fit = learn(self, files, index, &mut cursor, &parts.training, learned)?;
        let encoder = Encoder::new(&fit, files, self.missing, false)?;
        let (inputs, targets) = encoder.len();
        let (mut values, mut before, mut text) =
            (vec![0.0; inputs + targets], vec![0.0; inputs], String::new());
        for span in parts.valid.iter().chain(&parts.test) {
            index.go_to(&mut cursor, span.first)?;
            encoder.nothing(&mut before);
            for row in 0..span.rows {
                let Some(place) = cursor.next()? else { break };
                let Some(content) = cursor.content() else { break };
                let asked = self.at == TableTargets::Row || row + 1 == span.rows;
                encoder.encode(files, &content, place, asked, &before, &mut text, &mut values)?;
                before.copy_from_slice(&values[..inputs]);
            }
        }
        Ok(fit)
    }

    /// The fit, unless it has been changed to something that no table has.
    fn checked<'a>(&self, fit: &'a TableFit) -> Result<&'a TableFit, TaskError> {
        match fit.complaint() {
            None => Ok(fit),
            Some(complaint) => {
                Err(refused("fit", complaint, "what was found in the training part, or leave it out"))
            }
        }
    }

    /// The table, its parts, and whether it is one long series.
    fn table(&self) -> Result<(Arc<Table>, Parts, bool), TaskError> {
        let survey = self.survey()?;
        let parts = Parts::new(self, &survey.files, &survey.index)?;
        let fit = self.fitted(&survey, &parts)?;
        let Survey { files, index, .. } = survey;
        let is_series = index.sequences.len() == 1;
        let encoder = Encoder::new(&fit, &files, self.missing, false)?;
        Ok((Arc::new(self.read_by(files, index, encoder)), parts, is_series))
    }

    fn read_by(&self, files: Arc<Files>, index: Index, encoder: Encoder) -> Table {
        let at_end = self.at == TableTargets::End;
        Table { files, index, encoder, horizon: self.rows_ahead(), at_end }
    }

    /// The steps of another file, in one lane and in the order of its rows, encoded by the [`fit`](Self::fit).
    /// Targets may be missing, and so may their columns; sequences may be of any length.
    ///
    /// # Errors
    /// [`TaskError::Config`] without a fit, [`TaskError::Table`] for a file that is no table of this kind, and
    /// the errors of [`Corpus::open`](crate::Corpus::open).
    pub fn encode(&self, path: impl AsRef<Path>) -> Result<TableRows, TaskError> {
        self.validate()?;
        let Some(fit) = &self.fit else {
            return Err(refused("fit", "empty", "what `resolved` finds in the training part"));
        };
        let fit = self.checked(fit)?;
        let files = self.open(&[path.as_ref().to_path_buf()])?;
        let sequence = self.sequence.as_deref().map(|name| files.find(name)).transpose()?;
        let encoder = Encoder::new(fit, &files, self.missing, true)?;
        let index = Index::new(&files, sequence, |_| ())?;
        let span = |s: &index::Sequence| Span { first: s.first, rows: s.rows, until: s.first + s.rows };
        let spans: Vec<Span> = index.sequences.iter().map(span).collect();
        let steps = TableTask::steps(&spans, 1);
        let mut table = self.read_by(files, index, encoder);
        // A longer way to the target leads out of every sequence too, and needs no rows to be remembered.
        table.horizon = table.horizon.min(spans.iter().map(|span| span.rows).max().unwrap_or(0));
        let table = Arc::new(table);
        Ok(TableRows { task: TableTask::new(table, spans, Deal::Once { steps }, 1)?, left: steps })
    }
}

impl BuildTask for TableConfig {
    fn resolved(&self) -> Result<Self, TaskError> {
        let survey = self.survey()?;
        let parts = Parts::new(self, &survey.files, &survey.index)?;
        Ok(Self { fit: Some(self.fitted(&survey, &parts)?), ..self.clone() })
    }

    fn build(&self, lanes: usize, seed: u64) -> Result<Box<dyn Task>, TaskError> {
        if lanes == 0 {
            return Err(TaskError::NoLanes);
        }
        let (table, parts, is_series) = self.table()?;
        let (spans, deal) = match parts.training.as_slice() {
            &[series] if is_series && self.at == TableTargets::Row => {
                // Each piece must have a target of its own.
                let need = (table.horizon + 1).saturating_mul(lanes as u64);
                if series.rows < need {
                    let why = " for one target in each lane: choose fewer `lanes`";
                    return Err(too_short(&table.files, &table.index, &series, "training", need, why));
                }
                (pieces(series, lanes), Deal::Own)
            }
            _ => (parts.training, Deal::Shuffled { seed }),
        };
        Ok(Box::new(TableTask::new(table, spans, deal, lanes)?))
    }

    fn evaluation(
        &self,
        part: Part,
        lanes: usize,
        max_bytes: Option<u64>,
    ) -> Result<Option<Evaluation>, TaskError> {
        if lanes == 0 {
            return Err(TaskError::NoLanes);
        }
        let (table, parts, is_series) = self.table()?;
        let spans = match part {
            Part::Valid => parts.valid,
            Part::Test => parts.test,
        };
        if spans.is_empty() {
            return Ok(None);
        }
        let mut spans = limited(spans, self, max_bytes)?;
        if let &[series] = spans.as_slice()
            && is_series
            && self.at == TableTargets::Row
        {
            // A net begins each piece at rest, so pieces must be so long that their first rows do not count.
            let most = usize::try_from(series.rows / LEAST_PIECE).unwrap_or(lanes).max(1);
            spans = pieces(series, lanes.min(most));
        }
        let steps = TableTask::steps(&spans, lanes);
        let task = TableTask::new(table, spans, Deal::Once { steps }, lanes)?;
        Ok(Some(Evaluation { task: Box::new(task), steps }))
    }

    /// Of the contents of all files, in their order.
    fn fingerprint(&self) -> Result<Option<u64>, TaskError> {
        self.validate()?;
        self.open(&self.files)?.fingerprint().map(Some)
    }
}

/// The rows of a file in order, as the steps of one lane: see [`TableConfig::encode`].
#[derive(Debug)]
pub struct TableRows {
    task: TableTask,
    left: u64,
}

impl TableRows {
    /// What a net reads.
    #[must_use]
    pub fn inputs(&self) -> Signal {
        self.task.inputs()
    }

    /// What a net predicts.
    #[must_use]
    pub fn targets(&self) -> Signal {
        self.task.targets()
    }

    /// A buffer for the steps.
    #[must_use]
    pub fn step(&self) -> Step {
        Step::new(&self.task, 1)
    }

    /// Rows that have not been read.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Writes the next row to `step`. Returns whether there was one.
    ///
    /// # Errors
    /// [`TaskError::Table`] for a row that cannot be encoded, or another error if the file cannot be read.
    ///
    /// # Panics
    /// If `step` is not of one lane and of these signals.
    pub fn next(&mut self, step: &mut Step) -> Result<bool, TaskError> {
        if self.left == 0 {
            return Ok(false);
        }
        self.left -= 1;
        self.task.next(step).map(|()| true)
    }

    /// The line or the row of the file that the last step is from; `None` before the first.
    #[must_use]
    pub fn row(&self) -> Option<RowNumber> {
        self.task.row(0).map(|(_, row)| row)
    }
}
