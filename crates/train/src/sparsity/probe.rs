//! The gradient of weights that do not exist.

use std::sync::Arc;

use rtrl_cells::{Backward, Input, Masks, Rollout, Stack, Trace};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::Lanes;

use super::matrix::{Matrix, Place};
use crate::model::build;
use crate::{Model, TrainError};

/// Backpropagates each window, beside the estimator, to the gradients of the preactivations. Their outer product
/// with the sources is the gradient of every weight, also of those that do not exist.
pub(super) struct Probe {
    dense: Arc<Stack<f32>>,
    rollout: Rollout<f32>,
    traces: Vec<Trace<f32>>,
    deltas: Vec<Vec<f32>>,
    backward: Backward<f32>,
    adjoint: Vec<f32>,
    steps: usize,
    /// Gradient of the weights of `dense`, over the last window.
    gradient: Vec<f32>,
}

impl Probe {
    pub fn new(model: &Model, lanes: usize, window: usize) -> Result<Self, TrainError> {
        let full = |(masks, config): (&Masks, &rtrl_cells::CellConfig)| {
            let mut masks = masks.clone();
            if config.is_masked() {
                let first = &masks.gates[0];
                masks = Masks::dense(masks.gates.len(), first.input.cols(), first.input.rows());
            }
            masks
        };
        let masks: Vec<_> = model.masks().iter().zip(&model.net().layers).map(full).collect();
        let dense = build(model.net(), model.signals().0, &masks).map_err(|(_, error)| error)?;
        Ok(Self {
            rollout: dense.rollout(lanes),
            traces: vec![model.stack().trace(lanes); window],
            deltas: vec![vec![0.0; dense.hidden().len() * lanes]; window],
            backward: dense.backward(lanes),
            adjoint: vec![0.0; dense.states() * lanes],
            steps: 0,
            gradient: vec![0.0; dense.weights_len()],
            dense,
        })
    }

    pub fn step(&mut self, model: &Model, input: Input<'_, f32>, starts: &[bool], delta: Lanes<'_, f32>) {
        let trace = &mut self.traces[self.steps];
        model.stack().forward(model.weights(), input, starts, &mut self.rollout, trace);
        self.deltas[self.steps].copy_from_slice(delta.values());
        self.steps += 1;
    }

    pub fn finish_window(&mut self, model: &Model) {
        let (stack, hidden) = (model.stack(), model.stack().hidden());
        let lanes = self.rollout.state().lanes();
        self.gradient.fill(0.0);
        self.adjoint.fill(0.0);
        for (trace, delta) in self.traces[..self.steps].iter().zip(&self.deltas).rev() {
            let own = &mut self.adjoint[hidden.start * lanes..hidden.end * lanes];
            own.iter_mut().zip(delta).for_each(|(a, &d)| *a += d);
            stack.pull_back(model.weights(), trace, &mut self.adjoint, &mut self.backward);
            self.dense.accumulate_outer(&self.backward, trace, &mut self.gradient);
        }
        self.steps = 0;
    }

    /// Adapts the traces to new masks.
    pub fn relay(&mut self, model: &Model) {
        self.traces.fill(model.stack().trace(self.rollout.state().lanes()));
    }

    pub fn forget(&mut self, lane: usize) {
        self.rollout.clear_lane(lane);
        self.steps = 0;
    }

    /// The gradient of an entry, whether its weight exists or not.
    pub fn gradient(&self, matrix: &Matrix, place: &Place) -> f32 {
        self.gradient[matrix.weight(&self.dense, place.unit, place.column as usize, matrix.columns)]
    }
}

impl Persist for Probe {
    /// The gradient is not saved: it is used only at the end of its window, and checkpoints are made between
    /// windows.
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.part("rollout", &mut self.rollout)
    }
}

#[cfg(test)]
mod tests {
    use rtrl_estimators::{BpttConfig, EstimatorConfig};
    use rtrl_tasks::Signal;

    use super::*;
    use crate::RunConfig;
    use crate::sparsity::{Matrices, matrix};

    /// Compares with BPTT of a dense net whose additional weights are zero: it yields the gradient of every weight.
    #[test]
    fn the_gradient_of_missing_weights_is_that_of_a_dense_net_with_zeros() {
        let text = r#"
            task = { kind = "copy" }
            layers = [{ kind = "gru", units = 5, sparsity = 0.5 }, { kind = "lstm", units = 4, sparsity = 0.4 }]
            estimator = { kind = "snap", order = 1 }
            optimizer = { kind = "sgd", learning_rate = 0.01 }
            training = { lanes = 2, window = 6, steps = 100, seed = 1 }
        "#;
        let config = RunConfig::from_toml(text, "test").unwrap();
        let model = Model::new(&config, Signal::Symbols(4), Signal::Symbols(4)).unwrap();
        let mut probe = Probe::new(&model, 2, 6).unwrap();
        let (sparse, dense) = (model.stack().linear().pattern(), probe.dense.linear().pattern());
        let weight = |(r, c): (usize, u32)| sparse.find(r, c).map_or(0.0, |w| model.weights()[w]);
        let weights: Vec<f32> = dense.iter().map(weight).collect();
        let mut bptt = EstimatorConfig::Bptt(BpttConfig {}).build(probe.dense.clone(), 2, 6).unwrap();
        let mut expected = vec![0.0; weights.len()];
        let delta: Vec<f32> = (0..8).map(|i| (i as f32).cos()).collect();
        for t in 0..6_u32 {
            let (symbols, starts) = ([t % 4, (t + 1) % 4], [t == 0, t % 4 == 0]);
            probe.step(&model, Input::Symbols(&symbols), &starts, Lanes::new(&delta, 2));
            bptt.step(&weights, Input::Symbols(&symbols), &starts);
            bptt.observe(&weights, Lanes::new(&delta, 2), &mut expected);
        }
        probe.finish_window(&model);
        bptt.finish_window(&weights, &mut expected);
        let largest = expected.iter().fold(0.0_f32, |m, g| m.max(g.abs()));
        assert!(largest > 0.1, "not silent");
        for (found, expected) in probe.gradient.iter().zip(&expected) {
            // Sums of a few dozen terms in `f32`.
            assert!((found - expected).abs() < 1e-5 * largest, "{found} and {expected}");
        }
        let mut missing = 0;
        for matrix in matrix::of(&model, Matrices::All) {
            for place in matrix.places(&model) {
                missing += usize::from(place.weight.is_none() && probe.gradient(&matrix, &place) != 0.0);
            }
        }
        assert!(missing > 50, "{missing} missing weights have a gradient");
    }
}
