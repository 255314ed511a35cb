//! A step of one cell by itself, for tests of the cell.

use rtrl_sparse::{Lanes, Scalar};

use crate::{Cell, CellError, Input, Rollout, Stack, Structure, Trace};

/// One step of one cell with everything that it reads and writes: for unit tests of a cell of one's own, number by number.
///
/// ```
/// use rtrl_cells::rtrl_sparse::Lanes;
/// use rtrl_cells::{Input, Inputs, Masks, OneStep, Tanh, Vanilla};
/// let cell = Vanilla::new(Inputs::Dense(1), 2, &Masks::dense(1, 1, 2), Tanh)?;
/// let mut step = OneStep::<f64>::new(cell, 1)?;
/// *step.weight_mut(0, 0) = 0.5; // unit 0 reads the input
/// *step.weight_mut(1, 2) = 0.25; // unit 1 reads unit 0: sources are the input, the constant 1, the units
/// step.forward(&[1.0, 0.0], Input::Dense(Lanes::new(&[2.0], 1)));
/// assert_eq!(step.next().values(), [1.0_f64.tanh(), 0.25_f64.tanh()]);
/// assert_eq!(step.jacobian(0, 0), [1.0 - 1.0_f64.tanh().powi(2)]);
/// # Ok::<(), rtrl_cells::CellError>(())
/// ```
#[derive(Debug, Clone)]
pub struct OneStep<T: Scalar> {
    stack: Stack<T>,
    /// The weights, in the order of the structure's `weights`; zero at first.
    pub weights: Vec<T>,
    rollout: Rollout<T>,
    trace: Trace<T>,
}

impl<T: Scalar> OneStep<T> {
    /// Memory for a step of `cell` in `lanes` lanes.
    ///
    /// # Errors
    /// If the structure of the cell is inconsistent.
    ///
    /// # Panics
    /// If `lanes` is zero.
    pub fn new(cell: impl Cell<T> + 'static, lanes: usize) -> Result<Self, CellError> {
        let stack = Stack::new(vec![Box::new(cell)])?;
        let weights = vec![T::ZERO; stack.weights_len()];
        Ok(Self { rollout: stack.rollout(lanes), trace: stack.trace(lanes), stack, weights })
    }

    fn structure(&self) -> &Structure {
        self.stack.layer_structure(0)
    }

    /// The weight of `row` for `source`, to be changed.
    ///
    /// # Panics
    /// If there is no such weight.
    #[track_caller]
    pub fn weight_mut(&mut self, row: usize, source: usize) -> &mut T {
        let weight = self.stack.weight(0, row, source);
        &mut self.weights[weight.unwrap_or_else(|| panic!("row {row} does not read source {source}"))]
    }

    /// Makes the step from `previous`, `[states][lanes]`: calls [`Cell::forward`] once.
    ///
    /// # Panics
    /// If sizes do not fit, or the kind of input is not the one the cell was built for.
    pub fn forward(&mut self, previous: &[T], input: Input<'_, T>) {
        let lanes = self.next().lanes();
        self.stack.check_states(previous.len(), lanes);
        self.rollout.state_mut().values_mut().copy_from_slice(previous);
        self.stack.forward(&self.weights, input, &vec![false; lanes], &mut self.rollout, &mut self.trace);
    }

    /// s_t, `[states][lanes]`.
    pub fn next(&self) -> Lanes<'_, T> {
        self.rollout.state()
    }

    /// `ds_t[state] / dz_t[row]` in all lanes.
    ///
    /// # Panics
    /// If the structure's `row_jacobian` has no such entry.
    #[track_caller]
    pub fn jacobian(&self, row: usize, state: usize) -> &[T] {
        let entry = self.structure().row_jacobian.find(row, state as u32);
        self.trace
            .row_jacobian()
            .at(entry.unwrap_or_else(|| panic!("row {row} does not reach state {state}")))
    }

    /// `∂φ[state] / ∂s_{t-1}[from]` in all lanes.
    ///
    /// # Panics
    /// If the structure's `direct` has no such entry.
    #[track_caller]
    pub fn leak(&self, state: usize, from: usize) -> &[T] {
        let entry = self.structure().direct.find(state, from as u32);
        self.trace
            .direct()
            .at(entry.unwrap_or_else(|| panic!("state {from} does not leak into state {state}")))
    }

    /// The factors of the scaled sources, in the order of the sources, `[scaled sources][lanes]`.
    pub fn scales(&self) -> Lanes<'_, T> {
        self.trace.scales()
    }
}
