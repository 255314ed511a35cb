//! `cargo xtask data` against servers and archives that mean well, fail, lie and attack.

#![allow(missing_docs)]

mod cli;
mod download;
mod server;
mod unpack;
