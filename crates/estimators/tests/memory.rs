//! Counted memory against what the allocator hands out.

#![allow(missing_docs)]

mod support;

use rtrl_cells::{CellConfig, Inputs, Size};
use rtrl_estimators::{EstimatorConfig, RtrlConfig, Schedule, SnapConfig, TbpttConfig};
use support::Case;

/// Bytes that an estimator holds once it is built, its net aside: (counted, handed out).
fn bytes(case: &Case, config: &EstimatorConfig) -> (f64, f64) {
    let stack = case.stack::<f64>();
    let mut estimator = None;
    let built = allocation_counter::measure(|| {
        estimator = Some(config.build(stack.clone(), case.lanes, case.window).unwrap());
    });
    let counted = estimator.unwrap().cost().bytes;
    (counted as f64, built.bytes_current as f64)
}

fn case(layers: Vec<CellConfig>, lanes: usize, window: usize) -> Case {
    Case { layers, inputs: Inputs::Dense(8), lanes, steps: 0, window, seed: 1, resets: false }
}

fn estimators() -> Vec<EstimatorConfig> {
    let mut estimators = EstimatorConfig::every();
    estimators.push(EstimatorConfig::Rtrl(RtrlConfig { dense: true, ..Default::default() }));
    estimators.push(EstimatorConfig::Tbptt(TbpttConfig { horizon: 12, replay: true }));
    for schedule in [Schedule::Streaming, Schedule::Blocked, Schedule::Adjoint] {
        estimators.push(EstimatorConfig::Snap(SnapConfig { order: 2, schedule, ..Default::default() }));
    }
    estimators
}

#[test]
fn counted_bytes_are_those_that_are_held() {
    let sparse = Size::sparse(32, 0.5);
    let nets = [
        vec![CellConfig::Gru(sparse)],
        vec![CellConfig::Vanilla(sparse)],
        vec![CellConfig::Lstm(sparse), CellConfig::GruResetBefore(Size::sparse(16, 0.5))],
        vec![CellConfig::QuasiLstm(Size::dense(32))],
    ];
    for layers in nets {
        for config in estimators() {
            for (lanes, window) in [(1, 1), (3, 1), (8, 1), (8, 12)] {
                let case = case(layers.clone(), lanes, window);
                let config = match &config {
                    EstimatorConfig::Tbptt(tbptt) => {
                        EstimatorConfig::Tbptt(TbpttConfig { horizon: 12, ..tbptt.clone() })
                    }
                    other => other.clone(),
                };
                let (counted, held) = bytes(&case, &config);
                println!("{:.3} {counted} {held} {config:?} {layers:?} {lanes} {window}", held / counted);
            }
        }
    }
}
