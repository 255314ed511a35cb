//! What belongs to one series whose targets are numbers: statistics, the last rows, the simple predictors, scores.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_tasks::Signal;
use rtrl_train::{Targets, TrainError};

use crate::detector::Detector;
use crate::inputs::{Inputs, finite};
use crate::interval::Interval;
use crate::linear::{GREATEST_INPUTS, Linear};
use crate::report::{Counts, Forecast, PREDICTORS, Report, TargetReport};
use crate::ring::Ring;
use crate::scaler::Scaler;
use crate::trial::Trial;
use crate::{Columns, SeriesConfig};

/// Greatest error that enters the scores, in standard deviations of its column, so that the scores recover from
/// one absurd value.
const GREATEST: f64 = 1e3;

/// Number of predictors.
const N: usize = PREDICTORS.len();

/// Numbers that are kept of each forecast: the predictions, the ends of the interval, and the standard deviation of the
/// changes, in units of which errors are compared.
const KEPT: usize = N + 3;
const LOWER: usize = N;
const UPPER: usize = N + 1;
const SCALE: usize = N + 2;

/// Indices in [`PREDICTORS`].
const MODEL: usize = 0;
const LAST: usize = 1;
const LINEAR: usize = 2;
const SEASON: usize = 3;

/// Everything of one series of numbers that changes while it is read, but for the net. An output of the net is addressed
/// by `target * horizons + horizon`.
pub struct Numbers {
    settings: SeriesConfig,
    targets: Vec<usize>,
    /// Greatest horizon.
    furthest: usize,
    inputs: Inputs,
    /// Statistics of the changes of each target over each horizon.
    changes: Scaler,
    /// `None` if there are too many inputs for it.
    linear: Option<Linear>,
    /// Rows of the present sequence.
    rows: u64,
    /// Observed targets, NaN where they are missing, for the greatest horizon and for a season.
    seen: Ring<f64>,
    /// The value that each target's changes are counted from, in the last `furthest` rows; NaN before the first
    /// value.
    bases: Ring<f64>,
    /// What was said in the last `furthest` rows, `[targets][horizons][KEPT]`.
    made: Ring<f64>,
    /// Rows that have been scored, `[horizons]`, for each predictor.
    scored: Vec<[u64; N]>,
    /// One for each output, or none.
    intervals: Vec<Interval>,
    detector: Option<Detector>,
    learning: bool,
    counts: Counts,
    report: Report,
    /// Buffers for one step.
    wanted: Vec<Option<f32>>,
    wanted_linear: Vec<Option<f32>>,
}

impl Numbers {
    pub fn new(settings: &SeriesConfig, columns: &Columns) -> Self {
        let (inputs, targets) = (Inputs::new(settings, columns), columns.targets().to_vec());
        let (reads, horizons) = (inputs.reads(), settings.horizons.len());
        let (furthest, outputs) = (settings.furthest(), targets.len() * horizons);
        let target = TargetReport { value: None, forecasts: vec![Forecast::default(); horizons] };
        Self {
            furthest,
            changes: Scaler::new(outputs, settings.scale_rows),
            linear: (reads <= GREATEST_INPUTS).then(|| Linear::new(reads, outputs)),
            rows: 0,
            seen: Ring::new(furthest.max(settings.season.unwrap_or(0)), targets.len(), 0.0),
            bases: Ring::new(furthest, targets.len(), 0.0),
            made: Ring::new(furthest, outputs * KEPT, 0.0),
            scored: vec![[0; N]; horizons],
            // Not clones, which would lack the room for their errors.
            intervals: settings
                .coverage
                .iter()
                .flat_map(|&share| (0..outputs).map(move |_| Interval::new(share)))
                .collect(),
            detector: settings.anomaly.then(Detector::new),
            learning: true,
            counts: Counts::default(),
            report: Report {
                targets: vec![target; targets.len()],
                scores: vec![[f64::NAN; N]; horizons],
                ..Report::default()
            },
            wanted: vec![None; outputs],
            wanted_linear: vec![None; outputs],
            settings: settings.clone(),
            inputs,
            targets,
        }
    }

    pub fn reads(&self) -> usize {
        self.inputs.reads()
    }

    pub fn signal(&self) -> Signal {
        Signal::Values(self.targets.len() * self.settings.horizons.len())
    }

    pub fn report(&self) -> &Report {
        &self.report
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    pub fn counts_mut(&mut self) -> &mut Counts {
        &mut self.counts
    }

    pub fn has_linear(&self) -> bool {
        self.linear.is_some()
    }

    pub fn set_learning(&mut self, learning: bool) {
        self.learning = learning;
    }

    pub fn begin_sequence(&mut self) {
        self.rows = 0;
        self.inputs.begin_sequence();
        [&mut self.seen, &mut self.bases, &mut self.made].into_iter().for_each(Ring::clear);
    }

    /// As [`Series::step`](crate::series::Series::step).
    pub fn step(&mut self, net: &mut Trial, row: &[Option<f64>]) -> Result<(), TrainError> {
        assert_eq!(row.len(), self.inputs.row.len(), "numbers of a row");
        let seen = self.seen.push();
        for ((target, seen), &column) in self.report.targets.iter_mut().zip(seen).zip(&self.targets) {
            target.value = finite(row[column]);
            *seen = target.value.unwrap_or(f64::NAN);
        }
        self.score();
        if self.rows >= self.furthest as u64 {
            self.learn(net)?;
        }
        self.take_in(row);
        self.predict(net);
        self.rows += 1;
        self.counts.rows += 1;
        self.report.row = self.counts.rows;
        Ok(())
    }

    /// Scores, for each horizon, what was predicted so many rows before.
    fn score(&mut self) {
        let horizons = self.settings.horizons.len();
        // Of the errors at the least horizon, in units of their scale.
        let (mut squares, mut errors) = (0.0, 0_u32);
        for (at, &horizon) in self.settings.horizons.iter().enumerate() {
            let made = self.made.row(horizon - 1);
            let (mut sums, mut counts) = ([0.0; N], [0_u32; N]);
            for (target, (report, &column)) in self.report.targets.iter_mut().zip(&self.targets).enumerate() {
                let first = (target * horizons + at) * KEPT;
                let predicted = made.map(|made| std::array::from_fn(|i| made[first + i]));
                report.forecasts[at].predicted = predicted;
                let Some((value, predicted)) = report.value.zip(predicted) else { continue };
                if !predicted[MODEL].is_finite() {
                    continue;
                }
                let kept = &made.expect("there is a prediction")[first..][..KEPT];
                let error = (value - predicted[MODEL]).abs() / kept[SCALE];
                if !error.is_nan() {
                    if let Some(interval) = self.intervals.get_mut(target * horizons + at) {
                        let (lower, upper) = (kept[LOWER], kept[UPPER]);
                        interval.learn(error, (!lower.is_nan()).then_some(value < lower || value > upper));
                    }
                    if at == 0 {
                        squares += error * error;
                        errors += 1;
                    }
                }
                if self.counts.rows < self.settings.warm_up {
                    continue;
                }
                let deviation = self.inputs.values.deviation(column);
                for ((sum, count), predicted) in sums.iter_mut().zip(&mut counts).zip(predicted) {
                    if predicted.is_nan() {
                        continue;
                    }
                    *sum += ((value - predicted) / deviation).clamp(-GREATEST, GREATEST).powi(2);
                    *count += 1;
                }
            }
            let scores = self.report.scores[at].iter_mut().zip(&mut self.scored[at]);
            for (((score, scored), sum), count) in
                scores.zip(sums).zip(counts).filter(|(_, count)| *count > 0)
            {
                if *scored == 0 {
                    *score = 0.0;
                }
                *scored += 1;
                let weight = 1.0 / (*scored).min(self.settings.score_rows) as f64;
                *score += weight * (sum / f64::from(count) - *score);
            }
        }
        (self.report.anomaly, self.report.drift) = match &mut self.detector {
            Some(detector) if errors > 0 => detector.rank((squares / f64::from(errors)).sqrt()),
            _ => (None, false),
        };
    }

    /// Learns the row that is `furthest` rows old, the last of whose targets has just come. The net learns the
    /// standardized change of each target over each horizon, the linear model the standardized value.
    fn learn(&mut self, net: &mut Trial) -> Result<(), TrainError> {
        let begun_anew = if self.learning {
            let horizons = &self.settings.horizons;
            let bases = self.bases.row(self.furthest - 1).expect("so many rows of the sequence have come");
            for (target, (&base, &column)) in bases.iter().zip(&self.targets).enumerate() {
                for (at, horizon) in horizons.iter().enumerate() {
                    let output = target * horizons.len() + at;
                    let seen = self.seen.row(self.furthest - horizon).expect("as `bases`")[target];
                    let value = Some(seen).filter(|seen| !seen.is_nan());
                    // The first value of a column has no value before it to differ from.
                    let change = value.filter(|_| !base.is_nan()).map(|value| value - base);
                    self.wanted[output] = change.map(|change| self.changes.standardized(output, change));
                    self.wanted_linear[output] =
                        value.map(|value| self.inputs.values.standardized(column, value));
                }
            }
            if let Some(linear) = &mut self.linear {
                if self.furthest > 1 {
                    linear.read(self.inputs.read.row(self.furthest - 1).expect("as `bases`"));
                }
                linear.learn(&self.wanted_linear);
            }
            net.learn(Some(Targets::Values(&self.wanted)))?
        } else {
            net.learn(None)?
        };
        self.counts.resets += u64::from(begun_anew);
        Ok(())
    }

    /// Makes `row` the last row, and updates the statistics. In place of a missing target comes the net's
    /// prediction if there is one; any other missing value stays as it was in the row before.
    fn take_in(&mut self, row: &[Option<f64>]) {
        let horizons = &self.settings.horizons;
        for (target, (report, &column)) in self.report.targets.iter().zip(&self.targets).enumerate() {
            if let Some(value) = report.value {
                for (at, horizon) in horizons.iter().enumerate() {
                    let base = self.bases.row(horizon - 1).map_or(f64::NAN, |bases| bases[target]);
                    if !base.is_nan() {
                        self.changes.update(target * horizons.len() + at, value - base);
                    }
                }
            } else if let Some(predicted) = report.forecasts[0].predicted.filter(|by| by[MODEL].is_finite()) {
                self.inputs.row[column] = predicted[MODEL];
            }
        }
        self.counts.missing += self.inputs.take_in(row);
    }

    fn predict(&mut self, net: &mut Trial) {
        let inputs = &mut self.inputs;
        inputs.push();
        if let Some(linear) = &mut self.linear {
            linear.read(inputs.read.row(0).expect("it was just pushed"));
        }
        let outputs = net.predict(&inputs.read, self.rows);
        let (bases, made) = (self.bases.push(), self.made.push());
        let horizons = &self.settings.horizons;
        let each = self.report.targets.iter_mut().zip(&self.targets).zip(bases).enumerate();
        for (target, ((report, &column), base)) in each {
            // Before its first value nothing is known of a column, not even its scale.
            let last = inputs.observed[column];
            *base = if last.is_nan() { last } else { inputs.row[column] };
            for (at, (forecast, horizon)) in report.forecasts.iter_mut().zip(horizons).enumerate() {
                let output = target * horizons.len() + at;
                let change = f64::from(outputs[output]) * self.changes.deviation(output);
                let linear = self.linear.as_ref().map_or(f64::NAN, |linear| linear.prediction(output));
                let linear = inputs.values.mean(column) + inputs.values.deviation(column) * linear;
                let season = self.settings.season.and_then(|season| {
                    self.seen.row(season * horizon.div_ceil(season) - horizon).map(|seen| seen[target])
                });
                forecast.next[MODEL] = *base + self.changes.mean(output) + change;
                forecast.next[LAST] = last;
                forecast.next[LINEAR] = if last.is_nan() { last } else { linear };
                forecast.next[SEASON] = season.unwrap_or(f64::NAN);
                let scale = self.changes.deviation(output);
                let radius = self.intervals.get(output).map_or(f64::NAN, Interval::radius) * scale;
                let model = forecast.next[MODEL];
                forecast.interval = Some([model - radius, model + radius]).filter(|ends| !ends[0].is_nan());
                let [lower, upper] = forecast.interval.unwrap_or([f64::NAN; 2]);
                let kept = &mut made[output * KEPT..][..KEPT];
                kept[..N].copy_from_slice(&forecast.next);
                kept[N..].copy_from_slice(&[lower, upper, scale]);
            }
        }
    }
}

impl Persist for Numbers {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        let inputs = &mut self.inputs;
        archive.part("values", &mut inputs.values)?;
        archive.part("changes", &mut self.changes)?;
        if let Some(linear) = &mut self.linear {
            archive.part("linear", linear)?;
        }
        archive.slice("row", &mut inputs.row)?;
        archive.slice("observed", &mut inputs.observed)?;
        archive.value("sequence", &mut self.rows)?;
        archive.part("read", &mut inputs.read)?;
        archive.part("past", &mut inputs.past)?;
        archive.part("seen", &mut self.seen)?;
        archive.part("bases", &mut self.bases)?;
        archive.part("made", &mut self.made)?;
        archive.slice("scores", self.report.scores.as_flattened_mut())?;
        archive.slice("scored", self.scored.as_flattened_mut())?;
        for interval in &mut self.intervals {
            archive.part("interval", interval)?;
        }
        if let Some(detector) = &mut self.detector {
            archive.part("detector", detector)?;
        }
        self.counts.persist(archive)?;
        let kept = self.rows.min(self.furthest as u64);
        let rings = [self.inputs.read.len(), self.bases.len(), self.made.len(), self.seen.len().min(kept)];
        archive.check("sequence", rings == [kept; 4], || format!("{} rows, but {rings:?} kept", self.rows))
    }
}

impl Numbers {
    /// Restores what `rtrl stream` saved before there were horizons.
    pub fn restore_first_version(
        &mut self,
        net: &mut Trial,
        archive: &mut Archive<'_>,
    ) -> Result<(), ArchiveError> {
        archive.check("stream", self.furthest == 1, || {
            "it has no horizons, and horizon 1 alone reads it".into()
        })?;
        archive.part("values", &mut self.inputs.values)?;
        archive.part("changes", &mut self.changes)?;
        let (learner, just_reset) = net.nets_mut().next().expect("there is always a net").parts();
        archive.part("learner", learner)?;
        if let Some(linear) = &mut self.linear {
            archive.part("linear", linear)?;
        }
        archive.slice("row", &mut self.inputs.row)?;
        archive.slice("observed", &mut self.inputs.observed)?;
        self.begin_sequence();
        let made = self.made.push();
        made.fill(f64::NAN);
        for made in made.chunks_exact_mut(KEPT) {
            archive.slice("next", &mut made[..3])?;
        }
        let (mut scores, mut scored) = ([0.0_f64; 3], 0_u64);
        archive.slice("scores", &mut scores)?;
        archive.value("scored", &mut scored)?;
        for (i, score) in scores.into_iter().enumerate().filter(|(_, score)| scored > 0 && !score.is_nan()) {
            (self.report.scores[0][i], self.scored[0][i]) = (score, scored);
        }
        archive.value("just-reset", just_reset)?;
        self.counts.persist(archive)?;
        self.rows = self.counts.rows;
        self.inputs.read.push();
        self.seen.push().fill(f64::NAN);
        for (base, &column) in self.bases.push().iter_mut().zip(&self.targets) {
            let last = self.inputs.observed[column];
            *base = if last.is_nan() { last } else { self.inputs.row[column] };
        }
        Ok(())
    }
}
