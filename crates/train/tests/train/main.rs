//! Tests of training in one program, which is compiled once.

#![allow(missing_docs)]

mod divergence;
mod endless;
mod export;
mod held_out;
mod instructions;
mod kinds;
mod learner;
mod longer;
mod not_finite;
mod optimizers;
mod places;
mod readout;
mod resume;
mod rewiring;
mod runs;
mod start;
mod wrong_calls;
