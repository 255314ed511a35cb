//! What a cell of one's own is written and tested with.

#![allow(missing_docs)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rtrl_cells::{
    Cell, CellConfig, CellStep, GateMask, GateRows, GruResetBefore, Input, Inputs, Masks, OneStep, Past,
    Recurrent, Role, Size, Stack, Structure,
};
use rtrl_sparse::{Lanes, Pattern, Scalar};

/// Two units on one input with a scaled source for each: row by row, f of both units, then n of both.
fn structure() -> Structure {
    let pattern = |rows: [&[u32]; 2]| Pattern::from_rows(2, rows.map(<[u32]>::to_vec)).unwrap();
    let input = || Pattern::dense(2, 1);
    let gates = vec![
        GateMask { input: input(), recurrent: pattern([&[1], &[]]) },
        // n of unit 0 reads both units, n of unit 1 neither.
        GateMask { input: input(), recurrent: pattern([&[0, 1], &[]]) },
    ];
    let rows = [GateRows::of(0), GateRows { past: Past::Scaled, ..GateRows::of(1) }];
    Structure::gated(Inputs::Dense(1), 2, &Masks { gates }, &rows).unwrap()
}

#[test]
fn rows_of_factors_reach_what_reads_the_scaled_source() {
    let rows = |structure: &Structure| -> Vec<Vec<u32>> {
        (0..4).map(|row| structure.row_jacobian.row(row).to_vec()).collect()
    };
    let states = [Recurrent::State(0), Recurrent::State(1), Recurrent::Scaled(0), Recurrent::Scaled(1)];
    assert_eq!(structure().recurrent, states);
    assert_eq!(rows(&structure()), [[0], [1], [0], [1]]);
    assert_eq!(rows(&structure().scaled_by(0..2)), [vec![0], vec![0, 1], vec![0], vec![1]]);
    assert_eq!(rows(&structure().scaled_only_by(0..2)), [[0], [0], [0], [1]]);
    // The other half of the rows as factors of sources that they read themselves.
    assert_eq!(rows(&structure().scaled_by(2..4)), [vec![0], vec![1], vec![0], vec![0, 1]]);
}

/// `s' = f ∘ s` with f = z as it is, and a leak and a Jacobian that tell their place: 10 times the row, or state, plus the state.
struct Places(Structure);

impl<T: Scalar> Cell<T> for Places {
    fn structure(&self) -> &Structure {
        &self.0
    }

    fn forward(&self, step: &mut CellStep<'_, T>) {
        step.preactivate(0..4);
        step.scales.values_mut().copy_from_slice(step.rows.range_mut(0..2));
        step.rescale();
        let number = |a: usize, b: usize| T::from_f64((10 * a + b) as f64);
        for (row, state) in self.0.row_jacobian.iter() {
            let values = step.jacobian(row, state as usize);
            values.iter_mut().zip([0.0, 0.5]).for_each(|(g, lane)| {
                *g = number(row, state as usize) + T::from_f64(lane);
            });
        }
        for (state, from) in self.0.direct.iter() {
            step.leak(state, from as usize).fill(number(state, from as usize));
        }
        for unit in 0..2 {
            let weight = step.weight(unit, 3 - unit); // f of unit 0 reads unit 1, in place 3; f of unit 1 nothing in place 2
            for lane in 0..step.previous.lanes() {
                step.next.at_mut(unit)[lane] =
                    step.scales.at_mut(unit)[lane] * step.previous.at(unit)[lane] + weight;
            }
        }
    }
}

#[test]
fn entries_are_reached_by_name_in_all_lanes() {
    let structure = structure().scaled_by(0..2);
    let mut step = OneStep::<f64>::new(Places(structure.clone()), 2).unwrap();
    assert!(step.weights.iter().all(|&w| w == 0.0));
    *step.weight_mut(0, 0) = 2.0; // f of unit 0 by the input
    *step.weight_mut(1, 1) = 3.0; // f of unit 1 by the constant
    *step.weight_mut(0, 3) = 1.0; // f of unit 0 by unit 1
    // Units (5, 7) in the first lane and (6, 8) in the second.
    step.forward(&[5.0, 6.0, 7.0, 8.0], Input::Dense(Lanes::new(&[10.0, 20.0], 2)));
    assert_eq!(step.scales().values(), [27.0, 48.0, 3.0, 3.0]);
    assert_eq!(step.next().values(), [27.0 * 5.0 + 1.0, 48.0 * 6.0 + 1.0, 21.0, 24.0]);
    for (row, state) in structure.row_jacobian.iter() {
        let first = (10 * row) as f64 + f64::from(state);
        assert_eq!(step.jacobian(row, state as usize), [first, first + 0.5]);
    }
    assert_eq!((step.leak(0, 0), step.leak(1, 1)), (&[0.0, 0.0][..], &[11.0, 11.0][..]));
    // A second step does not remember the first.
    step.forward(&[0.0; 4], Input::Dense(Lanes::new(&[0.0; 2], 2)));
    assert_eq!(step.next().values(), [1.0, 1.0, 0.0, 0.0]);
}

/// Writes an entry that its structure does not have.
struct Outside(Structure, fn(&mut CellStep<'_, f64>));

impl Cell<f64> for Outside {
    fn structure(&self) -> &Structure {
        &self.0
    }

    fn forward(&self, step: &mut CellStep<'_, f64>) {
        (self.1)(step);
    }
}

#[test]
#[allow(clippy::type_complexity)] // Tables of calls.
fn entries_that_do_not_exist_are_refused_by_name() {
    std::panic::set_hook(Box::new(|_| {}));
    let refusal = |call: &mut dyn FnMut()| {
        let payload = catch_unwind(AssertUnwindSafe(call)).expect_err("a wrong call must be refused");
        *payload.downcast::<String>().expect("a message with numbers")
    };
    let forward: [(fn(&mut CellStep<'_, f64>), &str); 3] = [
        (|step| step.jacobian(0, 1).fill(1.0), "row 0 does not reach state 1"),
        (|step| step.leak(1, 0).fill(1.0), "state 0 does not leak into state 1"),
        (|step| assert!(step.weight(4, 0) > 0.0), "4"),
    ];
    for (call, says) in forward {
        let mut step = OneStep::new(Outside(structure(), call), 1).unwrap();
        let found = refusal(&mut || step.forward(&[0.0; 2], Input::Dense(Lanes::new(&[0.0], 1))));
        assert!(found.contains(says), "{found}");
    }
    let mut step = OneStep::<f64>::new(Places(structure()), 1).unwrap();
    let mut table: Vec<(&str, &str, Box<dyn FnMut()>)> = Vec::new();
    let copy = step.clone();
    table.push((
        "G",
        "row 3 does not reach state 0",
        Box::new(move || {
            copy.jacobian(3, 0);
        }),
    ));
    let copy = step.clone();
    table.push((
        "leak",
        "state 1 does not leak into state 0",
        Box::new(move || {
            copy.leak(0, 1);
        }),
    ));
    let mut copy = step.clone();
    table.push(("weight", "row 1 does not read source 2", Box::new(move || *copy.weight_mut(1, 2) = 0.0)));
    table.push((
        "states",
        "found (left)",
        Box::new(move || step.forward(&[0.0; 3], Input::Dense(Lanes::new(&[0.0], 1)))),
    ));
    table.push(("factors", "left: 3", Box::new(|| drop(structure().scaled_by(0..3)))));
    for (what, says, mut call) in table {
        let found = refusal(&mut *call);
        assert!(found.contains(says), "{what}: {found}");
    }
}

/// Layer after layer and row after row, as the order of the weights is documented.
#[test]
fn every_weight_has_its_place() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
    for inputs in [Inputs::Symbols(3), Inputs::Dense(3)] {
        let below = CellConfig::GruResetBefore(Size::sparse(4, 0.5)).build(inputs, &mut rng).unwrap();
        let above = CellConfig::Lstm(Size::sparse(3, 0.5)).build(Inputs::Dense(4), &mut rng).unwrap();
        let net = Stack::<f64>::new(vec![below, above]).unwrap();
        let mut next = 0;
        for layer in 0..2 {
            let structure = net.layer_structure(layer);
            for row in 0..structure.rows() {
                for source in 0..structure.sources() {
                    let exists = structure.weights.row(row).contains(&(source as u32));
                    assert_eq!(net.weight(layer, row, source), exists.then_some(next));
                    if exists {
                        assert_eq!(net.weight_place(next), (layer, row, source));
                        // The same weight of the whole net, whose sources are those of the layers one after the other.
                        let first_row = net.layer_rows(layer).start;
                        let first_source = layer * net.layer_structure(0).sources();
                        let whole = (row + first_row, (source + first_source) as u32);
                        assert_eq!(net.linear().pattern().find(whole.0, whole.1), Some(next));
                        next += 1;
                    }
                }
            }
            assert_eq!(net.layer_weights(layer).end, next);
        }
        assert_eq!(next, net.weights_len());
    }
}

/// The cell of this crate with scaled sources, by the same builder.
#[test]
fn the_reset_before_gru_can_be_built() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(4);
    let (inputs, units) = (Inputs::Dense(2), 5);
    let masks = CellConfig::GruResetBefore(Size::sparse(units, 0.6)).masks(inputs, &mut rng).unwrap();
    let rows = [GateRows::of(0), GateRows::of(1), GateRows { past: Past::Scaled, ..GateRows::of(2) }];
    let built = Structure::gated(inputs, units, &masks, &rows).unwrap();
    let built = built.scaled_only_by(0..units).with_role(1, Role::Keep);
    let cell = GruResetBefore::new(inputs, units, &masks).unwrap();
    assert_eq!(&built, Cell::<f64>::structure(&cell));
    // The reset row of unit j reaches the units whose candidate reads unit j: a column of the mask.
    for (unit, column) in
        (0..units).map(|unit| (unit, masks.gates[2].recurrent.transpose().row(unit).to_vec()))
    {
        assert_eq!(built.row_jacobian.row(unit), column);
    }
}
