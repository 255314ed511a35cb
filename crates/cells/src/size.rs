//! How large a cell is, and how many of its weights exist.

use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use crate::{CellError, Inputs, Masks, Sparsity};

/// The number of units of a cell, how many of its weights exist, and, for leaky cells, how fast it forgets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Number of units, k.
    #[serde(alias = "hidden_size")]
    pub units: usize,
    /// Share of the recurrent weights that do not exist, in 0..1; which ones is drawn at random. Under
    /// [`Distribution::Erk`]: share of all weights except biases.
    #[serde(default)]
    pub sparsity: f64,
    /// Share of the input weights that do not exist, in 0..1.
    #[serde(default)]
    pub input_sparsity: f64,
    /// How the weights that exist are shared out among the matrices.
    #[serde(default, skip_serializing_if = "Distribution::is_uniform")]
    pub distribution: Distribution,
    /// λ, in 0..1: the share of its state that a unit of a leaky cell keeps at each step. Without it, each unit
    /// learns its own; the voltage of `alif` then keeps the share exp(-1/20). Refused for other cells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leak: Option<f64>,
}

impl Size {
    /// A dense cell of `units` units.
    #[must_use]
    pub fn dense(units: usize) -> Self {
        Self { units, sparsity: 0.0, input_sparsity: 0.0, distribution: Distribution::Uniform, leak: None }
    }

    /// A cell of `units` units in which the share `sparsity` of the recurrent weights does not exist.
    #[must_use]
    pub fn sparse(units: usize, sparsity: f64) -> Self {
        Self { sparsity, ..Self::dense(units) }
    }

    /// Masks for a cell of this wiring, drawn from `rng`. For [`Wiring::Fixed`] the list of gates is empty.
    ///
    /// # Errors
    /// If a sparsity is out of range or has no meaning (the cell has no masks to thin out; an input sparsity under
    /// [`Distribution::Erk`]), no draw connects every unit, or there are too many weights.
    pub fn masks(
        &self,
        wiring: Wiring,
        inputs: Inputs,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Result<Masks, CellError> {
        let inputs = inputs.len();
        self.check_places(wiring.gates(), inputs)?;
        match wiring {
            Wiring::Gates(gates) => self.draw(gates, inputs, rng),
            Wiring::Diagonal(gates) => Ok(Masks::diagonal(gates, inputs, self.unmasked()?)),
            Wiring::Fixed => self.unmasked().map(|_| Masks { gates: Vec::new() }),
        }
    }

    /// Refuses a size that allows more weights than an index of 32 bits can count.
    fn check_places(&self, gates: usize, inputs: usize) -> Result<(), CellError> {
        let units = self.units;
        let gate = inputs.saturating_add(units).saturating_add(1).saturating_mul(units);
        let places = gate.saturating_mul(gates.max(1));
        if places > u32::MAX as usize { Err(CellError::TooLarge { units, inputs }) } else { Ok(()) }
    }

    fn draw(&self, gates: usize, inputs: usize, rng: &mut Xoshiro256PlusPlus) -> Result<Masks, CellError> {
        let sparsity = match self.distribution {
            Distribution::Uniform => Sparsity { input: self.input_sparsity, recurrent: self.sparsity },
            Distribution::Erk if self.input_sparsity != 0.0 => {
                return Err(CellError::Shared { what: "input_sparsity" });
            }
            Distribution::Erk => Sparsity::erk(inputs, self.units, self.sparsity)?,
        };
        Masks::uniform(gates, inputs, self.units, sparsity, rng)
    }

    /// The number of units of a cell that has no masks to thin out: refuses a sparsity.
    fn unmasked(&self) -> Result<usize, CellError> {
        for (what, s) in [("input_sparsity", self.input_sparsity), ("sparsity", self.sparsity)] {
            if s != 0.0 {
                return Err(CellError::Unmasked { what });
            }
        }
        Ok(self.units)
    }
}

/// How the weights that exist are shared out among the matrices of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Distribution {
    /// Each matrix has its own sparsity: `input_sparsity` and `sparsity`.
    #[default]
    Uniform,
    /// Erdős–Rényi-kernel: `sparsity` is the sparsity of the whole layer, `input_sparsity` must be 0, and small
    /// matrices are denser. See [`Sparsity::erk`].
    Erk,
}

impl Distribution {
    fn is_uniform(&self) -> bool {
        *self == Self::Uniform
    }
}

/// Which weights of a kind of cell may be missing. Biases always exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wiring {
    /// Any weight, in each of this many gates.
    Gates(usize),
    /// Input weights, in each of this many gates, if masks are given: [`Size::masks`] draws dense ones. The
    /// recurrent masks hold diagonal entries alone.
    Diagonal(usize),
    /// None: the cell has no masks.
    Fixed,
}

impl Wiring {
    /// Number of gates with masks.
    #[must_use]
    pub fn gates(self) -> usize {
        match self {
            Self::Gates(gates) | Self::Diagonal(gates) => gates,
            Self::Fixed => 0,
        }
    }
}
