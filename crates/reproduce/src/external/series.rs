//! The series of the public comparison, generated.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// Values of a lane.
pub const LENGTH: usize = 20_065;

/// A series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Series {
    /// Hénon's map.
    Henon,
    /// Mackey and Glass's delayed feedback, by Euler steps of 1.
    MackeyGlass,
    /// The first coordinate of Lorenz's system, every second of Euler steps of 0.01.
    Lorenz,
}

/// All of them, with their names in tables.
pub const ALL: [(Series, &str); 3] =
    [(Series::Henon, "Hénon"), (Series::MackeyGlass, "Mackey-Glass"), (Series::Lorenz, "Lorenz")];

/// Numbers uniform on [0, 1).
fn unit(rng: &mut Xoshiro256PlusPlus) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// A standard normal number, by Box and Muller.
fn normal(rng: &mut Xoshiro256PlusPlus) -> f64 {
    let radius = (-2.0 * (1.0 - unit(rng)).ln()).sqrt();
    radius * (std::f64::consts::TAU * unit(rng)).cos()
}

impl Series {
    /// The values of one lane, with mean 0 and variance 1 over the series.
    pub fn lane(self, lane: usize, seed: u64) -> Vec<f64> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_mul(1000) + lane as u64);
        let mut values = match self {
            Self::Henon => henon(lane),
            Self::MackeyGlass => mackey_glass(&mut rng),
            Self::Lorenz => lorenz(&mut rng),
        };
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        values.iter_mut().for_each(|v| *v = (*v - mean) / deviation);
        values
    }
}

/// a = 1.4, b = 0.3, from (0.1 + 0.01 lane, 0).
fn henon(lane: usize) -> Vec<f64> {
    let (mut x, mut y) = (0.1 + 0.01 * lane as f64, 0.0);
    let next = |_| {
        let value = x;
        (x, y) = (1.0 - 1.4 * x * x + y, 0.3 * x);
        value
    };
    (0..LENGTH).map(next).collect()
}

/// τ = 17; the history is 1.2 and up to 0.2 more.
fn mackey_glass(rng: &mut Xoshiro256PlusPlus) -> Vec<f64> {
    const DELAY: usize = 17;
    let mut values: Vec<f64> = (0..=DELAY).map(|_| 1.2 + 0.2 * unit(rng)).collect();
    while values.len() < DELAY + 1 + LENGTH {
        let now = values[values.len() - 1];
        let past = values[values.len() - 1 - DELAY];
        values.push(now + 0.2 * past / (1.0 + past.powi(10)) - 0.1 * now);
    }
    values.split_off(DELAY + 1)
}

/// From (1, 1, 1) and normal noise of deviation 0.1; the first 100 steps are dropped.
fn lorenz(rng: &mut Xoshiro256PlusPlus) -> Vec<f64> {
    const DT: f64 = 0.01;
    let [mut x, mut y, mut z] = [(); 3].map(|()| 1.0 + 0.1 * normal(rng));
    let mut step = || {
        let (dx, dy, dz) = (10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z);
        (x, y, z) = (x + DT * dx, y + DT * dy, z + DT * dz);
        x
    };
    for _ in 0..100 {
        step();
    }
    let mut every_second = || {
        step();
        step()
    };
    (0..LENGTH).map(|_| every_second()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_values_of_the_map_by_hand() {
        // From (0.1, 0): 1 - 1.4 · 0.01 = 0.986, then 1 - 1.4 · 0.972196 + 0.03.
        let values = henon(0);
        assert_eq!((values[0], values[1]), (0.1, 0.986));
        assert!((values[2] - (-0.331_074_4)).abs() < 1e-12, "{}", values[2]);
    }

    #[test]
    fn every_series_is_whole_normalized_and_its_own_for_each_lane() {
        for (series, name) in ALL {
            let (a, b) = (series.lane(0, 1), series.lane(1, 1));
            assert_eq!(a.len(), LENGTH, "{name}");
            let n = LENGTH as f64;
            let mean = a.iter().sum::<f64>() / n;
            let variance = a.iter().map(|v| v * v).sum::<f64>() / n;
            assert!(mean.abs() < 1e-9 && (variance - 1.0).abs() < 1e-9, "{name}: {mean} {variance}");
            assert_ne!(a, b, "{name}");
            // Chaotic, but no noise: the next value is far nearer to the present one in two of them, and in none constant.
            assert!(a.windows(2).any(|pair| pair[0] != pair[1]), "{name}");
        }
    }
}
