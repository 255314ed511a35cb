//! Work that is shared among threads allocates nothing. The test has a process of its own: thread pools of
//! other tests would leave memory of rayon's behind that threads of this one may come to hold.

#![allow(missing_docs)]

mod support;

use rtrl_cells::{CellConfig, Input, Inputs, Size};
use rtrl_estimators::{EstimatorConfig, SnapConfig};
use rtrl_sparse::Lanes;
use support::Case;

#[test]
fn shared_work_does_not_allocate() {
    let case = Case {
        layers: vec![CellConfig::Vanilla(Size::sparse(96, 0.75))],
        inputs: Inputs::Dense(32),
        lanes: 8,
        steps: 0,
        window: 1,
        seed: 5,
        resets: false,
    };
    let config = EstimatorConfig::Snap(SnapConfig { order: 2, ..Default::default() });
    let stack = case.stack::<f32>();
    let weights = vec![0.1; stack.weights_len()];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let x = vec![0.25; 32 * case.lanes];
    let delta = vec![0.5; 96 * case.lanes];
    let mut gradient = vec![0.0; weights.len()];
    pool.install(|| {
        let mut estimator = config.build::<f32>(stack, case.lanes, 1).unwrap();
        let mut step = || {
            estimator.step(&weights, Input::Dense(Lanes::new(&x, case.lanes)), &[false; 8]);
            estimator.observe(&weights, Lanes::new(&delta, case.lanes), &mut gradient);
            estimator.finish_window(&weights, &mut gradient);
        };
        step();
        let info = allocation_counter::measure(|| (0..200).for_each(|_| step()));
        assert_eq!(info.count_total, 0);
    });
}
