//! Random signs for stochastic estimators.

use std::ops::Range;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::Scalar;

/// Where a stochastic estimator takes its signs from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signs {
    /// A stream for each lane, 2^128 draws apart: further lanes do not disturb the ones before.
    Random(Vec<Xoshiro256PlusPlus>),
    /// A given list, used in order and then again from the beginning: to enumerate all of them.
    Listed {
        /// The signs; `true` is +1.
        list: Vec<bool>,
        /// How many have been used.
        used: usize,
    },
}

impl Signs {
    /// A stream for each of the lanes of these numbers.
    pub fn random(seed: u64, lanes: Range<usize>) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut next = || {
            let lane = rng.clone();
            rng.jump();
            lane
        };
        Self::Random((0..lanes.end).map(|_| next()).skip(lanes.start).collect())
    }

    /// The signs in `list`, in order.
    ///
    /// # Panics
    /// If the list is empty.
    pub fn listed(list: Vec<bool>) -> Self {
        assert!(!list.is_empty(), "a list of signs must not be empty");
        Self::Listed { list, used: 0 }
    }

    /// The next sign of a lane.
    pub fn draw(&mut self, lane: usize) -> bool {
        match self {
            Self::Random(lanes) => lanes[lane].next_u64() >> 63 == 1,
            Self::Listed { list, used } => {
                *used += 1;
                list[(*used - 1) % list.len()]
            }
        }
    }
}

impl Persist for Signs {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        match self {
            Self::Random(lanes) => archive.slice("lanes", lanes),
            Self::Listed { used, .. } => archive.value("used", used),
        }
    }
}

/// √(a / b) for norms given by their squares, the factor that balances two parts of a rank-one product; 1 if one of
/// them vanishes.
pub(crate) fn balance<T: Scalar>(a: T, b: T) -> T {
    if a > T::ZERO && b > T::ZERO { (a / b).sqrt().sqrt() } else { T::ONE }
}
