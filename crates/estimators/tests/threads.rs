//! Results do not depend on the number of threads, to the last bit, at any level of instructions.

#![allow(missing_docs)]

mod support;

use rtrl_cells::{CellConfig, Input, Inputs, Size};
use rtrl_estimators::{EstimatorConfig, RtrlConfig, Schedule, SnapConfig};
use rtrl_sparse::testing::Level;
use rtrl_sparse::{Lanes, Scalar};
use support::Case;

/// The results of a run on some number of threads.
struct Run<T> {
    /// The gradient of all windows.
    gradient: Vec<T>,
    /// Bytes by the estimator's own count, and bytes allocated while it was built.
    counted: usize,
    taken: u64,
}

fn run<T: Scalar>(case: &Case, config: &EstimatorConfig, threads: usize, level: Level) -> Run<T> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let stack = case.stack::<T>();
    let number = |i: usize, t: usize| T::from_f64(((7 * i + 3 * t) % 11) as f64 / 11.0 - 0.5);
    let weights: Vec<T> = (0..stack.weights_len()).map(|i| number(i, 5)).collect();
    pool.install(|| {
        level.force(|| {
            let mut gradient = vec![T::ZERO; weights.len()];
            let mut built = None;
            let build = || built = Some(config.build(stack.clone(), case.lanes, case.window).unwrap());
            let taken = allocation_counter::measure(build).bytes_total;
            let mut estimator = built.unwrap();
            let counted = estimator.cost().bytes;
            for t in 0..case.steps {
                let array = |len: usize| (0..len * case.lanes).map(|i| number(i, t)).collect::<Vec<T>>();
                let symbols: Vec<u32> = (0..case.lanes as u32).map(|b| (b + t as u32) % 3).collect();
                let x = array(case.inputs.len());
                let input = match case.inputs {
                    Inputs::Dense(_) => Input::Dense(Lanes::new(&x, case.lanes)),
                    Inputs::Symbols(_) => Input::Symbols(&symbols),
                };
                // One lane begins a sequence in the middle of a window.
                let starts: Vec<bool> = (0..case.lanes).map(|b| t == case.window / 2 && b == 0).collect();
                estimator.step(&weights, input, &starts);
                let delta = array(stack.hidden().len());
                estimator.observe(&weights, Lanes::new(&delta, case.lanes), &mut gradient);
                if (t + 1) % case.window == 0 || t + 1 == case.steps {
                    estimator.finish_window(&weights, &mut gradient);
                }
            }
            Run { gradient, counted, taken }
        })
    })
}

fn check<T: Scalar>(case: &Case, config: &EstimatorConfig) {
    for level in Level::available() {
        let one = run::<T>(case, config, 1, level);
        assert!(one.gradient.iter().any(|x| x.to_f64().abs() > 1e-3), "a gradient that is not silent");
        for threads in [2, 3] {
            let several = run::<T>(case, config, threads, level);
            assert!(several.taken > one.taken, "{config:?}: the work is not shared out");
            assert_eq!(several.counted, one.counted, "{config:?}: bytes on {threads} threads");
            assert!(several.gradient == one.gradient, "{config:?} at {level:?} on {threads} threads");
        }
    }
}

#[test]
fn results_do_not_depend_on_threads() {
    let snap = |order, schedule, truncate| {
        EstimatorConfig::Snap(SnapConfig { order, schedule, truncate, ..Default::default() })
    };
    let case = |cell, inputs, lanes, window| Case {
        layers: vec![cell],
        inputs,
        lanes,
        steps: 2 * window,
        window,
        seed: 5,
        resets: false,
    };
    let (dense, symbols) = (Inputs::Dense(32), Inputs::Symbols(3));
    let vanilla = CellConfig::Vanilla(Size::sparse(96, 0.75));
    let gru = CellConfig::Gru(Size::sparse(48, 0.75));
    // One lane, several lanes together and several one by one; D sparse and dense; symbols; SnAp-1, whose D is
    // diagonal.
    check::<f32>(&case(vanilla, dense, 16, 2), &snap(2, Schedule::Streaming, false));
    check::<f64>(&case(gru, symbols, 3, 2), &snap(2, Schedule::Streaming, false));
    check::<f32>(
        &case(CellConfig::Gru(Size::dense(128)), dense, 16, 1),
        &snap(1, Schedule::Streaming, false),
    );
    check::<f32>(&case(vanilla, dense, 1, 5), &snap(2, Schedule::Blocked, false));
    check::<f32>(&case(vanilla, symbols, 4, 60), &snap(2, Schedule::Adjoint, true));
    check::<f32>(&case(gru, dense, 1, 40), &snap(2, Schedule::Adjoint, true));
    check::<f64>(&case(vanilla, dense, 3, 8), &snap(2, Schedule::Adjoint, false));
    check::<f32>(&case(gru, dense, 1, 24), &snap(2, Schedule::Adjoint, false));
    // Every row reaches other states, so there are as many blocks as units.
    let rtrl = EstimatorConfig::Rtrl(RtrlConfig { schedule: Schedule::Streaming, ..Default::default() });
    let one_way = CellConfig::Vanilla(Size::sparse(200, 0.99));
    check::<f32>(&case(one_way, dense, 16, 1), &rtrl);
    // Every row reaches all states, so the blocks are parts of one.
    let dense_gru = CellConfig::Gru(Size::dense(40));
    check::<f32>(&case(dense_gru, dense, 1, 3), &rtrl);
    check::<f64>(&case(dense_gru, symbols, 3, 2), &rtrl);
}

/// Nets in which a part of the rows is cut into other bands than the whole, on any number of threads.
#[test]
fn results_do_not_depend_on_threads_whatever_the_net_and_the_estimator() {
    let nets = [
        CellConfig::Vanilla(Size::sparse(48, 0.5)),
        CellConfig::Vanilla(Size::sparse(96, 0.5)),
        CellConfig::Gru(Size::sparse(48, 0.5)),
        CellConfig::Gru(Size::sparse(128, 0.75)),
        CellConfig::Gru(Size::dense(128)),
    ];
    // The nets at the same time: most of the work of one is on one thread.
    std::thread::scope(|scope| {
        for cell in nets {
            scope.spawn(move || check_every_estimator(cell));
        }
    });
}

/// Every estimator on this net, in windows of several lengths.
fn check_every_estimator(cell: CellConfig) {
    let snap = |order, truncate| EstimatorConfig::Snap(SnapConfig { order, truncate, ..Default::default() });
    let wide = cell.units() == 128;
    for window in [1, 16, 48] {
        let mut estimators = EstimatorConfig::every();
        for config in &mut estimators {
            if let EstimatorConfig::Tbptt(tbptt) = config {
                tbptt.horizon = window;
            }
        }
        for truncate in [false, true] {
            estimators.extend([snap(1, truncate), snap(2, truncate)]);
        }
        for config in estimators {
            // Those that take seconds on a wide net run with fewer numbers of threads and end soon after a window.
            let slow = wide
                && match config {
                    EstimatorConfig::Rtrl(_) | EstimatorConfig::RandomPaths(_) => true,
                    EstimatorConfig::OptimalKronecker(_) => true,
                    _ => config == snap(2, false),
                };
            let steps = if slow { window + 2 } else { 2 * window };
            // Only estimators that carry J in blocks share out their work.
            let counts: &[usize] = match config {
                EstimatorConfig::Rtrl(_) | EstimatorConfig::RandomPaths(_) => &[3, 64],
                EstimatorConfig::Snap(_) if slow => &[3, 64],
                EstimatorConfig::Snap(_) | EstimatorConfig::Rflo(_) | EstimatorConfig::Eprop(_) => {
                    &[2, 3, 4, 8, 16, 32, 64]
                }
                _ => &[64],
            };
            let inputs = Inputs::Dense(32);
            let case = Case { layers: vec![cell], inputs, lanes: 1, steps, window, seed: 5, resets: false };
            let one = run::<f32>(&case, &config, 1, Level::current());
            for &threads in counts {
                let several = run::<f32>(&case, &config, threads, Level::current());
                assert!(
                    several.gradient == one.gradient,
                    "{cell:?}, {config:?}, windows of {window} on {threads} threads"
                );
            }
        }
    }
}
