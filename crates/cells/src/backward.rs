//! Steps of a stack backwards, products with D, and gradients.

use rtrl_sparse::{Lanes, LanesMut, Scalar, Sources};

use crate::layer::Layer;
use crate::spread::Map;
use crate::{Backward, Inputs, Spread, Stack, Trace};

impl<T: Scalar> Stack<T> {
    /// Pulls `adjoint` = ∂L_t/∂s_t, `[states][lanes]`, down through the layers at the same step, top to bottom,
    /// in place. Afterwards the entries of a lower layer include their effect on the loss through the layers
    /// above, and `backward.rows` holds `∂L_t/∂z_t` of every row.
    ///
    /// # Panics
    /// If sizes do not fit.
    pub fn descend(&self, weights: &[T], trace: &Trace<T>, adjoint: &mut [T], backward: &mut Backward<T>) {
        self.check_weights(weights);
        self.descend_by(self.map(weights, None), trace, adjoint, backward);
    }

    fn descend_by(&self, map: Map<'_, T>, trace: &Trace<T>, adjoint: &mut [T], backward: &mut Backward<T>) {
        let lanes = trace.lanes;
        self.check_trace(trace, lanes);
        self.check_states(adjoint.len(), lanes);
        self.check_backward(backward, lanes);
        backward.sources.fill(T::ZERO);
        for depth in (0..self.layers.len()).rev() {
            self.layers[depth].rows_from(&self.own_jacobian, trace, adjoint, &mut backward.rows);
            if depth > 0 {
                let layer = self.through_weights(depth, map, backward);
                let below = self.layers[depth - 1].hidden.clone();
                let below = &mut adjoint[below.start * lanes..below.end * lanes];
                let inputs = &backward.sources[layer.input.start * lanes..layer.input.end * lanes];
                below.iter_mut().zip(inputs).for_each(|(a, &u)| *a += u);
            }
        }
    }

    /// `ũ += Wᵀ rows` for those sources of one layer whose adjoint is needed.
    fn through_weights(&self, depth: usize, map: Map<'_, T>, backward: &mut Backward<T>) -> &Layer<T> {
        let layer = &self.layers[depth];
        let rows = Lanes::new(&backward.rows, backward.lanes);
        let mut sources = LanesMut::new(&mut backward.sources, backward.lanes);
        map.linear.multiply_transposed(
            map.weights,
            layer.rows.clone(),
            rows,
            &mut sources,
            layer.wanted(depth),
        );
        layer
    }

    /// `D_t v`: how a change `v` of s_{t-1} changes s_t. Overwrites `out`, `[states][lanes]`. Lanes that began a sequence
    /// with this step receive zero.
    ///
    /// # Panics
    /// If sizes do not fit.
    pub fn push_forward(
        &self,
        weights: &[T],
        trace: &Trace<T>,
        v: Lanes<'_, T>,
        out: &mut [T],
        work: &mut Backward<T>,
    ) {
        self.check_weights(weights);
        self.check_trace(trace, trace.lanes);
        assert_eq!(v.lanes(), trace.lanes, "lanes of the vector (left) and of the trace (right)");
        self.check_states(v.values().len(), trace.lanes);
        self.check_states(out.len(), trace.lanes);
        self.check_backward(work, trace.lanes);
        work.sources.fill(T::ZERO);
        for layer in &self.layers {
            layer.push_sources(trace, v, out, &mut work.sources);
            let sources = Sources { symbols: &[], dense: Lanes::new(&work.sources, trace.lanes) };
            let mut rows = LanesMut::new(&mut work.rows, trace.lanes);
            self.linear.multiply(weights, layer.rows.clone(), sources, &mut rows, 0);
            layer.push_states(&self.own_jacobian, &self.own_direct, trace, v, &work.rows, out);
        }
        trace.cut(&mut LanesMut::new(out, trace.lanes));
    }

    /// Makes one step backwards, in place: `adjoint`, `[states][lanes]`, changes from a_t to
    /// `a_{t-1} = D_tᵀ a_t`, and `backward.rows` becomes `G_tᵀ a_t`. In lanes that began a sequence with this
    /// step, a_{t-1} is zero.
    ///
    /// # Panics
    /// If sizes do not fit.
    pub fn pull_back(&self, weights: &[T], trace: &Trace<T>, adjoint: &mut [T], backward: &mut Backward<T>) {
        self.pull_back_spread(weights, None, trace, adjoint, backward);
    }

    /// [`pull_back`](Self::pull_back), with the products of `spread`, if it is given, which must hold the same weights.
    ///
    /// # Panics
    /// As `pull_back` does.
    pub fn pull_back_spread(
        &self,
        weights: &[T],
        spread: Option<&Spread<T>>,
        trace: &Trace<T>,
        adjoint: &mut [T],
        backward: &mut Backward<T>,
    ) {
        self.check_weights(weights);
        let map = self.map(weights, spread);
        self.descend_by(map, trace, adjoint, backward);
        self.through_weights(0, map, backward);
        let lanes = backward.lanes;
        backward.previous.fill(T::ZERO);
        for layer in &self.layers {
            layer.leave(&self.own_direct, trace, adjoint, backward);
        }
        adjoint.copy_from_slice(&backward.previous);
        trace.cut(&mut LanesMut::new(adjoint, lanes));
    }

    /// `gradient += rows ⊗ u` for all rows, summed over lanes, with `backward.rows` as
    /// [`descend`](Self::descend) or [`pull_back`](Self::pull_back) has left it, and the sources u of `trace`.
    ///
    /// # Panics
    /// If sizes do not fit.
    pub fn accumulate_outer(&self, backward: &Backward<T>, trace: &Trace<T>, gradient: &mut [T]) {
        self.check_trace(trace, backward.lanes);
        self.check_backward(backward, trace.lanes);
        let (found, expected) = (gradient.len(), self.weights_len());
        assert_eq!(found, expected, "size of the gradient, found (left) and expected (right)");
        let rows = Lanes::new(&backward.rows, backward.lanes);
        self.linear.accumulate_outer_rows(0..rows.len(), rows, trace.sources(), gradient);
    }

    /// Overwrites `into` with `∂L_t/∂x_t`, `[inputs][lanes]`, from `backward.rows` as
    /// [`descend`](Self::descend) or [`pull_back`](Self::pull_back) has left it. Backpropagation into an
    /// encoder below the net goes on from there.
    ///
    /// # Panics
    /// If sizes do not fit, or the net reads symbols.
    pub fn input_gradient(&self, weights: &[T], backward: &mut Backward<T>, into: &mut LanesMut<'_, T>) {
        let Inputs::Dense(inputs) = self.inputs() else {
            panic!("this net reads {:?}, by which there is no gradient", self.inputs());
        };
        let lanes = backward.lanes;
        self.check_weights(weights);
        self.check_backward(backward, lanes);
        let (found, expected) = ((into.len(), into.lanes()), (inputs, lanes));
        assert_eq!(found, expected, "inputs and lanes of the gradient, found (left) and expected (right)");
        let rows = Lanes::new(&backward.rows, lanes);
        backward.sources.fill(T::ZERO);
        let mut sources = LanesMut::new(&mut backward.sources, lanes);
        self.linear.multiply_transposed(weights, self.layers[0].rows.clone(), rows, &mut sources, 0);
        into.values_mut().copy_from_slice(sources.range_mut(self.layers[0].input.clone()));
    }
}
