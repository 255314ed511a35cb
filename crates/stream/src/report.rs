//! What a forecaster says about a row.

/// The predictors in the order of predictions and scores. `model` is the net; `last` repeats the last observed value; `linear`
/// is a linear model that also learns online; `season` repeats the value of one season before.
pub const PREDICTORS: [&str; 4] = ["model", "last", "linear", "season"];

/// The predictors of a class in the order of predictions and scores. `model` is the net, `last` the class that was
/// observed last, `frequent` the class that occurs most often, `season` the one of one season before.
pub const CLASS_PREDICTORS: [&str; 4] = ["model", "last", "frequent", "season"];

/// What is said about a row: its values, what was predicted for it, and what is predicted for later ones.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Report {
    /// Number of the row, from 1.
    pub row: u64,
    /// One for each target; none if the target is a class.
    pub targets: Vec<TargetReport>,
    /// For each horizon the running mean squared errors of [`PREDICTORS`], in units of the variance. NaN for a
    /// predictor that there is not, or that has predicted nothing yet. If the target is a class, the shares of rows for which
    /// [`CLASS_PREDICTORS`] named another one.
    pub scores: Vec<[f64; 4]>,
    /// How unusual the errors of this row are, at the least horizon: 1 minus the share of recent errors that are as
    /// great. In 0..1, and uniform there as long as nothing changes. `None` without the setting
    /// [`anomaly`](crate::SeriesConfig::anomaly), in the first rows, in the first rows after a drift, and in a row without
    /// an error.
    pub anomaly: Option<f64>,
    /// Whether errors have become greater for good: Page's cumulative sum of the anomaly scores has passed its limit with
    /// this row.
    pub drift: bool,
    /// What is said about the class, if the target is one.
    pub class: Option<ClassReport>,
}

/// What is said about a class, which is an index. The horizon is h.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ClassReport {
    /// The observed class; `None` if it is missing.
    pub value: Option<usize>,
    /// What was predicted for this row, h rows before; `None` in the first h rows.
    pub predicted: Option<ClassForecast>,
    /// What is predicted for the row h rows later.
    pub next: ClassForecast,
    /// The probability of each class in the row h rows later, by the net; they add up to 1.
    pub probabilities: Vec<f64>,
    /// Bits by which the observed class surprised: `-log2` of the probability that it was given, by the net, and by how often
    /// the classes had occurred until then. `None` without an observed class, and in the first h rows.
    pub loss: Option<[f64; 2]>,
    /// Their running means over the rows of the scores; NaN before the first.
    pub losses: [f64; 2],
}

impl Default for ClassReport {
    fn default() -> Self {
        Self {
            value: None,
            predicted: None,
            next: ClassForecast::default(),
            probabilities: Vec::new(),
            loss: None,
            losses: [f64::NAN; 2],
        }
    }
}

/// The forecast of a class.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct ClassForecast {
    /// The class that each of [`CLASS_PREDICTORS`] names; `None` where nothing can be predicted.
    pub by: [Option<usize>; 4],
    /// The probability of the net's class, by the net.
    pub probability: f64,
}

/// What is said about a target.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct TargetReport {
    /// The observed value; `None` if it is missing.
    pub value: Option<f64>,
    /// One for each horizon, in ascending order.
    pub forecasts: Vec<Forecast>,
}

/// The forecasts of a target at a horizon h.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Forecast {
    /// What each of [`PREDICTORS`] predicted for this row, h rows before; `None` in the first h rows.
    pub predicted: Option<[f64; 4]>,
    /// What each of them predicts for the row h rows later; NaN where nothing can be predicted, as before the first
    /// value.
    pub next: [f64; 4],
    /// Lower and upper end of the interval around the net's prediction in `next`, with the stated
    /// [`coverage`](crate::SeriesConfig::coverage). `None` without it, and in the first rows.
    pub interval: Option<[f64; 2]>,
}

impl TargetReport {
    /// The observed value minus the net's prediction of `horizon` (an index) for this row, clamped to finite
    /// numbers.
    ///
    /// # Panics
    /// If there is no such horizon.
    #[must_use]
    pub fn error(&self, horizon: usize) -> Option<f64> {
        let predicted = self.forecasts[horizon].predicted;
        self.value.zip(predicted).map(|(value, by)| (value - by[0]).clamp(f64::MIN, f64::MAX))
    }
}

/// Counts over the whole series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Rows read.
    pub rows: u64,
    /// Rows left out because they could not be used.
    pub left_out: u64,
    /// Values that were missing.
    pub missing: u64,
    /// How often the net began anew because of NaN or infinity.
    pub resets: u64,
}
