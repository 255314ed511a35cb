//! A net taken apart: its layers by themselves, and the gradient by what it reads.

#![allow(missing_docs)]

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rtrl_cells::{Cell, CellConfig, Input, Inputs, Size, Stack, init};
use rtrl_sparse::{Lanes, LanesMut};

const LANES: usize = 2;
const INPUTS: usize = 3;

/// An LSTM below, whose states are not all hidden, and above it every other cell in turn.
fn nets() -> Vec<Stack<f64>> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let mut nets = Vec::new();
    for top in CellConfig::every(Size::dense(4)) {
        let below = CellConfig::Lstm(Size::sparse(5, 0.4)).build(Inputs::Dense(INPUTS), &mut rng).unwrap();
        let middle = CellConfig::GruResetBefore(Size::sparse(4, 0.3));
        let middle = middle.build(Inputs::Dense(5), &mut rng).unwrap();
        let top: Box<dyn Cell<f64>> = top.build(Inputs::Dense(4), &mut rng).unwrap();
        // What has finite differences.
        let top = top.smoothed().unwrap_or(top);
        nets.push(Stack::new(vec![below, middle, top]).unwrap());
    }
    nets
}

fn numbers(len: usize, seed: usize) -> Vec<f64> {
    (0..len).map(|i| ((i * 37 + seed * 11) % 19) as f64 / 10.0 - 0.9).collect()
}

#[test]
fn layers_by_themselves_make_the_step_of_the_net() {
    for net in nets() {
        let weights: Vec<f64> = init::uniform(&net, &mut Xoshiro256PlusPlus::seed_from_u64(1));
        let layers: Vec<_> = (0..net.depth()).map(|depth| net.layer(depth)).collect();
        let ranges: Vec<_> = (0..net.depth()).map(|depth| net.layer_weights(depth)).collect();
        assert!(ranges[0].start == 0 && ranges[2].end == weights.len());
        assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start), "{ranges:?}");
        let mut whole = (net.rollout(LANES), net.trace(LANES));
        let mut parts: Vec<_> = layers.iter().map(|l| (l.rollout(LANES), l.trace(LANES))).collect();
        for t in 0..4 {
            let (mut x, starts) = (numbers(INPUTS * LANES, t), [t == 0, t == 2]);
            net.forward(&weights, Input::Dense(Lanes::new(&x, LANES)), &starts, &mut whole.0, &mut whole.1);
            for (depth, (rollout, trace)) in parts.iter_mut().enumerate() {
                let layer = &layers[depth];
                let own = &weights[net.layer_weights(depth)];
                layer.forward(own, Input::Dense(Lanes::new(&x, LANES)), &starts, rollout, trace);
                assert_eq!(rollout.state().values(), whole.0.state().range(net.layer_states(depth)));
                assert_eq!(layer.layer_structure(0), net.layer_structure(depth));
                x = rollout.state().range(layer.hidden()).to_vec();
                assert_eq!(x, whole.0.state().range(net.layer_hidden(depth)));
            }
        }
    }
}

#[test]
fn a_clone_is_the_same_net() {
    let net = &nets()[0];
    let (clone, weights) = (net.clone(), vec![0.1; net.weights_len()]);
    let [a, b] = [net, &clone].map(|net| {
        let (mut rollout, mut trace) = (net.rollout(1), net.trace(1));
        let x = Input::Dense(Lanes::new(&[0.1, 0.2, 0.3], 1));
        net.forward(&weights, x, &[true], &mut rollout, &mut trace);
        rollout.state().values().to_vec()
    });
    assert_eq!(a, b);
    let shown = format!("{clone:?}");
    assert!(shown.contains("inputs: Dense(3)") && shown.contains("(0..10, 0..20, "), "{shown}");
}

/// ∂L/∂x for L = ½ ‖c + h‖² against central differences, each input of each lane by itself.
#[test]
fn the_gradient_by_the_inputs_is_the_finite_difference() {
    for net in nets() {
        let weights: Vec<f64> = init::uniform(&net, &mut Xoshiro256PlusPlus::seed_from_u64(1));
        let before = numbers(net.states() * LANES, 3);
        let step = |x: &[f64]| {
            let (mut rollout, mut trace) = (net.rollout(LANES), net.trace(LANES));
            rollout.state_mut().values_mut().copy_from_slice(&before);
            let input = Input::Dense(Lanes::new(x, LANES));
            net.forward(&weights, input, &[false, true], &mut rollout, &mut trace);
            (rollout, trace)
        };
        let loss = |x: &[f64]| {
            step(x).0.state().range(net.hidden()).iter().map(|h| 0.5 * (0.3 + h).powi(2)).sum::<f64>()
        };
        let x = numbers(INPUTS * LANES, 8);
        let (rollout, trace) = step(&x);
        for pulled in [false, true] {
            let mut adjoint = vec![0.0; net.states() * LANES];
            let hidden = net.hidden().start * LANES..net.hidden().end * LANES;
            let shown = rollout.state().range(net.hidden());
            adjoint[hidden].iter_mut().zip(shown).for_each(|(a, h)| *a = 0.3 + h);
            let mut backward = net.backward(LANES);
            if pulled {
                net.pull_back(&weights, &trace, &mut adjoint, &mut backward);
            } else {
                net.descend(&weights, &trace, &mut adjoint, &mut backward);
            }
            // What stood there before does not count.
            let mut gradient = vec![9.0; INPUTS * LANES];
            net.input_gradient(&weights, &mut backward, &mut LanesMut::new(&mut gradient, LANES));
            for i in 0..x.len() {
                let moved = |by: f64| {
                    let mut x = x.clone();
                    x[i] += by;
                    loss(&x)
                };
                let expected = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                assert!((gradient[i] - expected).abs() < 1e-8, "{i}: {} and {expected}", gradient[i]);
                assert!(expected != 0.0);
            }
        }
    }
}
