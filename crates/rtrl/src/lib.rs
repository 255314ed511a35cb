//! rtrl
