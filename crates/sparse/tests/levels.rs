//! Every level of instructions against the same kernels scalar by scalar, in sizes that fill vectors, leave rests of them
//! and need several tiles.

#![allow(missing_docs)]

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use rtrl_sparse::testing::{Counted, Level};
use rtrl_sparse::{
    Blocks, Lanes, LanesMut, Linear, Local, Operand, Pattern, Purpose, Scalar, Scratch, Sources,
};

const STEPS: usize = 2;

/// A recursion with several rows in a block.
#[derive(Debug)]
struct Case {
    weights: Pattern,
    jacobian: Pattern,
    dynamics: Pattern,
    reach: Vec<Vec<u32>>,
    symbols: usize,
    lanes: usize,
    seed: u64,
}

/// Small integers, or numbers between -1 and 1.
fn values<T: Scalar>(seed: u64, len: usize, integers: bool) -> Vec<T> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1_u32 << 31)
    };
    let number = |x: f64| if integers { (x * 5.0).floor() - 2.0 } else { f64::from((2.0 * x - 1.0) as f32) };
    (0..len).map(|_| T::from_f64(number(next()))).collect()
}

/// Sources of a row, at most: several tiles; under Miri, a thousand times slower, a few vectors.
const SOURCES: usize = if cfg!(miri) { 12 } else { 150 };

fn case() -> impl Strategy<Value = Case> {
    let lanes = prop_oneof![Just(1), Just(1), Just(3), Just(4), Just(8), Just(16), Just(24), Just(32)];
    let sizes = (1..12_usize, 1..12_usize, 1..SOURCES, 0..3_usize, lanes);
    // Rows that read the same sources are taken together, if there are enough of them.
    let wide = prop_oneof![0.3..1.0_f64, Just(1.1)];
    (sizes, 0.1..1.0_f64, wide, any::<u64>(), any::<bool>()).prop_map(
        |((states, rows, dense, symbols, lanes), fill, wide, seed, diagonal)| {
            let sources = dense / if lanes > 1 { 3 } else { 1 } + 1 + symbols;
            let draw = |salt: u64, rows: usize, cols: usize, fill: f64| {
                let kept: Vec<f64> = values(seed ^ salt, rows * cols, false);
                let inside = |r: usize, c: u32| (kept[r * cols + c as usize] + 1.0) / 2.0 < fill;
                let row = |r: usize| (0..cols as u32).filter(|&c| inside(r, c)).collect::<Vec<_>>();
                Pattern::from_rows(cols, (0..rows).map(row)).unwrap()
            };
            let reach = draw(1, rows, states, fill.max(0.4));
            Case {
                weights: draw(2, rows, sources, wide),
                jacobian: draw(3, rows, states, 0.5),
                dynamics: if diagonal { Pattern::identity(states) } else { draw(4, states, states, fill) },
                reach: (0..rows).map(|r| reach.row(r / 2 * 2).to_vec()).collect(),
                symbols,
                lanes,
                seed,
            }
        },
    )
}

/// Everything that kernels compute for the case, one number after the other.
fn everything<T: Scalar>(case: &Case, integers: bool) -> Vec<f64> {
    let (lanes, rows, states) = (case.lanes, case.weights.rows(), case.dynamics.rows());
    let linear = Linear::new(case.weights.clone(), case.symbols);
    let (g, d) = (Operand::plain(&case.jacobian), Operand::plain(&case.dynamics));
    let blocks = Blocks::new(linear.clone(), g, d, &case.reach).unwrap();
    let draw = |salt: u64, len: usize| values::<T>(case.seed ^ salt, len * lanes, integers);
    let dense = case.weights.cols() - case.symbols;
    let (d, g) = (draw(5, case.dynamics.nnz()), draw(6, case.jacobian.nnz()));
    let (u, delta, z) = (draw(7, dense), draw(8, states), draw(9, rows));
    let symbols: Vec<u32> = (0..lanes as u32).map(|lane| lane % case.symbols.max(1) as u32).collect();
    let symbols = if case.symbols > 0 { &symbols[..] } else { &[] };
    let sources = Sources { symbols, dense: Lanes::new(&u, lanes) };
    let local = Local {
        dynamics: Lanes::new(&d, lanes),
        row_jacobian: Lanes::new(&g, lanes),
        sources,
        delta: Lanes::new(&delta, lanes),
    };
    let mut scratch = Scratch::new(&blocks, lanes, Purpose::Carry(STEPS));
    let initial = draw(10, blocks.len());
    let mut gradient = vec![T::ZERO; case.weights.nnz()];

    let mut streamed = initial.clone();
    (0..STEPS).for_each(|_| blocks.advance(&mut streamed, local, &mut gradient, &mut scratch));
    blocks.adjoint(Some(&initial), STEPS, |_| local, &mut gradient, &mut scratch);
    let mut carried = initial;
    blocks.carry(&mut carried, STEPS, |_| local, &mut scratch);

    let weights = values::<T>(case.seed ^ 11, case.weights.nnz(), integers);
    let mut product = vec![T::ZERO; rows * lanes];
    linear.multiply(&weights, 0..rows, sources, &mut LanesMut::new(&mut product, lanes), 0);
    let mut back = u.clone();
    let into = &mut LanesMut::new(&mut back, lanes);
    linear.multiply_transposed(&weights, 0..rows, Lanes::new(&z, lanes), into, case.seed as usize % dense);
    let mut mixed = draw(12, case.weights.nnz());
    let keep = values::<T>(case.seed ^ 13, lanes, integers);
    linear.mix_outer(&keep, Lanes::new(&z, lanes), sources, &mut LanesMut::new(&mut mixed, lanes));
    let mut outer = weights.clone();
    linear.accumulate_outer_rows(0..rows, Lanes::new(&z, lanes), sources, &mut outer);

    let all = [streamed, gradient, carried, product, back, mixed, outer];
    all.iter().flatten().map(|x| x.to_f64()).collect()
}

/// Shrunk failures are kept beside this file.
const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/levels.proptest-regressions");

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(REGRESSIONS))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn levels_agree_exactly_on_integers(case in case()) {
        // Scalar by scalar in f64: the twin whose source is that of every level.
        let twin = everything::<Counted>(&case, true);
        for level in Level::available() {
            prop_assert_eq!(&level.force(|| everything::<f64>(&case, true)), &twin, "{:?}", level);
            prop_assert_eq!(&level.force(|| everything::<f32>(&case, true)), &twin, "{:?}", level);
        }
    }

    #[test]
    fn levels_agree_to_rounding_and_are_deterministic(case in case()) {
        let twin = everything::<Counted>(&case, false);
        let largest = twin.iter().fold(1.0_f64, |a, b| a.max(b.abs()));
        for level in Level::available() {
            let found = level.force(|| everything::<f32>(&case, false));
            for (found, twin) in found.iter().zip(&twin) {
                // Sums of up to some hundred terms, each rounded in f32.
                prop_assert!((found - twin).abs() <= 3e-6 * largest, "{:?}: {} and {}", level, found, twin);
            }
            prop_assert_eq!(level.force(|| everything::<f32>(&case, false)), found);
        }
    }
}

#[test]
fn a_level_is_forced_for_one_thread_and_a_while() {
    let best = Level::current();
    assert_eq!(Level::available().last(), Some(best));
    Level::Baseline.force(|| {
        assert_eq!(Level::current(), Level::Baseline);
        std::thread::spawn(move || assert_eq!(Level::current(), best)).join().unwrap();
    });
    assert_eq!(Level::current(), best);
}

/// One state that drives itself, and another beside it, so that both kinds of blocks are met.
fn two_blocks() -> Blocks {
    let weights = Linear::new(Pattern::dense(2, 21), 0);
    let dynamics = Pattern::from_rows(3, [vec![0], vec![1, 2], vec![1, 2]]).unwrap();
    let jacobian = Pattern::from_rows(3, [vec![0], vec![1]]).unwrap();
    let reach = [vec![0], vec![1, 2]];
    Blocks::new(weights, Operand::plain(&jacobian), Operand::plain(&dynamics), &reach).unwrap()
}

/// One step from `influence` with D = `d` everywhere, G = 0 and δ = `delta` everywhere: J and the gradient.
fn one_step(influence: f32, d: f32, delta: f32, lanes: usize) -> (Vec<f32>, Vec<f32>) {
    let blocks = two_blocks();
    let mut scratch = Scratch::new(&blocks, lanes, Purpose::Advance);
    let (mut j, mut gradient) = (vec![influence; blocks.len() * lanes], vec![0.0; 42]);
    let (d, delta) = (vec![d; 5 * lanes], vec![delta; 3 * lanes]);
    let (g, u) = (vec![0.0; 2 * lanes], vec![1.0; 21 * lanes]);
    let local = Local {
        dynamics: Lanes::new(&d, lanes),
        row_jacobian: Lanes::new(&g, lanes),
        sources: Sources { symbols: &[], dense: Lanes::new(&u, lanes) },
        delta: Lanes::new(&delta, lanes),
    };
    blocks.advance(&mut j, local, &mut gradient, &mut scratch);
    (j, gradient)
}

#[test]
fn influence_never_becomes_subnormal() {
    for level in Level::available() {
        for lanes in [1, 3, 4, 8, 16] {
            let (j, gradient) = level.force(|| one_step(f32::MIN_POSITIVE, 0.25, 1.0, lanes));
            assert!(j.iter().all(|&j| j == 0.0) && gradient.iter().all(|&g| g == 0.0), "{level:?} {lanes}");
            let (j, _) = level.force(|| one_step(-4.0 * f32::MIN_POSITIVE, 0.25, 1.0, lanes));
            assert!(j.iter().all(|&j| j <= -f32::MIN_POSITIVE), "{level:?} {lanes}");
        }
    }
}

#[test]
fn a_diverged_influence_shows_in_the_gradient_at_once() {
    for level in Level::available() {
        for lanes in [1, 3, 8, 16] {
            for bad in [f32::INFINITY, f32::NAN] {
                let (_, gradient) = level.force(|| one_step(bad, 0.5, 0.0, lanes));
                assert!(gradient.iter().all(|g| g.is_nan()), "{level:?} {lanes}");
            }
        }
    }
}
