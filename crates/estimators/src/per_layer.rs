//! An estimator for each layer.

use std::sync::Arc;

use rtrl_cells::{Input, Stack};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::{Lanes, LanesMut, Scalar};

use crate::runner::states_of;
use crate::{Cost, EstimatorConfig, EstimatorError, GradientEstimator, LaneState};

/// An estimator for each layer of a net, as in layer-by-layer implementations: the loss gradient of a lower
/// layer at a step is what the layer above passes down at the same step. Influence that leaves a layer and
/// comes back to the loss at a later step is dropped ([`Scope::Layer`](crate::Scope::Layer)). Estimators may
/// differ: BPTT where the past is short, SnAp-2 where the layer is sparse.
#[derive(Debug)]
pub struct PerLayer<T: Scalar> {
    stack: Arc<Stack<T>>,
    lanes: usize,
    layers: Vec<Box<dyn GradientEstimator<T>>>,
    /// s_t of all layers, `[states][lanes]`.
    state: Vec<T>,
    /// ∂L_t/∂s_t of all layers, `[states][lanes]`.
    delta: Vec<T>,
    /// Memory for the gradient of L_t by the input of a layer.
    input: Vec<T>,
}

impl<T: Scalar> PerLayer<T> {
    /// Builds the estimators of `configs`, that of the lowest layer first, for `lanes` lanes and windows of at
    /// most `window` steps.
    ///
    /// # Errors
    /// If there is not one for each layer, or as [`EstimatorConfig::build`].
    pub fn new(
        stack: Arc<Stack<T>>,
        configs: &[EstimatorConfig],
        lanes: usize,
        window: usize,
    ) -> Result<Self, EstimatorError> {
        let (expected, found) = (stack.depth(), configs.len());
        if expected != found {
            return Err(EstimatorError::Layers { expected, found });
        }
        let build = |(depth, config): (usize, &EstimatorConfig)| {
            config.build(Arc::new(stack.layer(depth)), lanes, window)
        };
        let layers = configs.iter().enumerate().map(build).collect::<Result<Vec<_>, _>>()?;
        let widest = (1..expected).map(|depth| stack.layer_structure(depth).inputs.len()).max().unwrap_or(0);
        let zeros = |len: usize| vec![T::ZERO; len * lanes];
        let (state, delta, input) = (zeros(stack.states()), zeros(stack.states()), zeros(widest));
        Ok(Self { stack, lanes, layers, state, delta, input })
    }

    /// The estimator of layer `depth`.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn layer(&self, depth: usize) -> &dyn GradientEstimator<T> {
        &*self.layers[depth]
    }

    fn check_weights(&self, weights: &[T]) {
        let (found, expected) = (weights.len(), self.stack.weights_len());
        assert_eq!(found, expected, "number of weights, found (left) and expected (right)");
    }

    /// Copies the states of all layers into `state`.
    fn collect(&mut self) {
        for (depth, layer) in self.layers.iter().enumerate() {
            let states = self.stack.layer_states(depth);
            self.state[states.start * self.lanes..states.end * self.lanes]
                .copy_from_slice(layer.state().values());
        }
    }

    /// Writes the gradient of a loss by all states into `delta`.
    fn read_loss(&mut self, loss_gradient: Lanes<'_, T>) {
        let states = states_of(&self.stack, self.lanes, loss_gradient);
        self.delta.fill(T::ZERO);
        self.delta[states.start * self.lanes..states.end * self.lanes]
            .copy_from_slice(loss_gradient.values());
    }

    /// Calls `each` for the layers from the top down, with the layer's estimator, weights and δ, and pulls δ
    /// down to the layer below.
    fn descend(
        &mut self,
        weights: &[T],
        mut each: impl FnMut(usize, &mut dyn GradientEstimator<T>, &[T], Lanes<'_, T>),
    ) {
        let Self { stack, lanes, layers, delta, input, .. } = self;
        for depth in (0..layers.len()).rev() {
            let (layer, own) = (&mut *layers[depth], &weights[stack.layer_weights(depth)]);
            let states = stack.layer_states(depth);
            let (below, above) = delta.split_at_mut(states.start * *lanes);
            let loss = Lanes::new(&above[..states.len() * *lanes], *lanes);
            each(depth, layer, own, loss);
            if depth > 0 {
                let hidden = stack.layer_hidden(depth - 1);
                let input = &mut input[..hidden.len() * *lanes];
                layer.input_gradient(own, loss, &mut LanesMut::new(input, *lanes));
                let below = &mut below[hidden.start * *lanes..hidden.end * *lanes];
                below.iter_mut().zip(&*input).for_each(|(below, &passed)| *below += passed);
            }
        }
    }
}

impl<T: Scalar> Persist for PerLayer<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        for (depth, layer) in self.layers.iter_mut().enumerate() {
            archive.part(&format!("layer{depth}"), &mut **layer)?;
        }
        self.collect();
        Ok(())
    }
}

impl<T: Scalar> GradientEstimator<T> for PerLayer<T> {
    fn stack(&self) -> &Arc<Stack<T>> {
        &self.stack
    }

    fn step(&mut self, weights: &[T], input: Input<'_, T>, starts: &[bool]) {
        self.check_weights(weights);
        for depth in 0..self.layers.len() {
            let (below, layer) = self.layers.split_at_mut(depth);
            let input = below.last().map_or(input, |below| Input::Dense(below.hidden()));
            layer[0].step(&weights[self.stack.layer_weights(depth)], input, starts);
        }
        self.collect();
    }

    fn state(&self) -> Lanes<'_, T> {
        Lanes::new(&self.state, self.lanes)
    }

    fn observe(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, gradient: &mut [T]) {
        self.check_weights(weights);
        self.check_weights(gradient);
        self.read_loss(loss_gradient);
        let stack = self.stack.clone();
        self.descend(weights, |depth, layer, weights, loss| {
            layer.observe(weights, loss, &mut gradient[stack.layer_weights(depth)]);
        });
    }

    fn input_gradient(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, into: &mut LanesMut<'_, T>) {
        self.check_weights(weights);
        self.read_loss(loss_gradient);
        self.descend(weights, |depth, layer, weights, loss| {
            if depth == 0 {
                layer.input_gradient(weights, loss, into);
            }
        });
    }

    fn finish_window(&mut self, weights: &[T], gradient: &mut [T]) {
        self.check_weights(weights);
        self.check_weights(gradient);
        for (depth, layer) in self.layers.iter_mut().enumerate() {
            let own = self.stack.layer_weights(depth);
            layer.finish_window(&weights[own.clone()], &mut gradient[own]);
        }
    }

    fn mark_diverged(&self, diverged: &mut [bool]) {
        self.layers.iter().for_each(|layer| layer.mark_diverged(diverged));
    }

    fn forget(&mut self, lane: usize) {
        self.layers.iter_mut().for_each(|layer| layer.forget(lane));
        self.collect();
    }

    fn lane(&self, lane: usize) -> LaneState<T> {
        let mut all = LaneState { state: Vec::with_capacity(self.stack.states()), influence: None };
        for (depth, layer) in self.layers.iter().enumerate() {
            let (states, weights) =
                (self.stack.layer_states(depth).start, self.stack.layer_weights(depth).start);
            let own = layer.lane(lane);
            all.state.extend(own.state);
            if let Some(entries) = own.influence {
                let placed =
                    entries.into_iter().map(|(s, w, value)| (s + states as u32, w + weights as u32, value));
                all.influence.get_or_insert_default().extend(placed);
            }
        }
        all
    }

    fn set_lane(&mut self, lane: usize, carried: &LaneState<T>) {
        carried.check(&self.stack);
        for (depth, layer) in self.layers.iter_mut().enumerate() {
            let (states, weights) = (self.stack.layer_states(depth), self.stack.layer_weights(depth));
            let own = |&(s, w, value): &(u32, u32, T)| {
                let inside = states.contains(&(s as usize)) && weights.contains(&(w as usize));
                inside.then(|| (s - states.start as u32, w - weights.start as u32, value))
            };
            let influence = carried.influence.as_ref().map(|all| all.iter().filter_map(own).collect());
            layer.set_lane(lane, &LaneState { state: carried.state[states.clone()].to_vec(), influence });
        }
        self.collect();
    }

    fn relay(&mut self, stack: Arc<Stack<T>>, origin: &[Option<u32>]) {
        let (found, expected) = (stack.depth(), self.layers.len());
        assert_eq!(found, expected, "layers of the net, found (left) and expected (right)");
        let (found, expected) = (origin.len(), stack.weights_len());
        assert_eq!(found, expected, "origins (left) and weights (right) of the new net");
        for (depth, layer) in self.layers.iter_mut().enumerate() {
            let old = self.stack.layer_weights(depth);
            let own = |w: &Option<u32>| {
                w.map(|w| {
                    assert!(
                        old.contains(&(w as usize)),
                        "the origin {w} is no weight of layer {depth}, {old:?}"
                    );
                    w - old.start as u32
                })
            };
            let origin: Vec<_> = origin[stack.layer_weights(depth)].iter().map(own).collect();
            layer.relay(Arc::new(stack.layer(depth)), &origin);
        }
        self.stack = stack;
    }

    fn cost(&self) -> Cost {
        let arrays = self.state.len() + self.delta.len() + self.input.len();
        let own = size_of::<Self>() + size_of_val(&self.layers[..]) + arrays * size_of::<T>();
        let mut all = Cost { bytes: own, ..Cost::default() };
        for (depth, layer) in self.layers.iter().enumerate() {
            let cost = layer.cost();
            all.forward += cost.forward;
            all.linearize += cost.linearize;
            all.propagate += cost.propagate;
            all.gradient += cost.gradient;
            all.bytes += cost.bytes;
            if depth > 0 {
                let layer = layer.stack();
                all.propagate += (layer.descend_macs() + layer.input_gradient_macs()) as f64;
            }
        }
        all
    }
}
