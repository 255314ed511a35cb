//! Which entries of a matrix can be nonzero.

use std::ops::Range;

/// Why indices do not describe a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// The offsets do not begin with 0.
    #[error("offsets begin with {found:?}, not with 0")]
    Start {
        /// The first offset, if there is one.
        found: Option<usize>,
    },
    /// The last offset is not the number of indices.
    #[error("offsets end with {found}, not with the number of indices, {expected}")]
    End {
        /// The number of indices.
        expected: usize,
        /// The last offset.
        found: usize,
    },
    /// A row ends before it begins.
    #[error("offsets decrease at row {row}")]
    Decreasing {
        /// The row.
        row: usize,
    },
    /// The columns of a row are not strictly increasing.
    #[error("the columns of row {row} are not strictly increasing")]
    Order {
        /// The row.
        row: usize,
    },
    /// An entry stands in a row that does not exist.
    #[error("an entry in row {row} of {rows}")]
    Row {
        /// The row.
        row: usize,
        /// Number of rows.
        rows: usize,
    },
    /// An entry stands in a column that does not exist.
    #[error("an entry in column {column} of {cols}, in row {row}")]
    Column {
        /// The row.
        row: usize,
        /// The column.
        column: u32,
        /// Number of columns.
        cols: usize,
    },
    /// There are more rows, columns or entries than 32-bit positions can count.
    #[error("{found} {what} do not fit 32 bits")]
    TooLarge {
        /// What was counted: rows, columns or entries.
        what: &'static str,
        /// How many there are.
        found: usize,
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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "serial::Raw", into = "serial::Raw"))]
pub struct Pattern {
    cols: usize,
    offsets: Vec<usize>,
    indices: Vec<u32>,
}

/// The serialized form, validated on the way in.
#[cfg(feature = "serde")]
mod serial {
    use super::{Pattern, PatternError};

    #[derive(serde::Serialize, serde::Deserialize)]
    pub(super) struct Raw {
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
}

impl Pattern {
    /// A pattern from compressed rows: `indices[offsets[r]..offsets[r + 1]]` are the columns of row `r`.
    ///
    /// A `CsrMatrix` of `nalgebra-sparse` gives them as `m.row_offsets()` and `m.col_indices()`, a row-major
    /// sparse matrix of `faer` as `m.row_ptr()` and `m.col_idx()`. Narrow the columns by
    /// `indices.iter().map(|&c| c as u32).collect()`.
    ///
    /// # Errors
    /// If the offsets do not start at 0, decrease or miss the end of `indices`, if the columns of a row are not
    /// strictly increasing and below `cols`, or if 32 bits cannot count the rows, columns or entries.
    pub fn new(cols: usize, offsets: Vec<usize>, indices: Vec<u32>) -> Result<Self, PatternError> {
        let (first, last) = (offsets.first().copied(), offsets.last().copied().unwrap_or(0));
        if first != Some(0) {
            return Err(PatternError::Start { found: first });
        }
        if last != indices.len() {
            return Err(PatternError::End { expected: indices.len(), found: last });
        }
        // Columns, and the entries of products and transposes, are counted by u32: more would overflow silently.
        for (what, found) in [("rows", offsets.len() - 1), ("columns", cols), ("entries", indices.len())] {
            if found > u32::MAX as usize {
                return Err(PatternError::TooLarge { what, found });
            }
        }
        if let Some(row) = offsets.windows(2).position(|ends| ends[0] > ends[1]) {
            return Err(PatternError::Decreasing { row });
        }
        for (row, ends) in offsets.windows(2).enumerate() {
            let columns = &indices[ends[0]..ends[1]];
            if columns.windows(2).any(|pair| pair[0] >= pair[1]) {
                return Err(PatternError::Order { row });
            }
            if let Some(&column) = columns.last().filter(|&&column| column as usize >= cols) {
                return Err(PatternError::Column { row, column, cols });
            }
        }
        Ok(Self { cols, offsets, indices })
    }

    /// A pattern from the columns of each row.
    ///
    /// # Errors
    /// If the columns of a row are not strictly increasing and below `cols`, or if 32 bits cannot count the rows,
    /// columns or entries.
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

    /// A pattern from its entries as (row, column), in any order; an entry that is named twice counts once. A
    /// matrix of another library, such as `nalgebra-sparse`, becomes a pattern through its triplets:
    /// `Pattern::from_entries(m.nrows(), m.ncols(), m.triplet_iter().map(|(r, c, _)| (r, c as u32)))`.
    ///
    /// # Errors
    /// If an entry stands outside of `rows × cols`, or if 32 bits cannot count the rows, columns or entries.
    pub fn from_entries(
        rows: usize,
        cols: usize,
        entries: impl IntoIterator<Item = (usize, u32)>,
    ) -> Result<Self, PatternError> {
        let mut columns = vec![Vec::new(); rows];
        for (row, column) in entries {
            columns.get_mut(row).ok_or(PatternError::Row { row, rows })?.push(column);
        }
        for row in &mut columns {
            row.sort_unstable();
            row.dedup();
        }
        Self::from_rows(cols, columns)
    }

    /// Builds a pattern whose rows are known to be sorted and in range.
    fn trusted<R: IntoIterator<Item = u32>>(cols: usize, rows: impl IntoIterator<Item = R>) -> Self {
        Self::from_rows(cols, rows).expect("rows are sorted and in range by construction")
    }

    /// The pattern of a dense `rows × cols` matrix.
    ///
    /// # Panics
    /// If 32 bits cannot count the rows, columns or entries.
    pub fn dense(rows: usize, cols: usize) -> Self {
        Self::trusted(cols, (0..rows).map(|_| 0..cols as u32))
    }

    /// The pattern of a diagonal `size × size` matrix. Panics as [`dense`](Self::dense) does.
    pub fn identity(size: usize) -> Self {
        Self::trusted(size, (0..size as u32).map(|i| [i]))
    }

    /// The pattern without entries of a `rows × cols` matrix. Panics as [`dense`](Self::dense) does.
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

    /// Bytes allocated for offsets and indices.
    pub fn bytes(&self) -> usize {
        held(&self.offsets) + held(&self.indices)
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

    /// Positions of the values of row `r` in a value array.
    #[inline]
    pub fn entries(&self, r: usize) -> Range<usize> {
        self.offsets[r]..self.offsets[r + 1]
    }

    /// The row of the entry whose value is at position `place` of a value array.
    pub(crate) fn row_of(&self, place: usize) -> Option<usize> {
        (place < self.nnz()).then(|| self.offsets.partition_point(|&end| end <= place) - 1)
    }

    /// Position of entry (`r`, `c`) in a value array, if it is a structural nonzero.
    pub fn find(&self, r: usize, c: u32) -> Option<usize> {
        self.row(r).binary_search(&c).ok().map(|at| self.offsets[r] + at)
    }

    /// For each entry the index of the same entry in the value array of `other`, where it is a structural nonzero.
    ///
    /// # Panics
    /// If `other` has fewer rows.
    pub fn indices_in(&self, other: &Self) -> Vec<Option<u32>> {
        self.iter().map(|(r, c)| other.find(r, c).map(|index| index as u32)).collect()
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

    /// The entries that at least one of the two patterns has.
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

    /// The entries that both patterns have.
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
        Self::gathered(self.rows(), other.cols, |r, found| {
            self.row(r).iter().for_each(|&k| found.add(other.row(k as usize)));
        })
    }

    /// The reflexive and transitive closure: row `r` has column `c` if some number of steps along entries leads
    /// from `r` to `c`. No step at all counts, so the diagonal is included.
    ///
    /// ```
    /// use rtrl_sparse::Pattern;
    /// let ring = Pattern::from_rows(3, [vec![1], vec![2], vec![0]])?;
    /// assert_eq!(ring.closure(), Pattern::dense(3, 3));
    /// # Ok::<(), rtrl_sparse::PatternError>(())
    /// ```
    ///
    /// # Panics
    /// If the pattern is not square, or there are more entries than 32 bits can count.
    #[must_use]
    #[track_caller]
    pub fn closure(&self) -> Self {
        assert_eq!(self.rows(), self.cols, "rows and columns of a square pattern");
        Self::gathered(self.rows(), self.cols, |r, found| {
            found.add(&[r as u32]);
            let mut next = 0;
            while let Some(&at) = found.columns.get(next) {
                found.add(self.row(at as usize));
                next += 1;
            }
        })
    }

    /// A pattern of `rows` rows. `fill` adds the columns of each row, in any order.
    #[track_caller]
    fn gathered(rows: usize, cols: usize, fill: impl Fn(usize, &mut Found)) -> Self {
        let mut found = Found { seen: vec![false; cols], columns: Vec::new() };
        let (mut offsets, mut indices) = (vec![0], Vec::new());
        for r in 0..rows {
            fill(r, &mut found);
            found.columns.iter().for_each(|&c| found.seen[c as usize] = false);
            found.columns.sort_unstable();
            indices.append(&mut found.columns);
            offsets.push(indices.len());
        }
        assert!(indices.len() <= u32::MAX as usize, "{} entries do not fit 32 bits", indices.len());
        Self { cols, offsets, indices }
    }

    /// The transpose.
    #[must_use]
    pub fn transpose(&self) -> Self {
        self.transpose_with_entries().0
    }

    /// The transpose, and for each of its entries the position of that entry in a value array of `self`.
    #[must_use]
    pub fn transpose_with_entries(&self) -> (Self, Vec<u32>) {
        let mut offsets = vec![0; self.cols + 1];
        for &c in &self.indices {
            offsets[c as usize + 1] += 1;
        }
        for c in 0..self.cols {
            offsets[c + 1] += offsets[c];
        }
        let mut ends = offsets.clone();
        let (mut indices, mut places) = (vec![0; self.nnz()], vec![0; self.nnz()]);
        for (entry, (r, c)) in self.iter().enumerate() {
            let end = &mut ends[c as usize];
            (indices[*end], places[*end]) = (r as u32, entry as u32);
            *end += 1;
        }
        (Self { cols: self.rows(), offsets, indices }, places)
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

/// The columns of one row, each once, in the order in which they were found.
struct Found {
    seen: Vec<bool>,
    columns: Vec<u32>,
}

impl Found {
    fn add(&mut self, columns: &[u32]) {
        for &c in columns {
            if !std::mem::replace(&mut self.seen[c as usize], true) {
                self.columns.push(c);
            }
        }
    }
}

/// Bytes allocated for an array.
pub(crate) fn held<T>(array: &Vec<T>) -> usize {
    array.capacity() * size_of::<T>()
}

/// The structure of a `sprs` matrix in compressed rows or columns; values are dropped. With the feature `sprs`.
#[cfg(feature = "sprs")]
impl<N: Clone + Default> From<&sprs::CsMatI<N, u32, usize>> for Pattern {
    fn from(matrix: &sprs::CsMatI<N, u32, usize>) -> Self {
        let rows = if matrix.is_csr() { matrix.clone() } else { matrix.to_other_storage() };
        let cols = rows.cols();
        // The offsets of a matrix cut out of another one do not begin at 0.
        let offsets = rows.proper_indptr().into_owned();
        let (_, indices, _) = rows.into_raw_storage();
        Self::new(cols, offsets, indices).expect("the structure of a sprs matrix")
    }
}

#[cfg(feature = "sprs")]
impl Pattern {
    /// A `sprs` matrix with this structure and `values`, one per structural nonzero. With the feature `sprs`.
    ///
    /// # Panics
    /// If `values.len() != self.nnz()`.
    #[track_caller]
    pub fn to_sprs<N>(&self, values: Vec<N>) -> sprs::CsMatI<N, u32, usize> {
        sprs::CsMatI::new((self.rows(), self.cols), self.offsets.clone(), self.indices.clone(), values)
    }
}
