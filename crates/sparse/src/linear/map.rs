//! Sparse rows of a linear map, `z = W u`, with the three products that learning needs.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::float::Float;
use crate::lanes::Lanes;
use crate::pattern::{Pattern, held};
use crate::simd::matmul::ROWS;

/// A linear map from *sources* u to *rows* z through a sparse matrix of weights.
///
/// The first `symbols` sources are a one-hot code: callers pass the index of the source that is 1, one index per
/// lane, and no product multiplies by the zeros. All other sources are *dense*: arrays of dense sources hold
/// source `symbols + i` at entry `i`. Weights are one flat slice in the order of the pattern.
#[derive(Debug, Clone)]
pub struct Linear {
    pub(crate) pattern: Pattern,
    pub(crate) symbols: usize,
    pub(crate) rows: Vec<Row>,
    bands: Vec<Band>,
}

/// The dense sources of a row, and how they are summed. The run and the kind are decided for the whole map. A part
/// of the map for one thread keeps them, so that every sum is formed in the same order on any number of threads.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Positions of the weights of the dense sources. The weights of the symbols precede them.
    pub dense: Range<usize>,
    /// The run of the row: its first dense source, and the number of consecutive sources from there on that are
    /// read as one slice. Often these are all dense sources of the row.
    pub first: usize,
    pub run: usize,
    pub kind: BandKind,
    /// The band that the row belongs to.
    band: u32,
}

/// Neighboring rows with the same run and kind.
#[derive(Debug, Clone)]
pub(crate) struct Band {
    pub rows: Range<usize>,
    pub kind: BandKind,
    /// Whether one of the rows reads sources beyond its run.
    pub scattered: bool,
}

/// How the outer products of a band's rows with the sources are formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BandKind {
    /// One matrix product: the rows read nothing beyond their run, so that their weights are a dense matrix with a
    /// constant row stride.
    Dense,
    /// A matrix product for the run that the rows share; sources beyond it one by one.
    SharedRun,
    /// Row by row.
    RowByRow,
}

/// Fewer rows than this are not worth a matrix product.
const MIN_BAND_ROWS: usize = ROWS / 2;

/// A shorter run is not worth a matrix product of rows that also read other sources.
const MIN_SHARED_RUN: usize = 8;

impl Row {
    /// Whether the row reads sources beyond its run.
    #[inline]
    pub fn scattered(&self) -> bool {
        self.run < self.dense.len()
    }

    /// First source and length of the run.
    #[inline]
    pub fn span(&self) -> (usize, usize) {
        (self.first, self.run)
    }
}

/// The sources of a row beyond its run.
#[derive(Clone)]
pub(crate) struct Others<'a> {
    /// Columns of the pattern: column `s` is dense source `s - symbols`.
    pub sources: &'a [u32],
    pub symbols: usize,
    /// Positions of their weights in the flat weights.
    pub weights: Range<usize>,
}

impl<'a> Others<'a> {
    /// The dense sources.
    #[inline(always)]
    pub fn dense(&self) -> impl Iterator<Item = usize> + Clone + use<'a> {
        let symbols = self.symbols;
        self.sources.iter().map(move |&source| source as usize - symbols)
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
                let (run, kind) = (run.count(), BandKind::RowByRow);
                Row { dense: entries.start + coded..entries.end, first, run, kind, band: 0 }
            })
            .collect();
        cut_runs(&mut rows);
        for same_run in rows.chunk_by_mut(|a, b| a.span() == b.span()) {
            if same_run.len() >= MIN_BAND_ROWS && same_run[0].run >= MIN_SHARED_RUN {
                same_run.iter_mut().for_each(|row| row.kind = BandKind::SharedRun);
            }
            for dense in same_run.chunk_by_mut(|a, b| !a.scattered() && !b.scattered()) {
                if dense.len() >= MIN_BAND_ROWS && !dense[0].scattered() && dense[0].run > 0 {
                    dense.iter_mut().for_each(|row| row.kind = BandKind::Dense);
                }
            }
        }
        Self::of_rows(pattern, symbols, rows)
    }

    /// The map of the given rows alone, which must increase. Its weights are those of the rows, row after row;
    /// each row is summed in the same order as in this map.
    pub(crate) fn part(&self, rows: &[u32]) -> Self {
        let kept = rows.iter().map(|&r| self.pattern.row(r as usize).iter().copied());
        let pattern = Pattern::from_rows(self.pattern.cols(), kept).expect("rows of a pattern");
        let rows = rows.iter().enumerate().map(|(own, &r)| {
            let (row, end) = (&self.rows[r as usize], pattern.entries(own).end);
            Row { dense: end - row.dense.len()..end, ..row.clone() }
        });
        let rows = rows.collect();
        Self::of_rows(pattern, self.symbols, rows)
    }

    /// The map of rows whose `band` is still to be found: divides them into bands.
    fn of_rows(pattern: Pattern, symbols: usize, mut rows: Vec<Row>) -> Self {
        let mut bands: Vec<Band> = Vec::new();
        for r in 0..rows.len() {
            let fits = |band: &Band| {
                let (first, last, row) = (&rows[band.rows.start], &rows[r - 1], &rows[r]);
                let next = rows.get(band.rows.start + 1).expect("this row or one before it");
                let distances = [row.dense.start - last.dense.start, next.dense.start - first.dense.start];
                (first.span(), first.kind) == (row.span(), row.kind)
                    && (row.kind != BandKind::Dense || distances[0] == distances[1])
            };
            let scattered = rows[r].scattered();
            match bands.last_mut() {
                Some(band) if fits(band) => {
                    band.rows.end = r + 1;
                    band.scattered |= scattered;
                }
                _ => bands.push(Band { rows: r..r + 1, kind: rows[r].kind, scattered }),
            }
            rows[r].band = bands.len() as u32 - 1;
        }
        Self { pattern, symbols, rows, bands }
    }

    /// The bands that have rows in `range`, each cut to these rows.
    #[inline(always)]
    pub(crate) fn bands(&self, range: Range<usize>) -> impl Iterator<Item = Band> + '_ {
        let first = self.rows.get(range.start).map_or(self.bands.len(), |row| row.band as usize);
        let inside = self.bands[first..].iter().take_while(move |band| band.rows.start < range.end);
        inside.map(move |band| Band {
            rows: band.rows.start.max(range.start)..band.rows.end.min(range.end),
            ..band.clone()
        })
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

    /// Positions of the weights of the dense sources of row `r` in the flat weights.
    pub fn dense_entries(&self, r: usize) -> Range<usize> {
        self.rows[r].dense.clone()
    }

    /// Dense sources of row `r`, as indices into an array of dense sources.
    pub fn dense_row(&self, r: usize) -> impl Iterator<Item = usize> + '_ {
        let skip = self.rows[r].dense.start - self.pattern.entries(r).start;
        self.pattern.row(r)[skip..].iter().map(|&c| c as usize - self.symbols)
    }

    /// The first of the dense sources of row `r`, if they are consecutive.
    pub(crate) fn contiguous(&self, r: usize) -> Option<usize> {
        (!self.rows[r].scattered()).then_some(self.rows[r].first)
    }

    /// Whether rows `a` and `b` have the same dense sources, all of them consecutive.
    pub(crate) fn alike(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.rows[a], &self.rows[b]);
        a.span() == b.span() && !a.scattered() && !b.scattered()
    }

    /// The sources of row `r` beyond its run.
    #[inline(always)]
    pub(crate) fn others(&self, r: usize) -> Others<'_> {
        let Row { dense, run, .. } = &self.rows[r];
        let weights = dense.start + run..dense.end;
        Others { sources: &self.pattern.indices()[weights.clone()], symbols: self.symbols, weights }
    }

    /// Copies one lane of the dense sources of row `r` from `u` to the front of `into`.
    #[inline]
    pub(crate) fn gather_lane<T: Float>(&self, r: usize, u: Lanes<'_, T>, lane: usize, into: &mut [T]) {
        let (lanes, (first, run)) = (u.lanes(), self.rows[r].span());
        let (consecutive, others) = into.split_at_mut(run);
        let values = u.range(first..first + run);
        if lanes == 1 {
            consecutive.copy_from_slice(values);
        } else {
            let values = values.iter().skip(lane).step_by(lanes);
            consecutive.iter_mut().zip(values).for_each(|(into, &u)| *into = u);
        }
        for (into, j) in others.iter_mut().zip(self.others(r).dense()) {
            *into = u.values()[j * lanes + lane];
        }
    }

    /// Position, in the flat weights, of the weight from `symbol` to row `r`, if there is one.
    #[inline]
    pub fn symbol_entry(&self, r: usize, symbol: u32) -> Option<usize> {
        let entries = self.pattern.entries(r);
        let coded = self.rows[r].dense.start - entries.start;
        if coded == self.symbols {
            // A row that reads every symbol, the usual case, is indexed without a search.
            ((symbol as usize) < coded).then(|| entries.start + symbol as usize)
        } else {
            self.pattern.row(r)[..coded].binary_search(&symbol).ok().map(|at| entries.start + at)
        }
    }

    /// Checks the operands that all products have: rows, number of weights, and dense sources if `u` is given.
    #[track_caller]
    pub(crate) fn check(
        &self,
        range: &Range<usize>,
        weights: usize,
        lanes: usize,
        u: Option<Sources<'_, impl Copy>>,
    ) {
        let (rows, nnz) = (self.pattern.rows(), self.pattern.nnz());
        assert!(range.start <= range.end && range.end <= rows, "rows {range:?} of a map of {rows} rows");
        assert_eq!(weights, nnz, "values, one for each weight of the map");
        if let Some(u) = u {
            let sizes = (u.dense.len(), u.dense.lanes());
            assert_eq!(sizes, (self.dense_sources(), lanes), "dense sources and their lanes");
        }
    }

    /// Checks the operands of an outer product.
    #[track_caller]
    pub(crate) fn check_outer<T: Copy>(
        &self,
        range: Range<usize>,
        z: Lanes<'_, T>,
        u: Sources<'_, T>,
        gradient: usize,
    ) {
        self.check(&range, gradient, z.lanes(), Some(u));
        u.check_symbols(self.symbols, z.lanes());
        assert_eq!(z.len(), range.len(), "entries of z, one for each row of {range:?}");
    }

    /// Bytes allocated for pattern, rows and bands.
    pub fn bytes(&self) -> usize {
        self.pattern.bytes() + held(&self.rows) + held(&self.bands)
    }
}

/// Every row of a net reads all inputs, which are one run, and then scattered units. If the first of these happens
/// to be unit 0, the run is longer by accident. Such runs are cut to the most frequent length, so that neighboring
/// rows have equal runs and form a band.
fn cut_runs(rows: &mut [Row]) {
    let mut counts = BTreeMap::new();
    for row in rows.iter().filter(|row| row.scattered()) {
        *counts.entry(row.span()).or_insert(0_usize) += 1;
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
    /// The one-hot sources: the index of the source that is 1, for each lane. Empty if the map has no symbols, or
    /// if [`Linear::multiply`] is to multiply by dense sources alone.
    pub symbols: &'a [u32],
    /// All other sources, `[dense sources][lanes]`.
    pub dense: Lanes<'a, T>,
}

impl<T: Float> Sources<'_, T> {
    /// Writes all sources of one lane, the first `symbols` of them one-hot, to `into`.
    ///
    /// # Panics
    /// If there is no such lane or symbol, or the sources do not fill `into`.
    pub fn write_lane(&self, lane: usize, symbols: usize, into: &mut [T]) {
        let (coded, dense) = into.split_at_mut(symbols);
        assert_eq!(dense.len(), self.dense.len(), "dense sources, of `into` (left) and of the step (right)");
        coded.fill(T::ZERO);
        if symbols > 0 {
            coded[self.symbols[lane] as usize] = T::ONE;
        }
        dense.iter_mut().enumerate().for_each(|(j, u)| *u = self.dense.at(j)[lane]);
    }
}

impl<T> Sources<'_, T> {
    /// Checks that there is a symbol below `symbols` for each lane, or none where there are no symbols.
    #[track_caller]
    pub(crate) fn check_symbols(&self, symbols: usize, lanes: usize) {
        let expected = if symbols > 0 { lanes } else { 0 };
        assert_eq!(self.symbols.len(), expected, "symbols, one for each lane of a map that reads some");
        let unknown = self.symbols.iter().find(|&&symbol| symbol as usize >= symbols);
        assert!(unknown.is_none(), "symbol {unknown:?} of {symbols}");
    }
}
