//! The accessors of J against a dense recursion on small integers; and patterns that are made of others.

#![allow(missing_docs, clippy::needless_range_loop)] // Index arithmetic as in the formulas it checks.

mod support;

use std::collections::BTreeSet;

use proptest::prelude::*;
use rtrl_sparse::{BlockError, Layout, Linear, Pattern, PatternError, Streaming};
use support::{Case, case};

/// `J ← P ∘ (D J + G ⊗ u)` entry by entry, for one lane: J as states × weights, and δᵀ J summed over the steps.
fn dense(case: &Case, lane: usize) -> (Vec<Vec<f64>>, Vec<f64>) {
    let (states, weights, data) = (case.dynamics.rows(), case.weights.nnz(), case.data::<f64>(true));
    let (mut j, mut gradient) = (vec![vec![0.0; weights]; states], vec![0.0; weights]);
    for step in 0..case.steps {
        let now = data.step(step);
        let source = |column: u32| match (column as usize).checked_sub(case.symbols) {
            Some(dense) => now.sources.dense.at(dense)[lane],
            None => f64::from(u8::from(now.sources.symbols[lane] == column)),
        };
        let mut next = vec![vec![0.0; weights]; states];
        for (row, columns) in (0..case.weights.rows()).map(|row| (row, case.weights.row(row))) {
            for (weight, &column) in case.weights.entries(row).zip(columns) {
                for &state in &case.reach[row] {
                    let s = state as usize;
                    let carried = case.dynamics.entries(s).zip(case.dynamics.row(s));
                    let carried: f64 =
                        carried.map(|(e, &c)| now.dynamics.at(e)[lane] * j[c as usize][weight]).sum();
                    let g = case.jacobian.find(row, state).map_or(0.0, |e| now.row_jacobian.at(e)[lane]);
                    next[s][weight] = carried + g * source(column);
                }
            }
        }
        j = next;
        for (s, row) in j.iter().enumerate() {
            row.iter().zip(&mut gradient).for_each(|(j, g)| *g += now.delta.at(s)[lane] * j);
        }
    }
    (j, gradient)
}

proptest! {
    #![proptest_config(support::config("readable"))]

    #[test]
    fn j_reads_as_the_dense_recursion_has_it(case in case(7, 12, 4), widest in 1..5_usize) {
        let weights = case.weights.nnz();
        let kept = |state: usize, weight: usize| {
            let row = (0..case.weights.rows()).find(|&row| case.weights.entries(row).contains(&weight)).unwrap();
            case.reach[row].contains(&(state as u32))
        };
        let expected: Vec<_> = (0..case.lanes).map(|lane| dense(&case, lane)).collect();
        // As laid out first, and with split blocks.
        let blocks = case.blocks(Layout::default());
        for blocks in [blocks.clone(), blocks.narrow(widest)] {
            let (mut j, mut gradient, data) = (Streaming::<f64>::new(blocks, case.lanes), vec![0.0; weights], case.data(true));
            (0..case.steps).for_each(|step| j.advance(data.step(step), &mut gradient));
            for weight in 0..weights {
                prop_assert_eq!(gradient[weight], expected.iter().map(|(_, gradient)| gradient[weight]).sum::<f64>());
                let mut column = j.column(weight).map(|(state, values)| (state as usize, values));
                for state in 0..case.dynamics.rows() {
                    let values: Vec<f64> = expected.iter().map(|(j, _)| j[state][weight]).collect();
                    let expected = kept(state, weight).then_some(&values[..]);
                    prop_assert_eq!(j.get(state as u32, weight), expected, "({}, {})", state, weight);
                    if let Some(expected) = expected {
                        prop_assert_eq!(column.next(), Some((state, expected)));
                    }
                }
                prop_assert_eq!(column.next(), None);
            }
            prop_assert_eq!(j.get(0, weights), None);
            prop_assert_eq!(j.get(case.dynamics.rows() as u32, 0), None);
            prop_assert!(j.column(weights).next().is_none());
            for (lane, (expected, _)) in expected.iter().enumerate() {
                prop_assert_eq!(j.to_dense(lane), expected.concat());
            }
            // `entries` yields each entry once, in the order of the array of all blocks, with the values that
            // `get` finds.
            let mut seen = BTreeSet::new();
            for (at, (state, weight, values)) in j.entries().enumerate() {
                prop_assert!(kept(state as usize, weight) && seen.insert((state, weight)));
                prop_assert_eq!(j.get(state, weight), Some(values));
                prop_assert_eq!(j.blocks().find(state, weight), Some(at));
            }
            prop_assert_eq!(seen.len(), j.blocks().len());
        }
    }

    #[test]
    fn steps_by_slices_are_those_by_values(case in case(7, 12, 5)) {
        prop_assume!(case.symbols == 0);
        let reach = Pattern::from_rows(case.dynamics.rows(), case.reach.clone()).unwrap();
        let build = || {
            let patterns = (case.weights.clone(), &case.jacobian, &case.dynamics, &reach);
            Streaming::of_patterns(patterns.0, patterns.1, patterns.2, patterns.3, case.lanes).unwrap()
        };
        let (data, weights) = (case.data::<f64>(true), case.weights.nnz());
        let (mut by_values, mut by_slices, mut silent) = (build(), build(), build());
        let mut gradients = [vec![0.0; weights], vec![0.0; weights]];
        for step in 0..case.steps {
            let now = data.step(step);
            let [d, g, u] = [now.dynamics, now.row_jacobian, now.sources.dense].map(|x| x.values());
            by_values.advance(now, &mut gradients[0]);
            by_slices.step(d, g, u, now.delta.values(), &mut gradients[1]);
            silent.step_without_loss(d, g, u);
            prop_assert_eq!(by_slices.influence().values(), by_values.influence().values());
            prop_assert_eq!(silent.influence().values(), by_values.influence().values());
        }
        prop_assert_eq!(&gradients[0], &gradients[1]);
        let wider = Pattern::empty(case.weights.rows() + 1, case.dynamics.rows());
        let refused = Streaming::<f64>::of_patterns(case.weights.clone(), &wider, &case.dynamics, &reach, 1);
        let by_size = matches!(refused, Err(BlockError::Size { .. }));
        prop_assert!(by_size, "{:?}", refused.err());
    }

    #[test]
    fn the_closure_is_the_sum_of_all_powers(case in case(9, 3, 2)) {
        let (d, states) = (&case.dynamics, case.dynamics.rows());
        let mut powers = Pattern::identity(states);
        for _ in 0..states {
            powers = powers.union(&powers.product(d));
        }
        prop_assert_eq!(d.closure(), powers);
    }

    #[test]
    fn entries_in_any_order_make_a_pattern(case in case(9, 9, 2), seed in any::<usize>()) {
        let pattern = &case.weights;
        let mut entries: Vec<_> = pattern.iter().collect();
        entries.extend(pattern.iter().take(3));
        let len = entries.len().max(1);
        (0..entries.len()).for_each(|i| entries.swap(i, (seed % len + i * 7) % len));
        let found = Pattern::from_entries(pattern.rows(), pattern.cols(), entries.iter().copied());
        prop_assert_eq!(found.unwrap(), pattern.clone());
        let row = pattern.rows();
        let below = Pattern::from_entries(row, pattern.cols(), [(row, 0)]);
        prop_assert_eq!(below, Err(PatternError::Row { row, rows: row }));
    }
}

#[test]
fn rows_without_a_block_have_no_entries() {
    let case = Case { reach: vec![vec![0, 1], Vec::new(), vec![2]], ..Case::chain(3, 2) };
    let j = Streaming::<f64>::new(case.blocks(Layout::default()), 1);
    let linear = Linear::new(case.weights.clone(), 0);
    for weight in linear.pattern().entries(1) {
        assert!((0..3).all(|state| j.get(state, weight).is_none()) && j.column(weight).next().is_none());
    }
    assert_eq!(j.entries().count(), 3 * 2 + 3);
}

#[test]
#[should_panic(expected = "rows and columns of a square pattern")]
fn a_closure_is_of_a_square() {
    let _ = Pattern::empty(2, 3).closure();
}
