use rtrl_sparse::PatternError;

/// Why a cell or a stack cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CellError {
    /// A size that must be positive is zero.
    #[error("{what} must be at least 1")]
    Zero {
        /// Which size.
        what: &'static str,
    },
    /// A mask, a pattern or a list has the wrong size.
    #[error("{what}: expected {expected}, found {found}")]
    Size {
        /// Which size.
        what: &'static str,
        /// The size that the rest of the cell requires.
        expected: usize,
        /// The size found.
        found: usize,
    },
    /// No row under a mask reads the inputs, or none reads the past, so that one matrix of the mask has no
    /// effect.
    #[error("no rows of the cell read the inputs, or none the past, through mask {mask}")]
    Unread {
        /// Index of the mask.
        mask: usize,
    },
    /// The name of a kind of cell is taken.
    #[error("there is a cell of the kind `{kind}` already")]
    Registered {
        /// The name.
        kind: &'static str,
    },
    /// The layer could have more weights than an index of 32 bits can count.
    #[error("{units} units on {inputs} inputs: a layer has at most 4294967295 places for weights")]
    TooLarge {
        /// Number of units of the layer.
        units: usize,
        /// Number of inputs of the layer.
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
    /// The share of the state that a leaky cell keeps lies outside 0..1.
    #[error("`leak` must lie in 0.0..1.0, found {found}")]
    Leak {
        /// Its value, as text.
        found: String,
    },
    /// A leak was given for a cell that has none to set.
    #[error("this cell has no fixed leak: remove `leak`, which `leaky` and `alif` have")]
    NoLeak,
    /// A sparsity was given for a cell that has no masks.
    #[error("this cell has no masks to thin out: remove `{what}`")]
    Unmasked {
        /// The setting.
        what: &'static str,
    },
    /// [`Distribution::Erk`](crate::Distribution::Erk) shares out one sparsity among all matrices of the layer,
    /// but a matrix was also given a sparsity of its own.
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
    /// A part of a structure names a state or row that does not exist.
    #[error("{what} names {found}, but there are only {available}")]
    OutOfRange {
        /// Which part of the structure.
        what: &'static str,
        /// The index found.
        found: usize,
        /// Number of states or rows that exist.
        available: usize,
    },
    /// Two recurrent sources of the same kind read the same state.
    #[error("two recurrent sources of the same kind read state {state}")]
    Duplicate {
        /// The state.
        state: usize,
    },
    /// A row of a gate that keeps or writes the state does not read the constant 1.
    #[error("row {row} is of a gate that keeps or writes the state, but has no bias")]
    NoBias {
        /// The row.
        row: usize,
    },
    /// A setting of [`InitConfig`](crate::init::InitConfig) is out of range.
    #[error("`{what}` must be {allowed}, found {found}")]
    Init {
        /// The setting.
        what: &'static str,
        /// What it may be.
        allowed: &'static str,
        /// Its value, as text.
        found: String,
    },
    /// A gain was given for recurrent weights that are not orthogonal.
    #[error("`gain` scales orthogonal matrices: set `recurrent = \"orthogonal\"` or remove `gain`")]
    UniformGain,
    /// Two settings of [`InitConfig`](crate::init::InitConfig) say what the same biases are.
    #[error("`forget_bias` and `chrono` set the same biases: remove one of them")]
    TwoBiases,
    /// No layer has a gate whose bias a setting of [`InitConfig`](crate::init::InitConfig) could set.
    #[error(
        "`{what}` sets the bias of the gate that keeps the state, and no layer has one; \
         `gru`, `gru-reset-before`, `lstm`, `quasi-lstm`, `mgu` and `mgu-reset-after` do"
    )]
    NoMemory {
        /// The setting.
        what: &'static str,
    },
    /// No layer has a recurrent matrix that could be orthogonal.
    #[error("`recurrent = \"orthogonal\"`, but no layer has a recurrent matrix between different units")]
    NoMatrix,
    /// The recurrent weights of a gate are not a matrix of units × units.
    #[error(
        "gate {gate} of layer {layer} reads more than one recurrent source for each unit: \
         its weights cannot be orthogonal"
    )]
    NotSquare {
        /// The layer, counted from 0.
        layer: usize,
        /// The gate, counted from 0.
        gate: usize,
    },
    /// A pattern is malformed.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}
