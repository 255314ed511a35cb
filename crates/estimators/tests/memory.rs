//! Counted memory is what the allocator hands out.

#![allow(missing_docs)]

mod support;

use rtrl_cells::{CellConfig, Inputs, Size};
use rtrl_estimators::{EstimatorConfig, RtrlConfig, Schedule, Scope, SnapConfig, TbpttConfig};
use support::Case;

/// Bytes that an estimator holds once it is built, without its net: (counted by the estimator, handed out by
/// the allocator).
fn bytes(case: &Case, config: &EstimatorConfig) -> (f64, f64) {
    let stack = case.stack::<f32>();
    let mut estimator = None;
    let built = allocation_counter::measure(|| {
        estimator = Some(config.build(stack.clone(), case.lanes, case.window).unwrap());
    });
    let counted = estimator.unwrap().cost().bytes;
    (counted as f64, built.bytes_current as f64)
}

fn estimators(window: usize) -> Vec<EstimatorConfig> {
    let mut estimators = EstimatorConfig::every();
    estimators.retain(|config| !matches!(config, EstimatorConfig::Tbptt(_)));
    for replay in [false, true] {
        estimators.push(TbpttConfig { horizon: window.max(5), replay }.into());
    }
    estimators.push(RtrlConfig { dense: true, ..Default::default() }.into());
    for schedule in [Schedule::Streaming, Schedule::Blocked, Schedule::Adjoint] {
        for truncate in [false, true] {
            for (order, scope) in [(1, Scope::Layer), (1, Scope::Stack), (2, Scope::Layer), (2, Scope::Stack)]
            {
                estimators.push(SnapConfig { order, scope: Some(scope), schedule, truncate }.into());
            }
        }
    }
    estimators
}

#[test]
fn counted_bytes_are_those_that_are_held() {
    // The count is for one thread.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let mut wrong = Vec::new();
    for size in [Size::dense(12), Size::sparse(24, 0.75)] {
        let cells = CellConfig::every(size).into_iter();
        let cells = cells.filter(|cell| cell.is_masked() || size.sparsity == 0.0);
        for cell in cells {
            let upper = CellConfig::GruResetBefore(Size::sparse(8, 0.5));
            for layers in [vec![cell], vec![cell, upper]] {
                for inputs in [Inputs::Dense(5), Inputs::Symbols(9)] {
                    for (lanes, window) in [(1, 1), (3, 1), (16, 1), (1, 6), (16, 6)] {
                        let case = Case {
                            layers: layers.clone(),
                            inputs,
                            lanes,
                            steps: 0,
                            window,
                            seed: 1,
                            resets: false,
                        };
                        for config in estimators(window) {
                            let (counted, held) = pool.install(|| bytes(&case, &config));
                            if !(0.9..1.1).contains(&(held / counted)) {
                                wrong.push(format!(
                                    "{:.3}: counted {counted}, held {held}: {config:?} on {layers:?}, {inputs:?}, {lanes} lanes, window {window}",
                                    held / counted
                                ));
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
}
