//! The block structure of a linear recursion `J ← D J + G ⊗ u` whose columns share patterns row by row.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::block::{Arrays, Block};
use super::error::BlockError;
use super::layout::Layout;
use crate::linear::Linear;
use crate::pattern::Pattern;
use crate::product::Operand;

/// For each row of the map its block and its first column there; `None` for a row without reach.
type Homes = Box<[Option<(u32, u32)>]>;

/// The matrix `J` (states × weights) of the recursion `J ← P ∘ (D J + I)`, kept as one dense block for every set of
/// rows that reach the same states.
///
/// `I` has the structure `I[:, (r, j)] = G[:, r] · u_j`: all weights of row `r` share the column pattern `R_r`, the
/// *reach* of the row. A block holds `J[R, all weights of its rows]`, `|R| × F`, without an index per entry; only the
/// few entries of `D[R, R]` are indexed, once for the block. Every product is masked by construction: an entry of `D`
/// that leaves `R` has no place in the block.
#[derive(Debug, Clone)]
pub struct Blocks {
    pub(crate) linear: Arc<Linear>,
    pub(crate) arrays: Arc<Arrays>,
    pub(crate) layout: Layout,
    /// Whether every block has one state. Parts inherit it from the whole layout, so that all of them are carried
    /// in the same way.
    pub(crate) single: bool,
    /// Index of the first entry of a part in the J of the whole layout; 0 for the whole.
    pub(crate) origin: usize,
    pub(crate) states: usize,
    /// Row, column and position of the value of every entry of D, if the adjoint multiplies whole matrices; else
    /// empty.
    pub(crate) entries: Box<[(u32, u32, u32)]>,
    /// The table for [`column`](Self::column), made on its first call.
    homes: OnceLock<Homes>,
}

/// Checks that there is one reach for each of `rows` rows, each strictly increasing and below `states`.
///
/// # Errors
/// [`BlockError::Size`] if the number of reaches is wrong, else [`BlockError::Reach`] for the first row that
/// fails.
pub fn check_reach(reach: &[Vec<u32>], rows: usize, states: usize) -> Result<(), BlockError> {
    if reach.len() != rows {
        return Err(BlockError::Size { what: "reaches", expected: rows, found: reach.len() });
    }
    let fits = |reach: &Vec<u32>| {
        reach.windows(2).all(|w| w[0] < w[1]) && reach.last().is_none_or(|&last| (last as usize) < states)
    };
    match reach.iter().position(|reach| !fits(reach)) {
        Some(row) => Err(BlockError::Reach { row, states }),
        None => Ok(()),
    }
}

impl Blocks {
    /// Lays out the blocks of J for the weights of `linear`, where row `r` reaches the states `reach[r]`.
    /// `row_jacobian` is the pattern of `Gᵀ` (rows × states), `dynamics` that of `D` (states × states); both give
    /// the positions of their values.
    ///
    /// Rows with equal reach share a block. A row with empty reach gets none: its weights have no influence.
    /// Entries of G and D outside the reach are dropped: that is the approximation.
    ///
    /// # Errors
    /// If sizes differ, a reach is not strictly increasing and below the number of states, or there are more entries than
    /// positions of 32 bits can count.
    pub fn new(
        linear: impl Into<Arc<Linear>>,
        row_jacobian: Operand<'_>,
        dynamics: Operand<'_>,
        reach: &[Vec<u32>],
    ) -> Result<Self, BlockError> {
        Self::with_layout(linear, row_jacobian, dynamics, reach, Layout::default())
    }

    /// [`new`](Self::new) with limits other than the defaults of [`Layout`].
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn with_layout(
        linear: impl Into<Arc<Linear>>,
        row_jacobian: Operand<'_>,
        dynamics: Operand<'_>,
        reach: &[Vec<u32>],
        layout: Layout,
    ) -> Result<Self, BlockError> {
        let linear = linear.into();
        let (rows, states) = (linear.pattern().rows(), dynamics.pattern().rows());
        let size = |what, expected, found| {
            if expected == found { Ok(()) } else { Err(BlockError::Size { what, expected, found }) }
        };
        size("columns of the dynamics", states, dynamics.pattern().cols())?;
        size("rows of the row Jacobian", rows, row_jacobian.pattern().rows())?;
        size("columns of the row Jacobian", states, row_jacobian.pattern().cols())?;
        check_reach(reach, rows, states)?;
        // Ordered by first row, so that the layout does not depend on how the reaches compare.
        let mut shared: BTreeMap<&[u32], usize> = BTreeMap::new();
        let mut groups: Vec<(&[u32], Vec<usize>)> = Vec::new();
        for (row, reach) in reach.iter().enumerate() {
            if reach.is_empty() {
                continue;
            }
            let group = *shared.entry(reach).or_insert_with(|| {
                groups.push((reach, Vec::new()));
                groups.len() - 1
            });
            groups[group].1.push(row);
        }
        let arrays = Arc::new(Arrays::new(&groups, &linear, row_jacobian, dynamics, layout)?);
        let single = arrays.single();
        let mut blocks = Self {
            linear,
            arrays,
            layout,
            single,
            origin: 0,
            states,
            entries: Box::default(),
            homes: OnceLock::new(),
        };
        if blocks.dense_enough() {
            let place = |(e, (row, column)): (usize, (usize, u32))| (row as u32, column, dynamics.place(e));
            blocks.entries = dynamics.pattern().iter().enumerate().map(place).collect();
        }
        Ok(blocks)
    }

    /// Splits blocks of more than `columns` columns by rows, so that threads can share them. A row is never split.
    /// [`Streaming`](crate::Streaming) costs the same; adjoints and transitions, which the rows of a block share,
    /// cost more.
    #[must_use]
    pub fn narrow(mut self, columns: usize) -> Self {
        let mut blocks = Vec::with_capacity(self.arrays.count());
        for (b, block) in self.blocks().enumerate() {
            let mut first = 0;
            while first < block.rows().len() {
                let end = block.rows()[first].columns.start + columns;
                let fit = block.rows()[first..].iter().take_while(|row| row.columns.end <= end).count();
                let rows = first..first + fit.max(1);
                first = rows.end;
                blocks.push((b, rows));
            }
        }
        self.homes = OnceLock::new();
        self.arrays = Arc::new(self.arrays.relaid(blocks.into_iter(), &self.linear, |row| row, self.layout));
        self
    }

    /// The blocks in `range` as a layout of their own. `linear` is the map of their rows: row `r` here is row
    /// `renumbered(r)` there.
    pub(crate) fn part(
        &self,
        range: Range<usize>,
        linear: Linear,
        renumbered: impl Fn(usize) -> usize,
    ) -> Self {
        let all = range.clone().map(|b| (b, 0..self.arrays.block(b).rows().len()));
        Self {
            arrays: Arc::new(self.arrays.relaid(all, &linear, renumbered, self.layout)),
            linear: Arc::new(linear),
            layout: self.layout,
            single: self.single,
            origin: self.arrays.block(range.start).start(),
            states: self.states,
            entries: self.entries.clone(),
            homes: OnceLock::new(),
        }
    }

    /// The blocks, in the order of their first rows.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = Block<'_>> + Clone {
        (0..self.arrays.count()).map(|b| self.arrays.block(b))
    }

    /// Number of entries of J that are kept, per lane.
    pub fn len(&self) -> usize {
        self.arrays.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries of `dynamics` whose row and column lie in the reach of a common row of the map. The recursion
    /// reads no others.
    ///
    /// # Panics
    /// If a reach names a state that does not exist.
    #[must_use]
    pub fn needed_dynamics(dynamics: &Pattern, reach: &[Vec<u32>]) -> Pattern {
        let mut needed = vec![false; dynamics.nnz()];
        let mut inside = vec![false; dynamics.rows()];
        let mut seen: Vec<&[u32]> = reach.iter().map(Vec::as_slice).collect();
        seen.sort_unstable();
        seen.dedup();
        for reach in seen {
            reach.iter().for_each(|&s| inside[s as usize] = true);
            for &s in reach {
                for (e, &c) in dynamics.entries(s as usize).zip(dynamics.row(s as usize)) {
                    needed[e] |= inside[c as usize];
                }
            }
            reach.iter().for_each(|&s| inside[s as usize] = false);
        }
        let rows = (0..dynamics.rows()).map(|r| {
            let row = dynamics.entries(r).zip(dynamics.row(r));
            row.filter_map(|(e, &c)| needed[e].then_some(c)).collect::<Vec<_>>()
        });
        Pattern::from_rows(dynamics.cols(), rows).expect("a part of a pattern is a pattern")
    }

    /// Index `i` of entry (`state`, `weight`) of J: its lanes are `influence[i * lanes..][..lanes]`. `None` if it
    /// is not kept.
    ///
    /// The first call builds a table with one record for each row. Later calls take two binary searches.
    pub fn find(&self, state: u32, weight: usize) -> Option<usize> {
        let (block, column) = self.column(weight)?;
        let local = block.reach().binary_search(&state).ok()?;
        Some(block.start() + local * block.columns() + column)
    }

    /// The entries of J that are kept, as (state, weight, index), in increasing order of the index, that is block
    /// after block.
    pub fn entries(&self) -> impl Iterator<Item = (u32, usize, usize)> + '_ {
        self.blocks().flat_map(move |block| {
            block.reach().iter().enumerate().flat_map(move |(local, &state)| {
                let first = block.start() + local * block.columns();
                block.rows().iter().flat_map(move |row| {
                    let weights = self.linear.pattern().entries(row.row);
                    weights.zip(row.columns.clone()).map(move |(weight, at)| (state, weight, first + at))
                })
            })
        })
    }

    /// The block that keeps the column of `weight`, and the column's index there. `None` if no block does.
    pub(crate) fn column(&self, weight: usize) -> Option<(Block<'_>, usize)> {
        let row = self.linear.pattern().row_of(weight)?;
        let homes = self.homes.get_or_init(|| {
            let mut homes = vec![None; self.linear.pattern().rows()];
            for (b, block) in self.blocks().enumerate() {
                for row in block.rows() {
                    homes[row.row] = Some((b as u32, row.columns.start as u32));
                }
            }
            homes.into()
        });
        let (block, first) = homes[row]?;
        Some((
            self.arrays.block(block as usize),
            first as usize + weight - self.linear.pattern().entries(row).start,
        ))
    }

    /// The linear map whose weights are the columns of J.
    pub fn linear(&self) -> &Arc<Linear> {
        &self.linear
    }

    /// Bytes of the layout itself, without J and without the linear map, which may be shared.
    pub fn index_bytes(&self) -> usize {
        let homes = self.homes.get().map_or(0, |homes| size_of_val(&homes[..]));
        self.arrays.bytes() + size_of_val(&self.entries[..]) + homes
    }

    /// Whether adjoints multiply by D as a whole matrix.
    pub(crate) fn dense_adjoint(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Whether the matrix product of all adjoints by D is faster than products along the entries of D[R, R].
    pub(crate) fn dense_enough(&self) -> bool {
        let entries: usize = self.blocks().map(|block| block.dynamics_nnz()).sum();
        let blocks = self.arrays.count();
        blocks >= self.layout.min_dense_adjoint_blocks
            && self.layout.dense_adjoint_speedup * entries >= blocks * self.states * self.states
    }
}
