//! `rtrl-sparse` alone: which pump feeds which tank?
//!
//! Six tanks stand in a row. In a minute each keeps four fifths of its water and passes the rest on to the next one. Three
//! pumps, whose flow is known, feed some of the tanks with unknown shares W. Only tanks 2, 4 and 6 have a gauge. A model of
//! the tanks runs along,
//!
//! ```text
//!     x ← D x + W u          J ← D J + u, where it belongs (J = dx/dW)
//! ```
//!
//! and every minute W is corrected along the gradient of the gauges' squared deviation, δᵀ J. J has a row for each tank and a
//! column for each share; water flows only downwards, so less than two thirds of it can be nonzero, and the rest is not kept.

use rtrl_sparse::{BlockError, Pattern, PatternError, Streaming};

const TANKS: usize = 6;
const PUMPS: usize = 3;

/// The pumps of each tank, and their true shares, tank after tank.
const PIPES: [&[u32]; TANKS] = [&[0], &[0, 1], &[1], &[2], &[0, 2], &[1]];
const SHARES: [f64; 8] = [0.5, 0.2, 0.9, 0.4, 0.7, 0.3, 0.6, 0.8];

/// The flows of minute t.
fn flows(t: usize) -> [f64; PUMPS] {
    let t = t as f64;
    [1.0 + (t / 2.0).sin(), 1.0 + (t / 3.0 + 1.0).cos(), 1.0 + (t / 1.3).sin()]
}

/// The tanks: how water moves on, and which pump feeds which tank.
struct Tanks {
    dynamics: Pattern,
    rates: Vec<f64>,
    pipes: Pattern,
}

impl Tanks {
    fn new() -> Result<Self, PatternError> {
        let from = |tank: u32| if tank == 0 { vec![0] } else { vec![tank - 1, tank] };
        let dynamics = Pattern::from_rows(TANKS, (0..TANKS as u32).map(from))?;
        let rates = dynamics.iter().map(|(to, from)| if to == from as usize { 0.8 } else { 0.2 }).collect();
        let pipes = Pattern::from_rows(PUMPS, PIPES.map(|pumps| pumps.to_vec()))?;
        Ok(Self { dynamics, rates, pipes })
    }

    /// x ← D x + W u.
    fn step(&self, levels: &mut Vec<f64>, shares: &[f64], u: &[f64]) {
        let mut next = vec![0.0; TANKS];
        for ((tank, pump), share) in self.pipes.iter().zip(shares) {
            next[tank] += share * u[pump as usize];
        }
        for ((to, from), rate) in self.dynamics.iter().zip(&self.rates) {
            next[to] += rate * levels[from as usize];
        }
        *levels = next;
    }
}

/// Runs the model beside the tanks for `minutes` minutes. Returns the shares that it finds, and how many
/// entries of J are kept.
fn identify(minutes: usize) -> Result<(Vec<f64>, usize), BlockError> {
    let tanks = Tanks::new().expect("columns in order");
    // Water that goes into a tank changes the level of this tank at once, with factor 1, and in the course of
    // time that of every tank below.
    let (drives, ones) = (Pattern::identity(TANKS), [1.0; TANKS]);
    let reach = drives.product(&tanks.dynamics.transpose().closure());
    let mut j = Streaming::of_patterns(tanks.pipes.clone(), &drives, &tanks.dynamics, &reach, 1)?;

    let (mut real, mut model) = (vec![0.0; TANKS], vec![0.0; TANKS]);
    let (mut shares, mut gradient) = (vec![0.0; SHARES.len()], vec![0.0; SHARES.len()]);
    for t in 0..minutes {
        let u = flows(t);
        tanks.step(&mut real, &SHARES, &u);
        tanks.step(&mut model, &shares, &u);
        let gauge = |tank: usize| if tank % 2 == 1 { model[tank] - real[tank] } else { 0.0 };
        let delta: Vec<f64> = (0..TANKS).map(gauge).collect();
        // Advances J by one minute, and adds δᵀ J to the gradient.
        j.step(&tanks.rates, &ones, &u, &delta, &mut gradient);
        for (share, g) in shares.iter_mut().zip(&mut gradient) {
            *share -= 3e-4 * std::mem::take(g);
        }
    }
    Ok((shares, j.entries().count()))
}

fn main() -> Result<(), BlockError> {
    let (shares, kept) = identify(100_000)?;
    println!("{kept} of {} entries kept", TANKS * SHARES.len());
    for ((tank, pump), (found, share)) in
        Tanks::new().expect("columns in order").pipes.iter().zip(shares.iter().zip(SHARES))
    {
        println!("pump {} to tank {}: {found:.3} (in truth {share})", pump + 1, tank + 1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_found() {
        let (shares, kept) = identify(100_000).unwrap();
        // Two pipes lead to tanks 2 and 5: 6 + 2 · 5 + 4 + 3 + 2 · 2 + 1.
        assert_eq!(kept, 28);
        for (found, share) in shares.iter().zip(SHARES) {
            assert!((found - share).abs() < 1e-3, "{shares:?}");
        }
    }
}
