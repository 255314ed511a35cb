//! Influence as a sum of Kronecker products, for KF-RTRL and OK.

use std::fmt::Debug;
use std::sync::Arc;

use rtrl_cells::{Input, Linearizer, Stack, Trace};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::dense::{self, Matrix};
use rtrl_sparse::{Lanes, LanesMut, Linear, Scalar, Sources};

use crate::{Cost, GradientEstimator, LaneState, Runner, Signs};

/// The rule by which `r + 1` terms are reduced to `r`.
pub(crate) trait Reduce<T>: Debug + Send {
    /// Takes note of one tile of `r + 1` terms, of u if `side` is 0 and of A if it is 1, as long as a cache still holds it.
    /// All tiles of a lane come in turn before [`reduce`](Self::reduce).
    fn take(&mut self, side: usize, tile: &[T]);

    /// Reduces the terms of one lane, whose tiles were taken. Overwrites all but the last of u (terms × sources) and of A
    /// (terms × (states × rows)) such that the expected sum of their products is the sum of all `r + 1` products before.
    fn reduce(&mut self, lane: usize, of_u_and_a: &mut [Terms<'_, T>; 2], signs: &mut Signs);

    /// Multiply-adds of one call for terms of `sources` and of `matrix` numbers.
    fn macs(&self, sources: usize, matrix: usize) -> usize;

    /// Bytes held.
    fn bytes(&self) -> usize;
}

/// Terms of one lane, vectors of `len` numbers each: the first `tile` numbers of all terms, one term after the other, then
/// the next.
pub(crate) struct Terms<'a, T> {
    pub values: &'a mut [T],
    pub len: usize,
    pub tile: usize,
}

impl<T> Terms<'_, T> {
    /// The tiles, with the numbers of one of the terms after those of another.
    pub fn tiles(&mut self) -> impl Iterator<Item = &mut [T]> {
        let terms = self.values.len() / self.len;
        self.values.chunks_mut(terms * self.tile)
    }
}

/// Columns of A that lie together and are multiplied by D together: those of some hundred states are held by an L1 cache.
const COLUMNS: usize = 16;

/// Entries of D whose values in all lanes are moved together.
const ENTRIES: usize = 64;

/// An approximation of J by Kronecker products, `J[:, (r, j)] ≈ Σ_i A_i[:, r] u_i[j]` for every row r and
/// source j, with `rank` terms for each lane:
///
/// ```text
/// Σ_i u_i ⊗ (D A_i) + u_t ⊗ G_t          rank + 1 terms, reduced to rank
/// ```
///
/// In the first `rank` steps of a sequence there are no more terms than that, and nothing is reduced: J is exact.
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
    /// How many terms make up J in each lane.
    used: Vec<u32>,
    /// Numbers of an A.
    matrix: usize,
    signs: Signs,
    reduce: Box<dyn Reduce<T>>,
    trace: Trace<T>,
    linearizer: Linearizer<T>,
    dynamics: Vec<T>,
    /// The values of D, lane after lane, and the linear map with the pattern of D.
    lane_dynamics: Vec<T>,
    map: Linear,
    row_jacobian: Vec<T>,
    /// `[lanes][rank + 1][sources]`.
    u: Vec<T>,
    /// For each lane some columns of all A, `[rank + 1][states][COLUMNS]`, and then the next ones.
    a: Vec<T>,
    /// The columns of one A after their product with D.
    new: Vec<T>,
    /// The map of the net with numbers in the places of its symbols.
    numbers: Linear,
    /// Of one lane δ, and δᵀ A of some columns of one term.
    delta: Vec<T>,
    product: Vec<T>,
    /// δᵀ A and u of all terms of one lane, `[rows][rank]` and `[sources][rank]`.
    rows: Vec<T>,
    columns: Vec<T>,
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
            used: vec![0; lanes],
            signs,
            reduce,
            trace: stack.trace(lanes),
            dynamics: zeros(linearizer.dynamics().nnz() * lanes),
            lane_dynamics: zeros(linearizer.dynamics().nnz() * lanes),
            map: Linear::new(linearizer.dynamics().clone(), 0),
            row_jacobian: zeros(linearizer.row_jacobian().pattern().nnz() * lanes),
            u: zeros((rank + 1) * pattern.cols() * lanes),
            a: zeros((rank + 1) * matrix * lanes),
            new: zeros(stack.states() * COLUMNS),
            matrix,
            numbers: Linear::new(pattern.clone(), 0),
            delta: zeros(stack.states()),
            product: zeros(COLUMNS),
            rows: zeros(pattern.rows() * rank),
            columns: zeros(pattern.cols() * rank),
            linearizer,
            runner,
        }
    }

    /// Forgets the influence of one lane.
    fn clear(&mut self, lane: usize) {
        self.used[lane] = 0;
        for terms in [&mut self.u, &mut self.a] {
            let size = terms.len() / self.runner.lanes;
            terms[lane * size..(lane + 1) * size].fill(T::ZERO);
        }
    }

    /// `A_i ← D A_i` for the terms of one lane, and `u_t` and `G_t` as the term after them. D is applied as a linear map, with
    /// the columns of A_i (one for each row of the net) as its lanes. Returns whether there is a term too many.
    fn transport(&mut self, lane: usize) -> bool {
        let used = self.used[lane] as usize;
        let full = used == self.rank;
        let Runner { stack, lanes, .. } = &self.runner;
        let (linear, states) = (stack.linear(), stack.states());
        let nnz = self.lane_dynamics.len() / lanes;
        let dynamics = &self.lane_dynamics[lane * nnz..(lane + 1) * nnz];
        let (terms, rows, sources) = (self.rank + 1, linear.pattern().rows(), linear.pattern().cols());
        let u = &mut self.u[lane * terms * sources..(lane + 1) * terms * sources];
        self.trace.sources().write_lane(lane, linear.symbols(), &mut u[used * sources..][..sources]);
        if full {
            self.reduce.take(0, u);
        }
        let g = self.linearizer.row_jacobian();
        let a = &mut self.a[lane * terms * self.matrix..(lane + 1) * terms * self.matrix];
        for (tile, first) in a.chunks_mut(terms * states * COLUMNS).zip((0..rows).step_by(COLUMNS)) {
            let size = tile.len() / terms;
            let columns = size / states;
            let (old, last) = tile.split_at_mut(used * size);
            let (last, new) = (&mut last[..size], &mut self.new[..size]);
            for a in old.chunks_exact_mut(size) {
                let sources = Sources { symbols: &[], dense: Lanes::new(a, columns) };
                let product = &mut LanesMut::new(new, columns);
                self.map.multiply(dynamics, 0..states, sources, product, 0);
                // What is reduced is flushed there.
                if full {
                    a.copy_from_slice(new);
                } else {
                    a.iter_mut().zip(&*new).for_each(|(a, x)| *a = x.flush());
                }
            }
            last.fill(T::ZERO);
            for column in 0..columns {
                let entries = g.pattern().entries(first + column);
                for (entry, &state) in entries.zip(g.pattern().row(first + column)) {
                    last[state as usize * columns + column] =
                        self.row_jacobian[g.place(entry) as usize * lanes + lane];
                }
            }
            if full {
                self.reduce.take(1, tile);
            }
        }
        full
    }
}

impl<T: Scalar> Persist for Kronecker<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.runner.persist(archive)?;
        archive.part("signs", &mut self.signs)?;
        archive.slice("u", &mut self.u)?;
        archive.slice("terms", &mut self.used)?;
        self.used.iter_mut().for_each(|used| *used = (*used).min(self.rank as u32));
        // Not "a": that was the name when each A was saved as a whole.
        archive.slice("tiles", &mut self.a)
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
        // Some entries at a time, as many as a cache holds: a pass over D for each lane would fetch all of it again.
        let nnz = self.lane_dynamics.len() / lanes;
        for (first, values) in (0..nnz).step_by(ENTRIES).zip(self.dynamics.chunks(ENTRIES * lanes)) {
            for (lane, own) in self.lane_dynamics.chunks_exact_mut(nnz.max(1)).enumerate() {
                let values = values.iter().skip(lane).step_by(lanes);
                own[first..].iter_mut().zip(values).for_each(|(own, &d)| *own = d);
            }
        }
        let sources = self.runner.stack.linear().pattern().cols();
        let (per_lane_u, per_lane_a) = ((self.rank + 1) * sources, (self.rank + 1) * self.matrix);
        for lane in 0..lanes {
            if self.trace.starts()[lane] {
                // D is zero at a start, but A may not be finite. And the norms of the last sequence's terms
                // must not be balanced against those of the new one.
                self.clear(lane);
            }
            if !self.transport(lane) {
                self.used[lane] += 1;
                continue;
            }
            let u = &mut self.u[lane * per_lane_u..(lane + 1) * per_lane_u];
            let a = &mut self.a[lane * per_lane_a..(lane + 1) * per_lane_a];
            let u = Terms { values: u, len: sources, tile: sources };
            let a = Terms { values: a, len: self.matrix, tile: self.runner.stack.states() * COLUMNS };
            self.reduce.reduce(lane, &mut [u, a], &mut self.signs);
        }
    }

    fn state(&self) -> Lanes<'_, T> {
        self.runner.state()
    }

    fn observe(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, gradient: &mut [T]) {
        let (_, states) = self.runner.observe(weights, loss_gradient, gradient);
        let (rows, sources) = (self.numbers.pattern().rows(), self.numbers.pattern().cols());
        let (rank, all) = (self.rank, self.runner.stack.states());
        let delta = &mut self.delta[..states.len()];
        for lane in 0..self.runner.lanes {
            delta.iter_mut().enumerate().for_each(|(k, own)| *own = loss_gradient.at(k)[lane]);
            let delta = Matrix::new(delta, states.len(), 1);
            let used = self.used[lane] as usize;
            if used < rank {
                self.rows.fill(T::ZERO);
                self.columns.fill(T::ZERO);
            }
            let a = &self.a[lane * (rank + 1) * self.matrix..(lane + 1) * (rank + 1) * self.matrix];
            for (tile, first) in a.chunks((rank + 1) * all * COLUMNS).zip((0..rows).step_by(COLUMNS)) {
                let size = tile.len() / (rank + 1);
                let columns = size / all;
                let product = &mut self.product[..columns];
                for (term, a) in tile.chunks_exact(size).take(used).enumerate() {
                    let a = &a[states.start * columns..states.end * columns];
                    dense::multiply(product, T::ZERO, Matrix::new(a, states.len(), columns).t(), delta);
                    turn(product, &mut self.rows[first * rank..], term, rank);
                }
            }
            for term in 0..used {
                let u = &self.u[(lane * (rank + 1) + term) * sources..][..sources];
                turn(u, &mut self.columns, term, rank);
            }
            // Σ_i (δᵀ A_i) ⊗ u_i, with the terms as lanes.
            let u = Sources { symbols: &[], dense: Lanes::new(&self.columns, rank) };
            self.numbers.accumulate_outer_rows(0..rows, Lanes::new(&self.rows, rank), u, gradient);
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
        self.lane_dynamics = zeros(self.linearizer.dynamics().nnz());
        self.map = Linear::new(self.linearizer.dynamics().clone(), 0);
        self.numbers = Linear::new(stack.linear().pattern().clone(), 0);
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
            + self.new.len()
            + self.delta.len()
            + self.product.len()
            + self.rows.len()
            + self.columns.len()
            + self.dynamics.len()
            + self.lane_dynamics.len()
            + self.row_jacobian.len();
        // Once all terms are in use.
        Cost {
            forward: linear.dense_weights() as f64,
            linearize: self.linearizer.macs() as f64,
            propagate: (transport + self.reduce.macs(sources, self.matrix)) as f64,
            gradient: (self.rank * (stack.hidden().len() * rows + stack.weights_len())) as f64,
            bytes: size_of::<Self>()
                + self.runner.bytes()
                + self.map.bytes()
                + self.numbers.bytes()
                + self.reduce.bytes()
                + self.trace.bytes()
                + self.linearizer.bytes()
                + self.signs.bytes()
                + size_of_val(&self.used[..])
                + scalars * size_of::<T>(),
        }
    }
}

/// Writes the values of one term to its places among those of `rank` terms.
fn turn<T: Scalar>(values: &[T], into: &mut [T], term: usize, rank: usize) {
    into.iter_mut().skip(term).step_by(rank).zip(values).for_each(|(into, &value)| *into = value);
}
