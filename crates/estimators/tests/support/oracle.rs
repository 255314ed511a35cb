//! The textbook recursion on dense matrices, with the cell equations written a second time, on dual numbers.

use nalgebra::DMatrix;
use rtrl_cells::{CellConfig, Inputs, Stack};
use rtrl_estimators::{Order, Scope};

use super::dual::Dual;
use super::{Case, Datum};

/// Dense Jacobians of one step of one lane.
pub struct Step {
    pub state: Vec<f64>,
    /// D, S × S.
    pub dynamics: DMatrix<f64>,
    /// I, S × |θ|.
    pub immediate: DMatrix<f64>,
}

/// One layer's weights as dual numbers, looked up by row and source.
struct Weights<'a> {
    stack: &'a Stack<f64>,
    values: &'a [Dual],
    first_row: usize,
    first_source: usize,
    none: Dual,
}

impl Weights<'_> {
    /// Σ over the given sources of w u for a row of the layer; sources are numbered within the layer.
    fn sum<'u>(&self, row: usize, sources: impl IntoIterator<Item = (usize, &'u Dual)>) -> Dual {
        let mut sum = self.none.clone();
        for (source, u) in sources {
            let entry =
                self.stack.linear().pattern().find(row + self.first_row, (source + self.first_source) as u32);
            if let Some(entry) = entry {
                sum = &sum + &(&self.values[entry] * u);
            }
        }
        sum
    }
}

/// s_t of one layer from the equations of the cells' documentation. The previous state is given twice, as the rows read it and as
/// the leak does.
fn layer(
    config: &CellConfig,
    w: &Weights<'_>,
    x: &[Dual],
    (s, leaking): (&[Dual], &[Dual]),
    smooth: bool,
) -> Vec<Dual> {
    let one = Dual::constant(1.0, w.none.by.len());
    let n = x.len();
    let input = || x.iter().enumerate().chain([(n, &one)]);
    let units = config.units();
    let past = || s[..units].iter().enumerate().map(|(i, s)| (n + 1 + i, s));
    let row = |row: usize| w.sum(row, input().chain(past()));
    let gate = |gate: usize, unit: usize| row(gate * units + unit);
    let mix = |z: &Dual, a: &Dual, b: &Dual| &(&(&one - z) * a) + &(z * b);
    match config {
        CellConfig::Vanilla(_) => (0..units).map(|i| row(i).tanh()).collect(),
        CellConfig::VanillaRelu(_) if smooth => (0..units).map(|i| row(i).tanh()).collect(),
        CellConfig::VanillaRelu(_) => (0..units).map(|i| row(i).relu()).collect(),
        CellConfig::Gru(_) => (0..units)
            .map(|i| {
                let (r, z) = (gate(0, i).sigmoid(), gate(1, i).sigmoid());
                let from_input = w.sum(2 * units + i, input());
                let from_past = w.sum(3 * units + i, [(n, &one)].into_iter().chain(past()));
                mix(&z, &(&from_input + &(&r * &from_past)).tanh(), &leaking[i])
            })
            .collect(),
        CellConfig::GruResetBefore(_) => {
            let reset: Vec<Dual> = (0..units).map(|i| &gate(0, i).sigmoid() * &s[i]).collect();
            (0..units)
                .map(|i| {
                    let z = gate(1, i).sigmoid();
                    let reset = reset.iter().enumerate().map(|(j, s)| (n + 1 + units + j, s));
                    mix(&z, &w.sum(2 * units + i, input().chain(reset)).tanh(), &leaking[i])
                })
                .collect()
        }
        CellConfig::Lstm(_) => {
            let c: Vec<Dual> = (0..units)
                .map(|i| {
                    let kept = &gate(1, i).sigmoid() * &leaking[units + i];
                    &kept + &(&gate(0, i).sigmoid() * &gate(2, i).tanh())
                })
                .collect();
            let h = (0..units).map(|i| &gate(3, i).sigmoid() * &c[i].tanh());
            h.chain(c.iter().cloned()).collect()
        }
        CellConfig::QuasiLstm(_) => {
            (0..units).map(|i| mix(&gate(0, i).sigmoid(), &gate(1, i).tanh(), &leaking[i])).collect()
        }
        CellConfig::Embedding(_) => (0..units).map(|i| w.sum(i, input())).collect(),
        CellConfig::Leaky(size) => (0..units)
            .map(|i| {
                let written = match size.leak {
                    Some(leak) => Dual::constant(1.0 - leak, one.by.len()),
                    None => w.sum(units + i, [(n, &one)]).sigmoid(),
                };
                mix(&written, &leaking[i], &row(i).tanh())
            })
            .collect(),
        CellConfig::Mgu(_) => {
            let gated: Vec<Dual> = (0..units).map(|i| &gate(0, i).sigmoid() * &s[i]).collect();
            (0..units)
                .map(|i| {
                    let gated = gated.iter().enumerate().map(|(j, s)| (n + 1 + units + j, s));
                    let new = w.sum(units + i, input().chain(gated)).tanh();
                    mix(&gate(0, i).sigmoid(), &leaking[i], &new)
                })
                .collect()
        }
        CellConfig::MguResetAfter(_) => (0..units)
            .map(|i| {
                let f = gate(0, i).sigmoid();
                let from_input = w.sum(units + i, input());
                let from_past = w.sum(2 * units + i, [(n, &one)].into_iter().chain(past()));
                mix(&f, &leaking[i], &(&from_input + &(&f * &from_past)).tanh())
            })
            .collect(),
        CellConfig::MinGru(_) => (0..units)
            .map(|i| mix(&w.sum(i, input()).sigmoid(), &leaking[i], &w.sum(units + i, input())))
            .collect(),
        CellConfig::Rtu(_) | CellConfig::RtuLinear(_) | CellConfig::Lru(_) => {
            let c = &leaking[leaking.len() - 2 * units..];
            let parameter = |p: usize, i: usize| w.sum((2 + p) * units + i, [(n, &one)]);
            let complex = |part: usize, i: usize| {
                let r = (-&parameter(0, i).exp()).exp();
                let theta = parameter(1, i).exp();
                let gamma = match config {
                    CellConfig::Lru(_) => parameter(2, i).exp(),
                    _ => (&one - &(&r * &r)).sqrt(),
                };
                let (real, imaginary) = (&c[i], &c[units + i]);
                let turned = match part {
                    0 => &(real * &theta.cos()) - &(imaginary * &theta.sin()),
                    _ => &(real * &theta.sin()) + &(imaginary * &theta.cos()),
                };
                &(&r * &turned) + &(&gamma * &w.sum(part * units + i, input()))
            };
            let parts = [0, 1].into_iter().flat_map(|part| (0..units).map(move |i| (part, i)));
            let next: Vec<Dual> = parts.map(|(part, i)| complex(part, i)).collect();
            match config {
                CellConfig::Lru(_) => next,
                CellConfig::Rtu(_) => next.iter().map(Dual::tanh).collect(),
                _ => next.iter().map(Dual::tanh).chain(next.iter().cloned()).collect(),
            }
        }
        unknown => unreachable!("`knows` says that there is no equation of {unknown:?}"),
    }
}

/// Whether the equations of this cell are written down here. For others `check_cell` is the oracle, in `controls.rs`: for the IndRNN,
/// which is a vanilla net with a diagonal mask, and whose states grow without bound at recurrent weights above one.
pub fn knows(cell: &CellConfig) -> bool {
    use CellConfig as C;
    matches!(
        cell,
        C::Vanilla(_)
            | C::VanillaRelu(_)
            | C::Gru(_)
            | C::GruResetBefore(_)
            | C::Lstm(_)
            | C::QuasiLstm(_)
            | C::Embedding(_)
            | C::Leaky(_)
            | C::Mgu(_)
            | C::MguResetAfter(_)
            | C::MinGru(_)
            | C::Rtu(_)
            | C::RtuLinear(_)
            | C::Lru(_)
    )
}

/// One step of a whole stack for one lane. `smooth` replaces ReLU by tanh, whose derivative is never zero.
pub fn step(case: &Case, stack: &Stack<f64>, weights: &[f64], x: &[f64], s: &[f64], smooth: bool) -> Step {
    let (states, params) = (stack.states(), weights.len());
    let variables = states + params;
    let duals = |values: &[f64], first: usize| -> Vec<Dual> {
        values.iter().enumerate().map(|(i, &v)| Dual::variable(v, first + i, variables)).collect()
    };
    let (s, values) = (duals(s, 0), duals(weights, states));
    let mut x: Vec<Dual> = x.iter().map(|&x| Dual::constant(x, variables)).collect();
    let mut next = Vec::new();
    let mut first_source = 0;
    for (depth, config) in case.layers.iter().enumerate() {
        let w = Weights {
            stack,
            values: &values,
            first_row: stack.layer_rows(depth).start,
            first_source,
            none: Dual::constant(0.0, variables),
        };
        let own = &s[stack.layer_states(depth)];
        let own = layer(config, &w, &x, (own, own), smooth);
        first_source += x.len() + 1 + recurrent_sources(config);
        x = own[..config.hidden()].to_vec();
        next.extend(own);
    }
    Step {
        state: next.iter().map(|s| s.value).collect(),
        dynamics: DMatrix::from_fn(states, states, |i, j| next[i].by[j]),
        immediate: DMatrix::from_fn(states, params, |i, j| next[i].by[states + j]),
    }
}

fn recurrent_sources(config: &CellConfig) -> usize {
    use CellConfig as C;
    match config {
        C::Embedding(_) | C::MinGru(_) | C::Rtu(_) | C::RtuLinear(_) | C::Lru(_) => 0,
        C::GruResetBefore(_) | C::Mgu(_) => 2 * config.units(),
        _ => config.units(),
    }
}

/// ∂φ/∂s_{t-1} of every layer by itself at one step of one lane, S × S: the rows and the layers below are held fixed.
pub fn leak(case: &Case, stack: &Stack<f64>, weights: &[f64], x: &[f64], s: &[f64]) -> DMatrix<f64> {
    let states = stack.states();
    let constants =
        |values: &[f64]| -> Vec<Dual> { values.iter().map(|&v| Dual::constant(v, states)).collect() };
    let leaking: Vec<Dual> = s.iter().enumerate().map(|(i, &v)| Dual::variable(v, i, states)).collect();
    let (values, s) = (constants(weights), constants(s));
    let (mut x, mut next, mut first_source) = (constants(x), Vec::new(), 0);
    for (depth, config) in case.layers.iter().enumerate() {
        let first_row = stack.layer_rows(depth).start;
        let w =
            Weights { stack, values: &values, first_row, first_source, none: Dual::constant(0.0, states) };
        let own = stack.layer_states(depth);
        let own = layer(config, &w, &x, (&s[own.clone()], &leaking[own]), false);
        first_source += x.len() + 1 + recurrent_sources(config);
        x = own[..config.hidden()].iter().map(|h| Dual::constant(h.value, states)).collect();
        next.extend(own);
    }
    DMatrix::from_fn(states, states, |i, j| next[i].by[j])
}

/// Structural nonzeros of D and I, found by evaluating at a point where nothing vanishes by accident.
pub fn patterns(case: &Case, stack: &Stack<f64>) -> (DMatrix<bool>, DMatrix<bool>) {
    let number = |i: usize| 0.3 + 0.1 * ((i * i + 3 * i) % 7) as f64;
    let weights: Vec<f64> = (0..stack.weights_len()).map(|i| number(i) * 0.5).collect();
    let x: Vec<f64> = (0..case.inputs.len()).map(|i| number(i + 1)).collect();
    let s: Vec<f64> = (0..stack.states()).map(|i| 0.1 + 0.1 * number(i + 2)).collect();
    let probe = step(case, stack, &weights, &x, &s, true);
    (probe.dynamics.map(|d| d != 0.0), probe.immediate.map(|i| i != 0.0))
}

/// P_n for every entry of J, S × |θ|.
pub fn kept(case: &Case, stack: &Stack<f64>, order: Order, scope: Scope) -> DMatrix<bool> {
    let (d, immediate) = patterns(case, stack);
    let layer_of = |state: usize| (0..stack.depth()).find(|&l| stack.layer_states(l).contains(&state));
    let row_of = |weight: usize| {
        let pattern = stack.linear().pattern();
        (0..pattern.rows()).find(|&r| pattern.entries(r).contains(&weight)).unwrap()
    };
    let layer_of_row = |row: usize| (0..stack.depth()).find(|&l| stack.layer_rows(l).contains(&row));
    let allowed = DMatrix::from_fn(immediate.nrows(), immediate.ncols(), |s, w| {
        scope == Scope::Stack || layer_of(s) == layer_of_row(row_of(w))
    });
    let mut p = immediate.zip_map(&allowed, |a, b| a && b);
    let steps = match order {
        Order::All => return allowed,
        Order::Steps(n) => n - 1,
        Order::Closure => stack.states(),
    };
    for _ in 0..steps {
        let reached = DMatrix::from_fn(p.nrows(), p.ncols(), |i, w| {
            allowed[(i, w)] && (p[(i, w)] || (0..p.nrows()).any(|k| d[(i, k)] && p[(k, w)]))
        });
        p = reached;
    }
    p
}

/// The approximation that the dense recursion makes.
#[derive(Clone, Copy)]
pub struct Approximation<'a> {
    pub kept: &'a DMatrix<bool>,
    pub scope: Scope,
    /// Drop J at the beginning of each window.
    pub truncate: bool,
    /// The matrix by which J is multiplied from step to step.
    pub carried_by: CarriedBy<'a>,
}

/// The matrix that carries J from step to step.
#[derive(Clone, Copy)]
pub enum CarriedBy<'a> {
    /// D.
    Dynamics,
    /// A multiple of the identity.
    Constant(f64),
    /// The leak `∂φ/∂s_{t-1}`.
    Leak,
    /// Some entries of D.
    Part(&'a DMatrix<bool>),
}

impl<'a> Approximation<'a> {
    pub fn of(kept: &'a DMatrix<bool>) -> Self {
        Self { kept, scope: Scope::Stack, truncate: false, carried_by: CarriedBy::Dynamics }
    }
}

/// The gradient by the dense masked recursion `J ← P ∘ (I + D J)` over the data, summed over lanes. `learn`
/// changes the weights after each window.
pub fn recursion(
    case: &Case,
    stack: &Stack<f64>,
    weights: &mut [f64],
    data: &[Datum],
    approximation: Approximation<'_>,
    learn: impl FnMut(&mut [f64], &[f64]),
) -> Vec<f64> {
    recursion_and_influence(case, stack, weights, data, approximation, learn).0
}

/// As `recursion`; also returns J of every lane at the end.
pub fn recursion_and_influence(
    case: &Case,
    stack: &Stack<f64>,
    weights: &mut [f64],
    data: &[Datum],
    approximation: Approximation<'_>,
    mut learn: impl FnMut(&mut [f64], &[f64]),
) -> (Vec<f64>, Vec<DMatrix<f64>>) {
    let Approximation { kept, scope, truncate, carried_by } = approximation;
    let (states, params) = (stack.states(), weights.len());
    let mut s = vec![vec![0.0; states]; case.lanes];
    let mut j = vec![DMatrix::zeros(states, params); case.lanes];
    let mut total = vec![0.0; params];
    for window in data.chunks(case.window) {
        let mut gradient = vec![0.0; params];
        if truncate {
            j.iter_mut().for_each(|j| j.fill(0.0));
        }
        for datum in window {
            for lane in 0..case.lanes {
                if datum.starts[lane] {
                    s[lane].fill(0.0);
                    j[lane].fill(0.0);
                }
                let x = one_lane_input(case, datum, lane);
                let now = step(case, stack, weights, &x, &s[lane], false);
                let carried = match carried_by {
                    CarriedBy::Dynamics => &now.dynamics * &j[lane],
                    CarriedBy::Constant(factor) => factor * &j[lane],
                    CarriedBy::Leak => leak(case, stack, weights, &x, &s[lane]) * &j[lane],
                    CarriedBy::Part(entries) => {
                        now.dynamics.zip_map(entries, |d, kept| if kept { d } else { 0.0 }) * &j[lane]
                    }
                };
                let full = &now.immediate + carried;
                j[lane] = full.zip_map(kept, |v, keep| if keep { v } else { 0.0 });
                let delta = delta(case, stack, datum, lane, &now.state);
                let delta = match scope {
                    Scope::Stack => delta,
                    Scope::Layer => pulled_down(case, stack, weights, &x, &s[lane], &delta),
                };
                for w in 0..params {
                    gradient[w] += (0..states).map(|i| delta[i] * j[lane][(i, w)]).sum::<f64>();
                }
                s[lane] = now.state;
            }
        }
        total.iter_mut().zip(&gradient).for_each(|(t, g)| *t += g);
        learn(weights, &gradient);
    }
    (total, j)
}

/// The inputs of one lane, symbols as one-hot vectors.
pub fn one_lane_input(case: &Case, datum: &Datum, lane: usize) -> Vec<f64> {
    match case.inputs {
        Inputs::Dense(n) => (0..n).map(|i| datum.dense[i * case.lanes + lane]).collect(),
        Inputs::Symbols(n) => {
            (0..n).map(|i| f64::from(u8::from(datum.symbols[lane] as usize == i))).collect()
        }
    }
}

/// ∂L_t/∂s_t of one lane: c + h on the hidden states.
pub fn delta(case: &Case, stack: &Stack<f64>, datum: &Datum, lane: usize, state: &[f64]) -> Vec<f64> {
    let mut delta = vec![0.0; state.len()];
    for (k, i) in stack.hidden().enumerate() {
        delta[i] = datum.c[k * case.lanes + lane] + state[i];
    }
    delta
}

/// δ, with the effect of lower layers' states on the loss through the upper layers at the same step. It comes
/// from finite differences of the upper layers alone, so that no code is shared with the crates.
fn pulled_down(
    case: &Case,
    stack: &Stack<f64>,
    weights: &[f64],
    x: &[f64],
    s: &[f64],
    top: &[f64],
) -> Vec<f64> {
    let mut pulled = top.to_vec();
    for depth in (0..stack.depth() - 1).rev() {
        // The upper layers as a function of this layer's new state, as if it were their input.
        let base = step(case, stack, weights, x, s, false).state;
        let upper = stack.layer_states(depth + 1).start..stack.states();
        for i in stack.layer_states(depth) {
            let eps = 1e-6;
            let moved = |by: f64| {
                let mut state = base.clone();
                state[i] += by;
                upper_layers(case, stack, weights, &state, s, depth)
            };
            let (plus, minus) = (moved(eps), moved(-eps));
            pulled[i] = top[i];
            for (k, state) in upper.clone().enumerate() {
                pulled[i] += top[state] * (plus[k] - minus[k]) / (2.0 * eps);
            }
        }
    }
    pulled
}

/// States of the layers above `depth`, given the new state of layer `depth` and the old states of all.
fn upper_layers(
    case: &Case,
    stack: &Stack<f64>,
    weights: &[f64],
    new: &[f64],
    old: &[f64],
    depth: usize,
) -> Vec<f64> {
    let constants = |v: &[f64]| -> Vec<Dual> { v.iter().map(|&v| Dual::constant(v, 0)).collect() };
    let values = constants(weights);
    let visible = |depth: usize, own: &[Dual]| own[..case.layers[depth].hidden()].to_vec();
    let mut x = visible(depth, &constants(&new[stack.layer_states(depth)]));
    let mut first_source = 0;
    for lower in 0..=depth {
        let inputs = if lower == 0 {
            case.inputs.len()
        } else {
            visible(lower - 1, &constants(&new[stack.layer_states(lower - 1)])).len()
        };
        first_source += inputs + 1 + recurrent_sources(&case.layers[lower]);
    }
    let mut all = Vec::new();
    for upper in depth + 1..stack.depth() {
        let w = Weights {
            stack,
            values: &values,
            first_row: stack.layer_rows(upper).start,
            first_source,
            none: Dual::constant(0.0, 0),
        };
        let old = constants(&old[stack.layer_states(upper)]);
        let own = layer(&case.layers[upper], &w, &x, (&old, &old), false);
        first_source += x.len() + 1 + recurrent_sources(&case.layers[upper]);
        x = visible(upper, &own);
        all.extend(own.iter().map(|s| s.value));
    }
    all
}
