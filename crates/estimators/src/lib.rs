//! Gradient estimators for recurrent nets: how a gradient by the hidden state at each step becomes a gradient by the
//! weights.
//!
//! [`Influence`] carries the influence matrix `J_t = ds_t/dθ` forward: SnAp-n ([`SnapConfig`]), exact RTRL
//! ([`RtrlConfig`]) and, with something cheaper in the place of D, RFLO ([`RfloConfig`]), e-prop
//! ([`EpropConfig`]) and random paths ([`RandomPathsConfig`]). [`SnapTopK`] chooses the entries of J by their
//! magnitude, [`SnapLowRank`] adds what SnAp-1 drops at low rank, and [`Kernl`] learns the rates of its traces. [`Uoro`] and [`Kronecker`] (KF-RTRL, OK) approximate J by
//! a few random terms. [`Bptt`] and [`Tbptt`] go backwards over stored traces, and [`Dni`] from a prediction of later
//! losses. [`ForwardGradient`] goes forward along one direction. [`Immediate`]
//! looks at the present step alone, [`Frozen`] learns nothing. Every estimator sees a net only as a
//! [`Stack`](rtrl_cells::Stack), and training code sees every estimator as a [`GradientEstimator`].
#![doc = ""]
#![doc = include_str!("equations.md")]

mod build;
mod config;
mod cost;
mod error;
mod estimator;
mod groups;
mod influence;
mod kronecker;
mod memoryless;
mod norm;
mod own;
mod per_lane;
mod per_layer;
mod reach;
mod registry;
mod runner;
mod schedule;
mod signs;
pub mod testing;

/// Declares the module of each estimator and exports its settings and types.
macro_rules! modules {
    ($($(#[$meta:meta])* $module:ident: $estimator:ident($config:ident) as $name:ident $(, $more:ident)*;)*) => {
        $(
            mod $module;
            pub use $module::{$config $(, $more)*};
        )*
    };
}
for_each_estimator!(modules);

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
const _: () = ();

pub use build::BuildEstimator;
pub use config::{EstimatorConfig, register};
pub use cost::Cost;
pub use error::{EstimatorError, check_weights};
pub use estimator::{GradientEstimator, LaneState};
pub use influence::{Influence, Plan, ScheduleCosts, Transport};
pub use kronecker::Kronecker;
pub use memoryless::{Memoryless, Observed, Rule};
pub use own::OwnEstimator;
pub use per_lane::PerLane;
pub use per_layer::PerLayer;
pub use reach::{Order, Reach, Scope, reach};
pub use runner::Runner;
pub use schedule::Schedule;
pub use signs::Signs;

// Types of these crates appear in every estimator of one's own.
pub use {rand_xoshiro, rtrl_cells, rtrl_checkpoint, rtrl_sparse};

/// Builds an estimator of `T`.
type Build<T> = fn(
    &EstimatorConfig,
    std::sync::Arc<rtrl_cells::Stack<T>>,
    usize,
    usize,
) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError>;

/// Every estimator, compiled with this crate. Crates share what others have compiled if it is `inline(never)`, as `build` is, or
/// if they are compiled with little optimization, and would else each compile all estimators once more.
#[used]
static COMPILED_ONCE: (Build<f32>, Build<f64>) = (EstimatorConfig::build, EstimatorConfig::build);
