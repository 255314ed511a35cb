//! Running statistics, by which columns of any scale are standardized.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};

/// Standardized values are clamped to this many standard deviations.
const LIMIT: f64 = 10.0;

/// The first values of a column, this many, enter its statistics as they are. Later ones are clamped to [`LIMIT`]
/// standard deviations from the mean, so that one absurd value does not spoil the scale.
const SETTLED: u64 = 20;

/// Greatest difference from the mean: the square of a much larger one would overflow.
const GREATEST: f64 = 1e150;

/// Running mean and variance of each column: of all values while they are fewer than the memory, then with weights
/// that fall by a factor of e over the memory.
#[derive(Debug, Clone)]
pub struct Scaler {
    memory: u64,
    counts: Vec<u64>,
    means: Vec<f64>,
    variances: Vec<f64>,
}

impl Scaler {
    /// Statistics of `columns` columns with a memory of `memory` values, without a value yet.
    pub fn new(columns: usize, memory: u64) -> Self {
        Self { memory, counts: vec![0; columns], means: vec![0.0; columns], variances: vec![0.0; columns] }
    }

    /// Takes a value into the statistics of a column.
    pub fn update(&mut self, column: usize, value: f64) {
        let n = self.counts[column] + 1;
        let limit =
            if n > SETTLED && self.varies(column) { LIMIT * self.deviation(column) } else { GREATEST };
        let weight = 1.0 / n.min(self.memory) as f64;
        let difference = (value - self.means[column]).clamp(-limit, limit);
        self.counts[column] = n;
        self.means[column] += weight * difference;
        self.variances[column] = (1.0 - weight) * (self.variances[column] + weight * difference * difference);
    }

    /// Whether the values of a column differ by more than their rounding.
    fn varies(&self, column: usize) -> bool {
        self.variances[column].sqrt() > 1e-12 * self.means[column].abs()
    }

    /// The standard deviation, or 1 for a column that is constant so far.
    pub fn deviation(&self, column: usize) -> f64 {
        if self.varies(column) { self.variances[column].sqrt() } else { 1.0 }
    }

    /// The mean.
    pub fn mean(&self, column: usize) -> f64 {
        self.means[column]
    }

    /// A value as a number of standard deviations above the mean, clamped to ±[`LIMIT`].
    pub fn standardized(&self, column: usize, value: f64) -> f32 {
        ((value - self.means[column]) / self.deviation(column)).clamp(-LIMIT, LIMIT) as f32
    }
}

impl Persist for Scaler {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.slice("counts", &mut self.counts)?;
        archive.slice("means", &mut self.means)?;
        archive.slice("variances", &mut self.variances)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_variance_are_those_of_the_values_so_far() {
        let values = [3.0, -1.0, 4.0, 1.0, 5.0, -9.0, 2.0];
        let mut scaler = Scaler::new(1, 100);
        values.iter().for_each(|&x| scaler.update(0, x));
        let mean = values.iter().sum::<f64>() / 7.0;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 7.0;
        // Seven roundings of numbers below 100.
        assert!((scaler.mean(0) - mean).abs() < 1e-13);
        assert!((scaler.deviation(0) - variance.sqrt()).abs() < 1e-13);
        assert_eq!(scaler.standardized(0, mean), 0.0);
    }

    #[test]
    fn constant_columns_and_absurd_values_give_numbers() {
        let mut scaler = Scaler::new(1, 1000);
        (0..50).for_each(|_| scaler.update(0, 0.1));
        assert_eq!(scaler.standardized(0, 0.1), 0.0);
        let mut scaler = Scaler::new(1, 1000);
        (0..50).for_each(|i| scaler.update(0, f64::from(i % 5)));
        let before = scaler.deviation(0);
        scaler.update(0, f64::MAX);
        assert!(scaler.deviation(0) < 3.0 * before, "a settled scale is not spoilt");
        assert_eq!(scaler.standardized(0, f64::MAX), 10.0);
        let mut scaler = Scaler::new(1, 1000);
        [f64::MAX, -f64::MAX, 1.0].iter().for_each(|&x| scaler.update(0, x));
        assert!(scaler.standardized(0, 1.0).is_finite());
    }

    #[test]
    fn what_is_long_past_is_forgotten() {
        let mut scaler = Scaler::new(1, 100);
        (0..1000).for_each(|i| scaler.update(0, f64::from(i % 2)));
        (0..1000).for_each(|i| scaler.update(0, 50.0 + f64::from(i % 2)));
        // e^-10 of 50.
        assert!((scaler.mean(0) - 50.5).abs() < 0.01);
    }
}
