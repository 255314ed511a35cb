//! Which columns are used, and for what.

use std::collections::BTreeMap;

use rtrl_stream::CALENDAR;
use rtrl_tasks::table::cell::{Cell, Reading, category, is_decimal_comma, shown};
use rtrl_tasks::table::header::find;
use rtrl_tasks::table::rows::Record;
use serde_json::Value;

use super::columns::{Columns, Kind, MOST_FOUND};
use super::time::Moment;

/// Names that a message lists at most.
const LISTED: usize = 12;

/// The columns that are asked for, by names or numbers. Empty lists of inputs and targets stand for all columns with
/// numbers.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Columns to read.
    pub inputs: Vec<String>,
    /// Columns to predict.
    pub targets: Vec<String>,
    /// Columns that are carried into the output.
    pub kept: Vec<String>,
    /// The column of times.
    pub time: Option<String>,
    /// The column that says to which series a row belongs.
    pub key: Option<String>,
    /// Columns of categories, with their categories.
    pub categories: BTreeMap<String, Vec<String>>,
}

impl Selection {
    /// Whether inputs and targets are both named, so that it makes no difference which other columns hold numbers.
    pub fn is_complete(&self) -> bool {
        !self.inputs.is_empty() && !self.targets.is_empty()
    }
}

/// A column of categories that the net reads: an input for each category, and one for all others. It is 1 in a row
/// of that category, and 0 in all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Categories {
    /// Index of the column.
    pub column: usize,
    /// The categories, in the order of the inputs.
    pub names: Vec<String>,
}

/// The classes of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// Index of the column, and the classes; all others together are one more.
    pub of: Categories,
    /// Whether the net reads the class of each row too.
    pub is_read: bool,
}

/// What a row says.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// The numbers of the columns that are used, `None` for a missing one; then the inputs that are made from the
    /// time and from categories; then the index of the class.
    pub values: Vec<Option<f64>>,
    /// Its time, if there is a column of times.
    pub moment: Option<Moment>,
    /// Its key, if there is a column of keys.
    pub key: String,
    /// The name of its class as it is written, if a class is predicted; empty if it is missing.
    pub class: String,
}

/// Which columns are used, and for what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// Names of all columns; for JSON, of those that are used.
    pub columns: Vec<String>,
    /// Indices of the columns of numbers that the net reads, ascending.
    pub inputs: Vec<usize>,
    /// Indices of the columns that the net predicts, ascending.
    pub targets: Vec<usize>,
    /// The classes of the target, if it is one; then it is the only one.
    pub class: Option<Class>,
    /// The columns of categories that the net reads, ascending.
    pub categories: Vec<Categories>,
    /// Index of the column of times.
    pub time: Option<usize>,
    /// Index of the column of keys.
    pub key: Option<usize>,
    /// Names of the columns that are carried into the output, in its order.
    pub kept: Vec<String>,
}

impl Layout {
    /// The layout for the columns seen, of a file that can be read again if `regular`. Columns without numbers are
    /// left out unless they are asked for.
    ///
    /// # Errors
    /// If a column that is asked for does not exist or cannot be used so, or no column is left.
    pub fn new(seen: &Columns, json: bool, wanted: &Selection, regular: bool) -> Result<Self, String> {
        let (mut columns, mut kinds) = (seen.names().to_vec(), seen.kinds().to_vec());
        if json {
            // A key that is asked for may first occur in a later row.
            let others = wanted.time.iter().chain(&wanted.key).chain(wanted.categories.keys());
            let named: Vec<&String> = wanted.inputs.iter().chain(&wanted.targets).chain(others).collect();
            for &name in &named {
                if !columns.contains(name) {
                    columns.push(name.clone());
                    kinds.push(Kind::Empty);
                }
            }
            let used = |name: &String, kind: &Kind| {
                let found = *kind == Kind::Numbers && !wanted.is_complete() && !wanted.kept.contains(name);
                named.contains(&name) || found
            };
            let mut all: Vec<(String, Kind)> = columns.into_iter().zip(kinds).collect();
            all.retain(|(name, kind)| used(name, kind));
            all.sort_by(|(a, _), (b, _)| a.cmp(b));
            (columns, kinds) = all.into_iter().unzip();
        }
        if let Some((i, name)) = columns.iter().enumerate().find(|&(i, name)| columns[..i].contains(name)) {
            return Err(format!("column {} has the name `{name}` of an earlier one: rename it", i + 1));
        }
        let mut layout = Self { columns, ..Self::default() };
        layout.set_aside(json, wanted)?;
        layout.choose(seen, &kinds, wanted, regular)?;
        // The output has the targets anyway.
        let Self { columns, targets, kept, .. } = &mut layout;
        kept.retain(|name| !targets.iter().any(|&target| columns[target] == *name));
        if layout.width() == 0 || layout.targets.is_empty() {
            let delimiter = if json { "" } else { ": is the delimiter another one? (--delimiter)" };
            return Err(format!("no column of the first rows holds a number{delimiter}"));
        }
        Ok(layout)
    }

    /// Finds the columns of times and keys, and those that are carried into the output.
    fn set_aside(&mut self, json: bool, wanted: &Selection) -> Result<(), String> {
        let place = |name: &Option<String>| name.as_ref().map(|name| found(&self.columns, name)).transpose();
        (self.time, self.key) = (place(&wanted.time)?, place(&wanted.key)?);
        if let (Some(time), true) = (self.time, self.time == self.key) {
            return Err(format!("column `{}` cannot be both the time and the key", self.columns[time]));
        }
        for column in self.key.into_iter().chain(self.time) {
            self.kept.push(self.columns[column].clone());
        }
        for name in &wanted.kept {
            let name = if json { name.clone() } else { self.columns[found(&self.columns, name)?].clone() };
            if !self.kept.contains(&name) {
                self.kept.push(name);
            }
        }
        Ok(())
    }

    /// Chooses inputs and targets.
    fn choose(
        &mut self,
        seen: &Columns,
        kinds: &[Kind],
        wanted: &Selection,
        regular: bool,
    ) -> Result<(), String> {
        let columns = &self.columns;
        let mut declared = BTreeMap::new();
        for (name, names) in &wanted.categories {
            declared.insert(found(columns, name)?, names);
        }
        let reserved = |&column: &usize| Some(column) == self.time || Some(column) == self.key;
        let free = |&column: &usize| {
            !reserved(&column) && !declared.contains_key(&column) && !self.kept.contains(&columns[column])
        };
        for column in (0..columns.len()).filter(free).filter(|_| !wanted.is_complete()) {
            if let Kind::Text(text) = &kinds[column]
                && is_decimal_comma(text)
            {
                let name = &columns[column];
                return Err(format!(
                    "column `{name}` holds `{text}`: give --decimal , if that is a number, or name the columns to use by \
                     --input and --target"
                ));
            }
        }
        let all: Vec<usize> =
            (0..columns.len()).filter(free).filter(|&i| kinds[i] == Kind::Numbers).collect();
        let pick = |names: &[String]| -> Result<Option<Vec<usize>>, String> {
            let mut picked = names.iter().map(|name| found(columns, name)).collect::<Result<Vec<_>, _>>()?;
            picked.sort_unstable();
            picked.dedup();
            match picked.iter().copied().find(reserved) {
                Some(column) => Err(format!(
                    "column `{}` is the time or the key of the rows: it cannot be an input or a target as well",
                    columns[column]
                )),
                None => Ok((!picked.is_empty()).then_some(picked)),
            }
        };
        let targets = pick(&wanted.targets)?.unwrap_or_else(|| all.clone());
        let is_class =
            |&column: &usize| declared.contains_key(&column) || matches!(kinds[column], Kind::Text(_));
        let class = targets.iter().copied().find(is_class);
        if let Some(column) = class.filter(|_| targets.len() > 1) {
            return Err(format!(
                "column `{}` holds classes, and a class can only be predicted alone: name one column by --target",
                columns[column]
            ));
        }
        let mut inputs = pick(&wanted.inputs)?;
        let class_is_read =
            inputs.as_ref().is_none_or(|inputs| class.is_some_and(|class| inputs.contains(&class)));
        let mut inputs = inputs.take().unwrap_or(all);
        inputs.extend(declared.keys().copied().filter(|column| !inputs.contains(column)).collect::<Vec<_>>());
        inputs.retain(|&column| Some(column) != class);
        inputs.sort_unstable();
        let words = |column: usize| match (declared.get(&column), &kinds[column]) {
            (Some(names), _) => Ok(Some(names.to_vec())),
            (None, Kind::Text(_)) => categories(seen, &columns[column], regular).map(Some),
            _ => Ok(None),
        };
        if let Some(column) = class {
            let names = words(column)?.unwrap_or_default();
            self.class = Some(Class { of: Categories { column, names }, is_read: class_is_read });
        }
        let mut numbers = Vec::new();
        for column in inputs {
            match words(column)? {
                Some(names) => self.categories.push(Categories { column, names }),
                None => numbers.push(column),
            }
        }
        (self.inputs, self.targets) = (numbers, targets);
        Ok(())
    }

    /// Indices of all columns of numbers that are read or predicted, ascending, each once.
    pub fn used(&self) -> Vec<usize> {
        let targets = self.targets.iter().filter(|_| self.class.is_none());
        let mut used: Vec<usize> = self.inputs.iter().chain(targets).copied().collect();
        used.sort_unstable();
        used.dedup();
        used
    }

    /// The columns of words that are used.
    pub fn words(&self) -> impl Iterator<Item = &Categories> {
        self.categories.iter().chain(self.class.as_ref().map(|class| &class.of))
    }

    /// Number of inputs that are made from the time and from categories.
    pub fn made(&self) -> usize {
        let time = if self.time.is_some() { CALENDAR } else { 0 };
        time + self.categories.iter().map(|categories| categories.names.len() + 1).sum::<usize>()
    }

    /// Number of inputs; a class counts as one.
    pub fn width(&self) -> usize {
        let class = self.class.as_ref().is_some_and(|class| class.is_read);
        self.inputs.len() + self.made() + usize::from(class)
    }

    /// Reads a row into `sample`; `used` is what [`used`](Self::used) returns.
    ///
    /// # Errors
    /// If the row has another number of cells, one of its cells holds text where a number should be, or its time or key
    /// cannot be read: what and where.
    pub fn read(
        &self,
        record: &Record,
        reading: &Reading,
        used: &[usize],
        sample: &mut Sample,
    ) -> Result<(), String> {
        if let Record::Cells(cells) = record {
            let (found, expected) = (cells.len(), self.columns.len());
            if found != expected {
                return Err(format!("{found} columns where there were {expected} before"));
            }
        }
        let cell = |column: usize| match record {
            Record::Cells(cells) => reading.cell(&cells[column]),
            Record::Object(object) => {
                object.get(&self.columns[column]).map_or(Cell::Missing, |value| reading.value(value))
            }
        };
        let blame = |column: usize, text: String| format!("column `{}`: {text}", self.columns[column]);
        sample.values.clear();
        for &column in used {
            sample.values.push(match cell(column) {
                Cell::Number(x) => Some(x),
                Cell::Missing => None,
                Cell::Text(text) => return Err(blame(column, complaint(reading, &text))),
            });
        }
        sample.moment = None;
        if let Some(column) = self.time {
            let moment = Moment::read(&cell(column)).map_err(|message| blame(column, message))?;
            sample.values.extend(moment.features().map(Some));
            sample.moment = Some(moment);
        }
        for Categories { column, names } in &self.categories {
            let cell = cell(*column);
            let place = match &cell {
                Cell::Missing => None,
                _ => {
                    let name = category(&cell, &mut sample.key);
                    Some(names.iter().position(|known| known == name).unwrap_or(names.len()))
                }
            };
            sample.values.extend((0..=names.len()).map(|i| Some(f64::from(u8::from(place == Some(i))))));
        }
        sample.class.clear();
        if let Some(Class { of: Categories { column, names }, .. }) = &self.class {
            let cell = cell(*column);
            let name = category(&cell, &mut sample.class);
            let place = names.iter().position(|known| known == name).unwrap_or(names.len());
            sample.values.push((cell != Cell::Missing).then_some(place as f64));
        }
        sample.key.clear();
        if let Some(column) = self.key {
            match cell(column) {
                Cell::Missing => return Err(blame(column, "the key is missing".into())),
                // The name is in the buffer.
                cell => _ = category(&cell, &mut sample.key),
            }
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
        let is_new = |name: &String| !known.contains(name) && !self.kept.contains(name);
        match record {
            Record::Cells(cells) => {
                let others = (0..cells.len()).filter(|column| {
                    used.binary_search(column).is_err() && !self.words().any(|words| words.column == *column)
                });
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

    /// One line for the user: which columns are read, predicted, carried into the output and left out. Those left out are
    /// named only if `seen`, the columns of the first rows, is given.
    pub fn told(&self, seen: Option<&Columns>) -> String {
        let names = |columns: &[usize]| -> Vec<String> {
            columns.iter().map(|&column| self.columns[column].clone()).collect()
        };
        let mut inputs = names(&self.inputs);
        let words = |words: &Categories| {
            format!("{} ({} or another)", self.columns[words.column], list(words.names.iter().cloned()))
        };
        inputs.extend(self.categories.iter().map(words));
        let class = self.class.as_ref().map(|class| words(&class.of));
        if self.class.as_ref().is_some_and(|class| class.is_read) {
            inputs.push(names(&self.targets).concat());
        }
        let time =
            self.time.map(|time| format!("time of day and day of the week from {}", self.columns[time]));
        inputs.extend(time);
        let mut told = format!(
            "reads {}; predicts {}",
            list(inputs.into_iter()),
            class
                .map_or_else(|| list(names(&self.targets).into_iter()), |class| format!("the class {class}"))
        );
        if let Some(key) = self.key {
            told += &format!("; a series for each {}", self.columns[key]);
        }
        let mut used: Vec<&String> = self.used().iter().map(|&column| &self.columns[column]).collect();
        used.extend(self.words().map(|words| &self.columns[words.column]));
        if !self.kept.is_empty() {
            told += &format!("; keeps {}", list(self.kept.iter().cloned()));
            used.extend(&self.kept);
        }
        let all = seen.into_iter().flat_map(|seen| seen.names().iter().zip(seen.kinds()));
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

/// The categories of a column of text, from the rows seen.
fn categories(seen: &Columns, name: &str, regular: bool) -> Result<Vec<String>, String> {
    let example = format!("list its categories by --categories {name}=A,B,…, or choose other columns");
    if !regular {
        return Err(format!("column `{name}` holds text, and rows of a pipe are not waited for: {example}"));
    }
    match seen.texts(name) {
        Some(texts) if texts.is_empty() => Err(format!(
            "column `{name}` has no text in those of the first rows that have a number: {example}"
        )),
        Some(texts) => Ok(texts),
        None => Err(format!(
            "column `{name}` has more than {MOST_FOUND} different texts in the first rows: {example}"
        )),
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
