//! Checks that anybody can run on a cell of their own.
//!
//! ```
//! use rtrl_cells::{Cell, Gru, Inputs, Masks};
//! use rtrl_estimators::testing::{check_cell, check_lanes};
//! let make = || Box::new(Gru::new(Inputs::Dense(2), 3, &Masks::dense(3, 2, 3)).unwrap()) as Box<dyn Cell<f64>>;
//! check_cell(make, 1)?;
//! // In the type that nets are trained in, too.
//! let make = || Box::new(Gru::new(Inputs::Dense(2), 3, &Masks::dense(3, 2, 3)).unwrap()) as Box<dyn Cell<f32>>;
//! check_lanes(make, 1)?;
//! # Ok::<(), rtrl_estimators::testing::CheckError>(())
//! ```

mod error;

use std::sync::Arc;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use rtrl_cells::{Cell, CellStep, Input, Inputs, Linearizer, Rollout, Stack, Structure, Trace, init};
use rtrl_sparse::{Lanes, LanesMut, Pattern, Scalar};

use crate::{BpttConfig, EstimatorConfig, EstimatorError, RtrlConfig, Schedule, SnapConfig};
pub use error::CheckError;
use error::LANES;

/// Step of the central differences. Their error is about h² + 1e-16 / h, that is 1e-10 for derivatives of order 1.
const H: f64 = 1e-6;

/// Allowed deviation of a derivative from its finite difference, absolute plus relative: a thousand times the
/// error of the difference, and a thousandth of any mistake that matters.
const TOLERANCE: f64 = 1e-7;

/// Random points at which the Jacobians are compared.
const POINTS: usize = 8;

/// Checks a cell: its structure; patterns and Jacobians against finite differences of its forward step; lanes
/// among others against lanes alone ([`check_lanes`]); and gradients of several estimators against each other
/// and against finite differences of a loss. `make` builds the cell, dense or masked, with any number of inputs
/// and at least two units. Small cells are checked faster.
///
/// Of a cell with surrogate derivatives, [`Cell::smoothed`] is what finite differences are taken of, and the cell itself
/// must have the same derivatives in the same states.
///
/// # Errors
/// The first mistake that is found.
pub fn check_cell(make: impl Fn() -> Box<dyn Cell<f64>>, seed: u64) -> Result<(), CheckError> {
    let alone = |cell| Stack::new(vec![cell]).map_err(EstimatorError::from);
    let mut points = Points { rng: Xoshiro256PlusPlus::seed_from_u64(seed) };
    let stack = match make().smoothed() {
        None => alone(make())?,
        Some(smooth) => {
            let smooth = alone(smooth)?;
            check_surrogate(&alone(make())?, &smooth, &mut points)?;
            smooth
        }
    };
    let stack = Arc::new(stack);
    check_jacobians(&stack, &mut points)?;
    check_lanes(&make, seed)?;
    check_estimators(&stack, &mut points)
}

/// D and G of a cell against those of its smoothed form, in the same states.
fn check_surrogate(stack: &Stack<f64>, smooth: &Stack<f64>, points: &mut Points) -> Result<(), CheckError> {
    for _ in 0..POINTS {
        let (weights, state) = (points.numbers(stack.weights_len()), points.numbers(stack.states()));
        let (x, symbol) = points.input(stack.inputs());
        let of = |stack: &Stack<f64>| {
            let mut run = Forward::new(stack, 1);
            run.rollout.state_mut().values_mut().copy_from_slice(&state);
            run.step(stack, &weights, (&x, &[symbol]), &[false]);
            run
        };
        let (own, other) = (of(stack), of(smooth));
        // The first of the three is the state, in which the two differ.
        for ((what, own), (_, other)) in own.numbers().into_iter().zip(other.numbers()).skip(1) {
            for (entry, (&found, &expected)) in own.iter().zip(other).enumerate() {
                // Written so that NaN is a deviation. The two make the same products.
                if (found - expected).abs() <= 1e-12 * (1.0 + expected.abs()) {
                    continue;
                }
                return Err(CheckError::Surrogate { what, entry, expected, found });
            }
        }
    }
    Ok(())
}

/// Fills all arrays with NaN before the wrapped cell makes its step. Numbers that the cell does not write, or
/// reads before it writes them, are NaN afterwards.
struct Poisoned<T>(Box<dyn Cell<T>>);

impl<T: Scalar> Cell<T> for Poisoned<T> {
    fn structure(&self) -> &Structure {
        self.0.structure()
    }

    fn forward(&self, step: &mut CellStep<'_, T>) {
        for array in
            [&mut step.next, &mut step.rows, &mut step.row_jacobian, &mut step.direct, &mut step.scales]
        {
            array.values_mut().fill(T::from_f64(f64::NAN));
        }
        self.0.forward(step);
    }
}

/// Checks that every lane among several has the same numbers as alone, and that no number is read before it is
/// written. This is a part of [`check_cell`], for any type of numbers.
///
/// # Errors
/// The first number that differs by more than the rounding of `T`.
pub fn check_lanes<T: Scalar>(make: impl Fn() -> Box<dyn Cell<T>>, seed: u64) -> Result<(), CheckError> {
    let stack = |cell| Stack::new(vec![cell]).map_err(EstimatorError::from);
    let (alone, together) = (stack(make())?, stack(Box::new(Poisoned(make())))?);
    let mut points = Points { rng: Xoshiro256PlusPlus::seed_from_u64(seed) };
    let narrow = |numbers: Vec<f64>| -> Vec<T> { numbers.into_iter().map(T::from_f64).collect() };
    let weights = narrow(points.numbers(alone.weights_len()));
    let n = alone.inputs().len();
    // With several lanes, kernels vectorize along the lanes and add some tens of products in another order.
    let tolerance = if T::from_f64(1e-10) + T::ONE == T::ONE { 1e-5 } else { 1e-12 };
    let mut runs: Vec<_> = (0..LANES).map(|_| Forward::new(&alone, 1)).collect();
    let mut all = Forward::new(&together, LANES);
    for step in 0..STEPS {
        let (x, symbols): (Vec<_>, Vec<_>) =
            (0..LANES).map(|_| points.input(alone.inputs())).map(|(x, symbol)| (narrow(x), symbol)).unzip();
        // A lane begins anew in the middle.
        let starts: Vec<bool> = (0..LANES).map(|lane| step == 0 || (step, lane) == (STEPS / 2, 1)).collect();
        let mixed: Vec<T> = (0..n).flat_map(|i| x.iter().map(move |x| x[i])).collect();
        all.step(&together, &weights, (&mixed, &symbols), &starts);
        for (lane, run) in runs.iter_mut().enumerate() {
            run.step(&alone, &weights, (&x[lane], &symbols[lane..=lane]), &starts[lane..=lane]);
            for ((what, found), (_, expected)) in all.numbers().into_iter().zip(run.numbers()) {
                let found = found.iter().skip(lane).step_by(LANES).map(|x| x.to_f64());
                for (entry, (found, expected)) in found.zip(expected.iter().map(|x| x.to_f64())).enumerate() {
                    // Written so that NaN is a deviation.
                    if (found - expected).abs() <= tolerance * (1.0 + expected.abs()) {
                        continue;
                    }
                    return Err(CheckError::Lanes { what, entry, lane, expected, found });
                }
            }
        }
    }
    Ok(())
}

/// The state, trace and Jacobians of a running net.
struct Forward<T> {
    rollout: Rollout<T>,
    trace: Trace<T>,
    linearizer: Linearizer<T>,
    dynamics: Vec<T>,
    jacobian: Vec<T>,
}

impl<T: Scalar> Forward<T> {
    fn new(stack: &Stack<T>, lanes: usize) -> Self {
        let linearizer = Linearizer::new(stack, stack.dynamics(), stack.row_jacobian(), lanes);
        let nans = |len: usize| vec![T::from_f64(f64::NAN); len * lanes];
        Self {
            rollout: stack.rollout(lanes),
            trace: stack.trace(lanes),
            dynamics: nans(linearizer.dynamics().nnz()),
            jacobian: nans(linearizer.row_jacobian().pattern().nnz()),
            linearizer,
        }
    }

    fn step(&mut self, stack: &Stack<T>, weights: &[T], (x, symbols): (&[T], &[u32]), starts: &[bool]) {
        let lanes = starts.len();
        let input = match stack.inputs() {
            Inputs::Dense(_) => Input::Dense(Lanes::new(x, lanes)),
            Inputs::Symbols(_) => Input::Symbols(symbols),
        };
        stack.forward(weights, input, starts, &mut self.rollout, &mut self.trace);
        let (d, g) = (LanesMut::new(&mut self.dynamics, lanes), LanesMut::new(&mut self.jacobian, lanes));
        self.linearizer.run(weights, &self.trace, d, g);
    }

    fn numbers(&self) -> [(&'static str, &[T]); 3] {
        [("the state", self.rollout.state().values()), ("G", &self.jacobian), ("D", &self.dynamics)]
    }
}

struct Points {
    rng: Xoshiro256PlusPlus,
}

impl Points {
    /// Uniform on -1..1.
    fn number(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    fn numbers(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.number()).collect()
    }

    fn input(&mut self, inputs: Inputs) -> (Vec<f64>, u32) {
        let symbol = (self.rng.next_u64() % inputs.len() as u64) as u32;
        (self.numbers(inputs.len()), symbol)
    }
}

fn input<'a>(inputs: Inputs, (dense, symbol): &'a (Vec<f64>, u32)) -> Input<'a, f64> {
    match inputs {
        Inputs::Dense(_) => Input::Dense(Lanes::new(dense, 1)),
        Inputs::Symbols(_) => Input::Symbols(std::slice::from_ref(symbol)),
    }
}

/// s_t from a state, an input and weights.
fn forward(stack: &Stack<f64>, weights: &[f64], x: &(Vec<f64>, u32), state: &[f64]) -> Vec<f64> {
    let (mut rollout, mut trace) = (stack.rollout(1), stack.trace(1));
    rollout.state_mut().values_mut().copy_from_slice(state);
    stack.forward(weights, input(stack.inputs(), x), &[false], &mut rollout, &mut trace);
    rollout.state().values().to_vec()
}

/// Central differences of `f` by the entries of `at`, column by column.
fn differences(at: &[f64], f: impl Fn(&[f64]) -> Vec<f64>, mut each: impl FnMut(usize, Vec<f64>)) {
    let mut moved = at.to_vec();
    for column in 0..at.len() {
        moved[column] = at[column] + H;
        let plus = f(&moved);
        moved[column] = at[column] - H;
        let minus = f(&moved);
        moved[column] = at[column];
        each(column, plus.iter().zip(&minus).map(|(p, m)| (p - m) / (2.0 * H)).collect());
    }
}

/// One Jacobian: its declared entries, and whether each has ever been nonzero.
struct Declared<'a> {
    what: &'static str,
    pattern: &'a Pattern,
    alive: Vec<bool>,
}

impl<'a> Declared<'a> {
    fn new(what: &'static str, pattern: &'a Pattern) -> Self {
        Self { what, pattern, alive: vec![false; pattern.nnz()] }
    }

    /// Compares the derivative of state `row` by `column` with the declared entry `at` and its value.
    fn compare(
        &mut self,
        (row, column): (usize, usize),
        entry: Option<usize>,
        found: f64,
        expected: f64,
    ) -> Result<(), CheckError> {
        let what = self.what;
        let tolerance = TOLERANCE * (1.0 + expected.abs());
        match entry {
            None if expected.abs() > tolerance => {
                Err(CheckError::Missing { what, row, column, found: expected })
            }
            Some(_) if found.is_nan() || (found - expected).abs() > tolerance => {
                Err(CheckError::Wrong { what, row, column, expected, found })
            }
            Some(entry) => {
                self.alive[entry] |= found != 0.0;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn finish(&self) -> Result<(), CheckError> {
        match self.pattern.iter().zip(&self.alive).find(|(_, alive)| !**alive) {
            Some(((row, column), _)) => {
                Err(CheckError::Dead { what: self.what, row, column: column as usize })
            }
            None => Ok(()),
        }
    }
}

/// D against derivatives by the previous state, and `I = G ⊗ u` against derivatives by the weights.
fn check_jacobians(stack: &Arc<Stack<f64>>, points: &mut Points) -> Result<(), CheckError> {
    let mut linearizer = Linearizer::new(stack, stack.dynamics(), stack.row_jacobian(), 1);
    let g_pattern = stack.row_jacobian().transpose();
    let mut dynamics = Declared::new("D", stack.dynamics());
    let mut jacobian = Declared::new("G", &g_pattern);
    let mut d = vec![0.0; linearizer.dynamics().nnz()];
    let mut g = vec![0.0; g_pattern.nnz()];
    for _ in 0..POINTS {
        let (weights, state) = (points.numbers(stack.weights_len()), points.numbers(stack.states()));
        let x = points.input(stack.inputs());
        let (mut rollout, mut trace) = (stack.rollout(1), stack.trace(1));
        rollout.state_mut().values_mut().copy_from_slice(&state);
        stack.forward(&weights, input(stack.inputs(), &x), &[false], &mut rollout, &mut trace);
        linearizer.run(&weights, &trace, LanesMut::new(&mut d, 1), LanesMut::new(&mut g, 1));

        // G first: a mistake in it shows in D too, since D is made from it.
        let sources = Sources::of(stack, trace.sources());
        let mut result = Ok(());
        differences(
            &weights,
            |weights| forward(stack, weights, &x, &state),
            |weight, slopes| {
                let (row, u) = sources.by_weight[weight];
                for (state, slope) in slopes.into_iter().enumerate() {
                    let entry = g_pattern.find(state, row as u32);
                    let found = entry.map_or(0.0, |e| g[e] * u);
                    let compared = jacobian.compare((state, row), entry, found, slope);
                    result = result.clone().and(compared);
                }
            },
        );
        result?;

        let mut result = Ok(());
        differences(
            &state,
            |state| forward(stack, &weights, &x, state),
            |column, slopes| {
                for (row, slope) in slopes.into_iter().enumerate() {
                    let entry = stack.dynamics().find(row, column as u32);
                    let found = entry.map_or(0.0, |e| d[e]);
                    let compared = dynamics.compare((row, column), entry, found, slope);
                    result = result.clone().and(compared);
                }
            },
        );
        result?;
    }
    jacobian.finish()?;
    dynamics.finish()
}

/// For each weight, its row and the value of its source.
struct Sources {
    by_weight: Vec<(usize, f64)>,
}

impl Sources {
    fn of(stack: &Stack<f64>, u: rtrl_sparse::Sources<'_, f64>) -> Self {
        let linear = stack.linear();
        let value = |source: u32| {
            let source = source as usize;
            match source.checked_sub(linear.symbols()) {
                Some(dense) => u.dense.at(dense)[0],
                None => f64::from(u8::from(u.symbols[0] as usize == source)),
            }
        };
        Self { by_weight: linear.pattern().iter().map(|(row, source)| (row, value(source))).collect() }
    }
}

/// Steps of the sequence on which estimators are compared.
const STEPS: usize = 6;

/// A sequence with the loss `Σ_t c_t · h_t`.
struct Sequence {
    inputs: Vec<(Vec<f64>, u32)>,
    c: Vec<Vec<f64>>,
}

fn check_estimators(stack: &Arc<Stack<f64>>, points: &mut Points) -> Result<(), CheckError> {
    let sequence = Sequence {
        inputs: (0..STEPS).map(|_| points.input(stack.inputs())).collect(),
        c: (0..STEPS).map(|_| points.numbers(stack.hidden().len())).collect(),
    };
    let weights: Vec<f64> = init::uniform(stack, &mut points.rng);
    let gradient = |config: EstimatorConfig| sequence.gradient(stack, &weights, &config);
    let bptt = gradient(EstimatorConfig::Bptt(BpttConfig {}))?;
    if bptt.iter().all(|g| g.abs() < TOLERANCE) {
        return Err(CheckError::Silent);
    }
    let mut slopes = vec![0.0; weights.len()];
    differences(&weights, |w| vec![sequence.loss(stack, w)], |weight, slope| slopes[weight] = slope[0]);
    agree("BPTT and finite differences", &bptt, &slopes, TOLERANCE)?;
    for dense in [false, true] {
        let rtrl = gradient(EstimatorConfig::Rtrl(RtrlConfig { dense, ..Default::default() }))?;
        agree("RTRL and BPTT", &rtrl, &bptt, 1e-10)?;
    }
    let snap = |order, schedule| {
        gradient(EstimatorConfig::Snap(SnapConfig { order, schedule, ..Default::default() }))
    };
    agree("saturated SnAp and BPTT", &snap(stack.states() + 1, Schedule::Auto)?, &bptt, 1e-10)?;
    for order in [1, 2] {
        let streaming = snap(order, Schedule::Streaming)?;
        agree("SnAp streaming and blocked", &snap(order, Schedule::Blocked)?, &streaming, 1e-10)?;
        agree("SnAp streaming and adjoint", &snap(order, Schedule::Adjoint)?, &streaming, 1e-10)?;
    }
    Ok(())
}

fn agree(what: &'static str, a: &[f64], b: &[f64], tolerance: f64) -> Result<(), CheckError> {
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
    let size = norm(&mut a.iter().copied()).max(norm(&mut b.iter().copied()));
    let deviation = norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / size;
    // Written so that NaN is a deviation.
    if deviation <= tolerance { Ok(()) } else { Err(CheckError::Estimators { what, deviation }) }
}

impl Sequence {
    fn loss(&self, stack: &Stack<f64>, weights: &[f64]) -> f64 {
        let (mut rollout, mut trace): (Rollout<f64>, _) = (stack.rollout(1), stack.trace(1));
        let mut loss = 0.0;
        for (t, (x, c)) in self.inputs.iter().zip(&self.c).enumerate() {
            stack.forward(weights, input(stack.inputs(), x), &[t == 0], &mut rollout, &mut trace);
            let h = rollout.state().slice(stack.hidden());
            loss += h.values().iter().zip(c).map(|(h, c)| h * c).sum::<f64>();
        }
        loss
    }

    fn gradient(
        &self,
        stack: &Arc<Stack<f64>>,
        weights: &[f64],
        config: &EstimatorConfig,
    ) -> Result<Vec<f64>, CheckError> {
        let mut estimator = config.build(stack.clone(), 1, STEPS)?;
        let mut gradient = vec![0.0; weights.len()];
        for (t, (x, c)) in self.inputs.iter().zip(&self.c).enumerate() {
            estimator.step(weights, input(stack.inputs(), x), &[t == 0]);
            estimator.observe(weights, Lanes::new(c, 1), &mut gradient);
        }
        estimator.finish_window(weights, &mut gradient);
        Ok(gradient)
    }
}
