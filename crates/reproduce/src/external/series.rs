//! The series of the public comparison: three that are generated, and one that is read.

use std::ops::Range;
use std::path::Path;

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
    /// Windows of the monthly sunspot numbers, of which the observatory forbids copies here.
    SunspotWindows,
}

/// All of them, with their names in tables.
pub const ALL: [(Series, &str); 4] = [
    (Series::Henon, "Hénon"),
    (Series::MackeyGlass, "Mackey-Glass"),
    (Series::Lorenz, "Lorenz"),
    (Series::SunspotWindows, "sunspots"),
];

/// Months of the sunspot series, those of a window, and those of a window whose mean and variance it is normalized by.
const MONTHS: usize = 3329;
const WINDOW: usize = 3065;
const NORMALIZED_BY: Range<usize> = 64..2064;
/// Reading a window goes round from its last month but one to this one.
const ROUND: usize = 64;

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
    /// The values of one of `lanes` lanes, with mean 0 and variance 1 over the series. Of sunspots, which are read from `file`, a lane has a
    /// window of the series, which goes round; windows begin an equal part of it apart, the first at a month that the seed draws, and each is
    /// normalized by 2000 months of its own.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn lane(self, lane: usize, lanes: usize, seed: u64, file: &Path) -> Result<Vec<f64>, String> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_mul(1000) + lane as u64);
        let mut values = match self {
            Self::Henon => henon(lane),
            Self::MackeyGlass => mackey_glass(&mut rng),
            Self::Lorenz => lorenz(&mut rng),
            Self::SunspotWindows => window(&sunspots(file)?, lane, lanes, seed),
        };
        let known = if self == Self::SunspotWindows { &values[NORMALIZED_BY] } else { &values[..] };
        let n = known.len() as f64;
        let mean = known.iter().sum::<f64>() / n;
        let deviation = (known.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        values.iter_mut().for_each(|v| *v = (*v - mean) / deviation);
        Ok(values)
    }

    /// The index of the value that is read at time `t`. The next one is predicted.
    pub fn index(self, t: usize) -> usize {
        match self {
            Self::SunspotWindows if t >= ROUND => ROUND + (t - ROUND) % (WINDOW - 1 - ROUND),
            _ => t,
        }
    }
}

/// The window of a lane.
fn window(months: &[f64], lane: usize, lanes: usize, seed: u64) -> Vec<f64> {
    let first = (unit(&mut Xoshiro256PlusPlus::seed_from_u64(seed)) * MONTHS as f64) as usize;
    months.iter().copied().cycle().skip(first + lane * (MONTHS / lanes)).take(WINDOW).collect()
}

/// One value a line, or the observatory's own lines: year, month, the two as a number, value, and more.
fn sunspots(file: &Path) -> Result<Vec<f64>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| failed(&error))?;
    let value = |line: &str| {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let cell = cells.get(3).or(cells.first()).copied().unwrap_or_default();
        cell.parse::<f64>().map_err(|error| failed(&format!("`{line}`: {error}")))
    };
    let values: Vec<f64> = text.lines().take(MONTHS).map(value).collect::<Result<_, _>>()?;
    if values.len() < MONTHS {
        Err(failed(&format!("{} months, not {MONTHS}", values.len())))
    } else {
        Ok(values)
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
    fn windows_of_sunspots_go_round_and_each_lane_begins_later() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sunspots");
        let lines = |own: bool| -> String {
            let line = |t: usize| {
                if own { format!("1749 01 1749.042 {}.5 -1 1\n", t % 97) } else { format!("{}.5\n", t % 97) }
            };
            (0..3400).map(line).collect()
        };
        let lane = |lane, seed| Series::SunspotWindows.lane(lane, 8, seed, &file).unwrap();
        std::fs::write(&file, lines(false)).unwrap();
        let (first, third) = (lane(0, 0), lane(2, 0));
        assert_eq!((first.len(), third.len()), (WINDOW, WINDOW));
        // The steps from month to month are those of the first lane, 832 months later, but for the scale. Two of the 200 go down.
        let steps = |lane: &[f64], from: usize| -> Vec<f64> {
            let steps: Vec<f64> = lane[from..from + 200].windows(2).map(|w| w[1] - w[0]).collect();
            steps.iter().map(|step| step / steps[0].abs()).collect()
        };
        let same = |a: Vec<f64>, b: Vec<f64>| a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(same(steps(&first, 832), steps(&third, 0)));
        assert!(!same(steps(&first, 831), steps(&third, 0)), "a month earlier is another");
        for lane in [&first, &third] {
            let known = &lane[NORMALIZED_BY];
            let mean = known.iter().sum::<f64>() / known.len() as f64;
            let variance = known.iter().map(|v| v * v).sum::<f64>() / known.len() as f64;
            assert!(mean.abs() < 1e-9 && (variance - 1.0).abs() < 1e-9, "{mean} {variance}");
        }
        assert_ne!(lane(0, 1), first, "another seed, another month");
        let index = |t| Series::SunspotWindows.index(t);
        assert_eq!([64, 3063, 3064, 3065, 6064].map(index), [64, 3063, 64, 65, 64]);
        assert_eq!(Series::Henon.index(6064), 6064);
        std::fs::write(&file, lines(true)).unwrap();
        assert_eq!(lane(0, 0), first);
        std::fs::write(&file, "1\n2\n").unwrap();
        assert!(Series::SunspotWindows.lane(0, 8, 0, &file).unwrap_err().contains("2 months"));
    }

    #[test]
    fn the_first_values_of_the_map_by_hand() {
        // From (0.1, 0): 1 - 1.4 · 0.01 = 0.986, then 1 - 1.4 · 0.972196 + 0.03.
        let values = henon(0);
        assert_eq!((values[0], values[1]), (0.1, 0.986));
        assert!((values[2] - (-0.331_074_4)).abs() < 1e-12, "{}", values[2]);
    }

    #[test]
    fn every_series_is_whole_normalized_and_its_own_for_each_lane() {
        let file = Path::new("none");
        assert!(Series::SunspotWindows.lane(0, 1, 0, file).unwrap_err().contains("none"));
        for (series, name) in ALL.into_iter().filter(|(series, _)| *series != Series::SunspotWindows) {
            let [a, b] = [0, 1].map(|lane| series.lane(lane, 2, 1, file).unwrap());
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
