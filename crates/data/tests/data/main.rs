//! Downloads against servers and archives that mean well, fail, lie and attack.

#![allow(missing_docs)]

mod download;
mod server;
mod unpack;
