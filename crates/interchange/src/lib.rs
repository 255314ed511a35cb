//! Weights of recurrent nets to and from PyTorch, as [safetensors](https://github.com/huggingface/safetensors).
//!
//! | here | PyTorch | gates, as blocks of rows |
//! |---|---|---|
//! | `vanilla`, `vanilla-relu` | `nn.RNN` (`nonlinearity='relu'`) | – |
//! | `gru` (reset after the product) | `nn.GRU` | r, z, n |
//! | `lstm` | `nn.LSTM` | i, f, g, o |
//! | `embedding` as the lowest layer, reading symbols | `nn.Embedding` | – |
//! | readout | `nn.Linear`, or `nn.Sequential(Linear, ReLU, Linear)` | – |
//!
//! Layers of one kind and size are the layers of one module (`num_layers`), with the tensors `weight_ih_l0`,
//! `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0` and so on. [`Names`] has the prefixes of these names; the defaults
//! are those of the state dictionary of
//!
//! ```python
//! class Net(torch.nn.Module):
//!     def __init__(self):
//!         super().__init__()
//!         self.embedding = torch.nn.Embedding(symbols, width)     # if the net has one
//!         self.rnn = torch.nn.GRU(width, units, num_layers=layers)
//!         self.readout = torch.nn.Linear(units, outputs)
//! ```
//!
//! In PyTorch, a net that reads symbols without an embedding takes them as one-hot vectors.
//!
//! # Weights that do not exist
//! A weight that the masks leave out is exported as zero. On import, a zero is either a weight that is zero
//! ([`Zeros::Keep`]; the file must then have zeros wherever the net has no weight), or no weight
//! ([`Zeros::Mask`]).
//!
//! # Biases
//! PyTorch has two biases for each row, `W x + b_ih + U h + b_hh`, where one would do.
//!
//! * **All gates but n of the GRU** have one bias b here. It is exported as `b_ih = b`, `b_hh = 0`, and imported
//!   as `b = b_ih + b_hh`, rounded once to `f32`. PyTorch rounds its sums in another order, so that results agree
//!   to rounding.
//! * **n of the GRU**, `n = tanh(W_n x + b_in + r ∘ (U_n h + b_hn))`: r multiplies only one of the two biases, so
//!   that they cannot be merged. There are two here as well, `b_n` and `c_n`, which are copied unchanged.
//! * **An embedding** has a bias here, but none in PyTorch. It is exported as part of every row of the table
//!   (rounded once), and imported as 0.
//!
//! A net that is exported and imported again is the same, bit for bit; with an embedding, from the second time on.
//!
//! ```
//! use rtrl_interchange::{Names, Zeros, export, import};
//! use rtrl_tasks::Signal;
//! use rtrl_train::{Model, RunConfig};
//!
//! let config = RunConfig::from_toml(
//!     r#"
//!     task = { kind = "copy" }
//!     layers = [{ kind = "gru", units = 8, sparsity = 0.5 }]
//!     estimator = { kind = "snap", order = 2 }
//!     optimizer = { kind = "adam", learning_rate = 0.003 }
//!     training = { lanes = 1, window = 1, steps = 1, seed = 0 }
//!     "#,
//!     "example",
//! )?;
//! let (inputs, targets) = (Signal::Symbols(4), Signal::Symbols(4));
//! let trained = Model::new(&config, inputs, targets)?;
//! let file = export(&trained, &Names::default())?;
//!
//! let mut other = config.clone();
//! other.training.seed = 1; // other masks, other weights
//! let mut other = Model::new(&other, inputs, targets)?;
//! import(&mut other, &file, &Names::default(), Zeros::Mask)?;
//! assert_eq!(other.masks(), trained.masks());
//! assert_eq!(other.weights(), trained.weights());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
const _: () = ();

mod error;
mod export;
mod import;
mod layout;

pub use error::InterchangeError;
pub use export::{export, save};
pub use import::{Zeros, import, load};
pub use layout::Names;
