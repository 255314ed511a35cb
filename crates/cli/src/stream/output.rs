//! Predictions as rows.

use std::io::Write;

use serde_json::{Map, Value, json};

use super::predictor::{PREDICTORS, Predictor};
use super::rows::Format;

/// Writes a row for each row that was read.
pub struct Output<W> {
    to: W,
    format: Format,
    targets: Vec<String>,
    line: String,
}

impl<W: Write> Output<W> {
    /// Writes to `to`, beginning with a header for CSV if `header`.
    ///
    /// # Errors
    /// If `to` refuses.
    pub fn new(to: W, format: Format, targets: Vec<String>, header: bool) -> std::io::Result<Self> {
        let mut output = Self { to, format, targets, line: String::new() };
        if header && format == Format::Csv {
            output.header()?;
        }
        Ok(output)
    }

    fn header(&mut self) -> std::io::Result<()> {
        let mut names = vec!["row".to_string()];
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

    /// What `predictor` tells of the row it has just read.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&mut self, predictor: &Predictor) -> std::io::Result<()> {
        self.line.clear();
        match self.format {
            Format::Csv => self.csv(predictor),
            Format::Json => self.json(predictor),
        }
        self.line.push('\n');
        self.to.write_all(self.line.as_bytes())
    }

    /// Hands on what was written.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }

    fn csv(&mut self, predictor: &Predictor) {
        self.line.push_str(&predictor.counts().rows.to_string());
        let mut cell = |number: Option<f64>| {
            self.line.push(',');
            self.line.extend(number.filter(|x| x.is_finite()).map(short));
        };
        for told in predictor.told() {
            cell(told.value);
            (0..3).for_each(|i| cell(told.predicted.map(|predicted| predicted[i])));
            cell(told.error());
            cell(Some(told.next[0]));
        }
        (0..3).for_each(|i| cell(predictor.scores().map(|scores| scores[i])));
    }

    fn json(&mut self, predictor: &Predictor) {
        let number = |x: Option<f64>| {
            let rounded = x.filter(|x| x.is_finite()).and_then(|x| short(x).parse::<f64>().ok());
            rounded.map_or(Value::Null, Value::from)
        };
        let three = |x: Option<[f64; 3]>| -> Map<String, Value> {
            let all = PREDICTORS.iter().enumerate();
            all.map(|(i, &name)| (name.to_string(), number(x.map(|x| x[i])))).collect()
        };
        let mut line = Map::new();
        for (name, told) in self.targets.iter().zip(predictor.told()) {
            let mut all = three(told.predicted);
            all.insert("value".into(), number(told.value));
            all.insert("error".into(), number(told.error()));
            all.insert("next".into(), number(Some(told.next[0])));
            line.insert(name.clone(), all.into());
        }
        let (row, scores) = (predictor.counts().rows, three(predictor.scores()));
        self.line = json!({ "row": row, "columns": line, "score": scores }).to_string();
    }
}

/// A number with six significant digits, in the shortest form.
pub fn short(x: f64) -> String {
    let rounded = format!("{x:.5e}").parse().unwrap_or(x);
    if rounded != 0.0 && !(1e-5..1e15).contains(&f64::abs(rounded)) {
        format!("{rounded:e}")
    } else {
        format!("{rounded}")
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn numbers_have_six_digits() {
        let cases = [
            (0.0, "0"),
            (1.0 / 3.0, "0.333333"),
            (-1_234_567.0, "-1234570"),
            (1.5e-9, "1.5e-9"),
            (2e200, "2e200"),
        ];
        for (x, text) in cases {
            assert_eq!(short(x), text);
        }
    }
}
