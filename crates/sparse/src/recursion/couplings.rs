//! D[R, R] of every block: its entries one by one, or its runs of consecutive entries.
//!
//! Both forms stay. The adjoint multiplies whole runs by SIMD instructions. Where entries are scattered, runs of one entry
//! hold 12 bytes in place of 8 and need an inner loop, which made SnAp-2 and SnAp-3 in one lane 5 % (512 units, 98 %
//! sparse) to 47 % (128 units, 75 % sparse) slower, measured with AVX-512.

use std::ops::Range;

use super::error::BlockError;
use super::layout::Layout;
use crate::pattern::held;
use crate::product::Operand;

/// The position of an entry that does not exist.
pub(crate) const NONE: u32 = u32::MAX;

/// One entry of a row of D[R, R]: its column and the position of its value, packed so that one load gets both.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry(u64);

impl Entry {
    pub fn new(column: u32, entry: u32) -> Self {
        Self(u64::from(entry) << 32 | u64::from(column))
    }

    #[inline(always)]
    pub fn column(self) -> usize {
        self.0 as u32 as usize
    }

    #[inline(always)]
    pub fn entry(self) -> usize {
        (self.0 >> 32) as usize
    }
}

/// Entries of a row of D[R, R] with consecutive columns and consecutive values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// First column.
    pub column: u32,
    /// Position of the first value of D.
    pub entry: u32,
    pub len: u32,
}

/// The reach and D[R, R] of all blocks. Layouts that differ in rows alone share it.
#[derive(Debug, Default)]
pub(crate) struct Couplings {
    pub reach: Vec<u32>,
    pub counts: Vec<u32>,
    pub offsets: Vec<u32>,
    pub entries: Vec<Entry>,
    pub runs: Vec<Run>,
    /// Least lengths of the arrays of values of D, and of states: one more than the greatest index.
    pub values: usize,
    pub states: usize,
}

/// The ranges of the reach and D[R, R] of one block in [`Couplings`].
#[derive(Debug, Clone)]
pub(crate) struct Coupling {
    pub reach: Range<u32>,
    pub offsets: Range<u32>,
    /// Whether D[R, R] is kept as runs.
    pub runs: bool,
    /// Whether transitions are products of whole matrices.
    pub whole_transitions: bool,
    /// Whether D[R, R] has no entry off its diagonal.
    pub diagonal: bool,
    pub dynamics_nnz: usize,
}

impl Couplings {
    /// Appends the reach and D[R, R] of the next block.
    pub fn push(
        &mut self,
        reach: &[u32],
        dynamics: Operand<'_>,
        layout: Layout,
    ) -> Result<Coupling, BlockError> {
        let (first_state, first_offset) = (self.reach.len(), self.offsets.len());
        let (first_entry, first_run) = (self.entries.len(), self.runs.len());
        let (mut entry_ends, mut run_ends) = (vec![first_entry as u32], vec![first_run as u32]);
        let mut diagonal = true;
        for (i, &state) in reach.iter().enumerate() {
            let row = self.runs.len();
            let state = state as usize;
            self.states = self.states.max(state + 1);
            for (e, &c) in dynamics.pattern().entries(state).zip(dynamics.pattern().row(state)) {
                let Some(column) = local(reach, c) else { continue };
                diagonal &= column as usize == i;
                let entry = dynamics.place(e);
                self.values = self.values.max(entry as usize + 1);
                self.entries.push(Entry::new(column, entry));
                match self.runs[row..].last_mut() {
                    Some(run) if (run.column + run.len, run.entry + run.len) == (column, entry) => {
                        run.len += 1;
                    }
                    _ => self.runs.push(Run { column, entry, len: 1 }),
                }
            }
            entry_ends.push(self.entries.len() as u32);
            run_ends.push(self.runs.len() as u32);
        }
        let dynamics_nnz = self.entries.len() - first_entry;
        let runs = !diagonal && dynamics_nnz >= layout.min_mean_run * (self.runs.len() - first_run);
        if runs {
            self.entries.truncate(first_entry);
        } else {
            self.runs.truncate(first_run);
        }
        self.reach.extend(reach);
        check("entries of the dynamics in blocks", self.entries.len().max(self.runs.len()), layout)?;
        check("states of blocks", self.reach.len() + self.offsets.len() + reach.len() + 1, layout)?;
        let ends = if runs { run_ends } else { entry_ends };
        self.counts.extend(ends.windows(2).map(|ends| ends[1] - ends[0]));
        self.offsets.extend(ends);
        Ok(Coupling {
            reach: first_state as u32..self.reach.len() as u32,
            offsets: first_offset as u32..self.offsets.len() as u32,
            runs,
            whole_transitions: layout.transition_speedup * dynamics_nnz >= reach.len() * reach.len(),
            diagonal,
            dynamics_nnz,
        })
    }

    /// Bytes of all arrays.
    pub fn bytes(&self) -> usize {
        let Self { reach, counts, offsets, entries, runs, .. } = self;
        size_of::<Self>() + held(reach) + held(counts) + held(offsets) + held(entries) + held(runs)
    }
}

/// Refuses a number of entries that 32-bit positions cannot count. Positions may be truncated before this check,
/// since a refused layout is never used.
pub(crate) fn check(what: &'static str, found: usize, layout: Layout) -> Result<(), BlockError> {
    let max = layout.max_index.min(NONE - 1);
    if found <= max as usize { Ok(()) } else { Err(BlockError::TooLarge { what, found, max }) }
}

/// The index of a state in a reach.
pub(crate) fn local(reach: &[u32], state: u32) -> Option<u32> {
    reach.binary_search(&state).ok().map(|at| at as u32)
}
