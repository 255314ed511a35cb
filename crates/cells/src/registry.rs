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
            /// The leaky net, with a leak that is fixed or learned for each unit: `Leaky`.
            Leaky / leaky = Leaky, in leaky (Leaky);
            /// Adaptive leaky integrate-and-fire units, with a surrogate derivative: `Alif`.
            Alif / alif = Alif, in alif (Alif);
            /// The minimal gated unit whose gate resets before the product: `Mgu`.
            Mgu / mgu = Mgu, in mgu (Mgu);
            /// The minimal gated unit whose gate resets after the product: `MguResetAfter`.
            MguResetAfter / mgu_reset_after = MguResetAfter, in mgu_reset_after (MguResetAfter);
            /// The minGRU, without recurrent weights: `MinGru`.
            MinGru / min_gru = MinGru, in min_gru (MinGru);
            /// The independently recurrent net with ReLU: `IndRnn`.
            IndRnn / ind_rnn = IndRnn, in ind_rnn (IndRnn);
            /// Recurrent trace units, complex and diagonal, with tanh inside the recurrence: `Rtu`.
            Rtu / rtu = Rtu, in rtu (Rtu, RtuLinear);
            /// Recurrent trace units with a linear recurrence and tanh outside: `RtuLinear`.
            RtuLinear / rtu_linear = RtuLinear;
            /// Linear recurrent units, complex and diagonal: `Lru`.
            Lru / lru = Lru, in lru (Lru);
            /// A trained linear map, to be the lowest layer above symbols: `Embedding`.
            Embedding / embedding = Embedding, in embedding (Embedding);
        }
    };
}
