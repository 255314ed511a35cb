//! Nets as one would write them down: a cell, its inputs, its units; then what is above it.

use rtrl_cells::{CellConfig, Inputs, Size};

/// What a net reads, and its layers from the lowest up: the [`CellConfig`]s of a
/// [`RunConfig`](rtrl_train::RunConfig).
#[derive(Debug, Clone, PartialEq)]
pub struct Net {
    pub(crate) inputs: Inputs,
    pub(crate) layers: Vec<CellConfig>,
}

/// For each cell a name to begin a net with, and a method that puts it above.
macro_rules! cells {
    ($($(#[$doc:meta])* $cell:ident / $above:ident = $kind:ty $(, in $module:ident ($($export:ident),*))?;)*) => {
        /// The names of the cells.
        pub(crate) mod names {
            use rtrl_cells::{CellConfig, Inputs, Size};

            use super::Net;

            $(
                $(#[$doc])*
                #[derive(Debug)]
                pub struct $cell;

                impl $cell {
                    /// A net of one such layer, of `units` units, dense.
                    #[must_use]
                    #[allow(clippy::new_ret_no_self)] // A name for a place in a net, which is what everything else works on.
                    pub fn new(inputs: Inputs, units: usize) -> Net {
                        Net::of(inputs, CellConfig::$cell(Size::dense(units)))
                    }
                }
            )*
        }

        impl Net {
            $(
                #[doc = concat!("Puts a [`", stringify!($cell), "`](crate::prelude::", stringify!($cell), ") of `units` units above; it reads the layer below.")]
                #[must_use]
                pub fn $above(self, units: usize) -> Self {
                    self.above(CellConfig::$cell(Size::dense(units)))
                }
            )*
        }
    };
}
rtrl_cells::for_each_cell!(cells);

impl Net {
    /// A net of one layer, which may be a cell of one's own: [`rtrl_cells::register`].
    #[must_use]
    pub fn of(inputs: Inputs, cell: CellConfig) -> Self {
        Self { inputs, layers: vec![cell] }
    }

    /// Puts a layer above; it reads the layer below.
    #[must_use]
    pub fn above(mut self, cell: CellConfig) -> Self {
        self.layers.push(cell);
        self
    }

    /// Takes away this share of the recurrent weights of the layer named last, at random by the run's seed.
    #[must_use]
    pub fn sparsity(mut self, share: f64) -> Self {
        self.top().sparsity = share;
        self
    }

    /// Takes away this share of the input weights of the layer named last, at random by the run's seed.
    #[must_use]
    pub fn input_sparsity(mut self, share: f64) -> Self {
        self.top().input_sparsity = share;
        self
    }

    fn top(&mut self) -> &mut Size {
        self.layers.last_mut().expect("a net begins with a layer").size_mut()
    }

    /// What the net reads.
    #[must_use]
    pub fn inputs(&self) -> Inputs {
        self.inputs
    }

    /// The layers, the lowest first.
    #[must_use]
    pub fn layers(&self) -> &[CellConfig] {
        &self.layers
    }
}
