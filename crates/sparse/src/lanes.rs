//! Views of `[len][lanes]` arrays: one entry per structural position, the parallel streams innermost.

use std::ops::Range;

use crate::float::Float;

/// A read-only `[len][lanes]` array. Access beyond its end panics, as with slices.
#[derive(Debug, Clone, Copy)]
pub struct Lanes<'a, T> {
    values: &'a [T],
    lanes: usize,
}

/// A mutable `[len][lanes]` array. Access beyond its end panics, as with slices.
#[derive(Debug)]
pub struct LanesMut<'a, T> {
    values: &'a mut [T],
    lanes: usize,
}

#[track_caller]
fn check(values: usize, lanes: usize) {
    assert!(lanes > 0, "lanes must be at least 1");
    assert!(
        values.is_multiple_of(lanes),
        "{values} values are not a whole number of entries of {lanes} lanes"
    );
}

impl<'a, T> Lanes<'a, T> {
    /// Wraps `values`, entry after entry, each of `lanes` values.
    ///
    /// # Panics
    /// If `lanes` is zero or does not divide the number of values.
    #[track_caller]
    pub fn new(values: &'a [T], lanes: usize) -> Self {
        check(values.len(), lanes);
        Self { values, lanes }
    }

    /// Number of parallel streams, B.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.values.len() / self.lanes
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All lanes of entry `i`.
    #[inline]
    pub fn at(&self, i: usize) -> &'a [T] {
        &self.values[i * self.lanes..(i + 1) * self.lanes]
    }

    /// All lanes of the entries in `range`, as one slice.
    #[inline]
    pub fn range(&self, range: Range<usize>) -> &'a [T] {
        &self.values[range.start * self.lanes..range.end * self.lanes]
    }

    /// The entries in `range`.
    #[inline]
    pub fn slice(&self, range: Range<usize>) -> Lanes<'a, T> {
        Lanes { values: self.range(range), lanes: self.lanes }
    }

    /// The whole array.
    pub fn values(&self) -> &'a [T] {
        self.values
    }
}

impl<T: Float> Lanes<'_, T> {
    /// Sets `diverged[b]` for every lane `b` with an entry that is NaN or infinite.
    ///
    /// # Panics
    /// If there is not one flag for each lane.
    pub fn mark_diverged(&self, diverged: &mut [bool]) {
        assert_eq!(diverged.len(), self.lanes, "one flag for each lane");
        for entry in self.values.chunks_exact(self.lanes) {
            diverged.iter_mut().zip(entry).for_each(|(flag, x)| *flag |= !x.is_finite());
        }
    }
}

impl<T: Float> LanesMut<'_, T> {
    /// Sets one lane to zero, even if it holds NaN.
    ///
    /// # Panics
    /// If there is no such lane.
    #[track_caller]
    pub fn clear_lane(&mut self, lane: usize) {
        assert!(lane < self.lanes, "lane {lane} of {}", self.lanes);
        self.values.iter_mut().skip(lane).step_by(self.lanes).for_each(|x| *x = T::ZERO);
    }
}

impl<'a, T> LanesMut<'a, T> {
    /// Wraps `values`, entry after entry, each of `lanes` values.
    ///
    /// # Panics
    /// If `lanes` is zero or does not divide the number of values.
    #[track_caller]
    pub fn new(values: &'a mut [T], lanes: usize) -> Self {
        check(values.len(), lanes);
        Self { values, lanes }
    }

    /// Number of parallel streams, B.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.values.len() / self.lanes
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All lanes of entry `i`.
    #[inline]
    pub fn at_mut(&mut self, i: usize) -> &mut [T] {
        &mut self.values[i * self.lanes..(i + 1) * self.lanes]
    }

    /// All lanes of the entries in `range`, as one slice.
    #[inline]
    pub fn range_mut(&mut self, range: Range<usize>) -> &mut [T] {
        &mut self.values[range.start * self.lanes..range.end * self.lanes]
    }

    /// The whole array.
    pub fn values_mut(&mut self) -> &mut [T] {
        self.values
    }

    /// The same array, borrowed for a shorter lifetime.
    pub fn reborrow(&mut self) -> LanesMut<'_, T> {
        LanesMut { values: self.values, lanes: self.lanes }
    }

    /// The same array, read-only.
    pub fn as_lanes(&self) -> Lanes<'_, T> {
        Lanes { values: self.values, lanes: self.lanes }
    }
}
