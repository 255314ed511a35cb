//! Sparse rows of a linear map, `z = W u`, with the three products that learning needs.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::kernels::Computation;
use crate::kernels::lanewise::MixOuter;
use crate::kernels::linear::Multiply;
use crate::kernels::outer::Outer;
use crate::kernels::transposed::MultiplyTransposed;
use crate::{Lanes, LanesMut, Pattern, Scalar};

/// A linear map from *sources* u to *rows* z through a sparse matrix of weights.
///
/// The first `symbols` sources may be a one-hot code: they are then given as the index of the one that is set, one
/// index per lane, and never take part in a dense product. All other sources are *dense*: arrays of dense sources
/// hold source `symbols + i` at entry `i`. Weights are one flat slice in the order of the pattern.
#[derive(Debug, Clone)]
pub struct Linear {
    pub(crate) pattern: Pattern,
    pub(crate) symbols: usize,
    pub(crate) rows: Vec<Row>,
}

/// Where the dense part of a row lies.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Weights of the dense sources; those of the symbols lie before.
    pub dense: Range<usize>,
    /// First dense source, and how many that follow each other from there on are taken together: often all.
    pub first: usize,
    pub run: usize,
    /// The last row, exclusive, of those from this one on that read the same sources, all consecutive: their weights are a
    /// dense matrix. The next row if there are none.
    pub alike: usize,
    /// The last row, exclusive, of those from this one on whose consecutive sources are the same.
    pub level: usize,
}

impl Row {
    /// Whether the row reads some sources one by one.
    #[inline]
    pub fn scattered(&self) -> bool {
        self.run < self.dense.len()
    }

    /// Whether the dense sources of both rows are the same ones, and consecutive.
    #[inline]
    pub fn reads_as(&self, other: &Self) -> bool {
        (self.first, self.run, self.dense.len()) == (other.first, other.run, other.run)
    }
}

impl Linear {
    /// A map with the weights of `pattern` (rows × sources), whose first `symbols` sources are one-hot.
    ///
    /// # Panics
    /// If there are more symbols than sources.
    #[track_caller]
    pub fn new(pattern: Pattern, symbols: usize) -> Self {
        assert!(symbols <= pattern.cols(), "{symbols} symbols among {} sources", pattern.cols());
        let mut rows: Vec<Row> = (0..pattern.rows())
            .map(|r| {
                let entries = pattern.entries(r);
                let coded = pattern.row(r).partition_point(|&c| (c as usize) < symbols);
                let dense = &pattern.row(r)[coded..];
                let first = dense.first().map_or(0, |&c| c as usize - symbols);
                let run = dense.iter().zip(first + symbols..).take_while(|&(&c, next)| c as usize == next);
                Row {
                    dense: entries.start + coded..entries.end,
                    first,
                    run: run.count(),
                    alike: r + 1,
                    level: r + 1,
                }
            })
            .collect();
        level_runs(&mut rows);
        for r in (1..rows.len()).rev() {
            if rows[r].reads_as(&rows[r - 1]) && rows[r - 1].reads_as(&rows[r]) {
                rows[r - 1].alike = rows[r].alike;
            }
            if (rows[r].first, rows[r].run) == (rows[r - 1].first, rows[r - 1].run) {
                rows[r - 1].level = rows[r].level;
            }
        }
        Self { pattern, symbols, rows }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.pattern.bytes() + self.rows.capacity() * size_of::<Row>()
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

    /// The first of the dense sources of row `r`, if they are consecutive.
    pub(crate) fn contiguous(&self, r: usize) -> Option<usize> {
        let Row { dense, first, run, .. } = &self.rows[r];
        (*run == dense.len()).then_some(*first)
    }

    /// Copies one lane of the dense sources of row `r` from `u` to the front of `into`.
    #[inline]
    pub(crate) fn gather_lane<T: Scalar>(&self, r: usize, u: Lanes<'_, T>, lane: usize, into: &mut [T]) {
        let Row { dense, first, run, .. } = &self.rows[r];
        let (lanes, consecutive) = (u.lanes(), u.run(*first..first + run));
        if lanes == 1 {
            into[..*run].copy_from_slice(consecutive);
        } else {
            let values = consecutive.iter().skip(lane).step_by(lanes);
            into.iter_mut().zip(values).for_each(|(into, &u)| *into = u);
        }
        let sources = &self.pattern.row(r)[self.pattern.row(r).len() - (dense.len() - run)..];
        for (into, &j) in into[*run..].iter_mut().zip(sources) {
            *into = u.values()[(j as usize - self.symbols) * lanes + lane];
        }
    }

    /// Whether rows `a` and `b` have the same dense sources, all of them consecutive.
    pub(crate) fn alike(&self, a: usize, b: usize) -> bool {
        self.rows[a].reads_as(&self.rows[b]) && self.rows[b].reads_as(&self.rows[a])
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
        let (linear, lanes, z) = (self, z.lanes(), z.reborrow());
        T::run(lanes, Computation::Multiply(Multiply { linear, weights, range, u, z, first }));
    }

    /// `a_j += Σ_r w_rj z_r` over the rows in `range`, for the dense sources `j` from `first` on: the transposed product.
    /// `a` has an entry for each dense source; those before `first` are left alone.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn multiply_transposed<T: Scalar>(
        &self,
        weights: &[T],
        range: Range<usize>,
        z: Lanes<'_, T>,
        a: &mut LanesMut<'_, T>,
        first: usize,
    ) {
        let (linear, lanes, a) = (self, z.lanes(), a.reborrow());
        let kernel = MultiplyTransposed { linear, weights, range, z, a, first };
        T::run(lanes, Computation::MultiplyTransposed(kernel));
    }

    /// `g_rj += Σ_lanes z_r u_j` for every weight of row `r`: one row of the outer product, summed over lanes.
    /// `g` is the whole flat gradient.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn accumulate_outer<T: Scalar>(&self, r: usize, z: &[T], u: Sources<'_, T>, g: &mut [T]) {
        self.accumulate_outer_rows(r..r + 1, Lanes::new(z, z.len()), u, g);
    }

    /// [`accumulate_outer`](Self::accumulate_outer) for the rows in `range`; entry `i` of `z` is row `range.start + i`.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn accumulate_outer_rows<T: Scalar>(
        &self,
        range: Range<usize>,
        z: Lanes<'_, T>,
        u: Sources<'_, T>,
        g: &mut [T],
    ) {
        T::run(z.lanes(), Computation::Outer(Outer { linear: self, range, z, u, g }));
    }

    /// `out_rj ← keep out_rj + z_r u_j` for every weight, each lane by itself: `out` has as many lanes as `z` and `u`.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn mix_outer<T: Scalar>(
        &self,
        keep: &[T],
        z: Lanes<'_, T>,
        u: Sources<'_, T>,
        out: &mut LanesMut<'_, T>,
    ) {
        let (linear, out) = (self, out.reborrow());
        T::run(z.lanes(), Computation::MixOuter(MixOuter { linear, keep, z, u, out }));
    }
}

/// Cuts runs of consecutive sources to the most frequent length: what sparse rows read beyond the inputs that all of them read
/// follows these by chance, and rows with the same run are taken together.
fn level_runs(rows: &mut [Row]) {
    let mut counts = BTreeMap::new();
    for row in rows.iter().filter(|row| row.scattered()) {
        *counts.entry((row.first, row.run)).or_insert(0_usize) += 1;
    }
    for row in rows.iter_mut().filter(|row| row.scattered()) {
        let of_first = counts.range((row.first, 0)..(row.first + 1, 0));
        let (&(_, usual), _) = of_first.max_by_key(|&(_, count)| count).expect("its own");
        row.run = row.run.min(usual);
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
