//! Rows of numbers from CSV or JSON lines.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};

use clap::ValueEnum;
use csv::ByteRecord;
use serde_json::{Map, Value};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Comma-separated values, with or without a header.
    Csv,
    /// One JSON object a line.
    Json,
}

/// A row as it was read.
#[derive(Debug, Clone)]
pub enum Record {
    /// Cells of a line of CSV.
    Cells(ByteRecord),
    /// A JSON object.
    Object(Map<String, Value>),
}

/// Something that was read: its line, counted from 1, and the row or why it is none.
pub type Read1 = (u64, Result<Record, String>);

/// Reads rows.
pub enum Rows<R: Read> {
    /// From CSV.
    Csv(Box<csv::Reader<BufReader<R>>>),
    /// From JSON lines: the reader, and the lines read.
    Json(BufReader<R>, u64),
}

impl<R: Read> Rows<R> {
    /// Reads from `from`. If no format is given, JSON lines begin with a brace.
    ///
    /// # Errors
    /// If nothing can be read.
    pub fn new(from: R, format: Option<Format>, delimiter: u8) -> std::io::Result<Self> {
        let mut from = BufReader::with_capacity(1 << 16, from);
        let format = match format {
            Some(format) => format,
            None => {
                let begin = from.fill_buf()?;
                let begin = begin.strip_prefix(b"\xef\xbb\xbf").unwrap_or(begin);
                let first = begin.iter().find(|byte| !byte.is_ascii_whitespace());
                if first == Some(&b'{') { Format::Json } else { Format::Csv }
            }
        };
        Ok(match format {
            Format::Json => Self::Json(from, 0),
            Format::Csv => {
                let mut csv = csv::ReaderBuilder::new();
                // Whether there is a header, and whether all rows are equally long, is checked with better messages.
                csv.has_headers(false).flexible(true).trim(csv::Trim::All).delimiter(delimiter);
                Self::Csv(Box::new(csv.from_reader(from)))
            }
        })
    }

    /// Which format is read.
    pub fn format(&self) -> Format {
        match self {
            Self::Csv(_) => Format::Csv,
            Self::Json(..) => Format::Json,
        }
    }

    /// The next row; nothing at the end.
    ///
    /// # Errors
    /// If nothing can be read.
    pub fn next(&mut self) -> std::io::Result<Option<Read1>> {
        match self {
            Self::Csv(csv) => {
                let mut record = ByteRecord::new();
                if !csv.read_byte_record(&mut record)? {
                    return Ok(None);
                }
                let line = record.position().map_or(0, csv::Position::line);
                Ok(Some((line, Ok(Record::Cells(record)))))
            }
            Self::Json(from, line) => loop {
                let mut text = Vec::new();
                if from.read_until(b'\n', &mut text)? == 0 {
                    return Ok(None);
                }
                *line += 1;
                let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
                if text.trim_ascii().is_empty() {
                    continue;
                }
                let object = serde_json::from_slice(text).map(Record::Object);
                return Ok(Some((*line, object.map_err(|error| format!("no JSON object: {error}")))));
            },
        }
    }
}

/// A number, or nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A finite number.
    Number(f64),
    /// Nothing: empty, `NaN` or `null`.
    Missing,
    /// Something else.
    Text(String),
}

impl Cell {
    /// A cell of CSV.
    fn parse(cell: &[u8]) -> Self {
        let text = String::from_utf8_lossy(cell);
        if text.is_empty() || text.eq_ignore_ascii_case("nan") || text.eq_ignore_ascii_case("null") {
            return Self::Missing;
        }
        match text.parse::<f64>() {
            Ok(x) if x.is_finite() => Self::Number(x),
            _ => Self::Text(text.into_owned()),
        }
    }

    /// A value of JSON.
    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Missing,
            Value::String(text) if text.eq_ignore_ascii_case("nan") => Self::Missing,
            Value::Number(number) => number.as_f64().map_or(Self::Missing, Self::Number),
            other => Self::Text(other.to_string()),
        }
    }
}

/// Which columns there are, and what each is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// All columns; of JSON, those that are used.
    pub columns: Vec<String>,
    /// Those that the net reads.
    pub inputs: Vec<usize>,
    /// Those that it predicts.
    pub targets: Vec<usize>,
}

/// What is asked for; everything, where nothing is named.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Names or numbers of columns to read.
    pub inputs: Vec<String>,
    /// Names or numbers of columns to predict.
    pub targets: Vec<String>,
}

/// A header, if the record is one: some cell of it is neither a number nor missing.
pub fn header(record: &Record) -> Option<Vec<String>> {
    let Record::Cells(cells) = record else { return None };
    let text = cells.iter().any(|cell| matches!(Cell::parse(cell), Cell::Text(_)));
    let names = cells.iter().enumerate().map(|(i, cell)| match String::from_utf8_lossy(cell) {
        name if name.is_empty() => format!("c{}", i + 1),
        name => name.into_owned(),
    });
    text.then(|| names.collect())
}

impl Layout {
    /// The layout of an input with this header, if it has one, and this first row. Columns of text are left out unless they
    /// are asked for.
    ///
    /// # Errors
    /// If a column that is asked for does not exist or is no number, or no column is left.
    pub fn new(header: Option<Vec<String>>, first: &Record, wanted: &Selection) -> Result<Self, String> {
        let (columns, numeric): (Vec<String>, Vec<bool>) = match first {
            Record::Cells(cells) => {
                let names = (1..=cells.len()).map(|i| format!("c{i}")).collect();
                let names = header.unwrap_or(names);
                check_length(cells, &names)?;
                let numeric = cells.iter().map(|cell| !matches!(Cell::parse(cell), Cell::Text(_)));
                (names, numeric.collect())
            }
            Record::Object(object) => {
                let text = |name: &str| matches!(object.get(name).map(Cell::of), Some(Cell::Text(_)));
                // A key that is absent in the first object may come later.
                let mut names: BTreeSet<String> =
                    wanted.inputs.iter().chain(&wanted.targets).cloned().collect();
                if wanted.inputs.is_empty() || wanted.targets.is_empty() {
                    names.extend(object.keys().filter(|name| !text(name)).cloned());
                }
                let names: Vec<String> = names.into_iter().collect();
                let numeric = names.iter().map(|name| !text(name)).collect();
                (names, numeric)
            }
        };
        if let Some((i, name)) = columns.iter().enumerate().find(|&(i, name)| columns[..i].contains(name)) {
            return Err(format!("column {} has the name `{name}` of an earlier one: rename it", i + 1));
        }
        let all: Vec<usize> = (0..columns.len()).filter(|&i| numeric[i]).collect();
        let pick = |names: &[String]| -> Result<Vec<usize>, String> {
            let mut picked = names.iter().map(|name| find(&columns, name)).collect::<Result<Vec<_>, _>>()?;
            picked.sort_unstable();
            picked.dedup();
            Ok(if picked.is_empty() { all.clone() } else { picked })
        };
        let (inputs, targets) = (pick(&wanted.inputs)?, pick(&wanted.targets)?);
        if let Some(&text) = inputs.iter().chain(&targets).find(|&&i| !numeric[i]) {
            return Err(format!(
                "column `{}` holds text: choose others by --input and --target",
                columns[text]
            ));
        }
        if inputs.is_empty() || targets.is_empty() {
            return Err("no column of the first row holds a number".into());
        }
        Ok(Self { columns, inputs, targets })
    }

    /// The columns that are used, in order.
    pub fn used(&self) -> Vec<usize> {
        let mut used: Vec<usize> = self.inputs.iter().chain(&self.targets).copied().collect();
        used.sort_unstable();
        used.dedup();
        used
    }

    /// Reads the columns `used` of a row.
    ///
    /// # Errors
    /// If the row has another number of cells, or one of its cells holds text: what and where.
    pub fn read(&self, record: &Record, used: &[usize], values: &mut [Option<f64>]) -> Result<(), String> {
        if let Record::Cells(cells) = record {
            check_length(cells, &self.columns)?;
        }
        for (value, &column) in values.iter_mut().zip(used) {
            let name = &self.columns[column];
            let cell = match record {
                Record::Cells(cells) => Cell::parse(&cells[column]),
                Record::Object(object) => object.get(name).map_or(Cell::Missing, Cell::of),
            };
            *value = match cell {
                Cell::Number(x) => Some(x),
                Cell::Missing => None,
                Cell::Text(text) => {
                    let text: String = text.chars().take(40).collect();
                    return Err(format!("column `{name}`: `{text}` is no finite number"));
                }
            };
        }
        Ok(())
    }
}

fn check_length(cells: &ByteRecord, names: &[String]) -> Result<(), String> {
    let (found, expected) = (cells.len(), names.len());
    if found == expected {
        Ok(())
    } else {
        Err(format!("{found} columns where there were {expected} before"))
    }
}

/// A column by its name, or by its number from 1.
fn find(columns: &[String], name: &str) -> Result<usize, String> {
    let number = || name.parse().ok().filter(|n| (1..=columns.len()).contains(n)).map(|n: usize| n - 1);
    let named = columns.iter().position(|column| column == name).or_else(number);
    named.ok_or_else(|| format!("there is no column `{name}`; there are: {}", columns.join(", ")))
}
