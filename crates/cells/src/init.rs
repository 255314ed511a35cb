//! Initial weights.

use rand::{Rng, RngExt};
use rand_xoshiro::Xoshiro256PlusPlus;
use rtrl_sparse::Scalar;

use crate::Stack;

/// Random initial weights of all layers, in the order of [`Stack::linear`]. The weights of a row, with its
/// bias, are uniform on ±1/√n, where n is the number of the row's recurrent weights. For a row without
/// recurrent weights, n is the number of hidden states of its layer. In a dense cell n is `units`, as in
/// PyTorch by default.
///
/// Values are drawn in `f64` and rounded, so that `f32` and `f64` nets of one seed agree.
pub fn uniform<T: Scalar>(stack: &Stack<T>, rng: &mut Xoshiro256PlusPlus) -> Vec<T> {
    let pattern = stack.linear().pattern();
    let mut weights = Vec::with_capacity(pattern.nnz());
    for layer in stack.layers() {
        let one = layer.structure().one() as u32;
        for (own, r) in layer.rows.clone().enumerate() {
            let recurrent = layer.structure().weights.row(own).iter().filter(|&&c| c > one).count();
            let fan_in = if recurrent > 0 { recurrent } else { layer.hidden.len() };
            let bound = 1.0 / (fan_in as f64).sqrt();
            let row = pattern.row(r).iter();
            weights.extend(row.map(|_| T::from_f64(bound * (2.0 * rng.random::<f64>() - 1.0))));
        }
    }
    weights
}

/// A number from `0..n`, all equally likely, by one draw: the high half of a 64 × 64-bit product (Lemire 2019),
/// without his rejection step. `n` must not be zero.
///
/// The ranges of `rand` are not used, since their values may change between versions. The deviation from
/// uniform is below n / 2⁶⁴.
pub fn below(rng: &mut Xoshiro256PlusPlus, n: u64) -> u64 {
    debug_assert!(n > 0, "nothing to choose from");
    ((u128::from(rng.next_u64()) * u128::from(n)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn below_is_in_range_and_reaches_all_of_it_evenly() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut counts = [0_u32; 5];
        (0..5000).for_each(|_| counts[below(&mut rng, 5) as usize] += 1);
        // 1000 ± 28 each; five standard deviations.
        assert!(counts.iter().all(|count| (860..1140).contains(count)), "{counts:?}");
        assert_eq!(below(&mut rng, 1), 0);
        assert!(below(&mut rng, u64::MAX) < u64::MAX);
    }
}
