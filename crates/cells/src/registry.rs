//! Cells by name, for configuration files.

use rand_xoshiro::Xoshiro256PlusPlus;
use rtrl_sparse::Scalar;
use serde::{Deserialize, Serialize};

use crate::{
    Activation, Cell, CellError, Embedding, Gru, GruResetBefore, Inputs, Lstm, Masks, QuasiLstm, Sparsity,
    Vanilla,
};

/// The size of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Number of units, k.
    pub units: usize,
    /// Share of the recurrent weights that do not exist, drawn at random; of all weights but biases under
    /// [`Distribution::Erk`].
    #[serde(default)]
    pub sparsity: f64,
    /// Share of the input weights that do not exist.
    #[serde(default)]
    pub input_sparsity: f64,
    /// How the weights that exist are shared out among the matrices.
    #[serde(default, skip_serializing_if = "Distribution::is_uniform")]
    pub distribution: Distribution,
}

impl Size {
    /// A dense cell of `units` units.
    #[must_use]
    pub fn dense(units: usize) -> Self {
        Self { units, sparsity: 0.0, input_sparsity: 0.0, distribution: Distribution::Uniform }
    }

    /// A cell of `units` units without the share `sparsity` of its recurrent weights.
    #[must_use]
    pub fn sparse(units: usize, sparsity: f64) -> Self {
        Self { sparsity, ..Self::dense(units) }
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

    /// For cells that have no masks to thin out.
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
pub enum Distribution {
    /// Each matrix has its own sparsity: `input_sparsity` and `sparsity`.
    #[default]
    Uniform,
    /// Erdős–Rényi-kernel: `sparsity` is that of the whole layer, `input_sparsity` must be 0, and small matrices are denser.
    /// [`Sparsity::erk`].
    Erk,
}

impl Distribution {
    fn is_uniform(&self) -> bool {
        *self == Self::Uniform
    }
}

/// Which weights a kind of cell can do without.
enum Wiring {
    /// Any, in each of this many gates.
    Gates(usize),
    /// Recurrence is element-wise in each of this many gates.
    Diagonal(usize),
    /// None.
    Fixed,
}

/// Declares the cells: a variant, its wiring, and how it is built from its size, its inputs and its masks.
macro_rules! registry {
    ($($(#[$doc:meta])* $cell:ident($wiring:expr) = |$size:ident, $inputs:ident, $masks:ident| $build:expr;)*) => {
        /// A cell, as configuration files name it: `kind = "gru"`.
        #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        pub enum CellConfig {
            $($(#[$doc])* $cell(Size),)*
        }

        impl CellConfig {
            /// Every registered cell in one size.
            #[must_use]
            pub fn every(size: Size) -> Vec<Self> {
                vec![$(Self::$cell(size)),*]
            }

            /// The size, to be changed.
            pub fn size_mut(&mut self) -> &mut Size {
                match self {
                    $(Self::$cell(size) => size,)*
                }
            }

            fn parts(&self) -> (Size, Wiring) {
                match self {
                    $(Self::$cell(size) => (*size, $wiring),)*
                }
            }

            /// Builds the cell for `inputs` with these masks.
            ///
            /// # Errors
            /// If a size is zero or the masks do not fit.
            pub fn with_masks<T: Scalar>(
                &self,
                inputs: Inputs,
                masks: &Masks,
            ) -> Result<Box<dyn Cell<T>>, CellError> {
                match self {
                    $(Self::$cell($size) => {
                        let ($inputs, $masks) = (inputs, masks);
                        let _ = &$masks;
                        Ok(Box::new($build?))
                    })*
                }
            }
        }
    };
}

registry! {
    /// [`Vanilla`] with tanh.
    Vanilla(Wiring::Gates(1)) = |s, x, masks| Vanilla::new(x, s.units, masks, Activation::Tanh);
    /// [`Vanilla`] with ReLU.
    VanillaRelu(Wiring::Gates(1)) = |s, x, masks| Vanilla::new(x, s.units, masks, Activation::Relu);
    /// [`Gru`]: reset after.
    Gru(Wiring::Gates(3)) = |s, x, masks| Gru::new(x, s.units, masks);
    /// [`GruResetBefore`].
    GruResetBefore(Wiring::Gates(3)) = |s, x, masks| GruResetBefore::new(x, s.units, masks);
    /// [`Lstm`].
    Lstm(Wiring::Gates(4)) = |s, x, masks| Lstm::new(x, s.units, masks);
    /// [`QuasiLstm`]: element-wise recurrence.
    QuasiLstm(Wiring::Diagonal(2)) = |s, x, masks| QuasiLstm::new(x, s.units, masks);
    /// [`Embedding`]: a layer without a past.
    Embedding(Wiring::Fixed) = |s, x, masks| Embedding::new(x, s.units);
}

impl CellConfig {
    /// Number of units, k.
    #[must_use]
    pub fn units(&self) -> usize {
        self.parts().0.units
    }

    /// Number of gates with masks.
    #[must_use]
    pub fn gates(&self) -> usize {
        match self.parts().1 {
            Wiring::Gates(gates) | Wiring::Diagonal(gates) => gates,
            Wiring::Fixed => 0,
        }
    }

    /// Whether any weights of its matrices may be missing.
    #[must_use]
    pub fn is_masked(&self) -> bool {
        matches!(self.parts().1, Wiring::Gates(_))
    }

    /// Refuses a size whose weights could not be indexed.
    fn check_places(&self, inputs: usize) -> Result<(), CellError> {
        let units = self.units();
        let gate = inputs.saturating_add(units).saturating_add(1).saturating_mul(units);
        let places = gate.saturating_mul(self.gates().max(1));
        if places > u32::MAX as usize { Err(CellError::TooLarge { units, inputs }) } else { Ok(()) }
    }

    /// The cell's masks, drawn from `rng`; without gates for a cell that has no masks.
    ///
    /// # Errors
    /// If a sparsity is out of range or has no meaning (the cell has no masks to thin out; an input sparsity under
    /// [`Distribution::Erk`]), no draw connects every unit, or there are too many weights.
    pub fn masks(&self, inputs: Inputs, rng: &mut Xoshiro256PlusPlus) -> Result<Masks, CellError> {
        let (size, wiring) = self.parts();
        self.check_places(inputs.len())?;
        match wiring {
            Wiring::Gates(gates) => size.draw(gates, inputs.len(), rng),
            Wiring::Diagonal(gates) => Ok(Masks::diagonal(gates, inputs.len(), size.unmasked()?)),
            Wiring::Fixed => size.unmasked().map(|_| Masks { gates: Vec::new() }),
        }
    }

    /// Builds the cell for `inputs`, its masks drawn from `rng`.
    ///
    /// # Errors
    /// If a size is zero, or as [`masks`](Self::masks).
    pub fn build<T: Scalar>(
        &self,
        inputs: Inputs,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Result<Box<dyn Cell<T>>, CellError> {
        self.with_masks(inputs, &self.masks(inputs, rng)?)
    }
}
