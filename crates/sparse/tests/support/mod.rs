//! Recursions of random structure and size, with numbers for them.

#![allow(dead_code, missing_docs)] // Each test binary uses a part of this.

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use rtrl_sparse::{Blocks, Lanes, Layout, Linear, Operand, Pattern, Scalar, Sources, StepValues};

/// Shrunk failures are kept beside the test, under version control. The path is absolute: proptest reads a
/// relative path from beside the test, but writes it relative to the folder that the test runs in.
pub fn config(test: &str) -> ProptestConfig {
    let file = format!("{}/tests/{test}.proptest-regressions", env!("CARGO_MANIFEST_DIR"));
    let persistence = FileFailurePersistence::Direct(Box::leak(file.into_boxed_str()));
    ProptestConfig { failure_persistence: Some(Box::new(persistence)), ..ProptestConfig::default() }
}

/// Small integers, or numbers between -1 and 1.
pub fn values<T: Scalar>(seed: u64, len: usize, integers: bool) -> Vec<T> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1_u32 << 31)
    };
    let number = |x: f64| if integers { (x * 5.0).floor() - 2.0 } else { f64::from((2.0 * x - 1.0) as f32) };
    (0..len).map(|_| T::from_f64(number(next()))).collect()
}

/// A recursion with several rows in a block.
#[derive(Debug)]
pub struct Case {
    pub weights: Pattern,
    pub jacobian: Pattern,
    pub dynamics: Pattern,
    pub reach: Vec<Vec<u32>>,
    pub symbols: usize,
    pub lanes: usize,
    pub steps: usize,
    pub seed: u64,
}

/// The numbers of a window: D, G, u and δ of each step, and symbols.
pub struct Data<'a, T> {
    case: &'a Case,
    steps: Vec<[Vec<T>; 4]>,
    symbols: Vec<u32>,
    integers: bool,
}

impl Case {
    /// A chain of states that each drive themselves and the next; as many rows, of which each reads all inputs and
    /// the state that it drives.
    pub fn chain(states: usize, inputs: usize) -> Self {
        let row = |r: usize| (0..inputs as u32).chain([inputs as u32 + r as u32]).collect::<Vec<_>>();
        let next = |s: usize| if s == 0 { vec![0] } else { vec![s as u32 - 1, s as u32] };
        let dynamics = Pattern::from_rows(states, (0..states).map(next)).unwrap();
        Self {
            weights: Pattern::from_rows(inputs + states, (0..states).map(row)).unwrap(),
            jacobian: Pattern::identity(states),
            reach: (0..states).map(|s| dynamics.transpose().row(s).to_vec()).collect(),
            dynamics,
            symbols: 0,
            lanes: 1,
            steps: 1,
            seed: 1,
        }
    }

    pub fn blocks(&self, layout: Layout) -> Blocks {
        let linear = Linear::new(self.weights.clone(), self.symbols);
        let operands = (Operand::plain(&self.jacobian), Operand::plain(&self.dynamics));
        Blocks::with_layout(linear, operands.0, operands.1, &self.reach, layout).unwrap()
    }

    pub fn data<T: Scalar>(&self, integers: bool) -> Data<'_, T> {
        let sizes = [
            self.dynamics.nnz(),
            self.jacobian.nnz(),
            self.weights.cols() - self.symbols,
            self.dynamics.rows(),
        ];
        let step = |t: usize| {
            let mut salt = 16 * t as u64 + 4;
            sizes.map(|len| {
                salt += 1;
                values(self.seed ^ salt, len * self.lanes, integers)
            })
        };
        let symbol = |i: usize| (i % self.symbols.max(1)) as u32;
        Data {
            case: self,
            steps: (0..self.steps).map(step).collect(),
            symbols: (0..if self.symbols > 0 { self.lanes } else { 0 }).map(symbol).collect(),
            integers,
        }
    }
}

impl<T: Scalar> Data<'_, T> {
    pub fn sources(&self, step: usize) -> Sources<'_, T> {
        Sources { symbols: &self.symbols, dense: Lanes::new(&self.steps[step][2], self.case.lanes) }
    }

    pub fn step(&self, step: usize) -> StepValues<'_, T> {
        let [dynamics, row_jacobian, _, delta] = &self.steps[step];
        let lanes = self.case.lanes;
        StepValues {
            dynamics: Lanes::new(dynamics, lanes),
            row_jacobian: Lanes::new(row_jacobian, lanes),
            sources: self.sources(step),
            delta: Lanes::new(delta, lanes),
        }
    }

    /// Numbers for an array of `len` entries, such as J, in the case's lanes.
    pub fn influence(&self, len: usize) -> Vec<T> {
        values(self.case.seed ^ 2, len * self.case.lanes, self.integers)
    }
}

/// Cases of fewer states and rows than `rows`, up to `dense` dense sources and fewer steps than `steps`, three
/// quarters of them in several lanes.
pub fn case(rows: usize, dense: usize, steps: usize) -> impl Strategy<Value = Case> {
    let lanes = prop_oneof![Just(1), Just(1), Just(3), Just(4), Just(8), Just(16), Just(24), Just(32)];
    let sizes = (1..rows, 1..rows, 1..dense, 0..3_usize, lanes, 1..steps);
    // Bands need rows that read the same sources. With `wide` above 1 all rows read all sources, with `inputs`
    // above 0 all rows read that share of them, and others at random.
    let wide = prop_oneof![0.3..1.0_f64, Just(1.1)];
    let inputs = prop_oneof![Just(0.0), Just(0.7)];
    (sizes, (0.1..1.0_f64, 0.05..1.0_f64), (wide, inputs), any::<u64>(), any::<bool>()).prop_map(
        |((states, rows, dense, symbols, lanes, steps), (fill, far), (wide, inputs), seed, diagonal)| {
            let sources = dense / if lanes > 1 { 3 } else { 1 } + 1 + symbols;
            let draw = |salt: u64, rows: usize, cols: usize, fill: f64, all: f64| {
                let kept: Vec<f64> = values(seed ^ salt, rows * cols, false);
                let inside = |r: usize, c: u32| {
                    f64::from(c) < all * cols as f64 || (kept[r * cols + c as usize] + 1.0) / 2.0 < fill
                };
                let row = |r: usize| (0..cols as u32).filter(|&c| inside(r, c)).collect::<Vec<_>>();
                Pattern::from_rows(cols, (0..rows).map(row)).unwrap()
            };
            let reach = draw(1, rows, states, far, 0.0);
            Case {
                weights: draw(2, rows, sources, wide, inputs),
                jacobian: draw(3, rows, states, 0.5, 0.0),
                dynamics: if diagonal {
                    Pattern::identity(states)
                } else {
                    draw(4, states, states, fill, 0.0)
                },
                reach: (0..rows).map(|r| reach.row(r / 2 * 2).to_vec()).collect(),
                symbols,
                lanes,
                steps,
                seed,
            }
        },
    )
}
