//! Kernel RNN learning.

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::{Backward, Input, Stack};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::dense::{Matrix, dot, multiply};
use rtrl_sparse::{Lanes, LanesMut, Scalar};
use serde::{Deserialize, Serialize};

use crate::runner::states_of;
use crate::{
    BuildEstimator, Cost, EstimatorError, GradientEstimator, Influence, LaneState, Order, Plan, Schedule,
    Scope, Signs, Transport,
};

/// Settings of [`Kernl`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KernlConfig {
    /// The share of a trace that is left after a step, κ, at the beginning, in 0..=1.
    pub decay: f64,
    /// η: the share of its error by which the kernel learns from a step, in 0..=1. With 0 the estimator is RFLO of
    /// the rate κ.
    pub rate: f64,
    /// Seed of the perturbations.
    pub seed: u64,
}

impl Default for KernlConfig {
    /// κ = 0.9 and η = 0.01.
    fn default() -> Self {
        Self { decay: 0.9, rate: 0.01, seed: 0 }
    }
}

/// KeRNL: the influence of a state on later ones is fitted by a kernel, `ds_i(t) / ds_j(t - τ) ≈ β_ij κ_j^τ`, so that
/// an eligibility trace with its own rate of decay for each state carries all that is needed:
///
/// ```text
/// E_j ← κ_j E_j + G_j ⊗ u          g = Σ_j (βᵀ δ)_j E_j
/// ```
///
/// The kernel learns from random perturbations ξ of the states, signs drawn anew at each step. v is how the states
/// have moved by all of them, Ω what the kernel makes of them, and Γ the derivative of Ω by κ:
///
/// ```text
/// v ← D v + ξ          Γ ← Ω + κ ∘ Γ          Ω ← κ ∘ Ω + ξ          e = v - β Ω
/// κ ← κ + η (βᵀ e) ∘ Γ / |Γ|²                 β ← β + η e Ωᵀ / |Ω|²
/// ```
///
/// Layer by layer: β has entries within a layer alone, and the gradient by the states is pulled down through the
/// layers at each step. κ stays in 0..=1.
///
/// Each lane has its own kernel, so that its gradient does not depend on the other lanes. The kernel survives the
/// beginning of a sequence: it describes the net and not a sequence. It is β = 1 and the configured κ at first, and
/// after a lane was [forgotten](GradientEstimator::forget). A step with NaN or infinity teaches it nothing.
///
/// # Shapes
/// E as J of SnAp-1; β of S × S for each layer of S states; κ, v, Ω, Γ of S; all of them for each lane.
///
/// # Reference
/// Roth, Kanitscheider & Fiete, "Kernel RNN learning (KeRNL)", ICLR 2019. There v is the difference of a perturbed
/// and an unperturbed net, of which this is the limit for small perturbations; γ = -ln κ is learned; and steps are
/// not divided by |Ω|² and |Γ|², which here makes η independent of the size of the net.
#[derive(Debug)]
pub struct Kernl<T: Scalar> {
    /// E, whose transport is κ.
    traces: Influence<T>,
    signs: Signs,
    config: KernlConfig,
    /// κ, Γ, Ω and v, `[states][lanes]`.
    decay: Vec<T>,
    slope: Vec<T>,
    noise: Vec<T>,
    moved: Vec<T>,
    kernel: Kernel<T>,
    /// δ pulled down, and βᵀδ, `[states][lanes]`. The second is also memory for D v.
    delta: Vec<T>,
    pulled: Vec<T>,
    work: Backward<T>,
}

/// β of every lane.
#[derive(Debug)]
struct Kernel<T> {
    /// The states of each layer.
    layers: Vec<Range<usize>>,
    /// For one lane after the other, and in it for one layer after the other, states × states, row-major.
    matrices: Vec<T>,
    /// Vectors of one lane and layer.
    x: Vec<T>,
    y: Vec<T>,
    z: Vec<T>,
}

impl<T: Scalar> Kernel<T> {
    fn new(stack: &Stack<T>, lanes: usize) -> Self {
        let layers: Vec<_> = (0..stack.depth()).map(|depth| stack.layer_states(depth)).collect();
        let widest = layers.iter().map(Range::len).max().unwrap_or(0);
        let len: usize = layers.iter().map(|states| states.len() * states.len()).sum();
        let zeros = || vec![T::ZERO; widest];
        let mut kernel =
            Self { layers, matrices: vec![T::ZERO; len * lanes], x: zeros(), y: zeros(), z: zeros() };
        (0..lanes).for_each(|lane| kernel.reset(lane, lanes));
        kernel
    }

    /// Where β of a lane and layer lies.
    fn place(&self, lane: usize, lanes: usize, layer: usize) -> Range<usize> {
        let square = |states: &Range<usize>| states.len() * states.len();
        let first =
            self.matrices.len() / lanes * lane + self.layers[..layer].iter().map(square).sum::<usize>();
        first..first + square(&self.layers[layer])
    }

    /// β = 1 in one lane.
    fn reset(&mut self, lane: usize, lanes: usize) {
        for layer in 0..self.layers.len() {
            let (place, n) = (self.place(lane, lanes, layer), self.layers[layer].len());
            let matrix = &mut self.matrices[place];
            matrix.fill(T::ZERO);
            matrix.iter_mut().step_by(n + 1).for_each(|b| *b = T::ONE);
        }
    }

    /// `out ← βᵀ delta`, `[states][lanes]`.
    fn pull(&mut self, delta: &[T], out: &mut [T], lanes: usize) {
        for layer in 0..self.layers.len() {
            let states = self.layers[layer].clone();
            let (first, n) = (states.start * lanes, states.len());
            for lane in 0..lanes {
                let place = self.place(lane, lanes, layer);
                let (x, y) = (&mut self.x[..n], &mut self.y[..n]);
                pick(x, &delta[first..], lane, lanes);
                let matrix = Matrix::new(&self.matrices[place], n, n).t();
                multiply(y, T::ZERO, matrix, Matrix::new(x, n, 1));
                let out = out[first..].iter_mut().skip(lane).step_by(lanes);
                out.zip(&*y).for_each(|(out, &y)| *out = y);
            }
        }
    }

    /// Learns β and κ of one lane from v, Ω and Γ.
    fn learn(
        &mut self,
        rate: T,
        (lane, lanes): (usize, usize),
        decay: &mut [T],
        [v, noise, slope]: [&[T]; 3],
    ) {
        for layer in 0..self.layers.len() {
            let states = self.layers[layer].clone();
            let (first, n, place) = (states.start * lanes, states.len(), self.place(lane, lanes, layer));
            let (omega, e, other) = (&mut self.x[..n], &mut self.y[..n], &mut self.z[..n]);
            let matrix = &mut self.matrices[place];
            pick(omega, &noise[first..], lane, lanes);
            multiply(e, T::ZERO, Matrix::new(matrix, n, n), Matrix::new(omega, n, 1));
            let v = v[first..].iter().skip(lane).step_by(lanes);
            e.iter_mut().zip(v).for_each(|(e, &v)| *e = v - *e);
            // κ, by β as it was for this error.
            multiply(other, T::ZERO, Matrix::new(matrix, n, n).t(), Matrix::new(e, n, 1));
            let (omega_squared, slope) = (dot(omega, omega), &slope[first..]);
            pick(omega, slope, lane, lanes);
            let slope_squared = dot(omega, omega);
            let finite = e.iter().chain(&*other).chain(&*omega).all(|x| x.is_finite());
            if !finite || !omega_squared.is_finite() || !slope_squared.is_finite() {
                continue;
            }
            // Both vanish at most: Γ at the first step of a sequence, and Ω never, since it holds the last signs.
            let scale = if slope_squared > T::ZERO { rate / slope_squared } else { T::ZERO };
            let decay = decay[first..].iter_mut().skip(lane).step_by(lanes);
            for ((decay, &slope), &back) in decay.zip(&*omega).zip(&*other) {
                let moved = *decay + scale * (back * slope);
                *decay = if moved < T::ZERO {
                    T::ZERO
                } else if moved > T::ONE {
                    T::ONE
                } else {
                    moved
                };
            }
            pick(omega, &noise[first..], lane, lanes);
            let scale = rate / omega_squared;
            e.iter_mut().for_each(|e| *e *= scale);
            multiply(matrix, T::ONE, Matrix::new(e, n, 1), Matrix::new(omega, 1, n));
        }
    }

    /// Multiply-adds of [`pull`](Self::pull) and [`learn`](Self::learn), for one lane.
    fn macs(&self) -> usize {
        self.layers.iter().map(|states| 4 * states.len() * states.len() + 5 * states.len()).sum()
    }
}

/// Copies one lane of `from` into `into`.
fn pick<T: Copy>(into: &mut [T], from: &[T], lane: usize, lanes: usize) {
    into.iter_mut().zip(from.iter().skip(lane).step_by(lanes)).for_each(|(into, &from)| *into = from);
}

impl BuildEstimator for KernlConfig {
    fn reseed(&mut self, by: u64) {
        self.seed = self.seed.wrapping_add(by);
    }

    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        for (what, value) in [("decay", self.decay), ("rate", self.rate)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(EstimatorError::Range { what, from: 0.0, to: 1.0, found: value.to_string() });
            }
        }
        let signs = Signs::random(self.seed, lanes.clone());
        Ok(Box::new(Kernl::new(stack, lanes.len(), window, self.clone(), signs)?))
    }
}

impl<T: Scalar> Kernl<T> {
    /// An estimator for `lanes` lanes and windows of at most `window` steps. At each step it takes one of `signs` for
    /// each state of the first lane, then of the second, and so on; the seed of `config` is not used.
    ///
    /// # Errors
    /// Never for a valid stack.
    ///
    /// # Panics
    /// If `lanes` or `window` is zero, or `signs` are random ones for another number of lanes.
    pub fn new(
        stack: Arc<Stack<T>>,
        lanes: usize,
        window: usize,
        config: KernlConfig,
        signs: Signs,
    ) -> Result<Self, EstimatorError> {
        signs.check(lanes);
        let transport = Transport::Constant(config.decay);
        let plan = Plan { transport, schedule: Schedule::Streaming, ..Plan::new(lanes, window) };
        let zeros = || vec![T::ZERO; stack.states() * lanes];
        Ok(Self {
            signs,
            decay: vec![T::from_f64(config.decay); stack.states() * lanes],
            slope: zeros(),
            noise: zeros(),
            moved: zeros(),
            kernel: Kernel::new(&stack, lanes),
            delta: zeros(),
            pulled: zeros(),
            work: stack.backward(lanes),
            traces: Influence::of_order(stack, Order::Steps(1), Scope::Layer, plan)?,
            config,
        })
    }

    fn lanes(&self) -> usize {
        self.traces.state().lanes()
    }

    /// Forgets the perturbations of one lane.
    fn calm(&mut self, lane: usize) {
        let lanes = self.lanes();
        for carried in [&mut self.slope, &mut self.noise, &mut self.moved] {
            LanesMut::new(carried, lanes).clear_lane(lane);
        }
    }
}

impl<T: Scalar> Persist for Kernl<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.traces.persist(archive)?;
        archive.part("signs", &mut self.signs)?;
        archive.slice("decay", &mut self.decay)?;
        archive.slice("slope", &mut self.slope)?;
        archive.slice("noise", &mut self.noise)?;
        archive.slice("moved", &mut self.moved)?;
        archive.slice("kernel", &mut self.kernel.matrices)
    }
}

impl<T: Scalar> GradientEstimator<T> for Kernl<T> {
    fn stack(&self) -> &Arc<Stack<T>> {
        self.traces.stack()
    }

    fn step(&mut self, weights: &[T], input: Input<'_, T>, starts: &[bool]) {
        self.traces.step(weights, input, starts);
        let lanes = self.lanes();
        let stack = self.traces.stack().clone();
        let (mut transport, trace) = self.traces.transport_mut();
        transport.values_mut().copy_from_slice(&self.decay);
        trace.cut(&mut transport);
        for carried in [&mut self.slope, &mut self.noise, &mut self.moved] {
            trace.cut(&mut LanesMut::new(carried, lanes));
        }
        let moved = Lanes::new(&self.moved, lanes);
        stack.push_forward(weights, trace, moved, &mut self.pulled, &mut self.work);
        for lane in 0..lanes {
            for at in (lane..self.moved.len()).step_by(lanes) {
                let sign = if self.signs.draw(lane) { T::ONE } else { -T::ONE };
                self.moved[at] = self.pulled[at] + sign;
                self.slope[at] = (self.noise[at] + self.decay[at] * self.slope[at]).flush();
                self.noise[at] = self.decay[at] * self.noise[at] + sign;
            }
        }
        let rate = T::from_f64(self.config.rate);
        for lane in 0..lanes {
            let arrays = [&self.moved[..], &self.noise, &self.slope];
            self.kernel.learn(rate, (lane, lanes), &mut self.decay, arrays);
        }
    }

    fn state(&self) -> Lanes<'_, T> {
        self.traces.state()
    }

    fn observe(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, gradient: &mut [T]) {
        let (lanes, stack) = (self.lanes(), self.traces.stack().clone());
        let states = states_of(&stack, lanes, loss_gradient);
        self.delta.fill(T::ZERO);
        self.delta[states.start * lanes..states.end * lanes].copy_from_slice(loss_gradient.values());
        if stack.depth() > 1 {
            stack.descend(weights, self.traces.last_trace(), &mut self.delta, &mut self.work);
        }
        self.kernel.pull(&self.delta, &mut self.pulled, lanes);
        self.traces.observe_pulled(weights, Lanes::new(&self.pulled, lanes), gradient);
    }

    fn input_gradient(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, into: &mut LanesMut<'_, T>) {
        self.traces.input_gradient(weights, loss_gradient, into);
    }

    fn finish_window(&mut self, weights: &[T], gradient: &mut [T]) {
        self.traces.finish_window(weights, gradient);
    }

    fn mark_diverged(&self, diverged: &mut [bool]) {
        self.traces.mark_diverged(diverged);
        for carried in [&self.decay, &self.slope, &self.noise, &self.moved] {
            Lanes::new(carried, self.lanes()).mark_diverged(diverged);
        }
        let matrices = self.kernel.matrices.chunks_exact(self.kernel.matrices.len() / self.lanes());
        for (diverged, matrix) in diverged.iter_mut().zip(matrices) {
            *diverged |= !matrix.iter().all(|b| b.is_finite());
        }
    }

    fn forget(&mut self, lane: usize) {
        self.traces.forget(lane);
        self.calm(lane);
        let lanes = self.lanes();
        let initial = T::from_f64(self.config.decay);
        self.decay.iter_mut().skip(lane).step_by(lanes).for_each(|decay| *decay = initial);
        self.kernel.reset(lane, lanes);
    }

    fn lane(&self, lane: usize) -> LaneState<T> {
        // E is not J.
        LaneState { influence: None, ..self.traces.lane(lane) }
    }

    fn set_lane(&mut self, lane: usize, carried: &LaneState<T>) {
        carried.check(self.stack());
        self.traces.set_lane(lane, &LaneState { state: carried.state.clone(), influence: None });
        self.calm(lane);
    }

    fn relay(&mut self, stack: Arc<Stack<T>>, origin: &[Option<u32>]) {
        self.traces.relay(stack, origin);
        self.work = self.traces.stack().backward(self.lanes());
    }

    fn cost(&self) -> Cost {
        let (cost, stack) = (self.traces.cost(), self.traces.stack());
        let Kernel { layers, matrices, x, y, z } = &self.kernel;
        let arrays = [
            &self.decay,
            &self.slope,
            &self.noise,
            &self.moved,
            &self.delta,
            &self.pulled,
            matrices,
            x,
            y,
            z,
        ];
        let scalars: usize = arrays.iter().map(|array| array.len()).sum();
        // D v, Γ and Ω; and the products with β.
        let kernel = stack.push_forward_macs() + 2 * stack.states() + self.kernel.macs();
        Cost {
            propagate: cost.propagate + kernel as f64,
            bytes: cost.bytes - size_of::<Influence<T>>()
                + size_of::<Self>()
                + self.signs.bytes()
                + self.work.bytes()
                + size_of_val(&layers[..])
                + scalars * size_of::<T>(),
            ..cost
        }
    }
}
