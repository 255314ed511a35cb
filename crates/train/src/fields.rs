//! Checks that the configurations share.

use serde::{Deserialize, Deserializer};

use crate::ConfigError;

/// Largest accepted size; a larger one must be a slip of the pen.
const MOST: usize = 1 << 24;

/// Refuses sizes above `MOST`.
pub(crate) fn check_size(field: &'static str, size: usize) -> Result<(), ConfigError> {
    let error = || ConfigError::Value { field, allowed: "at most 16777216", found: size.to_string() };
    if size <= MOST { Ok(()) } else { Err(error()) }
}

/// `Ok` if `fits`, or an error that names the field, what is allowed and `found`.
pub(crate) fn check(
    field: &'static str,
    allowed: &'static str,
    fits: bool,
    found: f64,
) -> Result<(), ConfigError> {
    if fits { Ok(()) } else { Err(ConfigError::Value { field, allowed, found: found.to_string() }) }
}

/// Reads a unit variant of a table with a kind, as `#[serde(deserialize_with = "no_fields")]`. Without it serde
/// skips other fields of such a table, even with `deny_unknown_fields`.
pub(crate) fn no_fields<'de, D: Deserializer<'de>>(table: D) -> Result<(), D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Empty {}
    Empty::deserialize(table).map(|Empty {}| ())
}
