//! The structure of a cell: sizes and patterns, known before its first step.

use std::ops::Range;

use rtrl_sparse::Pattern;
use serde::{Deserialize, Serialize};

use crate::CellError;

/// What a cell reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inputs {
    /// A vector of this many numbers.
    Dense(usize),
    /// One symbol of an alphabet of this size, as an index. The same as a one-hot vector, at the cost of one
    /// entry.
    Symbols(usize),
}

impl Inputs {
    /// Number of input sources.
    pub fn len(self) -> usize {
        match self {
            Self::Dense(n) | Self::Symbols(n) => n,
        }
    }

    /// Whether there is no input.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Number of one-hot sources.
    pub(crate) fn symbols(self) -> usize {
        match self {
            Self::Dense(_) => 0,
            Self::Symbols(n) => n,
        }
    }
}

/// A source that depends on the previous state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Recurrent {
    /// The state itself, `u_j = s_{t-1}[state]`.
    State(u32),
    /// The state times a factor that the cell computes at each step, `u_j = c_j · s_{t-1}[state]`, such as the
    /// `r ∘ h` of the reset-before GRU. How the factor depends on rows belongs in the row Jacobian.
    Scaled(u32),
}

impl Recurrent {
    /// The state that the source depends on.
    pub fn state(self) -> u32 {
        match self {
            Self::State(s) | Self::Scaled(s) => s,
        }
    }
}

/// The structure of a cell `s_t = φ(z_t, s_{t-1})`, `z_t = W u_t`.
///
/// The sources u are, in this order: the inputs, the constant 1, and the recurrent sources. Patterns must hold every
/// entry that can ever be nonzero; `rtrl_estimators::testing::check_cell` finds one that is missing or never used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Structure {
    /// What the cell reads.
    pub inputs: Inputs,
    /// S: number of states.
    pub states: usize,
    /// The hidden states h, which readouts and upper layers see.
    pub hidden: Range<usize>,
    /// The recurrent sources, which follow the inputs and the constant.
    pub recurrent: Vec<Recurrent>,
    /// rows × sources: the weights that exist. N(r) are the sources of row r.
    pub weights: Pattern,
    /// rows × states, the pattern of Gᵀ with `G = ds_t/dz_t`: all states that each row reaches at once, through
    /// factors of scaled sources too.
    pub row_jacobian: Pattern,
    /// states × states: the pattern of `∂φ/∂s_{t-1}` at fixed z, the leak path.
    pub direct: Pattern,
    /// The gates: the rows of the matrices of each mask; empty for a cell that is built without masks.
    pub masked: Vec<MaskRows>,
}

/// A gate: the first rows of the two matrices of its mask, where unit i's row is `first + i`. In a row, the
/// weights of the inputs come first and those of the recurrent sources last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaskRows {
    /// First row of the matrix on the inputs.
    pub input: usize,
    /// First row of the matrix on the recurrent sources.
    pub recurrent: usize,
    /// Number of units, which is the number of rows of either matrix. All gates of a cell have the same.
    pub units: usize,
    /// What the gate does to the states of its units.
    #[serde(default)]
    pub role: Role,
}

/// What a gate does to the state of its unit, in `s' = keep · s + write · n` with something new n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Role {
    /// Anything else.
    #[default]
    Other,
    /// The gate keeps: with growing preactivation it approaches 1, and the state stays as it is.
    Keep,
    /// The gate writes: with falling preactivation it approaches 0, and nothing new enters the state. If the
    /// cell has no gate that keeps, the state then stays as it is, as in `s' = (1 - write) · s + write · n`.
    Write,
}

impl Structure {
    /// Index of the constant source.
    pub fn one(&self) -> usize {
        self.inputs.len()
    }

    /// Number of sources.
    pub fn sources(&self) -> usize {
        self.inputs.len() + 1 + self.recurrent.len()
    }

    /// Number of preactivations.
    pub fn rows(&self) -> usize {
        self.weights.rows()
    }

    /// Number of weights.
    pub fn weights_len(&self) -> usize {
        self.weights.nnz()
    }

    /// Number of recurrent sources with a factor.
    pub fn scaled(&self) -> usize {
        self.recurrent.iter().filter(|r| matches!(r, Recurrent::Scaled(_))).count()
    }

    /// The same structure, where the factors of the scaled sources are computed from `rows`: one row for each
    /// scaled source, in order. Besides its own states, such a row reaches every state that is reached by a row
    /// which reads its scaled source.
    ///
    /// # Panics
    /// If there is not one row for each scaled source.
    #[must_use]
    pub fn scaled_by(self, rows: Range<usize>) -> Self {
        self.through_factors(&rows, true)
    }

    /// As [`scaled_by`](Self::scaled_by), for rows that act through their factor alone, as those of the reset
    /// gate in `n = tanh(W x + U (r ∘ h))`.
    ///
    /// # Panics
    /// If there is not one row for each scaled source.
    #[must_use]
    pub fn scaled_only_by(self, rows: Range<usize>) -> Self {
        self.through_factors(&rows, false)
    }

    /// The same structure, where the gate of mask `mask` has this role. Initial weights depend on it, see
    /// [`InitConfig`](crate::init::InitConfig); nothing else does.
    ///
    /// # Panics
    /// If there is no such mask.
    #[must_use]
    pub fn with_role(mut self, mask: usize, role: Role) -> Self {
        let masks = self.masked.len();
        assert!(mask < masks, "mask {mask} of a cell with {masks}");
        self.masked[mask].role = role;
        self
    }

    fn through_factors(self, factors: &Range<usize>, also_directly: bool) -> Self {
        assert_eq!(factors.len(), self.scaled(), "rows of factors (left) and scaled sources (right)");
        let scaled = (self.one() + 1..).zip(&self.recurrent);
        let scaled = scaled.filter(|(_, recurrent)| matches!(recurrent, Recurrent::Scaled(_)));
        let scaled: Vec<usize> = scaled.map(|(source, _)| source).collect();
        let readers = self.weights.transpose();
        let reached = |row: usize| {
            let factor = factors.contains(&row).then(|| scaled[row - factors.start]);
            let readers = factor.map_or(&[][..], |source| readers.row(source)).iter().map(|&r| r as usize);
            let directly = (factor.is_none() || also_directly).then_some(row);
            let mut states: Vec<u32> =
                readers.chain(directly).flat_map(|row| self.row_jacobian.row(row)).copied().collect();
            states.sort_unstable();
            states.dedup();
            states
        };
        let row_jacobian = Pattern::from_rows(self.states, (0..self.rows()).map(reached));
        Self { row_jacobian: row_jacobian.expect("sorted states, each once"), ..self }
    }

    /// Checks that the parts fit each other.
    ///
    /// # Errors
    /// The first mismatch.
    pub fn validate(&self) -> Result<(), CellError> {
        let size = |what, expected, found| {
            if expected == found { Ok(()) } else { Err(CellError::Size { what, expected, found }) }
        };
        for (what, n) in [("inputs", self.inputs.len()), ("states", self.states), ("rows", self.rows())] {
            if n == 0 {
                return Err(CellError::Zero { what });
            }
        }
        size("columns of the weights (sources)", self.sources(), self.weights.cols())?;
        size("rows of the row Jacobian", self.rows(), self.row_jacobian.rows())?;
        size("columns of the row Jacobian (states)", self.states, self.row_jacobian.cols())?;
        size("rows of the direct Jacobian (states)", self.states, self.direct.rows())?;
        size("columns of the direct Jacobian (states)", self.states, self.direct.cols())?;
        if self.hidden.is_empty() {
            return Err(CellError::Zero { what: "hidden states" });
        }
        let named = self.recurrent.iter().map(|r| ("a recurrent source", r.state() as usize));
        for (what, found) in named.chain([("the hidden range", self.hidden.end - 1)]) {
            if found >= self.states {
                return Err(CellError::OutOfRange { what, found, available: self.states });
            }
        }
        for gate in &self.masked {
            self.validate_gate(gate)?;
            size("units of a mask", self.masked[0].units, gate.units)?;
        }
        let mut recurrent = self.recurrent.clone();
        recurrent.sort_unstable();
        match recurrent.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(CellError::Duplicate { state: pair[0].state() as usize }),
            None => Ok(()),
        }
    }

    fn validate_gate(&self, gate: &MaskRows) -> Result<(), CellError> {
        if gate.units == 0 {
            return Err(CellError::Zero { what: "units of a mask" });
        }
        let found = gate.input.max(gate.recurrent).saturating_add(gate.units - 1);
        if found >= self.rows() {
            let what = "the last row of a mask";
            return Err(CellError::OutOfRange { what, found, available: self.rows() });
        }
        let one = self.one() as u32;
        let unbiased = |&row: &usize| self.weights.find(row, one).is_none();
        match (gate.input..gate.input + gate.units).find(unbiased) {
            Some(row) if gate.role != Role::Other => Err(CellError::NoBias { row }),
            _ => Ok(()),
        }
    }
}
