//! A cell of one's own in everything that is described by a configuration.

#![allow(missing_docs)]

use rtrl::cells::{
    Activation, Cell, CellConfig, CellError, CellKind, Masks, Size, Vanilla as VanillaCell, Wiring, register,
};
use rtrl::checkpoint::{from_bytes, to_bytes};
use rtrl::prelude::*;
use rtrl::sparse::Scalar;

/// softsign: z / (1 + |z|).
#[derive(Debug, Clone, Default)]
struct Softsign;

impl Activation for Softsign {
    fn apply<T: Scalar>(&self, z: &[T], h: &mut [T], slope: &mut [T]) {
        for ((h, slope), &z) in h.iter_mut().zip(slope).zip(z) {
            let size = if z < T::ZERO { -z } else { z };
            *h = z / (T::ONE + size);
            *slope = T::ONE / ((T::ONE + size) * (T::ONE + size));
        }
    }
}

struct SoftsignNet;

impl CellKind for SoftsignNet {
    const WIRING: Wiring = Wiring::Gates(1);

    fn build<T: Scalar>(inputs: Inputs, size: &Size, masks: &Masks) -> Result<Box<dyn Cell<T>>, CellError> {
        Ok(Box::new(VanillaCell::new(inputs, size.units, masks, Softsign)?))
    }
}

const FILE: &str = r#"
    task = { kind = "copy" }
    layers = [{ kind = "softsign", units = 12, sparsity = 0.5 }, { kind = "gru", units = 8 }]
    estimator = { kind = "snap", order = 2 }
    optimizer = { kind = "adam", learning_rate = 0.01 }
    training = { lanes = 2, window = 1, seed = 0, steps = 400 }
"#;

/// One test, since what is registered is registered for the whole process.
#[test]
fn own_cells_go_wherever_others_go() {
    let refused = |text: &str, words: &[&str]| {
        let error = RunConfig::from_toml(text, "own.toml").unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    };
    refused(FILE, &["own.toml, line 3", "unknown variant `softsign`", "`gru`"]);
    let softsign = register::<SoftsignNet>("softsign").unwrap();

    // The cell is one: its derivatives are right.
    let make = || VanillaCell::new(Inputs::Dense(2), 3, &Masks::dense(1, 2, 3), Softsign).unwrap();
    rtrl::estimators::testing::check_cell(|| Box::new(make()), 1).unwrap();

    // From a file, from the builder, and back.
    let config = RunConfig::from_toml(FILE, "own.toml").unwrap();
    let size = Size::sparse(12, 0.5);
    assert_eq!(config.net.layers[0], softsign(size));
    assert_ne!(config.net.layers[0], softsign(Size::dense(12)));
    assert_ne!(config.net.layers[0], CellConfig::Vanilla(size));
    let net = Net::of(Inputs::Symbols(4), softsign(Size::dense(12))).sparsity(0.5).gru(8);
    let training = net.trained_by(SnAp::new(2), Adam::new(0.01)).lanes(2).steps(400);
    let built = training.config(CopyConfig::default()).unwrap();
    assert_eq!((built.hash(), &built.net.layers), (config.hash(), &config.net.layers));
    assert_eq!(RunConfig::from_toml(&config.to_toml().unwrap(), "written").unwrap(), config);

    // It learns, alone and in a saved run.
    let mut trainer = Trainer::new(&config).unwrap();
    let mut losses = Vec::new();
    for _ in 0..400 {
        let report = trainer.train_window().unwrap();
        losses.push(report.loss / report.targets.max(1) as f64);
    }
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    assert!(mean(&losses[350..]) < 0.9 * mean(&losses[..50]), "{losses:?}");
    let saved = to_bytes(|archive| trainer.persist(archive)).unwrap();
    let mut again = Trainer::new(&config).unwrap();
    from_bytes(&saved, |archive| again.persist(archive)).unwrap();
    assert!(to_bytes(|archive| again.persist(archive)).unwrap() == saved);

    // Mistakes are told as for the others, and PyTorch has no such layer.
    let with = |layer: &str| FILE.replace("units = 12, sparsity = 0.5", layer);
    refused(&with("units = 12, sparseness = 0.5"), &["line 3", "unknown field `sparseness`", "`sparsity`"]);
    refused(&with("sparsity = 0.5"), &["line 3", "missing field `units`"]);
    refused(&with(r#"units = "many""#), &["line 3", "many"]);
    refused(&FILE.replace("softsign", "softsin"), &["unknown variant `softsin`", "registered: `softsign`"]);
    let error = softsign(size).pytorch().unwrap_err();
    assert!(error.contains("PyTorch has no such layer"), "{error}");
    for kind in ["softsign", "gru", "gru-reset-before"] {
        let error = register::<SoftsignNet>(kind).err();
        assert_eq!(error, Some(CellError::Registered { kind }));
    }
}
