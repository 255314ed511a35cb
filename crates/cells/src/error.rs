use rtrl_sparse::PatternError;

/// Why a cell or a stack cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CellError {
    /// A size that must be positive is zero.
    #[error("{what} must be at least 1")]
    Zero {
        /// The size.
        what: &'static str,
    },
    /// A mask, a pattern or a list has the wrong size.
    #[error("{what}: expected {expected}, found {found}")]
    Size {
        /// What was measured.
        what: &'static str,
        /// The size that the rest of the cell implies.
        expected: usize,
        /// The size found.
        found: usize,
    },
    /// No rows read what a mask is about.
    #[error("no rows of the cell read the inputs, or none the past, through mask {mask}")]
    Unread {
        /// The mask.
        mask: usize,
    },
    /// A kind of cell that there is already.
    #[error("there is a cell of the kind `{kind}` already")]
    Registered {
        /// The kind.
        kind: &'static str,
    },
    /// A layer has more places for weights than can be counted in 32 bits.
    #[error("{units} units on {inputs} inputs: a layer has at most 4294967295 places for weights")]
    TooLarge {
        /// Units of the layer.
        units: usize,
        /// Its inputs.
        inputs: usize,
    },
    /// No weight but a bias leads into a unit, so it can learn nothing from input or past.
    #[error(
        "the masks leave unit {unit} without any incoming weight; lower the sparsity or add a connection"
    )]
    Disconnected {
        /// The unit.
        unit: usize,
    },
    /// A sparsity outside 0..1.
    #[error("{what} must lie in 0.0..1.0, found {found}")]
    Sparsity {
        /// Which setting.
        what: &'static str,
        /// Its value, as text.
        found: String,
    },
    /// A sparsity was given for a cell that has no masks.
    #[error("this cell has no masks to thin out: remove `{what}`")]
    Unmasked {
        /// The setting.
        what: &'static str,
    },
    /// An own sparsity was given for one of the matrices among which a sparsity of the whole layer is shared out.
    #[error("the distribution `erk` shares out `sparsity` among all matrices of a layer: remove `{what}`")]
    Shared {
        /// The setting.
        what: &'static str,
    },
    /// A layer other than the first reads symbols.
    #[error("layer {layer} reads symbols; only the first layer of a stack can")]
    SymbolsAbove {
        /// The layer, counted from 0.
        layer: usize,
    },
    /// A cell with element-wise recurrence was given a recurrent weight between two units.
    #[error("the recurrent mask of an element-wise cell must be the diagonal; gate {gate} has other entries")]
    NotDiagonal {
        /// The gate, counted from 0.
        gate: usize,
    },
    /// A part of a structure names a state, source or entry that does not exist.
    #[error("{what} names {found}, but there are only {available}")]
    OutOfRange {
        /// Which part.
        what: &'static str,
        /// The index found.
        found: usize,
        /// Number of things that can be named.
        available: usize,
    },
    /// Two recurrent sources stand for the same thing.
    #[error("two recurrent sources of the same kind read state {state}")]
    Duplicate {
        /// The state.
        state: usize,
    },
    /// A pattern is malformed.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}
