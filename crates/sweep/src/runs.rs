//! Runs that were made or have failed, and values by seed.

use std::collections::BTreeMap;

use rtrl_report::{Machine, Point};
use rtrl_train::{Record, RunConfig, Summary};

/// One run that was made.
#[derive(Debug, Clone)]
pub struct Done {
    /// The method's label.
    pub method: String,
    /// What was run.
    pub config: RunConfig,
    /// Its folder, relative to the output folder.
    pub folder: String,
    /// The value that a sweep tried with this run.
    pub tried: Option<f64>,
    /// Its measurements, in order.
    pub records: Vec<Record>,
    /// Its final values and its cost.
    pub summary: Summary,
    /// Where it was made, if that was recorded.
    pub machine: Option<Machine>,
}

/// One run that has no result.
#[derive(Debug, Clone)]
pub struct Failed {
    /// The method's label.
    pub method: String,
    /// What was run.
    pub config: RunConfig,
    /// The value that a sweep tried with this run.
    pub tried: Option<f64>,
    /// Why, in one line.
    pub reason: String,
}

/// Values by seed.
pub type BySeed = BTreeMap<u64, f64>;

/// The values of these seeds, in their order; NaN for those that have none.
pub fn in_order(seeds: &[u64], values: &BySeed) -> Vec<f64> {
    seeds.iter().map(|seed| values.get(seed).copied().unwrap_or(f64::NAN)).collect()
}

/// Points at each x for which any seed has a value, in ascending order, with the values in the order of `seeds`.
pub fn points(seeds: &[u64], values: impl IntoIterator<Item = (f64, u64, f64)>) -> Vec<Point> {
    let mut found: Vec<(f64, BySeed)> = Vec::new();
    for (x, seed, value) in values {
        match found.iter_mut().find(|(other, _)| *other == x) {
            Some((_, of_seed)) => {
                of_seed.insert(seed, value);
            }
            None => found.push((x, BySeed::from([(seed, value)]))),
        }
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.iter().map(|(x, of_seed)| Point { x: *x, y: in_order(seeds, of_seed) }).collect()
}

/// Mean and sample standard deviation (0 of a single value); `None` of no values.
pub fn mean_and_deviation(values: &[f64]) -> Option<(f64, f64)> {
    if values.is_empty() {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>();
    Some((mean, if values.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 }))
}
