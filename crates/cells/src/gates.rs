//! The shape that gated cells share: rows gate after gate, each row reading inputs, the constant and recurrent units.

use rtrl_sparse::Pattern;

use crate::{CellError, MaskRows, Masks};

/// What the rows of one gate read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GateRows {
    /// Which of the masks applies.
    pub mask: usize,
    /// Whether the rows read the inputs.
    pub input: bool,
    /// First of the recurrent sources (counted from the first one) that the recurrent mask's columns stand for.
    pub recurrent: Option<usize>,
}

/// rows × sources for gates of `units` rows each; every row reads the constant 1.
pub(crate) fn weights(
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
        if let Some(first) = gate.recurrent {
            row.extend(mask.recurrent.row(unit).iter().map(|&c| one + 1 + first as u32 + c));
        }
        row
    };
    let rows = gates.iter().flat_map(|gate| (0..units).map(move |unit| row(gate, unit)));
    Ok(Pattern::from_rows(inputs + 1 + recurrent, rows)?)
}

/// Where the matrices of each mask stand.
pub(crate) fn masked(masks: &Masks, units: usize, gates: &[GateRows]) -> Vec<MaskRows> {
    let first = |mask: usize, reads: fn(&GateRows) -> bool| {
        let gate = gates.iter().position(|gate| gate.mask == mask && reads(gate));
        units * gate.expect("every mask has rows on the inputs and on the recurrent sources")
    };
    let rows = |mask| MaskRows {
        input: first(mask, |gate| gate.input),
        recurrent: first(mask, |gate| gate.recurrent.is_some()),
    };
    (0..masks.gates.len()).map(rows).collect()
}

/// `gates` copies of the identity, one below the other: each row reaches its own unit.
pub(crate) fn own_unit(gates: usize, units: usize) -> Pattern {
    let rows = (0..gates).flat_map(|_| (0..units as u32).map(|unit| [unit]));
    Pattern::from_rows(units, rows).expect("one column below `units` in each row")
}
