//! The products with G that signs at the preactivations need.

use rtrl_cells::{Linearizer, Stack, Trace};
use rtrl_sparse::{Lanes, LanesMut, Pattern, Scalar};

/// G of all layers, with their coupling, for signs at the rows.
#[derive(Debug)]
pub(super) struct ByRow<T> {
    pub linearizer: Linearizer<T>,
    jacobian: Vec<T>,
}

impl<T: Scalar> ByRow<T> {
    pub fn new(stack: &Stack<T>, lanes: usize) -> Self {
        let states = stack.states();
        let linearizer = Linearizer::new(stack, &Pattern::empty(states, states), stack.row_jacobian(), lanes);
        let entries = linearizer.row_jacobian().pattern().nnz();
        Self { jacobian: vec![T::ZERO; entries * lanes], linearizer }
    }

    /// `out ← G rows`, `[states][lanes]`.
    pub fn push(&mut self, weights: &[T], trace: &Trace<T>, rows: Lanes<'_, T>, out: &mut [T]) {
        let lanes = rows.lanes();
        let (none, values) = (LanesMut::new(&mut [], lanes), LanesMut::new(&mut self.jacobian, lanes));
        self.linearizer.run(weights, trace, none, values);
        out.fill(T::ZERO);
        let (g, mut out) = (Lanes::new(&self.jacobian, lanes), LanesMut::new(out, lanes));
        let jacobian = self.linearizer.row_jacobian();
        for (entry, (row, state)) in jacobian.pattern().iter().enumerate() {
            let (g, row) = (g.at(jacobian.place(entry) as usize), rows.at(row));
            let out = out.at_mut(state as usize).iter_mut();
            out.zip(g.iter().zip(row)).for_each(|(out, (&g, &row))| *out += g * row);
        }
    }

    /// Entries of G, each of which [`push`](Self::push) multiplies once.
    pub fn entries(&self) -> usize {
        self.linearizer.row_jacobian().pattern().nnz()
    }

    pub fn bytes(&self) -> usize {
        self.linearizer.bytes() + self.jacobian.len() * size_of::<T>()
    }
}
