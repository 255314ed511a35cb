//! Which entries of a matrix can be nonzero.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use sprs::{CsMatI, CsStructureI, CsStructureViewI};

/// Why indices do not describe a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// Offsets or indices break an invariant of compressed rows.
    #[error("not a {rows} × {cols} pattern: {reason}")]
    Structure {
        /// Number of rows asked for.
        rows: usize,
        /// Number of columns asked for.
        cols: usize,
        /// Which invariant is broken.
        reason: String,
    },
}

/// The structural nonzeros of a `rows × cols` matrix in compressed rows, columns strictly increasing within a row.
///
/// A pattern owns no values: a value array is a plain slice with one entry per structural nonzero, in the order of
/// [`Pattern::row`], row after row, and many arrays share one pattern.
///
/// ```
/// use rtrl_sparse::Pattern;
/// let chain = Pattern::from_rows(3, [vec![0], vec![0, 1], vec![1, 2]])?;
/// // Two steps along the chain reach one unit further.
/// assert_eq!(chain.product(&chain).row(2), [0, 1, 2]);
/// # Ok::<(), rtrl_sparse::PatternError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct Pattern {
    cols: usize,
    offsets: Vec<usize>,
    indices: Vec<u32>,
}

/// The serialized form, validated on the way in.
#[derive(Serialize, Deserialize)]
struct Raw {
    cols: usize,
    offsets: Vec<usize>,
    indices: Vec<u32>,
}

impl From<Pattern> for Raw {
    fn from(p: Pattern) -> Self {
        Self { cols: p.cols, offsets: p.offsets, indices: p.indices }
    }
}

impl TryFrom<Raw> for Pattern {
    type Error = PatternError;
    fn try_from(raw: Raw) -> Result<Self, PatternError> {
        Self::new(raw.cols, raw.offsets, raw.indices)
    }
}

impl Pattern {
    /// A pattern from compressed rows: `indices[offsets[r]..offsets[r + 1]]` are the columns of row `r`.
    ///
    /// # Errors
    /// If the offsets do not start at 0, decrease or miss the end of `indices`, or the columns of a row are not
    /// strictly increasing and below `cols`.
    pub fn new(cols: usize, offsets: Vec<usize>, indices: Vec<u32>) -> Result<Self, PatternError> {
        let rows = offsets.len().saturating_sub(1);
        let error = |reason: String| PatternError::Structure { rows, cols, reason };
        // sprs indexes columns by u32, and so do products and transposes the entries: more would overflow silently.
        let most = u32::MAX as usize;
        if offsets.is_empty() || offsets[0] != 0 || rows.max(cols).max(indices.len()) > most {
            return Err(error(
                "offsets must begin with 0; rows, columns and entries must fit 32 bits".into(),
            ));
        }
        let units = vec![(); indices.len()];
        match CsStructureI::<u32, usize>::try_new((rows, cols), offsets, indices, units) {
            Ok(checked) => {
                let (offsets, indices, _) = checked.into_raw_storage();
                Ok(Self { cols, offsets, indices })
            }
            Err((_, _, _, reason)) => Err(error(reason.to_string())),
        }
    }

    /// A pattern from the columns of each row.
    ///
    /// # Errors
    /// If the columns of a row are not strictly increasing and below `cols`.
    pub fn from_rows<R>(cols: usize, rows: impl IntoIterator<Item = R>) -> Result<Self, PatternError>
    where
        R: IntoIterator<Item = u32>,
    {
        let (mut offsets, mut indices) = (vec![0], Vec::new());
        for row in rows {
            indices.extend(row);
            offsets.push(indices.len());
        }
        Self::new(cols, offsets, indices)
    }

    /// Builds a pattern whose rows are known to be sorted and in range.
    fn trusted<R: IntoIterator<Item = u32>>(cols: usize, rows: impl IntoIterator<Item = R>) -> Self {
        Self::from_rows(cols, rows).expect("rows are sorted and in range by construction")
    }

    /// Every entry.
    pub fn dense(rows: usize, cols: usize) -> Self {
        Self::trusted(cols, (0..rows).map(|_| 0..cols as u32))
    }

    /// The diagonal.
    pub fn identity(size: usize) -> Self {
        Self::trusted(size, (0..size as u32).map(|i| [i]))
    }

    /// No entry at all.
    pub fn empty(rows: usize, cols: usize) -> Self {
        Self::trusted(cols, (0..rows).map(|_| []))
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Number of structural nonzeros.
    pub fn nnz(&self) -> usize {
        self.indices.len()
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.offsets.capacity() * size_of::<usize>() + self.indices.capacity() * size_of::<u32>()
    }

    /// The columns of all entries, row after row.
    pub(crate) fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// Share of the entries that are structural nonzeros, 0 for a matrix without entries.
    pub fn density(&self) -> f64 {
        let all = self.rows() as f64 * self.cols as f64;
        if all == 0.0 { 0.0 } else { self.nnz() as f64 / all }
    }

    /// The columns of row `r`, strictly increasing.
    #[inline]
    pub fn row(&self, r: usize) -> &[u32] {
        &self.indices[self.entries(r)]
    }

    /// Where the values of row `r` stand in a value array.
    #[inline]
    pub fn entries(&self, r: usize) -> Range<usize> {
        self.offsets[r]..self.offsets[r + 1]
    }

    /// The place of entry (`r`, `c`) in a value array, if it is a structural nonzero.
    pub fn find(&self, r: usize, c: u32) -> Option<usize> {
        self.row(r).binary_search(&c).ok().map(|at| self.offsets[r] + at)
    }

    /// All entries as (row, column), in the order of the value array.
    pub fn iter(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        (0..self.rows()).flat_map(|r| self.row(r).iter().map(move |&c| (r, c)))
    }

    /// The rows in `range` as a pattern of their own.
    ///
    /// # Panics
    /// If the range exceeds the rows.
    #[must_use]
    pub fn slice_rows(&self, range: Range<usize>) -> Self {
        Self::trusted(self.cols, range.map(|r| self.row(r).iter().copied()))
    }

    /// Entries of either pattern.
    ///
    /// # Panics
    /// If the shapes differ.
    #[must_use]
    #[track_caller]
    pub fn union(&self, other: &Self) -> Self {
        self.assert_same_shape(other);
        self.row_by_row(other, |a, b| {
            let mut row = [a, b].concat();
            row.sort_unstable();
            row.dedup();
            row
        })
    }

    /// Entries of both patterns.
    ///
    /// # Panics
    /// If the shapes differ.
    #[must_use]
    #[track_caller]
    pub fn intersection(&self, other: &Self) -> Self {
        self.assert_same_shape(other);
        self.row_by_row(other, |a, b| a.iter().copied().filter(|c| b.binary_search(c).is_ok()).collect())
    }

    /// Whether every entry of this pattern is one of `other`. Patterns of different shapes are never subsets.
    pub fn is_subset(&self, other: &Self) -> bool {
        (self.rows(), self.cols) == (other.rows(), other.cols)
            && self.iter().all(|(r, c)| other.find(r, c).is_some())
    }

    /// The structural nonzeros of the matrix product `self · other`.
    ///
    /// # Panics
    /// If the inner sizes differ, or there are more entries than 32 bits can count.
    #[must_use]
    #[track_caller]
    pub fn product(&self, other: &Self) -> Self {
        assert_eq!(self.cols, other.rows(), "inner sizes of the product differ");
        let (mut offsets, mut indices) = (vec![0; self.rows() + 1], Vec::new());
        let mut seen = vec![false; other.cols];
        let (a, b) = (vec![(); self.nnz()], vec![(); other.nnz()]);
        sprs::smmp::symbolic(self.view(&a), other.view(&b), &mut offsets, &mut indices, &mut seen);
        assert!(
            indices.len() <= u32::MAX as usize,
            "{} entries of a product do not fit 32 bits",
            indices.len()
        );
        Self { cols: other.cols, offsets, indices }
    }

    /// The transpose.
    #[must_use]
    pub fn transpose(&self) -> Self {
        self.transpose_with_entries().0
    }

    /// The transpose, and for each of its entries the place of that entry in a value array of `self`.
    #[must_use]
    pub fn transpose_with_entries(&self) -> (Self, Vec<u32>) {
        let places: Vec<u32> = (0..self.nnz() as u32).collect();
        let shape = (self.rows(), self.cols);
        let matrix =
            CsMatI::<u32, u32, usize>::new(shape, self.offsets.clone(), self.indices.clone(), places);
        let (offsets, indices, places) = matrix.to_other_storage().into_raw_storage();
        (Self { cols: self.rows(), offsets, indices }, places)
    }

    fn view<'a>(&'a self, units: &'a [()]) -> CsStructureViewI<'a, u32, usize> {
        CsStructureViewI::new((self.rows(), self.cols), &self.offsets, &self.indices, units)
    }

    fn row_by_row(&self, other: &Self, combine: impl Fn(&[u32], &[u32]) -> Vec<u32>) -> Self {
        Self::trusted(self.cols, (0..self.rows()).map(|r| combine(self.row(r), other.row(r))))
    }

    #[track_caller]
    fn assert_same_shape(&self, other: &Self) {
        let shapes = ((self.rows(), self.cols), (other.rows(), other.cols));
        assert_eq!(shapes.0, shapes.1, "patterns of different shapes");
    }
}

/// The structure of a `sprs` matrix in compressed rows or columns; values are dropped.
impl<N: Clone + Default> From<&sprs::CsMatI<N, u32, usize>> for Pattern {
    fn from(matrix: &sprs::CsMatI<N, u32, usize>) -> Self {
        let rows = if matrix.is_csr() { matrix.clone() } else { matrix.to_other_storage() };
        let cols = rows.cols();
        // A matrix cut out of another one keeps offsets that do not begin at 0.
        let offsets = rows.proper_indptr().into_owned();
        let (_, indices, _) = rows.into_raw_storage();
        Self::new(cols, offsets, indices).expect("the structure of a sprs matrix")
    }
}

impl Pattern {
    /// A `sprs` matrix with this structure and `values`, one per structural nonzero.
    ///
    /// # Panics
    /// If `values.len() != self.nnz()`.
    #[track_caller]
    pub fn to_sprs<N>(&self, values: Vec<N>) -> sprs::CsMatI<N, u32, usize> {
        CsMatI::new((self.rows(), self.cols), self.offsets.clone(), self.indices.clone(), values)
    }
}
