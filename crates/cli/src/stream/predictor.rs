//! A net that predicts the next row of a stream, and the two predictors that it has to beat.

use rtrl_cells::Input;
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::Lanes;
use rtrl_tasks::Signal;
use rtrl_train::{Learner, RunConfig, Targets, TrainError};
use serde_json::{Map, Value, json};

use super::config::{StreamConfig, difference};
use super::layout::{Categories, Layout};
use super::linear::{GREATEST_INPUTS, Linear};
use super::scaler::Scaler;

/// The predictors in the order of predictions and scores: the net, the last observed value, the linear model.
pub const PREDICTORS: [&str; 3] = ["model", "last", "linear"];

/// Greatest error that enters the scores, in standard deviations of its column, so that the scores recover from
/// one absurd value.
const GREATEST: f64 = 1e3;

/// What the output says about one target in one row.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Told {
    /// The observed value; `None` if it was missing.
    pub value: Option<f64>,
    /// What each of [`PREDICTORS`] predicted for this row before it was read; `None` in the first row.
    pub predicted: Option<[f64; 3]>,
    /// What each of them predicts for the next row; NaN where nothing can be predicted, as before the first value.
    pub next: [f64; 3],
}

impl Told {
    /// The observed value minus the net's prediction, clamped to finite numbers.
    pub fn error(&self) -> Option<f64> {
        self.value
            .zip(self.predicted)
            .map(|(value, predicted)| (value - predicted[0]).clamp(f64::MIN, f64::MAX))
    }
}

/// Counts over the whole stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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

/// Everything that changes while a stream is read.
pub struct Predictor {
    run: RunConfig,
    /// Settings and columns; a checkpoint with others is refused.
    identity: Value,
    score_rows: u64,
    inputs: Vec<usize>,
    targets: Vec<usize>,
    /// From this index on the numbers of a row are read as they are.
    exact: usize,
    /// Whether the next row begins a new sequence.
    begins: bool,
    /// Statistics of the values of each column that is used.
    values: Scaler,
    /// Statistics of the changes of each target from row to row.
    changes: Scaler,
    learner: Learner,
    /// `None` if there are too many inputs for it.
    linear: Option<Linear>,
    /// The last row as the net reads it: in place of a missing value a prediction, or the value before it.
    row: Vec<f64>,
    /// The last value that was observed in each column; NaN before the first.
    observed: Vec<f64>,
    told: Vec<Told>,
    /// Mean squared errors of [`PREDICTORS`] in units of the variance.
    scores: [f64; 3],
    scored: u64,
    counts: Counts,
    /// Whether the row before made the net begin anew.
    just_reset: bool,
    /// Buffers for one step: inputs of the net, targets of the net, targets of the linear model.
    read: Vec<f32>,
    wanted: Vec<Option<f32>>,
    wanted_linear: Vec<Option<f32>>,
}

impl Predictor {
    /// A net that has read nothing, for the columns of `layout`.
    ///
    /// # Errors
    /// If a setting has no meaning.
    pub fn new(config: &StreamConfig, layout: &Layout) -> Result<Self, TrainError> {
        let used = layout.used();
        let place = |columns: &[usize]| -> Vec<usize> {
            columns.iter().filter_map(|column| used.binary_search(column).ok()).collect()
        };
        let (mut inputs, targets) = (place(&layout.inputs), place(&layout.targets));
        let (exact, width) = (used.len(), used.len() + layout.made());
        inputs.extend(exact..width);
        let run = config.run();
        Ok(Self {
            identity: identity(config, layout),
            score_rows: config.stream.score_rows,
            exact,
            begins: true,
            values: Scaler::new(used.len(), config.stream.scale_rows),
            changes: Scaler::new(targets.len(), config.stream.scale_rows),
            learner: learner(&run, inputs.len(), targets.len())?,
            linear: (inputs.len() <= GREATEST_INPUTS).then(|| Linear::new(inputs.len(), targets.len())),
            row: vec![0.0; width],
            observed: vec![f64::NAN; width],
            told: vec![Told::default(); targets.len()],
            scores: [0.0; 3],
            scored: 0,
            counts: Counts::default(),
            just_reset: false,
            read: vec![0.0; inputs.len()],
            wanted: vec![None; targets.len()],
            wanted_linear: vec![None; targets.len()],
            run,
            inputs,
            targets,
        })
    }

    /// What the output says about each target in the last row.
    pub fn told(&self) -> &[Told] {
        &self.told
    }

    /// Whether there is a linear model.
    pub fn has_linear(&self) -> bool {
        self.linear.is_some()
    }

    /// Running mean squared errors of [`PREDICTORS`], in units of the variance; `None` before the first row that
    /// is scored, and NaN for the linear model if there is none.
    pub fn scores(&self) -> Option<[f64; 3]> {
        (self.scored > 0).then_some(self.scores)
    }

    /// Counts so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Counts rows that could not be used.
    pub fn leave_out(&mut self, rows: u64) {
        self.counts.left_out += rows;
    }

    /// Begins a new sequence with the next row: nothing is learned from the step to it, and its prediction is not
    /// scored.
    pub fn begin_sequence(&mut self) {
        self.begins = true;
    }

    /// Takes in a row of the columns that are used: scores what was predicted for it, learns from it, and predicts the next.
    ///
    /// # Errors
    /// If the net cannot be built anew, or cannot learn for another reason than NaN or infinity.
    pub fn step(&mut self, row: &[Option<f64>]) -> Result<(), TrainError> {
        let first = std::mem::take(&mut self.begins);
        for (told, &column) in self.told.iter_mut().zip(&self.targets) {
            told.value = row[column];
            told.predicted = None;
        }
        if !first {
            self.score();
            self.learn()?;
        } else if self.counts.rows > 0 {
            self.learner.skip()?;
        }
        self.take_in(row, first);
        self.predict(first);
        self.counts.rows += 1;
        Ok(())
    }

    fn score(&mut self) {
        let (mut sums, mut count) = ([0.0; 3], 0);
        for (told, &column) in self.told.iter_mut().zip(&self.targets) {
            told.predicted = Some(told.next);
            let Some(value) = told.value.filter(|_| told.next[0].is_finite()) else { continue };
            let deviation = self.values.deviation(column);
            for (sum, predicted) in sums.iter_mut().zip(told.next) {
                *sum += ((value - predicted) / deviation).clamp(-GREATEST, GREATEST).powi(2);
            }
            count += 1;
        }
        if count > 0 {
            self.scored += 1;
            let weight = 1.0 / self.scored.min(self.score_rows) as f64;
            for (score, sum) in self.scores.iter_mut().zip(sums) {
                *score += weight * (sum / f64::from(count) - *score);
            }
        }
    }

    /// The net learns the standardized change of each target, the linear model its standardized value. On NaN or
    /// infinity the net's state begins anew. If it did so in the row before too, or if the state is not the cause,
    /// the weights begin anew as well.
    fn learn(&mut self) -> Result<(), TrainError> {
        for (target, (told, &column)) in self.told.iter().zip(&self.targets).enumerate() {
            // The first value of a column has no value before it to differ from.
            let change = told.value.filter(|_| !self.observed[column].is_nan()).map(|x| x - self.row[column]);
            self.wanted[target] = change.map(|change| self.changes.standardized(target, change));
            self.wanted_linear[target] = told.value.map(|value| self.values.standardized(column, value));
        }
        if let Some(linear) = &mut self.linear {
            linear.learn(&self.wanted_linear);
        }
        let (begun_anew, blame_weights) = match self.learner.learn(Targets::Values(&self.wanted)) {
            Ok(report) => (report.skipped > 0, report.skipped > 0 && self.just_reset),
            // State and influence are finite and the gradient is not: the weights are too large.
            Err(TrainError::Diverged { .. }) => (true, true),
            Err(other) => return Err(other),
        };
        self.counts.resets += u64::from(begun_anew);
        if blame_weights {
            self.learner = learner(&self.run, self.inputs.len(), self.targets.len())?;
        }
        self.just_reset = begun_anew;
        Ok(())
    }

    /// Makes `row` the last row, and updates the statistics. In place of a missing target comes the net's
    /// prediction if there is one; any other missing value stays as it was in the row before.
    fn take_in(&mut self, row: &[Option<f64>], first: bool) {
        for (target, (told, &column)) in self.told.iter().zip(&self.targets).enumerate() {
            match told.value {
                Some(value) if !self.observed[column].is_nan() && !first => {
                    self.changes.update(target, value - self.row[column]);
                }
                None if told.next[0].is_finite() && !first => self.row[column] = told.next[0],
                _ => {}
            }
        }
        for (column, value) in row.iter().enumerate() {
            match *value {
                Some(value) if column >= self.exact => self.row[column] = value,
                Some(value) => {
                    self.values.update(column, value);
                    self.row[column] = value;
                    self.observed[column] = value;
                }
                None => self.counts.missing += 1,
            }
        }
    }

    fn predict(&mut self, first: bool) {
        for (read, &column) in self.read.iter_mut().zip(&self.inputs) {
            *read = match column < self.exact {
                true => self.values.standardized(column, self.row[column]),
                false => self.row[column] as f32,
            };
        }
        if let Some(linear) = &mut self.linear {
            linear.read(&self.read);
        }
        let outputs = self.learner.predict(Input::Dense(Lanes::new(&self.read, 1)), &[first]);
        for (target, (told, &column)) in self.told.iter_mut().zip(&self.targets).enumerate() {
            // Before its first value nothing is known of a column, not even its scale.
            let last = self.observed[column];
            let base = if last.is_nan() { last } else { self.row[column] };
            let change = f64::from(outputs.values()[target]) * self.changes.deviation(target);
            let linear = self.linear.as_ref().map_or(f64::NAN, |linear| linear.prediction(target));
            let linear = self.values.mean(column) + self.values.deviation(column) * linear;
            let linear = if last.is_nan() { last } else { linear };
            told.next = [base + self.changes.mean(target) + change, last, linear];
        }
    }
}

impl Persist for Predictor {
    /// Refuses a checkpoint that was made with other settings or columns, and names the first difference.
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        let mut identity = self.identity.to_string().into_bytes();
        archive.vec(IDENTITY, &mut identity)?;
        let found = serde_json::from_slice(&identity).unwrap_or_default();
        if let Some((field, now, then)) = difference(&self.identity, &found) {
            let reason = format!("it was made with {field} = {then}, and now it is {now}");
            return Err(archive.refusal(IDENTITY, reason));
        }
        archive.part("values", &mut self.values)?;
        archive.part("changes", &mut self.changes)?;
        archive.part("learner", &mut self.learner)?;
        if let Some(linear) = &mut self.linear {
            archive.part("linear", linear)?;
        }
        archive.slice("row", &mut self.row)?;
        archive.slice("observed", &mut self.observed)?;
        for told in &mut self.told {
            archive.slice("next", &mut told.next)?;
        }
        archive.slice("scores", &mut self.scores)?;
        archive.value("scored", &mut self.scored)?;
        archive.value("just-reset", &mut self.just_reset)?;
        let Counts { rows, left_out, missing, resets } = &mut self.counts;
        [("rows", rows), ("left-out", left_out), ("missing", missing), ("resets", resets)]
            .into_iter()
            .try_for_each(|(name, count)| archive.value(name, count))?;
        self.begins = self.counts.rows == 0;
        Ok(())
    }
}

/// Name of the first section of a checkpoint, which holds its settings and columns.
pub const IDENTITY: &str = "stream";

/// The settings and columns with which a checkpoint of a stream was made.
///
/// # Errors
/// If the checkpoint is not one of a stream.
pub fn read_identity(archive: &mut Archive<'_>) -> Result<Value, ArchiveError> {
    let mut identity = Vec::new();
    archive.vec(IDENTITY, &mut identity)?;
    archive.skip_rest();
    serde_json::from_slice(&identity).map_err(|error| archive.refusal(IDENTITY, error.to_string()))
}

fn learner(run: &RunConfig, inputs: usize, targets: usize) -> Result<Learner, TrainError> {
    Learner::new(run, Signal::Values(inputs), Signal::Values(targets))
}

fn identity(config: &StreamConfig, layout: &Layout) -> Value {
    let names = |columns: &[usize]| columns.iter().map(|&c| layout.columns[c].clone()).collect::<Vec<_>>();
    let mut identity = json!({
        "settings": config,
        "columns": layout.columns,
        "input": names(&layout.inputs),
        "target": names(&layout.targets),
    });
    if !layout.categories.is_empty() {
        let named =
            |made: &Categories| (layout.columns[made.column].clone(), Value::from(made.names.clone()));
        identity["categories"] = layout.categories.iter().map(named).collect::<Map<_, _>>().into();
    }
    if let Some(time) = layout.time {
        identity["time"] = layout.columns[time].clone().into();
    }
    identity
}
