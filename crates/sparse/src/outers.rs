//! Outer products of many steps, formed together.

use std::ops::Range;

use crate::kernels::Computation;
use crate::kernels::matrix::{APART, ROWS};
use crate::kernels::outers::Flush;
use crate::{Lanes, Linear, Scalar, Sources};

/// Columns (steps times lanes) that are gathered before the products are formed: enough for long sums, few enough for a cache.
const COLUMNS: usize = 128;

/// Fewer columns are not worth gathering.
const FEWEST: usize = 8;

/// The sum `gradient += Σ z ⊗ u` over steps and lanes, in which `z` and `u` are gathered until there are enough of them for
/// a matrix product: the gradient is then read and written once for many steps.
#[derive(Debug, Clone)]
pub struct Outers<T> {
    pub(crate) capacity: usize,
    pub(crate) filled: usize,
    /// Scalars from row to row of `z` and of `turned`.
    pub(crate) stride: usize,
    /// `[rows][columns]`.
    pub(crate) z: Vec<T>,
    /// `[columns][sources]`, for rows that read alike; and as `[sources][columns]` for others.
    pub(crate) u: Vec<T>,
    pub(crate) turned: Vec<T>,
    pub(crate) groups: Vec<Group>,
    pub(crate) pack: Vec<T>,
    /// The products of some rows with the run of sources that they share.
    pub(crate) block: Vec<T>,
}

/// Rows that are taken together.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub rows: Range<usize>,
    pub kind: Kind,
}

/// How they are taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// They are a dense matrix with equal distances between its rows.
    Dense,
    /// Their consecutive sources are the same.
    Level,
    /// They are not.
    Rows,
}

/// Consecutive sources that are worth a matrix product.
const RUN: usize = 8;

impl<T: Scalar> Outers<T> {
    /// Memory for the products of `linear`, of up to `steps` steps of `lanes` lanes at a time.
    pub fn new(linear: &Linear, lanes: usize, steps: usize) -> Self {
        let capacity = lanes * (COLUMNS / lanes).clamp(1, steps.max(1));
        let capacity = if capacity < FEWEST { 0 } else { capacity };
        let groups = groups(linear);
        let without = |kind| groups.iter().any(|group| group.kind != kind);
        let level = groups.iter().filter(|group| group.kind == Kind::Level);
        let longest = level.map(|group| linear.consecutive(group.rows.start).1).max().unwrap_or(0);
        let (stride, sources) = (capacity + APART, linear.dense_sources());
        let memory = |used: bool, len: usize| vec![T::ZERO; if used && capacity > 0 { len } else { 0 }];
        Self {
            z: memory(true, linear.pattern().rows() * stride),
            u: memory(without(Kind::Rows), capacity * (sources + APART)),
            turned: memory(without(Kind::Dense), sources * stride),
            pack: memory(without(Kind::Rows), ROWS * capacity),
            block: memory(longest > 0, ROWS * longest),
            capacity,
            filled: 0,
            stride,
            groups,
        }
    }

    /// Takes in `z ⊗ u` of all rows at one step, summed over lanes.
    ///
    /// # Panics
    /// If sizes do not fit.
    pub fn push(&mut self, linear: &Linear, z: Lanes<'_, T>, u: Sources<'_, T>, gradient: &mut [T]) {
        let lanes = z.lanes();
        if self.capacity < lanes {
            return linear.accumulate_outer_rows(0..z.len(), z, u, gradient);
        }
        if self.filled + lanes > self.capacity {
            self.flush(linear, gradient);
        }
        turn(z, &mut self.z[self.filled..], self.stride);
        if !self.turned.is_empty() {
            turn(u.dense, &mut self.turned[self.filled..], self.stride);
        }
        if !self.u.is_empty() {
            let stride = u.dense.len() + APART;
            let rows = &mut self.u[self.filled * stride..];
            for (lane, row) in rows.chunks_mut(stride).take(lanes).enumerate() {
                let u = u.dense.values().iter().skip(lane).step_by(lanes);
                row.iter_mut().zip(u).for_each(|(into, &u)| *into = u);
            }
        }
        self.filled += lanes;
        if linear.symbols() > 0 {
            for r in 0..z.len() {
                linear.add_symbols(r, z.at(r), u.symbols, gradient);
            }
        }
    }

    /// Adds whatever was taken in to the gradient.
    ///
    /// # Panics
    /// If sizes do not fit.
    pub fn flush(&mut self, linear: &Linear, gradient: &mut [T]) {
        if self.filled > 0 {
            let outers = &mut *self;
            T::run(1, Computation::Flush(Flush { outers, linear, gradient }));
            self.filled = 0;
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let parts = [&self.z, &self.u, &self.turned, &self.pack, &self.block];
        parts.iter().map(|part| size_of_val(&part[..])).sum::<usize>()
            + self.groups.capacity() * size_of::<Group>()
    }
}

/// The lanes of entry after entry, `stride` apart.
fn turn<T: Scalar>(values: Lanes<'_, T>, into: &mut [T], stride: usize) {
    let lanes = values.lanes();
    if lanes == 1 {
        into.iter_mut().step_by(stride).zip(values.values()).for_each(|(into, &x)| *into = x);
    } else {
        for (into, x) in into.chunks_mut(stride).zip(values.values().chunks_exact(lanes)) {
            into[..lanes].copy_from_slice(x);
        }
    }
}

fn groups(linear: &Linear) -> Vec<Group> {
    let (all, mut groups, mut r) = (linear.pattern().rows(), Vec::<Group>::new(), 0);
    let start = |r: usize| linear.dense_entries(r).start;
    while r < all {
        let mut end = linear.alike_until(r, all);
        let stride = if end > r + 1 { start(r + 1) - start(r) } else { 0 };
        if let Some(other) = (r + 1..end).find(|&next| start(next) - start(next - 1) != stride) {
            end = other;
        }
        let dense = end - r >= ROWS / 2 && !linear.dense_entries(r).is_empty();
        let level = linear.level_until(r, all);
        let kind = if dense {
            Kind::Dense
        } else if level - r >= ROWS / 2 && linear.consecutive(r).1 >= RUN {
            end = level;
            Kind::Level
        } else {
            Kind::Rows
        };
        match groups.last_mut() {
            Some(last) if kind == Kind::Rows && last.kind == Kind::Rows => last.rows.end = end,
            _ => groups.push(Group { rows: r..end, kind }),
        }
        r = end;
    }
    groups
}
