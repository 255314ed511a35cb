//! Orthonormal bases of a few long vectors, part by part.

use rtrl_sparse::dense::{Matrix, multiply};
use rtrl_sparse::{Lanes, LanesMut, Linear, Pattern, Scalar, Sources};

use crate::kronecker::Terms;
use crate::norm::norm;

/// Numbers of a vector that are worked on together. Those of 17 vectors fit an L1 cache, where all of them together would
/// have to be fetched from memory again for each vector.
const PART: usize = 256;

/// The factorization `vector_i = Σ_k q_k R[k, i]` of n vectors.
///
/// The numbers of each part have a factorization of their own, and the factors R of all parts, one below the other, have
/// another in `f64`: the q of the whole are those of the parts times the q of the second. Demmel, Grigori, Hoemmen &
/// Langou, "Communication-optimal parallel and sequential QR and LU factorizations", SIAM J. Sci. Comput. 34 (2012).
#[derive(Debug)]
pub(super) struct Orthogonal {
    n: usize,
    /// Parts of the tiles that were taken.
    taken: usize,
    /// R, n × n, row-major.
    pub triangle: Vec<f64>,
    /// For each vector its coordinates in the bases of all parts; then those of q. `[n][parts][n]`.
    coordinates: Vec<f64>,
    /// The same times the factor of [`combine`](Self::combine), `[rank][parts][n]`.
    combined: Vec<f64>,
}

/// What is needed for one part at a time.
#[derive(Debug)]
pub(super) struct Scratch<T> {
    /// A dense map from n to n - 1, as which factors are applied.
    map: Linear,
    /// `[n][PART]` before and `[rank][PART]` after a product.
    before: Vec<T>,
    after: Vec<T>,
    /// `[rank][n]`.
    factor: Vec<T>,
    /// n products along a vector, of parts and, in `f64`, of their coordinates.
    along: Vec<T>,
    along_wide: Vec<f64>,
    triangle: Vec<f64>,
}

impl<T: Scalar> Scratch<T> {
    pub fn new(n: usize) -> Self {
        let zeros = |len| vec![T::ZERO; len];
        Self {
            map: Linear::new(Pattern::dense(n - 1, n), 0),
            before: zeros(n * PART),
            after: zeros((n - 1) * PART),
            factor: zeros(n * (n - 1)),
            along: zeros(n),
            along_wide: vec![0.0; n],
            triangle: vec![0.0; n * n],
        }
    }

    pub fn bytes(&self) -> usize {
        let own = [&self.before, &self.after, &self.factor, &self.along];
        self.map.bytes()
            + own.iter().map(|array| size_of_val(&array[..])).sum::<usize>()
            + size_of_val(&self.along_wide[..])
            + size_of_val(&self.triangle[..])
    }
}

impl Orthogonal {
    /// Room for n vectors of `len` numbers, `tile` of which lie together.
    pub fn new(n: usize, len: usize, tile: usize) -> Self {
        let parts = len / tile * tile.div_ceil(PART) + (len % tile).div_ceil(PART);
        let (coordinates, combined) = (vec![0.0; n * parts * n], vec![0.0; parts * n * (n - 1)]);
        Self { n, taken: 0, triangle: vec![0.0; n * n], coordinates, combined }
    }

    /// Replaces the vectors of one tile by the orthonormal ones of each part.
    pub fn take<T: Scalar>(&mut self, tile: &mut [T], scratch: &mut Scratch<T>) {
        let (n, wide) = (self.n, self.coordinates.len() / self.n);
        let size = tile.len() / n;
        for first in (0..size).step_by(PART) {
            let own = first..size.min(first + PART);
            let block = &mut scratch.before[..n * own.len()];
            for (block, vector) in block.chunks_exact_mut(own.len()).zip(tile.chunks_exact(size)) {
                block.copy_from_slice(&vector[own.clone()]);
            }
            orthogonalize(block, n, &mut scratch.triangle, &mut scratch.along);
            for (block, vector) in block.chunks_exact(own.len()).zip(tile.chunks_exact_mut(size)) {
                vector[own.clone()].copy_from_slice(block);
            }
            for (i, coordinates) in self.coordinates.chunks_exact_mut(wide).enumerate() {
                for (k, to) in coordinates[self.taken * n..][..n].iter_mut().enumerate() {
                    *to = scratch.triangle[k * n + i];
                }
            }
            self.taken += 1;
        }
    }

    /// Factorizes the whole, all of whose tiles were taken.
    pub fn finish<T: Scalar>(&mut self, scratch: &mut Scratch<T>) {
        orthogonalize(&mut self.coordinates, self.n, &mut self.triangle, &mut scratch.along_wide);
        self.taken = 0;
    }

    /// `vector_k ← Σ_i factor[k, i] q_i` for all but the last, of vectors that were factorized.
    pub fn combine<T: Scalar>(&mut self, factor: &[f64], terms: &mut Terms<'_, T>, scratch: &mut Scratch<T>) {
        let (n, rank, wide) = (self.n, self.n - 1, self.coordinates.len() / self.n);
        apply(&scratch.map, factor, &self.coordinates, &mut self.combined);
        let mut part = 0;
        for tile in terms.tiles() {
            let size = tile.len() / n;
            for first in (0..size).step_by(PART) {
                let own = first..size.min(first + PART);
                let before = &mut scratch.before[..n * own.len()];
                let after = &mut scratch.after[..rank * own.len()];
                for (before, vector) in before.chunks_exact_mut(own.len()).zip(tile.chunks_exact(size)) {
                    before.copy_from_slice(&vector[own.clone()]);
                }
                let rows = scratch.factor.chunks_exact_mut(n).zip(self.combined.chunks_exact(wide));
                for (row, combined) in rows {
                    let combined = &combined[part * n..(part + 1) * n];
                    row.iter_mut().zip(combined).for_each(|(own, &f)| *own = T::from_f64(f));
                }
                apply(&scratch.map, &scratch.factor, before, after);
                for (after, vector) in after.chunks_exact(own.len()).zip(tile.chunks_exact_mut(size)) {
                    vector[own.clone()].iter_mut().zip(after).for_each(|(to, x)| *to = x.flush());
                }
                part += 1;
            }
        }
    }

    pub fn bytes(&self) -> usize {
        let arrays = [&self.triangle, &self.coordinates, &self.combined];
        arrays.iter().map(|array| size_of_val(&array[..])).sum()
    }
}

/// The product of a factor and vectors of equal length, one after the other in `from` as in `into`.
fn apply<T: Scalar>(map: &Linear, factor: &[T], from: &[T], into: &mut [T]) {
    let (rows, len) = (map.pattern().rows(), from.len() / map.pattern().cols());
    let u = Sources { symbols: &[], dense: Lanes::new(from, len) };
    map.multiply(factor, 0..rows, u, &mut LanesMut::new(into, len), 0);
}

/// Replaces n vectors by orthonormal ones (zero where they depend on those before) and fills `triangle` (n × n,
/// row-major) such that `vector_i = Σ_k q_k triangle[k, i]`. Modified Gram–Schmidt: a loss of orthogonality costs
/// variance, never the mean.
fn orthogonalize<T: Scalar>(vectors: &mut [T], n: usize, triangle: &mut [f64], along: &mut [T]) {
    let len = vectors.len() / n;
    triangle.fill(0.0);
    for i in 0..n {
        let (before, rest) = vectors.split_at_mut((i + 1) * len);
        let q = &mut before[i * len..];
        let norm = norm(q);
        triangle[i * n + i] = norm;
        let inverse = if norm > 0.0 { T::from_f64(1.0 / norm) } else { T::ZERO };
        q.iter_mut().for_each(|q| *q *= inverse);
        let others = n - i - 1;
        if others > 0 {
            let along = &mut along[..others];
            multiply(along, T::ZERO, Matrix::new(rest, others, len), Matrix::new(q, len, 1));
            for (to, along) in triangle[i * n + i + 1..].iter_mut().zip(&mut *along) {
                *to = along.to_f64();
                *along = -*along;
            }
            multiply(rest, T::ONE, Matrix::new(along, others, 1), Matrix::new(q, 1, len));
        }
    }
}
