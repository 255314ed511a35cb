//! The readout's gradients against finite differences.

#![allow(missing_docs)]

use proptest::prelude::*;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use rtrl_cells::{Input, Inputs};
use rtrl_sparse::Lanes;
use rtrl_tasks::Signal;
use rtrl_train::{Learner, Loss, Model, Readout, RunConfig, Targets};

/// Sum over lanes of the loss whose gradient is computed: cross-entropy in nats, or half the squared error.
fn loss(readout: &mut Readout<f64>, hidden: &[f64], targets: Targets<'_>, lanes: usize) -> f64 {
    readout.forward(Lanes::new(hidden, lanes));
    let mut losses = vec![0.0; lanes];
    readout.loss(targets, &mut losses);
    let unit = if matches!(targets, Targets::Classes(_)) { std::f64::consts::LN_2 } else { 0.5 };
    losses.iter().sum::<f64>() * unit
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn gradients_equal_finite_differences(
        inputs in 1_usize..5, width in proptest::option::of(1_usize..6), outputs in 2_usize..5,
        classes in proptest::collection::vec(proptest::option::of(0_u32..2), 1..4), values in any::<bool>(),
        bypass in 0_usize..3, seed in any::<u64>(),
    ) {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let lanes = classes.len();
        let present = |i: usize| classes[i % lanes].map(|class| class as f32 - 0.3 * (i / lanes) as f32);
        let numbers: Vec<Option<f32>> = (0..outputs * lanes).map(present).collect();
        let (kind, targets) = if values {
            (Loss::Squared, Targets::Values(&numbers))
        } else {
            (Loss::CrossEntropy, Targets::Classes(&classes))
        };
        let mut readout = Readout::<f64>::new(inputs, width, outputs, kind, lanes, &mut rng);
        let alone = readout.parameters().len();
        // No bypass, or one that reads two numbers, or one of three symbols.
        let read: Vec<f64> = (0..2 * lanes).map(|i| 0.3 * i as f64 - 0.4).collect();
        let symbols: Vec<u32> = (0..lanes as u32).map(|lane| 2 - lane % 3).collect();
        if bypass > 0 {
            let (of, input) = match bypass {
                1 => (Inputs::Dense(2), Input::Dense(Lanes::new(&read, lanes))),
                _ => (Inputs::Symbols(3), Input::Symbols(&symbols)),
            };
            readout = readout.with_bypass(of);
            prop_assert!(readout.parameters()[alone..].iter().all(|&v| v == 0.0));
            prop_assert_eq!(readout.parameters().len(), alone + outputs * of.len());
            readout.parameters_mut()[alone..].iter_mut().enumerate().for_each(|(i, v)| *v = 0.2 * i as f64 - 0.5);
            readout.read(input);
        }
        let hidden: Vec<f64> =
            (0..inputs * lanes).map(|_| (rng.next_u64() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0).collect();
        let (mut bits, mut by_hidden) = (vec![9.0; lanes], vec![9.0; hidden.len()]);
        let mut by_parameter = vec![0.5; readout.parameters().len()];
        readout.forward(Lanes::new(&hidden, lanes));
        let view = Lanes::new(&hidden, lanes);
        readout.loss_and_gradient(view, targets, &mut bits, &mut by_hidden, &mut by_parameter);
        for (bits, target) in bits.iter().zip(&classes) {
            prop_assert_eq!(target.is_none(), *bits == 0.0);
        }
        // Central differences with h = 1e-6 are good to 1e-9 here; a kink of ReLU within h has probability 1e-6.
        let (h, tolerance) = (1e-6, 1e-7);
        for i in 0..hidden.len() {
            let at = |by: f64, readout: &mut Readout<f64>| {
                let mut moved = hidden.clone();
                moved[i] += by;
                loss(readout, &moved, targets, lanes)
            };
            let slope = (at(h, &mut readout) - at(-h, &mut readout)) / (2.0 * h);
            prop_assert!((slope - by_hidden[i]).abs() < tolerance, "hidden {i}: {slope} and {}", by_hidden[i]);
        }
        for (i, found) in by_parameter.iter().enumerate() {
            let mut at = |by: f64| {
                readout.parameters_mut()[i] += by;
                let loss = loss(&mut readout, &hidden, targets, lanes);
                readout.parameters_mut()[i] -= by;
                loss
            };
            let slope = (at(h) - at(-h)) / (2.0 * h);
            // The gradient was added to an initial 0.5.
            let found = found - 0.5;
            prop_assert!((slope - found).abs() < tolerance, "parameter {i}: {slope} and {found}");
        }
        let silent = by_hidden.iter().chain(&by_parameter).all(|g| *g == 0.0 || *g == 0.5);
        prop_assert_eq!(silent, classes.iter().all(Option::is_none));
    }
}

#[test]
fn probabilities_sum_to_one_even_for_huge_logits() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut readout = Readout::<f32>::new(1, None, 3, Loss::CrossEntropy, 2, &mut rng);
    readout.parameters_mut().copy_from_slice(&[1e30, -1e30, 0.0, 0.0, 0.0, 0.0]);
    let logs = readout.forward(Lanes::new(&[1.0, -1.0], 2));
    for lane in 0..2 {
        let sum: f32 = (0..3).map(|class| logs.at(class)[lane].exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }
}

/// A net that does not learn, on targets that are a linear function of the present input.
#[test]
fn a_bypass_learns_what_the_present_input_tells() {
    let error = |bypass: bool| {
        let text = format!(
            r#"
            layers = [{{ kind = "gru", units = 4 }}]
            readout = {{ bypass = {bypass} }}
            estimator = {{ kind = "frozen" }}
            optimizer = {{ kind = "sgd", learning_rate = 0.1 }}
            training = {{ lanes = 2, seed = 3 }}
            "#
        );
        let config = RunConfig::from_toml(&text, "test").unwrap();
        let mut learner = Learner::new(&config, Signal::Values(2), Signal::Values(1)).unwrap();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
        let mut last = 0.0;
        for step in 0..800 {
            let mut number = || (rng.next_u64() >> 40) as f32 / (1_u32 << 23) as f32 - 1.0;
            let x = [number(), number(), number(), number()];
            let told = learner.predict(Input::Dense(Lanes::new(&x, 2)), &[step == 0; 2]).values().to_vec();
            // A fork has read the same input, and so has a net that reads it itself.
            assert_eq!(learner.fork().prediction().values(), told);
            let targets = [Some(3.0 * x[0] - 2.0 * x[2]), Some(3.0 * x[1] - 2.0 * x[3])];
            let report = learner.learn(Targets::Values(&targets)).unwrap();
            last += if step >= 700 { report.loss } else { 0.0 };
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        learner.model().save(&path).unwrap();
        let loaded = Model::load(&path).unwrap();
        assert_eq!(loaded.readout().parameters(), learner.model().readout().parameters());
        last / 200.0
    };
    let (with, without) = (error(true), error(false));
    // The variance of the target is 13 / 3.
    assert!(with < 0.05 && without > 0.5, "{with} with, {without} without");
}
