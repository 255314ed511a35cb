//! Elementary functions of slices against `f64`, at every level of instructions.

#![allow(missing_docs)]

use rtrl_sparse::Float;
use rtrl_sparse::math;
use rtrl_sparse::testing::Level;

/// The documented accuracy, in units in the last place.
const ULPS: f64 = 2.5;

type Function = (&'static str, fn(&mut [f32]), fn(f64) -> f64);

const FUNCTIONS: [Function; 3] =
    [
        ("exp", math::exp, f64::exp),
        ("tanh", math::tanh, f64::tanh),
        ("sigmoid", math::sigmoid, |x| {
            if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
        }),
    ];

/// The distance of neighboring `f32` at `x`.
fn unit(x: f64) -> f64 {
    let x = x.abs().min(f64::from(f32::MAX)) as f32;
    let exponent = (x.to_bits() >> 23).max(1) as i32 - 127;
    2.0_f64.powi(exponent - 23)
}

/// Every 1009th number, of both signs, from the smallest to infinity; about four million. Under Miri, which looks for
/// undefined behavior, a thousand.
fn sweep() -> impl Iterator<Item = f32> {
    let step = if cfg!(miri) { 4_000_037 } else { 1009 };
    let magnitudes = (0..=f32::INFINITY.to_bits()).step_by(step).map(f32::from_bits);
    magnitudes.flat_map(|x| [x, -x])
}

#[test]
fn functions_are_accurate_everywhere() {
    let inputs: Vec<f32> = sweep().collect();
    for level in Level::available() {
        for (name, ours, exact) in FUNCTIONS {
            let mut found = inputs.clone();
            level.force(|| ours(&mut found));
            let mut worst = (0.0, 0.0);
            for (&x, &found) in inputs.iter().zip(&found) {
                let exact = exact(f64::from(x));
                if exact > f64::from(f32::MAX) {
                    assert!(found == f32::INFINITY || found == f32::MAX, "{level:?} {name} {x}: {found}");
                    continue;
                }
                let error = (f64::from(found) - exact).abs() / unit(exact);
                if error > worst.0 || error.is_nan() {
                    worst = (error, x);
                }
            }
            println!("{level:?} {name}: {} at {}", worst.0, worst.1);
            assert!(worst.0 < ULPS, "{level:?} {name}: {} units at {}", worst.0, worst.1);
        }
    }
}

#[test]
fn special_values_are_kept() {
    for level in Level::available() {
        for len in [1, 15, 16, 40] {
            let of = |f: fn(&mut [f32]), x: f32| {
                let mut slice = vec![x; len];
                level.force(|| f(&mut slice));
                assert!(slice.iter().all(|y| y.to_bits() == slice[0].to_bits()), "{level:?}");
                slice[0]
            };
            for (name, f, _) in FUNCTIONS {
                assert!(of(f, f32::NAN).is_nan() && of(f, -f32::NAN).is_nan(), "{level:?} {name}");
            }
            let infinity = f32::INFINITY;
            assert_eq!([of(math::exp, infinity), of(math::exp, -infinity)], [infinity, 0.0]);
            assert_eq!([of(math::tanh, infinity), of(math::tanh, -infinity)], [1.0, -1.0]);
            assert_eq!([of(math::sigmoid, infinity), of(math::sigmoid, -infinity)], [1.0, 0.0]);
            for zero in [0.0_f32, -0.0] {
                assert_eq!(of(math::tanh, zero).to_bits(), zero.to_bits());
                assert_eq!([of(math::exp, zero), of(math::sigmoid, zero)], [1.0, 0.5]);
            }
            let tiny = f32::from_bits(3);
            assert_eq!([of(math::tanh, tiny), of(math::tanh, -tiny)], [tiny, -tiny]);
            assert_eq!(of(math::exp, -150.0), 0.0);
            // Both results are subnormal: e^-103 is about the smallest number.
            assert!(of(math::exp, -103.0) > 0.0 && of(math::sigmoid, -103.0) > 0.0);
        }
    }
}

#[test]
fn other_scalars_use_their_own_functions() {
    let mut x = [0.3_f64, -2.0];
    math::tanh(&mut x);
    assert_eq!(x, [0.3_f64.tanh(), (-2.0_f64).tanh()]);
}

/// Gates that are nearly closed need this: whatever they scale has their relative error.
#[test]
fn the_logistic_function_of_one_number_is_accurate_everywhere() {
    // Below -40 the reference is e^x, which is exact to a unit in the last place: the divisor 1 + e^x rounds to 1.
    for x in (-7400..=400).map(|x| f64::from(x) / 10.0) {
        let exact = if x < -40.0 { x.exp() } else { 1.0 / (1.0 + (-x).exp()) };
        let error = (x.sigmoid() - exact).abs() / exact;
        assert!(x.sigmoid() > 0.0 && (error < 4.0 * f64::EPSILON || exact < 1e-300), "{x}: {error}");
        if x > -87.0 {
            let error = (f64::from((x as f32).sigmoid()) / f64::from(x as f32).sigmoid() - 1.0).abs();
            // The reference is taken at x rounded to f32: that rounding alone changes e^x by dozens of units.
            assert!(error < 4.0 * f64::from(f32::EPSILON), "{x} in f32: {error}");
        }
    }
    assert_eq!([f64::NEG_INFINITY.sigmoid(), f64::INFINITY.sigmoid(), 0.0_f64.sigmoid()], [0.0, 1.0, 0.5]);
    assert!(f64::NAN.sigmoid().is_nan() && f32::NAN.sigmoid().is_nan());
}
