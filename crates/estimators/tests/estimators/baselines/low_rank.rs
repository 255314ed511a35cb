//! SnAp-1 with a remainder of low rank: against its equations on the oracle's dense Jacobians, against exact RTRL, and against the
//! best remainder of its rank.

use nalgebra::{DMatrix, DVector};
use rtrl_cells::{CellConfig, Inputs, Size, Stack};
use rtrl_estimators::{SnapLowRank, SnapLowRankConfig};

use super::learned::walk;
use super::*;

fn low_rank(rank: usize) -> EstimatorConfig {
    SnapLowRankConfig { rank }.into()
}

/// E, the remainder that was to be approximated and its approximation, after each step of one lane, and the gradient.
struct ByHand {
    wanted: Vec<DMatrix<f64>>,
    found: Vec<DMatrix<f64>>,
    gradient: DVector<f64>,
}

/// The recursion on whole matrices. `fallback` are the vectors that stand in for dependent ones.
fn by_hand(case: &Case, stack: &Stack<f64>, lane: usize, rank: usize) -> ByHand {
    let kept = oracle::kept(case, stack, Order::Steps(1), Scope::Layer);
    let fallback = fallback(rank, stack.states());
    let zeros = || DMatrix::<f64>::zeros(stack.states(), stack.weights_len());
    let (mut e, mut remainder) = (zeros(), zeros());
    let mut v = DMatrix::<f64>::zeros(stack.weights_len(), rank);
    let mut run = ByHand { wanted: vec![], found: vec![], gradient: DVector::zeros(stack.weights_len()) };
    for step in walk(case, stack, lane) {
        if step.start {
            (e, remainder) = (zeros(), zeros());
            v.fill(0.0);
        }
        let full = &step.dynamics * &e + &step.immediate;
        let inside = full.zip_map(&kept, |j, kept| if kept { j } else { 0.0 });
        let wanted = &step.dynamics * &remainder + (full - &inside);
        let u = orthonormal(&(&wanted * &v), &fallback);
        v = wanted.transpose() * &u;
        remainder = &u * v.transpose();
        e = inside;
        run.gradient += (&e + &remainder).transpose() * &step.delta;
        run.wanted.push(wanted);
        run.found.push(remainder.clone());
    }
    run
}

/// The vectors that the estimator falls back to, drawn as it draws them.
fn fallback(rank: usize, states: usize) -> DMatrix<f64> {
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::{Rng, SeedableRng};
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0x5eed);
    DMatrix::from_fn(states, rank, |_, _| (rng.next_u64() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0)
}

/// Classical projections onto what is orthogonal to the columns before, in place of Gram-Schmidt vector by vector.
fn orthonormal(columns: &DMatrix<f64>, fallback: &DMatrix<f64>) -> DMatrix<f64> {
    let mut basis = DMatrix::<f64>::zeros(columns.nrows(), 0);
    for k in 0..columns.ncols() {
        let project = |x: DVector<f64>| {
            let once = &x - &basis * (basis.transpose() * &x);
            &once - &basis * (basis.transpose() * &once)
        };
        let column = columns.column(k).into_owned();
        let mut left = project(column.clone());
        if left.norm() <= 1e-6 * column.norm() {
            left = project(fallback.column(k).into_owned());
        }
        let at = basis.ncols();
        basis = basis.insert_column(at, 0.0);
        basis.set_column(at, &left.normalize());
    }
    basis
}

fn nets() -> Vec<Case> {
    let size = Size::sparse(6, 0.4);
    let nets = [
        vec![CellConfig::Vanilla(Size::dense(5))],
        vec![CellConfig::Gru(size)],
        vec![CellConfig::GruResetBefore(size)],
        vec![CellConfig::Lstm(Size::dense(3))],
        vec![CellConfig::Rtu(Size::dense(3)), CellConfig::Leaky(size)],
        vec![
            CellConfig::GruResetBefore(Size::dense(4)),
            CellConfig::Embedding(Size::dense(3)),
            CellConfig::Lstm(size),
        ],
    ];
    let inputs = [Inputs::Dense(2), Inputs::Symbols(3)];
    let cases = nets.into_iter().zip(inputs.into_iter().cycle());
    cases.map(|(layers, inputs)| Case { resets: true, seed: 29, ..case(layers, inputs, 2, 14) }).collect()
}

#[test]
fn the_remainder_is_followed_by_subspace_iteration() {
    for case in nets() {
        let stack = case.stack::<f64>();
        for rank in [1, 3] {
            let found = gradient_of(&case, &low_rank(rank));
            let by_hand = |rank| {
                let lanes = (0..case.lanes).map(|lane| by_hand(&case, &stack, lane, rank).gradient);
                lanes.fold(DVector::zeros(stack.weights_len()), |sum, lane| sum + lane)
            };
            let what = format!("rank {rank} on {:?}", case.layers);
            // Subspace iteration amplifies rounding where singular values lie close together.
            assert_equal(&what, &found, by_hand(rank).as_slice(), 1e-7);
            let other = deviation(&found, by_hand(rank + 1).as_slice());
            assert!(other > 1e-6, "{what}: another rank must differ, {other:e}");
        }
    }
}

#[test]
fn with_as_many_terms_as_states_it_is_exact() {
    for case in nets() {
        let states = case.stack::<f64>().states();
        let exact = gradient_of(&case, &rtrl());
        for rank in [states, states + 5] {
            assert_equal(
                &format!("{:?}", case.layers),
                &gradient_of(&case, &low_rank(rank)),
                &exact,
                ROUNDING,
            );
        }
        let one = deviation(&gradient_of(&case, &low_rank(1)), &exact);
        assert!(one > 1e-4, "{:?}: rank 1 is not exact, {one:e}", case.layers);
    }
}

/// Over the second half of a sequence the part of M that is lost is close to the least that its rank can lose, and the remainder takes
/// away most of SnAp-1's error.
#[test]
fn the_remainder_is_nearly_the_best_of_its_rank() {
    for layers in [vec![CellConfig::Vanilla(Size::dense(12))], vec![CellConfig::Gru(Size::sparse(12, 0.5))]] {
        let case = Case { resets: false, ..case(layers, Inputs::Dense(3), 1, 60) };
        let stack = case.stack::<f64>();
        for rank in [1, 2, 4] {
            let run = by_hand(&case, &stack, 0, rank);
            let (mut lost, mut least, mut whole) = (0.0, 0.0, 0.0);
            for (wanted, found) in run.wanted.iter().zip(&run.found).skip(30) {
                let values = wanted.clone().singular_values();
                lost += (wanted - found).norm_squared();
                least += values.iter().skip(rank).map(|s| s * s).sum::<f64>();
                whole += wanted.norm_squared();
            }
            println!(
                "rank {rank} of {:?}: lost {lost:.3e}, least {least:.3e}, of {whole:.3e}",
                case.layers[0]
            );
            assert!(lost < 1.5 * least, "rank {rank}: {lost:e} lost, at least {least:e}");
        }
    }
}

#[test]
fn what_survives_a_change_of_masks_is_kept() {
    use rtrl_checkpoint::{Persist, to_bytes};
    let case = Case { window: 1, ..case(vec![CellConfig::Gru(Size::dense(5))], Inputs::Dense(2), 2, 10) };
    let stack = case.stack::<f64>();
    let (data, mut weights) = (case.data(5), case.weights(&stack));
    let mut one = SnapLowRank::new(stack.clone(), 2, 1, 2);
    gradients(&case, &mut one, &mut weights, &data, |_, _| {});
    let before = to_bytes(|archive| one.persist(archive)).unwrap();
    let same: Vec<_> = (0..weights.len() as u32).map(Some).collect();
    one.relay(stack.clone(), &same);
    assert_eq!(before, to_bytes(|archive| one.persist(archive)).unwrap());
    // Nothing is known of new weights, so that J begins again.
    one.relay(stack.clone(), &vec![None; weights.len()]);
    let mut fresh = SnapLowRank::new(stack, 2, 1, 2);
    (0..2).for_each(|lane| fresh.set_lane(lane, &one.lane(lane)));
    let mut next =
        |estimator: &mut SnapLowRank<f64>| gradients(&case, estimator, &mut weights, &data[..1], |_, _| {});
    assert_eq!(next(&mut one), next(&mut fresh));
}
