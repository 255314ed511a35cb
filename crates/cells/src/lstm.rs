//! Long short-term memory without peepholes.

use rtrl_sparse::{Pattern, Scalar, math};

use crate::{
    Cell, CellError, CellKind, CellStep, GateRows, Inputs, Masks, PyTorch, Role, Size, Structure, Wiring,
};

/// The LSTM with forget gate and without peepholes, state `[h; c]`:
///
/// ```text
/// i = σ(W_i x + U_i h + b_i)      f = σ(W_f x + U_f h + b_f)
/// g = tanh(W_g x + U_g h + b_g)   o = σ(W_o x + U_o h + b_o)
/// c' = f ∘ c + i ∘ g              h' = o ∘ tanh(c')
/// ```
///
/// # Shapes
/// Masks for the gates i, f, g, o; 4 k rows in the same order, where k = `units`; state of 2 k, h first. A row
/// of i, f or g reaches both h and c of its unit; a row of o reaches h alone.
///
/// # Reference
/// Hochreiter & Schmidhuber, Neural Computation 9 (1997); Gers et al. (2000) for f; gate order of PyTorch's
/// `LSTM`, with one bias in place of its two.
#[derive(Debug, Clone)]
pub struct Lstm {
    structure: Structure,
}

impl Lstm {
    /// A cell of `units` units.
    ///
    /// # Errors
    /// If the masks do not fit, or a size is zero.
    pub fn new(inputs: Inputs, units: usize, masks: &Masks) -> Result<Self, CellError> {
        let gated = Structure::gated(inputs, units, masks, &[0, 1, 2, 3].map(GateRows::of))?;
        let gated = gated.with_role(0, Role::Write).with_role(1, Role::Keep);
        let (row_jacobian, direct) = (row_jacobian(units)?, direct(units)?);
        Ok(Self { structure: Structure { states: 2 * units, row_jacobian, direct, ..gated } })
    }
}

/// rows × states: i, f and g reach h and c of their unit, o reaches h.
fn row_jacobian(units: usize) -> Result<Pattern, CellError> {
    let both = (0..3 * units).map(|row| vec![(row % units) as u32, (units + row % units) as u32]);
    let output = (0..units).map(|unit| vec![unit as u32]);
    Ok(Pattern::from_rows(2 * units, both.chain(output))?)
}

/// The previous c leaks into h and c of its unit; the previous h acts through the rows alone.
fn direct(units: usize) -> Result<Pattern, CellError> {
    Ok(Pattern::from_rows(2 * units, (0..2 * units).map(|state| [(units + state % units) as u32]))?)
}

/// φ of the LSTM and its derivatives, from the rows i, f, g, o.
fn activate<T: Scalar>(step: &mut CellStep<'_, T>) {
    let lanes = step.previous.lanes();
    let (a, previous) = (step.rows.values_mut(), step.previous.values());
    let (next, direct, jacobian) =
        (step.next.values_mut(), step.direct.values_mut(), step.row_jacobian.values_mut());
    let n = previous.len() / 2;
    math::sigmoid(&mut a[..2 * n]);
    math::tanh(&mut a[2 * n..3 * n]);
    math::sigmoid(&mut a[3 * n..4 * n]);
    for e in 0..n {
        next[n + e] = a[n + e] * previous[n + e] + a[e] * a[2 * n + e];
    }
    let (squashed, new) = next.split_at_mut(n);
    squashed.copy_from_slice(new);
    math::tanh(squashed);
    for e in 0..n {
        let (i, f, g, o) = (a[e], a[n + e], a[2 * n + e], a[3 * n + e]);
        let (c, squashed) = (previous[n + e], next[e]);
        next[e] = o * squashed;
        // dh'/dc' at fixed o.
        let visible = o * (T::ONE - squashed * squashed);
        let by_row = [g * (i * (T::ONE - i)), c * (f * (T::ONE - f)), i * (T::ONE - g * g)];
        // The first three gates have two entries a row, h before c.
        let (unit, lane) = (e / lanes, e % lanes);
        for (gate, by_row) in by_row.into_iter().enumerate() {
            let entry = 2 * gate * n + 2 * unit * lanes + lane;
            jacobian[entry] = visible * by_row;
            jacobian[entry + lanes] = by_row;
        }
        jacobian[6 * n + e] = squashed * (o * (T::ONE - o));
        direct[e] = visible * f;
        direct[n + e] = f;
    }
}

impl CellKind for Lstm {
    const WIRING: Wiring = Wiring::Gates(4);
    const PYTORCH: Result<PyTorch, &'static str> = Ok(PyTorch::Recurrent);

    fn build<T: Scalar>(inputs: Inputs, size: &Size, masks: &Masks) -> Result<Box<dyn Cell<T>>, CellError> {
        Ok(Box::new(Self::new(inputs, size.units, masks)?))
    }
}

impl<T: Scalar> Cell<T> for Lstm {
    fn structure(&self) -> &Structure {
        &self.structure
    }

    fn forward(&self, step: &mut CellStep<'_, T>) {
        step.preactivate(0..self.structure.rows());
        activate(step);
    }
}
