//! Calls of the wrong size are refused with both sizes, at every entry point; a trace goes on under other masks.

#![allow(missing_docs)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rtrl_cells::{
    Backward, Cell, CellConfig, CellStep, Gru, Input, Inputs, Linearizer, Masks, Rollout, Size, Stack,
    Structure, Trace, init,
};
use rtrl_sparse::{Lanes, LanesMut, Pattern};

const LANES: usize = 2;

fn net(units: usize, inputs: Inputs) -> Stack<f64> {
    let cell = Gru::new(inputs, units, &Masks::dense(3, inputs.len(), units)).unwrap();
    Stack::new(vec![Box::new(cell)]).unwrap()
}

/// A net of 2 inputs and 3 units in two lanes, with arrays of the right sizes.
struct Bench {
    stack: Stack<f64>,
    weights: Vec<f64>,
    x: Vec<f64>,
    rollout: Rollout<f64>,
    trace: Trace<f64>,
    backward: Backward<f64>,
    linearizer: Linearizer<f64>,
    vector: Vec<f64>,
    out: Vec<f64>,
    d: Vec<f64>,
    g: Vec<f64>,
}

impl Bench {
    fn new(units: usize, inputs: Inputs, lanes: usize) -> Self {
        let stack = net(units, inputs);
        let linearizer = Linearizer::new(&stack, stack.dynamics(), stack.row_jacobian(), lanes);
        Self {
            weights: vec![0.1; stack.weights_len()],
            x: vec![0.3; inputs.len() * lanes],
            rollout: stack.rollout(lanes),
            trace: stack.trace(lanes),
            backward: stack.backward(lanes),
            vector: vec![0.2; units * lanes],
            out: vec![0.0; units * lanes],
            d: vec![0.0; linearizer.dynamics().nnz() * lanes],
            g: vec![0.0; linearizer.row_jacobian().pattern().nnz() * lanes],
            linearizer,
            stack,
        }
    }

    fn forward(&mut self, starts: &[bool]) {
        let lanes = LANES;
        let input = Input::Dense(Lanes::new(&self.x, lanes));
        self.stack.forward(&self.weights, input, starts, &mut self.rollout, &mut self.trace);
    }

    fn symbols(&mut self, symbols: &[u32]) {
        let input = Input::Symbols(symbols);
        self.stack.forward(&self.weights, input, &[false; LANES], &mut self.rollout, &mut self.trace);
    }

    fn replay(&mut self) {
        self.stack.replay(&self.weights, &mut self.rollout, &mut self.trace);
    }

    fn descend(&mut self) {
        self.stack.descend(&self.weights, &self.trace, &mut self.out, &mut self.backward);
    }

    fn pull_back(&mut self) {
        self.stack.pull_back(&self.weights, &self.trace, &mut self.out, &mut self.backward);
    }

    fn push_forward(&mut self) {
        let v = Lanes::new(&self.vector, LANES);
        self.stack.push_forward(&self.weights, &self.trace, v, &mut self.out, &mut self.backward);
    }

    fn input_gradient(&mut self) {
        let mut into = LanesMut::new(&mut self.x, LANES);
        self.stack.input_gradient(&self.weights, &mut self.backward, &mut into);
    }

    fn outer(&mut self, weights: usize) {
        self.stack.accumulate_outer(&self.backward, &self.trace, &mut vec![0.0; weights]);
    }

    fn linearize(&mut self, lanes: usize) {
        let (d, g) = (LanesMut::new(&mut self.d, lanes), LanesMut::new(&mut self.g, LANES));
        self.linearizer.run(&self.weights, &self.trace, d, g);
    }
}

/// What a panic says.
fn refusal(call: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(call)).expect_err("a wrong call must be refused");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => (*other.downcast::<&str>().expect("a message")).to_string(),
    }
}

/// What is wrong, the call, and what its refusal must say.
type Wrong = (&'static str, fn(&mut Bench), &'static [&'static str]);

#[test]
fn wrong_calls_are_refused_with_both_sizes() {
    std::panic::set_hook(Box::new(|_| {}));
    let dense = Inputs::Dense(2);
    // A net of 57 weights, 12 rows, 6 dense sources, 9 entries of D and 12 of G.
    let right: [fn(&mut Bench); 8] = [
        |b| b.forward(&[false; LANES]),
        Bench::replay,
        Bench::descend,
        Bench::pull_back,
        Bench::push_forward,
        Bench::input_gradient,
        |b| b.outer(57),
        |b| b.linearize(LANES),
    ];
    right.into_iter().for_each(|call| call(&mut Bench::new(3, dense, LANES)));
    // The net's own memory, replaced by what belongs to another net or to other lanes.
    fn other(b: &Bench, units: usize, lanes: usize) -> Bench {
        Bench::new(units, b.stack.inputs(), lanes)
    }
    let mut table: Vec<Wrong> = vec![
        ("starts", |b| b.forward(&[false; 3]), &["starts", "left: 3", "right: 2"]),
        (
            "inputs",
            |b| {
                b.x.truncate(2);
                b.forward(&[false; 2]);
            },
            &["input", "(1, 2)", "(2, 2)"],
        ),
        ("symbols", |b| b.symbols(&[0, 1]), &["reads Dense(2), not symbols"]),
        (
            "lanes of the state",
            |b| {
                b.rollout = other(b, 3, 3).rollout;
                b.forward(&[false; 2]);
            },
            &["left: 2", "right: 3"],
        ),
        (
            "states",
            |b| {
                b.rollout = other(b, 4, 2).rollout;
                b.forward(&[false; 2]);
            },
            &["states", "(4, 16)", "(3, 12)"],
        ),
        (
            "trace",
            |b| {
                b.trace = other(b, 4, 2).trace;
                b.forward(&[false; 2]);
            },
            &["trace", "[7, 16, 4, 0]", "[6, 12, 3, 0]"],
        ),
        ("gradient", |b| b.outer(56), &["size of the gradient", "left: 56", "right: 57"]),
        (
            "inputs of a gradient",
            |b| {
                b.x.truncate(2);
                b.input_gradient();
            },
            &["(1, 2)", "(2, 2)"],
        ),
        ("lanes of D", |b| b.linearize(1), &["(18, 1)", "(9, 2)"]),
        (
            "entries of D",
            |b| {
                b.d.truncate(16);
                b.linearize(2);
            },
            &["(8, 2)", "(9, 2)"],
        ),
        (
            "entries of G",
            |b| {
                b.g.truncate(22);
                b.linearize(2);
            },
            &["(11, 2)", "(12, 2)"],
        ),
        ("a lane of a trace", |b| b.trace.clear_lane(2), &["lane 2 of 2"]),
        ("a lane of a trace, asked", |b| assert!(b.trace.is_finite(5)), &["lane 5 of 2"]),
        ("a lane of a state", |b| b.rollout.clear_lane(2), &["lane 2 of 2"]),
        (
            "lanes of what is cut",
            |b| b.trace.cut(&mut LanesMut::new(&mut [0.0; 3], 3)),
            &["left: 3", "right: 2"],
        ),
        (
            "D of another net",
            |b| drop(Linearizer::new(&b.stack, &Pattern::dense(4, 4), b.stack.row_jacobian(), 2)),
            &["(4, 4)", "(3, 3)"],
        ),
        (
            "G of another net",
            |b| drop(Linearizer::new(&b.stack, b.stack.dynamics(), &Pattern::dense(12, 4), 2)),
            &["(4, 12)", "(3, 12)"],
        ),
        (
            "a trace for another net",
            |b| drop(other(b, 4, 2).stack.relay_trace(&b.stack, &b.trace)),
            &["new (left)", "4, 16", "3, 12"],
        ),
        ("no lanes", |b| drop(b.stack.trace(0)), &["found 0"]),
        ("no lanes of a state", |b| drop(b.stack.rollout(0)), &["found 0"]),
        ("no lanes backwards", |b| drop(b.stack.backward(0)), &["found 0"]),
    ];
    let weighing: [fn(&mut Bench); 7] = [
        |b| b.forward(&[false; 2]),
        Bench::replay,
        Bench::descend,
        Bench::pull_back,
        Bench::push_forward,
        Bench::input_gradient,
        |b| b.linearize(2),
    ];
    for call in weighing {
        let mut bench = Bench::new(3, dense, LANES);
        bench.weights.pop();
        let found = refusal(|| call(&mut bench));
        assert!(found.contains("56") && found.contains("57") && found.contains("weights"), "{found}");
    }
    for call in [Bench::descend, Bench::pull_back, Bench::push_forward] as [fn(&mut Bench); 3] {
        let mut bench = Bench::new(3, dense, LANES);
        bench.out.truncate(4);
        let found = refusal(|| call(&mut bench));
        assert!(found.contains("left: 4") && found.contains("right: 6"), "{found}");
        let mut bench = Bench::new(3, dense, LANES);
        bench.backward = bench.stack.backward(3);
        let found = refusal(|| call(&mut bench));
        assert!(found.contains("left: 3") && found.contains("right: 2"), "{found}");
        let mut bench = Bench::new(3, dense, LANES);
        bench.trace = net(4, dense).trace(LANES);
        let found = refusal(|| call(&mut bench));
        assert!(found.contains("[7, 16, 4, 0]") && found.contains("[6, 12, 3, 0]"), "{found}");
    }
    table.push((
        "a vector",
        |b| {
            b.vector.truncate(4);
            b.push_forward();
        },
        &["left: 4", "right: 6"],
    ));
    table.push((
        "a trace in other lanes",
        |b| {
            b.trace = b.stack.trace(3);
            b.replay();
        },
        &["left: 3", "right: 2"],
    ));
    for (what, call, says) in table {
        let found = refusal(|| call(&mut Bench::new(3, dense, LANES)));
        for part in says {
            assert!(found.contains(part), "{what}: no `{part}` in: {found}");
        }
    }
    let symbols: [Wrong; 4] = [
        (
            "a gradient by symbols",
            Bench::input_gradient,
            &["reads Symbols(3), by which there is no gradient"],
        ),
        (
            "numbers",
            |b| {
                b.x = vec![0.0; 6];
                b.forward(&[false; 2]);
            },
            &["reads Symbols(3), not numbers"],
        ),
        ("symbols of other lanes", |b| b.symbols(&[0]), &["symbols", "left: 1", "right: 2"]),
        ("a symbol outside", |b| b.symbols(&[0, 3]), &["Some(3)", "0..3"]),
    ];
    for (what, call, says) in symbols {
        let found = refusal(|| call(&mut Bench::new(3, Inputs::Symbols(3), LANES)));
        for part in says {
            assert!(found.contains(part), "{what}: no `{part}` in: {found}");
        }
    }
}

#[test]
fn rows_that_a_cell_does_not_have_are_refused() {
    struct Beyond(Gru);
    impl Cell<f64> for Beyond {
        fn structure(&self) -> &Structure {
            Cell::<f64>::structure(&self.0)
        }
        fn forward(&self, step: &mut CellStep<'_, f64>) {
            step.preactivate(0..13);
        }
    }
    std::panic::set_hook(Box::new(|_| {}));
    let cell = Gru::new(Inputs::Dense(2), 3, &Masks::dense(3, 2, 3)).unwrap();
    let mut bench = Bench::new(3, Inputs::Dense(2), LANES);
    bench.stack = Stack::new(vec![Box::new(Beyond(cell))]).unwrap();
    let found = refusal(|| bench.forward(&[false; LANES]));
    assert!(found.contains("rows 0..13 of a cell with 12"), "{found}");
}

#[test]
fn a_trace_under_other_masks_keeps_what_both_have() {
    // The reset rows of this cell reach every unit whose candidate reads them: entries of G come and go with the masks.
    let inputs = Inputs::Dense(2);
    let stack = |seed| {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let cell = CellConfig::GruResetBefore(Size::sparse(5, 0.5)).build(inputs, &mut rng).unwrap();
        Stack::<f64>::new(vec![cell]).unwrap()
    };
    let (old, new) = (stack(1), stack(2));
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let weights: Vec<f64> = init::uniform(&old, &mut rng);
    let (mut rollout, mut trace) = (old.rollout(LANES), old.trace(LANES));
    for t in 0..3 {
        let x: Vec<f64> = (0..4).map(|i| 0.3 * f64::from(i) - 0.4 + 0.1 * f64::from(t)).collect();
        old.forward(
            &weights,
            Input::Dense(Lanes::new(&x, LANES)),
            &[t == 0, t == 1],
            &mut rollout,
            &mut trace,
        );
    }
    let moved = new.relay_trace(&old, &trace);
    assert_eq!(moved.sources().dense.values(), trace.sources().dense.values());
    assert_eq!(moved.direct().values(), trace.direct().values());
    assert_eq!(moved.starts(), trace.starts());
    // G of one state, row by row, in both lanes: what a unit adjoint becomes.
    let g = |stack: &Stack<f64>, trace: &Trace<f64>, state: usize| {
        let (mut adjoint, mut backward) = (vec![0.0; 5 * LANES], stack.backward(LANES));
        adjoint[state * LANES..(state + 1) * LANES].fill(1.0);
        stack.descend(&vec![0.0; stack.weights_len()], trace, &mut adjoint, &mut backward);
        backward.rows.clone()
    };
    let (mut kept, mut fresh, mut lost) = (0, 0, 0);
    for state in 0..5 {
        let (before, after) = (g(&old, &trace, state), g(&new, &moved, state));
        for row in 0..15 {
            let lanes = row * LANES..(row + 1) * LANES;
            let has = |stack: &Stack<f64>| stack.row_jacobian().find(row, state as u32).is_some();
            match (has(&old), has(&new)) {
                (true, true) => {
                    assert_eq!(before[lanes.clone()], after[lanes.clone()], "row {row}, state {state}");
                    assert!(before[lanes].iter().all(|g| *g != 0.0));
                    kept += 1;
                }
                (false, true) => {
                    assert_eq!(after[lanes], [0.0; LANES], "row {row}, state {state}");
                    fresh += 1;
                }
                (was, false) => {
                    assert_eq!(after[lanes], [0.0; LANES]);
                    lost += usize::from(was);
                }
            }
        }
    }
    assert!(kept > 10 && fresh > 2 && lost > 2, "{kept} kept, {fresh} new, {lost} lost");
}
