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
//! assert!((last.loss / last.targets as f64) < 0.8 * (first.loss / first.targets as f64));
//! # Ok::<(), rtrl_train::TrainError>(())
//! ```
//!
//! [`run()`] trains in a folder of its own, with metrics, checkpoints and a result.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
const _: () = ();

mod affine;
mod compare;
mod config;
mod divergence;
mod dynamic;
mod error;
mod evaluate;
mod export;
mod feedback;
mod fields;
mod folder;
mod input_map;
mod learner;
mod learning;
mod least_squares;
mod metrics;
mod model;
mod number;
mod optimizer;
mod output_gate;
mod overrides;
mod place;
mod predictor;
mod readout;
mod run;
mod run_config;
mod sparsity;
mod start;
mod summary;
mod trainer;

pub use compare::Alignment;
pub use config::{
    CompareConfig, DynamicConfig, EarlyStopConfig, LearningConfig, NetConfig, PassiveConfig, ReadoutConfig,
    StartConfig, TrainingConfig, parse_toml,
};
pub use divergence::DivergencePolicy;
pub use dynamic::{evaluate_dynamically, evaluate_dynamically_on};
pub use error::{ConfigError, TrainError};
pub use evaluate::{EVALUATION_LANES, ErrorScores, Scores, evaluate, evaluate_on};
pub use export::{MetricsFormat, export_metrics};
pub use feedback::Feedback;
pub use learner::Learner;
pub use learner::state::LearnerState;
pub use learning::StepReport;
pub use least_squares::{LeastSquares, RlsConfig};
pub use metrics::{Record, read_metrics};
pub use model::Model;
pub use optimizer::{
    Adam, AdamConfig, AdamWConfig, GroupConfig, MomentumConfig, NlmsConfig, ObgdConfig, Optimizer,
    OptimizerConfig, Parameters, RateSchedule, Rates, RmsProp, RmsPropConfig, Sgd, SgdConfig, UpdateConfig,
    Updater,
};
pub use place::Place;
pub use predictor::Predictor;
pub use readout::{Loss, Readout, Targets};
pub use run::{Outcome, Progress, RunOptions, run};
pub use run_config::{CONFIG_VERSION, RunConfig};
pub use sparsity::{Matrices, RewiringConfig};
pub use summary::{Summary, read_summary};
pub use trainer::{Trainer, WindowReport};
