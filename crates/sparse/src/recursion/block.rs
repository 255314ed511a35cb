//! One block of J: its states and rows, and the positions of the values of D and G that it needs.
//!
//! Each array holds the entries of all blocks, in the order in which a step reads them, so that the hardware
//! prefetches them.

use std::ops::Range;
use std::sync::Arc;

use super::couplings::{Coupling, Couplings, Entry, NONE, Run, check, local};
use super::error::BlockError;
use super::layout::Layout;
use crate::linear::Linear;
use crate::pattern::held;
use crate::product::Operand;

/// One dense block of J, |R| × F.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    arrays: &'a Arrays,
    couplings: &'a Couplings,
    spans: &'a Spans,
}

/// All that a kernel needs for one (row, state) pair of a block with diagonal D[R, R], in one record: such rows
/// are so short that separate index arrays would cost more loads than there is arithmetic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Alone {
    /// The row of the linear map.
    pub row: u32,
    /// Its first weight, its number of weights, and how many of these, at the front, belong to one-hot sources.
    pub weights: u32,
    pub len: u32,
    pub coded: u32,
    /// The first of its dense sources, if they are consecutive, else [`NONE`].
    pub first: u32,
    /// Index within the block of J[state, first weight], in entries.
    pub start: u32,
    /// Positions of the values D[state, state] and G[state, row]; [`NONE`] for an entry that does not exist.
    pub dynamics: u32,
    pub jacobian: u32,
    /// The state.
    pub state: u32,
}

/// One entry of G[R, rows].
#[derive(Debug, Clone)]
pub(crate) struct Immediate {
    /// The state, as an index into R.
    pub state: u32,
    /// Position of the value of G.
    pub entry: u32,
    /// Columns of the block that belong to the dense sources of the row.
    pub columns: Range<u32>,
}

/// One row of the linear map within a block.
#[derive(Debug, Clone)]
pub(crate) struct BlockRow {
    pub row: usize,
    /// Columns of the block that belong to this row.
    pub columns: Range<usize>,
    /// How many of them, at the front, belong to one-hot sources.
    pub coded: usize,
    jacobian: Range<u32>,
}

impl<'a> Block<'a> {
    /// R: the states of this block, increasing.
    #[inline(always)]
    pub fn reach(&self) -> &'a [u32] {
        &self.couplings.reach[range(&self.spans.coupling.reach)]
    }

    /// F: the number of weights of this block, that is of all its rows together.
    #[inline(always)]
    pub fn columns(&self) -> usize {
        self.spans.columns
    }

    /// Structural nonzeros of D[R, R].
    pub fn dynamics_nnz(&self) -> usize {
        self.spans.coupling.dynamics_nnz
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.spans.coupling.reach.len() * self.spans.columns
    }

    /// Index of the first entry of this block in the array of all blocks.
    #[inline(always)]
    pub(crate) fn start(&self) -> usize {
        self.spans.start
    }

    #[inline(always)]
    pub(crate) fn rows(&self) -> &'a [BlockRow] {
        &self.arrays.rows[range(&self.spans.rows)]
    }

    /// Whether D[R, R] has no entry off its diagonal.
    #[inline(always)]
    pub(crate) fn diagonal(&self) -> bool {
        self.spans.coupling.diagonal
    }

    /// The records of every row and, within it, every state, if D[R, R] is [`diagonal`](Self::diagonal); else
    /// empty.
    #[inline(always)]
    pub(crate) fn alone(&self) -> &'a [Alone] {
        &self.arrays.alone[range(&self.spans.alone)]
    }

    /// Whether transitions Φ are formed by products of whole matrices, whose multiply-adds are several times
    /// faster than those along the entries of D.
    pub(crate) fn whole_transitions(&self) -> bool {
        self.spans.coupling.whole_transitions
    }

    /// Whether D[R, R] is kept as runs of consecutive entries, rather than entry by entry.
    #[inline(always)]
    pub(crate) fn by_runs(&self) -> bool {
        self.spans.coupling.runs
    }

    /// The number of entries, or of runs, in each row of D[R, R].
    #[inline(always)]
    pub(crate) fn counts(&self) -> &'a [u32] {
        &self.couplings.counts[range(&self.spans.coupling.reach)]
    }

    /// D[R, R], row after row, as entries or as runs; the other slice is empty.
    #[inline(always)]
    pub(crate) fn dynamics(&self) -> (&'a [Entry], &'a [Run]) {
        let Range { start, end } = self.spans.coupling.offsets;
        let all = self.couplings.offsets[start as usize]..self.couplings.offsets[end as usize - 1];
        if self.by_runs() {
            (&[], &self.couplings.runs[range(&all)])
        } else {
            (&self.couplings.entries[range(&all)], &[])
        }
    }

    /// The runs of a row of D[R, R]; none if it is kept entry by entry.
    #[inline(always)]
    pub(crate) fn dynamics_runs(&self, local: usize) -> &'a [Run] {
        if self.by_runs() { &self.couplings.runs[self.dynamics_row(local)] } else { &[] }
    }

    /// The entries of a row of D[R, R]; none if it is kept as runs.
    #[inline(always)]
    pub(crate) fn dynamics_entries(&self, local: usize) -> &'a [Entry] {
        if self.by_runs() { &[] } else { &self.couplings.entries[self.dynamics_row(local)] }
    }

    #[inline(always)]
    fn dynamics_row(&self, local: usize) -> Range<usize> {
        let ends = &self.couplings.offsets[self.spans.coupling.offsets.start as usize + local..][..2];
        ends[0] as usize..ends[1] as usize
    }

    /// See [`Arrays::dynamics_values`].
    #[inline(always)]
    pub(crate) fn sources(&self) -> (usize, usize) {
        (self.couplings.values, self.couplings.states)
    }

    /// The entries of G[R, rows], grouped by state in increasing order. States without entries are left out.
    #[inline(always)]
    pub(crate) fn driven(&self) -> impl Iterator<Item = &'a [Immediate]> {
        self.arrays.immediate[range(&self.spans.immediate)].chunk_by(|a, b| a.state == b.state)
    }

    /// G[R, row]: (index into R, position of the value of G).
    #[inline(always)]
    pub(crate) fn jacobian(&self, row: &BlockRow) -> &'a [(u32, u32)] {
        &self.arrays.jacobian[range(&row.jacobian)]
    }
}

#[inline(always)]
fn range(span: &Range<u32>) -> Range<usize> {
    span.start as usize..span.end as usize
}

/// The ranges of a block in the arrays of all blocks.
#[derive(Debug, Clone)]
struct Spans {
    coupling: Coupling,
    rows: Range<u32>,
    immediate: Range<u32>,
    alone: Range<u32>,
    columns: usize,
    start: usize,
}

/// The arrays of all blocks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arrays {
    couplings: Arc<Couplings>,
    spans: Vec<Spans>,
    rows: Vec<BlockRow>,
    jacobian: Vec<(u32, u32)>,
    immediate: Vec<Immediate>,
    alone: Vec<Alone>,
    /// Least length of the array of values of G: one more than the greatest position.
    jacobian_values: usize,
    /// The blocks, divided into maximal ranges of one kind.
    kinds: Vec<Kind>,
    /// Entries of J in all blocks, per lane.
    len: usize,
}

/// Neighboring blocks whose D[R, R] are all diagonal, or all not.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    pub blocks: Range<usize>,
    pub diagonal: bool,
}

impl Arrays {
    /// A block for each of `groups`: its reach and its rows.
    pub fn new(
        groups: &[(&[u32], Vec<usize>)],
        linear: &Linear,
        row_jacobian: Operand<'_>,
        dynamics: Operand<'_>,
        layout: Layout,
    ) -> Result<Self, BlockError> {
        let (mut couplings, mut coupled) = (Couplings::default(), Vec::with_capacity(groups.len()));
        for (reach, _) in groups {
            coupled.push(couplings.push(reach, dynamics, layout)?);
        }
        let mut arrays = Self { couplings: Arc::new(couplings), ..Self::default() };
        for (coupling, (reach, rows)) in coupled.into_iter().zip(groups) {
            let jacobian = |&row: &usize| {
                let entries = row_jacobian.pattern().entries(row).zip(row_jacobian.pattern().row(row));
                let kept =
                    entries.filter_map(|(e, &state)| Some((local(reach, state)?, row_jacobian.place(e))));
                (row, kept.collect::<Vec<_>>())
            };
            arrays.push(coupling, rows.iter().map(jacobian), linear, layout)?;
        }
        Ok(arrays)
    }

    /// Blocks made of the rows of these: each of `blocks` names a block here, whose states it shares, and a range
    /// of that block's rows, whose columns it takes over. Row `r` here is row `renumbered(r)` of `linear`.
    pub fn relaid(
        &self,
        blocks: impl Iterator<Item = (usize, Range<usize>)>,
        linear: &Linear,
        renumbered: impl Fn(usize) -> usize,
        layout: Layout,
    ) -> Self {
        let mut arrays = Self { couplings: self.couplings.clone(), ..Self::default() };
        for (b, rows) in blocks {
            let block = self.block(b);
            let rows = &block.rows()[rows];
            let rows = rows.iter().map(|row| (renumbered(row.row), block.jacobian(row).to_vec()));
            // No array is longer than it is here.
            arrays.push(self.spans[b].coupling.clone(), rows, linear, layout).expect("a part of a layout");
        }
        arrays
    }

    /// Appends a block from its coupling and its rows, each with its number in `linear` and its G[R, row].
    fn push(
        &mut self,
        coupling: Coupling,
        rows: impl Iterator<Item = (usize, Vec<(u32, u32)>)>,
        linear: &Linear,
        layout: Layout,
    ) -> Result<(), BlockError> {
        let (first_row, first_immediate, first_alone) =
            (self.rows.len(), self.immediate.len(), self.alone.len());
        let mut columns = 0;
        for (row, jacobian) in rows {
            let entries = linear.pattern().entries(row);
            let own = columns..columns + entries.len();
            let coded = linear.dense_entries(row).start - entries.start;
            let dense = (own.start + coded) as u32..own.end as u32;
            self.immediate.extend(jacobian.iter().map(|&(state, entry)| Immediate {
                state,
                entry,
                columns: dense.clone(),
            }));
            let first = self.jacobian.len();
            let values = jacobian.iter().map(|&(_, entry)| entry as usize + 1).max();
            self.jacobian_values = self.jacobian_values.max(values.unwrap_or(0));
            self.jacobian.extend(jacobian);
            let jacobian = first as u32..self.jacobian.len() as u32;
            columns = own.end;
            self.rows.push(BlockRow { row, columns: own, coded, jacobian });
        }
        self.immediate[first_immediate..].sort_by_key(|entry| entry.state);
        let span = |first: usize, len: usize| first as u32..len as u32;
        self.spans.push(Spans {
            coupling,
            rows: span(first_row, self.rows.len()),
            immediate: span(first_immediate, self.immediate.len()),
            alone: span(first_alone, first_alone),
            columns,
            start: self.len,
        });
        let b = self.spans.len() - 1;
        let diagonal = self.spans[b].coupling.diagonal;
        match self.kinds.last_mut() {
            Some(kind) if kind.diagonal == diagonal => kind.blocks.end = b + 1,
            _ => self.kinds.push(Kind { blocks: b..b + 1, diagonal }),
        }
        self.len += self.block(b).len();
        if diagonal {
            let alone = self.block(b).each_alone(linear);
            self.alone.extend(alone);
            self.spans[b].alone.end = self.alone.len() as u32;
            check("entries of J in one block", self.block(b).len(), layout)?;
        }
        check("columns of a block", columns, layout)?;
        check("rows of blocks", self.rows.len(), layout)?;
        check("entries of the row Jacobian in blocks", self.jacobian.len(), layout)?;
        check("pairs of rows and states", self.alone.len(), layout)
    }

    /// Least length of an array of values of G.
    pub fn jacobian_values(&self) -> usize {
        self.jacobian_values
    }

    /// Least length of an array of values of D, and of one of states such as δ.
    pub fn dynamics_values(&self) -> (usize, usize) {
        (self.couplings.values, self.couplings.states)
    }

    /// Whether every block has one state.
    pub fn single(&self) -> bool {
        self.kinds.iter().all(|kind| kind.diagonal) && self.alone.len() == self.rows.len()
    }

    /// Number of blocks.
    pub fn count(&self) -> usize {
        self.spans.len()
    }

    /// Entries of J in all blocks, per lane.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The blocks in `range`, divided by kind.
    pub fn kinds(&self, range: Range<usize>) -> impl Iterator<Item = Kind> + '_ {
        let first = self.kinds.partition_point(|kind| kind.blocks.end <= range.start);
        let inside = self.kinds[first..].iter().take_while(move |kind| kind.blocks.start < range.end);
        inside.map(move |Kind { blocks, diagonal }| Kind {
            blocks: blocks.start.max(range.start)..blocks.end.min(range.end),
            diagonal: *diagonal,
        })
    }

    /// A block.
    #[inline(always)]
    pub fn block(&self, b: usize) -> Block<'_> {
        Block { arrays: self, couplings: &self.couplings, spans: &self.spans[b] }
    }

    /// Bytes of all arrays.
    pub fn bytes(&self) -> usize {
        let rows = held(&self.rows) + held(&self.jacobian) + held(&self.immediate) + held(&self.alone);
        self.couplings.bytes() + held(&self.spans) + rows + held(&self.kinds)
    }
}

impl Block<'_> {
    /// The records of a block with diagonal D[R, R]: for every row, every state.
    fn each_alone(&self, linear: &Linear) -> Vec<Alone> {
        let each = |row: &BlockRow, i: usize| {
            let weights = linear.pattern().entries(row.row);
            Alone {
                row: row.row as u32,
                weights: weights.start as u32,
                len: weights.len() as u32,
                coded: row.coded as u32,
                first: linear.contiguous(row.row).map_or(NONE, |first| first as u32),
                start: (i * self.columns() + row.columns.start) as u32,
                dynamics: self.dynamics_entries(i).first().map_or(NONE, |entry| entry.entry() as u32),
                jacobian: self
                    .jacobian(row)
                    .iter()
                    .find(|found| found.0 as usize == i)
                    .map_or(NONE, |found| found.1),
                state: self.reach()[i],
            }
        };
        let states = 0..self.reach().len();
        self.rows().iter().flat_map(|row| states.clone().map(move |i| each(row, i))).collect()
    }
}
