//! Small blocks have loops of their own, whose bits are those of larger blocks.

#![allow(missing_docs)]

use rtrl_sparse::dense::{Matrix, dot, multiply};
use rtrl_sparse::testing::Level;
use rtrl_sparse::{
    Blocks, Lanes, Layout, Linear, Operand, Pattern, Scalar, Sources, StepValues, Streaming, Windowed,
};

fn number(i: usize) -> f32 {
    ((i * 2_654_435_761) % 1000) as f32 / 617.0 - 0.8
}

fn numbers(from: usize, len: usize) -> Vec<f32> {
    (from..from + len).map(number).collect()
}

fn pattern(cols: usize, rows: &[Vec<u32>]) -> Pattern {
    Pattern::from_rows(cols, rows.iter().map(|row| row.iter().copied())).expect("increasing")
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|x| x.to_bits()).collect()
}

/// Two coupled states, and beside them a third that nothing drives, so that the block of all three takes the way of
/// larger blocks.
#[test]
fn a_pair_has_the_bits_of_a_larger_block() {
    let (sources, steps) = (21, 6);
    let all: Vec<u32> = (0..sources as u32).collect();
    let some: Vec<u32> = (0..sources as u32).filter(|j| j % 3 != 1).collect();
    for dynamics in
        [[vec![0, 1], vec![0, 1], vec![]], [vec![0], vec![0, 1], vec![]], [vec![0, 1], vec![0], vec![]]]
    {
        let dynamics = pattern(3, &dynamics);
        let one = |reach: &[u32]| {
            let weights = pattern(sources, &[all.clone(), some.clone(), all.clone()]);
            let drives = pattern(3, &[vec![0, 1], vec![1], vec![0, 1]]);
            let reach = pattern(3, &[reach.to_vec(), reach.to_vec(), reach.to_vec()]);
            let mut j = Streaming::<f32>::of_patterns(weights, &drives, &dynamics, &reach, 1).expect("sizes");
            let mut gradient = vec![0.0; 2 * all.len() + some.len()];
            for t in 0..steps {
                let [d, g] = [numbers(7 * t, dynamics.nnz()), numbers(11 * t + 40, drives.nnz())];
                j.step(&d, &g, &numbers(13 * t, sources), &numbers(17 * t + 3, 3), &mut gradient);
            }
            let entries = j.entries().filter(|&(state, ..)| state < 2);
            let mut entries: Vec<_> =
                entries.map(|(state, weight, value)| (weight, state, value[0].to_bits())).collect();
            entries.sort_unstable();
            assert!(entries.iter().any(|&(.., bits)| f32::from_bits(bits) != 0.0));
            (entries, bits(&gradient))
        };
        assert_eq!(one(&[0, 1]), one(&[0, 1, 2]), "{dynamics:?}");
    }
}

/// The adjoints of blocks of at most four states are taken at once, if there are no others. A block of six states beside them, which
/// they have nothing to do with, has all taken one by one: as does any thread whose part has a larger block.
#[test]
fn adjoints_of_small_blocks_at_once_have_the_bits_of_one_by_one() {
    let steps = 5;
    let small = [0..1, 1..3, 3..6, 6..7, 7..9, 9..12];
    let gradient = |states: usize, blocks: &[std::ops::Range<u32>]| {
        let reach = |s: usize| {
            let block =
                blocks.iter().find(|block| block.contains(&(s as u32))).expect("a block for each state");
            block.clone().collect::<Vec<u32>>()
        };
        // Two rows for each of the first six states, D dense within blocks but for one entry.
        let kept = |s: usize| reach(s).into_iter().filter(|&c| (s, c) != (3, 5)).collect::<Vec<_>>();
        let dynamics = pattern(states, &(0..states).map(kept).collect::<Vec<_>>());
        // In the order of states, so that a block more changes no entry of those before it.
        let driven = (0..states).flat_map(|s| std::iter::repeat_n(s, if s < 6 { 2 } else { 1 }));
        let reach: Vec<_> = driven.map(reach).collect();
        let (rows, jacobian) = (reach.len(), pattern(states, &reach));
        let linear = Linear::new(pattern(4, &vec![vec![0, 1, 2, 3]; rows]), 0);
        let blocks = Blocks::with_layout(
            linear,
            Operand::plain(&jacobian),
            Operand::plain(&dynamics),
            &reach,
            Layout { min_dense_adjoint_blocks: usize::MAX, ..Layout::default() },
        )
        .expect("reaches that fit");
        let data: Vec<_> = (0..steps)
            .map(|t| {
                let numbers = |k: usize, len| numbers(97 * t + 31 * k, len);
                [numbers(0, dynamics.nnz()), numbers(1, jacobian.nnz()), numbers(2, 4), numbers(3, states)]
            })
            .collect();
        let values = |t: usize| {
            let [dynamics, row_jacobian, dense, delta] =
                std::array::from_fn(|k| Lanes::new(&data[t][k][..], 1));
            StepValues { dynamics, row_jacobian, sources: Sources { symbols: &[], dense }, delta }
        };
        let mut gradient = vec![0.0_f32; rows * 4];
        Windowed::new(blocks, 1, steps).gradient(steps, values, &mut gradient);
        assert!(gradient.iter().all(|g| g.is_finite() && *g != 0.0), "{gradient:?}");
        gradient
    };
    let at_once = gradient(12, &small);
    let one_by_one = gradient(18, &small.iter().cloned().chain(std::iter::once(12..18)).collect::<Vec<_>>());
    assert_eq!(bits(&at_once), bits(&one_by_one[..at_once.len()]), "{at_once:?} and {one_by_one:?}");
}

/// Rows of as many numbers as one, two or three vectors have are summed several at once.
#[test]
fn a_matrix_of_few_columns_times_a_vector_has_the_bits_of_a_dot_product_for_each_row() {
    fn check<T: Scalar>(level: Level) {
        let numbers =
            |from, len| numbers(from, len).into_iter().map(|x| T::from_f64(x.into())).collect::<Vec<_>>();
        for (rows, cols) in (0..40).flat_map(|rows| (1..=50).map(move |cols| (rows, cols))) {
            let (matrix, x, old) = (numbers(rows + cols, rows * cols), numbers(3, cols), numbers(5, rows));
            let mut out = old.clone();
            multiply(&mut out, T::ONE, Matrix::new(&matrix, rows, cols), Matrix::new(&x, cols, 1));
            let rows = old.iter().zip(matrix.chunks_exact(cols));
            let expected: Vec<_> = rows.map(|(&old, row)| old + dot(row, &x)).collect();
            let bits = |x: &[T]| x.iter().map(|x| x.to_f64().to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&out), bits(&expected), "{level:?}: {} x {cols}", old.len());
        }
    }
    for level in Level::available() {
        level.force(|| (check::<f32>(level), check::<f64>(level)));
    }
}
