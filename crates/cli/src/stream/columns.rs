//! Which columns there are, and what each is for.

use rtrl_tasks::table::cell::{Cell, Reading, is_decimal_comma, shown};
use rtrl_tasks::table::header::find;
use rtrl_tasks::table::rows::Record;
use serde_json::Value;

/// Names that a message lists at most.
const LISTED: usize = 12;

/// The columns that are asked for. An empty list stands for all columns with numbers.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Names or numbers of columns to read.
    pub inputs: Vec<String>,
    /// Names or numbers of columns to predict.
    pub targets: Vec<String>,
}

impl Selection {
    /// Whether inputs and targets are both named, so that it makes no difference what the columns hold.
    pub fn is_complete(&self) -> bool {
        !self.inputs.is_empty() && !self.targets.is_empty()
    }
}

/// What a column holds, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Nothing yet.
    Empty,
    /// Numbers.
    Numbers,
    /// Text; the first value is kept.
    Text(String),
}

/// Names of the columns, and what they hold as far as the first rows show it.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    names: Vec<String>,
    kinds: Vec<Kind>,
}

impl Columns {
    /// The columns that a header names. Without one, [`see`](Self::see) adds those of the rows.
    pub fn new(header: Option<Vec<String>>) -> Self {
        let names = header.unwrap_or_default();
        Self { kinds: vec![Kind::Empty; names.len()], names }
    }

    /// Takes in a row: the first cell of a column that is not missing says what the column holds. A row without any number
    /// says nothing: it may be a second line of a header.
    pub fn see(&mut self, record: &Record, reading: &Reading) {
        let mut row: Vec<(usize, Cell<'_>)> = Vec::new();
        match record {
            Record::Cells(cells) => {
                if self.names.is_empty() {
                    *self = Self::new(Some((1..=cells.len()).map(|i| format!("c{i}")).collect()));
                }
                row.extend(cells.iter().map(|cell| reading.cell(cell)).enumerate());
            }
            Record::Object(object) => {
                for (name, value) in object {
                    let known = self.names.iter().position(|known| known == name);
                    let column = known.unwrap_or_else(|| {
                        self.names.push(name.clone());
                        self.kinds.push(Kind::Empty);
                        self.names.len() - 1
                    });
                    row.push((column, reading.value(value)));
                }
            }
        }
        let number = |cell: &Cell<'_>| match cell {
            Cell::Number(_) => true,
            Cell::Missing => false,
            Cell::Text(text) => is_decimal_comma(text),
        };
        if !row.iter().any(|(_, cell)| number(cell)) {
            return;
        }
        for (column, cell) in row {
            if let Some(kind @ Kind::Empty) = self.kinds.get_mut(column) {
                *kind = match cell {
                    Cell::Number(_) => Kind::Numbers,
                    Cell::Missing => Kind::Empty,
                    Cell::Text(text) => Kind::Text(text.into_owned()),
                };
            }
        }
    }

    /// Whether a row with a number has come.
    pub fn has_numbers(&self) -> bool {
        self.kinds.iter().any(|kind| *kind != Kind::Empty)
    }

    /// Whether it is known of every column what it holds.
    pub fn are_known(&self) -> bool {
        self.has_numbers() && !self.kinds.contains(&Kind::Empty)
    }
}

/// Which columns are used, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Names of all columns; for JSON, of those that are used.
    pub columns: Vec<String>,
    /// Indices of the columns that the net reads, ascending.
    pub inputs: Vec<usize>,
    /// Indices of the columns that the net predicts, ascending.
    pub targets: Vec<usize>,
}

impl Layout {
    /// The layout for the columns seen. Those without numbers are left out unless they are asked for.
    ///
    /// # Errors
    /// If a column that is asked for does not exist or holds text, or no column is left.
    pub fn new(seen: &Columns, json: bool, wanted: &Selection) -> Result<Self, String> {
        let (mut columns, mut kinds) = (seen.names.clone(), seen.kinds.clone());
        if json {
            // A key that is asked for may first occur in a later row.
            for name in wanted.inputs.iter().chain(&wanted.targets) {
                if !columns.contains(name) {
                    columns.push(name.clone());
                    kinds.push(Kind::Empty);
                }
            }
            let named = |name: &String| wanted.inputs.contains(name) || wanted.targets.contains(name);
            let used =
                |name: &String, kind: &Kind| named(name) || (*kind == Kind::Numbers && !wanted.is_complete());
            let mut all: Vec<(String, Kind)> = columns.into_iter().zip(kinds).collect();
            all.retain(|(name, kind)| used(name, kind));
            all.sort_by(|(a, _), (b, _)| a.cmp(b));
            (columns, kinds) = all.into_iter().unzip();
        }
        if let Some((i, name)) = columns.iter().enumerate().find(|&(i, name)| columns[..i].contains(name)) {
            return Err(format!("column {} has the name `{name}` of an earlier one: rename it", i + 1));
        }
        for (name, kind) in columns.iter().zip(&kinds).filter(|_| !wanted.is_complete()) {
            if let Kind::Text(text) = kind
                && is_decimal_comma(text)
            {
                return Err(format!(
                    "column `{name}` holds `{text}`: give --decimal , if that is a number, or name the columns to use by \
                     --input and --target"
                ));
            }
        }
        let all: Vec<usize> = (0..columns.len()).filter(|&i| kinds[i] == Kind::Numbers).collect();
        let pick = |names: &[String]| -> Result<Vec<usize>, String> {
            let mut picked = names.iter().map(|name| found(&columns, name)).collect::<Result<Vec<_>, _>>()?;
            picked.sort_unstable();
            picked.dedup();
            Ok(if picked.is_empty() { all.clone() } else { picked })
        };
        let layout = Self { inputs: pick(&wanted.inputs)?, targets: pick(&wanted.targets)?, columns };
        for &column in layout.inputs.iter().chain(&layout.targets) {
            if let Kind::Text(text) = &kinds[column] {
                let (name, text) = (&layout.columns[column], shown(text));
                return Err(format!(
                    "column `{name}` holds text (`{text}`): choose others by --input and --target"
                ));
            }
        }
        if layout.inputs.is_empty() || layout.targets.is_empty() {
            let delimiter = if json { "" } else { ": is the delimiter another one? (--delimiter)" };
            return Err(format!("no column of the first rows holds a number{delimiter}"));
        }
        Ok(layout)
    }

    /// Indices of all inputs and targets, ascending, each once.
    pub fn used(&self) -> Vec<usize> {
        let mut used: Vec<usize> = self.inputs.iter().chain(&self.targets).copied().collect();
        used.sort_unstable();
        used.dedup();
        used
    }

    /// Reads the columns `used` of a row into `values`; `None` for a missing value.
    ///
    /// # Errors
    /// If the row has another number of cells, or one of its cells holds text: what and where.
    pub fn read(
        &self,
        record: &Record,
        reading: &Reading,
        used: &[usize],
        values: &mut [Option<f64>],
    ) -> Result<(), String> {
        if let Record::Cells(cells) = record {
            let (found, expected) = (cells.len(), self.columns.len());
            if found != expected {
                return Err(format!("{found} columns where there were {expected} before"));
            }
        }
        for (value, &column) in values.iter_mut().zip(used) {
            let name = &self.columns[column];
            let cell = match record {
                Record::Cells(cells) => reading.cell(&cells[column]),
                Record::Object(object) => {
                    object.get(name).map_or(Cell::Missing, |value| reading.value(value))
                }
            };
            *value = match cell {
                Cell::Number(x) => Some(x),
                Cell::Missing => None,
                Cell::Text(text) => return Err(format!("column `{name}`: {}", complaint(reading, &text))),
            };
        }
        Ok(())
    }

    /// The name of a column that is not used although it holds a number in this row. Columns in `known` are passed
    /// over.
    pub fn overlooked(
        &self,
        record: &Record,
        reading: &Reading,
        used: &[usize],
        known: &[String],
    ) -> Option<String> {
        let is_new = |name: &String| !known.contains(name);
        match record {
            Record::Cells(cells) => {
                let others = (0..cells.len()).filter(|column| used.binary_search(column).is_err());
                let mut holding = others.filter(|&i| matches!(reading.cell(&cells[i]), Cell::Number(_)));
                holding
                    .find(|&column| is_new(&self.columns[column]))
                    .map(|column| self.columns[column].clone())
            }
            Record::Object(object) => {
                let holds = |(name, value): &(&String, &Value)| {
                    let number = matches!(reading.value(value), Cell::Number(_));
                    number && !self.columns.contains(name) && is_new(name)
                };
                object.iter().find(holds).map(|(name, _)| name.clone())
            }
        }
    }

    /// One line for the user: which columns are read, predicted and left out. Those left out are named only if
    /// `seen`, the columns of the first rows, is given.
    pub fn told(&self, seen: Option<&Columns>) -> String {
        let names = |columns: &[usize]| list(columns.iter().map(|&column| self.columns[column].clone()));
        let mut told = format!("reads {}; predicts {}", names(&self.inputs), names(&self.targets));
        let used: Vec<&String> = self.used().iter().map(|&column| &self.columns[column]).collect();
        let all = seen.into_iter().flat_map(|seen| seen.names.iter().zip(&seen.kinds));
        let others = all.filter(|(name, _)| !used.contains(name));
        let others = list(others.map(|(name, kind)| match kind {
            Kind::Empty => format!("{name} (empty)"),
            Kind::Numbers => name.clone(),
            Kind::Text(_) => format!("{name} (text)"),
        }));
        if !others.is_empty() {
            told += &format!("; leaves out {others}");
        }
        told
    }
}

/// The message for a text where a number should be.
fn complaint(reading: &Reading, text: &str) -> String {
    let short = shown(text);
    if reading.decimal() == b'.' && is_decimal_comma(text) {
        return format!("`{short}` has a decimal comma: give --decimal ,");
    }
    format!("`{short}` is no finite number")
}

/// The names with commas between them; at most [`LISTED`], and how many more there are.
fn list(names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<String> = names.collect();
    let more = names.len().saturating_sub(LISTED);
    if more > 1 {
        names.truncate(LISTED);
        names.push(format!("… ({more} more)"));
    }
    names.join(", ")
}

/// A column by its name, or by its number from 1.
fn found(columns: &[String], name: &str) -> Result<usize, String> {
    find(columns, name)
        .ok_or_else(|| format!("there is no column `{name}`; there are: {}", columns.join(", ")))
}
