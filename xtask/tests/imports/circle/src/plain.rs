//! Imports `listed` by the name that only a macro re-exports.

use crate::Listed;

pub struct Plain;

pub fn listed() -> Listed {
    Listed
}
