//! A readout that learns by recursive least squares.

use rtrl_stream::{Columns, Forecaster, ForecasterConfig, KeyedForecaster, Share};
use rtrl_train::RlsConfig;

use super::{bits, bytes, noise};

fn config(rls: bool, horizons: &[usize]) -> ForecasterConfig {
    let mut config = ForecasterConfig::default();
    config.stream.horizons = horizons.to_vec();
    config.update.rls = rls.then(RlsConfig::default);
    config
}

/// The mean squared error over rows 50 to 300 of a series that follows a linear law of itself and of a noise, in units of
/// what no prediction can know.
fn error(config: &ForecasterConfig, seed: u32) -> f64 {
    let columns = Columns::new(vec!["x".into(), "z".into()], vec![0, 1], vec![0]).unwrap();
    let mut forecaster = Forecaster::new(config, &columns).unwrap();
    let (mut x, mut z) = (0.0, 0.0);
    let (mut sum, mut unknown) = (0.0, 0.0);
    for t in 0..300 {
        let shock = 0.1 * noise(1000 * seed + t);
        (x, z) = (0.8 * z - 0.5 * x + shock, noise(50_000 + 1000 * seed + t));
        let report = forecaster.step(&[Some(x), Some(z)]).unwrap();
        if t >= 50 {
            sum += report.targets[0].error(0).unwrap().powi(2);
            unknown += shock * shock;
        }
    }
    sum / unknown
}

#[test]
fn on_a_linear_law_it_beats_adam_within_the_first_rows() {
    for seed in 0..5 {
        let [by_squares, by_adam] = [true, false].map(|rls| error(&config(rls, &[1]), seed));
        assert!(by_squares < 0.2 * by_adam, "{by_squares} and {by_adam}");
    }
}

#[test]
fn series_that_share_a_net_share_its_least_squares_and_go_on_bit_for_bit() {
    let config = config(true, &[1, 3]);
    let columns = Columns::all(["x"]).unwrap();
    let new = || KeyedForecaster::new(&config, &columns, Share::Weights, None).unwrap();
    let row = |t: u32| [Some(f64::from(t % 3) + (0.3 * f64::from(t)).sin())];
    let key = |t: u32| ["a", "b"][(t % 2) as usize];
    let mut whole = new();
    (0..200).for_each(|t| drop(whole.step(key(t), &row(t)).unwrap().clone()));
    let saved = bytes(&mut whole);
    let mut restored = new();
    rtrl_checkpoint::from_bytes(&saved, |archive| rtrl_checkpoint::Persist::persist(&mut restored, archive))
        .unwrap();
    for t in 200..260 {
        let expected = bits(whole.step(key(t), &row(t)).unwrap());
        assert_eq!(bits(restored.step(key(t), &row(t)).unwrap()), expected, "row {t}");
    }
}
