//! Tests of files in one program, which is compiled once.

#![allow(missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod alone;
mod exchange;
mod names;
mod refusals;
mod types;
mod vectors;
