//! Why a recursion cannot be laid out.

/// Why blocks cannot be laid out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// Two parts of the description have different sizes.
    #[error("{what}: expected {expected}, found {found}")]
    Size {
        /// What was measured.
        what: &'static str,
        /// The size that the other parts imply.
        expected: usize,
        /// The size found.
        found: usize,
    },
    /// The reach of a row is not strictly increasing or names a state that does not exist.
    #[error("the reach of row {row} is not a strictly increasing list of states below {states}")]
    Reach {
        /// The row.
        row: usize,
        /// Number of states.
        states: usize,
    },
    /// There are more entries than index arrays can count ([`Layout::max_index`](crate::Layout::max_index)).
    #[error("{what}: {found} are more than the {max} that an index array can hold")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// How many there would be.
        found: usize,
        /// How many there may be.
        max: u32,
    },
}
