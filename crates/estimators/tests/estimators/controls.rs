//! Negative controls: the oracle and the checks on which the equivalence tests rest must be able to fail.

#![allow(missing_docs)]

use crate::support::{Case, deviation, gradient_of, oracle};
use rtrl_cells::{
    Alif, Cell, CellConfig, CellStep, Gru, Inputs, Lstm, Masks, Size, Stack, Structure, Tanh, Vanilla,
};
use rtrl_estimators::testing::{CheckError, check_cell, check_lanes};
use rtrl_estimators::{EstimatorConfig, Order, Scope, SnapConfig};
use rtrl_sparse::Pattern;

/// Every registered cell, in a dense and a masked form.
fn every_cell() -> Vec<CellConfig> {
    let masked = Size { input_sparsity: 0.25, ..Size::sparse(4, 0.5) };
    let mut cells = CellConfig::every(Size::dense(3));
    cells.extend(CellConfig::every(masked).into_iter().filter(CellConfig::is_masked));
    cells.push(CellConfig::Leaky(Size { leak: Some(0.8), ..masked }));
    cells
}

#[test]
fn every_registered_cell_passes_the_check() {
    use rand_xoshiro::{Xoshiro256PlusPlus, rand_core::SeedableRng};
    for config in every_cell() {
        for inputs in [Inputs::Dense(2), Inputs::Symbols(3)] {
            let make = || config.build(inputs, &mut Xoshiro256PlusPlus::seed_from_u64(3)).unwrap();
            check_cell(make, 11).unwrap_or_else(|error| panic!("{config:?} on {inputs:?}: {error}"));
            let make = || config.build::<f32>(inputs, &mut Xoshiro256PlusPlus::seed_from_u64(3)).unwrap();
            check_lanes(make, 11).unwrap_or_else(|error| panic!("{config:?} on {inputs:?} in f32: {error}"));
        }
    }
}

/// A wrapper that makes a cell wrong: its structure or its derivatives are changed.
struct Liar<C> {
    cell: C,
    structure: Structure,
    lie: fn(&mut CellStep<'_, f64>),
}

impl<C: Cell<f64>> Cell<f64> for Liar<C> {
    fn structure(&self) -> &Structure {
        &self.structure
    }

    fn forward(&self, step: &mut CellStep<'_, f64>) {
        self.cell.forward(step);
        (self.lie)(step);
    }
}

fn liar<C: Cell<f64> + 'static>(cell: C, lie: fn(&mut CellStep<'_, f64>)) -> Box<dyn Cell<f64>> {
    Box::new(Liar { structure: cell.structure().clone(), cell, lie })
}

fn gru() -> Gru {
    Gru::new(Inputs::Dense(2), 3, &Masks::dense(3, 2, 3)).unwrap()
}

fn lstm() -> Lstm {
    Lstm::new(Inputs::Dense(2), 3, &Masks::dense(4, 2, 3)).unwrap()
}

#[test]
fn an_honest_wrapper_passes() {
    check_cell(|| liar(gru(), |_| {}), 5).unwrap();
}

#[test]
fn a_wrong_sign_is_found() {
    let flip = |step: &mut CellStep<'_, f64>| step.row_jacobian.values_mut()[4] *= -1.0;
    let error = check_cell(|| liar(gru(), flip), 5).unwrap_err();
    assert!(matches!(error, CheckError::Wrong { .. }), "{error}");
}

#[test]
fn a_wrong_gate_derivative_is_found() {
    // The mistake of a published baseline: the slope σ(x) σ(1 - x) in place of σ(x) σ(-x) on the update gate of
    // a GRU.
    fn with_slope(step: &mut CellStep<'_, f64>, slope: fn(f64) -> f64) {
        // The cell has overwritten the preactivations with its gates.
        step.preactivate(3..6);
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let lanes = step.previous.lanes();
        for e in 3 * lanes..6 * lanes {
            let a = step.rows.values_mut()[e];
            step.row_jacobian.values_mut()[e] *= sigmoid(a) * slope(a) / (sigmoid(a) * sigmoid(-a));
        }
    }
    check_cell(|| liar(gru(), |step| with_slope(step, |a| 1.0 / (1.0 + a.exp()))), 5).unwrap();
    let published = |step: &mut CellStep<'_, f64>| with_slope(step, |a| 1.0 / (1.0 + (a - 1.0).exp()));
    let error = check_cell(|| liar(gru(), published), 5).unwrap_err();
    // Rows 0 to 2 are reset gates, so the first wrong row is row 3, the update gate of unit 0.
    let CheckError::Wrong { what: "G", row: 0, column: 3, expected, found } = error else {
        panic!("{error}")
    };
    // Too large by σ(1 - x) / σ(-x), which lies between 1 and e.
    assert!((1.0..std::f64::consts::E).contains(&(found / expected)), "{found} for {expected}");
}

/// The error of a check of a GRU whose forward step is replaced by `lie`, which is also given the number of
/// lanes. The mistake shows among several lanes alone.
fn among_lanes(lie: fn(&mut CellStep<'_, f64>, usize)) -> CheckError {
    struct Among(Gru, fn(&mut CellStep<'_, f64>, usize));
    impl Cell<f64> for Among {
        fn structure(&self) -> &Structure {
            Cell::<f64>::structure(&self.0)
        }
        fn forward(&self, step: &mut CellStep<'_, f64>) {
            let lanes = step.previous.lanes();
            (self.1)(step, lanes);
        }
    }
    check_cell(|| Box::new(Among(gru(), lie)), 5).unwrap_err()
}

#[test]
fn a_cell_that_mixes_lanes_is_found() {
    // All lanes of a unit get the number of the first lane.
    let error = among_lanes(|step, lanes| {
        gru().forward(step);
        for unit in step.direct.values_mut().chunks_exact_mut(lanes) {
            unit.fill(unit[0]);
        }
    });
    assert!(matches!(error, CheckError::Lanes { what: "D", lane: 1.., .. }), "{error}");
    // A loop over units in place of one over units and lanes.
    let error = among_lanes(|step, lanes| {
        gru().forward(step);
        if lanes > 1 {
            step.next.values_mut()[3..].fill(0.0);
        }
    });
    assert!(matches!(error, CheckError::Lanes { what: "the state", entry: 1.., .. }), "{error}");
}

#[test]
fn a_cell_that_does_not_overwrite_is_found() {
    // The cell adds to what the array holds. In a new trace these are zeros.
    let error = among_lanes(|step, _| {
        let before = step.row_jacobian.values_mut().to_vec();
        gru().forward(step);
        let after = step.row_jacobian.values_mut().iter_mut();
        after.zip(before).for_each(|(after, before)| *after += before);
    });
    assert!(matches!(error, CheckError::Lanes { what: "G", found, .. } if found.is_nan()), "{error}");
    // The cell leaves out an entry, which would keep its value of the step before.
    let error = among_lanes(|step, lanes| {
        let before = step.direct.values_mut().to_vec();
        gru().forward(step);
        if lanes > 1 {
            step.direct.values_mut()[5] = before[5];
        }
    });
    assert!(matches!(error, CheckError::Lanes { what: "D", found, .. } if found.is_nan()), "{error}");
}

#[test]
fn a_wrong_leak_is_found() {
    let wrong = |step: &mut CellStep<'_, f64>| step.direct.values_mut()[1] *= 1.001;
    let error = check_cell(|| liar(lstm(), wrong), 5).unwrap_err();
    assert!(matches!(error, CheckError::Wrong { what: "D", .. }), "{error}");
}

#[test]
fn a_derivative_that_is_nan_is_found() {
    let wrong = |step: &mut CellStep<'_, f64>| step.row_jacobian.values_mut()[0] = f64::NAN;
    assert!(check_cell(|| liar(gru(), wrong), 5).is_err());
}

/// A spiking cell that forgets its smoothed form, or has wrong derivatives.
struct Spiking(fn(&mut CellStep<'_, f64>), bool);

fn alif() -> Alif {
    Alif::new(Inputs::Dense(2), 3, &Masks::dense(1, 2, 3), Some(0.8)).unwrap()
}

impl Cell<f64> for Spiking {
    fn structure(&self) -> &Structure {
        SPIKING.get_or_init(|| Cell::<f64>::structure(&alif()).clone())
    }

    fn smoothed(&self) -> Option<Box<dyn Cell<f64>>> {
        self.1.then(|| alif().smoothed()).flatten()
    }

    fn forward(&self, step: &mut CellStep<'_, f64>) {
        alif().forward(step);
        (self.0)(step);
    }
}

static SPIKING: std::sync::OnceLock<Structure> = std::sync::OnceLock::new();

#[test]
fn a_surrogate_must_be_declared_and_right() {
    check_cell(|| Box::new(Spiking(|_| {}, true)), 5).unwrap();
    // Without a smoothed form the jump is compared with itself, whose derivative is zero.
    let error = check_cell(|| Box::new(Spiking(|_| {}, false)), 5).unwrap_err();
    assert!(matches!(error, CheckError::Wrong { .. }), "{error}");
    let flat = |step: &mut CellStep<'_, f64>| step.row_jacobian.values_mut()[0] += 0.1;
    let error = check_cell(|| Box::new(Spiking(flat, true)), 5).unwrap_err();
    assert!(matches!(error, CheckError::Surrogate { what: "G", entry: 0, .. }), "{error}");
}

#[test]
fn a_missing_entry_is_found() {
    // The pattern lacks one entry of the row Jacobian, and the values after it move up by one.
    let make = || {
        let mut structure = Cell::<f64>::structure(&lstm()).clone();
        // Row 0 is the input gate of unit 0: ∂h/∂z_i is dropped, ∂c/∂z_i is kept.
        let rows = (0..structure.row_jacobian.rows()).map(|r| {
            let row = structure.row_jacobian.row(r).to_vec();
            if r == 0 { row[1..].to_vec() } else { row }
        });
        structure.row_jacobian = Pattern::from_rows(structure.states, rows).unwrap();
        Box::new(Dropping { cell: lstm(), structure }) as Box<dyn Cell<f64>>
    };
    let error = check_cell(make, 5).unwrap_err();
    assert!(matches!(error, CheckError::Missing { what: "G", row: 0, .. }), "{error}");
}

/// An LSTM without the first entry of its row Jacobian.
struct Dropping {
    cell: Lstm,
    structure: Structure,
}

impl Cell<f64> for Dropping {
    fn structure(&self) -> &Structure {
        &self.structure
    }

    fn forward(&self, step: &mut CellStep<'_, f64>) {
        let full = Cell::<f64>::structure(&self.cell).row_jacobian.nnz();
        let mut jacobian = vec![0.0; full];
        let mut own = step.reborrow();
        own.row_jacobian = rtrl_sparse::LanesMut::new(&mut jacobian, 1);
        self.cell.forward(&mut own);
        step.row_jacobian.values_mut().copy_from_slice(&jacobian[1..]);
    }
}

#[test]
fn a_dead_entry_is_found() {
    // The structure declares a leak between two units that do not affect each other.
    let make = || {
        let cell = Vanilla::new(Inputs::Dense(2), 3, &Masks::dense(1, 2, 3), Tanh).unwrap();
        let mut structure = Cell::<f64>::structure(&cell).clone();
        structure.weights = Pattern::from_rows(6, (0..3).map(|r| [0, 1, 2, 3 + r])).unwrap();
        structure.direct = Pattern::from_rows(3, [vec![1], vec![], vec![]]).unwrap();
        Box::new(Liar { cell, structure, lie: |step| step.direct.values_mut().fill(0.0) })
            as Box<dyn Cell<f64>>
    };
    let error = check_cell(make, 5).unwrap_err();
    assert!(matches!(error, CheckError::Dead { what: "D", row: 0, column: 1 }), "{error}");
}

#[test]
fn a_silent_net_is_found() {
    struct Silent(Structure);
    impl Cell<f64> for Silent {
        fn structure(&self) -> &Structure {
            &self.0
        }
        fn forward(&self, step: &mut CellStep<'_, f64>) {
            step.next.values_mut().fill(0.5);
            step.row_jacobian.values_mut().fill(0.0);
        }
    }
    let make = || {
        let cell = Vanilla::new(Inputs::Dense(2), 3, &Masks::dense(1, 2, 3), Tanh).unwrap();
        let mut structure = Cell::<f64>::structure(&cell).clone();
        structure.row_jacobian = Pattern::empty(3, 3);
        Box::new(Silent(structure)) as Box<dyn Cell<f64>>
    };
    assert!(matches!(check_cell(make, 5), Err(CheckError::Silent)));
}

fn sparse_case(layers: Vec<CellConfig>) -> Case {
    Case { layers, inputs: Inputs::Dense(2), lanes: 2, steps: 8, window: 8, seed: 21, resets: true }
}

fn chain() -> Case {
    sparse_case(vec![CellConfig::Gru(Size::sparse(6, 0.75))])
}

fn masked(case: &Case, order: usize) -> Vec<f64> {
    let stack = case.stack::<f64>();
    let data = case.data(stack.hidden().len());
    let kept = oracle::kept(case, &stack, Order::Steps(order), Scope::Stack);
    let mut weights = case.weights(&stack);
    oracle::recursion(case, &stack, &mut weights, &data, oracle::Approximation::of(&kept), |_, _| {})
}

#[test]
fn an_off_by_one_in_n_is_found() {
    let case = chain();
    for order in 1..3 {
        let snap = |order| EstimatorConfig::Snap(SnapConfig { order, ..Default::default() });
        assert!(
            deviation(&gradient_of(&case, &snap(order)), &masked(&case, order)) < crate::support::ROUNDING
        );
        let off = deviation(&gradient_of(&case, &snap(order + 1)), &masked(&case, order));
        assert!(off > 1e-6, "SnAp-{} passes for SnAp-{order}: deviation {off:e}", order + 1);
    }
}

#[test]
fn a_dropped_entry_of_d_is_found() {
    // The oracle without one entry of D must no longer agree with RTRL.
    let case = chain();
    let stack = case.stack::<f64>();
    let rtrl = gradient_of(&case, &EstimatorConfig::Rtrl(Default::default()));
    let (dynamics, _) = oracle::patterns(&case, &stack);
    let dropped = (0..stack.states()).flat_map(|i| (0..stack.states()).map(move |j| (i, j)));
    let (i, j) = dropped.into_iter().find(|&(i, j)| i != j && dynamics[(i, j)]).unwrap();
    let bptt = bptt_without(&case, &stack, Some((i, j)));
    assert!(deviation(&bptt_without(&case, &stack, None), &rtrl) < crate::support::ROUNDING);
    assert!(deviation(&bptt, &rtrl) > 1e-6);
}

/// Dense backpropagation from the oracle's Jacobians, one entry of D left out.
fn bptt_without(case: &Case, stack: &Stack<f64>, dropped: Option<(usize, usize)>) -> Vec<f64> {
    let data = case.data(stack.hidden().len());
    let weights = case.weights(stack);
    let mut gradient = vec![0.0; weights.len()];
    for lane in 0..case.lanes {
        let mut state = vec![0.0; stack.states()];
        let mut steps = Vec::new();
        for datum in &data {
            if datum.starts[lane] {
                state.fill(0.0);
            }
            let x = oracle::one_lane_input(case, datum, lane);
            let mut now = oracle::step(case, stack, &weights, &x, &state, false);
            if let Some(entry) = dropped {
                now.dynamics[entry] = 0.0;
            }
            state.clone_from(&now.state);
            let delta = oracle::delta(case, stack, datum, lane, &state);
            steps.push((now, nalgebra::DVector::from_vec(delta), datum.starts[lane]));
        }
        let mut adjoint = nalgebra::DVector::zeros(stack.states());
        for (now, delta, start) in steps.iter().rev() {
            adjoint += delta;
            let by_weight = now.immediate.transpose() * &adjoint;
            gradient.iter_mut().zip(by_weight.iter()).for_each(|(g, b)| *g += b);
            adjoint = now.dynamics.transpose() * adjoint;
            if *start {
                adjoint.fill(0.0);
            }
        }
    }
    gradient
}

#[test]
fn estimators_that_should_differ_do() {
    let case = sparse_case(vec![CellConfig::Gru(Size::dense(4)), CellConfig::Gru(Size::dense(3))]);
    let snap =
        |order, scope| EstimatorConfig::Snap(SnapConfig { order, scope: Some(scope), ..Default::default() });
    let exact = gradient_of(&case, &EstimatorConfig::Rtrl(Default::default()));
    let one = gradient_of(&case, &snap(1, Scope::Stack));
    let by_layer = gradient_of(&case, &snap(9, Scope::Layer));
    assert!(deviation(&one, &exact) > 1e-3, "SnAp-1 is not RTRL");
    assert!(
        deviation(&by_layer, &exact) > 1e-3,
        "layer by layer, credit through an upper layer's past is lost"
    );
    // The gradient of the top layer is the same, since no layer above it feeds back.
    let stack = case.stack::<f64>();
    let top = stack.linear().pattern().entries(stack.layer_rows(1).start).start;
    assert!(deviation(&by_layer[top..], &exact[top..]) < crate::support::ROUNDING);
    let truncated = SnapConfig { order: 9, truncate: true, ..Default::default() };
    let windows = Case { window: 2, resets: false, ..case };
    let cut = gradient_of(&windows, &EstimatorConfig::Snap(truncated));
    let whole = gradient_of(&windows, &snap(9, Scope::Stack));
    assert!(deviation(&cut, &whole) > 1e-3, "truncation loses credit");
}
