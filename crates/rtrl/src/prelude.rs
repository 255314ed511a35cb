//! The names for a program that trains nets: `use rtrl::prelude::*;`.
//!
//! Estimators and optimizers are named by their settings, under the names of the literature: [`SnAp`] is
//! [`SnapConfig`](rtrl_estimators::SnapConfig), and a setting is a field,
//! `SnAp { truncate: true, ..SnAp::new(2) }`.

pub use rtrl_cells::{Input, Inputs};
pub use rtrl_checkpoint::{CheckpointError, Loaded, Persist};
pub use rtrl_sparse::Lanes;
pub use rtrl_stream::{Forecaster, ForecasterConfig};
pub use rtrl_tasks::{Signal, Step, Task, TaskError};
pub use rtrl_train::{
    AdamConfig as Adam, AdamWConfig as AdamW, ConfigError, DivergencePolicy, Learner, Model,
    MomentumConfig as Momentum, NlmsConfig as Nlms, ObgdConfig as Obgd, Predictor, Rates,
    RmsPropConfig as RmsProp, RunConfig, SgdConfig as Sgd, StepReport, Targets, TrainError, Trainer,
    WindowReport,
};

pub use crate::net::names::*;
pub use crate::{BuildError, Net, Training};

/// The settings of each estimator, under its name in the literature.
macro_rules! estimators {
    ($($(#[$meta:meta])* $module:ident: $estimator:ident($config:ident) as $name:ident $(, $more:ident)*;)*) => {
        $(pub use rtrl_estimators::$config as $name;)*
    };
}
rtrl_estimators::for_each_estimator!(estimators);

/// The configuration of each task.
macro_rules! tasks {
    ($($(#[$doc:meta])* $module:ident: $name:ident($config:ident) $(, $more:ident)*;)*) => {
        $(pub use rtrl_tasks::$config;)*
    };
}
rtrl_tasks::for_each_task!(tasks);
