//! What belongs to one series whose target is a class.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_tasks::Signal;
use rtrl_train::{Targets, TrainError};

use crate::detector::Detector;
use crate::inputs::{Inputs, finite};
use crate::report::{CLASS_PREDICTORS, ClassForecast, ClassReport, Counts, Report};
use crate::ring::Ring;
use crate::trial::Trial;
use crate::{Columns, SeriesConfig};

/// Number of predictors.
const N: usize = CLASS_PREDICTORS.len();

/// Indices in [`CLASS_PREDICTORS`].
const MODEL: usize = 0;
const LAST: usize = 1;
const FREQUENT: usize = 2;
const SEASON: usize = 3;

/// Observations of each class that the frequencies begin with, half of one: the estimate of Krichevsky & Trofimov ("The
/// performance of universal encoding", IEEE TIT 27 (1981)). No class then has probability 0.
const BEGIN: f64 = 0.5;

/// Everything of one series of classes that changes while it is read, but for the net.
pub struct Classes {
    settings: SeriesConfig,
    /// The column of the class, and the number of classes.
    target: usize,
    count: usize,
    /// The horizon.
    ahead: usize,
    inputs: Inputs,
    /// Rows of the present sequence.
    rows: u64,
    /// Observed classes, NaN where they are missing, for the horizon and for a season.
    seen: Ring<f64>,
    /// What was said in the last rows, as many as the horizon: the classes of [`CLASS_PREDICTORS`], NaN for none, the
    /// probabilities of all classes by the net, and by how often they occur.
    made: Ring<f64>,
    /// The class observed last; NaN before the first.
    last: f64,
    /// How often each class occurs: shares of the observed rows, with weights that fall as those of the scales do.
    frequencies: Vec<f64>,
    observed: u64,
    /// Rows that have been scored, for each predictor.
    scored: [u64; N],
    detector: Option<Detector>,
    learning: bool,
    counts: Counts,
    report: Report,
}

impl Classes {
    pub fn new(settings: &SeriesConfig, columns: &Columns, count: usize) -> Self {
        let ahead = settings.furthest();
        let class = ClassReport { probabilities: vec![f64::NAN; count], ..ClassReport::default() };
        Self {
            target: columns.targets()[0],
            count,
            ahead,
            inputs: Inputs::new(settings, columns),
            rows: 0,
            seen: Ring::new(ahead.max(settings.season.unwrap_or(0)), 1, 0.0),
            made: Ring::new(ahead, N + 2 * count, 0.0),
            last: f64::NAN,
            frequencies: vec![0.0; count],
            observed: 0,
            scored: [0; N],
            detector: settings.anomaly.then(Detector::new),
            learning: true,
            counts: Counts::default(),
            report: Report { scores: vec![[f64::NAN; N]], class: Some(class), ..Report::default() },
            settings: settings.clone(),
        }
    }

    pub fn reads(&self) -> usize {
        self.inputs.reads()
    }

    pub fn signal(&self) -> Signal {
        Signal::Symbols(self.count)
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

    pub fn set_learning(&mut self, learning: bool) {
        self.learning = learning;
    }

    pub fn begin_sequence(&mut self) {
        self.rows = 0;
        self.inputs.begin_sequence();
        self.seen.clear();
        self.made.clear();
    }

    /// As [`Series::step`](crate::series::Series::step).
    pub fn step(&mut self, net: &mut Trial, row: &[Option<f64>]) -> Result<(), TrainError> {
        assert_eq!(row.len(), self.inputs.row.len(), "numbers of a row");
        let value = finite(row[self.target]);
        if let Some(class) = value {
            let inside = class >= 0.0 && class < self.count as f64 && class.fract() == 0.0;
            assert!(inside, "class {class} of {}", self.count);
        }
        self.seen.push()[0] = value.unwrap_or(f64::NAN);
        self.score(value);
        if self.rows >= self.ahead as u64 {
            let begun_anew = match self.learning {
                true => net.learn(Some(Targets::Classes(&[value.map(|class| class as u32)])))?,
                false => net.learn(None)?,
            };
            self.counts.resets += u64::from(begun_anew);
        }
        self.inputs.row[self.target] = f64::NAN;
        self.counts.missing += self.inputs.take_in(row);
        if let Some(class) = value {
            self.observed += 1;
            let weight = 1.0 / self.observed.min(self.settings.scale_rows) as f64;
            for (i, share) in self.frequencies.iter_mut().enumerate() {
                *share += weight * (f64::from(u8::from(i == class as usize)) - *share);
            }
            self.last = class;
        }
        self.predict(net);
        self.rows += 1;
        self.counts.rows += 1;
        self.report.row = self.counts.rows;
        Ok(())
    }

    /// Scores what was predicted for this row.
    fn score(&mut self, value: Option<f64>) {
        let class = self.report.class.as_mut().expect("a series of classes reports one");
        let made = self.made.row(self.ahead - 1);
        class.value = value.map(|class| class as usize);
        class.predicted = made.map(forecast);
        class.loss = None;
        (self.report.anomaly, self.report.drift) = (None, false);
        let Some((value, made)) = value.zip(made).filter(|(_, made)| made[MODEL].is_finite()) else { return };
        let of = |first: usize| -made[first + value as usize].log2();
        let loss = [of(N), of(N + self.count)];
        class.loss = Some(loss);
        if let Some(detector) = &mut self.detector {
            (self.report.anomaly, self.report.drift) = detector.rank(loss[0]);
        }
        if self.counts.rows < self.settings.warm_up {
            return;
        }
        for (predictor, &by) in made[..N].iter().enumerate().filter(|(_, by)| !by.is_nan()) {
            self.scored[predictor] += 1;
            let weight = 1.0 / self.scored[predictor].min(self.settings.score_rows) as f64;
            let mean = |mean: &mut f64, now: f64| {
                // Before the first row that is scored a mean is NaN.
                *mean = if mean.is_nan() { now } else { *mean + weight * (now - *mean) };
            };
            mean(&mut self.report.scores[0][predictor], f64::from(u8::from(by != value)));
            if predictor == MODEL {
                class.losses.iter_mut().zip(loss).for_each(|(losses, loss)| mean(losses, loss));
            }
        }
    }

    fn predict(&mut self, net: &mut Trial) {
        self.inputs.push();
        let outputs = net.predict(&self.inputs.read, self.rows);
        let made = self.made.push();
        let (by, probabilities) = made.split_at_mut(N);
        let (model, frequent) = probabilities.split_at_mut(self.count);
        // Log-probabilities in `f32` add up to 1 but for their rounding.
        model.iter_mut().zip(outputs).for_each(|(p, log)| *p = f64::from(*log).exp());
        let sum: f64 = model.iter().sum();
        model.iter_mut().for_each(|p| *p /= sum);
        let known = self.observed.min(self.settings.scale_rows) as f64;
        for (p, share) in frequent.iter_mut().zip(&self.frequencies) {
            *p = (share * known + BEGIN) / (known + BEGIN * self.count as f64);
        }
        by[MODEL] = likeliest(model);
        by[LAST] = self.last;
        by[FREQUENT] = if self.observed == 0 { f64::NAN } else { likeliest(frequent) };
        let season = self.settings.season.and_then(|season| {
            self.seen.row(season * self.ahead.div_ceil(season) - self.ahead).map(|seen| seen[0])
        });
        by[SEASON] = season.unwrap_or(f64::NAN);
        let class = self.report.class.as_mut().expect("a series of classes reports one");
        class.probabilities.copy_from_slice(model);
        class.next = forecast(made);
    }
}

/// What was said, from the numbers that are kept of it.
fn forecast(made: &[f64]) -> ClassForecast {
    let by: [Option<usize>; N] = std::array::from_fn(|i| finite(Some(made[i])).map(|class| class as usize));
    ClassForecast { by, probability: by[MODEL].map_or(f64::NAN, |class| made[N + class]) }
}

/// The likeliest class, of equal ones the first; NaN if a probability is.
fn likeliest(probabilities: &[f64]) -> f64 {
    let likelier = |best: usize, i: usize| if probabilities[i] > probabilities[best] { i } else { best };
    match probabilities.iter().any(|p| p.is_nan()) {
        true => f64::NAN,
        false => (0..probabilities.len()).fold(0, likelier) as f64,
    }
}

impl Persist for Classes {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        let inputs = &mut self.inputs;
        archive.part("values", &mut inputs.values)?;
        archive.slice("row", &mut inputs.row)?;
        archive.slice("observed", &mut inputs.observed)?;
        archive.value("sequence", &mut self.rows)?;
        archive.part("read", &mut inputs.read)?;
        archive.part("past", &mut inputs.past)?;
        archive.part("seen", &mut self.seen)?;
        archive.part("made", &mut self.made)?;
        archive.value("last", &mut self.last)?;
        archive.slice("frequencies", &mut self.frequencies)?;
        archive.value("classes", &mut self.observed)?;
        archive.slice("scores", self.report.scores.as_flattened_mut())?;
        archive.slice("scored", &mut self.scored)?;
        let class = self.report.class.as_mut().expect("a series of classes reports one");
        archive.slice("losses", &mut class.losses)?;
        if let Some(detector) = &mut self.detector {
            archive.part("detector", detector)?;
        }
        self.counts.persist(archive)?;
        let kept = self.rows.min(self.ahead as u64);
        let rings = [self.inputs.read.len(), self.made.len(), self.seen.len().min(kept)];
        archive
            .check("sequence", rings == [kept; 3], || format!("{} rows, but {rings:?} kept", self.rows))?;
        // Of what was restored, classes are indices.
        let count = self.count as f64;
        let is_class = |x: f64| x.is_nan() || (x >= 0.0 && x < count);
        let made = (0..self.ahead)
            .filter_map(|age| self.made.row(age))
            .all(|made| made[..N].iter().all(|&x| is_class(x)));
        let seen = (0..self.ahead.max(self.settings.season.unwrap_or(0)))
            .filter_map(|age| self.seen.row(age))
            .all(|seen| is_class(seen[0]));
        archive
            .check("made", made && seen && is_class(self.last), || format!("a class outside of 0..{count}"))
    }
}
