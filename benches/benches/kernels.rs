//! Time of the kernels by themselves, at every level of instructions.

#![allow(missing_docs)]

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rtrl_sparse::testing::{Level, multiply_adds};
use rtrl_sparse::{Lanes, LanesMut, Linear, Pattern, Sources, math};

const SIZE: usize = 256;

/// A pattern with every second entry of each row, shifted by one in every other row.
fn striped() -> Pattern {
    let row =
        |r: usize| (0..SIZE as u32).filter(move |&c| (c as usize + r).is_multiple_of(2)).collect::<Vec<_>>();
    Pattern::from_rows(SIZE, (0..SIZE).map(row)).expect("increasing columns")
}

fn linear(c: &mut Criterion) {
    for (name, pattern) in [("dense", Pattern::dense(SIZE, SIZE)), ("sparse", striped())] {
        for lanes in [1, 16] {
            let mut group = c.benchmark_group(format!("kernels/linear-{name}/lanes-{lanes}"));
            group.sample_size(20).measurement_time(Duration::from_millis(500));
            group.warm_up_time(Duration::from_millis(200));
            let linear = Linear::new(pattern.clone(), 0);
            group.throughput(Throughput::Elements((pattern.nnz() * lanes) as u64));
            let weights = vec![0.5_f32; pattern.nnz()];
            let u = vec![0.25_f32; SIZE * lanes];
            let (mut z, mut a) = (vec![0.0_f32; SIZE * lanes], vec![0.0_f32; SIZE * lanes]);
            let mut gradient = vec![0.0_f32; pattern.nnz()];
            let sources = Sources { symbols: &[], dense: Lanes::new(&u, lanes) };
            for level in Level::available() {
                let id = |kernel: &str| BenchmarkId::new(kernel, format!("{level:?}"));
                group.bench_function(id("multiply"), |b| {
                    let mut z = LanesMut::new(&mut z, lanes);
                    level.force(|| b.iter(|| linear.multiply(&weights, 0..SIZE, sources, &mut z, 0)));
                });
                group.bench_function(id("multiply transposed"), |b| {
                    let (u, mut a) = (Lanes::new(&u, lanes), LanesMut::new(&mut a, lanes));
                    level.force(|| b.iter(|| linear.multiply_transposed(&weights, 0..SIZE, u, &mut a, 0)));
                });
                group.bench_function(id("outer product"), |b| {
                    let u = Lanes::new(&u, lanes);
                    level.force(|| {
                        b.iter(|| linear.accumulate_outer_rows(0..SIZE, u, sources, &mut gradient));
                    });
                });
            }
            group.finish();
        }
    }
}

fn elementary(c: &mut Criterion) {
    let mut group = c.benchmark_group("kernels/elementary");
    group.sample_size(20).measurement_time(Duration::from_millis(500));
    group.warm_up_time(Duration::from_millis(200));
    for level in Level::available() {
        let id = |kernel: &str| BenchmarkId::new(kernel, format!("{level:?}"));
        let mut x = vec![0.3_f32; SIZE];
        group.throughput(Throughput::Elements(SIZE as u64));
        group.bench_function(id("tanh"), |b| level.force(|| b.iter(|| math::tanh(&mut x))));
        group.bench_function(id("sigmoid"), |b| level.force(|| b.iter(|| math::sigmoid(&mut x))));
        group.throughput(Throughput::Elements(level.force(|| multiply_adds::<f32>(1000))));
        group.bench_function(id("multiply-adds"), |b| level.force(|| b.iter(|| multiply_adds::<f32>(1000))));
    }
    group.finish();
}

criterion_group!(benches, linear, elementary);
criterion_main!(benches);
