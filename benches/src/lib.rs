//! Shared fixtures of the criterion benches.
