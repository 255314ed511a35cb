//! Optimizers at every level of instructions.

#![allow(missing_docs)]

use proptest::prelude::*;
use rtrl_sparse::Level;
use rtrl_train::OptimizerConfig;

/// The weights after some updates by gradients of all magnitudes, each given as `scale` times another one.
fn after(optimizer: &OptimizerConfig, gradients: &[Vec<f32>], scale: f64) -> Vec<u32> {
    let len = gradients[0].len();
    let mut optimizer = optimizer.build::<f32>(len);
    let mut weights = vec![0.5; len];
    for gradient in gradients {
        let mut gradient: Vec<f32> = gradient.iter().map(|g| g / scale as f32).collect();
        optimizer.begin();
        optimizer.update(0..len / 2, &mut weights, &mut gradient, scale, 0.01);
        optimizer.update(len / 2..len, &mut weights, &mut gradient, scale, 0.01);
        assert!(gradient.iter().all(|&g| g == 0.0), "the gradient was taken");
    }
    weights.iter().map(|w| w.to_bits()).collect()
}

/// From gradients whose squares are subnormal to ones that overflow when they are squared.
fn gradient() -> impl Strategy<Value = f32> {
    prop_oneof![
        Just(0.0),
        (-35.0..20.0_f32, any::<bool>()).prop_map(|(e, minus)| {
            let g = 10.0_f32.powf(e);
            if minus { -g } else { g }
        })
    ]
}

proptest! {
    /// 37 weights: whole vectors and a rest at every level.
    #[test]
    fn every_level_gives_the_same_bits(gradients in prop::collection::vec(prop::collection::vec(gradient(), 37), 1..5)) {
        for optimizer in OptimizerConfig::every(0.01) {
            let baseline = Level::Baseline.force(|| after(&optimizer, &gradients, 1.0));
            for level in Level::available() {
                prop_assert_eq!(&level.force(|| after(&optimizer, &gradients, 1.0)), &baseline, "{:?}", level);
                // A power of 2: dividing by it and multiplying are exact, as long as nothing is subnormal.
                let scaled = level.force(|| after(&optimizer, &gradients, 0.25));
                prop_assert_eq!(&scaled, &baseline, "{:?}, scaled", level);
            }
        }
    }
}
