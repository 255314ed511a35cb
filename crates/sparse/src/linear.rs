//! Sparse rows of a linear map, `z = W u`, with the three products that learning needs.

use std::ops::Range;

use crate::kernels::vector::{axpy, dot};
use crate::{Lanes, LanesMut, Pattern, Scalar};

/// A linear map from *sources* u to *rows* z through a sparse matrix of weights.
///
/// The first `symbols` sources may be a one-hot code: they are then given as the index of the one that is set, one
/// index per lane, and never take part in a dense product. All other sources are *dense*: arrays of dense sources
/// hold source `symbols + i` at entry `i`. Weights are one flat slice in the order of the pattern.
#[derive(Debug, Clone)]
pub struct Linear {
    pattern: Pattern,
    symbols: usize,
    rows: Vec<Row>,
}

/// Where the dense part of a row lies.
#[derive(Debug, Clone)]
struct Row {
    /// Weights of the dense sources; those of the symbols lie before.
    dense: Range<usize>,
    /// First dense source, if the dense sources of the row are consecutive.
    consecutive: Option<usize>,
}

impl Linear {
    /// A map with the weights of `pattern` (rows × sources), whose first `symbols` sources are one-hot.
    ///
    /// # Panics
    /// If there are more symbols than sources.
    #[track_caller]
    pub fn new(pattern: Pattern, symbols: usize) -> Self {
        assert!(symbols <= pattern.cols(), "{symbols} symbols among {} sources", pattern.cols());
        let rows = (0..pattern.rows())
            .map(|r| {
                let entries = pattern.entries(r);
                let coded = pattern.row(r).partition_point(|&c| (c as usize) < symbols);
                let dense = &pattern.row(r)[coded..];
                let consecutive = match (dense.first(), dense.last()) {
                    (Some(&a), Some(&b)) if (b - a) as usize + 1 == dense.len() => Some(a as usize - symbols),
                    _ => None,
                };
                Row { dense: entries.start + coded..entries.end, consecutive }
            })
            .collect();
        Self { pattern, symbols, rows }
    }

    /// The pattern of the weights, rows × sources.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// Number of leading one-hot sources.
    pub fn symbols(&self) -> usize {
        self.symbols
    }

    /// Number of dense sources.
    pub fn dense_sources(&self) -> usize {
        self.pattern.cols() - self.symbols
    }

    /// Number of weights of dense sources.
    pub fn dense_weights(&self) -> usize {
        self.rows.iter().map(|row| row.dense.len()).sum()
    }

    /// Weights of the dense sources of row `r`, as positions in the flat weights.
    pub fn dense_entries(&self, r: usize) -> Range<usize> {
        self.rows[r].dense.clone()
    }

    /// Dense sources of row `r`, as entries of an array of dense sources.
    pub fn dense_row(&self, r: usize) -> impl Iterator<Item = usize> + '_ {
        let skip = self.rows[r].dense.start - self.pattern.entries(r).start;
        self.pattern.row(r)[skip..].iter().map(|&c| c as usize - self.symbols)
    }

    /// Copies the dense sources of row `r` from `u`, entry after entry, into `into`.
    pub(crate) fn gather<T: Scalar>(&self, r: usize, u: Lanes<'_, T>, into: &mut [T]) {
        match self.rows[r].consecutive {
            Some(first) => into.copy_from_slice(u.run(first..first + self.rows[r].dense.len())),
            None => {
                for (into, j) in into.chunks_exact_mut(u.lanes()).zip(self.dense_row(r)) {
                    into.copy_from_slice(u.at(j));
                }
            }
        }
    }

    /// Position, in the flat weights, of the weight from `symbol` to row `r`.
    #[inline]
    pub fn symbol_entry(&self, r: usize, symbol: u32) -> Option<usize> {
        let entries = self.pattern.entries(r);
        let coded = self.rows[r].dense.start - entries.start;
        if coded == self.symbols {
            // A full row is indexed directly: no search in the usual, dense case.
            ((symbol as usize) < coded).then(|| entries.start + symbol as usize)
        } else {
            self.pattern.row(r)[..coded].binary_search(&symbol).ok().map(|at| entries.start + at)
        }
    }

    /// `z_{r - first} ← Σ_j w_rj u_j` for the rows `r` in `range`: `z` holds the rows from `first` on.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn multiply<T: Scalar>(
        &self,
        weights: &[T],
        range: Range<usize>,
        u: Sources<'_, T>,
        z: &mut LanesMut<'_, T>,
        first: usize,
    ) {
        let lanes = z.lanes();
        for r in range {
            let row = &self.rows[r];
            let w = &weights[row.dense.clone()];
            let out = z.at(r - first);
            match (row.consecutive, lanes) {
                (Some(first), 1) => out[0] = dot(w, u.dense.run(first..first + w.len())),
                (None, 1) => {
                    let u = u.dense.values();
                    out[0] = self.dense_row(r).zip(w).map(|(j, &w)| w * u[j]).sum();
                }
                _ => {
                    out.fill(T::ZERO);
                    for (j, &w) in self.dense_row(r).zip(w) {
                        axpy(out, w, u.dense.at(j));
                    }
                }
            }
            if self.symbols > 0 {
                for (z, &symbol) in out.iter_mut().zip(u.symbols) {
                    if let Some(entry) = self.symbol_entry(r, symbol) {
                        *z += weights[entry];
                    }
                }
            }
        }
    }

    /// `a_j += Σ_r w_rj z_r` over the rows in `range`, for the dense sources `j`: the transposed product.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn multiply_transposed<T: Scalar>(
        &self,
        weights: &[T],
        range: Range<usize>,
        z: Lanes<'_, T>,
        a: &mut LanesMut<'_, T>,
    ) {
        let lanes = z.lanes();
        for r in range {
            let row = &self.rows[r];
            let w = &weights[row.dense.clone()];
            let z = z.at(r);
            match (row.consecutive, lanes) {
                (Some(first), 1) => axpy(a.run(first..first + w.len()), z[0], w),
                _ => {
                    for (j, &w) in self.dense_row(r).zip(w) {
                        axpy(a.at(j), w, z);
                    }
                }
            }
        }
    }

    /// `g_rj += Σ_lanes z_r u_j` for every weight of row `r`: one row of the outer product, summed over lanes.
    /// `g` is the whole flat gradient.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn accumulate_outer<T: Scalar>(&self, r: usize, z: &[T], u: Sources<'_, T>, g: &mut [T]) {
        let row = &self.rows[r];
        let out = &mut g[row.dense.clone()];
        match (row.consecutive, z.len()) {
            (Some(first), 1) => axpy(out, z[0], u.dense.run(first..first + out.len())),
            _ => {
                for (j, g) in self.dense_row(r).zip(out) {
                    *g += dot(z, u.dense.at(j));
                }
            }
        }
        if self.symbols > 0 {
            for (&z, &symbol) in z.iter().zip(u.symbols) {
                if let Some(entry) = self.symbol_entry(r, symbol) {
                    g[entry] += z;
                }
            }
        }
    }
}

/// The values of u at one step.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a, T> {
    /// The one-hot sources: which one is set, for each lane. Empty if the map has none.
    pub symbols: &'a [u32],
    /// All other sources.
    pub dense: Lanes<'a, T>,
}
