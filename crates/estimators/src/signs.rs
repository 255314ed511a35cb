//! Random signs for stochastic estimators.

use std::ops::Range;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};

/// The random signs of a stochastic estimator, or a given list of signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signs(Source);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// A generator for each lane, 2^128 draws apart, so that the signs of a lane do not depend on the number of
    /// lanes.
    Random(Vec<Xoshiro256PlusPlus>),
    /// A list that is not empty, used in order and then again from the beginning; and the index of the next
    /// sign.
    Listed(Vec<bool>, usize),
}

impl Signs {
    /// Random signs for the lanes with these numbers. Each lane has a generator of its own, 2^128 draws from
    /// the next, so that its signs do not depend on the number of lanes.
    pub fn random(seed: u64, lanes: Range<usize>) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut next = || {
            let lane = rng.clone();
            rng.jump();
            lane
        };
        Self(Source::Random((0..lanes.end).map(|_| next()).skip(lanes.start).collect()))
    }

    /// The signs in `list` (`true` is +1), in order and then again from the beginning, whatever the lane. For
    /// tests that run through all patterns of signs.
    ///
    /// # Panics
    /// If the list is empty.
    pub fn listed(list: Vec<bool>) -> Self {
        assert!(!list.is_empty(), "a list of signs must not be empty");
        Self(Source::Listed(list, 0))
    }

    /// The next sign of a lane; `true` is +1.
    ///
    /// # Panics
    /// If there is no such lane.
    pub fn draw(&mut self, lane: usize) -> bool {
        match &mut self.0 {
            Source::Random(lanes) => lanes[lane].next_u64() >> 63 == 1,
            Source::Listed(list, next) => {
                let sign = list[*next];
                *next = (*next + 1) % list.len();
                sign
            }
        }
    }

    /// Checks that random signs are for the expected number of lanes.
    pub(crate) fn check(&self, expected: usize) {
        if let Source::Random(lanes) = &self.0 {
            assert_eq!(lanes.len(), expected, "lanes of the signs, found (left) and expected (right)");
        }
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        match &self.0 {
            Source::Random(lanes) => size_of_val(&lanes[..]),
            Source::Listed(list, _) => list.len(),
        }
    }
}

impl Persist for Signs {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        match &mut self.0 {
            Source::Random(lanes) => archive.slice("lanes", lanes),
            Source::Listed(list, next) => {
                archive.value("used", next)?;
                *next %= list.len();
                Ok(())
            }
        }
    }
}
