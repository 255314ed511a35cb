//! Nets as one would write them down: a cell, its inputs, its units; then what is above it.

use rtrl_cells::{CellConfig, Inputs, Size};
use rtrl_estimators::EstimatorConfig;
use rtrl_train::OptimizerConfig;

use crate::Training;

/// What a net reads, and its layers from the lowest up: the [`CellConfig`]s of a
/// [`RunConfig`](rtrl_train::RunConfig).
#[derive(Debug, Clone, PartialEq)]
pub struct Net {
    pub(crate) inputs: Inputs,
    pub(crate) layers: Vec<CellConfig>,
}

/// For each cell a name to begin a net with, and a method that puts it above.
macro_rules! cells {
    ($($(#[$doc:meta])* $cell:ident / $above:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub struct $cell;

            impl $cell {
                /// A net of one such layer, of `units` units, dense.
                #[must_use]
                #[allow(clippy::new_ret_no_self)] // A name for a place in a net, which is what everything else works on.
                pub fn new(inputs: Inputs, units: usize) -> Net {
                    Net { inputs, layers: vec![CellConfig::$cell(Size::dense(units))] }
                }
            }
        )*

        impl Net {
            $(
                #[doc = concat!("Puts a [`", stringify!($cell), "`] of `units` units above; it reads the layer below.")]
                #[must_use]
                pub fn $above(mut self, units: usize) -> Self {
                    self.layers.push(CellConfig::$cell(Size::dense(units)));
                    self
                }
            )*
        }
    };
}

cells! {
    /// The Elman net with tanh: [`rtrl_cells::Vanilla`].
    Vanilla / vanilla;
    /// The Elman net with ReLU: [`rtrl_cells::Vanilla`].
    VanillaRelu / vanilla_relu;
    /// The GRU whose reset gate acts after the product, as in PyTorch: [`rtrl_cells::Gru`].
    Gru / gru;
    /// The GRU whose reset gate acts before the product: [`rtrl_cells::GruResetBefore`].
    GruResetBefore / gru_reset_before;
    /// The LSTM: [`rtrl_cells::Lstm`].
    Lstm / lstm;
    /// The gated cell with element-wise recurrence: [`rtrl_cells::QuasiLstm`].
    QuasiLstm / quasi_lstm;
    /// A trained linear map, to be the lowest layer above symbols: [`rtrl_cells::Embedding`].
    Embedding / embedding;
}

impl Net {
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

    /// How the net is to learn: where its gradient comes from, and what is done with it.
    #[must_use]
    pub fn trained_by(
        self,
        estimator: impl Into<EstimatorConfig>,
        optimizer: impl Into<OptimizerConfig>,
    ) -> Training {
        Training::new(self, estimator.into(), optimizer.into())
    }
}
