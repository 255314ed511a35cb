//! A net that runs and does not learn.

use std::sync::Arc;

use rtrl_sparse::{Lanes, LanesMut, Scalar};

use crate::{Input, Rollout, Stack, Trace};

/// A net for inference alone: weights, the state of each lane, and one call for a time step. Nothing is allocated
/// after construction. A clone has a state of its own from then on, and shares the weights in memory.
///
/// ```
/// use rtrl_cells::{CellConfig, Inference, Input, Inputs, Size, Stack, init};
/// use rtrl_cells::rand_xoshiro::{Xoshiro256PlusPlus, rand_core::SeedableRng};
/// use rtrl_cells::rtrl_sparse::Lanes;
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
/// let gru = CellConfig::Gru(Size::dense(8)).build(Inputs::Dense(1), &mut rng)?;
/// let net = Stack::<f32>::new(vec![gru])?;
/// let weights = init::uniform(&net, &mut rng);
/// let mut net = Inference::new(net, weights, 2);
/// let hidden = net.step(Input::Dense(Lanes::new(&[0.5, -1.0], 2)), &[true, true]);
/// assert_eq!((hidden.len(), hidden.lanes()), (8, 2));
/// # Ok::<(), rtrl_cells::CellError>(())
/// ```
//
// A step computes G and the leak, which inference does not need: 3.5 % of the time of a GRU-128's step in one lane, 16 %
// of a GRU-32's (AMD EPYC, AVX-512). To leave them out, every cell would need a second forward loop.
#[derive(Clone)]
pub struct Inference<T> {
    stack: Arc<Stack<T>>,
    weights: Arc<Vec<T>>,
    rollout: Rollout<T>,
    trace: Trace<T>,
}

impl<T: Scalar> Inference<T> {
    /// The net `stack` with these weights, in the order of [`Stack::linear`], and a state of zero in each lane.
    ///
    /// # Panics
    /// If the number of weights is not that of the net, or `lanes` is 0.
    pub fn new(stack: impl Into<Arc<Stack<T>>>, weights: Vec<T>, lanes: usize) -> Self {
        let stack = stack.into();
        assert_eq!(weights.len(), stack.weights_len(), "weights (left) and those of the net (right)");
        Self { rollout: stack.rollout(lanes), trace: stack.trace(lanes), stack, weights: Arc::new(weights) }
    }

    /// Makes a time step: every lane reads an input. Lanes with `starts[b]` first forget their state. Returns the
    /// hidden states of the top layer, `[hidden][lanes]`.
    ///
    /// # Panics
    /// If lanes, sizes or the kind of input do not fit, or a symbol is out of range.
    pub fn step(&mut self, input: Input<'_, T>, starts: &[bool]) -> Lanes<'_, T> {
        self.stack.forward(&self.weights, input, starts, &mut self.rollout, &mut self.trace);
        self.hidden()
    }

    /// The hidden states of the top layer, `[hidden][lanes]`.
    pub fn hidden(&self) -> Lanes<'_, T> {
        self.rollout.state().slice(self.stack.hidden())
    }

    /// The whole state, `[states][lanes]`.
    pub fn state(&self) -> Lanes<'_, T> {
        self.rollout.state()
    }

    /// The whole state, `[states][lanes]`, to be set.
    pub fn state_mut(&mut self) -> LanesMut<'_, T> {
        self.rollout.state_mut()
    }

    /// The net.
    pub fn stack(&self) -> &Arc<Stack<T>> {
        &self.stack
    }

    /// The weights, to be set. They are copied first if a clone shares them.
    pub fn weights_mut(&mut self) -> &mut [T] {
        Arc::make_mut(&mut self.weights).as_mut_slice()
    }
}
