//! Tests of estimators in one program, which is compiled once.

#![allow(missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod baselines;
mod carried;
mod carry_over;
mod controls;
mod cost;
mod equivalence;
mod estimator_table;
mod own;
mod protocol;
mod range;
mod single;
mod spread;
mod starts;
mod tbptt;
mod worked_example;
