//! Rows that share a run of sources and read others besides, against sums over a dense matrix of small integers:
//! every operation is exact, so that results are compared by `==`.

#![allow(missing_docs)]

use std::sync::Arc;

use proptest::prelude::*;
use rtrl_sparse::testing::Level;
use rtrl_sparse::{Lanes, LanesMut, Linear, Outers, Pattern, Sources};

/// A map whose rows share a run of sources, except for some rows, and read others at random; and the sizes and
/// seed of the data.
#[derive(Debug)]
struct Case {
    pattern: Pattern,
    symbols: usize,
    lanes: usize,
    steps: usize,
    first: usize,
    seed: u64,
}

/// Small integers that depend on the seed.
fn integers(seed: u64, len: usize) -> Vec<f64> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % 7) as f64 - 3.0
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn case() -> impl Strategy<Value = Case> {
    let lanes = prop_oneof![Just(1), Just(2), Just(4), Just(8), Just(16), Just(48)];
    let sizes = (4_usize..22, 0_usize..30, 0_usize..40, 0_usize..3, lanes, 1_usize..20);
    (sizes, 0.0..0.6_f64, prop_oneof![Just(0.0), Just(0.2)], any::<u64>()).prop_map(
        |((rows, shared, others, symbols, lanes, steps), fill, gaps, seed)| {
            let sources = symbols + shared + others + 1;
            let draw = integers(seed ^ 1, rows * (sources + 1));
            // A torn row reads only some sources of the shared run.
            let torn = |r: usize| (draw[r * (sources + 1) + sources] + 3.0) / 7.0 < gaps;
            let kept = |r: usize, j: usize| {
                let share = (draw[r * (sources + 1) + j] + 3.0) / 7.0;
                if (symbols..symbols + shared).contains(&j) && !torn(r) { true } else { share < fill }
            };
            let row = |r: usize| (0..sources as u32).filter(|&j| kept(r, j as usize)).collect::<Vec<_>>();
            let pattern = Pattern::from_rows(sources, (0..rows).map(row)).unwrap();
            Case { pattern, symbols, lanes, steps, first: shared / 2 * usize::from(seed % 2 == 0), seed }
        },
    )
}

proptest! {
    #[test]
    fn products_are_sums_over_the_dense_matrix(case in case()) {
        Level::available().try_for_each(|level| level.force(|| check(&case)))?;
    }
}

fn check(case: &Case) -> Result<(), TestCaseError> {
    let Case { ref pattern, symbols, lanes, steps, first, seed } = *case;
    let (rows, dense) = (pattern.rows(), pattern.cols() - symbols);
    let linear = Arc::new(Linear::new(pattern.clone(), symbols));
    let weights = integers(seed ^ 2, pattern.nnz());
    let (mut outers, mut gradient) = (Outers::new(linear.clone(), lanes, steps), vec![1.0; pattern.nnz()]);
    let mut expected = gradient.clone();
    for step in 0..steps as u64 {
        let (u, z) =
            (integers(seed ^ (3 + step), dense * lanes), integers(seed ^ (100 + step), rows * lanes));
        let coded: Vec<u32> =
            (0..lanes as u32).map(|lane| (lane + step as u32) % symbols.max(1) as u32).collect();
        let coded = if symbols > 0 { &coded[..] } else { &[] };
        let source = |j: usize, lane: usize| match j.checked_sub(symbols) {
            Some(j) => u[j * lanes + lane],
            None => f64::from(u8::from(coded[lane] as usize == j)),
        };
        let sources = Sources { symbols: coded, dense: Lanes::new(&u, lanes) };
        outers.push(Lanes::new(&z, lanes), sources, &mut gradient);

        let mut product = vec![9.0; rows * lanes];
        linear.multiply(&weights, 0..rows, sources, &mut LanesMut::new(&mut product, lanes), 0);
        let mut back = vec![1.0; dense * lanes];
        let into = &mut LanesMut::new(&mut back, lanes);
        linear.multiply_transposed(&weights, 0..rows, Lanes::new(&z, lanes), into, first);
        let (mut forward, mut backward) = (vec![0.0; rows * lanes], vec![1.0; dense * lanes]);
        for (e, (r, j)) in pattern.iter().enumerate() {
            let j = j as usize;
            for lane in 0..lanes {
                let z = z[r * lanes + lane];
                forward[r * lanes + lane] += weights[e] * source(j, lane);
                expected[e] += z * source(j, lane);
                if j >= symbols + first {
                    backward[(j - symbols) * lanes + lane] += weights[e] * z;
                }
            }
        }
        prop_assert_eq!(product, forward);
        prop_assert_eq!(back, backward);
    }
    outers.flush(&mut gradient);
    prop_assert_eq!(gradient, expected);
    Ok(())
}
