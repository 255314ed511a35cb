//! The innermost loop of a step of coupled states: the rows of one tile of J, one after the other.
//!
//! Bounds are checked once for all rows. With a check of every access, which also keeps sizes in registers, short
//! rows would take twice the time.
#![allow(unsafe_code)]

use std::slice;

use super::block::Block;
use super::step::StepValues;
use crate::float::Float;
use crate::simd::Simd;

/// Prefetch distance in bytes, which reaches into the next block or the one after it. The hardware prefetcher
/// loses the stream of J between blocks, where other arrays are loaded and pages end.
const AHEAD: usize = 4096;

/// The span of a tile in J: vector `c` of the tile begins at `first + c * stride` of each row.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub first: usize,
    pub stride: usize,
    /// Scalars of the last vector; the others are full.
    pub last: usize,
    /// Scalars of one row of J: columns times lanes.
    pub row: usize,
    /// First column and first lane of the tile.
    pub column: usize,
    pub lane: usize,
}

impl Place {
    /// Loads the `C` vectors of the tile in one row of J.
    ///
    /// # Safety
    /// `row` must point to the first scalar of the tile in that row, and every scalar of the vectors must be
    /// readable.
    #[inline(always)]
    unsafe fn load<T: Float, S: Simd<T>, const C: usize>(&self, simd: S, row: *const T) -> [S::Vector; C] {
        let mut vectors = [simd.splat(T::ZERO); C];
        for (c, v) in vectors.iter_mut().enumerate() {
            let len = if c + 1 < C { S::WIDTH } else { self.last };
            simd.fetch(row.wrapping_add(c * self.stride + AHEAD / size_of::<T>()));
            // SAFETY: the caller guarantees that every vector is readable.
            let x = unsafe { slice::from_raw_parts(row.add(c * self.stride), len) };
            *v = if len < S::WIDTH { simd.load_part(x) } else { simd.load(x) };
        }
        vectors
    }

    /// Overwrites the vectors of the tile in one row of J.
    ///
    /// # Safety
    /// As for [`load`](Self::load), and the scalars must be writable.
    #[inline(always)]
    unsafe fn store<T: Float, S: Simd<T>, const C: usize>(
        &self,
        simd: S,
        vectors: [S::Vector; C],
        row: *mut T,
    ) {
        for (c, v) in vectors.into_iter().enumerate() {
            let len = if c + 1 < C { S::WIDTH } else { self.last };
            // SAFETY: the caller guarantees that every vector is writable.
            let x = unsafe { slice::from_raw_parts_mut(row.add(c * self.stride), len) };
            if len < S::WIDTH { simd.store_part(v, x) } else { simd.store(v, x) }
        }
    }
}

/// One step of all rows of a tile of J.
pub(super) struct Rows<'a, T> {
    pub block: &'a Block<'a>,
    pub step: StepValues<'a, T>,
    pub place: Place,
}

impl<T: Float> Rows<'_, T> {
    /// `J ← D J + G ⊗ u` for all rows of the tile. Returns its contribution `δᵀ J` to the gradient.
    ///
    /// `memory` is scratch for the old values of the tile, `[reach][C vectors]`, and the values of `G ⊗ u`,
    /// `[states][C vectors]`, for those states in R that G drives.
    ///
    /// # Panics
    /// If sizes do not fit.
    #[inline(always)]
    pub fn advance<S: Simd<T>, const LANES: bool, const C: usize>(
        self,
        simd: S,
        influence: &mut [T],
        memory: [&mut [T]; 2],
    ) -> [S::Vector; C] {
        let Self { block, step, place } = self;
        let [old, immediate] = memory;
        let (rows, width, lanes) = (block.reach().len(), C * S::WIDTH, step.dynamics.lanes());
        let old = &mut old[..rows * width];
        assert!(influence.len() == rows * place.row, "a tile of the block");
        assert!(place.stride >= S::WIDTH && place.last <= S::WIDTH, "vectors side by side");
        assert!(place.first + (C - 1) * place.stride + place.last <= place.row, "a tile of a row");
        let (values, states) = block.sources();
        assert!(values * lanes <= step.dynamics.values().len(), "values of D");
        assert!(states * lanes <= step.delta.values().len(), "values of δ");
        let vector = if LANES { place.lane + S::WIDTH <= lanes } else { lanes == 1 };
        assert!(vector && step.delta.lanes() == lanes, "lanes");
        for i in 0..rows {
            // SAFETY: as asserted, there are `rows` rows in both arrays, and the tile lies within each.
            unsafe {
                let row = place.load::<T, S, C>(simd, influence.as_ptr().add(i * place.row + place.first));
                let old = slice::from_raw_parts_mut(old.as_mut_ptr().add(i * width), width);
                for (old, v) in old.chunks_exact_mut(S::WIDTH).zip(row) {
                    simd.store(v, old);
                }
            }
        }
        let old = old.as_ptr();
        let (dynamics, delta) = (step.dynamics.values().as_ptr(), step.delta.values().as_ptr());
        // The vector of lanes of one entry, or the only lane of the entry in every place.
        macro_rules! coefficient {
            ($values:expr, $entry:expr) => {{
                let entry: usize = $entry;
                // SAFETY: as asserted, every entry that the block names exists and has all lanes of the vector.
                unsafe {
                    if LANES {
                        simd.load(slice::from_raw_parts($values.add(entry * lanes + place.lane), S::WIDTH))
                    } else {
                        simd.splat(*$values.add(entry))
                    }
                }
            }};
        }
        let zero = simd.splat(T::ZERO);
        let (mut slope, mut new) = ([zero; C], [zero; C]);
        macro_rules! add_row {
            ($entry:expr, $column:expr) => {{
                let d = coefficient!(dynamics, $entry);
                // SAFETY: columns of D[R, R] are below its size, which is the number of rows of `old`.
                let old = unsafe { slice::from_raw_parts(old.add($column * width), width) };
                for (c, new) in new.iter_mut().enumerate() {
                    *new = simd.mul_add(d, simd.load(&old[c * S::WIDTH..]), *new);
                }
            }};
        }
        let mut states = block.driven().map(|entries| entries[0].state as usize);
        let mut driven = states.next();
        let mut immediate = immediate.chunks_exact(width);
        let (mut entries, mut runs) = block.dynamics();
        let by_runs = !runs.is_empty();
        let mut row = influence.as_mut_ptr().wrapping_add(place.first);
        for (i, (&state, &count)) in block.reach().iter().zip(block.counts()).enumerate() {
            if driven == Some(i) {
                for (new, x) in new.iter_mut().zip(immediate.next().expect("G u").chunks_exact(S::WIDTH)) {
                    *new = simd.load(x);
                }
                driven = states.next();
            }
            if by_runs {
                let (own, rest) = runs.split_at(count as usize);
                runs = rest;
                for run in own {
                    for k in 0..run.len as usize {
                        add_row!(run.entry as usize + k, run.column as usize + k);
                    }
                }
            } else {
                let (own, rest) = entries.split_at(count as usize);
                entries = rest;
                for entry in own {
                    add_row!(entry.entry(), entry.column());
                }
            }
            let delta = coefficient!(delta, state as usize);
            for (new, slope) in new.iter_mut().zip(&mut slope) {
                *new = simd.flush(*new);
                *slope = simd.mul_add(delta, *new, *slope);
            }
            // SAFETY: as for `old`; a row of the reach is a row of J.
            unsafe { place.store::<T, S, C>(simd, new, row) };
            row = row.wrapping_add(place.row);
            new = [zero; C];
        }
        slope
    }
}
