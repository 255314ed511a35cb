//! Unbiased online recurrent optimization.

mod by_row;
mod coded;

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::{Backward, Input, Stack, Trace};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::dense::{Matrix, dot, multiply};
use rtrl_sparse::{Lanes, LanesMut, Pattern, Scalar, Sources};
use serde::{Deserialize, Serialize};

use self::by_row::ByRow;
use self::coded::Coded;
use crate::norm::{balance, root, squares};
use crate::{BuildEstimator, Cost, EstimatorError, GradientEstimator, LaneState, Runner, Signs};

/// Settings of [`Uoro`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UoroConfig {
    /// Seed of the signs.
    #[serde(default)]
    pub seed: u64,
    /// Where the signs stand.
    #[serde(default, skip_serializing_if = "UoroNoise::is_states")]
    pub noise: UoroNoise,
}

/// Where the random signs ν of UORO stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum UoroNoise {
    /// A sign for each state: what is added to `s̃ θ̃ᵀ` is `ν (νᵀI)`, the original.
    #[default]
    States,
    /// A sign for each row, that is for each preactivation: what is added is `(G ν) (ν ⊗ u)`. It too has the mean I. On
    /// nets with one row for each state, as vanilla ones, the variance is less; on gated cells, which have several
    /// rows for each state and so more signs, it is more.
    Preactivations,
}

impl UoroNoise {
    fn is_states(&self) -> bool {
        *self == Self::States
    }
}

/// UORO: an unbiased estimate of the influence matrix of rank one, `J ≈ s̃ θ̃ᵀ`, for each lane. With ν a vector of
/// random signs for each step,
///
/// ```text
/// s̃ ← ρ0 D s̃ + ρ1 ν          θ̃ ← θ̃ / ρ0 + νᵀI / ρ1
/// ρ0 = √(|θ̃| / |D s̃|)          ρ1 = √(|νᵀI| / |ν|)
/// ```
///
/// The factors ρ reduce the variance and leave the mean as it is. If one of its norms is zero, a factor is 1. With
/// [`UoroNoise::Preactivations`] the new terms are `ρ1 G ν` and `ν ⊗ u / ρ1`, with ν of the size of the rows and
/// ρ1 = √(|ν ⊗ u| / |G ν|).
///
/// # Shapes
/// s̃ of S and θ̃ of |θ| for each lane, since every lane has its own signs.
///
/// # Reference
/// Tallec & Ollivier, "Unbiased online recurrent optimization", arXiv:1702.05043, algorithm 1 (without its ε);
/// Cooijmans & Martens, "On the variance of unbiased online recurrent optimization", arXiv:1902.02405, for signs in the
/// space of preactivations.
#[derive(Debug)]
pub struct Uoro<T: Scalar> {
    runner: Runner<T>,
    signs: Signs,
    trace: Trace<T>,
    backward: Backward<T>,
    /// s̃, `[states][lanes]`.
    state: Vec<T>,
    /// θ̃, `[weights][lanes]`; for the weights from one-hot inputs without the factors that `coded` holds.
    weights: Vec<T>,
    coded: Coded<T>,
    /// |θ̃|² of each lane, without the weights from one-hot inputs.
    theta: Vec<T>,
    /// D s̃; and ν, which is pulled down through the layers, or G ν.
    pushed: Vec<T>,
    nu: Vec<T>,
    /// Computes G, if the signs stand at the rows.
    by_row: Option<ByRow<T>>,
    /// u², `[dense sources][lanes]`, and its sum over the sources of each row, `[rows][lanes]`.
    squares: Vec<T>,
    sums: Vec<T>,
    /// A one for each weight: weights of 1 turn `z = W u` into sums over the sources of each row.
    ones: Vec<T>,
    /// Rows that do not read what the row before them reads.
    distinct: Vec<Range<usize>>,
    /// ρ0 and ρ1, their inverses, and δ · s̃, for each lane.
    rho: [Vec<T>; 2],
    inverse: [Vec<T>; 2],
    slope: Vec<T>,
    /// Sums of squares for each lane.
    sum: Vec<T>,
}

impl BuildEstimator for UoroConfig {
    fn reseed(&mut self, by: u64) {
        self.seed = self.seed.wrapping_add(by);
    }

    fn narrowest(&self) -> usize {
        16
    }

    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        let signs = Signs::random(self.seed, lanes.clone());
        Ok(Box::new(Uoro::with_noise(stack, lanes.len(), window, signs, self.noise)))
    }
}

impl<T: Scalar> Uoro<T> {
    /// An estimator for `lanes` lanes and windows of at most `window` steps. At each step it takes one of
    /// `signs` for each state of the first lane, then of the second, and so on.
    ///
    /// # Panics
    /// If `lanes` or `window` is zero, or `signs` are random ones for another number of lanes.
    pub fn new(stack: Arc<Stack<T>>, lanes: usize, window: usize, signs: Signs) -> Self {
        Self::with_noise(stack, lanes, window, signs, UoroNoise::States)
    }

    /// As [`new`](Self::new). With [`UoroNoise::Preactivations`] it takes one of `signs` for each row instead of each
    /// state.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn with_noise(
        stack: Arc<Stack<T>>,
        lanes: usize,
        window: usize,
        signs: Signs,
        noise: UoroNoise,
    ) -> Self {
        let runner = Runner::new(stack, lanes, window);
        signs.check(lanes);
        let stack = &runner.stack;
        let zeros = |len: usize| vec![T::ZERO; len * lanes];
        Self {
            signs,
            trace: stack.trace(lanes),
            backward: stack.backward(lanes),
            state: zeros(stack.states()),
            weights: zeros(stack.weights_len()),
            coded: Coded::new(stack.linear(), lanes),
            theta: zeros(1),
            pushed: zeros(stack.states()),
            nu: zeros(stack.states()),
            by_row: (noise == UoroNoise::Preactivations).then(|| ByRow::new(stack, lanes)),
            squares: zeros(stack.linear().dense_sources()),
            sums: zeros(stack.linear().pattern().rows()),
            ones: vec![T::ONE; stack.weights_len()],
            distinct: distinct(stack.linear().pattern()),
            rho: [zeros(1), zeros(1)],
            inverse: [zeros(1), zeros(1)],
            slope: zeros(1),
            sum: zeros(1),
            runner,
        }
    }

    /// Fills `sum` with |νᵀI|² of each lane, from the rows Gᵀν: `Σ_r rows_r² Σ_{j ∈ N(r)} u_j²`.
    fn sum_immediate(&mut self) {
        let lanes = self.runner.lanes;
        let sources = self.trace.sources();
        self.squares.iter_mut().zip(sources.dense.values()).for_each(|(s, &u)| *s = u * u);
        let squares = Sources { symbols: sources.symbols, dense: Lanes::new(&self.squares, lanes) };
        let linear = self.runner.stack.linear();
        for (n, range) in self.distinct.iter().enumerate() {
            let mut sums = LanesMut::new(&mut self.sums, lanes);
            linear.multiply(&self.ones, range.clone(), squares, &mut sums, 0);
            let next = self.distinct.get(n + 1).map_or(linear.pattern().rows(), |next| next.start);
            for r in range.end..next {
                self.sums.copy_within((r - 1) * lanes..r * lanes, r * lanes);
            }
        }
        self.sum.fill(T::ZERO);
        for (row, sums) in self.backward.rows.chunks_exact(lanes).zip(self.sums.chunks_exact(lanes)) {
            for ((sum, &squares), &row) in self.sum.iter_mut().zip(sums).zip(row) {
                // In this order a small row and a large source do not underflow.
                *sum += row * (row * squares);
            }
        }
    }

    /// |νᵀI|² of one lane, in `f64`.
    fn immediate(&self, lane: usize) -> f64 {
        let (linear, sources) = (self.runner.stack.linear(), self.trace.sources());
        let row = |r: usize| {
            let row = self.backward.rows[r * self.runner.lanes + lane].to_f64();
            let coded = sources.symbols.get(lane).and_then(|&symbol| linear.symbol_entry(r, symbol));
            let dense = linear.dense_row(r).map(|j| &sources.dense.at(j)[lane]);
            row * row * (squares(dense) + f64::from(u8::from(coded.is_some())))
        };
        (0..linear.pattern().rows()).map(row).sum()
    }

    /// Forgets the influence of one lane.
    fn clear(&mut self, lane: usize) {
        let weights = Lanes::new(&self.weights, self.runner.lanes);
        self.coded.cut(self.runner.stack.linear(), weights, lane);
        self.theta[lane] = T::ZERO;
        for carried in [&mut self.state, &mut self.weights] {
            LanesMut::new(carried, self.runner.lanes).clear_lane(lane);
        }
    }

    /// |θ̃|² of one lane without the weights from one-hot inputs, in `f64`.
    fn sum_theta(&self, lane: usize) -> f64 {
        let (linear, lanes) = (self.runner.stack.linear(), self.runner.lanes);
        let entries = (0..linear.pattern().rows()).flat_map(|r| linear.dense_entries(r));
        squares(entries.map(|e| &self.weights[e * lanes + lane]))
    }

    /// Finds what is known of θ̃ anew.
    fn restart(&mut self) {
        let lanes = self.runner.lanes;
        self.coded.restart(self.runner.stack.linear(), Lanes::new(&self.weights, lanes));
        for lane in 0..lanes {
            self.theta[lane] = T::from_f64(self.sum_theta(lane));
        }
    }

    /// Finds ρ0 and ρ1 of each lane and their inverses.
    fn balance(&mut self) {
        let lanes = self.runner.lanes;
        let signs = (self.runner.stack.states() as f64).sqrt();
        self.sum_immediate();
        if self.by_row.is_some() {
            sum_squares(&self.nu, &mut self.slope);
        }
        for lane in 0..lanes {
            let immediate = root(self.sum[lane], || self.immediate(lane));
            let other = match self.by_row {
                None => signs,
                Some(_) => root(self.slope[lane], || squares(self.nu.iter().skip(lane).step_by(lanes))),
            };
            self.rho[1][lane] = balance(immediate, other);
        }
        sum_squares(&self.pushed, &mut self.slope);
        for lane in 0..lanes {
            let theta = root(self.theta[lane], || self.sum_theta(lane));
            let theta = theta.hypot(self.coded.squares(lane).sqrt());
            let pushed = self.pushed.iter().skip(lane).step_by(lanes);
            let pushed = root(self.slope[lane], || squares(pushed));
            self.rho[0][lane] = balance(theta, pushed);
        }
        for (inverse, rho) in self.inverse.iter_mut().zip(&self.rho) {
            inverse.iter_mut().zip(rho).for_each(|(inverse, &rho)| *inverse = T::ONE / rho);
        }
    }

    /// θ̃ ← θ̃ / ρ0 + νᵀI / ρ1.
    fn advance_weights(&mut self) {
        let lanes = self.runner.lanes;
        let [keep, add] = &self.inverse;
        for row in self.backward.rows.chunks_exact_mut(lanes) {
            row.iter_mut().zip(add).for_each(|(row, &a)| *row *= a);
        }
        let mut weights = LanesMut::new(&mut self.weights, lanes);
        let rows = Lanes::new(&self.backward.rows, lanes);
        let (linear, sources) = (self.runner.stack.linear(), self.trace.sources());
        linear.mix_outer(keep, rows, sources.dense, &mut weights, &mut self.theta);
        self.coded.advance(linear, keep, rows, sources.symbols, &mut weights);
    }
}

/// The rows of a pattern that differ from those before them.
fn distinct(pattern: &Pattern) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for r in (0..pattern.rows()).filter(|&r| r == 0 || pattern.row(r) != pattern.row(r - 1)) {
        match found.last_mut() {
            Some(last) if last.end == r => last.end = r + 1,
            _ => found.push(r..r + 1),
        }
    }
    found
}

/// Adds θ̃ c, summed over lanes, to the gradient.
fn read<T: Scalar>(theta: &[T], c: &[T], gradient: &mut [T]) {
    let (weights, lanes) = (gradient.len(), c.len());
    if lanes == 1 {
        multiply(gradient, T::ONE, Matrix::new(c, 1, 1), Matrix::new(theta, 1, weights));
    } else {
        multiply(gradient, T::ONE, Matrix::new(theta, weights, lanes), Matrix::new(c, lanes, 1));
    }
}

/// Σ x² of each lane.
fn sum_squares<T: Scalar>(x: &[T], out: &mut [T]) {
    if let [out] = out {
        *out = dot(x, x);
        return;
    }
    out.fill(T::ZERO);
    for x in x.chunks_exact(out.len()) {
        out.iter_mut().zip(x).for_each(|(out, &x)| *out += x * x);
    }
}

impl<T: Scalar> Persist for Uoro<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.runner.persist(archive)?;
        archive.part("signs", &mut self.signs)?;
        archive.slice("state", &mut self.state)?;
        archive.slice("weights", &mut self.weights)?;
        if archive.is_loading() {
            self.restart();
        }
        // A sum found anew may differ by rounding. Older versions did not save it.
        if archive.next_is("squares") { archive.slice("squares", &mut self.theta) } else { Ok(()) }
    }
}

impl<T: Scalar> GradientEstimator<T> for Uoro<T> {
    fn stack(&self) -> &Arc<Stack<T>> {
        &self.runner.stack
    }

    fn step(&mut self, weights: &[T], input: Input<'_, T>, starts: &[bool]) {
        let lanes = self.runner.lanes;
        self.runner.step(weights, input, starts, &mut self.trace);
        for lane in (0..lanes).filter(|&lane| starts[lane]) {
            self.clear(lane);
        }
        let stack = &self.runner.stack;
        let state = Lanes::new(&self.state, lanes);
        stack.push_forward(weights, &self.trace, state, &mut self.pushed, &mut self.backward);
        let by_row = self.by_row.is_some();
        let drawn = if by_row { &mut self.backward.rows } else { &mut self.nu };
        for lane in 0..lanes {
            for nu in drawn.iter_mut().skip(lane).step_by(lanes) {
                *nu = if self.signs.draw(lane) { T::ONE } else { -T::ONE };
            }
        }
        if let Some(jacobian) = &mut self.by_row {
            let rows = Lanes::new(&self.backward.rows, lanes);
            jacobian.push(weights, &self.trace, rows, &mut self.nu);
            self.state.copy_from_slice(&self.nu);
        } else {
            // `descend` changes ν in the lower layers, but s̃ takes the signs themselves.
            self.state.copy_from_slice(&self.nu);
            stack.descend(weights, &self.trace, &mut self.nu, &mut self.backward);
        }
        self.balance();
        let [rho_0, rho_1] = &self.rho;
        for (s, pushed) in self.state.chunks_exact_mut(lanes).zip(self.pushed.chunks_exact(lanes)) {
            for lane in 0..lanes {
                s[lane] = (rho_0[lane] * pushed[lane] + rho_1[lane] * s[lane]).flush();
            }
        }
        self.advance_weights();
    }

    fn state(&self) -> Lanes<'_, T> {
        self.runner.state()
    }

    fn observe(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, gradient: &mut [T]) {
        let (_, states) = self.runner.observe(weights, loss_gradient, gradient);
        let lanes = self.runner.lanes;
        let slope = &mut self.slope;
        slope.fill(T::ZERO);
        for (k, state) in states.enumerate() {
            let s = &self.state[state * lanes..(state + 1) * lanes];
            for ((slope, &d), &s) in slope.iter_mut().zip(loss_gradient.at(k)).zip(s) {
                *slope += d * s;
            }
        }
        self.coded.observe(&self.slope);
        let linear = self.runner.stack.linear();
        if linear.symbols() == 0 {
            return read(&self.weights, &self.slope, gradient);
        }
        for r in 0..linear.pattern().rows() {
            let entries = linear.dense_entries(r);
            let weights = &self.weights[entries.start * lanes..entries.end * lanes];
            read(weights, &self.slope, &mut gradient[entries]);
        }
    }

    fn input_gradient(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, into: &mut LanesMut<'_, T>) {
        self.runner.input_gradient(weights, loss_gradient, &self.trace, into);
    }

    fn finish_window(&mut self, weights: &[T], gradient: &mut [T]) {
        self.runner.finish(weights, gradient);
        let theta = &mut LanesMut::new(&mut self.weights, self.runner.lanes);
        self.coded.finish(self.runner.stack.linear(), theta, gradient);
    }

    fn mark_diverged(&self, diverged: &mut [bool]) {
        self.runner.state().mark_diverged(diverged);
        for carried in [&self.state, &self.weights] {
            Lanes::new(carried, self.runner.lanes).mark_diverged(diverged);
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
        self.runner.relay(stack, origin);
        let Runner { stack, lanes, .. } = &self.runner;
        let old = std::mem::replace(&mut self.weights, vec![T::ZERO; origin.len() * lanes]);
        let lost = origin.iter().flatten().count() * lanes < old.len();
        let old = Lanes::new(&old, *lanes);
        for (new, origin) in self.weights.chunks_exact_mut(*lanes).zip(origin) {
            if let Some(origin) = origin {
                new.copy_from_slice(old.at(*origin as usize));
            }
        }
        self.ones = vec![T::ONE; stack.weights_len()];
        self.distinct = distinct(stack.linear().pattern());
        self.trace = stack.trace(*lanes);
        let theta = self.theta.clone();
        self.by_row = self.by_row.is_some().then(|| ByRow::new(stack, *lanes));
        self.restart();
        if !lost {
            // The same sums, whose bits are to stay as they are.
            self.theta = theta;
        }
    }

    fn cost(&self) -> Cost {
        let (stack, linear) = (&self.runner.stack, self.runner.stack.linear());
        let (weights, dense) = (stack.weights_len(), linear.dense_weights());
        let (states, rows) = (stack.states(), linear.pattern().rows());
        let coded = weights - dense;
        // The weights of one symbol, whose gradient is brought up to date and to which a step adds.
        let changed = 2.0 * coded as f64 / linear.symbols().max(1) as f64;
        let distinct: usize =
            self.distinct.iter().flat_map(Range::clone).map(|r| linear.dense_entries(r).len()).sum();
        // D s̃, the norms of u, νᵀI and D s̃, the scaling of s̃ and the rows, and θ̃: scaled, the outer product added, and its norm.
        let norms = linear.dense_sources() + distinct + 2 * rows + states;
        let carried = stack.push_forward_macs() + norms + 2 * states + rows + 3 * dense;
        // Gᵀν; or G, G ν and its norm.
        let (linearize, noise) = match &self.by_row {
            None => (0, stack.descend_macs()),
            Some(by_row) => (by_row.linearizer.macs(), by_row.entries() + states),
        };
        let scalars = self.state.len()
            + self.weights.len()
            + self.pushed.len()
            + self.nu.len()
            + self.squares.len()
            + self.sums.len()
            + self.ones.len()
            + 7 * self.runner.lanes;
        Cost {
            forward: dense as f64,
            linearize: linearize as f64,
            propagate: (carried + noise) as f64 + changed,
            gradient: (dense + stack.hidden().len()) as f64 + coded as f64 / self.runner.window as f64,
            bytes: size_of::<Self>()
                + self.runner.bytes()
                + self.trace.bytes()
                + self.backward.bytes()
                + self.signs.bytes()
                + self.coded.bytes()
                + self.by_row.as_ref().map_or(0, ByRow::bytes)
                + scalars * size_of::<T>(),
        }
    }
}
