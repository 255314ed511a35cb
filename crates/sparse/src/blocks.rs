//! The block structure of a linear recursion `J ← D J + G ⊗ u` whose columns share patterns row by row.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::{Linear, Operand, Pattern};

/// Why blocks cannot be laid out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// Two parts of the description have different sizes.
    #[error("{what}: expected {expected}, found {found}")]
    Size {
        /// What was measured.
        what: &'static str,
        /// The size that the other parts imply.
        expected: usize,
        /// The size found.
        found: usize,
    },
    /// The reach of a row is not strictly increasing or names a state that does not exist.
    #[error("the reach of row {row} is not a strictly increasing list of states below {states}")]
    Reach {
        /// The row.
        row: usize,
        /// Number of states.
        states: usize,
    },
}

/// The matrix `J` (states × weights) of the recursion `J ← P ∘ (D J + I)`, kept as one dense block for every set of
/// rows that reach the same states.
///
/// `I` has the structure `I[:, (r, j)] = G[:, r] · u_j`: all weights of row `r` share the column pattern `R_r`, the
/// *reach* of the row. A block holds `J[R, all weights of its rows]`, `|R| × F`, without an index per entry; only the
/// few entries of `D[R, R]` are indexed, once for the block. Every product is masked by construction: an entry of `D`
/// that leaves `R` has no place in the block.
#[derive(Debug, Clone)]
pub struct Blocks {
    pub(crate) linear: Linear,
    pub(crate) blocks: Vec<Block>,
    /// Scalars of all blocks, per lane.
    pub(crate) len: usize,
    /// Where they begin in the array of which these blocks are a part, per lane; 0 for all blocks.
    pub(crate) origin: usize,
    pub(crate) states: usize,
    /// Row, column and place of every entry of D, if the adjoint multiplies whole matrices; empty if not.
    pub(crate) entries: Box<[(u32, u32, u32)]>,
}

/// One dense block.
#[derive(Debug, Clone)]
pub struct Block {
    pub(crate) reach: Box<[u32]>,
    pub(crate) rows: Vec<BlockRow>,
    /// F: columns of all rows, side by side.
    pub(crate) columns: usize,
    /// First scalar of this block in the array of all blocks, per lane.
    pub(crate) start: usize,
    /// D[R, R] in compressed rows, in the local numbering of `reach`.
    pub(crate) offsets: Box<[u32]>,
    /// Entry by entry, if most entries stand alone; empty if not.
    pub(crate) entries: Box<[Entry]>,
    /// As runs of entries, if most entries follow another one; empty if not.
    pub(crate) runs: Box<[Run]>,
    pub(crate) dynamics_nnz: usize,
    /// G[R, rows], ordered by state.
    pub(crate) immediate: Box<[Immediate]>,
    /// For every row and, within it, every state, if D[R, R] has no entry off its diagonal; empty if it has.
    pub(crate) alone: Box<[Alone]>,
}

/// Mean entries of a run below which D is kept entry by entry: a vector along a shorter one would not pay.
const SHORT: usize = 8;

/// Multiply-adds of a product of matrices in the time of one along the entries of D, when transitions are formed.
const WHOLE: usize = 4;

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

/// No entry.
pub(crate) const NONE: u32 = u32::MAX;

/// One entry of a row of D[R, R].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub column: u32,
    /// Where the value of D stands.
    pub entry: u32,
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

/// Entries of a row of D[R, R] whose columns and values follow each other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// First column.
    pub column: u32,
    /// Where the first value of D stands.
    pub entry: u32,
    pub len: u32,
}

/// One row of the linear map within a block.
#[derive(Debug, Clone)]
pub(crate) struct BlockRow {
    pub row: usize,
    /// Columns of the block that belong to this row.
    pub columns: Range<usize>,
    /// How many of them, at the front, belong to one-hot sources.
    pub coded: usize,
    /// G[R, row]: `(local state, entry of G's values)`.
    pub jacobian: Vec<(u32, u32)>,
}

impl BlockRow {
    fn immediate(&self) -> impl Iterator<Item = Immediate> + '_ {
        let columns = (self.columns.start + self.coded) as u32..self.columns.end as u32;
        self.jacobian.iter().map(move |&(state, entry)| Immediate { state, entry, columns: columns.clone() })
    }
}

impl Block {
    /// R: the states of this block, increasing.
    pub fn reach(&self) -> &[u32] {
        &self.reach
    }

    /// F: the number of weights of this block.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Structural nonzeros of D[R, R].
    pub fn dynamics_nnz(&self) -> usize {
        self.dynamics_nnz
    }

    pub(crate) fn len(&self) -> usize {
        self.reach.len() * self.columns
    }

    /// Whether D[R, R] has no entry off its diagonal.
    pub(crate) fn diagonal(&self) -> bool {
        !self.alone.is_empty()
    }

    /// Whether transitions are products of whole matrices: their multiply-adds are several times quicker than those along the
    /// entries of D.
    pub(crate) fn whole_transitions(&self) -> bool {
        WHOLE * self.dynamics_nnz >= self.reach.len() * self.reach.len()
    }

    /// The runs of a row of D[R, R], if they are kept.
    #[inline(always)]
    pub(crate) fn dynamics_runs(&self, local: usize) -> &[Run] {
        if self.runs.is_empty() { &[] } else { &self.runs[self.dynamics_row(local)] }
    }

    /// The entries of a row of D[R, R], if they are kept.
    #[inline(always)]
    pub(crate) fn dynamics_entries(&self, local: usize) -> &[Entry] {
        if self.entries.is_empty() { &[] } else { &self.entries[self.dynamics_row(local)] }
    }

    #[inline(always)]
    fn dynamics_row(&self, local: usize) -> Range<usize> {
        self.offsets[local] as usize..self.offsets[local + 1] as usize
    }

    /// Some of the rows as a block of their own.
    fn of_rows(&self, rows: Range<usize>, start: usize, linear: &Linear) -> Self {
        let first = self.rows[rows.start].columns.start;
        let own = |row: &BlockRow| BlockRow {
            columns: row.columns.start - first..row.columns.end - first,
            ..row.clone()
        };
        let rows: Vec<BlockRow> = self.rows[rows].iter().map(own).collect();
        let block = Self {
            columns: rows.iter().map(|row| row.columns.len()).sum(),
            immediate: immediate(&rows),
            rows,
            start,
            ..self.clone()
        };
        if self.diagonal() { block.with_alone(linear) } else { block }
    }

    fn new(
        reach: &[u32],
        rows: &[usize],
        linear: &Linear,
        row_jacobian: Operand<'_>,
        dynamics: Operand<'_>,
        start: usize,
    ) -> Self {
        let local = |state: u32| reach.binary_search(&state).ok().map(|at| at as u32);
        let mut columns = 0;
        let rows: Vec<BlockRow> = rows
            .iter()
            .map(|&row| {
                let entries = linear.pattern().entries(row);
                let first = columns;
                columns += entries.len();
                let jacobian = row_jacobian.pattern().entries(row).zip(row_jacobian.pattern().row(row));
                BlockRow {
                    row,
                    columns: first..columns,
                    coded: linear.dense_entries(row).start - entries.start,
                    jacobian: jacobian
                        .filter_map(|(e, &s)| Some((local(s)?, row_jacobian.place(e))))
                        .collect(),
                }
            })
            .collect();
        let (mut run_offsets, mut runs) = (vec![0], Vec::<Run>::new());
        let (mut entry_offsets, mut entries) = (vec![0], Vec::new());
        for &state in reach {
            let (state, first) = (state as usize, runs.len());
            for (e, &c) in dynamics.pattern().entries(state).zip(dynamics.pattern().row(state)) {
                let Some(column) = local(c) else { continue };
                let entry = dynamics.place(e);
                entries.push(Entry { column, entry });
                match runs[first..].last_mut() {
                    Some(run) if (run.column + run.len, run.entry + run.len) == (column, entry) => {
                        run.len += 1;
                    }
                    _ => runs.push(Run { column, entry, len: 1 }),
                }
            }
            run_offsets.push(runs.len() as u32);
            entry_offsets.push(entries.len() as u32);
        }
        let diagonal = (0..reach.len()).all(|i| {
            let row = &entries[entry_offsets[i] as usize..entry_offsets[i + 1] as usize];
            row.iter().all(|entry| entry.column as usize == i)
        });
        let dynamics_nnz = entries.len();
        let offsets = if diagonal || entries.len() < SHORT * runs.len() {
            runs.clear();
            entry_offsets
        } else {
            entries.clear();
            run_offsets
        };
        let block = Self {
            reach: reach.into(),
            columns,
            start,
            offsets: offsets.into(),
            dynamics_nnz,
            entries: entries.into(),
            immediate: immediate(&rows),
            rows,
            runs: runs.into(),
            alone: Box::default(),
        };
        if diagonal { block.with_alone(linear) } else { block }
    }

    /// The same, of rows of `linear`, with what is kept of states that nothing else acts on.
    pub(crate) fn with_alone(mut self, linear: &Linear) -> Self {
        let each = |row: &BlockRow, i: usize| {
            let weights = linear.pattern().entries(row.row);
            Alone {
                row: row.row as u32,
                weights: weights.start as u32,
                len: weights.len() as u32,
                coded: row.coded as u32,
                first: linear.contiguous(row.row).map_or(NONE, |first| first as u32),
                start: (i * self.columns + row.columns.start) as u32,
                dynamics: self.dynamics_entries(i).first().map_or(NONE, |entry| entry.entry),
                jacobian: row
                    .jacobian
                    .iter()
                    .find(|found| found.0 as usize == i)
                    .map_or(NONE, |found| found.1),
                state: self.reach[i],
            }
        };
        let states = 0..self.reach.len();
        let pairs = self.rows.iter().flat_map(|row| states.clone().map(move |i| (row, i)));
        self.alone = pairs.map(|(row, i)| each(row, i)).collect();
        self
    }
}

/// G[R, rows], ordered by state.
fn immediate(rows: &[BlockRow]) -> Box<[Immediate]> {
    let mut entries: Vec<Immediate> = rows.iter().flat_map(BlockRow::immediate).collect();
    entries.sort_by_key(|entry| entry.state);
    entries.into()
}

/// Checks that there is one reach for each of `rows` rows, each strictly increasing and below `states`.
///
/// # Errors
/// The first that does not fit.
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
    /// Lays out the blocks of `linear` (its rows' weights are the columns of J), for the patterns of `Gᵀ`
    /// (`row_jacobian`, rows × states) and `D` (`dynamics`, states × states) and the places of their values, where row
    /// `r` reaches `reach[r]`.
    ///
    /// Rows with equal reach share a block. A row with empty reach gets none: its weights have no influence.
    /// Entries of G and D outside the reach are dropped: that is the approximation.
    ///
    /// # Errors
    /// If sizes differ or a reach is not strictly increasing and below the number of states.
    pub fn new(
        linear: Linear,
        row_jacobian: Operand<'_>,
        dynamics: Operand<'_>,
        reach: &[Vec<u32>],
    ) -> Result<Self, BlockError> {
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
        let (mut blocks, mut len) = (Vec::with_capacity(groups.len()), 0);
        for (reach, rows) in groups {
            let block = Block::new(reach, &rows, &linear, row_jacobian, dynamics, len);
            len += block.len();
            blocks.push(block);
        }
        let place =
            |(entry, (row, column)): (usize, (usize, u32))| (row as u32, column, dynamics.place(entry));
        let dense = Self::dense_enough(&blocks, states);
        let entries = dense.then(|| dynamics.pattern().iter().enumerate().map(place).collect());
        Ok(Self { linear, blocks, len, origin: 0, states, entries: entries.unwrap_or_default() })
    }

    /// The same with blocks of fewer rows where they would have more than `columns` columns, so that threads can share them.
    /// [`advance`](Self::advance) and [`sweep`](Self::sweep) cost the same; adjoints and transitions, which the rows of a
    /// block share, cost more.
    #[must_use]
    pub fn narrow(mut self, columns: usize) -> Self {
        let (mut blocks, mut start) = (Vec::with_capacity(self.blocks.len()), 0);
        for block in &self.blocks {
            let mut first = 0;
            while first < block.rows.len() {
                let end = block.rows[first].columns.start + columns;
                let fit = block.rows[first..].iter().take_while(|row| row.columns.end <= end).count();
                let rows = first..first + fit.max(1);
                first = rows.end;
                blocks.push(block.of_rows(rows, start, &self.linear));
                start += blocks[blocks.len() - 1].len();
            }
        }
        self.blocks = blocks;
        self
    }

    /// The blocks, in the order of their first rows.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Number of entries of J that are kept, per lane.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entries of `dynamics` that lie inside the reach of some row: all that the recursion will ever read.
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

    /// Entry (`state`, `weight`) of J in the first lane order: where its lanes stand in the array of all blocks, in
    /// units of lanes; `None` if it is not kept. Linear in the number of blocks: meant for inspection and tests.
    pub fn find(&self, state: u32, weight: usize) -> Option<usize> {
        self.blocks.iter().find_map(|block| {
            let local = block.reach.binary_search(&state).ok()?;
            let row = block.rows.iter().find(|r| self.linear.pattern().entries(r.row).contains(&weight))?;
            let column = row.columns.start + weight - self.linear.pattern().entries(row.row).start;
            Some(block.start + local * block.columns + column)
        })
    }

    /// Bytes of the layout itself, without any values.
    pub fn index_bytes(&self) -> usize {
        let block = |b: &Block| {
            let rows = b.rows.iter().map(|r| size_of::<BlockRow>() + r.jacobian.len() * 8).sum::<usize>();
            let dynamics = b.runs.len() * size_of::<Run>() + b.entries.len() * size_of::<Entry>();
            let alone = size_of_val(&b.alone[..]);
            b.reach.len() * 8 + dynamics + b.immediate.len() * size_of::<Immediate>() + rows + alone
        };
        self.blocks.iter().map(block).sum::<usize>() + size_of_val(&self.entries[..])
    }
}
