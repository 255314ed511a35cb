//! Initial weights: what each setting changes, and what it leaves alone.

#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::panic::catch_unwind;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rtrl_cells::init::{InitConfig, RecurrentInit, uniform};
use rtrl_cells::{
    Cell, CellConfig, CellError, CellStep, GateRows, Input, Inputs, Masks, Role, Size, Stack, Structure,
};
use rtrl_sparse::{Lanes, Pattern, Scalar, math};
use serde::Deserialize;
use serde_value::Value;

const INPUTS: usize = 3;

fn rng(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

/// A net of one layer, its masks from the seed 7.
fn net<T: Scalar>(cell: CellConfig) -> Stack<T> {
    Stack::new(vec![cell.build(Inputs::Dense(INPUTS), &mut rng(7)).unwrap()]).unwrap()
}

/// A net of these layers, of 4 units each.
fn layers(kinds: &[fn(Size) -> CellConfig]) -> Stack<f64> {
    let inputs = std::iter::once(INPUTS).chain(std::iter::repeat(4));
    let cells = kinds
        .iter()
        .zip(inputs)
        .map(|(kind, inputs)| kind(Size::dense(4)).build(Inputs::Dense(inputs), &mut rng(7)).unwrap());
    Stack::new(cells.collect()).unwrap()
}

fn orthogonal() -> InitConfig {
    InitConfig { recurrent: RecurrentInit::Orthogonal, ..InitConfig::default() }
}

fn forget_bias(bias: f64) -> InitConfig {
    InitConfig { forget_bias: Some(bias), ..InitConfig::default() }
}

fn chrono(steps: f64) -> InitConfig {
    InitConfig { chrono: Some(steps), ..InitConfig::default() }
}

/// A gate that only writes, `h' = (1 - f) ∘ h + f ∘ n`. Its derivatives are left out.
struct Writer(Structure);

impl Writer {
    fn new(units: usize) -> Self {
        let masks = Masks::dense(2, INPUTS, units);
        let structure = Structure::gated(Inputs::Dense(INPUTS), units, &masks, &[0, 1].map(GateRows::of));
        Self(structure.unwrap().with_role(0, Role::Write))
    }
}

impl<T: Scalar> Cell<T> for Writer {
    fn structure(&self) -> &Structure {
        &self.0
    }

    fn forward(&self, step: &mut CellStep<'_, T>) {
        let units = self.0.states;
        step.preactivate(0..2 * units);
        math::sigmoid(step.rows.range_mut(0..units));
        math::tanh(step.rows.range_mut(units..2 * units));
        for unit in 0..units {
            let (f, n) = (step.rows.at_mut(unit)[0], step.rows.at_mut(units + unit)[0]);
            step.next.at_mut(unit)[0] = (T::ONE - f) * step.previous.at(unit)[0] + f * n;
        }
    }
}

/// Every cell of this crate and one of a test, by name.
fn every_net(units: usize) -> Vec<(String, Stack<f64>)> {
    let mut nets: Vec<_> = CellConfig::every(Size::dense(units))
        .into_iter()
        .map(|cell| (format!("{cell:?}"), net(cell)))
        .collect();
    nets.push(("Writer".into(), Stack::new(vec![Box::new(Writer::new(units))]).unwrap()));
    nets
}

/// The states of a net of one layer that leak into themselves.
fn leaking(net: &Stack<f64>) -> Vec<usize> {
    let direct = &net.layer_structure(0).direct;
    (0..net.states()).filter(|&state| direct.find(state, state as u32).is_some()).collect()
}

/// The states that a gate with masks keeps.
fn memory(net: &Stack<f64>) -> Vec<usize> {
    let gated = net.layer_structure(0).masked.iter().any(|gate| gate.role != Role::Other);
    if gated { leaking(net) } else { Vec::new() }
}

/// One step from `previous` on.
fn step(net: &Stack<f64>, weights: &[f64], previous: &[f64]) -> Vec<f64> {
    let (mut rollout, mut trace) = (net.rollout(1), net.trace(1));
    rollout.state_mut().values_mut().copy_from_slice(previous);
    let input = Input::Dense(Lanes::new(&[0.9, -0.4, 0.7], 1));
    net.forward(weights, input, &[false], &mut rollout, &mut trace);
    rollout.state().values().to_vec()
}

/// The weights of a group, such as `bias`.
fn group(net: &Stack<f64>, part: &str) -> Vec<usize> {
    let groups = net.groups().into_iter().filter(|(name, _)| name.ends_with(part));
    groups.flat_map(|(_, ranges)| ranges).flatten().collect()
}

/// The weights that differ.
fn changed(a: &[f64], b: &[f64]) -> Vec<usize> {
    (0..a.len()).filter(|&i| a[i].to_bits() != b[i].to_bits()).collect()
}

#[test]
fn by_default_weights_are_uniform_and_nothing_more_is_drawn() {
    fn check<T: Scalar>(net: &Stack<T>) {
        let (mut own, mut expected) = (rng(3), rng(3));
        let weights = InitConfig::default().weights(net, &mut own).unwrap();
        let uniform = uniform(net, &mut expected);
        assert!(weights.iter().zip(&uniform).all(|(a, b)| a.to_f64().to_bits() == b.to_f64().to_bits()));
        assert_eq!((weights.len(), own), (net.weights_len(), expected));
    }
    for cell in CellConfig::every(Size::dense(5)) {
        check(&net::<f32>(cell));
        check(&net::<f64>(cell));
    }
    check(&layers(&[CellConfig::Embedding, CellConfig::Lstm, CellConfig::QuasiLstm]));
}

#[test]
fn a_forget_bias_changes_biases_alone() {
    for (name, net) in every_net(5) {
        let (mut own, mut expected) = (rng(3), rng(3));
        let uniform = uniform(&net, &mut expected);
        let Ok(weights) = forget_bias(1.5).weights(&net, &mut own) else { continue };
        let (changed, biases) = (changed(&weights, &uniform), group(&net, "bias"));
        assert_eq!(changed.len(), 5, "{name}: one bias for each unit");
        assert!(changed.iter().all(|weight| biases.contains(weight)), "{name}");
        assert!(changed.iter().all(|&weight| weights[weight].abs() == 1.5), "{name}");
        assert_eq!(own, expected, "{name}");
    }
}

/// With no weights but the biases that are set, each cell remembers its state: the bias is that of the right
/// gate, with the right sign. A cell whose states leak into themselves has such a gate, or a rate that no gate
/// with masks sets.
#[test]
fn with_a_large_forget_bias_a_cell_keeps_its_state() {
    let mut tried = 0;
    let without_gate = ["Alif(", "Leaky(", "MinGru(", "Rtu(", "RtuLinear(", "Lru("];
    for (name, net) in every_net(5) {
        let memory = memory(&net);
        let ungated = !leaking(&net).is_empty() && memory.is_empty();
        assert_eq!(ungated, without_gate.iter().any(|kind| name.starts_with(kind)), "{name}");
        let weights = forget_bias(20.0).weights(&net, &mut rng(3));
        if memory.is_empty() {
            assert_eq!(weights, Err(CellError::NoMemory { what: "forget_bias" }), "{name}");
            assert_eq!(
                chrono(9.0).weights(&net, &mut rng(3)),
                Err(CellError::NoMemory { what: "chrono" }),
                "{name}"
            );
            continue;
        }
        tried += 1;
        let uniform = uniform(&net, &mut rng(3));
        let mut weights = weights.unwrap_or_else(|error| panic!("{name}: {error}"));
        let set = changed(&weights, &uniform);
        for weight in (0..weights.len()).filter(|weight| !set.contains(weight)) {
            weights[weight] = 0.0;
        }
        let previous: Vec<f64> = (0..net.states()).map(|i| 0.8 - 0.13 * i as f64).collect();
        let next = step(&net, &weights, &previous);
        for state in memory {
            let (before, after) = (previous[state], next[state]);
            assert!((before - after).abs() < 1e-6, "{name}, state {state}: {before} became {after}");
        }
    }
    assert_eq!(tried, 7);
}

/// Preactivations are biases alone, 20 where none was set. Something new is then 1, and a step makes `k s +
/// w` of a state s, where k and w are what is kept and written.
#[test]
fn chrono_sets_times_of_forgetting_uniformly() {
    const UNITS: usize = 400;
    const STEPS: f64 = 100.0;
    let mut tried = 0;
    for (name, net) in every_net(UNITS).into_iter().filter(|(_, net)| !memory(net).is_empty()) {
        tried += 1;
        let uniform = uniform(&net, &mut rng(3));
        let mut weights = chrono(STEPS).weights(&net, &mut rng(3)).unwrap();
        let (set, biases) = (changed(&weights, &uniform), group(&net, "bias"));
        assert!(set.iter().all(|weight| biases.binary_search(weight).is_ok()), "{name}");
        for weight in (0..weights.len()).filter(|weight| set.binary_search(weight).is_err()) {
            weights[weight] = if biases.binary_search(&weight).is_ok() { 20.0 } else { 0.0 };
        }
        let [zero, one] = [0.0, 1.0].map(|state| step(&net, &weights, &vec![state; net.states()]));
        let mut times = Vec::new();
        for state in memory(&net) {
            let (written, kept) = (zero[state], one[state] - zero[state]);
            // b_i = -b_f, so that i = 1 - f, as in the cells with one gate for both.
            assert!((written + kept - 1.0).abs() < 1e-12, "{name}: {written} and {kept}");
            times.push(1.0 / (1.0 - kept));
        }
        assert_eq!(times.len(), UNITS);
        times.sort_by(f64::total_cmp);
        assert!(times[0] >= 2.0 - 1e-9 && times[UNITS - 1] <= STEPS + 1e-9, "{name}: {times:?}");
        // A uniform distribution is missed by 0.1 at any of 400 points with a probability below 1e-3
        // (Kolmogorov).
        for (i, time) in times.iter().enumerate() {
            let (share, expected) = (i as f64 / UNITS as f64, (time - 2.0) / (STEPS - 2.0));
            assert!((share - expected).abs() < 0.1, "{name}: {share} of the times are below {time}");
        }
    }
    assert_eq!(tried, 7);
}

#[test]
fn chrono_over_two_steps_is_a_bias_of_zero() {
    let net = net::<f64>(CellConfig::Lstm(Size::dense(4)));
    let (weights, uniform) = (chrono(2.0).weights(&net, &mut rng(3)).unwrap(), uniform(&net, &mut rng(3)));
    let set = changed(&weights, &uniform);
    assert_eq!((set.len(), set.iter().all(|&weight| weights[weight] == 0.0)), (8, true));
}

/// The recurrent matrix of each gate, row after row, with zeros for weights that do not exist.
fn matrices<T: Scalar>(net: &Stack<T>, weights: &[T], units: usize) -> Vec<Vec<f64>> {
    let structure = net.layer_structure(0);
    let matrix = |first: usize| -> Vec<f64> {
        (first..first + units)
            .flat_map(|row| {
                let mut numbers = vec![0.0; units];
                for source in (INPUTS + 1)..structure.sources() {
                    if let Some(weight) = net.weight(0, row, source) {
                        numbers[(source - INPUTS - 1) % units] = weights[weight].to_f64();
                    }
                }
                numbers
            })
            .collect()
    };
    structure.masked.iter().map(|gate| matrix(gate.recurrent)).collect()
}

#[test]
fn recurrent_matrices_are_orthogonal() {
    let kinds = [
        CellConfig::Vanilla,
        CellConfig::VanillaRelu,
        CellConfig::Gru,
        CellConfig::GruResetBefore,
        CellConfig::Lstm,
    ];
    for (kind, units, gain) in kinds
        .iter()
        .flat_map(|kind| [(kind, 1, None), (kind, 2, None), (kind, 33, None), (kind, 33, Some(1.5))])
    {
        let cell = kind(Size::dense(units));
        let (stack, narrow) = (net::<f64>(cell), net::<f32>(cell));
        let init = InitConfig { gain, ..orthogonal() };
        let weights = init.weights(&stack, &mut rng(3)).unwrap();
        let changed = changed(&weights, &uniform(&stack, &mut rng(3)));
        assert_eq!(changed, group(&stack, "recurrent"), "{cell:?}: all recurrent weights, and no others");
        let rounded = init.weights(&narrow, &mut rng(3)).unwrap();
        assert!(rounded.iter().zip(&weights).all(|(&narrow, &wide)| narrow == wide as f32), "{cell:?}");

        let matrices = matrices(&stack, &weights, units);
        assert_eq!(matrices.len(), cell.gates());
        for q in &matrices {
            for (i, j) in (0..units).flat_map(|i| (0..units).map(move |j| (i, j))) {
                let product: f64 = (0..units).map(|k| q[i * units + k] * q[j * units + k]).sum();
                let expected = if i == j { gain.unwrap_or(1.0).powi(2) } else { 0.0 };
                assert!((product - expected).abs() < 1e-12, "{cell:?}, rows {i} and {j}: {product}");
            }
        }
        if units > 1 {
            assert!(matrices.windows(2).all(|pair| pair[0] != pair[1]), "{cell:?}: a matrix for each gate");
        }
    }
}

/// Rotations and reflections alike, and no entry prefers a sign: a QR decomposition alone would fix some
/// signs.
#[test]
fn orthogonal_matrices_have_no_preferred_sign() {
    let net = net::<f64>(CellConfig::Vanilla(Size::dense(2)));
    let mut positive = [0; 5];
    for seed in 0..400 {
        let weights = orthogonal().weights(&net, &mut rng(seed)).unwrap();
        let q = &matrices(&net, &weights, 2)[0];
        let determinant = q[0] * q[3] - q[1] * q[2];
        let numbers = q.iter().copied().chain([determinant]);
        positive.iter_mut().zip(numbers).for_each(|(count, x)| *count += u32::from(x > 0.0));
    }
    // 200 ± 10 each; five standard deviations.
    assert!(positive.iter().all(|count| (150..=250).contains(count)), "{positive:?}");
}

#[test]
fn rows_of_sparse_orthogonal_matrices_keep_their_mean_square() {
    const UNITS: usize = 20;
    const SEEDS: u64 = 300;
    for kind in [CellConfig::Gru, CellConfig::GruResetBefore] {
        let cell = kind(Size { input_sparsity: 0.4, ..Size::sparse(UNITS, 0.7) });
        let stack = net::<f64>(cell);
        let masks = cell.masks(Inputs::Dense(INPUTS), &mut rng(7)).unwrap();
        let mut squares = vec![[0.0; UNITS]; 3];
        for seed in 0..SEEDS {
            let weights = orthogonal().weights(&stack, &mut rng(seed)).unwrap();
            let changed = changed(&weights, &uniform(&stack, &mut rng(seed)));
            assert_eq!(changed, group(&stack, "recurrent"), "{cell:?}");
            for (squares, matrix) in squares.iter_mut().zip(matrices(&stack, &weights, UNITS)) {
                for (square, row) in squares.iter_mut().zip(matrix.chunks(UNITS)) {
                    *square += row.iter().map(|w| w * w).sum::<f64>() / SEEDS as f64;
                }
            }
        }
        for (squares, gate) in squares.iter().zip(&masks.gates) {
            // A square of an entry has the mean 1/k and the standard deviation √2/k; 0.3 of the entries
            // exist.
            let exist = gate.recurrent.nnz() as f64;
            assert_eq!(exist, 0.3 * (UNITS * UNITS) as f64);
            let total: f64 = squares.iter().sum();
            assert!(
                (total / UNITS as f64 - 1.0).abs() < 5.0 * (2.0 / exist / SEEDS as f64).sqrt(),
                "{total}"
            );
            for (unit, square) in squares.iter().enumerate() {
                let exist = gate.recurrent.row(unit).len() as f64;
                let expected = exist / (0.3 * UNITS as f64);
                let deviation = expected * (2.0 / exist.max(1.0) / SEEDS as f64).sqrt();
                assert!((square - expected).abs() <= 5.0 * deviation, "{unit}: {square} for {expected}");
            }
        }
    }
}

#[test]
fn layers_to_which_a_setting_does_not_apply_stay_uniform() {
    let net = layers(&[CellConfig::Embedding, CellConfig::Gru, CellConfig::QuasiLstm, CellConfig::Vanilla]);
    let uniform = uniform(&net, &mut rng(3));
    let by_layer = |init: &InitConfig| {
        let changed = changed(&init.weights(&net, &mut rng(3)).unwrap(), &uniform);
        let counts = (0..4)
            .map(|depth| changed.iter().filter(|weight| net.layer_weights(depth).contains(weight)).count());
        counts.collect::<Vec<_>>()
    };
    assert_eq!(by_layer(&forget_bias(2.0)), [0, 4, 4, 0]);
    assert_eq!(by_layer(&chrono(9.0)), [0, 4, 4, 0]);
    assert_eq!(by_layer(&orthogonal()), [0, 3 * 16, 0, 16]);
    let all = InitConfig { chrono: Some(9.0), ..orthogonal() };
    assert_eq!(by_layer(&all), [0, 3 * 16 + 4, 4, 16]);
}

#[test]
fn settings_that_apply_to_no_layer_are_refused() {
    use CellConfig::{Embedding, QuasiLstm, Vanilla, VanillaRelu};
    let refusal =
        |init: &InitConfig, kinds: &[fn(Size) -> CellConfig]| init.weights(&layers(kinds), &mut rng(3)).err();
    for kinds in [&[Vanilla as fn(Size) -> CellConfig][..], &[Embedding, VanillaRelu]] {
        assert_eq!(refusal(&forget_bias(1.0), kinds), Some(CellError::NoMemory { what: "forget_bias" }));
        assert_eq!(refusal(&chrono(9.0), kinds), Some(CellError::NoMemory { what: "chrono" }));
        assert_eq!(refusal(&orthogonal(), kinds), None);
    }
    for kinds in [&[QuasiLstm as fn(Size) -> CellConfig][..], &[Embedding, QuasiLstm]] {
        assert_eq!(refusal(&forget_bias(1.0), kinds), None);
        assert_eq!(refusal(&orthogonal(), kinds), Some(CellError::NoMatrix));
    }
    assert_eq!(refusal(&orthogonal(), &[Embedding]), Some(CellError::NoMatrix));
    // What is out of range is refused before any net is looked at.
    assert!(matches!(refusal(&chrono(1.0), &[Embedding]), Some(CellError::Init { what: "chrono", .. })));
}

#[test]
fn a_refused_bias_names_the_cells_that_have_the_gate() {
    let says = CellError::NoMemory { what: "chrono" }.to_string();
    assert!(says.starts_with("`chrono` sets the bias"), "{says}");
    for cell in CellConfig::every(Size::dense(2)) {
        let Ok(Value::Map(fields)) = serde_value::to_value(cell) else {
            panic!("{cell:?} is written as a table")
        };
        let Some(Value::String(kind)) = fields.get(&Value::String("kind".into())) else {
            panic!("{fields:?}")
        };
        assert_eq!(says.contains(&format!("`{kind}`")), !memory(&net(cell)).is_empty(), "{kind}: {says}");
    }
}

/// Rows that read both the units and the units times a factor.
struct Twice(Structure);

impl<T: Scalar> Cell<T> for Twice {
    fn structure(&self) -> &Structure {
        &self.0
    }

    fn forward(&self, _: &mut CellStep<'_, T>) {}
}

#[test]
fn gates_without_a_square_matrix_are_refused() {
    let lower = CellConfig::Gru(Size::dense(4)).build(Inputs::Dense(INPUTS), &mut rng(7)).unwrap();
    let rows = [GateRows::of(0), GateRows { past: rtrl_cells::Past::Scaled, ..GateRows::of(1) }];
    let structure = Structure::gated(Inputs::Dense(4), 2, &Masks::dense(2, 4, 2), &rows).unwrap();
    // Inputs, the constant, two units and two scaled units; the last row reads all of them.
    let mut weights: Vec<Vec<u32>> = (0..4).map(|row| structure.weights.row(row).to_vec()).collect();
    weights[3] = (0..9).collect();
    let weights = Pattern::from_rows(9, weights).unwrap();
    let upper = Twice(Structure { weights, ..structure });
    let net = Stack::<f64>::new(vec![lower, Box::new(upper)]).unwrap();
    let error = orthogonal().weights(&net, &mut rng(3)).unwrap_err();
    assert_eq!(error, CellError::NotSquare { layer: 1, gate: 1 });
    assert!(InitConfig::default().weights(&net, &mut rng(3)).is_ok());
}

#[test]
fn a_role_is_that_of_a_gate_that_exists() {
    let payload =
        catch_unwind(|| Writer::new(2).0.with_role(2, Role::Keep)).expect_err("there are two gates");
    assert_eq!(payload.downcast_ref::<String>().map(String::as_str), Some("mask 2 of a cell with 2"));
}

#[test]
fn wrong_settings_are_refused() {
    let gain = |gain| InitConfig { gain: Some(gain), ..orthogonal() };
    let out_of_range = [
        ("gain", [0.0, -1.0, 1e-60, 2e6, f64::INFINITY, f64::NAN].map(gain).to_vec()),
        ("forget_bias", [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e39].map(forget_bias).to_vec()),
        ("chrono", [1.999, 0.0, -5.0, f64::NAN, f64::INFINITY, 1e39].map(chrono).to_vec()),
    ];
    for (setting, inits) in out_of_range {
        for init in inits {
            let error = init.validate().unwrap_err();
            assert!(matches!(error, CellError::Init { what, .. } if what == setting), "{init:?}: {error}");
        }
    }
    let error = chrono(1.5).validate().unwrap_err().to_string();
    assert_eq!(error, "`chrono` must be a finite number of steps, at least 2, found 1.5");
    for init in [gain(1e6), gain(1e-6), forget_bias(-3.0), chrono(2.0), chrono(1e9), orthogonal()] {
        assert_eq!(init.validate(), Ok(()), "{init:?}");
    }
    let uniform = InitConfig { gain: Some(1.0), ..InitConfig::default() };
    assert_eq!(uniform.validate(), Err(CellError::UniformGain));
    let both = InitConfig { chrono: Some(9.0), ..forget_bias(1.0) };
    assert_eq!(both.validate(), Err(CellError::TwoBiases));
}

#[test]
fn defaults_are_not_written_and_unknown_fields_are_refused() {
    let table = |fields: &[(&str, Value)]| {
        let field = |(name, value): &(&str, Value)| (Value::String((*name).into()), value.clone());
        Value::Map(fields.iter().map(field).collect::<BTreeMap<_, _>>())
    };
    let read = |fields: &[(&str, Value)]| InitConfig::deserialize(table(fields));
    assert_eq!(serde_value::to_value(InitConfig::default()).unwrap(), table(&[]));
    assert_eq!(read(&[]).unwrap(), InitConfig::default());
    let fields = [
        ("recurrent", Value::String("orthogonal".into())),
        ("gain", Value::F64(1.5)),
        ("chrono", Value::F64(9.0)),
    ];
    let init = InitConfig { gain: Some(1.5), chrono: Some(9.0), ..orthogonal() };
    assert_eq!(read(&fields).unwrap(), init);
    let written = serde_value::to_value(&init).unwrap();
    let Value::Map(names) = &written else { panic!("{written:?}") };
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(InitConfig::deserialize(written).unwrap(), init);
    let error = read(&[("forget", Value::F64(1.0))]).unwrap_err().to_string();
    assert!(error.contains("forget") && error.contains("forget_bias"), "{error}");
    let error = read(&[("recurrent", Value::String("identity".into()))]).unwrap_err().to_string();
    assert!(error.contains("identity") && error.contains("orthogonal"), "{error}");
}
