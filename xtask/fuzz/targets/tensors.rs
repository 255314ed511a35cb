//! The reader of safetensors, and the nets that it makes.
#![no_main]

use rtrl_fuzz::{seed, tensors};

libfuzzer_sys::fuzz_target!(init: seed(tensors::seeds()), |file: &[u8]| tensors::tensors(file));
