//! Names of columns.

use csv::ByteRecord;

use super::cell::{Cell, Reading};
use super::rows::Record;

/// The names of the columns, if the record is a header: it contains text, and none of its cells begins with a
/// digit, as numbers and times do.
#[must_use]
pub fn header(record: &Record, reading: &Reading) -> Option<Vec<String>> {
    let Record::Cells(cells) = record else { return None };
    let digit = |cell: &[u8]| {
        let begin = cell.iter().find(|byte| !matches!(byte, b'+' | b'-' | b'.' | b','));
        begin.is_some_and(u8::is_ascii_digit)
    };
    let text = |cell: &[u8]| matches!(reading.cell(cell), Cell::Text(_));
    (cells.iter().any(text) && !cells.iter().any(digit)).then(|| names(cells))
}

/// The cells as names; a column without one is named by its number.
#[must_use]
pub fn names(cells: &ByteRecord) -> Vec<String> {
    let name = |(i, cell): (usize, &[u8])| match String::from_utf8_lossy(cell) {
        name if name.is_empty() => numbered(i),
        name => name.into_owned(),
    };
    cells.iter().enumerate().map(name).collect()
}

/// The name of the column of index `i` if there is no header: `c1` for the first.
#[must_use]
pub fn numbered(i: usize) -> String {
    format!("c{}", i + 1)
}

/// The index of a column by its name, or by its number from 1.
#[must_use]
pub fn find(columns: &[String], name: &str) -> Option<usize> {
    let number = || name.parse().ok().filter(|n| (1..=columns.len()).contains(n)).map(|n: usize| n - 1);
    columns.iter().position(|column| column == name).or_else(number)
}
