//! Estimators allocate nothing after construction.

#![allow(missing_docs)]

mod support;

use rtrl_cells::{CellConfig, Input, Inputs, Size};
use rtrl_estimators::{EstimatorConfig, RtrlConfig, Schedule, SnapConfig};
use rtrl_sparse::Lanes;
use support::Case;

#[test]
fn steps_do_not_allocate() {
    let sparse = Size::sparse(8, 0.5);
    let mut estimators = EstimatorConfig::every();
    estimators.push(EstimatorConfig::Rtrl(RtrlConfig { dense: true, ..Default::default() }));
    for schedule in [Schedule::Streaming, Schedule::Blocked, Schedule::Adjoint] {
        estimators.push(EstimatorConfig::Snap(SnapConfig { order: 2, schedule, ..Default::default() }));
    }
    let mut nets: Vec<_> =
        CellConfig::every(sparse).into_iter().filter(CellConfig::is_masked).map(|cell| vec![cell]).collect();
    nets.push(vec![CellConfig::QuasiLstm(Size::dense(4))]);
    nets.push(vec![CellConfig::Embedding(Size::dense(4)), CellConfig::Gru(sparse), CellConfig::Lstm(sparse)]);
    for layers in nets {
        let inputs = Inputs::Symbols(3);
        // Most estimators take eight lanes together and the ninth by itself.
        let lanes = 9;
        let case = Case { layers, inputs, lanes, steps: 0, window: 3, seed: 1, resets: false };
        let (symbols, starts) = ([0, 2, 1, 1, 0, 2, 2, 1, 0], [false, true, false].repeat(3));
        for config in &estimators {
            let stack = case.stack::<f64>();
            let weights = case.weights(&stack);
            let mut gradient = vec![0.0; weights.len()];
            let delta = vec![0.5; stack.hidden().len() * lanes];
            let mut estimator = config.build(stack, lanes, 3).unwrap();
            let info = allocation_counter::measure(|| {
                for _ in 0..2 {
                    for _ in 0..3 {
                        estimator.step(&weights, Input::Symbols(&symbols), &starts);
                        estimator.observe(&weights, Lanes::new(&delta, lanes), &mut gradient);
                    }
                    estimator.finish_window(&weights, &mut gradient);
                }
            });
            assert_eq!(info.count_total, 0, "{config:?} on {:?}", case.layers);
        }
    }
    let info = allocation_counter::measure(|| drop(std::hint::black_box(vec![1_u8])));
    assert_eq!(info.count_total, 1, "the instrument must count");
}
