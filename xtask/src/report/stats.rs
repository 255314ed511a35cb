//! Mean and spread over seeds.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::model::{Figure, Point};

/// Mean and half the width of Student's 95 % confidence interval of the mean, which is infinite for a single
/// value; `None` without values. Verdicts and bands are both made of this.
pub(crate) fn interval(values: &[f64]) -> Option<(f64, f64)> {
    let n = values.len() as f64;
    let mean = mean(values)?;
    if values.len() < 2 {
        return Some((mean, f64::INFINITY));
    }
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
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
        let summaries = figure.series.iter();
        let summaries = summaries.map(|series| series.points.iter().map(|p| summarize(&p.y)).collect());
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
fn summarize(values: &[f64]) -> Option<Summary> {
    let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let (mean, half) = interval(&finite)?;
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

    #[test]
    fn only_finite_values_are_summarized() {
        let s = summarize(&[3.0, f64::NAN, 1.0, f64::INFINITY]).unwrap();
        // The standard deviation is √2, and the standard error this over √2.
        assert!(
            (s.mean, s.used) == (2.0, 2) && (s.high - 14.7062).abs() < 1e-4 && (s.low + 10.7062).abs() < 1e-4
        );
        assert!(s.band().is_some());
        let one = summarize(&[3.0, f64::NAN]).unwrap();
        assert_eq!((one.low, one.mean, one.high, one.band()), (3.0, 3.0, 3.0, None));
        assert_eq!(summarize(&[f64::NAN]), None);
        assert_eq!(summarize(&[]), None);
    }

    #[test]
    fn huge_values_do_not_overflow() {
        for values in [[f64::MAX; 3], [f64::MAX, -f64::MAX, f64::MAX]] {
            let s = summarize(&values).unwrap();
            assert!(
                [s.low, s.mean, s.high].iter().all(|v| v.is_finite()) && s.low <= s.mean && s.mean <= s.high
            );
        }
    }
}
