//! Random streams: one per lane, so that the draws of a lane do not depend on the number of lanes.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// The generator behind every task: small, named, serializable, the same on every platform.
pub(crate) type Stream = Xoshiro256PlusPlus;

/// One stream per lane: lane `b` has the stream of `seed_from_u64(seed ^ salt)` after `b` jumps of 2¹²⁸ draws.
///
/// The salt differs from task to task, and keeps a task apart from weights or masks drawn from the same seed.
pub(crate) fn lane_streams(salt: u64, seed: u64, lanes: usize) -> Vec<Stream> {
    let mut next = Stream::seed_from_u64(seed ^ salt);
    let mut streams = Vec::with_capacity(lanes);
    for _ in 0..lanes {
        streams.push(next.clone());
        next.jump();
    }
    streams
}

/// Uniform on `0..n`, one draw: the high half of a 64 × 64-bit product (Lemire 2019), without his rejection step.
///
/// Own code rather than `rand`'s range sampling, whose values may change between versions. The deviation from
/// uniform is below n / 2⁶⁴.
pub(crate) fn below(stream: &mut Stream, n: u64) -> u64 {
    debug_assert!(n > 0, "nothing to choose from");
    ((u128::from(stream.next_u64()) * u128::from(n)) >> 64) as u64
}

/// Uniform on [0, 1), one draw: a multiple of 2⁻⁵³, each with the same probability.
pub(crate) fn unit(stream: &mut Stream) -> f64 {
    const ULP: f64 = 1.0 / (1_u64 << 53) as f64;
    (stream.next_u64() >> 11) as f64 * ULP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_is_uniform_and_never_one() {
        let mut stream = lane_streams(0, 2, 1).remove(0);
        let draws: Vec<f64> = (0..10_000).map(|_| unit(&mut stream)).collect();
        assert!(draws.iter().all(|x| (0.0..1.0).contains(x)));
        let (mean, square) =
            (draws.iter().sum::<f64>() / 1e4, draws.iter().map(|x| x * x).sum::<f64>() / 1e4);
        // The standard deviations of the two means are 0.0029 and 0.0030; the bounds are five of them.
        assert!((mean - 0.5).abs() < 0.0145 && (square - 1.0 / 3.0).abs() < 0.015, "{mean} {square}");
    }

    #[test]
    fn a_lane_has_the_same_stream_among_few_and_many() {
        let (few, many) = (lane_streams(7, 3, 2), lane_streams(7, 3, 5));
        assert_eq!(few[..], many[..2]);
        assert_ne!(many[0], many[1]);
        assert_ne!(lane_streams(7, 3, 1), lane_streams(8, 3, 1));
        assert_ne!(lane_streams(7, 3, 1), lane_streams(7, 4, 1));
    }

    #[test]
    fn below_is_in_range_and_reaches_both_ends_evenly() {
        let mut stream = lane_streams(0, 1, 1).remove(0);
        let mut counts = [0_u32; 5];
        for _ in 0..5000 {
            counts[below(&mut stream, 5) as usize] += 1;
        }
        // 1000 ± 28 each; the bounds are five standard deviations.
        assert!(counts.iter().all(|&c| (860..1140).contains(&c)), "{counts:?}");
    }
}
