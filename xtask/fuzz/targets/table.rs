//! The readers of tables, and the steps that they yield.
#![no_main]

use rtrl_fuzz::{seed, table};

libfuzzer_sys::fuzz_target!(init: seed(table::seeds()), |input: &[u8]| table::table(input));
