//! A check that must hold for any bytes, whether they come from a test or from libFuzzer (`xtask/fuzz`). If it fails,
//! it panics.

use rtrl_cells::{CellConfig, Size};
use rtrl_interchange::{Names, Zeros, export, from_bytes};
use rtrl_tasks::Signal;
use rtrl_train::{Model, NetConfig, ReadoutConfig};

/// Files of small nets of each kind that PyTorch has.
pub fn seeds() -> Vec<Vec<u8>> {
    let (gru, lstm) = (CellConfig::Gru(Size::sparse(3, 0.5)), CellConfig::Lstm(Size::dense(2)));
    let embedding = CellConfig::Embedding(Size::dense(2));
    let nets = [
        (vec![gru, gru], None, Signal::Values(2)),
        (vec![embedding, lstm], Some(3), Signal::Symbols(4)),
        (vec![CellConfig::Vanilla(Size::dense(2))], None, Signal::Symbols(3)),
    ];
    let file = |(seed, (layers, hidden, inputs))| {
        let net = NetConfig { layers, readout: ReadoutConfig { hidden, ..Default::default() } };
        let model = Model::initial(&net, inputs, Signal::Values(2), seed).expect("a small net");
        export(&model, &Names::default()).expect("a net that PyTorch has")
    };
    (0..).zip(nets).map(file).collect()
}

/// A file is read, or refused with a reason. A net that was read can be written, and read again as the same net.
pub fn tensors(file: &[u8]) {
    for zeros in [Zeros::Keep, Zeros::Mask] {
        let model = match from_bytes(file, &Names::default(), zeros) {
            Ok(model) => model,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                continue;
            }
        };
        // A layer that two names share, or a zero where a mask is wanted, may still be refused.
        let Ok(written) = export(&model, &Names::default()) else { continue };
        let again = from_bytes(&written, &Names::default(), zeros).expect("what was written can be read");
        assert_eq!(again.net().layers.len(), model.net().layers.len());
        assert_eq!(again.signals(), model.signals());
    }
}
