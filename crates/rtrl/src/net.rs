//! Nets in a short notation: a cell, its inputs and units, then the layers above.

use rtrl_cells::{CellConfig, Inputs, Size};

/// What a net reads, and its layers from the lowest up: the [`CellConfig`]s of a
/// [`RunConfig`](rtrl_train::RunConfig).
#[derive(Debug, Clone, PartialEq)]
pub struct Net {
    pub(crate) inputs: Inputs,
    pub(crate) layers: Vec<CellConfig>,
}

/// Declares, for each cell, a type with which a net begins, and a method that adds the cell as a layer above.
macro_rules! cells {
    ($($(#[$doc:meta])* $cell:ident / $above:ident = $kind:ty $(, in $module:ident ($($export:ident),*))?;)*) => {
        /// The types with which a net begins, one for each cell.
        pub(crate) mod names {
            use rtrl_cells::{CellConfig, Inputs, Size};

            use super::Net;

            $(
                $(#[$doc])*
                #[derive(Debug)]
                pub struct $cell;

                impl $cell {
                    /// A net of one dense layer of this cell, with `units` units.
                    #[must_use]
                    #[allow(clippy::new_ret_no_self)] // The type is only a name; all else works on a `Net`.
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

    /// Adds a layer above the others; it reads the layer below.
    #[must_use]
    pub fn above(mut self, cell: CellConfig) -> Self {
        self.layers.push(cell);
        self
    }

    /// Removes this share, in 0..1, of the recurrent weights of the layer named last. The run's seed decides at
    /// random which.
    #[must_use]
    pub fn sparsity(mut self, share: f64) -> Self {
        self.top().sparsity = share;
        self
    }

    /// Removes this share, in 0..1, of the input weights of the layer named last. The run's seed decides at
    /// random which.
    #[must_use]
    pub fn input_sparsity(mut self, share: f64) -> Self {
        self.top().input_sparsity = share;
        self
    }

    /// Fixes the share, in 0..1, of its state that each unit of the layer named last keeps at a step. For leaky
    /// cells alone.
    #[must_use]
    pub fn leak(mut self, share: f64) -> Self {
        self.top().leak = Some(share);
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
