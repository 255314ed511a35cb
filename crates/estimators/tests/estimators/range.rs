//! Numbers near the ends of the range of `f32`: norms that neither overflow nor vanish, and nothing that stays subnormal.

#![allow(missing_docs)]

use std::sync::Arc;

use crate::support::Case;
use rtrl_cells::{Cell, CellConfig, CellStep, Input, Inputs, Size, Stack, Structure};
use rtrl_checkpoint::to_bytes;
use rtrl_estimators::{
    EstimatorConfig, GradientEstimator, Kronecker, RtrlConfig, Schedule, Signs, SnapConfig, Uoro,
};
use rtrl_sparse::{Lanes, Pattern, Scalar};

/// Leaky units whose influence is scaled: `h' = ½ h + gain z`, so that J is as large as the gain.
struct Scaled {
    structure: Structure,
    gain: f64,
}

impl<T: Scalar> Cell<T> for Scaled {
    fn structure(&self) -> &Structure {
        &self.structure
    }

    fn forward(&self, step: &mut CellStep<'_, T>) {
        let (gain, leak) = (T::from_f64(self.gain), T::from_f64(0.5));
        step.preactivate(0..self.structure.states);
        for e in 0..step.previous.values().len() {
            step.next.values_mut()[e] = leak * step.previous.values()[e] + gain * step.rows.values_mut()[e];
        }
        step.row_jacobian.values_mut().fill(gain);
        step.direct.values_mut().fill(leak);
    }
}

fn scaled<T: Scalar>(inputs: Inputs, gain: f64) -> Arc<Stack<T>> {
    let structure = Structure {
        inputs,
        states: 3,
        hidden: 0..3,
        recurrent: Vec::new(),
        weights: Pattern::dense(3, inputs.len() + 1),
        row_jacobian: Pattern::identity(3),
        direct: Pattern::identity(3),
        masked: Vec::new(),
    };
    Arc::new(Stack::new(vec![Box::new(Scaled { structure, gain }) as Box<dyn Cell<T>>]).unwrap())
}

type Make<T> = fn(Arc<Stack<T>>, usize, Signs) -> Box<dyn GradientEstimator<T>>;

fn stochastic<T: Scalar>() -> [(&'static str, Make<T>); 4] {
    [
        ("UORO", |stack, lanes, signs| Box::new(Uoro::new(stack, lanes, 1, signs))),
        ("KF-RTRL", |stack, lanes, signs| Box::new(Kronecker::kf_rtrl(stack, lanes, 1, signs))),
        ("OK-1", |stack, lanes, signs| Box::new(Kronecker::optimal(stack, lanes, 1, 1, signs))),
        ("OK-2", |stack, lanes, signs| Box::new(Kronecker::optimal(stack, lanes, 1, 2, signs))),
    ]
}

/// The gradient of six steps, divided by the gain, with weights and δ near one.
fn gradient<T: Scalar>(index: usize, inputs: Inputs, lanes: usize, gain: f64) -> Vec<f64> {
    let stack = scaled::<T>(inputs, gain);
    let number = |i: usize| T::from_f64(((7 * i) % 11) as f64 / 11.0 - 0.4);
    let weights: Vec<T> = (0..stack.weights_len()).map(number).collect();
    let mut estimator = stochastic::<T>()[index].1(stack, lanes, Signs::random(3, 0..lanes));
    let mut gradient = vec![T::ZERO; weights.len()];
    for t in 0..6 {
        let x: Vec<T> = (0..2 * lanes).map(|i| number(i + 5 * t)).collect();
        let symbols: Vec<u32> = (0..lanes as u32).map(|lane| (lane + t as u32) % 2).collect();
        let input = match inputs {
            Inputs::Dense(_) => Input::Dense(Lanes::new(&x, lanes)),
            Inputs::Symbols(_) => Input::Symbols(&symbols),
        };
        estimator.step(&weights, input, &vec![t == 0; lanes]);
        let delta: Vec<T> = (0..3 * lanes).map(|i| number(i + 3 * t + 1)).collect();
        estimator.observe(&weights, Lanes::new(&delta, lanes), &mut gradient);
        estimator.finish_window(&weights, &mut gradient);
    }
    gradient.iter().map(|g| g.to_f64() / gain).collect()
}

#[test]
fn norms_in_f32_are_those_in_f64() {
    for (index, (name, _)) in stochastic::<f64>().iter().enumerate() {
        for inputs in [Inputs::Dense(2), Inputs::Symbols(2)] {
            for lanes in [1, 3] {
                // The gradient is proportional to the gain: divided by it, it is the same at any scale.
                let expected = gradient::<f64>(index, inputs, lanes, 1.0);
                assert!(crate::support::norm(&expected) > 0.1);
                for gain in [1.0, 1e21, 1e30, 1e-15, 1e-22] {
                    let found = gradient::<f32>(index, inputs, lanes, gain);
                    let deviation = crate::support::deviation(&found, &expected);
                    // Rounding errors are 6e-8 for each of a few products in six steps. OK orthogonalizes terms
                    // that are nearly dependent, which costs three digits at any scale (2.2e-4 was measured).
                    let tolerance = if name.starts_with("OK") { 2e-3 } else { 1e-5 };
                    assert!(
                        deviation < tolerance,
                        "{name}, {inputs:?}, {lanes} lanes, gain {gain:e}: {deviation:e}"
                    );
                }
            }
        }
    }
}

/// The gradients of UORO in windows of `window` steps on one-hot inputs: as symbols, or as numbers of which one is 1.
fn one_hot(coded: bool, lanes: usize, window: usize) -> Vec<f64> {
    const SYMBOLS: usize = 5;
    let inputs = if coded { Inputs::Symbols(SYMBOLS) } else { Inputs::Dense(SYMBOLS) };
    let stack = scaled::<f64>(inputs, 1.0);
    let weights = vec![0.1; stack.weights_len()];
    let mut estimator = Uoro::new(stack, lanes, window, Signs::random(3, 0..lanes));
    let (mut gradient, mut all) = (vec![0.0; weights.len()], Vec::new());
    // Symbols that are rare, so that others stay for long; sequences that begin anywhere, and one of 200 steps.
    let symbol = |t: usize, lane: usize| (7 * t * t + 3 * lane) % 11 % SYMBOLS;
    let start = |t: usize, lane: usize| t < 100 && (t * t + lane).is_multiple_of(13);
    for t in 0..300 {
        let symbols: Vec<u32> = (0..lanes).map(|lane| symbol(t, lane) as u32).collect();
        let mut x = vec![0.0; SYMBOLS * lanes];
        (0..lanes).for_each(|lane| x[symbol(t, lane) * lanes + lane] = 1.0);
        let input = if coded { Input::Symbols(&symbols) } else { Input::Dense(Lanes::new(&x, lanes)) };
        let starts: Vec<bool> = (0..lanes).map(|lane| start(t, lane)).collect();
        estimator.step(&weights, input, &starts);
        let delta: Vec<f64> = (0..3 * lanes).map(|i| ((5 * i + 3 * t) % 7) as f64 - 3.0).collect();
        estimator.observe(&weights, Lanes::new(&delta, lanes), &mut gradient);
        if (t + 1) % window == 0 {
            estimator.finish_window(&weights, &mut gradient);
            all.append(&mut gradient.clone());
            gradient.fill(0.0);
        }
    }
    all
}

#[test]
fn one_hot_numbers_are_symbols() {
    // What is scaled of θ̃ at once, and enters the gradient late, is what is scaled and read at every step. In a window of 150 steps the leak
    // makes it less by more than the factor that is held apart.
    for lanes in [1, 3] {
        for window in [1, 6, 150] {
            let [symbols, numbers] = [true, false].map(|coded| one_hot(coded, lanes, window));
            let found = crate::support::deviation(&symbols, &numbers);
            // Rounding errors of 1e-16 in each of at most 150 terms.
            assert!(found < 1e-12, "{lanes} lanes, windows of {window}: {found:e}");
        }
    }
    assert!(crate::support::norm(&one_hot(true, 1, 6)) > 1.0);
}

/// The sections of a saved state that hold `f32`: (name, numbers).
fn numbers(saved: &[u8]) -> Vec<(String, Vec<f32>)> {
    let mut found = Vec::new();
    // The sections follow the envelope; the first is the state of the net.
    let start = saved.windows(14).position(|bytes| bytes == b"\x0drollout/state").expect("the first section");
    let mut rest = &saved[start..];
    while let Some((&len, after)) = rest.split_first() {
        let (name, after) = after.split_at(usize::from(len));
        let (size, after) = after.split_at(8);
        let (content, after) = after.split_at(u64::from_le_bytes(size.try_into().unwrap()) as usize);
        let name = String::from_utf8(name.to_vec()).unwrap();
        if ["influence", "state", "weights", "u", "tiles"].contains(&name.as_str()) {
            let number = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
            found.push((name, content.chunks_exact(4).map(number).collect()));
        }
        rest = after;
    }
    found
}

#[test]
fn nothing_that_is_carried_becomes_subnormal() {
    // Symbol 2 is read once, at the first step. What it leaves in J decays by a factor between ½ and 1 per
    // step, and rounding would keep a subnormal number from ever becoming zero.
    let schedules = [Schedule::Streaming, Schedule::Blocked, Schedule::Adjoint];
    let mut configs: Vec<EstimatorConfig> = EstimatorConfig::every();
    for schedule in schedules {
        configs.push(SnapConfig { schedule, ..Default::default() }.into());
        configs.push(SnapConfig { order: 2, schedule, ..Default::default() }.into());
        configs.push(RtrlConfig { dense: true, schedule, truncate: false }.into());
    }
    let nets = [vec![CellConfig::QuasiLstm(Size::dense(4))], vec![CellConfig::Lstm(Size::dense(3))]];
    let mut red = Vec::new();
    for layers in nets {
        for (lanes, window) in [(1, 1), (1, 3), (16, 12)] {
            let inputs = Inputs::Symbols(3);
            let case =
                Case { layers: layers.clone(), inputs, lanes, steps: 0, window, seed: 2, resets: false };
            let stack = case.stack::<f32>();
            let weights: Vec<f32> = case.weights(&case.stack::<f64>()).iter().map(|&w| w as f32).collect();
            for config in &configs {
                // TBPTT carries no influence, and top-k has an estimator for each lane, whose sections have other names.
                let apart = matches!(config, EstimatorConfig::SnapTopK(_)) && lanes > 1;
                if apart || matches!(config, EstimatorConfig::Tbptt(_)) {
                    continue;
                }
                let mut estimator = config.build(stack.clone(), lanes, window).unwrap();
                let mut gradient = vec![0.0; weights.len()];
                let delta = vec![0.5; stack.hidden().len() * lanes];
                let mut subnormal = None;
                for t in 0..3000 {
                    let symbol = if t == 0 { 2 } else { (t % 2) as u32 };
                    estimator.step(&weights, Input::Symbols(&vec![symbol; lanes]), &vec![t == 0; lanes]);
                    estimator.observe(&weights, Lanes::new(&delta, lanes), &mut gradient);
                    if (t + 1) % window == 0 {
                        estimator.finish_window(&weights, &mut gradient);
                        gradient.fill(0.0);
                    }
                    if t >= 150 && (t + 1) % (window * 50) == 0 {
                        let saved = to_bytes(|archive| estimator.persist(archive)).unwrap();
                        for (name, values) in numbers(&saved) {
                            if values.iter().any(|x| x.is_subnormal()) {
                                subnormal = Some((t, name));
                            }
                        }
                    }
                }
                if let Some((t, name)) = subnormal {
                    red.push(format!(
                        "{config:?} on {layers:?}, {lanes} lanes, window {window}: {name} at {t}"
                    ));
                }
            }
        }
    }
    assert!(red.is_empty(), "{}", red.join("\n"));
}
