//! Nets trained here, there and back.

use crate::support::{File, NAMES, Net, Read, answers, difference, vectors};
use rtrl_interchange::{InterchangeError, Names, Zeros, export, import, load, save};
use rtrl_tasks::Signal;
use rtrl_train::{Model, RunConfig, Trainer};

fn config(layers: &str, task: &str) -> RunConfig {
    let config = format!(
        "task = {{ {task} }}
         layers = [{layers}]
         estimator = {{ kind = 'snap', order = 1 }}
         optimizer = {{ kind = 'adam', learning_rate = 0.02 }}
         training = {{ lanes = 4, window = 1, steps = 300, seed = 5 }}"
    );
    RunConfig::from_toml(&config, "test").unwrap()
}

fn trained(layers: &str) -> Trainer {
    let mut trainer = Trainer::new(&config(layers, "kind = 'adding'")).unwrap();
    let before = trainer.weights().to_vec();
    while trainer.steps() < 300 {
        trainer.train_window().unwrap();
    }
    assert_ne!(trainer.weights(), before);
    trainer
}

fn inputs() -> Vec<Read> {
    let number = |t: usize, i: usize| ((t * 7 + i * 3) % 11) as f32 / 5.5 - 1.0;
    (0..15).map(|t| Read::Values(vec![number(t, 0), number(t, 1)])).collect()
}

/// A GRU and an LSTM trained here, sparse and in two layers, give the same outputs in PyTorch's equations.
#[test]
fn trained_nets_give_the_same_outputs_in_pytorchs_equations() {
    for kind in ["gru", "lstm"] {
        let layer = format!("{{ kind = '{kind}', units = 12, sparsity = 0.6, input_sparsity = 0.3 }}");
        let trainer = trained(&format!("{layer}, {layer}"));
        let file = File::read(&export(trainer.model(), &Names::default()).unwrap());
        let (kind, readout) = (kind.to_string(), None);
        let (values, symbols, embedding, zeros) = (Some(2), None, None, None);
        let net = Net { kind, layers: 2, units: 12, values, symbols, embedding, readout, outputs: 1, zeros };
        let (here, there) = (answers(trainer.model(), &inputs()), file.pytorch(&net, &inputs()));
        let deviation = difference(&here.0, &there.0).max(difference(&here.1, &there.1));
        // As in `vectors.rs`, with twice the units.
        assert!(deviation < 1e-5, "{}: {deviation:e}", net.kind);
        let mut swapped = file.clone();
        swapped.swap_gates(12, 0, 1);
        assert!(difference(&here.1, &swapped.pytorch(&net, &inputs()).1) > 1e-3, "{}", net.kind);
    }
}

/// Weights, masks and readout come back bit for bit, into a net with other weights and, from the zeros, other masks.
#[test]
fn there_and_back_is_the_same_net() {
    let cells = ["vanilla", "vanilla-relu", "gru", "lstm"];
    for (kind, hidden) in cells.iter().flat_map(|kind| [(kind, None), (kind, Some(6))]) {
        let layers = format!("{{ kind = '{kind}', units = 7, sparsity = 0.5 }}");
        let mut config = config(&format!("{layers}, {layers}"), "kind = 'copy'");
        config.net.readout.hidden = hidden;
        let signals = (Signal::Values(3), Signal::Values(2));
        let mut first = Model::new(&config, signals.0, signals.1).unwrap();
        // Zeros of both signs among the biases must come back too.
        let structure = first.stack().layer_structure(0).clone();
        for (row, zero) in [(0, -0.0), (1, 0.0), (structure.rows() - 1, -0.0)] {
            let bias = structure.weights.find(row, structure.one() as u32).unwrap();
            first.weights_mut()[bias] = zero;
        }
        let bytes = export(&first, &Names::default()).unwrap();
        config.training.seed = 6;
        let mut second = Model::new(&config, signals.0, signals.1).unwrap();
        assert_ne!(second.masks(), first.masks());
        import(&mut second, &bytes, &Names::default(), Zeros::Mask).unwrap();
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(second.masks(), first.masks(), "{kind}");
        assert_eq!(bits(second.weights()), bits(first.weights()), "{kind}");
        assert_eq!(bits(second.readout().parameters()), bits(first.readout().parameters()), "{kind}");
        assert_eq!(export(&second, &Names::default()).unwrap(), bytes, "{kind}");
    }
}

/// The other way round: what PyTorch wrote and this crate read is written as it was, but for biases that became one.
#[test]
fn foreign_files_come_back() {
    for name in NAMES {
        let (v, bytes) = vectors(name);
        let mut model = v.net.model(0.0, 3);
        import(&mut model, &bytes, &Names::default(), Zeros::Keep).unwrap();
        let back = File::read(&export(&model, &Names::default()).unwrap());
        let mut expected = File::read(&bytes);
        for layer in 0..v.net.layers {
            let one = if v.net.kind == "gru" { 2 * v.net.units } else { usize::MAX };
            let (ih, hh) = (format!("rnn.bias_ih_l{layer}"), format!("rnn.bias_hh_l{layer}"));
            let second = expected.values(&hh).clone();
            for (row, bias) in second.into_iter().enumerate().filter(|(row, _)| *row < one) {
                expected.values(&ih)[row] += bias;
                expected.values(&hh)[row] = 0.0;
            }
        }
        assert_eq!(back, expected, "{name}");
    }
}

/// A trainer goes on from imported weights.
#[test]
fn training_goes_on_from_imported_weights() {
    let layers = "{ kind = 'gru', units = 8, sparsity = 0.5 }";
    let first = trained(layers);
    let bytes = export(first.model(), &Names::default()).unwrap();
    let mut second = Trainer::new(&config(layers, "kind = 'adding'")).unwrap();
    import(second.model_mut(), &bytes, &Names::default(), Zeros::Keep).unwrap();
    assert_eq!(second.weights(), first.weights());
    // Only the end of a sequence has a target here.
    while second.steps() < 300 {
        second.train_window().unwrap();
    }
    assert_ne!(second.weights(), first.weights());
}

/// Files, and names of one's own: here those of a bare `nn.GRU`.
#[test]
fn names_and_files() {
    let trainer = trained("{ kind = 'gru', units = 5 }");
    let names = Names { rnn: Some(String::new()), readout: Some("head.".into()), ..Names::default() };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    save(trainer.model(), &names, &path).unwrap();
    let file = File::read(&std::fs::read(&path).unwrap());
    let found: Vec<_> = file.0.iter().map(|(name, (shape, _))| (name.as_str(), shape.clone())).collect();
    let expected = [
        ("bias_hh_l0", vec![15]),
        ("bias_ih_l0", vec![15]),
        ("head.bias", vec![1]),
        ("head.weight", vec![1, 5]),
        ("weight_hh_l0", vec![15, 5]),
        ("weight_ih_l0", vec![15, 2]),
    ];
    assert_eq!(found, expected);
    let mut model = Trainer::new(&config("{ kind = 'gru', units = 5 }", "kind = 'adding'")).unwrap();
    load(model.model_mut(), &path, &names, Zeros::Keep).unwrap();
    assert_eq!(model.weights(), trainer.weights());
    let missing = load(model.model_mut(), &folder.path().join("none"), &names, Zeros::Keep).unwrap_err();
    assert!(matches!(missing, InterchangeError::File { action: "read", .. }), "{missing}");
    let nowhere = save(trainer.model(), &names, &folder.path().join("no/folder")).unwrap_err();
    assert!(matches!(nowhere, InterchangeError::File { action: "write", .. }), "{nowhere}");
}
