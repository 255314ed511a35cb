//! What fields of configurations have in common.

use serde::{Deserialize, Deserializer};

use crate::ConfigError;

/// The greatest size: what exceeds it is a slip of the pen.
const MOST: usize = 1 << 24;

/// Refuses sizes that are a slip of the pen.
pub(crate) fn check_size(field: &'static str, size: usize) -> Result<(), ConfigError> {
    let error = || ConfigError::Value { field, allowed: "at most 16777216", found: size.to_string() };
    if size <= MOST { Ok(()) } else { Err(error()) }
}

/// `found` if `fits`, or what is allowed.
pub(crate) fn check(
    field: &'static str,
    allowed: &'static str,
    fits: bool,
    found: f64,
) -> Result<(), ConfigError> {
    if fits { Ok(()) } else { Err(ConfigError::Value { field, allowed, found: found.to_string() }) }
}

/// For unit variants of tables with a kind, as `#[serde(deserialize_with = "no_fields")]`: serde skips whatever else is in
/// such a table, although it is told to refuse unknown fields.
pub(crate) fn no_fields<'de, D: Deserializer<'de>>(table: D) -> Result<(), D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Empty {}
    Empty::deserialize(table).map(|Empty {}| ())
}
