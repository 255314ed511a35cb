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
        bypass in any::<bool>(), gate in 0_usize..3, seed in any::<u64>(),
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
        // The input is two numbers, or one of three symbols.
        let read: Vec<f64> = (0..2 * lanes).map(|i| 0.3 * i as f64 - 0.4).collect();
        let symbols: Vec<u32> = (0..lanes as u32).map(|lane| 2 - lane % 3).collect();
        let (of, input) = if seed % 2 == 0 {
            (Inputs::Dense(2), Input::Dense(Lanes::new(&read, lanes)))
        } else {
            (Inputs::Symbols(3), Input::Symbols(&symbols))
        };
        // Either may be added before the other.
        if gate == 1 {
            readout = readout.with_output_gate(of, &mut rng);
        }
        if bypass {
            let before = readout.parameters().len();
            readout = readout.with_bypass(of);
            prop_assert!(readout.parameters()[before..].iter().all(|&v| v == 0.0));
            prop_assert_eq!(readout.parameters().len(), before + outputs * of.len());
            readout.parameters_mut()[before..].iter_mut().enumerate().for_each(|(i, v)| *v = 0.2 * i as f64 - 0.5);
        }
        if gate == 2 {
            readout = readout.with_output_gate(of, &mut rng);
        }
        let (bypassed, gated) = (outputs * of.len(), inputs * (inputs + 1 + of.len()));
        let all = alone + usize::from(bypass) * bypassed + usize::from(gate > 0) * gated;
        prop_assert_eq!(readout.parameters().len(), all);
        readout.read(input);
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

/// `o ∘ h` by hand, in a readout that passes it on.
#[test]
fn an_output_gate_multiplies_the_hidden_state() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
    let readout = Readout::<f64>::new(2, None, 2, Loss::Squared, 1, &mut rng);
    let mut readout = readout.with_output_gate(Inputs::Dense(1), &mut rng);
    let (identity, u, b, v) =
        ([1.0, 0.0, 0.0, 1.0, 0.0, 0.0], [0.5, -1.0, 0.25, 2.0], [0.1, -0.2], [3.0, -0.5]);
    readout.parameters_mut().copy_from_slice(&[&identity[..], &u, &b, &v].concat());
    let (x, h) = (0.4, [0.6, -0.7]);
    readout.read(Input::Dense(Lanes::new(&[x], 1)));
    let sigmoid = |a: f64| 1.0 / (1.0 + (-a).exp());
    let gate = |row: usize| sigmoid(u[2 * row] * h[0] + u[2 * row + 1] * h[1] + v[row] * x + b[row]);
    let found = readout.forward(Lanes::new(&h, 1));
    for (row, h) in h.iter().enumerate() {
        // Sums of four numbers near 1, and three roundings.
        assert!((found.at(row)[0] - gate(row) * h).abs() < 1e-15);
    }
}

/// With the output gate of the element-wise LSTM, which has no memory, SnAp-1 still is exact RTRL: windows of the
/// whole sequence have the gradient of BPTT. Without learning through the gate, or with one that the estimator had
/// to carry, they would part.
#[test]
fn snap_1_of_the_element_wise_lstm_is_exact_with_its_output_gate() {
    let trained = |estimator: &str| {
        let text = format!(
            r#"
            layers = [{{ kind = "quasi-lstm", units = 6 }}]
            readout = {{ output_gate = true }}
            estimator = {{ {estimator} }}
            optimizer = {{ kind = "sgd", learning_rate = 0.05 }}
            training = {{ lanes = 1, window = 25, seed = 3 }}
            "#
        );
        let config = RunConfig::from_toml(&text, "test").unwrap();
        let mut learner = Learner::new(&config, Signal::Values(1), Signal::Values(1)).unwrap();
        let before = learner.model().readout().parameters().to_vec();
        for step in 0..100 {
            let x = [(0.3 * step as f32).sin()];
            let told = learner.predict(Input::Dense(Lanes::new(&x, 1)), &[step % 25 == 0]).values().to_vec();
            // A fork has read the same input.
            assert_eq!(learner.fork().prediction().values(), told);
            let target = (step % 25 > 20).then(|| (0.3 * (step - 4) as f32).sin());
            learner.learn(Targets::Values(&[target])).unwrap();
        }
        // The first matrix, 1 × 6, and its bias; then the gate, of which every parameter has learned.
        let after = learner.model().readout().parameters();
        assert!(after[7..].iter().zip(&before[7..]).all(|(a, b)| a != b));
        let all = [learner.model().weights(), after].concat();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        learner.model().save(&path).unwrap();
        assert_eq!(Model::load(&path).unwrap().readout().parameters(), &all[all.len() - after.len()..]);
        all
    };
    let (online, exact) = (trained(r#"kind = "snap", order = 1"#), trained(r#"kind = "bptt""#));
    let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    // Four updates in f32.
    assert!(apart(&online, &exact) < 1e-6, "{}", apart(&online, &exact));
    let silent = trained(r#"kind = "immediate""#);
    assert!(apart(&silent, &exact) > 1e-5, "{}", apart(&silent, &exact));
}

/// 72,000 hidden states, two of each unit, would have a gate of 5.2 billion weights; the layer is within its own limit.
#[test]
fn an_output_gate_that_is_too_large_is_refused() {
    let text = r#"
        layers = [{ kind = "lru", units = 36000 }]
        readout = { output_gate = true }
        estimator = { kind = "frozen" }
        optimizer = { kind = "sgd", learning_rate = 0.1 }
        training = {}
    "#;
    let config = RunConfig::from_toml(text, "test").unwrap();
    let error = Learner::new(&config, Signal::Values(1), Signal::Values(1)).err().unwrap().to_string();
    assert!(error.contains("readout.output_gate"), "{error}");
}
