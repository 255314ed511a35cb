//! Multiply-adds of the block kernels, counted from the layout.

use super::block::{Block, BlockRow};
use super::blocks::Blocks;
use super::tile::tiles;

/// Multiply-adds of one lane, by purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Macs {
    /// Those that carry J, or the adjoint, from step to step.
    pub propagate: u64,
    /// Those whose results are added to the gradient.
    pub gradient: u64,
}

impl Macs {
    /// The sum of both.
    pub fn total(&self) -> u64 {
        self.propagate + self.gradient
    }

    /// Both counts times `times`.
    #[must_use]
    pub fn times(&self, times: usize) -> Self {
        let times = times as u64;
        Self { propagate: times * self.propagate, gradient: times * self.gradient }
    }

    fn sum(parts: impl Iterator<Item = Self>) -> Self {
        parts.fold(Self::default(), |a, b| Self {
            propagate: a.propagate + b.propagate,
            gradient: a.gradient + b.gradient,
        })
    }
}

/// The sizes of one block from which its costs follow.
struct Sizes {
    /// |R|.
    reach: u64,
    /// F.
    columns: u64,
    /// Columns of dense sources.
    dense: u64,
    /// nnz(D[R, R]); and the same for transitions, |R|² where these multiply whole matrices.
    dynamics: u64,
    transition: u64,
    /// nnz(G[R, rows]).
    jacobian: u64,
    /// Σ over rows of nnz(G[R, row]) · dense columns of the row.
    immediate: u64,
    /// nnz(G[R, row]) over the rows that read symbols.
    coded: u64,
}

impl Sizes {
    fn new(block: Block<'_>) -> Self {
        let rows = || block.rows().iter();
        let dense = |row: &BlockRow| (row.columns.len() - row.coded) as u64;
        let jacobian = |row: &BlockRow| block.jacobian(row).len() as u64;
        Self {
            reach: block.reach().len() as u64,
            columns: block.columns() as u64,
            dense: rows().map(dense).sum(),
            dynamics: block.dynamics_nnz() as u64,
            transition: if block.whole_transitions() {
                (block.reach().len() * block.reach().len()) as u64
            } else {
                block.dynamics_nnz() as u64
            },
            jacobian: rows().map(jacobian).sum(),
            immediate: rows().map(|row| dense(row) * jacobian(row)).sum(),
            coded: rows().filter(|row| row.coded > 0).map(jacobian).sum(),
        }
    }
}

impl Blocks {
    fn sizes(&self) -> impl Iterator<Item = Sizes> + '_ {
        self.blocks().map(Sizes::new)
    }

    /// One step of [`advance`](crate::Streaming::advance): for each block
    /// `nnz(D[R, R]) F + Σ_r nnz(G[R, r]) |N(r)|` to propagate and `|R| F` for the gradient, where N(r) are the
    /// dense sources of row `r`. If a row reads symbols, its `nnz(G[R, r])` is added to the gradient's count.
    pub fn advance_macs(&self) -> Macs {
        Macs::sum(self.sizes().map(|s| Macs {
            propagate: s.dynamics * s.columns + s.immediate,
            gradient: s.reach * s.columns + s.coded,
        }))
    }

    /// One window of [`gradient`](crate::Windowed::gradient): `nnz(D[R, R]) + nnz(G[R, rows])` and the number of
    /// weights of dense sources for each block and step, and `|R| F` for each block if there is an `initial`
    /// influence. Where D is dense enough, whole matrices are multiplied: states² instead of `nnz(D[R, R])`.
    pub fn adjoint_macs(&self, steps: usize, initial: bool) -> Macs {
        let steps = steps as u64;
        // Only an initial influence needs the adjoint pulled back through D of the window's first step.
        let pulls = if initial { steps } else { steps.saturating_sub(1) };
        let whole = self.dense_adjoint().then_some((self.states * self.states) as u64);
        Macs::sum(self.sizes().map(|s| Macs {
            propagate: pulls * whole.unwrap_or(s.dynamics) + steps * s.jacobian,
            gradient: steps * s.dense + if initial { s.reach * s.columns } else { 0 },
        }))
    }

    /// One window of [`carry`](crate::Carrying::carry): `|R|` times `nnz(D[R, R]) + nnz(G[R, rows])` and the
    /// number of weights of dense sources for each block and step, and `|R|² F` for each block. Where D is dense
    /// enough, whole matrices are multiplied: `|R|²` instead of `nnz(D[R, R])`.
    pub fn carry_macs(&self, steps: usize) -> Macs {
        let steps = steps as u64;
        Macs::sum(self.sizes().map(|s| Macs {
            propagate: steps * s.reach * (s.transition + s.jacobian + s.dense)
                + s.reach * s.reach * s.columns,
            gradient: 0,
        }))
    }

    /// The part of [`carry_macs`](Self::carry_macs) that forms transitions Φ along the entries of D, not as
    /// products of whole matrices.
    pub fn transition_macs(&self, steps: usize) -> u64 {
        let alone = self.blocks().filter(|block| !block.whole_transitions());
        alone.map(|block| (steps * block.reach().len() * block.dynamics_nnz()) as u64).sum()
    }

    /// Sizes on which time depends besides multiply-adds, in `lanes` lanes.
    pub fn extent(&self, lanes: usize) -> Extent {
        let mut extent = Extent { whole: self.dense_adjoint(), single: self.single, ..Extent::default() };
        for block in self.blocks() {
            let (reach, rows) = (block.reach().len() as u64, block.rows().len() as u64);
            extent.visits += if block.diagonal() { rows * reach } else { reach * tiles(block, lanes) };
            extent.entries += block.dynamics_nnz() as u64;
            extent.rows += rows;
        }
        extent
    }
}

/// See [`Blocks::extent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// Rows of tiles of J (`|R|` for each tile) and, in blocks with diagonal D[R, R], pairs of a row and a state
    /// that a step of [`advance`](crate::Streaming::advance) goes through. Each has a fixed cost, whatever its
    /// width.
    pub visits: u64,
    /// Σ nnz(D[R, R]) over blocks.
    pub entries: u64,
    /// Rows that have a block.
    pub rows: u64,
    /// Whether adjoints multiply by D as a whole matrix.
    pub whole: bool,
    /// Whether every block has one state, so that [`carry`](crate::Carrying::carry) is a sum of outer products.
    pub single: bool,
}
