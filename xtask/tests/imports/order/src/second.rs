//! Imports nothing.

pub struct Second;
