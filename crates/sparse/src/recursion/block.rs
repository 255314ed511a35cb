//! One block of J: what of it is indexed, and where that stands.
//!
//! The arrays of all blocks lie one after the other in the order in which a step goes through them, so that they arrive in the
//! cache before they are asked for.

use std::ops::Range;
use std::sync::Arc;

use super::couplings::{Coupling, Couplings, Entry, NONE, Run, check, local};
use super::error::BlockError;
use super::layout::Layout;
use crate::linear::Linear;
use crate::pattern::held;
use crate::product::Operand;

/// One dense block.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    arrays: &'a Arrays,
    couplings: &'a Couplings,
    spans: &'a Spans,
}

/// One row of a block and one state which no other state acts on: where everything stands that meets there, together in
/// memory, since rows are short.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Alone {
    /// The row of the linear map.
    pub row: u32,
    /// Its first weight, how many it has, and how many of them belong to one-hot sources.
    pub weights: u32,
    pub len: u32,
    pub coded: u32,
    /// The first of its dense sources, if they follow each other; or [`NONE`].
    pub first: u32,
    /// Where the row of J begins in the block, per lane.
    pub start: u32,
    /// The value of D of the state by itself, and of G of the state by the row; [`NONE`] if there is none.
    pub dynamics: u32,
    pub jacobian: u32,
    /// The state.
    pub state: u32,
}

/// One entry of G[R, rows].
#[derive(Debug, Clone)]
pub(crate) struct Immediate {
    /// Local state.
    pub state: u32,
    /// Where the value of G stands.
    pub entry: u32,
    /// Columns of the block that belong to dense sources of the row.
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

    /// F: the number of weights of this block, the columns of all its rows side by side.
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

    /// First scalar of this block in the array of all blocks, per lane.
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

    /// For every row and, within it, every state, if D[R, R] has no entry off its diagonal; empty if it has.
    #[inline(always)]
    pub(crate) fn alone(&self) -> &'a [Alone] {
        &self.arrays.alone[range(&self.spans.alone)]
    }

    /// Whether transitions are products of whole matrices: their multiply-adds are several times quicker than those along the
    /// entries of D.
    pub(crate) fn whole_transitions(&self) -> bool {
        self.spans.coupling.whole_transitions
    }

    /// Whether D[R, R] is kept as runs of entries, since most of them follow another one, or entry by entry.
    #[inline(always)]
    pub(crate) fn by_runs(&self) -> bool {
        self.spans.coupling.runs
    }

    /// How many entries, or runs, there are in each row of D[R, R].
    #[inline(always)]
    pub(crate) fn counts(&self) -> &'a [u32] {
        &self.couplings.counts[range(&self.spans.coupling.reach)]
    }

    /// D[R, R], row after row, as entries or as runs.
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

    /// Calls `visit` with the column of every entry in row `local` of D[R, R], and with the place of its value.
    #[inline(always)]
    pub(crate) fn each_dynamic(&self, local: usize, mut visit: impl FnMut(usize, usize)) {
        for entry in self.dynamics_entries(local) {
            visit(entry.column(), entry.entry());
        }
        for run in self.dynamics_runs(local) {
            for k in 0..run.len as usize {
                visit(run.column as usize + k, run.entry as usize + k);
            }
        }
    }

    /// The runs of a row of D[R, R], if they are kept.
    #[inline(always)]
    pub(crate) fn dynamics_runs(&self, local: usize) -> &'a [Run] {
        if self.by_runs() { &self.couplings.runs[self.dynamics_row(local)] } else { &[] }
    }

    /// The entries of a row of D[R, R], if they are kept.
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

    /// The entries of G[R, rows] of one state after the other.
    #[inline(always)]
    pub(crate) fn driven(&self) -> impl Iterator<Item = &'a [Immediate]> {
        self.arrays.immediate[range(&self.spans.immediate)].chunk_by(|a, b| a.state == b.state)
    }

    /// G[R, row]: `(local state, entry of G's values)`.
    #[inline(always)]
    pub(crate) fn jacobian(&self, row: &BlockRow) -> &'a [(u32, u32)] {
        &self.arrays.jacobian[range(&row.jacobian)]
    }
}

#[inline(always)]
fn range(span: &Range<u32>) -> Range<usize> {
    span.start as usize..span.end as usize
}

/// Where a block stands in the arrays of all blocks.
#[derive(Debug, Clone)]
struct Spans {
    coupling: Coupling,
    rows: Range<u32>,
    immediate: Range<u32>,
    alone: Range<u32>,
    columns: usize,
    start: usize,
}

/// All blocks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arrays {
    couplings: Arc<Couplings>,
    spans: Vec<Spans>,
    rows: Vec<BlockRow>,
    jacobian: Vec<(u32, u32)>,
    immediate: Vec<Immediate>,
    alone: Vec<Alone>,
    /// Values of G: one more than the last that is named.
    jacobian_values: usize,
    /// Blocks with and without entries of D[R, R] off the diagonal, in turn.
    kinds: Vec<Kind>,
    /// Scalars of all blocks, per lane.
    len: usize,
}

/// Blocks that follow each other, of which all have a diagonal D[R, R], or none.
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

    /// The same blocks with other rows: for each of `blocks`, of which block here it has the states and of which of its rows it
    /// has the columns, as rows of `linear`, which are those here `renumbered`.
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

    /// Lays out the next block: how its states are coupled, and for each row its number and G[R, row].
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

    /// How many values of G all blocks take them from.
    pub fn jacobian_values(&self) -> usize {
        self.jacobian_values
    }

    /// How many values of D, and how many states, all blocks take them from.
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

    /// Scalars of all blocks, per lane.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The blocks in `range` by their kind.
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
    /// What is kept of states that nothing else acts on.
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
