//! Synthetic gradients.

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::{Input, Stack};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::dense::{Matrix, dot, multiply};
use rtrl_sparse::{Lanes, LanesMut, Scalar};
use serde::{Deserialize, Serialize};

use crate::bptt::Bptt;
use crate::{BuildEstimator, Cost, EstimatorError, GradientEstimator, LaneState, Runner};

/// Settings of [`Dni`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DniConfig {
    /// η: the share of its error by which the synthesizer learns from a window, in 0..=1. With 0 it predicts
    /// nothing, and the estimator is [`Bptt`].
    pub rate: f64,
}

impl Default for DniConfig {
    /// η = 0.01: an average over some hundred windows.
    fn default() -> Self {
        Self { rate: 0.01 }
    }
}

/// DNI, a decoupled neural interface: backpropagation over the window, from a *synthetic gradient* at its end. The
/// synthetic gradient is a linear prediction of how the state at the window's end changes all later losses, and
/// the prediction learns from its own successor, as in temporal differences:
///
/// ```text
/// a_T = δ_T + A [s_T; 1]                         a_τ = δ_τ + D_{τ+1}ᵀ a_{τ+1}
/// e = D_1ᵀ a_1 - A [s_0; 1]                      A ← A + η e [s_0; 1]ᵀ / |[s_0; 1]|²
/// ```
///
/// With a window of 1 no trace is kept beyond its step. Biased: as far as the later losses are no linear function of
/// the state, and as long as A has not been learned. If a lane begins a sequence, nothing of its past counts, so that
/// A learns to predict zero where sequences end.
///
/// A window without any loss has a gradient too. The training loop keeps it for the next update.
///
/// Each lane has its own A, so that its gradient does not depend on the other lanes. A survives the beginning of
/// a sequence: it describes the net and not a sequence. It is zero at first, and after a lane was
/// [forgotten](GradientEstimator::forget). A window with NaN or infinity teaches it nothing.
///
/// # Shapes
/// A of S × (S + 1) for each lane, with all S states of the stack.
///
/// # Reference
/// Jaderberg et al., "Decoupled neural interfaces using synthetic gradients", arXiv:1608.05343, section 3.1; the
/// linear, fully online form is that of Marschall, Cho & Savin, "A unified framework of online learning algorithms for
/// training recurrent neural networks", JMLR 21 (2020). There the label of the present step is a further input of
/// A, which here needs none since δ_T is exact; and the step of A is not divided by the norm of its input.
#[derive(Debug)]
pub struct Dni<T: Scalar> {
    bptt: Bptt<T>,
    rate: T,
    synthesizer: Synthesizer<T>,
    /// `[s_0; 1]` of the window, one lane after the other.
    first: Vec<T>,
}

/// A of every lane, and memory for its products.
#[derive(Debug)]
struct Synthesizer<T> {
    states: usize,
    /// One lane after the other, states × (states + 1), row-major.
    matrix: Vec<T>,
    /// A vector `[s; 1]`, and a gradient.
    source: Vec<T>,
    out: Vec<T>,
}

impl<T: Scalar> Synthesizer<T> {
    fn new(states: usize, lanes: usize) -> Self {
        let matrix = vec![T::ZERO; states * (states + 1) * lanes];
        Self { states, matrix, source: vec![T::ONE; states + 1], out: vec![T::ZERO; states] }
    }

    fn matrix(&mut self, lane: usize) -> &mut [T] {
        let len = self.states * (self.states + 1);
        &mut self.matrix[lane * len..(lane + 1) * len]
    }

    /// `out ← A source` of one lane.
    fn predict(&mut self, lane: usize) {
        let Self { states, matrix, source, out } = self;
        let len = *states * (*states + 1);
        let matrix = Matrix::new(&matrix[lane * len..(lane + 1) * len], *states, *states + 1);
        multiply(out, T::ZERO, matrix, Matrix::new(source, *states + 1, 1));
    }

    /// Moves the prediction of one lane from `source` towards `target`, by the share `rate` of the error.
    fn learn(&mut self, lane: usize, rate: T, target: impl Iterator<Item = T>) {
        self.predict(lane);
        self.out.iter_mut().zip(target).for_each(|(out, target)| *out = target - *out);
        if !self.out.iter().all(|e| e.is_finite()) {
            return;
        }
        // The norm is at least 1.
        let scale = rate / dot(&self.source, &self.source);
        self.out.iter_mut().for_each(|e| *e *= scale);
        let Self { states, matrix, source, out } = self;
        let len = *states * (*states + 1);
        let matrix = &mut matrix[lane * len..(lane + 1) * len];
        multiply(matrix, T::ONE, Matrix::new(out, *states, 1), Matrix::new(source, 1, *states + 1));
    }

    /// Multiply-adds of a window, for one lane: two predictions and an outer product, the norm, and the scaled error.
    fn macs(&self) -> usize {
        3 * self.states * (self.states + 1) + (self.states + 1) + self.states
    }
}

impl BuildEstimator for DniConfig {
    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        if !(0.0..=1.0).contains(&self.rate) {
            let found = self.rate.to_string();
            return Err(EstimatorError::Range { what: "rate", from: 0.0, to: 1.0, found });
        }
        Ok(Box::new(Dni::new(stack, lanes.len(), window, self.rate)))
    }
}

impl<T: Scalar> Dni<T> {
    /// An estimator for `lanes` lanes and windows of at most `window` steps, whose synthesizer learns at this
    /// rate.
    ///
    /// # Panics
    /// If `lanes` or `window` is zero.
    pub fn new(stack: Arc<Stack<T>>, lanes: usize, window: usize, rate: f64) -> Self {
        let states = stack.states();
        Self {
            bptt: Bptt::new(stack, lanes, window),
            rate: T::from_f64(rate),
            synthesizer: Synthesizer::new(states, lanes),
            first: vec![T::ONE; (states + 1) * lanes],
        }
    }

    fn runner(&self) -> &Runner<T> {
        &self.bptt.runner
    }
}

impl<T: Scalar> Persist for Dni<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.bptt.persist(archive)?;
        archive.slice("synthesizer", &mut self.synthesizer.matrix)
    }
}

impl<T: Scalar> GradientEstimator<T> for Dni<T> {
    fn stack(&self) -> &Arc<Stack<T>> {
        self.bptt.stack()
    }

    fn step(&mut self, weights: &[T], input: Input<'_, T>, starts: &[bool]) {
        if self.runner().made() == 0 {
            let lanes = self.bptt.runner.lanes;
            let state = self.bptt.runner.state().values();
            for (lane, first) in self.first.chunks_exact_mut(self.synthesizer.states + 1).enumerate() {
                first.iter_mut().zip(state.iter().skip(lane).step_by(lanes)).for_each(|(u, &s)| *u = s);
            }
        }
        self.bptt.step(weights, input, starts);
    }

    fn state(&self) -> Lanes<'_, T> {
        self.bptt.state()
    }

    fn observe(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, gradient: &mut [T]) {
        self.bptt.observe(weights, loss_gradient, gradient);
    }

    fn input_gradient(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, into: &mut LanesMut<'_, T>) {
        self.bptt.input_gradient(weights, loss_gradient, into);
    }

    fn finish_window(&mut self, weights: &[T], gradient: &mut [T]) {
        let Self { bptt, rate, synthesizer, first } = self;
        let (states, lanes, made) = (synthesizer.states, bptt.runner.lanes, bptt.runner.made());
        let adjoint = bptt.finish_from(weights, gradient, |state, adjoint| {
            for lane in 0..lanes {
                let state = state.values().iter().skip(lane).step_by(lanes);
                synthesizer.source.iter_mut().zip(state).for_each(|(u, &s)| *u = s);
                synthesizer.predict(lane);
                let adjoint = adjoint.iter_mut().skip(lane).step_by(lanes);
                adjoint.zip(&synthesizer.out).for_each(|(a, &predicted)| *a = predicted);
            }
        });
        if made == 0 {
            return;
        }
        for (lane, first) in first.chunks_exact(states + 1).enumerate() {
            synthesizer.source.copy_from_slice(first);
            synthesizer.learn(lane, *rate, adjoint.values().iter().skip(lane).step_by(lanes).copied());
        }
    }

    fn mark_diverged(&self, diverged: &mut [bool]) {
        self.bptt.mark_diverged(diverged);
        let matrices =
            self.synthesizer.matrix.chunks_exact(self.synthesizer.states * (self.synthesizer.states + 1));
        for (diverged, matrix) in diverged.iter_mut().zip(matrices) {
            *diverged |= !matrix.iter().all(|a| a.is_finite());
        }
    }

    fn forget(&mut self, lane: usize) {
        self.bptt.forget(lane);
        self.synthesizer.matrix(lane).fill(T::ZERO);
    }

    fn lane(&self, lane: usize) -> LaneState<T> {
        self.bptt.lane(lane)
    }

    fn set_lane(&mut self, lane: usize, carried: &LaneState<T>) {
        self.bptt.set_lane(lane, carried);
    }

    fn relay(&mut self, stack: Arc<Stack<T>>, origin: &[Option<u32>]) {
        self.bptt.relay(stack, origin);
    }

    fn cost(&self) -> Cost {
        let cost = self.bptt.cost();
        let arrays = [&self.synthesizer.matrix, &self.synthesizer.source, &self.synthesizer.out, &self.first];
        let scalars: usize = arrays.iter().map(|array| array.len()).sum();
        Cost {
            propagate: cost.propagate + self.synthesizer.macs() as f64 / self.runner().window as f64,
            bytes: cost.bytes + size_of::<Self>() - size_of::<Bptt<T>>() + scalars * size_of::<T>(),
            ..cost
        }
    }
}
