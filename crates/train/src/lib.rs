//! Readout, losses, optimizers and the loop that trains a recurrent net on a task.
//!
//! ```
//! use rtrl_train::{RunConfig, Trainer};
//!
//! let config = RunConfig::from_toml(
//!     r#"
//!     task = { kind = "copy" }
//!     layers = [{ kind = "gru", units = 16 }]
//!     estimator = { kind = "snap", order = 1 }
//!     optimizer = { kind = "adam", learning_rate = 0.003 }
//!     training = { lanes = 8, window = 1, steps = 300, seed = 0 }
//!     "#,
//!     "example",
//! )?;
//! let mut trainer = Trainer::new(&config)?;
//! let first = trainer.train_window()?;
//! while trainer.steps() < 299 {
//!     trainer.train_window()?;
//! }
//! let last = trainer.train_window()?;
//! assert!((last.bits / last.targets as f64) < 0.8 * (first.bits / first.targets as f64));
//! # Ok::<(), rtrl_train::TrainError>(())
//! ```
//!
//! [`run()`] does the same in a folder, with metrics and a result.

mod compare;
mod config;
mod error;
mod metrics;
mod optimizer;
mod readout;
mod run;
mod trainer;

pub use compare::Alignment;
pub use config::{CONFIG_VERSION, CompareConfig, PassiveConfig, ReadoutConfig, RunConfig, TrainingConfig};
pub use error::{ConfigError, TrainError};
pub use metrics::{Record, read_metrics};
pub use optimizer::{Adam, AdamConfig, Optimizer, OptimizerConfig};
pub use readout::Readout;
pub use run::{Outcome, Progress, Summary, read_summary, run};
pub use trainer::{Trainer, WindowReport};
