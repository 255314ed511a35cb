//! Numeric kernels. The layout they work on is fixed by [`Blocks`](crate::Blocks).

mod adjoint;
mod carry;
pub(crate) mod ceiling;
mod dense_adjoint;
mod diagonal;
pub(crate) mod elementary;
pub(crate) mod gemm;
pub(crate) mod lanewise;
pub(crate) mod linear;
pub(crate) mod matrix;
pub(crate) mod outer;
pub(crate) mod outers;
mod rows;
pub mod simd;
mod single;
mod streaming;
pub(crate) mod transposed;
pub(crate) mod vector;

use std::sync::Arc;

use crate::block::Arrays;
use crate::parts::Part;
use crate::product::{Own, Shared};
use crate::{Blocks, Lanes, Outers, Scalar, Sources};
use adjoint::{Adjoint, Initial};
use carry::{Carried, Carry};
use ceiling::{Peak, Sweep};
use dense_adjoint::Dense;
use lanewise::MixOuter;
use linear::{Held, Multiply};
use matrix::MatMul;
use outer::Outer;
use outers::Flush;
use streaming::AdvanceAs;
pub(crate) use streaming::tiles;
use transposed::MultiplyTransposed;
use vector::{MatrixVector, RankOne};

/// Every kernel, in a form whose execution has no type parameter but the scalar: each is compiled here, once for each scalar
/// and level, and not again in every crate that uses it.
#[doc(hidden)]
pub enum Computation<'a, T> {
    Multiply(Multiply<'a, T>),
    MultiplyTransposed(MultiplyTransposed<'a, T>),
    Outer(Outer<'a, T>),
    MixOuter(MixOuter<'a, T>),
    Flush(Flush<'a, T>),
    Advance(AdvanceAs<'a, T, true, false>),
    AdvanceLanes(AdvanceAs<'a, T, true, true>),
    AdvanceAlone(AdvanceAs<'a, T, false, false>),
    AdvanceAloneLanes(AdvanceAs<'a, T, false, true>),
    Adjoint(Adjoint<'a, T>),
    Initial(Initial<'a, T>),
    Carry(Carry<'a, T>),
    MatMul(MatMul<'a, T>),
    Shared(Shared<'a, T>),
    Own(Own<'a, T>),
    MatrixVector(MatrixVector<'a, T>),
    RankOne(RankOne<'a, T>),
    Peak(Peak<'a, T>),
    Sweep(Sweep<'a, T>),
}

/// The same expression for whichever kernel it is.
macro_rules! each {
    ($computation:expr, $kernel:ident => $run:expr) => {
        match $computation {
            Computation::Multiply($kernel) => $run,
            Computation::MultiplyTransposed($kernel) => $run,
            Computation::Outer($kernel) => $run,
            Computation::MixOuter($kernel) => $run,
            Computation::Flush($kernel) => $run,
            Computation::Advance($kernel) => $run,
            Computation::AdvanceLanes($kernel) => $run,
            Computation::AdvanceAlone($kernel) => $run,
            Computation::AdvanceAloneLanes($kernel) => $run,
            Computation::Adjoint($kernel) => $run,
            Computation::Initial($kernel) => $run,
            Computation::Carry($kernel) => $run,
            Computation::MatMul($kernel) => $run,
            Computation::Shared($kernel) => $run,
            Computation::Own($kernel) => $run,
            Computation::MatrixVector($kernel) => $run,
            Computation::RankOne($kernel) => $run,
            Computation::Peak($kernel) => $run,
            Computation::Sweep($kernel) => $run,
        }
    };
}
pub(crate) use each;

/// Everything that one step contributes to the recursion.
#[derive(Debug, Clone, Copy)]
pub struct Local<'a, T> {
    /// Values of D in its pattern. A lane that begins a sequence has zeros here.
    pub dynamics: Lanes<'a, T>,
    /// Values of G, in the order that the blocks were laid out for.
    pub row_jacobian: Lanes<'a, T>,
    /// u.
    pub sources: Sources<'a, T>,
    /// δ, the gradient of this step's loss by the states.
    pub delta: Lanes<'a, T>,
}

impl<T> Local<'_, T> {
    /// Checks every size against that of `blocks` in `lanes` lanes. Values of D and G may stand in larger arrays.
    #[track_caller]
    fn check(&self, blocks: &Blocks, lanes: usize) {
        let Self { dynamics, row_jacobian, sources, delta } = self;
        let found = [dynamics.lanes(), row_jacobian.lanes(), sources.dense.lanes(), delta.lanes()];
        assert_eq!(found, [lanes; 4], "lanes of D, G, u and δ");
        let (values, _) = blocks.arrays.dynamics_values();
        assert!(dynamics.len() >= values, "{} values of D, not {values} or more", dynamics.len());
        let values = blocks.arrays.jacobian_values();
        assert!(row_jacobian.len() >= values, "{} values of G, not {values} or more", row_jacobian.len());
        assert_eq!(sources.dense.len(), blocks.linear.dense_sources(), "dense sources");
        assert_eq!(delta.len(), blocks.states, "entries of δ, one for each state");
        sources.check_symbols(blocks.linear.symbols(), lanes);
    }
}

/// The steps of a call.
#[derive(Debug, Clone, Copy)]
enum Steps {
    Advance(usize),
    Adjoint(usize),
    Carry(usize),
}

/// What the memory of a [`Scratch`] must suffice for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// [`Blocks::advance`].
    #[default]
    Advance,
    /// [`Blocks::sweep`] of windows of this many steps.
    Sweep(usize),
    /// [`Blocks::adjoint`] of windows of this many steps.
    Adjoint(usize),
    /// [`Blocks::adjoint`] and [`Blocks::carry`] of such windows.
    Carry(usize),
}

/// Memory for the kernels, allocated once, and what of the blocks each thread takes.
///
/// Work that is large enough is done by as many threads as the rayon pool has in which the scratch is made. Results do not
/// depend on their number. A thread of the pool shares out smaller work than a thread outside it (`rayon::scope` runs a
/// program on one): it neither waits for the others to begin nor allocates.
#[derive(Debug, Clone, Default)]
pub struct Scratch<T> {
    /// What it was made for: other blocks, or more lanes or steps, are refused.
    arrays: Arc<Arrays>,
    lanes: usize,
    purpose: Purpose,
    /// One tile of a block before its update.
    tile: Vec<T>,
    /// Sources gathered into the columns of a block.
    sources: Vec<T>,
    held: Held,
    /// Gradient of the columns of a block.
    gradient: Vec<T>,
    /// What G and u add to the states of a tile.
    immediate: Vec<T>,
    window: Option<Window<T>>,
    carried: Option<Carried<T>>,
    /// For threads; then the rest is empty.
    parts: Vec<Part<T>>,
    /// What one thread needs.
    bytes: usize,
}

/// Memory for the adjoint of a window.
#[derive(Debug, Clone)]
struct Window<T> {
    /// a of every block, one after the other.
    adjoint: Vec<T>,
    /// a of one block a step earlier.
    new: Vec<T>,
    /// aᵀ G of every row.
    rows: Vec<T>,
    outers: Outers<T>,
    dense: Option<Dense<T>>,
}

impl<T: Scalar> Window<T> {
    fn new(blocks: &Blocks, lanes: usize, steps: usize) -> Self {
        let reaches = || blocks.blocks().map(|block| block.reach().len());
        let zeros = |len: usize| vec![T::ZERO; len * lanes];
        Self {
            adjoint: zeros(reaches().sum()),
            new: zeros(reaches().max().unwrap_or(0)),
            rows: zeros(blocks.linear.pattern().rows()),
            outers: Outers::new(blocks.linear.clone(), lanes, steps),
            dense: blocks.dense_adjoint().then(|| Dense::new(blocks, lanes)),
        }
    }

    fn bytes(&self) -> usize {
        let parts = [&self.adjoint, &self.new, &self.rows];
        parts.iter().map(|part| size_of_val(&part[..])).sum::<usize>()
            + self.outers.bytes()
            + self.dense.as_ref().map_or(0, Dense::bytes)
    }
}

impl<T: Scalar> Scratch<T> {
    /// Memory for `blocks` with `lanes` lanes.
    ///
    /// # Panics
    /// If there are no lanes.
    #[track_caller]
    pub fn new(blocks: &Blocks, lanes: usize, purpose: Purpose) -> Self {
        assert!(lanes > 0, "lanes must be at least 1");
        let alone = Self::alone(blocks, lanes, purpose);
        match Part::share(blocks, lanes, purpose) {
            parts if parts.is_empty() => alone,
            parts => {
                let Self { arrays, lanes, purpose, bytes, .. } = alone;
                Self { arrays, lanes, purpose, bytes, parts, ..Self::default() }
            }
        }
    }

    /// Memory for one thread.
    pub(crate) fn alone(blocks: &Blocks, lanes: usize, purpose: Purpose) -> Self {
        let columns = blocks.blocks().map(|block| block.columns()).max().unwrap_or(0);
        // Blocks with a diagonal D are updated in place.
        let tiled = blocks.blocks().filter(|block| !block.diagonal());
        let (window, carried) = match purpose {
            Purpose::Advance | Purpose::Sweep(_) => (None, None),
            Purpose::Adjoint(steps) => (Some(steps), None),
            Purpose::Carry(steps) => (Some(steps), Some(steps)),
        };
        let mut scratch = Self {
            arrays: blocks.arrays.clone(),
            lanes,
            purpose,
            tile: vec![T::ZERO; tiled.clone().map(streaming::tile_scalars::<T>).max().unwrap_or(0)],
            sources: vec![T::ZERO; streaming::padded(columns * lanes)],
            held: Held::default(),
            gradient: vec![T::ZERO; streaming::padded(columns)],
            immediate: vec![T::ZERO; tiled.map(streaming::immediate_scalars::<T>).max().unwrap_or(0)],
            window: window.map(|steps| Window::new(blocks, lanes, steps)),
            carried: carried.map(|steps| Carried::new(blocks, steps)),
            parts: Vec::new(),
            bytes: 0,
        };
        let arrays = [&scratch.tile, &scratch.sources, &scratch.gradient, &scratch.immediate];
        scratch.bytes = arrays.iter().map(|array| size_of_val(&array[..])).sum::<usize>()
            + scratch.window.as_ref().map_or(0, Window::bytes)
            + scratch.carried.as_ref().map_or(0, Carried::bytes);
        scratch
    }

    /// Checks that this is the memory of `blocks` for windows of `steps` steps, each `local`, and the sizes of J (of all lanes, if
    /// there is one) and of the gradient.
    #[track_caller]
    fn check<'a>(
        &self,
        blocks: &Blocks,
        steps: Steps,
        local: impl Fn(usize) -> Local<'a, T>,
        influence: Option<usize>,
        gradient: Option<usize>,
    ) {
        assert!(Arc::ptr_eq(&self.arrays, &blocks.arrays), "the scratch was made for other blocks");
        let (made_for, lanes) = (self.purpose, self.lanes);
        let (count, suffices) = match (steps, made_for) {
            (Steps::Advance(n), _) => (n, true),
            (Steps::Adjoint(n), Purpose::Adjoint(most) | Purpose::Carry(most)) => (n, n <= most),
            (Steps::Carry(n), Purpose::Carry(most)) => (n, n <= most),
            (Steps::Adjoint(n) | Steps::Carry(n), _) => (n, false),
        };
        assert!(suffices, "{steps:?} with a scratch made for {made_for:?}");
        for step in 0..count {
            local(step).check(blocks, lanes);
        }
        if let Some(len) = influence {
            assert_eq!(len, blocks.len() * lanes, "scalars of J, in {lanes} lanes");
        }
        if let Some(len) = gradient {
            assert_eq!(len, blocks.linear.pattern().nnz(), "entries of the gradient, and weights");
        }
    }

    /// Bytes that one thread needs. Parts for other threads have some memory of their own besides, which is not counted: the
    /// number says what the computation takes and is the same on every machine.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
