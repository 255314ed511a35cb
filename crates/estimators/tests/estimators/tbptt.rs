//! Truncated backpropagation through time: what its horizon sees, with and without replay.

#![allow(missing_docs)]

use crate::support::{Case, ROUNDING, assert_equal, deviation, gradient_of, gradients};
use rtrl_cells::{CellConfig, Inputs, Size};
use rtrl_estimators::{EstimatorConfig, EstimatorError, RtrlConfig, TbpttConfig};

fn case(layers: Vec<CellConfig>, inputs: Inputs, lanes: usize, steps: usize) -> Case {
    Case { layers, inputs, lanes, steps, window: 2, seed: 17, resets: false }
}

fn rtrl() -> EstimatorConfig {
    EstimatorConfig::Rtrl(RtrlConfig::default())
}

fn tbptt(horizon: usize, replay: bool) -> EstimatorConfig {
    EstimatorConfig::Tbptt(TbpttConfig { horizon, replay })
}

#[test]
fn tbptt_as_long_as_the_sequence_is_bptt() {
    let sequence = case(
        vec![CellConfig::Gru(Size::dense(3)), CellConfig::Lstm(Size::dense(2))],
        Inputs::Symbols(3),
        2,
        8,
    );
    let sequence = Case { resets: true, ..sequence };
    let exact = gradient_of(&sequence, &rtrl());
    for window in [1, 3, 8] {
        let case = Case { window, ..sequence.clone() };
        for replay in [false, true] {
            let found = gradient_of(&case, &tbptt(8, replay));
            assert_equal(&format!("window {window}, replay {replay}"), &found, &exact, ROUNDING);
        }
    }
    let chunks = Case { window: 3, ..sequence.clone() };
    let chunked = gradient_of(&chunks, &EstimatorConfig::Bptt(Default::default()));
    assert_equal("chunked", &gradient_of(&chunks, &tbptt(3, false)), &chunked, ROUNDING);
    let longer = deviation(&gradient_of(&chunks, &tbptt(5, false)), &chunked);
    assert!(longer > 1e-4, "a longer horizon sees more: {longer:e}");
}

#[test]
fn every_loss_goes_back_exactly_its_horizon() {
    // TBPTT with a window of 1 and a horizon of k: each loss goes back by a BPTT of its own through the last k
    // steps, from the state of that time.
    let whole = case(vec![CellConfig::Gru(Size::dense(3))], Inputs::Dense(2), 1, 6);
    let stack = whole.stack::<f64>();
    let (data, weights) = (whole.data(3), whole.weights(&stack));
    let (k, window) = (3, 1);
    let mut expected = vec![0.0; weights.len()];
    for end in 0..data.len() {
        // BPTT with a loss at `end` alone, in a window that begins k - 1 steps before `end`.
        let mut bptt = EstimatorConfig::Bptt(Default::default()).build(stack.clone(), 1, k).unwrap();
        let mut gradient = vec![0.0; weights.len()];
        for (t, datum) in data[..=end].iter().enumerate() {
            if t + k == end + 1 {
                gradient.fill(0.0);
                bptt.finish_window(&weights, &mut vec![0.0; weights.len()]);
            } else if t + k <= end {
                bptt.finish_window(&weights, &mut vec![0.0; weights.len()]);
            }
            bptt.step(&weights, whole.input(datum), &datum.starts);
            let h = bptt.hidden();
            let delta: Vec<f64> =
                h.values().iter().zip(&datum.c).map(|(h, c)| if t == end { h + c } else { 0.0 }).collect();
            bptt.observe(&weights, rtrl_sparse::Lanes::new(&delta, 1), &mut gradient);
        }
        bptt.finish_window(&weights, &mut gradient);
        expected.iter_mut().zip(gradient).for_each(|(e, g)| *e += g);
    }
    for replay in [false, true] {
        let found = gradient_of(&Case { window, ..whole.clone() }, &tbptt(k, replay));
        assert_equal("rolling", &found, &expected, ROUNDING);
    }
}

#[test]
fn replay_follows_the_current_weights() {
    // If weights change, replayed traces are those of the current weights, and kept traces are not.
    let case = Case { window: 1, ..case(vec![CellConfig::Gru(Size::dense(3))], Inputs::Dense(2), 1, 6) };
    let stack = case.stack::<f64>();
    let data = case.data(3);
    let run = |replay| {
        let mut weights = case.weights(&stack);
        let mut estimator = tbptt(4, replay).build(stack.clone(), 1, 1).unwrap();
        gradients(&case, &mut *estimator, &mut weights, &data, |w, g| {
            w.iter_mut().zip(g).for_each(|(w, g)| *w -= 0.2 * g);
        })
    };
    assert!(deviation(&run(true), &run(false)) > 1e-3);
}

#[test]
fn a_horizon_shorter_than_the_window_is_refused() {
    let case = case(vec![CellConfig::Gru(Size::dense(2))], Inputs::Dense(2), 1, 1);
    let error = tbptt(2, false).build(case.stack::<f64>(), 1, 3).err();
    assert_eq!(error, Some(EstimatorError::Horizon { horizon: 2, window: 3 }));
}
