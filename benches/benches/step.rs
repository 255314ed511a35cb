//! Time of one window of each estimator, each beside BPTT on the same net.

#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rtrl_benches::{Bench, sparse_sizes};
use rtrl_cells::{CellConfig, Size};
use rtrl_estimators::{BpttConfig, EstimatorConfig, RtrlConfig, Schedule, SnapConfig};

fn snap(order: usize, schedule: Schedule, truncate: bool) -> EstimatorConfig {
    EstimatorConfig::Snap(SnapConfig { order, schedule, truncate, ..Default::default() })
}

fn steps(c: &mut Criterion) {
    let bptt = EstimatorConfig::Bptt(BpttConfig {});
    let mut nets = vec![("gru-128-dense".to_string(), CellConfig::Gru(Size::dense(128)))];
    for size in sparse_sizes() {
        let name = |cell: &str| format!("{cell}-{}-{}", size.units, size.sparsity);
        nets.push((name("vanilla"), CellConfig::Vanilla(size)));
        nets.push((name("gru"), CellConfig::Gru(size)));
    }
    for (name, cell) in nets {
        let dense = name.ends_with("dense");
        for lanes in [1, 16] {
            let mut group = c.benchmark_group(format!("step/{name}/lanes-{lanes}"));
            group.sample_size(10).measurement_time(std::time::Duration::from_secs(1));
            group.warm_up_time(std::time::Duration::from_millis(300));
            let mut estimators = vec![
                ("bptt", bptt.clone(), 32),
                ("snap-1 online", snap(1, Schedule::Streaming, false), 1),
                ("snap-1 window", snap(1, Schedule::Adjoint, true), 32),
                (
                    "rtrl window",
                    EstimatorConfig::Rtrl(RtrlConfig { truncate: true, ..Default::default() }),
                    32,
                ),
            ];
            if !dense && name.starts_with("vanilla") {
                estimators.push(("snap-2 online", snap(2, Schedule::Streaming, false), 1));
                estimators.push(("snap-2 window", snap(2, Schedule::Adjoint, true), 32));
            }
            for (label, config, window) in estimators {
                let mut bench = Bench::new(cell, &config, lanes, window);
                group.throughput(Throughput::Elements(window as u64));
                group.bench_function(BenchmarkId::new(label, format!("{:.0} MACs", bench.macs())), |b| {
                    b.iter(|| black_box(&mut bench).window());
                });
            }
            group.finish();
        }
    }
}

criterion_group!(benches, steps);
criterion_main!(benches);
