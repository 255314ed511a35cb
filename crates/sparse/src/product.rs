//! Sparse products into a fixed pattern.

use crate::float::Float;
use crate::lanes::{Lanes, LanesMut};
use crate::pattern::Pattern;
use crate::simd::vector::{axpy, axpy_lanes};
use crate::simd::{Kernel, Simd};

/// `C += A · B` for three fixed patterns: the index arithmetic is done once, the numeric work any number of times.
///
/// The pattern of C may be *smaller* than that of A · B; entries outside it are dropped exactly, which general sparse
/// libraries do not do (they leak such entries into their neighbors).
///
/// Values of A and B may stand in larger arrays: each [`Operand`] gives the position of the value of each entry.
/// Entries of B whose values are adjacent, and which contribute to adjacent entries of C, are handled as one run.
#[derive(Debug, Clone)]
pub struct Product {
    pub(crate) runs: Vec<Run>,
    /// Number of entries of C, and least lengths of the value arrays of A and of B.
    sizes: [usize; 3],
}

/// `c[out + k] += a[left] * b[right + k]` for `k < len`.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    out: u32,
    left: u32,
    right: u32,
    len: u32,
}

/// An operand: its pattern, and the position of each entry's value (`None`: the order of the pattern).
#[derive(Debug, Clone, Copy)]
pub struct Operand<'a> {
    pattern: &'a Pattern,
    places: Option<&'a [u32]>,
}

impl<'a> Operand<'a> {
    /// Values stand in the order of the pattern.
    pub fn plain(pattern: &'a Pattern) -> Self {
        Self { pattern, places: None }
    }

    /// The value of entry `e` stands at `places[e]`.
    ///
    /// # Panics
    /// If there is not one place per entry.
    #[track_caller]
    pub fn placed(pattern: &'a Pattern, places: &'a [u32]) -> Self {
        assert_eq!(pattern.nnz(), places.len(), "one place per entry");
        Self { pattern, places: Some(places) }
    }

    /// The pattern.
    pub fn pattern(&self) -> &'a Pattern {
        self.pattern
    }

    /// Position of the value of `entry`.
    pub fn place(&self, entry: usize) -> u32 {
        self.places.map_or(entry as u32, |places| places[entry])
    }
}

impl Product {
    /// Prepares `C += A · B`.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn new(c: &Pattern, a: Operand<'_>, b: Operand<'_>) -> Self {
        assert_eq!(a.pattern.cols(), b.pattern.rows(), "inner sizes of the product differ");
        assert_eq!(
            (c.rows(), c.cols()),
            (a.pattern.rows(), b.pattern.cols()),
            "shape of the product differs"
        );
        let mut runs: Vec<Run> = Vec::new();
        for i in 0..c.rows() {
            for (entry, &k) in a.pattern.entries(i).zip(a.pattern.row(i)) {
                let left = a.place(entry);
                let first = runs.len();
                for (right, &j) in b.pattern.entries(k as usize).zip(b.pattern.row(k as usize)) {
                    let Some(out) = c.find(i, j) else { continue };
                    let (out, right) = (out as u32, b.place(right));
                    match runs[first..].last_mut() {
                        Some(run) if run.out + run.len == out && run.right + run.len == right => run.len += 1,
                        _ => runs.push(Run { out, left, right, len: 1 }),
                    }
                }
            }
        }
        let end = |last: fn(&Run) -> u32| runs.iter().map(|run| last(run) as usize + 1).max().unwrap_or(0);
        let sizes = [c.nnz(), end(|run| run.left), end(|run| run.right + run.len - 1)];
        Self { runs, sizes }
    }

    /// Checks the numbers of values of C, A and B (`found`), and that all lanes are equal. A and B may be longer
    /// than needed.
    #[track_caller]
    pub(crate) fn check(&self, found: [usize; 3], lanes: &[usize]) {
        let [c, a, b] = self.sizes;
        assert_eq!(found[0], c, "entries of C");
        assert!(found[1] >= a, "{} values of A, not {a} or more", found[1]);
        assert!(found[2] >= b, "{} values of B, not {b} or more", found[2]);
        assert!(lanes.iter().all(|&n| n == lanes[0]), "lanes of the operands: {lanes:?}");
    }

    /// Multiply-adds of one lane in one call.
    pub fn macs(&self) -> u64 {
        self.runs.iter().map(|run| u64::from(run.len)).sum()
    }

    /// Bytes of the prepared indices.
    pub fn bytes(&self) -> usize {
        self.runs.capacity() * size_of::<Run>()
    }
}

/// See [`Product::accumulate_shared`].
pub struct Shared<'a, T> {
    pub(crate) runs: &'a [Run],
    pub(crate) c: LanesMut<'a, T>,
    pub(crate) a: Lanes<'a, T>,
    pub(crate) b: &'a [T],
}

impl<T: Float> Kernel<T> for Shared<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        let lanes = self.c.lanes();
        for run in self.runs {
            let (out, right, len) = (run.out as usize, run.right as usize, run.len as usize);
            let left = self.a.at(run.left as usize);
            if let (1, 1) = (lanes, len) {
                let c = &mut self.c.values_mut()[out];
                *c = simd.scalar(left[0], self.b[right], *c);
            } else if lanes == 1 {
                axpy(simd, self.c.range_mut(out..out + len), left[0], &self.b[right..right + len]);
            } else {
                for (c, &b) in
                    self.c.range_mut(out..out + len).chunks_exact_mut(lanes).zip(&self.b[right..right + len])
                {
                    axpy(simd, c, b, left);
                }
            }
        }
    }
}

/// See [`Product::accumulate`].
pub struct Own<'a, T> {
    pub(crate) runs: &'a [Run],
    pub(crate) c: LanesMut<'a, T>,
    pub(crate) a: Lanes<'a, T>,
    pub(crate) b: Lanes<'a, T>,
}

impl<T: Float> Kernel<T> for Own<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        for run in self.runs {
            let (out, right, len) = (run.out as usize, run.right as usize, run.len as usize);
            let (left, right) = (self.a.at(run.left as usize), self.b.range(right..right + len));
            axpy_lanes(simd, self.c.range_mut(out..out + len), left, right);
        }
    }
}
