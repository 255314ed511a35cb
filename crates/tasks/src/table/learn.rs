//! Means, deviations and categories of the training part, and what is wrong with it.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::cell::{Cell, category};
use super::config::{TableConfig, TableMissing, TableTargets};
use super::encoder::{cell, not_a_number};
use super::error::{TableError, TableFault};
use super::fit::{TableColumn, TableFit};
use super::index::Index;
use super::parts::Span;
use super::source::{Content, Cursor, Files, Place};
use crate::TaskError;

/// Most categories of a column.
const CATEGORIES: usize = 1000;

/// A constant column differs from its mean by its rounding alone, this share of it.
const ROUNDING: f64 = 1e-12;

/// A column of the training part.
#[derive(Debug)]
pub(super) struct Learned {
    at: usize,
    is_category: bool,
    count: u64,
    mean: f64,
    /// Sum of squared differences from the mean.
    squares: f64,
    categories: BTreeSet<String>,
}

impl Learned {
    /// A column of categories or of numbers, of which nothing has been seen.
    pub fn new(at: usize, is_category: bool) -> Self {
        Self { at, is_category, count: 0, mean: 0.0, squares: 0.0, categories: BTreeSet::new() }
    }

    /// Takes in a cell. Returns what tells it apart from other values, of this column and of others; `None` if
    /// it is missing.
    fn see(&mut self, files: &Files, cell: &Cell<'_>, text: &mut String) -> Result<Option<u64>, TableFault> {
        let number = match cell {
            Cell::Missing => return Ok(None),
            Cell::Number(x) => Some(*x),
            Cell::Text(_) => None,
        };
        self.count += 1;
        if self.is_category {
            let name = category(cell, text);
            if !self.categories.contains(name) {
                if self.categories.len() == CATEGORIES {
                    return Err(TableFault::TooManyCategories { most: CATEGORIES });
                }
                self.categories.insert(name.to_string());
            }
        } else {
            let Some(x) = number else { return Err(not_a_number(files, category(cell, text))) };
            if !(x as f32).is_finite() {
                return Err(TableFault::TooLarge { value: x });
            }
            // Welford 1962.
            let difference = x - self.mean;
            self.mean += difference / self.count as f64;
            self.squares += difference * (x - self.mean);
        }
        Ok(Some(match number {
            // Minus zero becomes zero.
            Some(x) => (x + 0.0).to_bits(),
            None => {
                let mut hasher = DefaultHasher::new();
                text.hash(&mut hasher);
                hasher.finish()
            }
        }))
    }

    fn column(self, name: String, scale: bool) -> TableColumn {
        let deviation = (self.squares / self.count as f64).sqrt();
        let varies = deviation > ROUNDING * self.mean.abs();
        let (mean, deviation) = match scale && !self.is_category {
            true => (self.mean, if varies { deviation } else { 1.0 }),
            false => (0.0, 1.0),
        };
        let mut categories: Vec<String> = self.categories.into_iter().collect();
        let numbers: Option<Vec<f64>> = categories.iter().map(|name| name.parse().ok()).collect();
        if numbers.is_some() {
            // Classes that are numbers are in the order of the numbers.
            let number = |name: &String| name.parse().unwrap_or(f64::NAN);
            categories.sort_by(|a, b| number(a).total_cmp(&number(b)));
        }
        TableColumn { name, mean, deviation, categories }
    }
}

/// What has been seen of an input and a target that may be the same.
#[derive(Debug, Clone, Default)]
struct Pair {
    differs: bool,
    varies: bool,
    first: Option<u64>,
}

impl Pair {
    fn see(&mut self, input: Option<u64>, target: Option<u64>) {
        if let (Some(input), Some(target)) = (input, target) {
            self.differs |= input != target;
            self.varies |= *self.first.get_or_insert(target) != target;
        }
    }

    /// Whether they were the same, and that was more than chance: not one constant.
    fn is_leak(&self) -> bool {
        !self.differs && self.varies
    }
}

/// Reads the training part `spans` and finds what is in its columns.
pub(super) fn learn(
    config: &TableConfig,
    files: &Files,
    index: &Index,
    cursor: &mut Cursor,
    spans: &[Span],
    (mut inputs, mut targets): (Vec<Learned>, Vec<Learned>),
) -> Result<TableFit, TaskError> {
    let horizon = config.rows_ahead();
    let slots = horizon as usize + 1;
    let mut pairs = vec![Pair::default(); inputs.len() * targets.len()];
    // The inputs of the last rows, and the targets of this one.
    let mut ring = vec![None; slots * inputs.len()];
    let mut now = vec![None; targets.len()];
    let mut text = String::new();
    for span in spans {
        index.go_to(cursor, span.first)?;
        for row in 0..span.rows {
            let Some(place) = cursor.next()? else { break };
            let Some(content) = cursor.content() else { break };
            let slot = (row % slots as u64) as usize * inputs.len();
            let asked = config.at == TableTargets::Row || row + 1 == span.rows;
            for (key, column) in ring[slot..].iter_mut().zip(&mut inputs) {
                *key = see(config, files, &content, place, true, column, &mut text)?;
            }
            for (key, column) in now.iter_mut().zip(&mut targets) {
                *key = see(config, files, &content, place, asked, column, &mut text)?;
            }
            if asked && row >= horizon {
                let before = ((row - horizon) % slots as u64) as usize * inputs.len();
                let all = (0..inputs.len()).flat_map(|i| (0..targets.len()).map(move |t| (i, t)));
                for (pair, (i, t)) in pairs.iter_mut().zip(all) {
                    pair.see(ring[before + i], now[t]);
                }
            }
        }
    }
    let first = spans.first().map(|span| index.sequence(span.first).place);
    let path = files.path(first.map_or(0, |place| place.file)).to_path_buf();
    let error = |at: usize, fault| {
        let column = Some(files.columns[at].clone());
        TaskError::Table(Box::new(TableError { path: path.clone(), row: None, column, fault }))
    };
    if let Some(column) = inputs.iter().chain(&targets).find(|column| column.count == 0) {
        return Err(error(column.at, TableFault::NoValue));
    }
    let mut seen = pairs.iter();
    for input in &inputs {
        for (target, pair) in targets.iter().zip(&mut seen) {
            // The past of a periodic column is no leak.
            if !config.leak && input.at != target.at && pair.is_leak() {
                let target = files.columns[target.at].clone();
                return Err(error(input.at, TableFault::Leak { target, horizon }));
            }
        }
    }
    let column = |column: Learned| {
        let name = files.columns[column.at].clone();
        column.column(name, config.scale)
    };
    Ok(TableFit {
        rows: spans.iter().map(|span| span.rows).sum(),
        sequences: spans.len() as u64,
        inputs: inputs.into_iter().map(column).collect(),
        targets: targets.into_iter().map(column).collect(),
    })
}

/// Takes in the cell of a column, which may be missing if it is not `asked` for.
fn see(
    config: &TableConfig,
    files: &Files,
    content: &Content<'_>,
    place: Place,
    asked: bool,
    column: &mut Learned,
    text: &mut String,
) -> Result<Option<u64>, TaskError> {
    let name = &files.columns[column.at];
    let error = |fault| files.error(place, Some(name), fault);
    let cell = cell(files, content, Some(column.at), name);
    let key = column.see(files, &cell, text).map_err(error)?;
    if key.is_none() && asked && config.missing == TableMissing::Refuse {
        return Err(error(TableFault::Missing));
    }
    Ok(key)
}
