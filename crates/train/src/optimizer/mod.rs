//! Optimizers: how a gradient changes weights.

mod adam;
mod build;
mod groups;
mod nlms;
mod obgd;
mod registry;
mod rms_prop;
mod schedule;
mod settings;
mod sgd;
mod update;

pub use adam::{Adam, AdamConfig, AdamWConfig};
pub use build::Optimizer;
pub use nlms::NlmsConfig;
pub use obgd::ObgdConfig;
pub use registry::OptimizerConfig;
pub use rms_prop::{RmsProp, RmsPropConfig};
pub use schedule::RateSchedule;
pub use settings::{GroupConfig, UpdateConfig};
pub use sgd::{MomentumConfig, Sgd, SgdConfig};
pub use update::{Parameters, Rates, Updater};
