//! The output: a row of predictions for each row of the input, and the summary.

use std::io::Write;

use rtrl_stream::{CLASS_PREDICTORS, Forecaster, PREDICTORS, Report, SeriesConfig, TargetReport};
use rtrl_tasks::table::rows::LeftOut;
use rtrl_train::OptimizerConfig;
use serde_json::{Map, Value, json};

use super::class::{Class, Said, measure};
use super::forecasts::Forecasts;
use super::kept::csv_cell;
use super::layout::Layout;
use super::rows::Format;

/// What is written of a target, or of the scores. Horizons and predictors are indices.
#[derive(Debug, Clone, Copy)]
enum Field {
    /// The observed value.
    Value,
    /// What a predictor said about this row.
    Predicted { horizon: usize, predictor: usize },
    /// The observed value minus the prediction of the net for this row.
    Error { horizon: usize },
    /// What a predictor says about a later row.
    Next { horizon: usize, predictor: usize },
    /// An end of the interval around the net's prediction of a later row: 0 the lower one, 1 the upper one.
    End { horizon: usize, end: usize },
}

impl Field {
    fn of(self, target: &TargetReport) -> Option<f64> {
        match self {
            Self::Value => target.value,
            Self::Predicted { horizon, predictor } => {
                target.forecasts[horizon].predicted.map(|predicted| predicted[predictor])
            }
            Self::Error { horizon } => target.error(horizon),
            Self::Next { horizon, predictor } => Some(target.forecasts[horizon].next[predictor]),
            Self::End { horizon, end } => target.forecasts[horizon].interval.map(|ends| ends[end]),
        }
    }
}

/// Writes a row for each row that was read.
pub struct Output<W> {
    to: W,
    format: Format,
    /// Significant digits of computed numbers; `None` for as many as it takes to read back the same number.
    digits: Option<usize>,
    kept: Vec<String>,
    targets: Vec<String>,
    /// What is written of the target, if it is a class; in place of `fields` and `scores`.
    class: Option<Class>,
    /// What is written of each target but its value.
    fields: Vec<(String, Field)>,
    /// The scores that are written: name, horizon and predictor.
    scores: Vec<(String, usize, usize)>,
    /// Whether anomalies and drifts are written.
    anomaly: bool,
    line: String,
}

/// The names of predictors, with their indices; the last one only with a season.
fn predictors(settings: &SeriesConfig) -> impl Iterator<Item = (usize, &'static str)> {
    let count = PREDICTORS.len() - usize::from(settings.season.is_none());
    PREDICTORS.into_iter().enumerate().take(count)
}

/// What is written of each target. One row ahead it is what was said about this row, and the next prediction. Further
/// ahead it is what is said about the later row, which bears its number in its name.
fn fields(settings: &SeriesConfig) -> Vec<(String, Field)> {
    let mut fields = Vec::new();
    for (horizon, &rows) in settings.horizons.iter().enumerate() {
        let name = |what: &str| if rows == 1 { what.to_string() } else { format!("{what}+{rows}") };
        for (predictor, what) in predictors(settings) {
            let field = match rows {
                1 => Field::Predicted { horizon, predictor },
                _ => Field::Next { horizon, predictor },
            };
            fields.push((name(what), field));
        }
        fields.push((name("error"), Field::Error { horizon }));
        if rows == 1 {
            fields.push(("next".into(), Field::Next { horizon, predictor: 0 }));
        }
        if settings.coverage.is_some() {
            fields.push((name("lower"), Field::End { horizon, end: 0 }));
            fields.push((name("upper"), Field::End { horizon, end: 1 }));
        }
    }
    fields
}

fn scores(settings: &SeriesConfig) -> Vec<(String, usize, usize)> {
    let mut scores = Vec::new();
    for (horizon, rows) in settings.horizons.iter().enumerate() {
        for (predictor, what) in predictors(settings) {
            let name = if *rows == 1 { what.to_string() } else { format!("{what}+{rows}") };
            scores.push((name, horizon, predictor));
        }
    }
    scores
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
        layout: &Layout,
        settings: &SeriesConfig,
        header: bool,
    ) -> std::io::Result<Self> {
        let (fields, scores) = (fields(settings), scores(settings));
        let targets = layout.targets.iter().map(|&column| layout.columns[column].clone()).collect();
        let class = layout.class.as_ref().map(|class| Class::new(&class.of.names, settings));
        let (anomaly, line) = (settings.anomaly, String::new());
        let mut output =
            Self { to, format, digits, kept: kept.to_vec(), targets, class, fields, scores, anomaly, line };
        if header && format == Format::Csv {
            output.header()?;
        }
        Ok(output)
    }

    /// Where it writes.
    pub fn to_mut(&mut self) -> &mut W {
        &mut self.to
    }

    /// Writes in this format from now on.
    pub fn set_format(&mut self, format: Format) {
        self.format = format;
    }

    /// Writes the header of CSV.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn header(&mut self) -> std::io::Result<()> {
        let mut names = vec!["row".to_string()];
        names.extend(self.kept.iter().cloned());
        for target in &self.targets {
            names.push(target.clone());
            match &self.class {
                Some(class) => names.extend(class.fields().map(|field| format!("{target}.{field}"))),
                None => names.extend(self.fields.iter().map(|(field, _)| format!("{target}.{field}"))),
            }
        }
        match &self.class {
            Some(class) => names.extend(class.scores().map(|name| format!("score.{name}"))),
            None => names.extend(self.scores.iter().map(|(name, ..)| format!("score.{name}"))),
        }
        if self.anomaly {
            names.extend(["anomaly", "drift"].map(String::from));
        }
        let mut csv = csv::WriterBuilder::new().from_writer(&mut self.to);
        csv.write_record(names)?;
        csv.flush()
    }

    /// Writes the row that `report` is about, which is number `number`, with predictions, errors and scores; `kept` is the
    /// text of its cells that are carried through, `word` its class if one is predicted.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&mut self, number: u64, report: &Report, kept: &str, word: &str) -> std::io::Result<()> {
        self.line.clear();
        match self.format {
            Format::Csv => self.csv(number, report, kept, word),
            Format::Json => self.json(number, report, kept, word),
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

    fn csv(&mut self, row: u64, report: &Report, kept: &str, word: &str) {
        let Self { line, digits, class, fields, scores, anomaly, .. } = self;
        let digits = *digits;
        line.push_str(&row.to_string());
        line.push_str(kept);
        if let Some((class, said)) = class.as_ref().zip(report.class.as_ref()) {
            csv_cell(line, word);
            for said in class.said(said) {
                match said {
                    Said::Word(word) => csv_cell(line, word.unwrap_or_default()),
                    Said::Number(x) => number_cell(line, x, digits),
                }
            }
            class.scored(report, said).for_each(|score| number_cell(line, Some(score), digits));
        }
        let mut cell = |number: Option<f64>, digits| number_cell(line, number, digits);
        for target in &report.targets {
            cell(Field::Value.of(target), None);
            fields.iter().for_each(|(_, field)| cell(field.of(target), digits));
        }
        for &(_, horizon, predictor) in scores.iter().filter(|_| class.is_none()) {
            cell(Some(report.scores[horizon][predictor]), digits);
        }
        if *anomaly {
            cell(report.anomaly, digits);
            cell(Some(f64::from(u8::from(report.drift))), None);
        }
    }

    fn json(&mut self, row: u64, report: &Report, kept: &str, word: &str) {
        let number = |x: Option<f64>| {
            x.filter(|x| x.is_finite()).map_or(Value::Null, |x| Value::from(rounded(x, self.digits)))
        };
        let mut columns = Map::new();
        for (name, target) in self.targets.iter().zip(&report.targets) {
            let fields = self.fields.iter().map(|(field, of)| (field.clone(), number(of.of(target))));
            let value = ("value".into(), Field::Value.of(target).map_or(Value::Null, Value::from));
            columns.insert(name.clone(), fields.chain([value]).collect::<Map<_, _>>().into());
        }
        let score = |(name, horizon, predictor): &(String, usize, usize)| {
            (name.clone(), number(Some(report.scores[*horizon][*predictor])))
        };
        let mut scores: Map<_, _> = match self.class {
            None => self.scores.iter().map(score).collect(),
            Some(_) => Map::new(),
        };
        if let Some((class, said)) = self.class.as_ref().zip(report.class.as_ref()) {
            let value = ("value".to_string(), Some(word).filter(|word| !word.is_empty()).into());
            let fields = class.fields().zip(class.said(said)).map(|(name, said)| {
                let said = match said {
                    Said::Word(word) => word.into(),
                    Said::Number(x) => number(x),
                };
                (name.to_string(), said)
            });
            columns.insert(self.targets.concat(), fields.chain([value]).collect::<Map<_, _>>().into());
            let each = class.scores().zip(class.scored(report, said));
            scores.extend(each.map(|(name, score)| (name.to_string(), number(Some(score)))));
        }
        let mut line = json!({ "row": row, "columns": columns, "score": scores });
        if self.anomaly {
            line["anomaly"] = number(report.anomaly);
            line["drift"] = report.drift.into();
        }
        self.line = line.to_string();
        // Behind the brace that begins the object.
        self.line.insert_str(1, kept);
    }
}

/// Adds a cell with a number, or an empty one.
fn number_cell(line: &mut String, number: Option<f64>, digits: Option<usize>) {
    line.push(',');
    line.extend(number.filter(|x| x.is_finite()).map(|x| decimal(rounded(x, digits))));
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

/// One line for the user: with which optimizer the net goes on after the trial of several. `None` before it ends.
pub fn chosen(forecaster: &Forecaster) -> Option<String> {
    let (tried, chosen) = forecaster.trial();
    let name = |optimizer: &OptimizerConfig| {
        let kind =
            serde_json::to_value(optimizer).ok().and_then(|all| all["kind"].as_str().map(String::from));
        format!("{} at {}", kind.unwrap_or_default(), optimizer.learning_rate())
    };
    let all: Vec<_> = tried.iter().map(name).collect();
    Some(format!("row {}: tried {}; goes on with {}", forecaster.counts().rows, all.join(", "), all[chosen?]))
}

/// The summary of a stream at its end, in one line. Scores are means over the series that there are.
pub fn summary(forecasts: &Forecasts, settings: &SeriesConfig, left_out: LeftOut) -> String {
    let (counts, reports) = (forecasts.counts(), forecasts.reports());
    let mut parts = vec![match forecasts.series() {
        None => format!("{} rows", counts.rows),
        Some((series, 0)) => format!("{} rows of {series} series", counts.rows),
        Some((series, forgotten)) => {
            format!("{} rows of {series} series, {forgotten} series forgotten", counts.rows)
        }
    }];
    let mean = |of: &dyn Fn(&Report) -> f64| {
        let known = reports.iter().map(|report| of(report)).filter(|score| score.is_finite());
        let (sum, count) = known.fold((0.0, 0), |(sum, count), score| (sum + score, count + 1));
        (count > 0).then(|| sum / f64::from(count))
    };
    let is_class = reports.first().is_some_and(|report| report.class.is_some());
    let predictors = if is_class { CLASS_PREDICTORS } else { PREDICTORS };
    let loss = |report: &Report, by: usize| report.class.as_ref().map_or(f64::NAN, |class| class.losses[by]);
    for (at, &rows) in settings.horizons.iter().enumerate() {
        let score = |(i, name): (usize, &str)| {
            mean(&|report| report.scores[at][i]).map(|score| format!("{name} {}", short(score)))
        };
        let known: Vec<_> = predictors.into_iter().enumerate().filter_map(score).collect();
        let ahead = if rows == 1 { String::new() } else { format!(", {rows} rows ahead") };
        if !known.is_empty() {
            let (over, what) = (settings.score_rows, measure(is_class));
            parts.push(format!("{what} over the last {over}{ahead}: {}", known.join(", ")));
        }
        if let [Some(model), Some(frequent)] = [0, 1].map(|by| mean(&|report| loss(report, by))) {
            parts.push(format!("bits for each class: model {}, frequent {}", short(model), short(frequent)));
        }
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
