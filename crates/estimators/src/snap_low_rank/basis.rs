//! Orthonormal bases.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use rtrl_sparse::Scalar;

/// What is left of a vector without its part in a basis counts as nothing below this share: it would be rounding.
const NOTHING: f64 = 1e-6;

/// Turns vectors into an orthonormal basis of a space that holds them.
#[derive(Debug)]
pub(super) struct Basis {
    /// Vectors of `len` numbers each, one after the other.
    vectors: Vec<f64>,
    len: usize,
    /// As many vectors, random and always the same ones, which take the place of those that depend on the ones before.
    fallback: Vec<f64>,
}

impl Basis {
    /// Memory for `count` vectors, at most `len`.
    pub fn new(count: usize, len: usize) -> Self {
        // Any seed will do: all that matters is that no net is made to be orthogonal to these vectors.
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(0x5eed);
        let mut number = || (rng.next_u64() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0;
        let fallback = (0..count * len).map(|_| number()).collect();
        Self { vectors: vec![0.0; count * len], len, fallback }
    }

    /// An orthonormal basis of the columns of `from`, `[len][count]`, as columns of `into`.
    pub fn of_columns<T: Scalar>(&mut self, from: &[T], into: &mut [T]) {
        let count = self.vectors.len() / self.len;
        for (i, vector) in self.vectors.chunks_exact_mut(self.len).enumerate() {
            let column = from.iter().skip(i).step_by(count);
            vector.iter_mut().zip(column).for_each(|(v, x)| *v = x.to_f64());
        }
        self.orthonormalize();
        for (i, vector) in self.vectors.chunks_exact(self.len).enumerate() {
            let column = into.iter_mut().skip(i).step_by(count);
            column.zip(vector).for_each(|(x, &v)| *x = T::from_f64(v));
        }
    }

    /// Modified Gram-Schmidt, each vector twice, so that the basis is orthogonal to rounding. NaN stays NaN.
    fn orthonormalize(&mut self) {
        let Self { vectors, len, fallback } = self;
        for (i, fallback) in fallback.chunks_exact(*len).enumerate() {
            let (before, rest) = vectors.split_at_mut(i * *len);
            let vector = &mut rest[..*len];
            if !reduce(before, vector) {
                vector.copy_from_slice(fallback);
                reduce(before, vector);
            }
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.vectors[..]) + size_of_val(&self.fallback[..])
    }
}

/// Takes from `vector` its part in an orthonormal basis, and normalizes what is left. Returns false if nothing is.
fn reduce(basis: &[f64], vector: &mut [f64]) -> bool {
    let whole = norm(vector);
    for _ in 0..2 {
        for other in basis.chunks_exact(vector.len()) {
            let along: f64 = other.iter().zip(&*vector).map(|(x, y)| x * y).sum();
            vector.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
        }
    }
    let left = norm(vector);
    vector.iter_mut().for_each(|x| *x /= left);
    left > NOTHING * whole
}

fn norm(vector: &[f64]) -> f64 {
    vector.iter().map(|x| x * x).sum::<f64>().sqrt()
}
