//! The names for a program that trains nets: `use rtrl::prelude::*;`.
//!
//! Estimators and optimizers are their settings under the names of the literature: [`SnAp`] is
//! [`SnapConfig`](rtrl_estimators::SnapConfig), and a setting is a field, `SnAp { truncate: true, ..SnAp::new(2) }`.

pub use rtrl_cells::{Input, Inputs};
pub use rtrl_checkpoint::{CheckpointError, Loaded, Persist};
pub use rtrl_estimators::{
    BpttConfig as Bptt, EpropConfig as Eprop, FrozenConfig as Frozen, KfRtrlConfig as KfRtrl, OkConfig,
    RandomPathsConfig as RandomPaths, RfloConfig as Rflo, RtrlConfig as Rtrl, SnapConfig as SnAp,
    TbpttConfig as Tbptt, UoroConfig as Uoro,
};
pub use rtrl_sparse::Lanes;
pub use rtrl_tasks::{
    AddingConfig, ChaosConfig, CharLmConfig, CopyConfig, CountingConfig, RecallConfig, Signal, Step, Task,
    TaskError,
};
pub use rtrl_train::{
    AdamConfig as Adam, AdamWConfig as AdamW, ConfigError, DivergencePolicy, Learner, Model,
    MomentumConfig as Momentum, Predictor, Rates, RmsPropConfig as RmsProp, RunConfig, SgdConfig as Sgd,
    StepReport, Targets, TrainError, Trainer, WindowReport,
};

pub use crate::net::{Embedding, Gru, GruResetBefore, Lstm, QuasiLstm, Vanilla, VanillaRelu};
pub use crate::{BuildError, Net, Training};
