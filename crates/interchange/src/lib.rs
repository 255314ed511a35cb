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
//! # A file that needs nothing else
//! [`export`] writes what the net is into the file's `__metadata__`, beside `format = pt`: the key `rtrl` holds, as
//! JSON, its layers and readout (a [`NetConfig`](rtrl_train::NetConfig)) and what it reads and predicts. [`read`]
//! and [`from_bytes`] make a [`Model`](rtrl_train::Model) of it; [`import`] and [`load`] put the weights into a model
//! that is there already, also those of a file without a description, such as one that PyTorch wrote.
//!
//! [`save_folder`] writes a folder with `model.safetensors` and `config.json`, as programs around PyTorch expect it;
//! [`read`] and [`load`] take folders as well as files.
//!
//! F32 is taken over bit for bit, F16 and BF16 exactly; F64 is rounded to the nearest `f32`, number by number.
//!
//! # Weights that do not exist
//! A weight that the masks leave out is exported as zero. On import, a zero is either a weight that is zero
//! ([`Zeros::Keep`]; the file must then have zeros wherever the net has no weight; in a net made of a file alone
//! every weight exists), or no weight ([`Zeros::Mask`]; a weight that exists and is zero is then lost, which changes
//! no output).
//!
//! # Biases
//! PyTorch has two biases for each row, `W x + b_ih + U h + b_hh`, where one would do.
//!
//! * **All gates but n of the GRU** have one bias b here. It is exported as `b_ih = b`, `b_hh = 0`, and imported
//!   as `b = b_ih + b_hh`, the sum of two `f32` rounded once to `f32`. PyTorch rounds its sums in another order, so
//!   that results agree to rounding.
//! * **n of the GRU**, `n = tanh(W_n x + b_in + r ∘ (U_n h + b_hn))`: r multiplies only one of the two biases, so
//!   that they cannot be merged. There are two here as well, `b_n` and `c_n`, which are copied unchanged.
//! * **An embedding** has a bias here, but none in PyTorch. It is exported as part of every row of the table
//!   (rounded once), and imported as 0.
//!
//! A net that is exported and imported again is the same, bit for bit; with an embedding, from the second time on.
//!
//! ```
//! use rtrl_cells::{CellConfig, Size};
//! use rtrl_interchange::{Names, Zeros, export, from_bytes, import};
//! use rtrl_tasks::Signal;
//! use rtrl_train::{Model, NetConfig, ReadoutConfig};
//!
//! let layers = vec![CellConfig::Gru(Size::sparse(8, 0.5))];
//! let net = NetConfig { layers, readout: ReadoutConfig::default() };
//! let (inputs, targets) = (Signal::Symbols(4), Signal::Symbols(4));
//! let model = Model::initial(&net, inputs, targets, 0)?;
//! let file = export(&model, &Names::default())?;
//!
//! let same = from_bytes(&file, &Names::default(), Zeros::Mask)?;
//! assert_eq!((same.masks(), same.weights()), (model.masks(), model.weights()));
//!
//! let mut other = Model::initial(&net, inputs, targets, 1)?; // other masks, other weights
//! import(&mut other, &file, &Names::default(), Zeros::Mask)?;
//! assert_eq!((other.masks(), other.weights()), (model.masks(), model.weights()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
const _: () = ();

mod description;
mod error;
mod export;
mod file;
mod find;
mod import;
mod layout;
mod names;
mod path;

pub use error::InterchangeError;
pub use export::export;
pub use import::{Zeros, from_bytes, import};
pub use names::Names;
pub use path::{load, read, save, save_folder};
