//! KF-RTRL and OK on nets whose terms fill several tiles, the last of them narrower, and several parts of a tile: where they
//! are exact, their mean, and the variance of the first mixture.

use nalgebra::DMatrix;
use rtrl_cells::{CellConfig, Inputs, Size};

use super::learned::walk;
use super::*;

/// 20 states and 20 to 60 rows, where a tile has 16 rows and a part of it 256 numbers.
fn large(cell: fn(Size) -> CellConfig, lanes: usize, steps: usize) -> Case {
    case(vec![cell(Size::dense(20))], Inputs::Dense(3), lanes, steps)
}

#[test]
fn ok_of_full_rank_is_exact_over_several_tiles() {
    // As in small nets. An LSTM has two states for each unit.
    for cell in [CellConfig::Gru, CellConfig::Lstm] {
        let case = large(cell, 2, 5);
        let config = EstimatorConfig::OptimalKronecker(OkConfig { rank: 6, seed: 1 });
        assert_equal("OK of full rank", &gradient_of(&case, &config), &gradient_of(&case, &rtrl()), 1e-9);
    }
}

#[test]
fn ok_is_exact_on_sequences_no_longer_than_its_rank() {
    let case = case(
        vec![CellConfig::Gru(Size::dense(4)), CellConfig::Lstm(Size::dense(2))],
        Inputs::Dense(2),
        2,
        11,
    );
    let stack = case.stack::<f64>();
    let mut data = case.data(stack.hidden().len());
    // Sequences of three, four and four steps in one lane, of four, four and three in the other.
    [(3, 0), (7, 0), (4, 1), (8, 1)]
        .into_iter()
        .for_each(|(t, lane): (usize, usize)| data[t].starts[lane] = true);
    let run = |config: EstimatorConfig| {
        let mut estimator = config.build(stack.clone(), case.lanes, case.window).unwrap();
        gradients(&case, &mut *estimator, &mut case.weights(&stack), &data, |_, _| {})
    };
    let exact = run(rtrl());
    let ok = |rank, seed| run(EstimatorConfig::OptimalKronecker(OkConfig { rank, seed }));
    for seed in 0..2 {
        assert_equal("OK of rank 4", &ok(4, seed), &exact, ROUNDING);
    }
    assert!(deviation(&ok(3, 0), &exact) > 1e-4, "a rank below the length must show");
}

#[test]
fn ok_is_exact_with_a_term_for_each_source() {
    // Vectors u of few sources have no more directions than these: what a step reduces is one term too many that depends on the
    // others, however long the sequence.
    let small = case(vec![CellConfig::Gru(Size::dense(1))], Inputs::Dense(1), 2, 20);
    for (case, sources) in [(small, 3), (large(CellConfig::Vanilla, 1, 30), 24)] {
        assert_eq!(case.stack::<f64>().linear().pattern().cols(), sources);
        let ok = |rank| gradient_of(&case, &EstimatorConfig::OptimalKronecker(OkConfig { rank, seed: 1 }));
        let exact = gradient_of(&case, &rtrl());
        // The singular value that is but rounding, some 1e-15, is mixed with the least of the others: that costs the root of their
        // product, 3e-8.
        assert_equal("OK with a term for each source", &ok(sources), &exact, 1e-6);
        assert!(deviation(&ok(sources / 4 + 1), &exact) > 1e-5, "{sources}: fewer terms must show");
    }
}

#[test]
fn several_tiles_are_unbiased_over_all_signs() {
    for cell in [CellConfig::Vanilla, CellConfig::Gru] {
        let case = large(cell, 1, 4);
        let kept = oracle::kept(&case, &case.stack(), Order::All, Scope::Stack);
        let exact = dense_recursion(&case, Approximation::of(&kept));
        for estimator in [KF_RTRL, OK_1] {
            let (mean, _) = over_all_signs(&case, &estimator, None);
            // Up to 2^8 runs, each exact to rounding.
            assert_equal(estimator.name, &mean, &exact, 1e-10);
            let biased = deviation(&over_all_signs(&case, &estimator, Some(true)).0, &exact);
            assert!(biased > 1e-5, "{}: fixed signs must be caught: {biased:e}", estimator.name);
        }
    }
}

#[test]
fn the_first_mixture_has_the_variance_of_the_papers() {
    // After the second step J = P + Q with P = D I_1 and Q = I_2, two Kronecker products. KF-RTRL makes one of them whose mean
    // square deviation is 2 (|P| |Q| + <P, Q>), if the factors are balanced by the norms of all tiles; OK makes the least
    // possible, 2 σ_1 σ_2 of the singular values of J as a matrix of (states × rows) × sources, if what it
    // decomposes is orthogonal over all tiles.
    let case = large(CellConfig::Vanilla, 1, 2);
    let stack = case.stack::<f64>();
    let steps = walk(&case, &stack, 0);
    let (p, q) = (&steps[1].dynamics * &steps[0].immediate, &steps[1].immediate);
    let exact = &p + q;
    let (states, rows) = (stack.states(), stack.linear().pattern().rows());
    let sources = stack.linear().pattern().cols();
    assert_eq!(stack.weights_len(), rows * sources, "every row reads every source");
    let by_source =
        DMatrix::from_fn(states * rows, sources, |i, j| exact[(i / rows, i % rows * sources + j)]);
    let values = by_source.singular_values();
    assert!(values[2] < 1e-12 * values[0], "two terms: {values}");
    let ok = 2.0 * values[0] * values[1];
    let kf = 2.0 * (p.norm() * q.norm() + p.dot(q));
    // Far more than what they are compared to below.
    assert!(ok < (1.0 - 1e-4) * kf, "OK's {ok} and KF-RTRL's {kf} must be told apart");
    let (data, weights) = (case.data(states), case.weights(&stack));
    for (estimator, expected) in [(KF_RTRL, kf), (OK_1, ok)] {
        let free = 2 * (estimator.signs)(&stack);
        let mut variance = 0.0;
        for pattern in 0..1_u32 << free {
            for state in 0..states {
                let list = (0..free).map(|bit| pattern >> bit & 1 == 1).collect();
                let mut estimator = (estimator.make)(stack.clone(), Signs::listed(list));
                let mut gradient = vec![0.0; weights.len()];
                // A loss of the second step alone, whose gradient by the states is 1 for one of them: a row of J.
                for (datum, at) in data.iter().zip([states, state]) {
                    let delta: Vec<f64> = (0..states).map(|s| f64::from(u8::from(s == at))).collect();
                    estimator.step(&weights, case.input(datum), &datum.starts);
                    estimator.observe(&weights, Lanes::new(&delta, 1), &mut gradient);
                }
                estimator.finish_window(&weights, &mut gradient);
                let square = |(g, j): (&f64, &f64)| (g - j) * (g - j);
                variance += gradient.iter().zip(exact.row(state).iter()).map(square).sum::<f64>();
            }
        }
        variance /= f64::from(1_u32 << free);
        let deviation = (variance - expected).abs() / expected;
        assert!(deviation < 1e-9, "{}: {variance}, expected {expected}", estimator.name);
    }
}
