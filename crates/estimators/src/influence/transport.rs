//! What carries the influence from one step to the next: D itself, or something cheaper in its place.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use rtrl_cells::{Linearizer, Stack, Trace};
use rtrl_sparse::{LanesMut, Pattern, Scalar};

/// What stands in the place of D in `J_t = I_t + D_t J_{t-1}`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Transport {
    /// D: SnAp-n and RTRL.
    Exact,
    /// λ on the diagonal: RFLO as the SnAp paper compares it.
    Constant(f64),
    /// The leak path `∂φ/∂s_{t-1}` of the cells alone, all recurrent weights cut: e-prop.
    Direct,
    /// The diagonal of D and up to `entries` further entries of each of its rows, drawn once from `seed`.
    Thinned {
        /// Entries of each row besides the diagonal.
        entries: usize,
        /// Seed of the draw.
        seed: u64,
    },
}

impl Transport {
    /// The pattern of the transport, states × states.
    pub fn pattern<T: Scalar>(self, stack: &Stack<T>) -> Pattern {
        match self {
            Self::Exact => stack.dynamics().clone(),
            Self::Constant(_) => Pattern::identity(stack.states()),
            Self::Direct => stack.own_direct().clone(),
            Self::Thinned { entries, seed } => thin(stack.dynamics(), entries, seed),
        }
    }

    /// The pattern whose values a linearizer must compute: `pattern`, or an empty one if the values are not
    /// those of D.
    pub(super) fn computed(self, pattern: &Pattern) -> Pattern {
        match self {
            Self::Exact | Self::Thinned { .. } => pattern.clone(),
            Self::Constant(_) | Self::Direct => Pattern::empty(pattern.rows(), pattern.cols()),
        }
    }

    /// Overwrites `dynamics` with the transport's values at one step, and `row_jacobian` with those of G. In
    /// lanes that began a sequence with the step, the transport is zero.
    pub(super) fn fill<T: Scalar>(
        self,
        linearizer: &mut Linearizer<T>,
        weights: &[T],
        trace: &Trace<T>,
        mut dynamics: LanesMut<'_, T>,
        row_jacobian: LanesMut<'_, T>,
    ) {
        match self {
            Self::Exact | Self::Thinned { .. } => linearizer.run(weights, trace, dynamics, row_jacobian),
            Self::Constant(_) | Self::Direct => {
                let none = LanesMut::new(&mut [], dynamics.lanes());
                linearizer.run(weights, trace, none, row_jacobian);
                match self {
                    Self::Constant(leak) => dynamics.values_mut().fill(T::from_f64(leak)),
                    _ => dynamics.values_mut().copy_from_slice(trace.direct().values()),
                }
                trace.cut(&mut dynamics);
            }
        }
    }
}

/// The diagonal of `pattern` and up to `entries` others of each row, every choice equally likely.
fn thin(pattern: &Pattern, entries: usize, seed: u64) -> Pattern {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let rows = (0..pattern.rows()).map(|r| {
        let (mut own, mut others): (Vec<u32>, Vec<u32>) =
            pattern.row(r).iter().partition(|&&c| c as usize == r);
        for kept in 0..entries.min(others.len()) {
            // The high half of a 128-bit product is uniform on the range, to within 2^-64 of its size.
            let left = (others.len() - kept) as u128;
            let draw = ((u128::from(rng.next_u64()) * left) >> 64) as usize;
            others.swap(kept, kept + draw);
        }
        others.truncate(entries);
        own.extend(others);
        own.sort_unstable();
        own
    });
    Pattern::from_rows(pattern.cols(), rows).expect("a sorted part of a pattern is a pattern")
}
