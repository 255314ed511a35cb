//! Influence as a sum of Kronecker products, for KF-RTRL and OK.

use std::fmt::Debug;
use std::sync::Arc;

use rtrl_cells::{Input, Linearizer, Stack, Trace};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::{Lanes, LanesMut, Linear, Scalar, Sources};

use crate::{Cost, GradientEstimator, LaneState, Runner, Signs};

/// The rule by which `r + 1` terms are reduced to `r`.
pub(crate) trait Reduce<T>: Debug + Send {
    /// Reduces the terms of one lane. Overwrites all but the last of `u` (terms × sources) and of `a` (terms ×
    /// (states × rows)) such that the expected sum of their products is the sum of all `r + 1` products before.
    fn reduce(&mut self, lane: usize, u: Terms<'_, T>, a: Terms<'_, T>, signs: &mut Signs);

    /// Multiply-adds of one call for terms of `sources` and of `matrix` numbers.
    fn macs(&self, sources: usize, matrix: usize) -> usize;

    /// Bytes held.
    fn bytes(&self) -> usize;
}

/// Terms of one lane: vectors of `len` numbers each, one after the other.
pub(crate) struct Terms<'a, T> {
    pub values: &'a mut [T],
    pub len: usize,
}

/// Columns of A that are multiplied by D together. Those of 128 states fill an L1 cache. In A itself the rows of a usual net
/// lie a power of two apart, so that their parts would displace each other.
const COLUMNS: usize = 64;

/// An approximation of J by Kronecker products, `J[:, (r, j)] ≈ Σ_i A_i[:, r] u_i[j]` for every row r and
/// source j, with `rank` terms for each lane:
///
/// ```text
/// Σ_i u_i ⊗ (D A_i) + u_t ⊗ G_t          rank + 1 terms, reduced to rank
/// ```
///
/// The immediate Jacobian of a cell with linear preactivations *is* `G ⊗ u`, restricted to the weights that exist, so
/// the factorization holds for every cell and stack of this library, masked or not.
///
/// # Shapes
/// For each lane `rank + 1` vectors u of all sources (symbols too) and matrices A of S × rows.
#[derive(Debug)]
pub struct Kronecker<T: Scalar> {
    runner: Runner<T>,
    rank: usize,
    /// Numbers of an A.
    matrix: usize,
    signs: Signs,
    reduce: Box<dyn Reduce<T>>,
    trace: Trace<T>,
    linearizer: Linearizer<T>,
    dynamics: Vec<T>,
    /// The values of D in one lane, and the linear map with the pattern of D.
    lane_dynamics: Vec<T>,
    map: Linear,
    row_jacobian: Vec<T>,
    /// `[lanes][rank + 1][sources]`.
    u: Vec<T>,
    /// `[lanes][rank + 1][states][rows]`.
    a: Vec<T>,
    /// Some columns of one A, before their product with D and after it: `[states][COLUMNS]` each.
    old: Vec<T>,
    new: Vec<T>,
    /// δᵀ A of one term, a number for each row.
    rows: Vec<T>,
}

impl<T: Scalar> Kronecker<T> {
    pub(crate) fn new(
        stack: Arc<Stack<T>>,
        lanes: usize,
        window: usize,
        rank: usize,
        signs: Signs,
        reduce: Box<dyn Reduce<T>>,
    ) -> Self {
        let runner = Runner::new(stack, lanes, window);
        signs.check(lanes);
        let stack = &runner.stack;
        let linearizer = Linearizer::new(stack, stack.dynamics(), stack.row_jacobian(), lanes);
        let zeros = |len: usize| vec![T::ZERO; len];
        let pattern = stack.linear().pattern();
        let matrix = stack.states() * pattern.rows();
        Self {
            rank,
            signs,
            reduce,
            trace: stack.trace(lanes),
            dynamics: zeros(linearizer.dynamics().nnz() * lanes),
            lane_dynamics: zeros(linearizer.dynamics().nnz()),
            map: Linear::new(linearizer.dynamics().clone(), 0),
            row_jacobian: zeros(linearizer.row_jacobian().pattern().nnz() * lanes),
            u: zeros((rank + 1) * pattern.cols() * lanes),
            a: zeros((rank + 1) * matrix * lanes),
            old: zeros(stack.states() * COLUMNS),
            new: zeros(stack.states() * COLUMNS),
            matrix,
            rows: zeros(pattern.rows()),
            linearizer,
            runner,
        }
    }

    /// Forgets the influence of one lane.
    fn clear(&mut self, lane: usize) {
        for terms in [&mut self.u, &mut self.a] {
            let size = terms.len() / self.runner.lanes;
            terms[lane * size..(lane + 1) * size].fill(T::ZERO);
        }
    }

    /// `A_i ← D A_i` for one lane. D is applied as a linear map, with the columns of A_i (one for each row of
    /// the net) as its lanes.
    fn transport(&mut self, lane: usize) {
        let Runner { stack, lanes, .. } = &self.runner;
        let rows = stack.linear().pattern().rows();
        let (matrix, states) = (self.matrix, stack.states());
        let values = self.dynamics.iter().skip(lane).step_by(*lanes);
        self.lane_dynamics.iter_mut().zip(values).for_each(|(own, &d)| *own = d);
        let first = lane * (self.rank + 1) * matrix;
        for a in self.a[first..first + self.rank * matrix].chunks_exact_mut(matrix) {
            for first in (0..rows).step_by(COLUMNS) {
                let columns = COLUMNS.min(rows - first);
                let (old, new) = (&mut self.old[..states * columns], &mut self.new[..states * columns]);
                for (old, a) in old.chunks_exact_mut(columns).zip(a.chunks_exact(rows)) {
                    old.copy_from_slice(&a[first..first + columns]);
                }
                let old = Sources { symbols: &[], dense: Lanes::new(old, columns) };
                let product = &mut LanesMut::new(new, columns);
                self.map.multiply(&self.lane_dynamics, 0..states, old, product, 0);
                for (new, a) in new.chunks_exact(columns).zip(a.chunks_exact_mut(rows)) {
                    a[first..first + columns].copy_from_slice(new);
                }
            }
        }
    }

    /// Writes `u_t` and `G_t` as the last term of one lane.
    fn immediate(&mut self, lane: usize) {
        let Runner { stack, lanes, .. } = &self.runner;
        let linear = stack.linear();
        let (rows, sources) = (linear.pattern().rows(), linear.pattern().cols());
        let last = lane * (self.rank + 1) + self.rank;
        let u = &mut self.u[last * sources..(last + 1) * sources];
        self.trace.sources().write_lane(lane, linear.symbols(), u);
        let a = &mut self.a[last * self.matrix..(last + 1) * self.matrix];
        a.fill(T::ZERO);
        let g = self.linearizer.row_jacobian();
        for (entry, (row, state)) in g.pattern().iter().enumerate() {
            a[state as usize * rows + row] = self.row_jacobian[g.place(entry) as usize * lanes + lane];
        }
    }
}

impl<T: Scalar> Persist for Kronecker<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.runner.persist(archive)?;
        archive.part("signs", &mut self.signs)?;
        archive.slice("u", &mut self.u)?;
        archive.slice("a", &mut self.a)
    }
}

impl<T: Scalar> GradientEstimator<T> for Kronecker<T> {
    fn stack(&self) -> &Arc<Stack<T>> {
        &self.runner.stack
    }

    fn step(&mut self, weights: &[T], input: Input<'_, T>, starts: &[bool]) {
        let lanes = self.runner.lanes;
        self.runner.step(weights, input, starts, &mut self.trace);
        let dynamics = LanesMut::new(&mut self.dynamics, lanes);
        self.linearizer.run(weights, &self.trace, dynamics, LanesMut::new(&mut self.row_jacobian, lanes));
        let sources = self.runner.stack.linear().pattern().cols();
        let (per_lane_u, per_lane_a) = ((self.rank + 1) * sources, (self.rank + 1) * self.matrix);
        for lane in 0..lanes {
            if self.trace.starts()[lane] {
                // D is zero at a start, but A may not be finite. And the norms of the last sequence's terms
                // must not be balanced against those of the new one.
                self.u[lane * per_lane_u..(lane + 1) * per_lane_u].fill(T::ZERO);
                self.a[lane * per_lane_a..(lane + 1) * per_lane_a].fill(T::ZERO);
            }
            self.transport(lane);
            self.immediate(lane);
            let u = &mut self.u[lane * per_lane_u..(lane + 1) * per_lane_u];
            let a = &mut self.a[lane * per_lane_a..(lane + 1) * per_lane_a];
            let u = Terms { values: u, len: sources };
            let a = Terms { values: a, len: self.matrix };
            self.reduce.reduce(lane, u, a, &mut self.signs);
        }
    }

    fn state(&self) -> Lanes<'_, T> {
        self.runner.state()
    }

    fn observe(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, gradient: &mut [T]) {
        let (_, states) = self.runner.observe(weights, loss_gradient, gradient);
        let Runner { stack, lanes, .. } = &self.runner;
        let pattern = stack.linear().pattern();
        let (rows, sources) = (pattern.rows(), pattern.cols());
        for lane in 0..*lanes {
            for term in 0..self.rank {
                let term = lane * (self.rank + 1) + term;
                let u = &self.u[term * sources..(term + 1) * sources];
                let a = &self.a[term * self.matrix..(term + 1) * self.matrix];
                self.rows.fill(T::ZERO);
                for (k, state) in states.clone().enumerate() {
                    let delta = loss_gradient.at(k)[lane];
                    let a = &a[state * rows..(state + 1) * rows];
                    self.rows.iter_mut().zip(a).for_each(|(row, &a)| *row += delta * a);
                }
                for (r, &row) in self.rows.iter().enumerate() {
                    for (g, &j) in gradient[pattern.entries(r)].iter_mut().zip(pattern.row(r)) {
                        *g += row * u[j as usize];
                    }
                }
            }
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
        for terms in [&self.u, &self.a] {
            for (flag, lane) in diverged.iter_mut().zip(terms.chunks_exact(terms.len() / self.runner.lanes)) {
                *flag |= !lane.iter().all(|x| x.is_finite());
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

    /// The terms belong to rows and sources, not to weights, and stay as they are.
    fn relay(&mut self, stack: Arc<Stack<T>>, origin: &[Option<u32>]) {
        self.runner.relay(stack, origin);
        let Runner { stack, lanes, .. } = &self.runner;
        self.linearizer = Linearizer::new(stack, stack.dynamics(), stack.row_jacobian(), *lanes);
        let zeros = |len: usize| vec![T::ZERO; len * lanes];
        self.dynamics = zeros(self.linearizer.dynamics().nnz());
        self.lane_dynamics = vec![T::ZERO; self.linearizer.dynamics().nnz()];
        self.map = Linear::new(self.linearizer.dynamics().clone(), 0);
        self.row_jacobian = zeros(self.linearizer.row_jacobian().pattern().nnz());
        self.trace = stack.trace(*lanes);
    }

    fn cost(&self) -> Cost {
        let stack = &self.runner.stack;
        let linear = stack.linear();
        let (rows, sources) = (linear.pattern().rows(), linear.pattern().cols());
        let transport = self.rank * self.linearizer.dynamics().nnz() * rows;
        let scalars = self.u.len()
            + self.a.len()
            + self.old.len()
            + self.new.len()
            + self.rows.len()
            + self.dynamics.len()
            + self.lane_dynamics.len()
            + self.row_jacobian.len();
        Cost {
            forward: linear.dense_weights() as f64,
            linearize: self.linearizer.macs() as f64,
            propagate: (transport + self.reduce.macs(sources, self.matrix)) as f64,
            gradient: (self.rank * (stack.hidden().len() * rows + stack.weights_len())) as f64,
            bytes: size_of::<Self>()
                + self.runner.bytes()
                + self.map.bytes()
                + self.reduce.bytes()
                + self.trace.bytes()
                + self.linearizer.bytes()
                + self.signs.bytes()
                + scalars * size_of::<T>(),
        }
    }
}
