//! The last rows of each series, for the page that shows them.

use std::collections::{BTreeMap, VecDeque};

use rtrl_stream::Report;
use rtrl_tasks::table::rows::{Record, Row};

use super::kept::Kept;
use super::output::Output;

/// Rows that are kept of each series.
const ROWS: usize = 60;

/// Most series of which rows are kept.
const SERIES: usize = 100;

/// The last rows of a series as JSON objects.
#[derive(Debug, Default)]
struct Last {
    /// When the last row came.
    at: u64,
    rows: VecDeque<String>,
}

/// The last rows of the series that had one last.
pub struct Recent {
    kept: Kept,
    output: Output<Vec<u8>>,
    series: BTreeMap<String, Last>,
    rows: u64,
}

impl Recent {
    /// No rows yet. `kept` and `output` write JSON.
    pub fn new(kept: Kept, output: Output<Vec<u8>>) -> Self {
        Self { kept, output, series: BTreeMap::new(), rows: 0 }
    }

    /// Adds a row of the series `key`, which is number `number`, and what was said about it; `class` is the word of a row whose
    /// class is predicted.
    ///
    /// # Errors
    /// None, as the memory is written to.
    pub fn add(
        &mut self,
        key: &str,
        number: u64,
        row: &Row,
        record: &Record,
        report: &Report,
        class: &str,
    ) -> std::io::Result<()> {
        self.rows += 1;
        self.kept.read(row, record);
        self.output.write(number, report, self.kept.text(), class)?;
        let line = String::from_utf8_lossy(&std::mem::take(self.output.to_mut())).trim_end().to_string();
        if !self.series.contains_key(key) {
            if self.series.len() == SERIES
                && let Some(oldest) = self.series.iter().min_by_key(|(_, last)| last.at)
            {
                let oldest = oldest.0.clone();
                self.series.remove(&oldest);
            }
            self.series.insert(key.to_string(), Last::default());
        }
        if let Some(last) = self.series.get_mut(key) {
            last.at = self.rows;
            if last.rows.len() == ROWS {
                last.rows.pop_front();
            }
            last.rows.push_back(line);
        }
        Ok(())
    }

    /// Number of series of which rows are kept.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// The rows as a JSON list of objects with `key`, which is null if there are no keys, and `recent`.
    pub fn json(&self, keyed: bool) -> String {
        let one = |(key, last): (&String, &Last)| {
            let key = serde_json::Value::from(keyed.then(|| key.clone()));
            let rows: Vec<&str> = last.rows.iter().map(String::as_str).collect();
            format!("{{\"key\":{key},\"recent\":[{}]}}", rows.join(","))
        };
        format!("[{}]", self.series.iter().map(one).collect::<Vec<_>>().join(","))
    }
}
