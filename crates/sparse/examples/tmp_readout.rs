#![allow(missing_docs)]
use rtrl_sparse::dense::{Matrix, multiply};
use rtrl_sparse::{Lanes, LanesMut, Linear, Pattern, Sources};
use std::hint::black_box;
use std::time::Instant;

fn time(mut f: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..15 {
        let t = Instant::now();
        let mut n = 0;
        while t.elapsed().as_micros() < 20_000 {
            f();
            n += 1;
        }
        best = best.min(t.elapsed().as_secs_f64() * 1e6 / f64::from(n));
    }
    best
}

fn main() {
    for (out, inp) in [(4, 128), (65, 64), (256, 64), (256, 512), (256, 1024), (1024, 512)] {
        for lanes in [1, 3, 8, 16, 32] {
            let w: Vec<f32> = (0..out * inp).map(|i| (i % 7) as f32 * 0.1).collect();
            let h: Vec<f32> = (0..inp * lanes).map(|i| (i % 5) as f32 * 0.1).collect();
            let a: Vec<f32> = (0..out * lanes).map(|i| (i % 3) as f32 * 0.1).collect();
            let (mut z, mut g, mut d) =
                (vec![0_f32; out * lanes], vec![0_f32; out * inp], vec![0_f32; inp * lanes]);
            let linear = Linear::new(Pattern::dense(out, inp), 0);
            let m = |v, r, c| Matrix::new(v, r, c);
            let gemm = [
                time(|| multiply(black_box(&mut z), 1.0, m(&w, out, inp), m(&h, inp, lanes))),
                time(|| multiply(black_box(&mut g), 1.0, m(&a, out, lanes), m(&h, inp, lanes).t())),
                time(|| multiply(black_box(&mut d), 0.0, m(&w, out, inp).t(), m(&a, out, lanes))),
            ];
            let u = Sources { symbols: &[], dense: Lanes::new(&h, lanes) };
            let own = [
                time(|| linear.multiply(&w, 0..out, u, &mut LanesMut::new(black_box(&mut z), lanes), 0)),
                time(|| linear.accumulate_outer_rows(0..out, Lanes::new(&a, lanes), u, black_box(&mut g))),
                time(|| {
                    d.fill(0.0);
                    linear.multiply_transposed(
                        &w,
                        0..out,
                        Lanes::new(&a, lanes),
                        &mut LanesMut::new(black_box(&mut d), lanes),
                    )
                }),
            ];
            println!(
                "{out} x {inp}, {lanes} lanes: gemm {gemm:.1?} = {:.1}, own {own:.1?} = {:.1}",
                gemm.iter().sum::<f64>(),
                own.iter().sum::<f64>()
            );
        }
    }
}
