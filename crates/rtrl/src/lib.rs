//! Real-time recurrent learning in Rust: train recurrent nets online, at every step, without a stored history.
//!
//! This crate is the front door; each module is a crate of its own that can be used alone.
//!
//! | module | what it holds |
//! |---|---|
//! | [`sparse`] | patterns, block-structured recursions and their kernels |
//! | [`cells`] | recurrent cells, and stacks of them |
//! | [`estimators`] | SnAp-n, exact RTRL, BPTT: gradients at each step |
//! | [`tasks`] | streams to learn from: the copy task, character language modeling |
//! | [`train`] | readout, optimizers, the training loop |
//!
//! ```
//! use rtrl::train::{RunConfig, Trainer};
//!
//! // A sparse GRU learns the copy task with SnAp-2, its weights changing at every step.
//! let config = RunConfig::from_toml(
//!     r#"
//!     task = { kind = "copy" }
//!     layers = [{ kind = "gru", units = 16, sparsity = 0.75 }]
//!     estimator = { kind = "snap", order = 2 }
//!     optimizer = { kind = "adam", learning_rate = 0.003 }
//!     training = { lanes = 4, window = 1, steps = 100, seed = 0 }
//!     "#,
//!     "example",
//! )?;
//! let mut trainer = Trainer::new(&config)?;
//! for _ in 0..100 {
//!     trainer.train_window()?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use rtrl_cells as cells;
pub use rtrl_estimators as estimators;
pub use rtrl_sparse as sparse;
pub use rtrl_tasks as tasks;
pub use rtrl_train as train;
