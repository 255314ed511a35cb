//! Every level of instructions against the same kernels scalar by scalar, in sizes that fill vectors, that leave a
//! vector partly empty, and that need several tiles.

#![allow(missing_docs)]

mod support;

use std::sync::Arc;

use proptest::prelude::*;
use rtrl_sparse::testing::{Counted, Level};
use rtrl_sparse::{
    Blocks, Carrying, Lanes, LanesMut, Layout, Linear, Operand, Pattern, Scalar, Sources, StepValues,
    Streaming,
};
use support::{Case, case, values};

/// The most sources of a row: enough for several tiles or, under Miri, which is a thousand times slower, for a few
/// vectors.
const SOURCES: usize = if cfg!(miri) { 12 } else { 150 };

/// The results of all kernels for the case, each with its name.
fn everything<T: Scalar>(case: &Case, integers: bool) -> Vec<(&'static str, Vec<f64>)> {
    let (lanes, rows, steps) = (case.lanes, case.weights.rows(), case.steps);
    let blocks = Arc::new(case.blocks(Layout::default()));
    let linear = blocks.linear();
    let data = case.data::<T>(integers);
    let step = |step: usize| data.step(step);
    let sources = data.sources(0);
    let initial = data.influence(blocks.len());
    let zeros = || vec![T::ZERO; case.weights.nnz()];

    let (mut streaming, mut slope) = (Streaming::new(blocks.clone(), lanes), zeros());
    streaming.influence_mut().values_mut().copy_from_slice(&initial);
    (0..steps).for_each(|t| streaming.advance(step(t), &mut slope));
    let (mut carrying, mut pulled) = (Carrying::new(blocks.clone(), lanes, steps), zeros());
    carrying.influence_mut().values_mut().copy_from_slice(&initial);
    carrying.gradient(steps, step, &mut pulled);
    carrying.carry(steps, step);

    let weights = values::<T>(case.seed ^ 11, case.weights.nnz(), integers);
    let (mut product, z) = (vec![T::ZERO; rows * lanes], data.influence(rows));
    linear.multiply(&weights, 0..rows, sources, &mut LanesMut::new(&mut product, lanes), 0);
    let mut back = sources.dense.values().to_vec();
    let (into, first) = (&mut LanesMut::new(&mut back, lanes), case.seed as usize % linear.dense_sources());
    linear.multiply_transposed(&weights, 0..rows, Lanes::new(&z, lanes), into, first);
    let mut mixed = data.influence(case.weights.nnz());
    let keep = values::<T>(case.seed ^ 13, lanes, integers);
    let mut squares = vec![T::ONE; lanes];
    let mixed_lanes = &mut LanesMut::new(&mut mixed, lanes);
    linear.mix_outer(&keep, Lanes::new(&z, lanes), sources.dense, mixed_lanes, &mut squares);
    let mut outer = weights.clone();
    linear.accumulate_outer_rows(0..rows, Lanes::new(&z, lanes), sources, &mut outer);

    let all = [
        ("J, streaming", streaming.influence().values().to_vec()),
        ("gradient, streaming", slope),
        ("gradient, adjoint", pulled),
        ("J, carried", carrying.influence().values().to_vec()),
        ("product", product),
        ("transposed product", back),
        ("mixed outer products", mixed),
        ("their squares", squares),
        ("outer product", outer),
    ];
    all.map(|(what, numbers)| (what, numbers.iter().map(|x| x.to_f64()).collect())).into()
}

proptest! {
    #![proptest_config(support::config("levels"))]

    // Miri has only the baseline level, which `exact.rs` compares with a dense recursion.
    #[test]
    #[cfg_attr(miri, ignore)]
    fn levels_agree_exactly_on_integers(case in case(12, SOURCES, 4)) {
        // The reference: the source of the kernels is the same, but `Counted` runs scalar by scalar, in f64.
        let twin = everything::<Counted>(&case, true);
        // Integers above 2^24 are not exact in f32; the limit leaves room for partial sums.
        let exact = twin.iter().flat_map(|(_, x)| x).all(|x| x.abs() < f64::from(1 << 22));
        for level in Level::available() {
            prop_assert_eq!(&level.force(|| everything::<f64>(&case, true)), &twin, "{:?}", level);
            if exact {
                prop_assert_eq!(&level.force(|| everything::<f32>(&case, true)), &twin, "{:?}", level);
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore)]
    fn levels_agree_to_rounding_and_are_deterministic(case in case(12, SOURCES, 4)) {
        let twin = everything::<Counted>(&case, false);
        for level in Level::available() {
            let found = level.force(|| everything::<f32>(&case, false));
            for ((what, found), (_, twin)) in found.iter().zip(&twin) {
                // Sums of up to some hundred terms, each rounded in f32: errors are relative to the largest
                // number.
                let largest = twin.iter().fold(f64::MIN_POSITIVE, |a, b| a.max(b.abs()));
                for (found, twin) in found.iter().zip(twin) {
                    let error = (found - twin).abs();
                    prop_assert!(error <= 3e-6 * largest, "{:?}, {}: {} and {}", level, what, found, twin);
                }
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

/// A block of each kind: state 0, which drives only itself, and states 1 and 2, which drive each other.
fn two_blocks(layout: Layout) -> Blocks {
    let weights = Linear::new(Pattern::dense(2, 21), 0);
    let dynamics = Pattern::from_rows(3, [vec![0], vec![1, 2], vec![1, 2]]).unwrap();
    let jacobian = Pattern::from_rows(3, [vec![0], vec![1]]).unwrap();
    let reach = [vec![0], vec![1, 2]];
    Blocks::with_layout(weights, Operand::plain(&jacobian), Operand::plain(&dynamics), &reach, layout)
        .unwrap()
}

/// One step from `influence` with D = `d` everywhere, G = 0 and δ = `delta` everywhere: J and the gradient.
fn one_step(influence: f32, d: f32, delta: f32, lanes: usize) -> (Vec<f32>, Vec<f32>) {
    let (mut recursion, mut gradient) = (Streaming::new(two_blocks(Layout::default()), lanes), vec![0.0; 42]);
    recursion.influence_mut().values_mut().fill(influence);
    let (d, delta) = (vec![d; 5 * lanes], vec![delta; 3 * lanes]);
    let (g, u) = (vec![0.0; 2 * lanes], vec![1.0; 21 * lanes]);
    let step = StepValues {
        dynamics: Lanes::new(&d, lanes),
        row_jacobian: Lanes::new(&g, lanes),
        sources: Sources { symbols: &[], dense: Lanes::new(&u, lanes) },
        delta: Lanes::new(&delta, lanes),
    };
    recursion.advance(step, &mut gradient);
    (recursion.influence().values().to_vec(), gradient)
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

/// Three states that drive only themselves, in one block each.
fn single_blocks() -> Blocks {
    let own = Pattern::identity(3);
    let weights = Linear::new(Pattern::dense(3, 21), 0);
    let reach = [vec![0], vec![1], vec![2]];
    Blocks::new(weights, Operand::plain(&own), Operand::plain(&own), &reach).unwrap()
}

/// J after three steps that begin with J = `influence` everywhere, and the gradient. D is `d` in the entries of
/// `swap` and 0 in others, so that nonzeros of a product of n factors D are dⁿ. G is `g` at the first step and δ
/// is `delta` at the last; both are 0 elsewhere.
fn three_steps(
    (blocks, swap): &(Blocks, &[bool]),
    lanes: usize,
    [influence, d, g, delta]: [f32; 4],
) -> (Vec<f32>, Vec<f32>) {
    let mut recursion = Carrying::new(blocks.clone(), lanes, 3);
    let mut gradient = vec![0.0; blocks.linear().pattern().nnz()];
    recursion.influence_mut().values_mut().fill(influence);
    let d: Vec<f32> = swap.iter().flat_map(|&on| vec![if on { d } else { 0.0 }; lanes]).collect();
    let u = vec![1.0; 21 * lanes];
    let steps =
        [(g, 0.0), (0.0, 0.0), (0.0, delta)].map(|(g, delta)| [vec![g; 3 * lanes], vec![delta; 3 * lanes]]);
    let values = |step: usize| StepValues {
        dynamics: Lanes::new(&d, lanes),
        row_jacobian: Lanes::new(&steps[step][0], lanes),
        sources: Sources { symbols: &[], dense: Lanes::new(&u, lanes) },
        delta: Lanes::new(&steps[step][1], lanes),
    };
    recursion.gradient(3, values, &mut gradient);
    recursion.carry(3, values);
    (recursion.influence().values().to_vec(), gradient)
}

/// `2^power`.
fn two_to(power: i32) -> f32 {
    2.0_f32.powi(power)
}

#[test]
fn windows_never_meet_a_subnormal_number() {
    // State 0 passes on to itself, states 1 and 2 only to each other. D is multiplied as a whole matrix, by runs,
    // and entry by entry.
    let coupled = [true, false, true, true, false];
    let whole = Layout {
        min_dense_adjoint_blocks: 1,
        dense_adjoint_speedup: 1 << 20,
        transition_speedup: 1 << 20,
        ..Layout::default()
    };
    let runs = Layout { min_mean_run: 1, transition_speedup: 0, ..Layout::default() };
    let entries = Layout { transition_speedup: 0, ..Layout::default() };
    let mut forms: Vec<(Blocks, &[bool])> =
        [whole, runs, entries].map(|layout| (two_blocks(layout), &coupled[..])).into();
    forms.push((single_blocks(), &[true; 3]));
    for (form, blocks) in forms.iter().enumerate() {
        for (level, lanes) in Level::available().flat_map(|level| [1, 3, 16].map(|lanes| (level, lanes))) {
            let case = format!("form {form}, {level:?}, {lanes} lanes");
            let run = |numbers| level.force(|| three_steps(blocks, lanes, numbers));
            // J itself would become 2^-129.
            let (j, _) = run([two_to(-120), two_to(-3), 0.0, 0.0]);
            assert!(j.iter().all(|&j| j == 0.0), "{case}: J {j:?}");
            // Φ would become 2^-129, and J 2^-29 through it.
            let (j, _) = run([two_to(100), two_to(-43), 0.0, 0.0]);
            assert!(j.iter().all(|&j| j == 0.0), "{case}: Φ {j:?}");
            // The adjoint would become 2^-130 at the first step, and the gradient 2^-30.
            let (_, gradient) = run([0.0, two_to(-15), two_to(100), two_to(-100)]);
            assert!(gradient.iter().all(|&g| g == 0.0), "{case}: a {gradient:?}");
            // Numbers that are not subnormal stay.
            let (j, gradient) = run([1.0, 0.5, 1.0, 1.0]);
            assert!(j.iter().all(|&j| j != 0.0) && gradient.iter().all(|&g| g != 0.0), "{case}");
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
