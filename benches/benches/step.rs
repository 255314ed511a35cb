//! Time of one window of each row of the table of `cargo xtask bench` that times all estimators.

#![allow(missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rtrl_benches::{Bench, batches, steps};

fn windows(c: &mut Criterion) {
    for batch in batches(steps(false)) {
        let mut group = c.benchmark_group(format!("step/{}/lanes-{}", batch[0].net, batch[0].lanes));
        group.sample_size(10).measurement_time(Duration::from_secs(1));
        group.warm_up_time(Duration::from_millis(300));
        for row in batch {
            let mut bench = Bench::new(&row);
            group.throughput(Throughput::Elements(row.window as u64));
            let macs = format!("{:.0} MACs", bench.cost().macs());
            group.bench_function(BenchmarkId::new(row.method.to_string(), macs), |b| {
                b.iter(|| black_box(&mut bench).window());
            });
        }
        group.finish();
    }
}

criterion_group!(benches, windows);
criterion_main!(benches);
