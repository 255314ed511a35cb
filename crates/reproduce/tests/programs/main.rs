//! `cargo xtask reproduce` and the tasks of its engines, as a user meets them.

#![allow(missing_docs)]

#[cfg(unix)]
mod engine;
#[cfg(unix)]
mod fake;
mod reproduce;
