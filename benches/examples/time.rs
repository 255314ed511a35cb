//! Least time of one step of some estimators, for a quick comparison of kernels: `time [FILTER [LEVEL]]`.

#![allow(missing_docs)]

use std::time::{Duration, Instant};

use rtrl_benches::{Bench, sparse_sizes};
use rtrl_cells::{CellConfig, Size};
use rtrl_estimators::{BpttConfig, EstimatorConfig, RtrlConfig, Schedule, SnapConfig};
use rtrl_sparse::testing::Level;

/// How long each case is repeated; the least time of a window counts, since other processes only ever add to it.
const REPEAT: Duration = Duration::from_millis(400);

fn snap(order: usize, schedule: Schedule, truncate: bool) -> EstimatorConfig {
    EstimatorConfig::Snap(SnapConfig { order, schedule, truncate, ..Default::default() })
}

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    match std::env::args().nth(2) {
        None => run(&filter),
        Some(name) => {
            let level = Level::available().find(|level| format!("{level:?}").eq_ignore_ascii_case(&name));
            level.expect("a level of this processor").force(|| run(&filter));
        }
    }
}

fn run(filter: &str) {
    let bptt = || EstimatorConfig::Bptt(BpttConfig {});
    let rtrl = || EstimatorConfig::Rtrl(RtrlConfig { truncate: true, ..Default::default() });
    let mut cases = Vec::new();
    for lanes in [1, 16] {
        let dense = CellConfig::Gru(Size::dense(128));
        let estimators = [
            ("bptt", bptt(), 32),
            ("snap-1 online", snap(1, Schedule::Streaming, false), 1),
            ("snap-1 window", snap(1, Schedule::Adjoint, true), 32),
            ("rtrl window", rtrl(), 32),
        ];
        cases.extend(
            estimators.map(|(name, e, window)| (format!("gru-128 {lanes} {name}"), dense, e, lanes, window)),
        );
        for size in sparse_sizes() {
            let cell = CellConfig::Vanilla(size);
            let estimators = [
                ("bptt", bptt(), 32),
                ("snap-1 online", snap(1, Schedule::Streaming, false), 1),
                ("snap-2 online", snap(2, Schedule::Streaming, false), 1),
                ("snap-2 window", snap(2, Schedule::Adjoint, true), 32),
            ];
            cases.extend(estimators.map(|(name, e, window)| {
                (format!("vanilla-{} {lanes} {name}", size.units), cell, e, lanes, window)
            }));
        }
    }
    let full = EstimatorConfig::Rtrl(RtrlConfig { schedule: Schedule::Streaming, ..Default::default() });
    cases.push(("dense-48 1 rtrl online".into(), CellConfig::Vanilla(Size::dense(48)), full.clone(), 1, 1));
    cases.push(("dense-48 16 rtrl online".into(), CellConfig::Vanilla(Size::dense(48)), full, 16, 1));
    let gru = Size { sparsity: 0.9, ..Size::dense(48) };
    let carried = snap(2, Schedule::Adjoint, false);
    cases.push(("gru-48 1 snap-2 carried".into(), CellConfig::Gru(gru), carried, 1, 32));
    for (name, cell, estimator, lanes, window) in cases {
        if !name.contains(filter) {
            continue;
        }
        let mut bench = Bench::new(cell, &estimator, lanes, window);
        bench.window();
        let (start, mut least) = (Instant::now(), Duration::MAX);
        while start.elapsed() < REPEAT {
            let before = Instant::now();
            bench.window();
            least = least.min(before.elapsed());
        }
        let micros = least.as_secs_f64() * 1e6 / window as f64;
        let rate = bench.macs() * lanes as f64 / micros / 1e3;
        println!("{name:28} {micros:10.2} us/step {rate:8.2} GMAC/s");
    }
}
