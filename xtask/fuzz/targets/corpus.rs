//! The reader of texts, in crops, as a stream and as held-out data.
#![no_main]

use rtrl_fuzz::{checks, seed};

libfuzzer_sys::fuzz_target!(
    init: seed([0, 1, 5].map(|len| [&[2, 3, 0, 0, 4][..], &b"the sea was dark ".repeat(len)].concat())),
    |input: &[u8]| checks::corpus(input)
);
