//! Which weights exist.

use rand_xoshiro::Xoshiro256PlusPlus;
use rtrl_sparse::Pattern;
use serde::{Deserialize, Serialize};

use crate::CellError;
use crate::init::below;

/// The weights of one gate: a matrix on the inputs and a matrix on the recurrent sources, each units × columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateMask {
    /// units × inputs.
    pub input: Pattern,
    /// units × units.
    pub recurrent: Pattern,
}

/// One mask for each gate of a cell, in the order that the cell documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Masks {
    /// The masks, one for each gate.
    pub gates: Vec<GateMask>,
}

/// Shares of the weights that do not exist, each in 0..1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sparsity {
    /// In the matrices on the inputs.
    pub input: f64,
    /// In the matrices on the recurrent sources.
    pub recurrent: f64,
}

impl Sparsity {
    /// The Erdős–Rényi-kernel distribution over the matrices of one layer: the density of a matrix is proportional to
    /// (rows + columns) / (rows · columns), at most 1, and `sparsity` is the share of all weights of the layer (biases
    /// aside) that do not exist.
    ///
    /// # Errors
    /// If `sparsity` lies outside 0..1.
    ///
    /// # Reference
    /// Evci et al., "Rigging the lottery: making all tickets winners", arXiv:1911.11134, section 3.
    pub fn erk(inputs: usize, units: usize, sparsity: f64) -> Result<Self, CellError> {
        if !(0.0..1.0).contains(&sparsity) {
            return Err(CellError::Sparsity { what: "sparsity", found: sparsity.to_string() });
        }
        let sizes = [inputs as f64 * units as f64, units as f64 * units as f64];
        let shares = [(inputs + units) as f64, 2.0 * units as f64];
        let wanted = (1.0 - sparsity) * (sizes[0] + sizes[1]);
        let scale = wanted / (shares[0] + shares[1]);
        let mut kept = shares.map(|share| scale * share);
        // A matrix that would be more than full is filled, and the other one gets the rest.
        for (full, other) in [(0, 1), (1, 0)] {
            if kept[full] > sizes[full] {
                kept[full] = sizes[full];
                kept[other] = (wanted - sizes[full]).min(sizes[other]);
            }
        }
        let sparsity = |i: usize| (1.0 - kept[i] / sizes[i]).max(0.0);
        Ok(Self { input: sparsity(0), recurrent: sparsity(1) })
    }
}

impl Masks {
    /// Every weight exists.
    #[must_use]
    pub fn dense(gates: usize, inputs: usize, units: usize) -> Self {
        let gate = GateMask { input: Pattern::dense(units, inputs), recurrent: Pattern::dense(units, units) };
        Self { gates: vec![gate; gates] }
    }

    /// Dense input matrices and diagonal recurrent ones: element-wise recurrence.
    #[must_use]
    pub fn diagonal(gates: usize, inputs: usize, units: usize) -> Self {
        let gate = GateMask { input: Pattern::dense(units, inputs), recurrent: Pattern::identity(units) };
        Self { gates: vec![gate; gates] }
    }

    /// Uniformly random masks: each matrix on its own keeps exactly `round((1 - sparsity) · entries)` weights, drawn
    /// without replacement. Draws that leave a unit without any incoming weight are drawn again.
    ///
    /// # Errors
    /// If a sparsity lies outside 0..1, or so few weights are kept that a hundred draws all disconnect a unit.
    pub fn uniform(
        gates: usize,
        inputs: usize,
        units: usize,
        sparsity: Sparsity,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Result<Self, CellError> {
        for (what, s) in [("input sparsity", sparsity.input), ("recurrent sparsity", sparsity.recurrent)] {
            if !(0.0..1.0).contains(&s) {
                return Err(CellError::Sparsity { what, found: s.to_string() });
            }
        }
        let mut disconnected = 0;
        for _ in 0..100 {
            let mut gate = || GateMask {
                input: uniform(units, inputs, sparsity.input, rng),
                recurrent: uniform(units, units, sparsity.recurrent, rng),
            };
            let masks = Self { gates: (0..gates).map(|_| gate()).collect() };
            match masks.disconnected(units) {
                None => return Ok(masks),
                Some(unit) => disconnected = unit,
            }
        }
        Err(CellError::Disconnected { unit: disconnected })
    }

    /// The first unit into which no weight but a bias leads.
    fn disconnected(&self, units: usize) -> Option<usize> {
        let fed =
            |mask: &GateMask, unit| !mask.input.row(unit).is_empty() || !mask.recurrent.row(unit).is_empty();
        (0..units).find(|&unit| !self.gates.iter().any(|gate| fed(gate, unit)))
    }

    /// Refuses recurrent weights between different units.
    pub(crate) fn check_diagonal(&self) -> Result<(), CellError> {
        let diagonal = |mask: &Pattern| mask.iter().all(|(r, c)| r == c as usize);
        match self.gates.iter().position(|gate| !diagonal(&gate.recurrent)) {
            Some(gate) => Err(CellError::NotDiagonal { gate }),
            None => Ok(()),
        }
    }

    /// Checks number and shape of the matrices, and that a weight other than a bias leads into every unit.
    ///
    /// # Errors
    /// The first mismatch.
    pub fn validate(&self, gates: usize, inputs: usize, units: usize) -> Result<(), CellError> {
        if units == 0 {
            return Err(CellError::Zero { what: "units" });
        }
        if inputs == 0 {
            return Err(CellError::Zero { what: "inputs" });
        }
        let size = |what, expected, found| {
            if expected == found { Ok(()) } else { Err(CellError::Size { what, expected, found }) }
        };
        size("number of gate masks", gates, self.gates.len())?;
        for gate in &self.gates {
            size("rows of an input mask (units)", units, gate.input.rows())?;
            size("columns of an input mask (inputs)", inputs, gate.input.cols())?;
            size("rows of a recurrent mask (units)", units, gate.recurrent.rows())?;
            size("columns of a recurrent mask (units)", units, gate.recurrent.cols())?;
        }
        self.disconnected(units).map_or(Ok(()), |unit| Err(CellError::Disconnected { unit }))
    }
}

/// A matrix with exactly `round((1 - sparsity) · rows · cols)` entries, every such set equally likely.
fn uniform(rows: usize, cols: usize, sparsity: f64, rng: &mut Xoshiro256PlusPlus) -> Pattern {
    let all = rows * cols;
    let mut keep = ((1.0 - sparsity) * all as f64).round() as usize;
    // Selection sampling: entry after entry, each kept with the probability that leaves the count exact.
    let mut left = all;
    Pattern::from_rows(
        cols,
        (0..rows).map(|_| {
            let mut row = Vec::new();
            for c in 0..cols as u32 {
                if below(rng, left as u64) < keep as u64 {
                    row.push(c);
                    keep -= 1;
                }
                left -= 1;
            }
            row
        }),
    )
    .expect("columns are visited in order")
}
