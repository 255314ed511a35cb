//! Windows that are long enough for spread weights against the same steps in windows of one, which are not.

use std::sync::Arc;

use rtrl_cells::{CellConfig, Inputs, Size, Stack};
use rtrl_estimators::{BpttConfig, EstimatorConfig, ImmediateConfig, RtrlConfig, Schedule, SnapConfig};

use crate::support::{Case, Datum, ROUNDING, assert_equal, deviation, window};

const STEPS: usize = 8;

/// Gradients of three windows: the first two with one net, under other weights each, the third with another net of as many weights.
fn windows(
    case: &Case,
    config: &EstimatorConfig,
    nets: [&Arc<Stack<f64>>; 2],
    data: &[Datum],
) -> Vec<Vec<f64>> {
    let [old, new] = nets;
    let pattern = old.linear().pattern();
    let origin: Vec<_> =
        new.linear().pattern().iter().map(|(r, c)| pattern.find(r, c).map(|w| w as u32)).collect();
    let mut estimator = config.build(old.clone(), case.lanes, case.window).unwrap();
    let mut weights = case.weights(old);
    let mut gradients = Vec::new();
    for (number, data) in data.chunks(STEPS).enumerate() {
        if number == 2 {
            estimator.relay(new.clone(), &origin);
        }
        let mut gradient = vec![0.0; weights.len()];
        for data in data.chunks(case.window) {
            let part = window(case, &mut *estimator, &weights, data);
            gradient.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        gradients.push(gradient);
        weights.iter_mut().for_each(|w| *w = 0.9 - 0.5 * *w);
    }
    gradients
}

#[test]
fn weights_are_spread_anew_in_each_window_and_for_each_net() {
    let snap = |schedule| EstimatorConfig::Snap(SnapConfig { schedule, ..Default::default() });
    let rtrl = |schedule| EstimatorConfig::Rtrl(RtrlConfig { schedule, ..Default::default() });
    let immediate = EstimatorConfig::Immediate(ImmediateConfig {});
    let pairs = [
        (EstimatorConfig::Bptt(BpttConfig {}), rtrl(Schedule::Streaming)),
        (rtrl(Schedule::Adjoint), rtrl(Schedule::Streaming)),
        (snap(Schedule::Adjoint), snap(Schedule::Streaming)),
        (snap(Schedule::Streaming), snap(Schedule::Streaming)),
        (immediate.clone(), immediate),
    ];
    let sparse = Size::sparse(12, 0.5);
    for layers in [
        vec![CellConfig::Gru(sparse)],
        vec![CellConfig::Lstm(Size::dense(3)), CellConfig::GruResetBefore(sparse)],
    ] {
        let of = |window, seed| Case {
            layers: layers.clone(),
            inputs: Inputs::Dense(3),
            lanes: 2,
            steps: 3 * STEPS,
            window,
            seed,
            resets: false,
        };
        let (long, short) = (of(STEPS, 5), of(1, 5));
        let (old, new) = (long.stack::<f64>(), of(STEPS, 6).stack::<f64>());
        assert!(old.spread().is_some() && old.weights_len() == new.weights_len());
        assert_ne!(old.linear().pattern(), new.linear().pattern());
        let mut data = long.data(old.hidden().len());
        // Nothing is carried into a window, so that BPTT is exact.
        data.iter_mut().step_by(STEPS).for_each(|first| first.starts.fill(true));
        for (config, reference) in &pairs {
            let found = windows(&long, config, [&old, &new], &data);
            let expected = windows(&short, reference, [&old, &new], &data);
            for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert_equal(&format!("{config:?}, window {number}"), found, expected, ROUNDING);
            }
            // The windows differ by more than what a spread of the one before would keep.
            assert!(
                deviation(&expected[0], &expected[1]) > 1e-2 && deviation(&expected[1], &expected[2]) > 1e-2
            );
        }
    }
}
