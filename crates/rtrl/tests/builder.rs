//! The builder gives the values that configuration files give, and nothing else.

use rtrl::cells::{CellConfig, Size};
use rtrl::prelude::*;

/// The same run, said twice.
#[test]
fn builder_and_file_are_the_same_run() {
    let built = Embedding::new(Inputs::Symbols(9), 8)
        .gru(32)
        .sparsity(0.75)
        .lstm(16)
        .sparsity(0.5)
        .input_sparsity(0.25)
        .trained_by(SnAp { truncate: true, ..SnAp::new(2) }, Adam::new(0.003))
        .lanes(4)
        .window(8)
        .steps(100)
        .seed(7)
        .readout(24)
        .clip(1.0)
        .on_divergence(DivergencePolicy::SkipLane)
        .config(RecallConfig::default())
        .unwrap();
    let file = r#"
        task = { kind = "recall" }
        layers = [
            { kind = "embedding", units = 8 },
            { kind = "gru", units = 32, sparsity = 0.75 },
            { kind = "lstm", units = 16, sparsity = 0.5, input_sparsity = 0.25 },
        ]
        estimator = { kind = "snap", order = 2, truncate = true }
        readout = { hidden = 24 }
        optimizer = { kind = "adam", learning_rate = 0.003 }
        update = { clip = 1.0 }
        divergence = { policy = "skip-lane" }
        training = { lanes = 4, window = 8, steps = 100, seed = 7 }
    "#;
    let read = RunConfig::from_toml(file, "test").unwrap();
    assert_eq!(built, read);
    assert_eq!(built.hash(), read.hash());
}

/// Every cell can begin a net and stand above another.
#[test]
fn every_cell_has_its_two_places() {
    let inputs = Inputs::Dense(3);
    macro_rules! nets {
        ($($(#[$doc:meta])* $cell:ident / $above:ident = $kind:ty $(, in $module:ident ($($export:ident),*))?;)*) => {
            vec![$(($cell::new(inputs, 4).$above(5), CellConfig::$cell(Size::dense(4)))),*]
        };
    }
    let nets = rtrl::cells::for_each_cell!(nets);
    assert_eq!(nets.iter().map(|(_, cell)| *cell).collect::<Vec<_>>(), CellConfig::every(Size::dense(4)));
    for (net, cell) in nets {
        assert_eq!(net.layers()[0], cell);
        assert!(net.layers()[1].same_kind(&cell) && net.layers()[1].units() == 5);
    }
}

#[test]
fn what_does_not_fit_is_said() {
    let net = || Gru::new(Inputs::Symbols(5), 8).trained_by(SnAp::new(1), Sgd::new(0.1));
    let error = net().on(CopyConfig::default()).err().unwrap();
    let inputs = (Inputs::Symbols(5), Inputs::Symbols(4));
    assert!(matches!(error, BuildError::Inputs { net, task } if (net, task) == inputs), "{error}");
    let error = net().lanes(0).on(CopyConfig::default()).err().unwrap();
    assert!(error.to_string().contains("training.lanes"), "{error}");
    let sparse = Gru::new(Inputs::Symbols(4), 8).sparsity(1.5);
    let error = sparse.trained_by(SnAp::new(1), Sgd::new(0.1)).on(CopyConfig::default()).err().unwrap();
    assert!(error.to_string().contains("sparsity"), "{error}");
}

#[test]
fn a_net_can_be_brought_its_steps_one_by_one() {
    let net = Gru::new(Inputs::Dense(1), 12).trained_by(SnAp::new(1), Adam::new(0.01));
    let mut learner = net.predicting(Signal::Values(1)).unwrap();
    let mut errors = Vec::new();
    for t in 0..1500 {
        let now = [(0.4 * t as f32).sin()];
        if t > 0 {
            errors.push(learner.learn(Targets::Values(&[Some(now[0])])).unwrap().loss);
        }
        learner.predict(Input::Dense(Lanes::new(&now, 1)), &[t == 0]);
    }
    let (first, last): (f64, f64) = (errors[..50].iter().sum(), errors[errors.len() - 50..].iter().sum());
    assert!(last < 0.2 * first, "{first} {last}");
}

/// Many steps, by the builder's defaults; they can be saved and restored after any number.
#[test]
fn a_learner_of_the_builder_has_no_last_step() {
    let training = Vanilla::new(Inputs::Dense(1), 2).trained_by(SnAp::new(1), Sgd::new(0.01));
    let mut learner = training.predicting(Signal::Values(1)).unwrap();
    for t in 0..10_001 {
        learner.predict(Input::Dense(Lanes::new(&[(t as f32).sin()], 1)), &[t == 0]);
        learner.learn(Targets::Values(&[Some(0.5)])).unwrap();
    }
    let bytes = rtrl::checkpoint::to_bytes(|archive| learner.persist(archive)).unwrap();
    let mut restored = training.clone().steps(3).predicting(Signal::Values(1)).unwrap();
    rtrl::checkpoint::from_bytes(&bytes, |archive| restored.persist(archive)).unwrap();
    assert_eq!((restored.steps(), restored.model().weights()), (10_001, learner.model().weights()));
}

#[test]
fn what_needs_an_end_says_so() {
    let training = Gru::new(Inputs::Symbols(4), 4).trained_by(SnAp::new(1), Sgd::new(0.1));
    let root = std::env::temp_dir().join("rtrl-no-such-run");
    let config = training.config(CopyConfig::default()).unwrap();
    let never = std::sync::atomic::AtomicBool::new(false);
    let error =
        rtrl::train::run(&config, &rtrl::train::RunOptions::new(&root), &mut |_| (), &never).unwrap_err();
    assert!(error.to_string().contains("`training.steps`") && !root.exists(), "{error}");
    let mut trainer = training.on(CopyConfig::default()).unwrap();
    for _ in 0..20 {
        trainer.train_window().unwrap();
    }
    let back = DivergencePolicy::RollBack { every: 10, factor: 0.5, attempts: 1 };
    let error = training.on_divergence(back).predicting(Signal::Symbols(4)).err().unwrap().to_string();
    assert!(error.contains("`divergence.policy`"), "{error}");
}
