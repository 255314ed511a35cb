//! Orthonormal bases of a few long vectors, from their inner products.

use rtrl_sparse::{Lanes, LanesMut, Linear, Pattern, Scalar, Sources};

use crate::kronecker::Terms;

/// Numbers of a vector that are worked on together. Those of 17 vectors fit an L1 cache, where all of them together would
/// have to be fetched from memory again for each vector.
const PART: usize = 256;

/// Pivots of a Gram matrix of vectors of length one below this are rounding.
const ROUNDING: f64 = 1e-15;

/// The first of the vectors whose pivot is this part of the greatest one is chosen, not the greatest: the terms that a step
/// leaves are often orthogonal, so that rounding would choose between equal pivots, and with it the signs of singular vectors.
const CHOICE: f64 = 0.25;

/// The factorization `vector_i = Σ_k q_k R[k, i]` of n vectors with orthonormal q, which are never formed.
///
/// R is the pivoted Cholesky factor of the Gram matrix, which is summed in `f64`. A pivot that is only rounding is
/// raised to what rounding may be: R can be inverted whatever the vectors are, so that a combination of q is one of the
/// vectors exactly, and what is not orthonormal costs variance, never the mean. The order of pivots keeps each row of
/// R below twice its diagonal entry, so that what dividing by a small one magnifies is multiplied by one that is hardly greater.
#[derive(Debug)]
pub(super) struct Orthogonal {
    n: usize,
    /// Inner products of the parts that were taken, n × n; those below the diagonal are filled at last.
    gram: Vec<f64>,
    /// R, n × n, row-major.
    pub triangle: Vec<f64>,
    norms: Vec<f64>,
    /// The vectors in the order of their pivots: R[k, i] is zero for the first k of them.
    order: Vec<usize>,
}

/// What is needed for one part at a time.
#[derive(Debug)]
pub(super) struct Scratch<T> {
    /// A dense map from n to n - 1, as which factors are applied.
    map: Linear,
    /// A dense map from a part to n, which multiplies all vectors with one of them; the vectors, `[n][PART]`; and products.
    pairs: Linear,
    wide: Vec<f64>,
    along: Vec<f64>,
    /// `[n][PART]` before and `[rank][PART]` after a product.
    before: Vec<T>,
    after: Vec<T>,
    /// `[rank][n]`.
    factor: Vec<T>,
}

impl<T: Scalar> Scratch<T> {
    pub fn new(n: usize) -> Self {
        let zeros = |len| vec![T::ZERO; len];
        Self {
            map: Linear::new(Pattern::dense(n - 1, n), 0),
            pairs: Linear::new(Pattern::dense(n, PART), 0),
            wide: vec![0.0; n * PART],
            along: vec![0.0; n],
            before: zeros(n * PART),
            after: zeros((n - 1) * PART),
            factor: zeros(n * (n - 1)),
        }
    }

    pub fn bytes(&self) -> usize {
        let own = [&self.before, &self.after, &self.factor];
        self.map.bytes()
            + self.pairs.bytes()
            + own.iter().map(|array| size_of_val(&array[..])).sum::<usize>()
            + size_of_val(&self.wide[..])
            + size_of_val(&self.along[..])
    }
}

impl Orthogonal {
    pub fn new(n: usize) -> Self {
        Self { n, gram: vec![0.0; n * n], triangle: vec![0.0; n * n], norms: vec![0.0; n], order: vec![0; n] }
    }

    /// Adds the inner products of one tile of the vectors.
    pub fn take<T: Scalar>(&mut self, tile: &[T], scratch: &mut Scratch<T>) {
        let n = self.n;
        let size = tile.len() / n;
        let Scratch { pairs, wide, along, .. } = scratch;
        for first in (0..size).step_by(PART) {
            let own = first..size.min(first + PART);
            for (wide, vector) in wide.chunks_exact_mut(PART).zip(tile.chunks_exact(size)) {
                let (wide, rest) = wide.split_at_mut(own.len());
                wide.iter_mut().zip(&vector[own.clone()]).for_each(|(wide, x)| *wide = x.to_f64());
                rest.fill(0.0);
            }
            for (i, row) in self.gram.chunks_exact_mut(n).enumerate() {
                let along = &mut along[i..];
                let vector = Sources { symbols: &[], dense: Lanes::new(&wide[i * PART..][..PART], 1) };
                pairs.multiply(wide, i..n, vector, &mut LanesMut::new(along, 1), i);
                row[i..].iter_mut().zip(along).for_each(|(sum, part)| *sum += *part);
            }
        }
    }

    /// Factorizes the whole, all of whose tiles were taken.
    pub fn finish(&mut self) {
        let Self { n, ref mut gram, ref mut triangle, ref mut norms, ref mut order } = *self;
        for (i, (norm, own)) in norms.iter_mut().zip(&mut *order).enumerate() {
            (*norm, *own) = (gram[i * n + i].sqrt(), i);
        }
        // Of vectors of length one, from here on: a new term may be many orders of magnitude longer than the others.
        for i in 0..n {
            for j in i..n {
                let both = norms[i] * norms[j];
                gram[i * n + j] = if both > 0.0 { gram[i * n + j] / both } else { 0.0 };
                gram[j * n + i] = gram[i * n + j];
            }
        }
        triangle.fill(0.0);
        for k in 0..n {
            let pivot = |&i: &usize| gram[i * (n + 1)];
            let greatest = order[k..].iter().map(pivot).fold(0.0, f64::max);
            let chosen = order[k..].iter().position(|i| pivot(i) >= CHOICE * greatest).unwrap_or(0);
            order[k..=k + chosen].rotate_right(1);
            let (first, rest) = (order[k], &order[k + 1..]);
            let row = &mut triangle[k * n..(k + 1) * n];
            row[first] = gram[first * (n + 1)].max(ROUNDING).sqrt();
            for &i in rest {
                row[i] = gram[first * n + i] / row[first];
            }
            for &i in rest {
                rest.iter().for_each(|&j| gram[i * n + j] -= row[i] * row[j]);
            }
            row.iter_mut().zip(&*norms).for_each(|(own, norm)| *own *= norm);
        }
        gram.fill(0.0);
    }

    /// `vector_k ← Σ_i factor[k, i] q_i` for all but the last, of vectors that were factorized.
    pub fn combine<T: Scalar>(&self, factor: &mut [f64], terms: &mut Terms<'_, T>, scratch: &mut Scratch<T>) {
        let (n, rank) = (self.n, self.n - 1);
        for (row, into) in factor.chunks_exact_mut(n).zip(scratch.factor.chunks_exact_mut(n)) {
            self.of_vectors(row, into);
        }
        for tile in terms.tiles() {
            let size = tile.len() / n;
            for first in (0..size).step_by(PART) {
                let own = first..size.min(first + PART);
                let before = &mut scratch.before[..n * own.len()];
                let after = &mut scratch.after[..rank * own.len()];
                for (before, vector) in before.chunks_exact_mut(own.len()).zip(tile.chunks_exact(size)) {
                    before.copy_from_slice(&vector[own.clone()]);
                }
                let vectors = Sources { symbols: &[], dense: Lanes::new(before, own.len()) };
                scratch.map.multiply(
                    &scratch.factor,
                    0..rank,
                    vectors,
                    &mut LanesMut::new(after, own.len()),
                    0,
                );
                for (after, vector) in after.chunks_exact(own.len()).zip(tile.chunks_exact_mut(size)) {
                    vector[own.clone()].iter_mut().zip(after).for_each(|(to, x)| *to = x.flush());
                }
            }
        }
    }

    /// Writes x such that `Σ_i x_i vector_i = Σ_k f_k q_k` for the n numbers of `f`, which are changed.
    fn of_vectors<T: Scalar>(&self, f: &mut [f64], x: &mut [T]) {
        for (k, row) in self.triangle.chunks_exact(self.n).enumerate().rev() {
            let (own, before) = (self.order[k], &self.order[..k]);
            // A vector of zeros, as all of those that follow it.
            let solved = if row[own] > 0.0 { f[k] / row[own] } else { 0.0 };
            x[own] = T::from_f64(solved);
            for (f, row) in f.iter_mut().zip(self.triangle.chunks_exact(self.n)).take(before.len()) {
                *f -= row[own] * solved;
            }
        }
    }

    pub fn bytes(&self) -> usize {
        let arrays = [&self.gram, &self.triangle, &self.norms];
        arrays.map(|array| size_of_val(&array[..])).iter().sum::<usize>() + size_of_val(&self.order[..])
    }
}
