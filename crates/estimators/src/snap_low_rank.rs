//! SnAp-1 and what it leaves out, at low rank.

mod basis;
mod rows;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::{Input, Linearizer, Stack, Trace};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::dense::{Matrix, multiply};
use rtrl_sparse::{Lanes, LanesMut, Linear, Scalar, Sources, at_level};
use serde::{Deserialize, Serialize};

use crate::error::check_rank;
use crate::{BuildEstimator, Cost, EstimatorError, GradientEstimator, LaneState, Runner};
use basis::Basis;
use rows::{Advance, Contract, Rows};

/// Settings of [`SnapLowRank`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SnapLowRankConfig {
    /// r: rank of the remainder.
    pub rank: usize,
}

impl Default for SnapLowRankConfig {
    /// Rank 4.
    fn default() -> Self {
        Self { rank: 4 }
    }
}

/// SnAp-1 and a remainder of rank r: `J ≈ E + U Vᵀ`, where E are the entries of J that a layer's weights have at once in
/// states of the same layer, P, as SnAp-1 carries them, and the remainder takes up what SnAp-1 drops:
///
/// ```text
/// M = D U Vᵀ + (1 - P) ∘ (D E + I)          U ← orth(M V)          V ← Mᵀ U          E ← P ∘ (D E + I)
/// ```
///
/// U has orthonormal columns. The step is one of subspace iteration from the V before, so that U Vᵀ follows the best
/// approximation of M of its rank without a singular value decomposition, and M is never formed. Where M V has fewer than r
/// independent columns, fixed random vectors take the others' place. Nothing is drawn: the gradient is biased, the less the higher the
/// rank, and with as many terms as states it is exact RTRL, in nets of several layers too.
///
/// # Shapes
/// For each lane E as J of SnAp-1, U of states × r and V of weights × r.
///
/// # Reference
/// J. Yi & Y. Wang, "Certified low-rank real-time recurrent learning for dense recurrent neural networks" (SK-RTRL, under
/// review in 2026, code at github.com/sonaradarcn/sketched-rtrl), which decomposes M by singular values at each step and bounds
/// the error. Subspace iteration from the step before is this library's.
#[derive(Debug)]
pub struct SnapLowRank<T: Scalar> {
    runner: Runner<T>,
    rank: usize,
    trace: Trace<T>,
    linearizer: Linearizer<T>,
    /// Values of D and G, `[entries][lanes]`.
    dynamics: Vec<T>,
    jacobian: Vec<T>,
    /// The map x ↦ D x.
    map: Linear,
    rows: Rows,
    /// E, `[lanes]` and then as the rows say.
    traces: Vec<T>,
    /// U, `[lanes][states][rank]`, and V, `[lanes][rank][weights]`.
    left: Vec<T>,
    right: Vec<T>,
    basis: Basis,
    work: Work<T>,
}

/// Memory for the step of one lane.
#[derive(Debug)]
struct Work<T> {
    dynamics: Vec<T>,
    jacobian: Vec<T>,
    sources: Vec<T>,
    /// The sources of a row, and its old entries of V or E.
    gathered: Vec<T>,
    old: Vec<T>,
    /// VᵀV, and the matrix by which V is multiplied, `rank × rank`.
    gram: Vec<T>,
    mix: Vec<T>,
    /// For each state of each group, and for each crossing row.
    vectors: Vec<T>,
    crossing: Vec<T>,
    /// `[states][rank]`.
    x: Vec<T>,
    product: Vec<T>,
}

impl<T: Scalar> Work<T> {
    fn new(stack: &Stack<T>, linearizer: &Linearizer<T>, rows: &Rows, rank: usize) -> Self {
        let zeros = |len: usize| vec![T::ZERO; len];
        let most = rows.groups.iter().map(|group| group.states.len()).max().unwrap_or(0);
        Self {
            dynamics: zeros(linearizer.dynamics().nnz()),
            jacobian: zeros(linearizer.row_jacobian().pattern().nnz()),
            sources: zeros(stack.linear().pattern().cols()),
            gathered: zeros(rows.widest),
            old: zeros(rows.widest * most.max(rank)),
            gram: zeros(rank * rank),
            mix: zeros(rank * rank),
            vectors: zeros(rows.reached * rank),
            crossing: zeros(rows.crossing * rank),
            x: zeros(stack.states() * rank),
            product: zeros(stack.states() * rank),
        }
    }

    fn scalars(&self) -> usize {
        let parts = [&self.dynamics, &self.jacobian, &self.sources, &self.gathered, &self.old, &self.gram];
        let others = [&self.mix, &self.vectors, &self.crossing, &self.x, &self.product];
        parts.into_iter().chain(others).map(Vec::len).sum()
    }
}

impl BuildEstimator for SnapLowRankConfig {
    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        check_rank("the rank of SnAp-1's remainder", self.rank)?;
        Ok(Box::new(SnapLowRank::new(stack, lanes.len(), window, self.rank)))
    }
}

impl<T: Scalar> SnapLowRank<T> {
    /// An estimator for `lanes` lanes and windows of at most `window` steps. A rank above the number of states is that number.
    ///
    /// # Panics
    /// If `lanes`, `window` or `rank` is zero.
    pub fn new(stack: Arc<Stack<T>>, lanes: usize, window: usize, rank: usize) -> Self {
        assert!(rank > 0, "the rank of the remainder must be at least 1, found {rank}");
        let runner = Runner::new(stack, lanes, window);
        let stack = &runner.stack;
        let rank = rank.min(stack.states());
        let linearizer = Linearizer::new(stack, stack.dynamics(), stack.row_jacobian(), lanes);
        let rows = Rows::new(stack, linearizer.dynamics(), linearizer.row_jacobian());
        let zeros = |len: usize| vec![T::ZERO; len * lanes];
        Self {
            rank,
            trace: stack.trace(lanes),
            dynamics: zeros(linearizer.dynamics().nnz()),
            jacobian: zeros(linearizer.row_jacobian().pattern().nnz()),
            map: Linear::new(linearizer.dynamics().clone(), 0),
            traces: zeros(rows.traces),
            left: zeros(stack.states() * rank),
            right: zeros(stack.weights_len() * rank),
            basis: Basis::new(rank, stack.states()),
            work: Work::new(stack, &linearizer, &rows, rank),
            rows,
            linearizer,
            runner,
        }
    }

    /// Forgets the influence of one lane.
    fn clear(&mut self, lane: usize) {
        for carried in [&mut self.traces, &mut self.left, &mut self.right] {
            let size = carried.len() / self.runner.lanes;
            carried[lane * size..(lane + 1) * size].fill(T::ZERO);
        }
    }

    /// E, U and V of one lane a step later.
    fn advance(&mut self, lane: usize) {
        let (lanes, rank) = (self.runner.lanes, self.rank);
        let (linear, states) = (self.runner.stack.linear(), self.runner.stack.states());
        let (rows, pattern, work) = (&self.rows, linear.pattern(), &mut self.work);
        let traces = lane_of(&mut self.traces, lane, lanes);
        let left = lane_of(&mut self.left, lane, lanes);
        let right = lane_of(&mut self.right, lane, lanes);
        for (own, all) in [(&mut work.dynamics, &self.dynamics), (&mut work.jacobian, &self.jacobian)] {
            own.iter_mut().zip(all.iter().skip(lane).step_by(lanes)).for_each(|(own, &value)| *own = value);
        }
        self.trace.sources().write_lane(lane, linear.symbols(), &mut work.sources);

        at_level(Contract {
            rows,
            pattern,
            sources: &work.sources,
            traces,
            right,
            gathered: &mut work.gathered,
            gram: &mut work.gram,
            vectors: &mut work.vectors,
            crossing: &mut work.crossing,
            rank,
        });
        // M V: D times what stands in `x`, less what D moves within the groups, and what I brings beyond them.
        for (x, u) in work.x.chunks_exact_mut(rank).zip(left.chunks_exact(rank)) {
            x.fill(T::ZERO);
            for (&u, gram) in u.iter().zip(work.gram.chunks_exact(rank)) {
                x.iter_mut().zip(gram).for_each(|(x, &g)| *x += u * g);
            }
        }
        for group in &rows.groups {
            for (&state, vector) in
                group.states.iter().zip(work.vectors[group.first * rank..].chunks_exact(rank))
            {
                let x = &mut work.x[state as usize * rank..][..rank];
                x.iter_mut().zip(vector).for_each(|(x, &v)| *x += v);
            }
        }
        let x = Sources { symbols: &[], dense: Lanes::new(&work.x, rank) };
        self.map.multiply(&work.dynamics, 0..states, x, &mut LanesMut::new(&mut work.product, rank), 0);
        rows.subtract_own(&work.dynamics, &work.vectors, &mut work.product, rank);
        rows.add_beyond(&work.jacobian, &work.crossing, &mut work.product, rank);
        // U, of which the old one is needed once more.
        self.basis.of_columns(&work.product, &mut work.x);
        // Mᵀ U, in the same parts.
        work.product.fill(T::ZERO);
        let x = Lanes::new(&work.x, rank);
        self.map.multiply_transposed(
            &work.dynamics,
            0..states,
            x,
            &mut LanesMut::new(&mut work.product, rank),
            0,
        );
        work.mix.fill(T::ZERO);
        for (u, pulled) in left.chunks_exact(rank).zip(work.product.chunks_exact(rank)) {
            for (&u, mix) in u.iter().zip(work.mix.chunks_exact_mut(rank)) {
                mix.iter_mut().zip(pulled).for_each(|(mix, &p)| *mix += u * p);
            }
        }
        rows.without_own(&work.dynamics, (&work.x, &work.product), &mut work.vectors, rank);
        rows.pull_beyond(&work.jacobian, &work.x, &mut work.crossing, rank);
        left.copy_from_slice(&work.x);
        at_level(Advance {
            rows,
            pattern,
            dynamics: &work.dynamics,
            jacobian: &work.jacobian,
            sources: &work.sources,
            traces,
            right,
            gathered: &mut work.gathered,
            old: &mut work.old,
            mix: &work.mix,
            vectors: &work.vectors,
            crossing: &work.crossing,
            rank,
        });
    }

    /// Takes entries of J (state, weight, value) into the remainder of one lane.
    fn absorb(&mut self, lane: usize, entries: &[(usize, usize, T)]) {
        if entries.is_empty() {
            return;
        }
        let (lanes, rank, weights) = (self.runner.lanes, self.rank, self.runner.stack.weights_len());
        let Work { x, product, gram, mix, .. } = &mut self.work;
        let left = lane_of(&mut self.left, lane, lanes);
        let right = lane_of(&mut self.right, lane, lanes);
        // M V, where M is the remainder and the entries.
        let v = Matrix::new(right, rank, weights);
        multiply(gram, T::ZERO, v, v.t());
        multiply(product, T::ZERO, Matrix::new(left, left.len() / rank, rank), Matrix::new(gram, rank, rank));
        for &(state, weight, value) in entries {
            let into = &mut product[state * rank..(state + 1) * rank];
            into.iter_mut().enumerate().for_each(|(i, into)| *into += value * right[i * weights + weight]);
        }
        self.basis.of_columns(product, x);
        // Vᵀ ← Uᵀ M.
        multiply(
            mix,
            T::ZERO,
            Matrix::new(x, x.len() / rank, rank).t(),
            Matrix::new(left, left.len() / rank, rank),
        );
        let old = right.to_vec();
        multiply(right, T::ZERO, Matrix::new(mix, rank, rank), Matrix::new(&old, rank, weights));
        for &(state, weight, value) in entries {
            let x = &x[state * rank..(state + 1) * rank];
            x.iter().enumerate().for_each(|(i, &x)| right[i * weights + weight] += value * x);
        }
        left.copy_from_slice(x);
    }
}

/// The part of a lane.
fn lane_of<T>(all: &mut [T], lane: usize, lanes: usize) -> &mut [T] {
    let size = all.len() / lanes;
    &mut all[lane * size..(lane + 1) * size]
}

impl<T: Scalar> Persist for SnapLowRank<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.runner.persist(archive)?;
        archive.slice("traces", &mut self.traces)?;
        archive.slice("left", &mut self.left)?;
        archive.slice("right", &mut self.right)
    }
}

impl<T: Scalar> GradientEstimator<T> for SnapLowRank<T> {
    fn stack(&self) -> &Arc<Stack<T>> {
        &self.runner.stack
    }

    fn step(&mut self, weights: &[T], input: Input<'_, T>, starts: &[bool]) {
        let lanes = self.runner.lanes;
        self.runner.step(weights, input, starts, &mut self.trace);
        let dynamics = LanesMut::new(&mut self.dynamics, lanes);
        self.linearizer.run(weights, &self.trace, dynamics, LanesMut::new(&mut self.jacobian, lanes));
        for lane in 0..lanes {
            // D is zero at a start, but what is carried may not be finite.
            if self.trace.starts()[lane] {
                self.clear(lane);
            }
            self.advance(lane);
        }
    }

    fn state(&self) -> Lanes<'_, T> {
        self.runner.state()
    }

    fn observe(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, gradient: &mut [T]) {
        let (_, states) = self.runner.observe(weights, loss_gradient, gradient);
        let (lanes, rank) = (self.runner.lanes, self.rank);
        for lane in 0..lanes {
            let Work { x: delta, mix, .. } = &mut self.work;
            let delta = &mut delta[..self.runner.stack.states()];
            delta.fill(T::ZERO);
            for (k, state) in states.clone().enumerate() {
                delta[state] = loss_gradient.at(k)[lane];
            }
            let along = &mut mix[..rank];
            along.fill(T::ZERO);
            let left = lane_of(&mut self.left, lane, lanes);
            for (u, &delta) in left[states.start * rank..].chunks_exact(rank).zip(&delta[states.clone()]) {
                along.iter_mut().zip(u).for_each(|(along, &u)| *along += delta * u);
            }
            let traces = lane_of(&mut self.traces, lane, lanes);
            let right = lane_of(&mut self.right, lane, lanes);
            at_level(rows::Gradient {
                rows: &self.rows,
                traces,
                right,
                delta,
                along,
                states: &states,
                gradient,
            });
        }
    }

    fn input_gradient(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, into: &mut LanesMut<'_, T>) {
        self.runner.input_gradient(weights, loss_gradient, &self.trace, into);
    }

    fn finish_window(&mut self, weights: &[T], gradient: &mut [T]) {
        self.runner.finish(weights, gradient);
    }

    fn mark_diverged(&self, diverged: &mut [bool]) {
        self.runner.state().mark_diverged(diverged);
        for carried in [&self.traces, &self.left, &self.right] {
            for (lane, flag) in diverged.iter_mut().enumerate() {
                let size = carried.len() / self.runner.lanes;
                *flag |= !carried[lane * size..(lane + 1) * size].iter().all(|x| x.is_finite());
            }
        }
    }

    fn lane(&self, lane: usize) -> LaneState<T> {
        self.runner.lane(lane)
    }

    fn set_lane(&mut self, lane: usize, carried: &LaneState<T>) {
        self.runner.set_lane(lane, carried);
        self.clear(lane);
    }

    fn forget(&mut self, lane: usize) {
        self.runner.forget(lane);
        self.clear(lane);
    }

    fn relay(&mut self, stack: Arc<Stack<T>>, origin: &[Option<u32>]) {
        let (lanes, old) = (self.runner.lanes, self.runner.stack.weights_len());
        self.runner.relay(stack.clone(), origin);
        let mut moved = Self::new(stack, lanes, self.runner.window, self.rank);
        let places: HashMap<_, _> = self.rows.places().enumerate().map(|(at, place)| (place, at)).collect();
        for lane in 0..lanes {
            let from = lane_of(&mut self.traces, lane, lanes);
            let to = lane_of(&mut moved.traces, lane, lanes);
            for (to, (state, weight)) in to.iter_mut().zip(moved.rows.places()) {
                let at = origin[weight].and_then(|weight| places.get(&(state, weight as usize)));
                *to = at.map_or(T::ZERO, |&at| from[at]);
            }
            let from = lane_of(&mut self.right, lane, lanes);
            let to = lane_of(&mut moved.right, lane, lanes);
            for (to, from) in to.chunks_exact_mut(origin.len()).zip(from.chunks_exact(old)) {
                to.iter_mut().zip(origin).for_each(|(to, o)| *to = o.map_or(T::ZERO, |o| from[o as usize]));
            }
        }
        moved.left.copy_from_slice(&self.left);
        let kept: HashSet<_> = moved.rows.places().collect();
        let mut place_of = vec![None; old];
        origin
            .iter()
            .enumerate()
            .for_each(|(weight, o)| o.iter().for_each(|&o| place_of[o as usize] = Some(weight)));
        for lane in 0..lanes {
            let traces = lane_of(&mut self.traces, lane, lanes).iter();
            let survivors = traces.zip(self.rows.places()).filter_map(|(&trace, (state, weight))| {
                let weight = place_of[weight]?;
                (!kept.contains(&(state, weight))).then_some((state as usize, weight, trace))
            });
            moved.absorb(lane, &survivors.collect::<Vec<_>>());
        }
        std::mem::swap(&mut moved.runner, &mut self.runner);
        *self = moved;
    }

    /// Without the orthonormalization, which is of the order of states × rank².
    fn cost(&self) -> Cost {
        let Self { rank, linearizer, rows, .. } = self;
        let stack = &self.runner.stack;
        let (states, weights) = (stack.states(), stack.weights_len());
        let small = 2 * rank * linearizer.dynamics().nnz() + 2 * rank * rank * states;
        let carried = self.traces.len() + self.left.len() + self.right.len();
        let scalars = carried + self.dynamics.len() + self.jacobian.len() + self.work.scalars();
        Cost {
            forward: stack.linear().dense_weights() as f64,
            linearize: linearizer.macs() as f64,
            propagate: (rows.macs(*rank) + small) as f64,
            gradient: (rows.hidden_traces(&stack.hidden()) + rank * (weights + stack.hidden().len())) as f64,
            bytes: size_of::<Self>()
                + self.runner.bytes()
                + self.map.bytes()
                + rows.bytes()
                + self.basis.bytes()
                + self.trace.bytes()
                + linearizer.bytes()
                + scalars * size_of::<T>(),
        }
    }
}
