//! The reader of checkpoints of unfinished runs, and the runs that go on from what it accepts.
#![no_main]

use rtrl_fuzz::{checks, seed};

libfuzzer_sys::fuzz_target!(
    init: seed((0..checks::RUNS.len()).flat_map(|index| {
        [0, 1, 9].map(|windows| [&[index as u8][..], &checks::trainer_file(index, windows)].concat())
    })),
    |input: &[u8]| checks::trainer(input)
);
