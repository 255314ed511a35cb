//! Times a step of an estimator without Python: `step INPUTS UNITS`. `measure.py` compares.

use std::time::Instant;

use rtrl::cells::rand_xoshiro::{Xoshiro256PlusPlus, rand_core::SeedableRng};
use rtrl::cells::{CellConfig, Input, Inputs, Size, Stack, init};
use rtrl::estimators::{EstimatorConfig, SnapConfig};
use rtrl::sparse::Lanes;

fn main() {
    // Batches shorter than a turn of the scheduler, so that the least is of one that was not interrupted.
    let (steps, repetitions) = (20, 3000);
    let mut sizes = std::env::args().skip(1).map(|size| size.parse().expect("a number"));
    let [inputs, units] = [0; 2].map(|_| sizes.next().expect("inputs and units"));
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    let cell =
        CellConfig::Gru(Size::dense(units)).build(Inputs::Dense(inputs), &mut rng).expect("a dense cell");
    let net = std::sync::Arc::new(Stack::<f32>::new(vec![cell]).expect("one layer"));
    let weights = init::uniform(&net, &mut rng);
    let mut gradient = vec![0.0; weights.len()];
    let mut estimator = EstimatorConfig::Snap(SnapConfig::new(1)).build(net, 1, 1).expect("SnAp-1");
    let (x, dh) = (vec![0.5; inputs], vec![0.1; units]);
    let mut best = f64::INFINITY;
    for _ in 0..repetitions {
        let begun = Instant::now();
        for _ in 0..steps {
            // As `Estimator.step` does at the beginning of a window.
            gradient.fill(0.0);
            estimator.step(&weights, Input::Dense(Lanes::new(&x, 1)), &[false]);
            estimator.observe(&weights, Lanes::new(&dh, 1), &mut gradient);
            estimator.finish_window(&weights, &mut gradient);
        }
        best = best.min(begun.elapsed().as_secs_f64() / f64::from(steps));
    }
    println!("{:.3}", best * 1e6);
}
