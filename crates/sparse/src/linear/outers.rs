//! Outer products of many steps, formed together.

use std::sync::Arc;

use super::map::{BandKind, Linear};
use crate::float::Float;
use crate::simd::matmul::{ROW_PADDING, ROWS};

/// Columns (steps times lanes) that are gathered before the products are formed: enough for long sums, few enough for a cache.
const COLUMNS: usize = 128;

/// Fewer columns are not worth gathering.
const MIN_COLUMNS: usize = 8;

/// The sum `gradient += Σ z ⊗ u` over steps and lanes, in which `z` and `u` are gathered until there are enough of them for
/// a matrix product: the gradient is then read and written once for many steps.
#[derive(Debug, Clone)]
pub struct Outers<T> {
    pub(crate) linear: Arc<Linear>,
    pub(crate) capacity: usize,
    pub(crate) filled: usize,
    /// Scalars from row to row of `z` and of `turned`.
    pub(crate) stride: usize,
    /// `[rows][columns]`.
    pub(crate) z: Vec<T>,
    /// `[columns][sources]`, for bands whose runs are matrix products; and as `[sources][columns]` for other sources.
    pub(crate) u: Vec<T>,
    pub(crate) turned: Vec<T>,
    pub(crate) pack: Vec<T>,
    /// The products of some rows with the run that they share.
    pub(crate) block: Vec<T>,
}

impl<T: Float> Outers<T> {
    /// Memory for the products of `linear`, of up to `steps` steps of `lanes` lanes at a time.
    ///
    /// # Panics
    /// If there are no lanes.
    #[track_caller]
    pub fn new(linear: Arc<Linear>, lanes: usize, steps: usize) -> Self {
        assert!(lanes > 0, "lanes must be at least 1");
        let capacity = lanes * (COLUMNS / lanes).clamp(1, steps.max(1));
        let capacity = if capacity < MIN_COLUMNS { 0 } else { capacity };
        let rows = linear.pattern().rows();
        let (mut products, mut sums, mut longest) = (false, false, 0);
        for band in linear.bands(0..rows) {
            products |= band.kind != BandKind::RowByRow;
            sums |= band.kind != BandKind::Dense;
            if band.kind == BandKind::SharedRun {
                longest = longest.max(linear.rows[band.rows.start].run);
            }
        }
        let (stride, sources) = (capacity + ROW_PADDING, linear.dense_sources());
        let memory = |used: bool, len: usize| vec![T::ZERO; if used && capacity > 0 { len } else { 0 }];
        Self {
            z: memory(true, rows * stride),
            u: memory(products, capacity * (sources + ROW_PADDING)),
            turned: memory(sums, sources * stride),
            pack: memory(products, ROWS * capacity),
            block: memory(longest > 0, ROWS * longest),
            linear,
            capacity,
            filled: 0,
            stride,
        }
    }

    /// Bytes held, without the map.
    pub fn bytes(&self) -> usize {
        let parts = [&self.z, &self.u, &self.turned, &self.pack, &self.block];
        parts.iter().map(|part| size_of_val(&part[..])).sum()
    }
}
