//! Kernels against dense references on small integers in f64: every operation is exact, so results are compared by `==`
//! and no tolerance can hide a mistake.

#![allow(missing_docs, clippy::needless_range_loop)] // Index arithmetic as in the formulas it checks.

mod support;

use std::sync::Arc;

use proptest::prelude::*;
use rtrl_sparse::dense::{Matrix, multiply};
use rtrl_sparse::testing::Level;
use rtrl_sparse::{
    Blocks, Carrying, Lanes, LanesMut, Layout, Linear, Operand, Pattern, Product, Sources, StepValues,
    Streaming, Windowed,
};

fn pattern(rows: usize, cols: usize) -> impl Strategy<Value = Pattern> {
    proptest::collection::vec(proptest::bool::weighted(0.4), rows * cols).prop_map(move |kept| {
        let row = |r: usize| (0..cols as u32).filter(|&c| kept[r * cols + c as usize]).collect::<Vec<_>>();
        Pattern::from_rows(cols, (0..rows).map(row)).unwrap()
    })
}

fn integers(n: usize) -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec((-3..=3_i32).prop_map(f64::from), n)
}

/// Length of value arrays: more than needed, so that one strategy serves patterns of any size.
const PLENTY: usize = 400;

fn dense(pattern: &Pattern, values: &[f64], lanes: usize, lane: usize) -> Vec<Vec<f64>> {
    let mut out = vec![vec![0.0; pattern.cols()]; pattern.rows()];
    for (e, (r, c)) in pattern.iter().enumerate() {
        out[r][c as usize] = values[e * lanes + lane];
    }
    out
}

fn has(pattern: &Pattern, r: usize, c: usize) -> bool {
    pattern.find(r, c as u32).is_some()
}

/// Runs a property with the instructions of every level that the processor has.
fn at_every_level(property: impl Fn() -> Result<(), TestCaseError>) -> Result<(), TestCaseError> {
    Level::available().try_for_each(|level| level.force(&property))
}

proptest! {
    #![proptest_config(support::config("exact"))]

    #[test]
    fn pattern_algebra_is_boolean_algebra(a in pattern(4, 5), b in pattern(4, 5), c in pattern(5, 3)) {
        let (union, both, product, t) = (a.union(&b), a.intersection(&b), a.product(&c), a.transpose());
        for r in 0..4 {
            for k in 0..5 {
                prop_assert_eq!(has(&union, r, k), has(&a, r, k) || has(&b, r, k));
                prop_assert_eq!(has(&both, r, k), has(&a, r, k) && has(&b, r, k));
                prop_assert_eq!(has(&t, k, r), has(&a, r, k));
            }
            for k in 0..3 {
                prop_assert_eq!(has(&product, r, k), (0..5).any(|m| has(&a, r, m) && has(&c, m, k)));
            }
        }
        prop_assert!(both.is_subset(&a) && a.is_subset(&union));
        prop_assert_eq!(a.is_subset(&b), both == a);
        let (t, places) = a.transpose_with_entries();
        for (entry, (k, r)) in t.iter().enumerate() {
            prop_assert_eq!(a.find(r as usize, k as u32), Some(places[entry] as usize));
        }
        #[cfg(feature = "sprs")]
        {
            let sprs = a.to_sprs((0..a.nnz()).collect::<Vec<_>>());
            prop_assert_eq!(Pattern::from(&sprs), a.clone());
            prop_assert_eq!(Pattern::from(&sprs.to_csc()), a);
        }
    }

    #[test]
    fn masked_products_drop_exactly_what_is_outside(
        a in pattern(4, 5), b in pattern(5, 6), c in pattern(4, 6),
        (x, y) in (integers(PLENTY), integers(PLENTY)), lanes in 1_usize..4,
    ) {
        at_every_level(|| {
            let product = Product::new(&c, Operand::plain(&a), Operand::plain(&b));
            let (x, y) = (&x[..a.nnz() * lanes], &y[..b.nnz() * lanes]);
            let mut own = vec![1.0; c.nnz() * lanes];
            product.accumulate(&mut LanesMut::new(&mut own, lanes), Lanes::new(x, lanes), Lanes::new(y, lanes));
            let mut shared = vec![1.0; c.nnz() * lanes];
            let first = &y[..b.nnz()];
            product.accumulate_shared(&mut LanesMut::new(&mut shared, lanes), Lanes::new(x, lanes), first);
            for lane in 0..lanes {
                let (x, y, first) = (dense(&a, x, lanes, lane), dense(&b, y, lanes, lane), dense(&b, first, 1, 0));
                for (e, (r, col)) in c.iter().enumerate() {
                    let sum = |y: &[Vec<f64>]| 1.0 + (0..5).map(|k| x[r][k] * y[k][col as usize]).sum::<f64>();
                    prop_assert_eq!(own[e * lanes + lane], sum(&y));
                    prop_assert_eq!(shared[e * lanes + lane], sum(&first));
                }
            }
            let terms = |r: usize, col: usize| (0..5).filter(|&k| has(&a, r, k) && has(&b, k, col)).count();
            let macs: usize = c.iter().map(|(r, col)| terms(r, col as usize)).sum();
            prop_assert_eq!(product.macs(), macs as u64);
            Ok(())
        })?;
    }

    #[test]
    fn dense_products(
        a in integers(12), b in integers(20), old in integers(15),
        (ta, tb) in any::<(bool, bool)>(), beta in -2..3_i32,
    ) {
        at_every_level(|| {
            let (m, k, n) = (3, 4, 5);
            let get = |v: &[f64], t: bool, rows: usize, cols: usize, i: usize, j: usize| {
                if t { v[j * rows + i] } else { v[i * cols + j] }
            };
            let x = if ta { Matrix::new(&a, k, m).t() } else { Matrix::new(&a, m, k) };
            let y = if tb { Matrix::new(&b, n, k).t() } else { Matrix::new(&b, k, n) };
            let mut out = old.clone();
            multiply(&mut out, f64::from(beta), x, y);
            for i in 0..m {
                for j in 0..n {
                    let sum: f64 = (0..k).map(|l| get(&a, ta, m, k, i, l) * get(&b, tb, k, n, l, j)).sum();
                    prop_assert_eq!(out[i * n + j], f64::from(beta) * old[i * n + j] + sum);
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn linear_products(
        w in pattern(4, 7), weights in integers(PLENTY), symbols in 0_usize..4, lanes in 1_usize..4,
        (u, z) in (integers(PLENTY), integers(PLENTY)), coded in proptest::collection::vec(0_u32..4, 4),
        first in 0_usize..5,
    ) {
        at_every_level(|| {
            let linear = Linear::new(w.clone(), symbols);
            let coded: Vec<u32> = coded[..lanes].iter().map(|&c| c % symbols.max(1) as u32).collect();
            let (u, z) = (&u[..(7 - symbols) * lanes], &z[..4 * lanes]);
            let sources = Sources { symbols: if symbols > 0 { &coded } else { &[] }, dense: Lanes::new(u, lanes) };
            let weights = &weights[..w.nnz()];
            let mut rows = vec![9.0; 4 * lanes];
            linear.multiply(weights, 0..4, sources, &mut LanesMut::new(&mut rows, lanes), 0);
            let mut back = vec![1.0; (7 - symbols) * lanes];
            let back_view = &mut LanesMut::new(&mut back, lanes);
            linear.multiply_transposed(weights, 0..4, Lanes::new(z, lanes), back_view, first);
            let mut gradient = vec![2.0; w.nnz()];
            for r in 0..4 {
                linear.accumulate_outer(r, &z[r * lanes..(r + 1) * lanes], sources, &mut gradient);
            }
            let (mut mixed, keep) = (vec![3.0; w.nnz() * lanes], &[2.0, -1.0, 0.0][..lanes]);
            let (mut squares, into) = (vec![5.0; lanes], &mut LanesMut::new(&mut mixed, lanes));
            linear.mix_outer(keep, Lanes::new(z, lanes), sources.dense, into, &mut squares);
            let full = dense(&w, weights, 1, 0);
            let source = |j: usize, lane: usize| match j.checked_sub(symbols) {
                Some(j) => u[j * lanes + lane],
                None => f64::from(u8::from(coded[lane] as usize == j)),
            };
            for lane in 0..lanes {
                for r in 0..4 {
                    let sum: f64 = (0..7).map(|j| full[r][j] * source(j, lane)).sum();
                    prop_assert_eq!(rows[r * lanes + lane], sum);
                }
                for j in symbols..7 {
                    let sum: f64 = (0..4).map(|r| full[r][j] * z[r * lanes + lane]).sum();
                    let wanted = if j - symbols < first { 0.0 } else { sum };
                    prop_assert_eq!(back[(j - symbols) * lanes + lane], 1.0 + wanted);
                }
            }
            for (e, (r, j)) in w.iter().enumerate() {
                let sum: f64 = (0..lanes).map(|lane| z[r * lanes + lane] * source(j as usize, lane)).sum();
                prop_assert_eq!(gradient[e], 2.0 + sum);
                for lane in 0..lanes {
                    let product = z[r * lanes + lane] * source(j as usize, lane);
                    let wanted = if j as usize >= symbols { 3.0 * keep[lane] + product } else { 3.0 };
                    prop_assert_eq!(mixed[e * lanes + lane], wanted);
                    squares[lane] -= if j as usize >= symbols { wanted * wanted } else { 0.0 };
                }
            }
            prop_assert_eq!(squares, vec![0.0; lanes]);
            Ok(())
        })?;
    }
}

/// A recursion of `STATES` states driven by `ROWS` rows, and data for a window of steps.
#[derive(Debug)]
struct Recursion {
    weights: Pattern,
    jacobian: Pattern,
    dynamics: Pattern,
    reach: Vec<Vec<u32>>,
    symbols: usize,
    lanes: usize,
    steps: usize,
    values: Vec<f64>,
    coded: Vec<u32>,
    layout: Layout,
    /// The argument of [`Blocks::narrow`], if blocks are to be split.
    narrow: Option<usize>,
}

/// Limits at which blocks of five states take forms that otherwise only large blocks take.
const EVERY_FORM: [Layout; 3] = {
    let usual = Layout {
        min_mean_run: 8,
        min_dense_adjoint_blocks: 8,
        dense_adjoint_speedup: 16,
        transition_speedup: 0,
        min_shared_macs: u64::MAX,
        min_shared_macs_outside: u64::MAX,
        max_index: u32::MAX - 1,
    };
    let large = Layout {
        min_mean_run: 1,
        min_dense_adjoint_blocks: 1,
        dense_adjoint_speedup: usize::MAX / (1 << 20),
        transition_speedup: usize::MAX / (1 << 20),
        ..usual
    };
    // With `large`, adjoints and transitions multiply whole matrices; here they go along the runs of D.
    let runs = Layout { min_mean_run: 1, ..usual };
    [usual, large, runs]
};

const STATES: usize = 5;
const ROWS: usize = 4;
const SOURCES: usize = 9;

/// A map some of whose rows share a run of sources. Four make a run that is copied as a whole, even in one lane.
fn weights() -> impl Strategy<Value = Pattern> {
    let run = (prop_oneof![Just(0_u32), Just(4), Just(5)], 0..=ROWS).prop_map(|(shared, torn)| {
        let row = |r: usize| if r == torn { 0..0 } else { 0..shared };
        Pattern::from_rows(SOURCES, (0..ROWS).map(row)).unwrap()
    });
    (pattern(ROWS, SOURCES), run).prop_map(|(others, run)| others.union(&run))
}

fn recursion() -> impl Strategy<Value = Recursion> {
    let patterns = (weights(), pattern(ROWS, STATES), pattern(STATES, STATES), pattern(ROWS, STATES));
    // Windows long enough that outer products are gathered even in one lane, and shorter ones.
    let sizes = (0_usize..3, 1_usize..4, prop_oneof![1_usize..4, 8_usize..10]);
    let forms = (proptest::sample::select(&EVERY_FORM[..]), proptest::option::of(1_usize..9));
    (patterns, sizes, forms, any::<u64>(), proptest::collection::vec(0_u32..2, 27)).prop_map(
        |((weights, jacobian, dynamics, reach), (symbols, lanes, steps), (layout, narrow), seed, coded)| {
            Recursion {
                weights,
                jacobian,
                dynamics,
                // Some rows share a reach, so that blocks have several rows.
                reach: (0..ROWS).map(|r| reach.row(r / 2 * 2).to_vec()).collect(),
                symbols,
                lanes,
                steps,
                // Small enough that nine steps of five states stay exact.
                values: support::values(seed, 500 * (steps + 2), true),
                layout,
                narrow,
                coded: coded.into_iter().map(|c| if symbols == 1 { 0 } else { c }).collect(),
            }
        },
    )
}

/// Values of one step, cut from the pool.
struct Step<'a> {
    d: &'a [f64],
    g: &'a [f64],
    u: &'a [f64],
    delta: &'a [f64],
    coded: &'a [u32],
}

impl Recursion {
    fn step(&self, t: usize) -> Step<'_> {
        let b = self.lanes;
        let mut at = 500 * (t + 1);
        let mut take = |n: usize| {
            at += n * b;
            &self.values[at - n * b..at]
        };
        Step {
            d: take(self.dynamics.nnz()),
            g: take(self.jacobian.nnz()),
            u: take(SOURCES - self.symbols),
            delta: take(STATES),
            coded: if self.symbols > 0 { &self.coded[t * b..(t + 1) * b] } else { &[] },
        }
    }

    fn values(&self, t: usize) -> StepValues<'_, f64> {
        let (step, b) = (self.step(t), self.lanes);
        StepValues {
            dynamics: Lanes::new(step.d, b),
            row_jacobian: Lanes::new(step.g, b),
            sources: Sources { symbols: step.coded, dense: Lanes::new(step.u, b) },
            delta: Lanes::new(step.delta, b),
        }
    }

    /// J and gradient after the window by dense matrices and an explicit mask, from the J in `initial`.
    fn dense(&self, blocks: &Blocks, initial: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (n, b) = (self.weights.nnz(), self.lanes);
        let kept = |s: usize, w: usize| blocks.find(s as u32, w);
        let mut gradient = vec![0.0; n];
        let mut out = initial.to_vec();
        let rows: Vec<(usize, u32)> = self.weights.iter().collect();
        for lane in 0..b {
            let mut j = vec![vec![0.0; n]; STATES];
            for (s, row) in j.iter_mut().enumerate() {
                for (w, j) in row.iter_mut().enumerate() {
                    *j = kept(s, w).map_or(0.0, |place| initial[place * b + lane]);
                }
            }
            for t in 0..self.steps {
                let step = self.step(t);
                let d = dense(&self.dynamics, step.d, b, lane);
                let g = dense(&self.jacobian, step.g, b, lane);
                let source = |c: u32| match (c as usize).checked_sub(self.symbols) {
                    Some(i) => step.u[i * b + lane],
                    None => f64::from(u8::from(step.coded[lane] == c)),
                };
                let old = j.clone();
                for s in 0..STATES {
                    for w in 0..n {
                        let (row, c) = rows[w];
                        let sum: f64 = (0..STATES).map(|k| d[s][k] * old[k][w]).sum();
                        j[s][w] = if kept(s, w).is_some() { sum + g[row][s] * source(c) } else { 0.0 };
                        gradient[w] += step.delta[s * b + lane] * j[s][w];
                    }
                }
            }
            for s in 0..STATES {
                for w in 0..n {
                    if let Some(place) = kept(s, w) {
                        out[place * b + lane] = j[s][w];
                    }
                }
            }
        }
        (out, gradient)
    }
}

fn three_schedules(case: &Recursion) -> Result<(), TestCaseError> {
    at_every_level(|| {
        let linear = Linear::new(case.weights.clone(), case.symbols);
        let operands = (Operand::plain(&case.jacobian), Operand::plain(&case.dynamics));
        let mut blocks =
            Blocks::with_layout(linear, operands.0, operands.1, &case.reach, case.layout).unwrap();
        if let Some(columns) = case.narrow {
            blocks = blocks.narrow(columns);
            let narrow = blocks.blocks().all(|block| block.columns() <= columns.max(SOURCES));
            prop_assert!(narrow, "no more columns than asked for, or those of one row");
        }
        let kept: usize = (0..ROWS).map(|r| case.reach[r].len() * case.weights.row(r).len()).sum();
        prop_assert_eq!(blocks.len(), kept);
        let initial = &case.values[..blocks.len() * case.lanes];
        let (influence, gradient) = case.dense(&blocks, initial);
        let (blocks, lanes, steps) = (Arc::new(blocks), case.lanes, case.steps);
        let values = |t: usize| case.values(t);

        let (mut j, mut g) = (Streaming::new(blocks.clone(), lanes), vec![0.0; gradient.len()]);
        j.influence_mut().values_mut().copy_from_slice(initial);
        for t in 0..steps {
            j.advance(values(t), &mut g);
        }
        prop_assert_eq!(j.influence().values(), &influence, "streaming");
        prop_assert_eq!(&g, &gradient, "streaming");

        let (mut j, mut g) =
            (Streaming::for_windows(blocks.clone(), lanes, steps), vec![0.0; gradient.len()]);
        j.influence_mut().values_mut().copy_from_slice(initial);
        j.sweep(steps, values, &mut g);
        prop_assert_eq!(j.influence().values(), &influence, "blocked");
        prop_assert_eq!(&g, &gradient, "blocked");

        // The memory is for longer windows than this one.
        let (mut j, mut g) = (Carrying::new(blocks.clone(), lanes, steps + 1), vec![0.0; gradient.len()]);
        j.influence_mut().values_mut().copy_from_slice(initial);
        j.gradient(steps, values, &mut g);
        j.carry(steps, values);
        prop_assert_eq!(j.influence().values(), &influence, "adjoint");
        prop_assert_eq!(&g, &gradient, "adjoint");

        let zeros = vec![0.0; initial.len()];
        let mut g = vec![0.0; gradient.len()];
        Windowed::new(blocks.clone(), lanes, steps).gradient(steps, values, &mut g);
        prop_assert_eq!(&g, &case.dense(&blocks, &zeros).1, "adjoint from zero");
        Ok(())
    })
}

proptest! {
    #![proptest_config(support::config("exact"))]

    #[test]
    fn three_schedules_equal_the_dense_recursion(case in recursion()) {
        three_schedules(&case)?;
    }

    /// With one state in every block, `Carrying::carry` takes a form of its own.
    #[test]
    fn three_schedules_of_single_states_equal_the_dense_recursion(mut case in recursion()) {
        case.reach.iter_mut().for_each(|reach| reach.truncate(1));
        three_schedules(&case)?;
    }

    #[test]
    fn only_needed_dynamics_are_read(case in recursion()) {
        // An entry of D is needed if the reach of some row holds both of its states.
        let needed = Blocks::needed_dynamics(&case.dynamics, &case.reach);
        prop_assert!(needed.is_subset(&case.dynamics));
        for (r, c) in case.dynamics.iter() {
            let used = case.reach.iter().any(|reach| reach.contains(&(r as u32)) && reach.contains(&c));
            prop_assert_eq!(needed.find(r, c).is_some(), used);
        }
    }
}

/// Blocks wide enough for several tiles, and more lanes than one vector has. From eight states on D is kept as runs.
#[test]
fn wide_blocks_are_tiled_correctly() {
    let wide = [(3, 3000, 1), (3, 70, 40), (8, 70, 40), (9, 12, 8), (10, 25, 6), (11, 1, 4), (13, 50, 3)];
    Level::available().for_each(|level| level.force(|| wide.into_iter().for_each(one_step)));
}

fn one_step((states, inputs, lanes): (usize, usize, usize)) {
    let weights = Pattern::dense(2, inputs);
    let jacobian = Pattern::from_rows(states, [vec![0], vec![0, 2]]).unwrap();
    let dynamics = Pattern::dense(states, states);
    let reach = vec![(0..states as u32).collect(); 2];
    let linear = Linear::new(weights, 0);
    let blocks = Blocks::new(linear, Operand::plain(&jacobian), Operand::plain(&dynamics), &reach).unwrap();
    let number = |i: usize| ((i * 7 + i / 5) % 5) as f64 - 2.0;
    let d: Vec<f64> = (0..states * states * lanes).map(number).collect();
    let g: Vec<f64> = (0..3 * lanes).map(|i| number(i + 3)).collect();
    let u: Vec<f64> = (0..inputs * lanes).map(|i| number(i + 1)).collect();
    let delta: Vec<f64> = (0..states * lanes).map(|i| number(i + 2)).collect();
    let step = StepValues {
        dynamics: Lanes::new(&d, lanes),
        row_jacobian: Lanes::new(&g, lanes),
        sources: Sources { symbols: &[], dense: Lanes::new(&u, lanes) },
        delta: Lanes::new(&delta, lanes),
    };
    let before: Vec<f64> = (0..blocks.len() * lanes).map(number).collect();
    let mut gradient = vec![0.0; 2 * inputs];
    let mut recursion = Streaming::new(blocks, lanes);
    recursion.influence_mut().values_mut().copy_from_slice(&before);
    recursion.advance(step, &mut gradient);
    let (blocks, influence) = (recursion.blocks(), recursion.influence().values());
    for weight in 0..2 * inputs {
        let (row, source) = (weight / inputs, weight % inputs);
        let mut slope = 0.0;
        let places: Vec<_> = (0..states).map(|state| blocks.find(state as u32, weight).unwrap()).collect();
        for lane in 0..lanes {
            for s in 0..states {
                let at = |s: usize| places[s] * lanes + lane;
                let recursion: f64 =
                    (0..states).map(|k| d[(s * states + k) * lanes + lane] * before[at(k)]).sum();
                let entry = jacobian.find(row, s as u32).map_or(0.0, |e| g[e * lanes + lane]);
                let expected = recursion + entry * u[source * lanes + lane];
                assert_eq!(influence[at(s)], expected);
                slope += delta[s * lanes + lane] * expected;
            }
        }
        assert_eq!(gradient[weight], slope);
    }
}
