//! The output: a row of predictions for each row of the input, and the summary.

use std::io::Write;

use rtrl_tasks::table::rows::LeftOut;
use serde_json::{Map, Value, json};

use super::predictor::{PREDICTORS, Predictor};
use super::rows::Format;

/// Writes a row for each row that was read.
pub struct Output<W> {
    to: W,
    format: Format,
    /// Significant digits of computed numbers; `None` for as many as it takes to read back the same number.
    digits: Option<usize>,
    kept: Vec<String>,
    targets: Vec<String>,
    line: String,
}

impl<W: Write> Output<W> {
    /// Writes to `to`, beginning with a header for CSV if `header`.
    ///
    /// # Errors
    /// If `to` refuses.
    pub fn new(
        to: W,
        format: Format,
        digits: Option<usize>,
        kept: &[String],
        targets: Vec<String>,
        header: bool,
    ) -> std::io::Result<Self> {
        let mut output = Self { to, format, digits, kept: kept.to_vec(), targets, line: String::new() };
        if header && format == Format::Csv {
            output.header()?;
        }
        Ok(output)
    }

    fn header(&mut self) -> std::io::Result<()> {
        let mut names = vec!["row".to_string()];
        names.extend(self.kept.iter().cloned());
        for target in &self.targets {
            names.push(target.clone());
            names.extend(PREDICTORS.map(|predictor| format!("{target}.{predictor}")));
            names.extend(["error", "next"].map(|what| format!("{target}.{what}")));
        }
        names.extend(PREDICTORS.map(|predictor| format!("score.{predictor}")));
        let mut csv = csv::WriterBuilder::new().from_writer(&mut self.to);
        csv.write_record(names)?;
        csv.flush()
    }

    /// Writes the row that `predictor` has just read, with predictions, errors and scores; `kept` is the text of its
    /// columns that are carried through.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&mut self, predictor: &Predictor, kept: &str) -> std::io::Result<()> {
        self.line.clear();
        match self.format {
            Format::Csv => self.csv(predictor, kept),
            Format::Json => self.json(predictor, kept),
        }
        self.line.push('\n');
        self.to.write_all(self.line.as_bytes())
    }

    /// Flushes the buffer.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }

    fn csv(&mut self, predictor: &Predictor, kept: &str) {
        self.line.push_str(&predictor.counts().rows.to_string());
        self.line.push_str(kept);
        let digits = self.digits;
        let mut cell = |number: Option<f64>, digits| {
            self.line.push(',');
            self.line.extend(number.filter(|x| x.is_finite()).map(|x| decimal(rounded(x, digits))));
        };
        for told in predictor.told() {
            cell(told.value, None);
            (0..3).for_each(|i| cell(told.predicted.map(|predicted| predicted[i]), digits));
            cell(told.error(), digits);
            cell(Some(told.next[0]), digits);
        }
        (0..3).for_each(|i| cell(predictor.scores().map(|scores| scores[i]), digits));
    }

    fn json(&mut self, predictor: &Predictor, kept: &str) {
        let number = |x: Option<f64>| {
            x.filter(|x| x.is_finite()).map_or(Value::Null, |x| Value::from(rounded(x, self.digits)))
        };
        let three = |x: Option<[f64; 3]>| -> Map<String, Value> {
            let all = PREDICTORS.iter().enumerate();
            all.map(|(i, &name)| (name.to_string(), number(x.map(|x| x[i])))).collect()
        };
        let mut line = Map::new();
        for (name, told) in self.targets.iter().zip(predictor.told()) {
            let mut all = three(told.predicted);
            all.insert("value".into(), told.value.map_or(Value::Null, Value::from));
            all.insert("error".into(), number(told.error()));
            all.insert("next".into(), number(Some(told.next[0])));
            line.insert(name.clone(), all.into());
        }
        let (row, scores) = (predictor.counts().rows, three(predictor.scores()));
        self.line = json!({ "row": row, "columns": line, "score": scores }).to_string();
        // Behind the brace that begins the object.
        self.line.insert_str(1, kept);
    }
}

/// A number rounded to so many significant digits.
fn rounded(x: f64, digits: Option<usize>) -> f64 {
    let text = digits.map(|digits| format!("{x:.*e}", digits.max(1) - 1));
    // Near `f64::MAX` rounding up gives infinity; the number then stays as it is.
    text.and_then(|text| text.parse().ok()).filter(|x: &f64| x.is_finite()).unwrap_or(x)
}

/// The shortest text that reads back to the same number.
fn decimal(x: f64) -> String {
    if x != 0.0 && !(1e-5..1e15).contains(&x.abs()) { format!("{x:e}") } else { format!("{x}") }
}

/// A number with six significant digits.
fn short(x: f64) -> String {
    decimal(rounded(x, Some(6)))
}

/// The summary of a stream at its end, in one line.
pub fn summary(predictor: &Predictor, left_out: LeftOut, score_rows: u64) -> String {
    let counts = predictor.counts();
    let mut parts = vec![format!("{} rows", counts.rows)];
    if let Some(scores) = predictor.scores() {
        let known = PREDICTORS.iter().zip(scores).filter(|(_, score)| score.is_finite());
        let scores: Vec<_> = known.map(|(name, score)| format!("{name} {}", short(score))).collect();
        parts.push(format!("squared error / variance over the last {score_rows}: {}", scores.join(", ")));
    }
    for (count, what) in [
        (counts.missing, "values missing"),
        (counts.left_out, "rows left out"),
        (left_out.comments, "comment lines left out"),
        (left_out.blank, "blank lines left out"),
        (counts.resets, "times begun anew"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_to_themselves() {
        let cases = [
            (1_700_000_001.0, "1700000001"),
            (73.967_322_07, "73.96732207"),
            (-1_234_567.0, "-1234567"),
            (1e-300, "1e-300"),
            (f64::MAX, "1.7976931348623157e308"),
            (0.1 + 0.2, "0.30000000000000004"),
            (-0.0, "-0"),
        ];
        for (x, text) in cases {
            assert_eq!(decimal(x), text);
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), x.to_bits(), "{text}");
        }
    }

    #[test]
    fn digits_are_significant_ones() {
        let cases = [
            (0.0, 6, "0"),
            (1.0 / 3.0, 6, "0.333333"),
            (-1_234_567.0, 6, "-1234570"),
            (1.5e-9, 6, "1.5e-9"),
            (2e200, 1, "2e200"),
            (f64::MAX, 2, "1.7976931348623157e308"),
            (9.96, 2, "10"),
        ];
        for (x, digits, text) in cases {
            assert_eq!(decimal(rounded(x, Some(digits))), text);
        }
    }
}
