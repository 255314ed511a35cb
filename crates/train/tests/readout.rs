//! The readout's gradients against finite differences.

#![allow(missing_docs)]

use proptest::prelude::*;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use rtrl_sparse::Lanes;
use rtrl_train::{Loss, Readout, Targets};

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
        seed in any::<u64>(),
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
