//! Initial weights.

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use rtrl_sparse::Scalar;

use crate::Stack;

/// Initial weights of all layers, each row uniform on ±1/√(its recurrent weights), biases included. Rows without
/// recurrent weights take the number of hidden units of their layer. For a dense cell both are ±1/√units, PyTorch's
/// default.
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
