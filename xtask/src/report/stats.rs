//! Mean and spread over seeds.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::model::{Figure, Point};

/// Resamples of a bootstrap interval: its bounds move by about 1 % of its width from one seed to another.
const RESAMPLES: usize = 2_000;
/// Fixed, so that a report is a function of its data.
const BOOTSTRAP_SEED: u64 = 0x5EED;
/// Below this many seeds a percentile interval is narrower than the range and says less.
const BOOTSTRAP_FROM: usize = 5;

/// What the band around a mean is. One kind per figure, so that one sentence can say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spread {
    /// One seed: nothing is known about the spread.
    Unknown,
    /// Two to four seeds: lowest to highest.
    Range,
    /// Five or more: percentile bootstrap interval of the mean, 95 %.
    Bootstrap,
}

impl Spread {
    fn of(seeds: usize) -> Self {
        match seeds {
            0 | 1 => Self::Unknown,
            n if n < BOOTSTRAP_FROM => Self::Range,
            _ => Self::Bootstrap,
        }
    }

    /// The sentence for a caption.
    pub(super) fn sentence(self, seeds: usize) -> String {
        match self {
            Self::Unknown => "One seed: no spread is known.".to_owned(),
            Self::Range => {
                format!(
                    "Lines are means over {seeds} seeds; bands reach from the lowest to the highest seed."
                )
            }
            Self::Bootstrap => format!(
                "Lines are means over {seeds} seeds; bands are 95 % bootstrap intervals of the mean ({RESAMPLES} resamples)."
            ),
        }
    }
}

/// A figure with the mean and spread of each of its points, computed once for all that is made of it.
#[derive(Debug)]
pub(super) struct Digest<'f> {
    pub(super) figure: &'f Figure,
    pub(super) spread: Spread,
    /// The largest number of seeds at any point.
    pub(super) seeds: usize,
    summaries: Vec<Vec<Option<Summary>>>,
}

impl<'f> Digest<'f> {
    pub(super) fn new(figure: &'f Figure) -> Self {
        let seeds = figure.series.iter().flat_map(|s| &s.points).map(|p| p.y.len()).max().unwrap_or(0);
        let spread = Spread::of(seeds);
        let summaries = figure
            .series
            .iter()
            .map(|series| series.points.iter().map(|point| summarize(&point.y, spread)).collect())
            .collect();
        Self { figure, spread, seeds, summaries }
    }

    /// The digests of an experiment's figures.
    pub(super) fn all(figures: &'f [Figure]) -> Vec<Self> {
        figures.iter().map(Self::new).collect()
    }

    /// The points of one series, in order.
    pub(super) fn points(
        &self,
        series: usize,
    ) -> impl DoubleEndedIterator<Item = (&'f Point, Option<Summary>)> {
        self.figure.series[series].points.iter().zip(self.summaries[series].iter().copied())
    }

    /// The points of all series.
    pub(super) fn all_points(&self) -> impl Iterator<Item = (&'f Point, Option<Summary>)> {
        (0..self.figure.series.len()).flat_map(|series| self.points(series))
    }
}

/// The finite values at one point, in brief. `low <= mean <= high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Summary {
    pub(super) mean: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    /// How many values were finite.
    pub(super) used: usize,
}

/// Summarizes the finite values; `None` if there are none.
fn summarize(values: &[f64], spread: Spread) -> Option<Summary> {
    let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    if finite.is_empty() {
        return None;
    }
    let mean = mean(&finite);
    let (low, high) = match spread {
        Spread::Unknown => (mean, mean),
        Spread::Range => {
            finite.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)))
        }
        Spread::Bootstrap => bootstrap(&finite),
    };
    // Rounding, or a skewed sample, can leave the mean a hair outside; a band beside its line would look like a bug.
    Some(Summary { mean, low: low.min(mean), high: high.max(mean), used: finite.len() })
}

fn mean(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    // Dividing first rounds more often, but does not overflow.
    let mean = if mean.is_finite() { mean } else { values.iter().map(|v| v / n).sum() };
    mean.clamp(-f64::MAX, f64::MAX)
}

fn bootstrap(values: &[f64]) -> (f64, f64) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(BOOTSTRAP_SEED);
    let n = values.len();
    let mut sample = vec![0.0; n];
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            for slot in &mut sample {
                // Multiply-shift, not a range of `rand`: its sampling may change between versions.
                let index = (u128::from(rng.next_u64()) * n as u128) >> 64;
                *slot = values[index as usize];
            }
            mean(&sample)
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let tail = RESAMPLES * 25 / 1000;
    (means[tail], means[RESAMPLES - 1 - tail])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_spans_the_finite_values() {
        let s = summarize(&[3.0, f64::NAN, 1.0, f64::INFINITY], Spread::Range).unwrap();
        assert_eq!((s.mean, s.low, s.high, s.used), (2.0, 1.0, 3.0, 2));
        assert_eq!(summarize(&[f64::NAN], Spread::Range), None);
        assert_eq!(summarize(&[], Spread::Bootstrap), None);
    }

    #[test]
    fn bootstrap_is_near_the_normal_interval_and_repeats() {
        // 40 values of standard deviation 2: the standard error is 2 / √40 = 0.316.
        let values: Vec<f64> = (0..40).map(|i| if i % 2 == 0 { 8.0 } else { 12.0 }).collect();
        let s = summarize(&values, Spread::Bootstrap).unwrap();
        let half = 1.96 * 2.0 / 40f64.sqrt();
        assert!((s.low - (10.0 - half)).abs() < 0.15, "{s:?}");
        assert!((s.high - (10.0 + half)).abs() < 0.15, "{s:?}");
        assert_eq!(Some(s), summarize(&values, Spread::Bootstrap));
    }

    #[test]
    fn huge_values_do_not_overflow() {
        let s = summarize(&[f64::MAX, f64::MAX, f64::MAX], Spread::Range).unwrap();
        assert!(s.mean.is_finite());
    }
}
