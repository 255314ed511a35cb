//! Unbiased online recurrent optimization.

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::{Backward, Input, Rollout, Stack, Trace};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::dense::{Matrix, dot, multiply};
use rtrl_sparse::{Lanes, LanesMut, Scalar, Sources};
use serde::{Deserialize, Serialize};

use crate::registry::Build;
use crate::signs::balance;
use crate::{Cost, EstimatorError, GradientEstimator, Signs};

/// Settings of [`Uoro`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UoroConfig {
    /// Seed of the signs.
    #[serde(default)]
    pub seed: u64,
}

/// UORO: an unbiased estimate of the influence matrix of rank one, `J ≈ s̃ θ̃ᵀ`, for each lane. With ν a vector of
/// random signs for each step,
///
/// ```text
/// s̃ ← ρ0 D s̃ + ρ1 ν          θ̃ ← θ̃ / ρ0 + νᵀI / ρ1
/// ρ0 = √(|θ̃| / |D s̃|)          ρ1 = √(|νᵀI| / |ν|)
/// ```
///
/// The factors ρ reduce the variance and leave the mean as it is; a factor with a zero norm in it is 1.
///
/// # Shapes
/// s̃ of S and θ̃ of |θ| for each lane: the signs of a lane are its own.
///
/// # Reference
/// Tallec & Ollivier, "Unbiased online recurrent optimization", arXiv:1702.05043, algorithm 1 (without its ε).
pub struct Uoro<T> {
    stack: Arc<Stack<T>>,
    lanes: usize,
    signs: Signs,
    rollout: Rollout<T>,
    trace: Trace<T>,
    backward: Backward<T>,
    /// s̃, `[states][lanes]`.
    state: Vec<T>,
    /// θ̃, `[weights][lanes]`.
    weights: Vec<T>,
    /// D s̃, then ν.
    pushed: Vec<T>,
    nu: Vec<T>,
    /// u², `[dense sources][lanes]`, and its sum over the sources of each row, `[rows][lanes]`.
    squares: Vec<T>,
    sums: Vec<T>,
    /// A one for each weight: where they exist is what is summed over.
    ones: Vec<T>,
    /// Per lane: |θ̃|², |νᵀI|², 1/ρ0, 1/ρ1, δ · s̃.
    norms: [Vec<T>; 5],
}

impl Build for UoroConfig {
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
        _window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        Ok(Box::new(Uoro::new(stack, lanes.len(), Signs::random(self.seed, lanes))))
    }
}

impl<T: Scalar> Uoro<T> {
    /// An estimator for `lanes` lanes that takes its signs from `signs`: state after state for each lane, lane after
    /// lane.
    pub fn new(stack: Arc<Stack<T>>, lanes: usize, signs: Signs) -> Self {
        let zeros = |len: usize| vec![T::ZERO; len * lanes];
        Self {
            lanes,
            signs,
            rollout: stack.rollout(lanes),
            trace: stack.trace(lanes),
            backward: stack.backward(lanes),
            state: zeros(stack.states()),
            weights: zeros(stack.weights_len()),
            pushed: zeros(stack.states()),
            nu: zeros(stack.states()),
            squares: zeros(stack.linear().dense_sources()),
            sums: zeros(stack.linear().pattern().rows()),
            ones: vec![T::ONE; stack.weights_len()],
            norms: std::array::from_fn(|_| zeros(1)),
            stack,
        }
    }

    /// |νᵀI|² of each lane from the rows Gᵀν: `Σ_r rows_r² Σ_{j ∈ N(r)} u_j²`.
    fn immediate_norm(&mut self) {
        let lanes = self.lanes;
        let sources = self.trace.sources();
        self.squares.iter_mut().zip(sources.dense.values()).for_each(|(s, &u)| *s = u * u);
        let squares = Sources { symbols: sources.symbols, dense: Lanes::new(&self.squares, lanes) };
        let mut sums = LanesMut::new(&mut self.sums, lanes);
        let linear = self.stack.linear();
        linear.multiply(&self.ones, 0..linear.pattern().rows(), squares, &mut sums, 0);
        let norm = &mut self.norms[1];
        norm.fill(T::ZERO);
        for (row, sums) in self.backward.rows.chunks_exact(lanes).zip(self.sums.chunks_exact(lanes)) {
            for ((norm, &sum), &row) in norm.iter_mut().zip(sums).zip(row) {
                *norm += row * row * sum;
            }
        }
    }

    /// θ̃ ← θ̃ / ρ0 + νᵀI / ρ1.
    fn advance_weights(&mut self) {
        let lanes = self.lanes;
        let [_, _, keep, add, _] = &self.norms;
        for row in self.backward.rows.chunks_exact_mut(lanes) {
            row.iter_mut().zip(add).for_each(|(row, &a)| *row *= a);
        }
        let mut weights = LanesMut::new(&mut self.weights, lanes);
        let rows = Lanes::new(&self.backward.rows, lanes);
        self.stack.linear().mix_outer(keep, rows, self.trace.sources(), &mut weights);
    }
}

/// Σ x² of each lane.
fn squared_norms<T: Scalar>(x: &[T], out: &mut [T]) {
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
        archive.part("rollout", &mut self.rollout)?;
        archive.part("signs", &mut self.signs)?;
        archive.slice("state", &mut self.state)?;
        archive.slice("weights", &mut self.weights)
    }
}

impl<T: Scalar> GradientEstimator<T> for Uoro<T> {
    fn step(&mut self, weights: &[T], input: Input<'_, T>, starts: &[bool]) {
        let lanes = self.lanes;
        self.stack.forward(weights, input, starts, &mut self.rollout, &mut self.trace);
        self.trace.cut(&mut LanesMut::new(&mut self.weights, lanes));
        let state = Lanes::new(&self.state, lanes);
        self.stack.push_forward(weights, &self.trace, state, &mut self.pushed, &mut self.backward);
        for lane in 0..lanes {
            for nu in self.nu.iter_mut().skip(lane).step_by(lanes) {
                *nu = if self.signs.draw(lane) { T::ONE } else { -T::ONE };
            }
        }
        // Pulling ν down the layers changes it below; s̃ takes the signs themselves.
        self.state.copy_from_slice(&self.nu);
        self.stack.descend(weights, &self.trace, &mut self.nu, &mut self.backward);
        self.immediate_norm();
        let [theta, immediate, keep, add, scratch] = &mut self.norms;
        squared_norms(&self.weights, theta);
        squared_norms(&self.pushed, scratch);
        let signs = T::from_f64(self.stack.states() as f64);
        for lane in 0..lanes {
            let rho_0 = balance(theta[lane], scratch[lane]);
            let rho_1 = balance(immediate[lane], signs);
            (keep[lane], add[lane]) = (T::ONE / rho_0, T::ONE / rho_1);
            scratch[lane] = rho_0;
            immediate[lane] = rho_1;
        }
        for (s, pushed) in self.state.chunks_exact_mut(lanes).zip(self.pushed.chunks_exact(lanes)) {
            for lane in 0..lanes {
                s[lane] = scratch[lane] * pushed[lane] + immediate[lane] * s[lane];
            }
        }
        self.advance_weights();
    }

    fn hidden(&self) -> Lanes<'_, T> {
        self.rollout.state().slice(self.stack.hidden())
    }

    fn observe(&mut self, _weights: &[T], hidden_gradient: Lanes<'_, T>, gradient: &mut [T]) {
        let lanes = self.lanes;
        let scale = &mut self.norms[4];
        scale.fill(T::ZERO);
        for (k, state) in self.stack.hidden().enumerate() {
            let s = &self.state[state * lanes..(state + 1) * lanes];
            for ((scale, &d), &s) in scale.iter_mut().zip(hidden_gradient.at(k)).zip(s) {
                *scale += d * s;
            }
        }
        let weights = gradient.len();
        if lanes == 1 {
            let (scale, weights) = (Matrix::new(scale, 1, 1), Matrix::new(&self.weights, 1, weights));
            multiply(gradient, T::ONE, scale, weights);
        } else {
            let (weights, scale) = (Matrix::new(&self.weights, weights, lanes), Matrix::new(scale, lanes, 1));
            multiply(gradient, T::ONE, weights, scale);
        }
    }

    fn finish_window(&mut self, _weights: &[T], _gradient: &mut [T]) {}

    fn mark_diverged(&self, diverged: &mut [bool]) {
        self.rollout.state().mark_diverged(diverged);
        Lanes::new(&self.state, self.lanes).mark_diverged(diverged);
        Lanes::new(&self.weights, self.lanes).mark_diverged(diverged);
    }

    fn forget(&mut self, lane: usize) {
        self.rollout.clear_lane(lane);
        LanesMut::new(&mut self.state, self.lanes).clear_lane(lane);
        LanesMut::new(&mut self.weights, self.lanes).clear_lane(lane);
    }

    fn relay(&mut self, stack: Arc<Stack<T>>, origin: &[Option<u32>]) {
        let old = std::mem::replace(&mut self.weights, vec![T::ZERO; origin.len() * self.lanes]);
        let old = Lanes::new(&old, self.lanes);
        for (new, origin) in self.weights.chunks_exact_mut(self.lanes).zip(origin) {
            if let Some(origin) = origin {
                new.copy_from_slice(old.at(*origin as usize));
            }
        }
        self.ones = vec![T::ONE; stack.weights_len()];
        self.trace = stack.trace(self.lanes);
        self.stack = stack;
    }

    fn cost(&self) -> Cost {
        let (stack, linear) = (&self.stack, self.stack.linear());
        let (weights, dense) = (stack.weights_len(), linear.dense_weights());
        let (states, rows) = (stack.states(), linear.pattern().rows());
        // D s̃, Gᵀν, the norms of u, νᵀI, θ̃ and D s̃, the scaling of s̃, θ̃ and the rows, and the outer product.
        let norms = linear.dense_sources() + dense + 2 * rows + weights + states;
        let propagate =
            stack.push_forward_macs() + stack.descend_macs() + norms + 2 * states + weights + rows + dense;
        let scalars = self.state.len()
            + self.weights.len()
            + self.pushed.len()
            + self.nu.len()
            + self.squares.len()
            + self.sums.len()
            + self.ones.len()
            + 5 * self.lanes;
        Cost {
            forward: dense as f64,
            linearize: 0.0,
            propagate: propagate as f64,
            gradient: (weights + stack.hidden().len()) as f64,
            bytes: self.rollout.bytes()
                + self.trace.bytes()
                + self.backward.bytes()
                + scalars * size_of::<T>(),
        }
    }
}
