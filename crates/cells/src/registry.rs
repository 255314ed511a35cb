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
    /// Share of the recurrent weights that do not exist; masks are uniformly random and fixed.
    #[serde(default)]
    pub sparsity: f64,
    /// Share of the input weights that do not exist.
    #[serde(default)]
    pub input_sparsity: f64,
}

impl Size {
    /// A dense cell of `units` units.
    #[must_use]
    pub fn dense(units: usize) -> Self {
        Self { units, sparsity: 0.0, input_sparsity: 0.0 }
    }

    fn masks(&self, gates: usize, inputs: Inputs, rng: &mut Xoshiro256PlusPlus) -> Result<Masks, CellError> {
        let sparsity = Sparsity { input: self.input_sparsity, recurrent: self.sparsity };
        Masks::uniform(gates, inputs.len(), self.units, sparsity, rng)
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

/// Declares the cells: a variant, and how it is built from its size, its inputs and a source of masks.
macro_rules! registry {
    ($($(#[$doc:meta])* $cell:ident = |$size:ident, $inputs:ident, $rng:ident| $build:expr;)*) => {
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

            /// Builds the cell for `inputs`, its masks drawn from `rng`.
            ///
            /// # Errors
            /// If a size is zero, a sparsity out of range, or the cell has no masks to thin out.
            pub fn build<T: Scalar>(
                &self,
                inputs: Inputs,
                rng: &mut Xoshiro256PlusPlus,
            ) -> Result<Box<dyn Cell<T>>, CellError> {
                match self {
                    $(Self::$cell($size) => {
                        let ($inputs, $rng) = (inputs, rng);
                        let _ = &$rng;
                        Ok(Box::new($build?))
                    })*
                }
            }
        }
    };
}

registry! {
    /// [`Vanilla`] with tanh.
    Vanilla = |s, x, rng| Vanilla::new(x, s.units, &s.masks(1, x, rng)?, Activation::Tanh);
    /// [`Vanilla`] with ReLU.
    VanillaRelu = |s, x, rng| Vanilla::new(x, s.units, &s.masks(1, x, rng)?, Activation::Relu);
    /// [`Gru`]: reset after.
    Gru = |s, x, rng| Gru::new(x, s.units, &s.masks(3, x, rng)?);
    /// [`GruResetBefore`].
    GruResetBefore = |s, x, rng| GruResetBefore::new(x, s.units, &s.masks(3, x, rng)?);
    /// [`Lstm`].
    Lstm = |s, x, rng| Lstm::new(x, s.units, &s.masks(4, x, rng)?);
    /// [`QuasiLstm`]: element-wise recurrence.
    QuasiLstm = |s, x, rng| QuasiLstm::new(x, s.unmasked()?, &Masks::diagonal(2, x.len(), s.units));
    /// [`Embedding`]: a layer without a past.
    Embedding = |s, x, rng| Embedding::new(x, s.unmasked()?);
}
