//! Nets with spread weights against the same nets with their own.

#![allow(missing_docs)]

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rtrl_cells::{CellConfig, Input, Inputs, Size, Spread, Stack, init};
use rtrl_sparse::{Lanes, Outers};

const STEPS: usize = 5;

/// Sums of some twenty products, in two orders, over five steps; a wrong weight changes a state by a hundredth.
const ROUNDING: f64 = 1e-13;

fn net(cells: &[CellConfig], inputs: Inputs) -> Stack<f64> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let mut inputs = inputs;
    let mut layers = Vec::new();
    for cell in cells {
        let cell = cell.build(inputs, &mut rng).unwrap();
        inputs = Inputs::Dense(cell.structure().hidden.len());
        layers.push(cell);
    }
    Stack::new(layers).unwrap()
}

fn numbers(len: usize, seed: usize) -> Vec<f64> {
    (0..len).map(|i| ((i * 37 + seed * 11) % 19) as f64 / 10.0 - 0.9).collect()
}

/// Number of spread weights, if there are any.
fn spread(cells: &[CellConfig], inputs: Inputs) -> Option<usize> {
    net(cells, inputs).spread().map(|spread| spread.linear().pattern().nnz())
}

/// States and gradient of a window by BPTT, by hand.
fn window(
    net: &Stack<f64>,
    weights: &[f64],
    spread: Option<&Spread<f64>>,
    lanes: usize,
) -> (Vec<f64>, Vec<f64>) {
    let (mut rollout, mut backward) = (net.rollout(lanes), net.backward(lanes));
    let (mut states, mut traces) = (Vec::new(), vec![net.trace(lanes); STEPS]);
    for (t, trace) in traces.iter_mut().enumerate() {
        let (x, symbols) = (numbers(net.inputs().len() * lanes, t), vec![t as u32 % 4; lanes]);
        let input = match net.inputs() {
            Inputs::Dense(_) => Input::Dense(Lanes::new(&x, lanes)),
            Inputs::Symbols(_) => Input::Symbols(&symbols),
        };
        let starts: Vec<bool> = (0..lanes).map(|lane| t == 0 || (t, lane) == (3, 1)).collect();
        net.forward_spread(weights, spread, input, &starts, &mut rollout, trace);
        states.extend_from_slice(rollout.state().values());
    }
    let linear = spread.map_or(net.linear(), Spread::linear);
    let mut outers = Outers::new(linear.clone(), lanes, STEPS);
    let mut by_map = vec![0.0; linear.pattern().nnz()];
    let mut adjoint = vec![0.0; net.states() * lanes];
    for (t, trace) in traces.iter().enumerate().rev() {
        adjoint.iter_mut().zip(numbers(net.states() * lanes, t)).for_each(|(a, delta)| *a += delta);
        net.pull_back_spread(weights, spread, trace, &mut adjoint, &mut backward);
        outers.push(Lanes::new(&backward.rows, lanes), trace.sources(), &mut by_map);
    }
    outers.flush(&mut by_map);
    let Some(spread) = spread else { return (states, by_map) };
    let mut gradient = vec![0.0; weights.len()];
    spread.collect(&mut by_map, &mut gradient);
    assert!(by_map.iter().all(|&g| g == 0.0));
    (states, gradient)
}

fn deviation((a, b): &(Vec<f64>, Vec<f64>), (c, d): &(Vec<f64>, Vec<f64>)) -> f64 {
    let pairs = a.iter().zip(c).chain(b.iter().zip(d));
    let largest = c.iter().chain(d).fold(0.0_f64, |most, x| most.max(x.abs()));
    pairs.map(|(x, y)| (x - y).abs()).fold(0.0, f64::max) / largest
}

#[test]
fn a_window_is_the_same_with_spread_weights() {
    let half = Size::sparse(12, 0.5);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let mut sparse = CellConfig::every(half);
    sparse.retain(|cell| cell.build::<f64>(Inputs::Dense(3), &mut rng).is_ok());
    assert!(sparse.len() > 5);
    let mut nets: Vec<Vec<CellConfig>> =
        sparse.into_iter().map(|cell| vec![cell, CellConfig::Vanilla(half)]).collect();
    nets.push(vec![
        CellConfig::Lstm(Size::dense(5)),
        CellConfig::GruResetBefore(half),
        CellConfig::Gru(half),
    ]);
    for cells in nets {
        for (inputs, lanes) in [(Inputs::Dense(3), 1), (Inputs::Dense(3), 8), (Inputs::Symbols(4), 2)] {
            let net = net(&cells, inputs);
            let mut weights: Vec<f64> = init::uniform(&net, &mut Xoshiro256PlusPlus::seed_from_u64(1));
            let mut spread = net.spread().expect("half of the weights");
            spread.fill(&weights);
            let found = window(&net, &weights, Some(&spread), lanes);
            let expected = window(&net, &weights, None, lanes);
            let rounding = deviation(&found, &expected);
            assert!(rounding < ROUNDING, "{cells:?} with {inputs:?} in {lanes} lanes: {rounding:e}");
            // A spread that was not filled again is another net.
            let recurrent = net.layer_weights(net.depth() - 1).end - 1;
            weights[recurrent] += 0.1;
            let expected = window(&net, &weights, None, lanes);
            assert!(deviation(&found, &expected) > 1e-6);
        }
    }
}

#[test]
fn rows_are_spread_that_are_neither_dense_nor_very_sparse() {
    let inputs = Inputs::Dense(4);
    let vanilla = |size| CellConfig::Vanilla(size);
    assert_eq!(spread(&[vanilla(Size::dense(40))], inputs), None);
    assert_eq!(spread(&[vanilla(Size::sparse(40, 0.95))], inputs), None);
    assert_eq!(spread(&[vanilla(Size::sparse(40, 0.5))], inputs), Some(40 * (4 + 1 + 40)));
    // The upper layer alone.
    let lower = net(&[vanilla(Size::dense(8))], inputs).weights_len();
    let both = [vanilla(Size::dense(8)), vanilla(Size::sparse(40, 0.5))];
    assert_eq!(spread(&both, inputs), Some(lower + 40 * (8 + 1 + 40)));
    // More than a cache holds.
    assert_eq!(spread(&[vanilla(Size::sparse(800, 0.5))], inputs), None);
}
