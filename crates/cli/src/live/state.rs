//! What the terminal shows of a run: progress and curves.

use std::time::Duration;

use indicatif::ProgressBar;
use rtrl_train::{Progress, Record};

/// Most points kept of a curve: more than a terminal has columns of Braille dots.
const POINTS: usize = 2048;

/// How far a run has come, and its curves.
#[derive(Debug)]
pub struct State {
    /// The run's folder.
    pub name: String,
    /// Time steps made.
    pub step: u64,
    /// Time steps of the whole run.
    pub steps: u64,
    /// Time step at which this call began; 0 for a new run.
    pub resumed_at: u64,
    /// Learning rate of the next update.
    pub learning_rate: f64,
    /// The progress bar, which estimates speed and time left.
    bar: ProgressBar,
    /// Training loss over time steps: bits per target, or squared errors.
    pub train: Curve,
    /// Bits per target on held-out data, over time steps.
    pub held_out: Curve,
    /// Level of the curriculum, over time steps.
    pub level: Curve,
    /// Whether losses are bits; otherwise they are squared errors.
    pub bits: bool,
    /// How often the run has gone back after a divergence.
    pub rolled_back: u64,
}

impl State {
    /// The state of a run before its first window. `bar` is moved by the caller.
    pub fn new(name: String, bar: ProgressBar) -> Self {
        Self {
            name,
            step: 0,
            steps: bar.length().unwrap_or(0),
            resumed_at: 0,
            learning_rate: 0.0,
            bar,
            train: Curve::default(),
            held_out: Curve::default(),
            level: Curve::default(),
            bits: true,
            rolled_back: 0,
        }
    }

    /// Whether the run has made a window.
    pub fn begun(&self) -> bool {
        self.step > 0
    }

    /// Time steps per second, and the time left at this speed.
    pub fn speed(&self) -> (f64, Duration) {
        (self.bar.per_sec(), self.bar.eta())
    }

    /// Takes in how far the run has come after a window.
    pub fn advance(&mut self, progress: &Progress) {
        self.step = progress.step;
        self.resumed_at = progress.resumed_at;
        self.learning_rate = progress.learning_rate;
        if let Some(record) = &progress.record {
            self.add(record);
        }
    }

    /// Adds a record to the curves. If it tells of a rollback, the curves first lose the points after its step.
    pub fn add(&mut self, record: &Record) {
        let x = record.step as f64;
        if record.rolled_back.is_some() {
            self.rolled_back += 1;
            for curve in [&mut self.train, &mut self.held_out, &mut self.level] {
                curve.cut(x);
            }
        }
        self.bits &= record.error.is_none();
        self.train.extend(record.bits.or(record.error).map(|y| (x, y)));
        self.held_out.extend(record.valid_bits.map(|y| (x, y)));
        self.level.extend(record.level.map(|level| (x, f64::from(level))));
    }
}

/// Points (time step, value) in bounded memory: whenever there are `POINTS`, every second one is dropped, and only
/// half as many of later ones are kept.
#[derive(Debug)]
pub struct Curve {
    /// Of so many points one is kept.
    stride: usize,
    /// Points since the last that was kept, itself included.
    since: usize,
    points: Vec<(f64, f64)>,
    last: Option<f64>,
}

impl Default for Curve {
    fn default() -> Self {
        Self { stride: 1, since: 0, points: Vec::new(), last: None }
    }
}

impl Curve {
    /// The points kept.
    pub fn points(&self) -> &[(f64, f64)] {
        &self.points
    }

    /// The last value, kept or not.
    pub fn last(&self) -> Option<f64> {
        self.last
    }

    fn extend(&mut self, point: Option<(f64, f64)>) {
        let Some(point) = point else { return };
        self.last = Some(point.1);
        if self.since == 0 {
            if self.points.len() == POINTS {
                let mut keep = [true, false].into_iter().cycle();
                self.points.retain(|_| keep.next() == Some(true));
                self.stride *= 2;
            }
            self.points.push(point);
        }
        self.since = (self.since + 1) % self.stride;
    }

    /// Drops the points after time step `x`.
    fn cut(&mut self, x: f64) {
        self.points.retain(|point| point.0 <= x);
        self.last = self.points.last().map(|point| point.1);
        self.since = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_keeps_its_whole_range() {
        let mut curve = Curve::default();
        let len = 10 * POINTS;
        (0..len).for_each(|i| curve.extend(Some((i as f64, 2.0 * i as f64))));
        let points = curve.points();
        assert!(points.len() <= POINTS && points.len() > POINTS / 2, "{}", points.len());
        assert_eq!((points[0], curve.last()), ((0.0, 0.0), Some(2.0 * (len - 1) as f64)));
        let distance = points[1].0;
        let even = |pair: &[(f64, f64)]| pair[1].0 - pair[0].0 == distance;
        assert!(points.windows(2).all(even), "at equal distances");
        assert!(points.last().unwrap().0 >= len as f64 - distance);
    }

    #[test]
    fn a_run_that_goes_back_loses_the_curve_behind_that_step() {
        let line = |text: &str| serde_json::from_str::<Record>(text).unwrap();
        let mut state = State::new("run".into(), ProgressBar::hidden());
        for text in [
            r#"{"step":10,"characters":10,"bits":3.0,"seconds":0}"#,
            r#"{"step":20,"characters":20,"bits":2.0,"valid_bits":2.5,"seconds":0}"#,
            r#"{"step":10,"characters":10,"rolled_back":"from step 25","seconds":0}"#,
            r#"{"step":15,"characters":15,"bits":2.8,"seconds":0}"#,
        ] {
            state.add(&line(text));
        }
        assert_eq!(state.train.points(), [(10.0, 3.0), (15.0, 2.8)]);
        assert_eq!((state.held_out.points(), state.held_out.last()), (&[][..], None));
        assert!(state.bits && state.rolled_back == 1);
        state.add(&line(r#"{"step":20,"characters":20,"error":0.5,"seconds":0}"#));
        assert!(!state.bits);
    }
}
