//! Tests of cells in one program, which is compiled once.

#![allow(missing_docs)]

mod calls;
mod init;
mod layers;
mod masks;
mod own_cell;
mod spread;
