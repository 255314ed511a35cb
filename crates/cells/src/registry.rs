//! The list of all cells, one line for each.

/// Calls the macro `$then` with all cells. A line holds the documentation, the variant of
/// [`CellConfig`](crate::CellConfig), the name of the method that adds the cell above the layers of a net, its
/// [`CellKind`](crate::CellKind), and the module with the types that it exports.
///
/// A new cell is a file and a line here; everything else is derived from it.
#[macro_export]
macro_rules! for_each_cell {
    ($then:ident) => {
        $then! {
            /// The Elman net with tanh: `Vanilla`.
            Vanilla / vanilla = Vanilla<Tanh>, in vanilla (Activation, Relu, Tanh, Vanilla);
            /// The Elman net with ReLU: `Vanilla`.
            VanillaRelu / vanilla_relu = Vanilla<Relu>;
            /// The GRU whose reset gate acts after the product, as in PyTorch: `Gru`.
            Gru / gru = Gru, in gru (Gru);
            /// The GRU whose reset gate acts before the product: `GruResetBefore`.
            GruResetBefore / gru_reset_before = GruResetBefore, in gru_reset_before (GruResetBefore);
            /// The LSTM: `Lstm`.
            Lstm / lstm = Lstm, in lstm (Lstm);
            /// The gated cell with element-wise recurrence: `QuasiLstm`.
            QuasiLstm / quasi_lstm = QuasiLstm, in quasi_lstm (QuasiLstm);
            /// A trained linear map, to be the lowest layer above symbols: `Embedding`.
            Embedding / embedding = Embedding, in embedding (Embedding);
        }
    };
}
