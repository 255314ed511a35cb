//! Mean and spread over seeds.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::model::{Figure, Point};

/// Mean and half the width of Student's 95 % confidence interval of the mean, which is infinite for a single
/// value; `None` without values. Verdicts and bands are both made of this.
#[must_use]
pub fn interval(values: &[f64]) -> Option<(f64, f64)> {
    interval_with_floor(values, 0.0)
}

/// Variance of what is lost when a quantity is rounded to a whole number: uniform on an interval of length 1.
pub const ROUNDING_VARIANCE: f64 = 1.0 / 12.0;

/// The same if the variance of a value cannot be less than `floor`, whatever the sample says: a few seeds that end at the same whole number
/// do not show that there is no spread. A level is whole ([`ROUNDING_VARIANCE`]); a difference of two levels has twice its variance.
///
/// # Panics
/// Never: two values or more have a degree of freedom.
#[must_use]
pub fn interval_with_floor(values: &[f64], floor: f64) -> Option<(f64, f64)> {
    let n = values.len() as f64;
    let mean = mean(values)?;
    if values.len() < 2 {
        return Some((mean, f64::INFINITY));
    }
    let variance = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).max(floor);
    let student = StudentsT::new(0.0, 1.0, n - 1.0).expect("there is at least one degree of freedom");
    Some((mean, student.inverse_cdf(0.975) * (variance / n).sqrt()))
}

/// A figure with the mean and spread of each of its points, computed once for everything that shows the figure.
#[derive(Debug)]
pub(super) struct Digest<'f> {
    pub(super) figure: &'f Figure,
    /// The largest number of seeds at any point.
    pub(super) seeds: usize,
    summaries: Vec<Vec<Option<Summary>>>,
}

impl<'f> Digest<'f> {
    pub(super) fn new(figure: &'f Figure) -> Self {
        let points = || figure.series.iter().flat_map(|s| &s.points);
        let seeds = points().map(|p| p.y.len()).max().unwrap_or(0);
        if let named @ 1.. = figure.seeds.len() {
            let fits = points().all(|p| p.y.len() == named);
            assert!(fits, "figure `{}` names {named} seeds, points have up to {seeds} values", figure.id);
        }
        let floor = if figure.y.whole { ROUNDING_VARIANCE } else { 0.0 };
        let summaries = figure.series.iter();
        let summaries =
            summaries.map(|series| series.points.iter().map(|p| summarize(&p.y, floor)).collect());
        Self { figure, seeds, summaries: summaries.collect() }
    }

    /// The digests of an experiment's figures.
    pub(super) fn all(figures: &'f [Figure]) -> Vec<Self> {
        figures.iter().map(Self::new).collect()
    }

    /// What the bands are, for a caption.
    pub(super) fn sentence(&self) -> String {
        match self.seeds {
            0 | 1 => "One seed: no spread is known.".to_owned(),
            seeds => format!(
                "Lines are means over {seeds} seeds; bands are Student's 95 % confidence intervals of the mean."
            ),
        }
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
    /// Ends of the interval of the mean; of a single value the spread is unknown, and both are the value.
    pub(super) low: f64,
    pub(super) high: f64,
    /// How many values were finite.
    pub(super) used: usize,
}

impl Summary {
    /// The interval, if there is one: of one value the spread is unknown, which is not the same as zero.
    pub(super) fn band(&self) -> Option<(f64, f64)> {
        (self.used > 1).then_some((self.low, self.high))
    }
}

/// Summarizes the finite values; `None` if there are none.
fn summarize(values: &[f64], floor: f64) -> Option<Summary> {
    let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let (mean, half) = interval_with_floor(&finite, floor)?;
    let half = if finite.len() > 1 { half } else { 0.0 };
    // Squares of huge values overflow: the interval is then everything that can be drawn.
    let (low, high) = ((mean - half).max(-f64::MAX), (mean + half).min(f64::MAX));
    Some(Summary { mean, low, high, used: finite.len() })
}

/// The mean; `None` without values.
fn mean(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    // Dividing first rounds more often, but does not overflow.
    let mean = if mean.is_infinite() { values.iter().map(|v| v / n).sum() } else { mean };
    (!values.is_empty()).then(|| mean.clamp(-f64::MAX, f64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The half-width over the standard error is a quantile of Student's t. These are from tables, with all their
    /// digits.
    #[test]
    fn quantiles_are_those_of_the_tables_for_any_number_of_values() {
        for (n, quantile) in [
            (2, 12.7062),
            (3, 4.30265),
            (5, 2.77645),
            (16, 2.13145),
            (17, 2.11991),
            (31, 2.04227),
            (101, 1.98397),
        ] {
            let values: Vec<f64> = (0..n).map(|i| f64::from(i).sin()).collect();
            let (mean, half) = interval(&values).unwrap();
            let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
            let error = (squares / f64::from(n - 1) / f64::from(n)).sqrt();
            // The tolerance is half a unit of the table's last digit, relative to the quantile.
            assert!((half / error / quantile - 1.0).abs() < 5e-6, "{n}: {}", half / error);
        }
        assert_eq!(interval(&[2.0]), Some((2.0, f64::INFINITY)));
        assert_eq!(interval(&[]), None);
    }

    /// Uniform on [0, 1), from a fixed seed: the generator of Steele, Lea and Flood (2014), SplitMix64.
    fn uniform(state: &mut u64) -> f64 {
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(state: &mut u64) -> f64 {
        let radius = (-2.0 * (1.0 - uniform(state)).ln()).sqrt();
        radius * (std::f64::consts::TAU * uniform(state)).cos()
    }

    /// The share of intervals of `n` values that contain their expected value; `shrink` makes the intervals narrower.
    fn coverage(n: usize, floor: f64, shrink: f64, value: impl Fn(&mut u64) -> f64) -> f64 {
        const TRIALS: usize = 4000;
        let mut state = 2006;
        let expected = (0..50_000).map(|_| value(&mut state)).sum::<f64>() / 50_000.0;
        let covers = |state: &mut u64| {
            let values: Vec<f64> = (0..n).map(|_| value(state)).collect();
            let (mean, half) = interval_with_floor(&values, floor).unwrap();
            (mean - expected).abs() <= shrink * half
        };
        (0..TRIALS).filter(|_| covers(&mut state)).count() as f64 / TRIALS as f64
    }

    #[test]
    fn ninety_five_of_a_hundred_intervals_contain_the_mean() {
        // The standard error of a share of 4000 is 0.0034; three of them are allowed.
        for n in [2, 3, 5, 10] {
            let share = coverage(n, 0.0, 1.0, normal);
            assert!((share - 0.95).abs() < 0.011, "{n}: {share}");
        }
        // The normal quantile in place of Student's covers too little: 1.96 in place of 4.303.
        assert!(coverage(3, 0.0, 1.96 / 4.303, normal) < 0.86);
    }

    /// Values of two neighboring whole numbers, the hardest case: often all are equal. The coverage of such intervals is not 95 % for
    /// each probability, but without the floor it is far less.
    #[test]
    fn intervals_of_whole_numbers_contain_the_mean_nearly_as_often() {
        for n in [3, 5, 10] {
            for percent in [5, 20, 35, 50] {
                let value = |state: &mut u64| f64::from(uniform(state) < f64::from(percent) / 100.0);
                let share = coverage(n, ROUNDING_VARIANCE, 1.0, value);
                assert!(share > 0.87, "{n} values, {percent} %: {share}");
            }
        }
        let value = |state: &mut u64| f64::from(uniform(state) < 0.35);
        assert!(coverage(3, 0.0, 1.0, value) < 0.75);
    }

    #[test]
    fn equal_whole_numbers_have_a_spread() {
        // Levels 7, 7 and 5, 5: the differences are 2, 2. Half the width is 12.7062 √(1/6 / 2).
        let (mean, half) = interval_with_floor(&[2.0, 2.0], 2.0 * ROUNDING_VARIANCE).unwrap();
        assert!(mean == 2.0 && (half - 12.7062 * (1.0_f64 / 12.0).sqrt()).abs() < 1e-4, "{half}");
        assert_eq!(interval(&[2.0, 2.0]), Some((2.0, 0.0)));
    }

    #[test]
    fn only_finite_values_are_summarized() {
        let s = summarize(&[3.0, f64::NAN, 1.0, f64::INFINITY], 0.0).unwrap();
        // The standard deviation is √2, and the standard error this over √2.
        assert!(
            (s.mean, s.used) == (2.0, 2) && (s.high - 14.7062).abs() < 1e-4 && (s.low + 10.7062).abs() < 1e-4
        );
        assert!(s.band().is_some());
        let one = summarize(&[3.0, f64::NAN], 0.0).unwrap();
        assert_eq!((one.low, one.mean, one.high, one.band()), (3.0, 3.0, 3.0, None));
        assert_eq!(summarize(&[f64::NAN], 0.0), None);
        assert_eq!(summarize(&[], 0.0), None);
    }

    #[test]
    fn huge_values_do_not_overflow() {
        for values in [[f64::MAX; 3], [f64::MAX, -f64::MAX, f64::MAX]] {
            let s = summarize(&values, 0.0).unwrap();
            assert!(
                [s.low, s.mean, s.high].iter().all(|v| v.is_finite()) && s.low <= s.mean && s.mean <= s.high
            );
        }
    }
}
