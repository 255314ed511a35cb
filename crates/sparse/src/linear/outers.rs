//! Outer products of many steps, formed together.

use std::sync::Arc;

use super::map::{BandKind, Linear};
use crate::float::Float;
use crate::simd::matmul::{ROW_PADDING, ROWS};

/// The most columns (steps times lanes) that are gathered before the products are formed, unless one step has more
/// lanes: enough for long sums, few enough for the cache.
const COLUMNS: usize = 128;

/// Fewer columns are not worth gathering: each step is then added at once.
const MIN_COLUMNS: usize = 8;

/// The sum `gradient += Σ z ⊗ u` over steps and lanes. `z` and `u` are gathered until there are enough of them for
/// a matrix product, so that the gradient is read and written once for many steps.
#[derive(Debug, Clone)]
pub struct Outers<T> {
    pub(crate) linear: Arc<Linear>,
    pub(crate) capacity: usize,
    pub(crate) filled: usize,
    /// Scalars from one row of `z` or `turned` to the next.
    pub(crate) stride: usize,
    /// `[rows][columns]`.
    pub(crate) z: Vec<T>,
    /// Dense sources, `[columns][sources]` for matrix products, and `turned` as `[sources][columns]` for sources
    /// that are summed one by one. Each is empty if no band needs it.
    pub(crate) u: Vec<T>,
    pub(crate) turned: Vec<T>,
    pub(crate) pack: Vec<T>,
    /// The products of up to [`ROWS`] rows with the run that they share.
    pub(crate) block: Vec<T>,
}

impl<T: Float> Outers<T> {
    /// Memory for outer products of all rows of `linear`, in `lanes` lanes and for windows of up to `steps` steps.
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

    /// Bytes allocated, without the map.
    pub fn bytes(&self) -> usize {
        let parts = [&self.z, &self.u, &self.turned, &self.pack, &self.block];
        parts.iter().map(|part| size_of_val(&part[..])).sum()
    }
}
