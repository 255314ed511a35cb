//! Comma-separated values, RFC 4180.

use std::collections::BTreeMap;

use super::quantity::Value;
use crate::Record;

/// One line per record. The columns are `step`, `seconds`, then every quantity in the order in which it first
/// appears.
pub fn render(records: &[Record]) -> Vec<u8> {
    let mut columns: Vec<String> = Vec::new();
    let rows: Vec<BTreeMap<String, Value>> =
        records.iter().map(|r| r.quantities().into_iter().collect()).collect();
    for (name, _) in records.iter().flat_map(Record::quantities) {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    let mut lines = vec![line(["step", "seconds"].into_iter().chain(columns.iter().map(String::as_str)))];
    for (record, row) in records.iter().zip(&rows) {
        let cell = |name: &String| match row.get(name) {
            None => String::new(),
            Some(Value::Number(x)) => x.to_string(),
            Some(Value::Count(n)) => n.to_string(),
            Some(Value::Text(text)) => text.clone(),
        };
        let first = [record.step.to_string(), record.seconds.to_string()];
        let cells: Vec<String> = first.into_iter().chain(columns.iter().map(cell)).collect();
        lines.push(line(cells.iter().map(String::as_str)));
    }
    lines.concat().into_bytes()
}

fn line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let quoted = |cell: &str| match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_string(),
    };
    cells.map(quoted).collect::<Vec<_>>().join(",") + "\n"
}
