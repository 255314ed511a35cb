//! The reader of configurations, and what is built from those that it accepts.
#![no_main]

use rtrl_fuzz::{checks, seed};

libfuzzer_sys::fuzz_target!(
    init: seed(checks::RUNS.iter().map(|run| run.as_bytes().to_vec())),
    |text: &[u8]| checks::config(text)
);
