//! Gradient estimators for recurrent nets: how a gradient by the hidden state at each step becomes a gradient by the
//! weights.
//!
//! [`Influence`] carries the influence matrix `J_t = ds_t/dθ` forward: SnAp-n ([`SnapConfig`]), exact RTRL ([`RtrlConfig`]) and, with
//! something cheaper in the place of D, RFLO ([`RfloConfig`]), e-prop ([`EpropConfig`]) and random paths ([`RandomPathsConfig`]).
//! [`Uoro`] and [`Kronecker`] (KF-RTRL, OK) carry it in few random terms. [`Bptt`] and [`Tbptt`] go backwards over stored traces.
//! [`Frozen`] learns nothing. All of them see a net only as a [`Stack`](rtrl_cells::Stack), and the rest of the world sees them as a
//! [`GradientEstimator`].
//!
//! ```
//! use std::sync::Arc;
//! use rand_xoshiro::{Xoshiro256PlusPlus, rand_core::SeedableRng};
//! use rtrl_cells::{CellConfig, Input, Inputs, Size, Stack, init};
//! use rtrl_estimators::{EstimatorConfig, SnapConfig};
//! use rtrl_sparse::Lanes;
//!
//! let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
//! let cell = CellConfig::Gru(Size { sparsity: 0.75, ..Size::dense(32) }).build(Inputs::Symbols(4), &mut rng)?;
//! let net = Arc::new(Stack::<f32>::new(vec![cell])?);
//! let mut weights = init::uniform(&net, &mut rng);
//! let mut gradient = vec![0.0; weights.len()];
//!
//! // Fully online: one lane, a window of one step.
//! let mut snap = EstimatorConfig::Snap(SnapConfig { order: 2, ..Default::default() }).build(net, 1, 1)?;
//! for step in 0..10 {
//!     snap.step(&weights, Input::Symbols(&[step % 4]), &[step == 0]);
//!     // A loss ½‖h‖² has the gradient h.
//!     let hidden_gradient = snap.hidden().values().to_vec();
//!     snap.observe(&weights, Lanes::new(&hidden_gradient, 1), &mut gradient);
//!     snap.finish_window(&weights, &mut gradient);
//!     for (w, g) in weights.iter_mut().zip(&mut gradient) {
//!         *w -= 0.01 * std::mem::take(g);
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![doc = ""]
#![doc = include_str!("equations.md")]

mod bptt;
mod cost;
mod eprop;
mod error;
mod estimator;
mod frozen;
mod groups;
mod influence;
mod kf_rtrl;
mod kronecker;
mod norm;
mod ok;
mod random_paths;
mod reach;
mod registry;
mod rflo;
mod runner;
mod signs;
mod tbptt;
pub mod testing;
mod uoro;

pub use bptt::{Bptt, BpttConfig};
pub use cost::Cost;
pub use eprop::EpropConfig;
pub use error::{EstimatorError, check_weights};
pub use estimator::GradientEstimator;
pub use frozen::{Frozen, FrozenConfig};
pub use influence::{Influence, Plan, RtrlConfig, Schedule, ScheduleCosts, SnapConfig, Transport};
pub use kf_rtrl::{KfRtrlConfig, kf_rtrl};
pub use kronecker::Kronecker;
pub use ok::{OkConfig, ok};
pub use random_paths::RandomPathsConfig;
pub use reach::{Order, Scope, reach};
pub use registry::EstimatorConfig;
pub use rflo::RfloConfig;
pub use signs::Signs;
pub use tbptt::{Tbptt, TbpttConfig};
pub use uoro::{Uoro, UoroConfig};
