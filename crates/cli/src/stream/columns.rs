//! Which columns there are, and what they hold.

use std::collections::BTreeSet;

use rtrl_tasks::table::cell::{Cell, Reading, category, is_decimal_comma};
use rtrl_tasks::table::header::find;
use rtrl_tasks::table::rows::Record;

/// Most categories of a column that are not listed by the user: with more, the column is rather a name or a number of
/// each row.
pub const MOST_FOUND: usize = 50;

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
    /// The different texts of each column that began with one, at most one more than [`MOST_FOUND`].
    texts: Vec<BTreeSet<String>>,
}

impl Columns {
    /// The columns that a header names. Without one, [`see`](Self::see) adds those of the rows.
    pub fn new(header: Option<Vec<String>>) -> Self {
        let names = header.unwrap_or_default();
        Self { kinds: vec![Kind::Empty; names.len()], texts: vec![BTreeSet::new(); names.len()], names }
    }

    /// Their names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What they hold.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// The different texts of a column of text, in alphabetical order; `None` if they are more than [`MOST_FOUND`].
    pub fn texts(&self, name: &str) -> Option<Vec<String>> {
        let column = self.names.iter().position(|known| known == name);
        let texts = column.map(|column| &self.texts[column]).filter(|texts| texts.len() <= MOST_FOUND)?;
        Some(texts.iter().cloned().collect())
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
                        self.texts.push(BTreeSet::new());
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
        let mut name = String::new();
        for (column, cell) in row {
            let Some(kind) = self.kinds.get_mut(column) else { continue };
            if *kind == Kind::Empty {
                *kind = match &cell {
                    Cell::Number(_) => Kind::Numbers,
                    Cell::Missing => Kind::Empty,
                    Cell::Text(text) => Kind::Text(text.to_string()),
                };
            }
            let texts = &mut self.texts[column];
            if matches!(kind, Kind::Text(_)) && cell != Cell::Missing && texts.len() <= MOST_FOUND {
                texts.insert(category(&cell, &mut name).to_string());
            }
        }
    }

    /// Whether a column is known to hold numbers, by its name or number.
    pub fn holds_numbers(&self, name: &str) -> bool {
        find(&self.names, name).is_some_and(|column| self.kinds[column] == Kind::Numbers)
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
