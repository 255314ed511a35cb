//! The structure that gated cells share: rows gate after gate, each row reading inputs, the constant and units
//! of the step before.

use rtrl_sparse::Pattern;

use crate::{CellError, Inputs, MaskRows, Masks, Recurrent, Role, Structure};

/// One row for each unit: what these rows read besides the constant 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateRows {
    /// Index of the mask that says which weights of these rows exist.
    pub mask: usize,
    /// Whether the rows read the inputs.
    pub input: bool,
    /// What the rows read of the step before.
    pub past: Past,
}

impl GateRows {
    /// Rows that read the inputs and the units of the step before: an ordinary gate.
    #[must_use]
    pub fn of(mask: usize) -> Self {
        Self { mask, input: true, past: Past::Units }
    }
}

/// What a row reads of the step before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// Nothing.
    Nothing,
    /// The units, `s_{t-1}`.
    Units,
    /// The units, each times a factor that the cell computes, `c ∘ s_{t-1}`: [`Recurrent::Scaled`].
    Scaled,
}

impl Structure {
    /// The structure of a cell with one state for each unit: `rows[i]` describes the rows
    /// `i * units..(i + 1) * units`. A row reaches the state of its own unit, and the state of a unit leaks
    /// into itself. Sources are the inputs, the constant, the units and, if any rows read them, the scaled
    /// units. A cell that differs in a part replaces it afterwards, as in
    /// `Structure { direct: Pattern::empty(k, k), ..Structure::gated(…)? }`. A cell with a gate that keeps or
    /// writes its state says so by [`with_role`](Structure::with_role).
    ///
    /// # Errors
    /// If a size is zero, the masks do not fit, no weight but a bias leads into a unit, or a mask applies to no
    /// rows that read the inputs or to none that read the past.
    pub fn gated(inputs: Inputs, units: usize, masks: &Masks, rows: &[GateRows]) -> Result<Self, CellError> {
        let gates = rows.iter().map(|rows| rows.mask + 1).max().unwrap_or(0);
        masks.validate(gates, inputs.len(), units)?;
        let state = |unit| Recurrent::State(unit);
        let scaled = |unit| Recurrent::Scaled(unit);
        let all = 0..units as u32;
        let recurrent: Vec<_> = match rows.iter().any(|rows| rows.past == Past::Scaled) {
            false => all.map(state).collect(),
            true => all.clone().map(state).chain(all.map(scaled)).collect(),
        };
        Ok(Self {
            inputs,
            states: units,
            hidden: 0..units,
            weights: weights(masks, inputs.len(), units, recurrent.len(), rows)?,
            recurrent,
            row_jacobian: own_unit(rows.len(), units),
            direct: Pattern::identity(units),
            masked: masked(masks, units, rows)?,
        })
    }
}

/// The pattern of the weights, rows × sources, for gates of `units` rows each. Every row reads the constant 1.
fn weights(
    masks: &Masks,
    inputs: usize,
    units: usize,
    recurrent: usize,
    gates: &[GateRows],
) -> Result<Pattern, CellError> {
    let one = inputs as u32;
    let row = |gate: &GateRows, unit: usize| {
        let mask = &masks.gates[gate.mask];
        let mut row = if gate.input { mask.input.row(unit).to_vec() } else { Vec::new() };
        row.push(one);
        let first = match gate.past {
            Past::Nothing => return row,
            Past::Units => one + 1,
            Past::Scaled => one + 1 + units as u32,
        };
        row.extend(mask.recurrent.row(unit).iter().map(|&c| first + c));
        row
    };
    let rows = gates.iter().flat_map(|gate| (0..units).map(move |unit| row(gate, unit)));
    Ok(Pattern::from_rows(inputs + 1 + recurrent, rows)?)
}

/// The first rows of the two matrices of each mask. What the gates do is not known here.
fn masked(masks: &Masks, units: usize, gates: &[GateRows]) -> Result<Vec<MaskRows>, CellError> {
    let first = |mask: usize, reads: fn(&GateRows) -> bool| {
        let gate = gates.iter().position(|gate| gate.mask == mask && reads(gate));
        gate.map(|gate| units * gate).ok_or(CellError::Unread { mask })
    };
    let rows = |mask| {
        let (input, recurrent) =
            (first(mask, |gate| gate.input)?, first(mask, |gate| gate.past != Past::Nothing)?);
        Ok(MaskRows { input, recurrent, units, role: Role::default() })
    };
    (0..masks.gates.len()).map(rows).collect()
}

/// `gates` copies of the identity, one below the other: each row reaches its own unit.
fn own_unit(gates: usize, units: usize) -> Pattern {
    let rows = (0..gates).flat_map(|_| (0..units as u32).map(|unit| [unit]));
    Pattern::from_rows(units, rows).expect("one column below `units` in each row")
}
