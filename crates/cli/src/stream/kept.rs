//! Columns that are carried into the output as they are.

use std::borrow::Cow;
use std::collections::HashMap;

use rtrl_tasks::table::rows::{Record, Row};
use serde_json::Value;
use serde_json::value::RawValue;

use super::layout::Layout;
use super::rows::Format;

/// The kept cells of a row, ready for the output.
#[derive(Debug)]
pub struct Kept {
    /// Names of the columns; of those in a row of CSV the indices.
    names: Vec<String>,
    places: Vec<Option<usize>>,
    /// Format of the output.
    format: Format,
    text: String,
}

impl Kept {
    /// The columns that `layout` keeps, for an output in this format.
    pub fn new(layout: &Layout, format: Format) -> Self {
        let place = |name: &String| layout.columns.iter().position(|column| column == name);
        let places = layout.kept.iter().map(place).collect();
        Self { names: layout.kept.clone(), places, format, text: String::new() }
    }

    /// Names of the columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Writes for an output in this format from now on.
    pub fn set_format(&mut self, format: Format) {
        self.format = format;
    }

    /// The cells of the row read last. For CSV they begin with a comma each; for JSON they are a field `kept` of an
    /// object, and a comma.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Takes the cells of a row.
    pub fn read(&mut self, row: &Row, record: &Record) {
        self.text.clear();
        if self.names.is_empty() {
            return;
        }
        if self.format == Format::Json {
            self.text.push_str("\"kept\":{");
        }
        match record {
            Record::Cells(cells) => {
                for (i, place) in self.places.iter().enumerate() {
                    let cell = place.and_then(|place| cells.get(place)).unwrap_or_default();
                    let cell = String::from_utf8_lossy(cell);
                    match self.format {
                        Format::Csv => csv_cell(&mut self.text, &cell),
                        Format::Json => {
                            json_field(&mut self.text, &self.names[i], i, &Value::from(cell).to_string());
                        }
                    }
                }
            }
            Record::Object(_) => {
                // As they are written, so that no digit of a long number is lost. The row has been read as an object
                // before; if it could not be, all values would be missing.
                let raw: HashMap<Cow<'_, str>, &RawValue> =
                    serde_json::from_slice(row.text.trim_ascii()).unwrap_or_default();
                for (i, name) in self.names.iter().enumerate() {
                    let value = raw.get(name.as_str()).map_or("null", |value| value.get());
                    match self.format {
                        Format::Csv => csv_cell(&mut self.text, &plain(value)),
                        Format::Json => json_field(&mut self.text, name, i, value),
                    }
                }
            }
        }
        if self.format == Format::Json {
            self.text.push_str("},");
        }
    }
}

/// The text of a JSON value for a cell: a string without its quotes, nothing for null, anything else as it is.
fn plain(value: &str) -> Cow<'_, str> {
    match serde_json::from_str(value) {
        Ok(Value::String(text)) => text.into(),
        Ok(Value::Null) => "".into(),
        _ => value.into(),
    }
}

/// Adds a cell of CSV and the comma before it, in quotes where it needs them.
pub fn csv_cell(to: &mut String, cell: &str) {
    to.push(',');
    if cell.contains(['"', ',', '\n', '\r']) {
        to.push('"');
        to.push_str(&cell.replace('"', "\"\""));
        to.push('"');
    } else {
        to.push_str(cell);
    }
}

/// Adds the field of index `i` to an object.
fn json_field(to: &mut String, name: &str, i: usize, value: &str) {
    if i > 0 {
        to.push(',');
    }
    to.push_str(&Value::from(name).to_string());
    to.push(':');
    to.push_str(value);
}
