//! Real-time recurrent learning in Rust: train recurrent nets online, at every step, without a stored history.
//!
//! ```
//! use rtrl::prelude::*;
//!
//! // A sparse GRU learns the copy task by SnAp-2, its weights changing at every step.
//! let net = Gru::new(Inputs::Symbols(4), 32).sparsity(0.75);
//! let training = net.trained_by(SnAp::new(2), Adam::new(3e-3)).lanes(8).steps(1000);
//! let mut trainer = training.on(CopyConfig::default())?;
//! let mut bits = 2.0; // per symbol: one of four is guessed
//! while trainer.steps() < 1000 {
//!     let step = trainer.train_window()?;
//!     bits += 0.02 * (step.loss / step.targets as f64 - bits);
//! }
//! assert!(bits < 1.0, "{bits} bits");
//! # Ok::<(), BuildError>(())
//! ```
//!
//! A net is written down as in a paper: [`Gru::new(inputs, units)`](prelude::Gru) and the layers [above
//! it](Net), an estimator ([`prelude::SnAp`], [`prelude::Rtrl`], [`prelude::Uoro`], …), an optimizer, and a
//! task. Together they make a [`RunConfig`](train::RunConfig), the same value as a configuration file, from
//! which a [`Trainer`](train::Trainer) is built.
//!
//! Each module is a crate of its own that can be used alone.
//!
//! | module | what it holds |
//! |---|---|
//! | [`sparse`] | patterns, block-structured recursions and their kernels |
//! | [`cells`] | recurrent cells, and stacks of them |
//! | [`estimators`] | SnAp-n, exact RTRL, BPTT, UORO, …: gradients at each step |
//! | [`tasks`] | streams to learn from: the copy task, character language modeling, … |
//! | [`train`] | readout, optimizers, the training loop |
//! | [`stream`] | forecasts of series, learned row by row |
//! | [`checkpoint`] | state that is saved and restored |
//! | [`interchange`] | weights to and from PyTorch, as safetensors |

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
const _: () = ();

#[cfg(doctest)]
mod book;
mod net;
pub mod prelude;
mod training;

pub use net::Net;
pub use rtrl_cells as cells;
pub use rtrl_checkpoint as checkpoint;
pub use rtrl_estimators as estimators;
pub use rtrl_interchange as interchange;
pub use rtrl_sparse as sparse;
pub use rtrl_stream as stream;
pub use rtrl_tasks as tasks;
pub use rtrl_train as train;
pub use training::{BuildError, Training};
