//! Intervals cover what they say, and what is unusual is found.

use std::path::Path;

use rtrl_cells::{CellConfig, Size};
use rtrl_stream::{Columns, Forecaster, ForecasterConfig};

use super::{bits, bytes, noise, row};

fn config(horizons: &[usize]) -> ForecasterConfig {
    let mut config =
        ForecasterConfig { layers: vec![CellConfig::Lstm(Size::dense(6))], ..Default::default() };
    config.stream.horizons = horizons.to_vec();
    config.stream.coverage = Some(0.9);
    config.stream.anomaly = true;
    config
}

/// What was said about each row of a series with one column: the share of intervals that held the value, for each horizon,
/// from row `from` on; anomaly scores; and the rows with a drift.
fn said(horizons: &[usize], series: &[f64], from: usize) -> (Vec<f64>, Vec<f64>, Vec<usize>) {
    let mut forecaster = Forecaster::new(&config(horizons), &Columns::all(["x"]).unwrap()).unwrap();
    let mut intervals: Vec<Vec<Option<[f64; 2]>>> = Vec::new();
    let (mut covered, mut scores, mut drifts) = (vec![(0, 0); horizons.len()], Vec::new(), Vec::new());
    for (t, &x) in series.iter().enumerate() {
        let report = forecaster.step(&[Some(x)]).unwrap();
        for ((inside, all), &horizon) in covered.iter_mut().zip(horizons).filter(|_| t >= from) {
            let at = horizons.iter().position(|h| *h == horizon).unwrap();
            if let Some([lower, upper]) = intervals[t - horizon][at] {
                *inside += u32::from(lower <= x && x <= upper);
                *all += 1;
            }
        }
        intervals.push(report.targets[0].forecasts.iter().map(|forecast| forecast.interval).collect());
        scores.push(report.anomaly.unwrap_or(0.0));
        drifts.extend(report.drift.then_some(t));
    }
    (covered.iter().map(|&(inside, all)| f64::from(inside) / f64::from(all.max(1))).collect(), scores, drifts)
}

/// Normal numbers, by the sum of twelve uniform ones.
fn normal(i: usize) -> f64 {
    (0..12).map(|k| 0.5 * noise(12 * i as u32 + k)).sum()
}

#[test]
fn intervals_cover_what_they_say() {
    let stationary = |t: usize| normal(t) + 0.5 * normal(t + 1);
    let seasonal = |t: usize| 10.0 * (t as f64 * 0.26).sin() + normal(t) * (1.2 + (t as f64 * 0.26).cos());
    let heavy = |t: usize| noise(t as u32).signum() * (1.0 - noise(t as u32).abs()).powf(-0.6);
    let mut walk = 0.0;
    let walk = |t: usize| {
        walk += normal(t);
        walk
    };
    let series: [(&str, Vec<f64>); 4] = [
        ("stationary", (0..3000).map(stationary).collect()),
        ("seasonal", (0..3000).map(seasonal).collect()),
        ("heavy tails", (0..3000).map(heavy).collect()),
        ("random walk", (0..3000).map(walk).collect()),
    ];
    for (name, series) in series {
        for (share, horizon) in said(&[1, 5], &series, 500).0.into_iter().zip([1, 5]) {
            assert!((0.85..=0.95).contains(&share), "{name}, {horizon} ahead: {share}");
        }
    }
}

/// The generated series of the comparison with others (`rtrl-reproduce`, `external`).
fn chaotic() -> [(&'static str, Vec<f64>); 3] {
    const ROWS: usize = 5000;
    let (mut x, mut y) = (0.1, 0.0);
    let henon = (0..ROWS).map(|_| {
        (x, y) = (1.0 - 1.4 * x * x + y, 0.3 * x);
        x
    });
    let mut mackey_glass: Vec<f64> = (0..18).map(|i| 1.2 + 0.1 * noise(i)).collect();
    for t in 17..ROWS {
        let (now, past) = (mackey_glass[t], mackey_glass[t - 17]);
        mackey_glass.push(now + 0.2 * past / (1.0 + past.powi(10)) - 0.1 * now);
    }
    let mut at = [1.0, 1.1, 0.9];
    let lorenz = (0..2 * ROWS).map(|_| {
        let [x, y, z] = at;
        let change = [10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z];
        at = std::array::from_fn(|i| at[i] + 0.01 * change[i]);
        at[0]
    });
    [("Hénon", henon.collect()), ("Mackey-Glass", mackey_glass), ("Lorenz", lorenz.step_by(2).collect())]
}

#[test]
fn intervals_cover_what_they_say_on_chaotic_series() {
    for (name, series) in chaotic() {
        for (share, horizon) in said(&[1, 5], &series, 500).0.into_iter().zip([1, 5]) {
            assert!((0.85..=0.95).contains(&share), "{name}, {horizon} ahead: {share}");
        }
    }
}

/// Respiratory motion, nine coordinates at once: of each sequence the share over all of them.
#[test]
fn intervals_cover_what_they_say_on_real_series() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/tables/respiratory");
    let (horizons, from) = ([1, 3], 150);
    for sequence in 1..=9 {
        let path = folder.join(format!("sequence_{sequence}_3.33hz.csv"));
        let text = std::fs::read_to_string(&path).unwrap();
        let columns = Columns::all(text.lines().next().unwrap().split(',')).unwrap();
        let mut forecaster = Forecaster::new(&config(&horizons), &columns).unwrap();
        let mut intervals: Vec<Vec<Option<[f64; 2]>>> = Vec::new();
        let mut covered = [(0, 0); 2];
        for (t, line) in text.lines().skip(1).enumerate() {
            let row: Vec<Option<f64>> = line.split(',').map(|x| x.parse().ok()).collect();
            for (at, &horizon) in horizons.iter().enumerate().filter(|_| t >= from) {
                for (x, ends) in row.iter().zip(intervals[t - horizon].iter().skip(at).step_by(2)) {
                    let (Some(x), Some([lower, upper])) = (x, ends) else { continue };
                    covered[at].0 += u32::from(lower <= x && x <= upper);
                    covered[at].1 += 1;
                }
            }
            let report = forecaster.step(&row).unwrap();
            let forecasts = report.targets.iter().flat_map(|target| &target.forecasts);
            intervals.push(forecasts.map(|forecast| forecast.interval).collect());
        }
        for ((inside, all), horizon) in covered.into_iter().zip(horizons) {
            let share = f64::from(inside) / f64::from(all);
            assert!(all > 800 && (0.85..=0.95).contains(&share), "{sequence}, {horizon} ahead: {share}");
        }
    }
}

#[test]
fn a_spike_and_a_shift_are_found() {
    let series = |t: usize| {
        let spike = if t == 2000 { 8.0 } else { 0.0 };
        let shift = if t >= 2700 { 8.0 } else { 0.0 };
        3.0 * (0.3 * t as f64).sin() + 0.5 * normal(t) + spike + shift
    };
    for horizons in [&[1][..], &[4]] {
        let (_, scores, _) = said(horizons, &(0..3500).map(series).collect::<Vec<_>>(), 500);
        let mut ranked = scores[500..].to_vec();
        ranked.sort_by(|a, b| b.total_cmp(a));
        for at in [2000, 2700] {
            let best = scores[at..at + 20].iter().copied().fold(0.0, f64::max);
            let rank = ranked.iter().filter(|score| **score > best).count();
            assert!(rank < 5, "row {at} has rank {rank} with {horizons:?}: {best}");
        }
    }
}

#[test]
fn errors_that_have_become_greater_for_good_are_a_drift() {
    for horizons in [&[1][..], &[4]] {
        let series = |t: usize| 3.0 * (0.3 * t as f64).sin() + if t >= 2500 { 1.5 } else { 0.5 } * normal(t);
        let (_, _, drifts) = said(horizons, &(0..3000).map(series).collect::<Vec<_>>(), 500);
        // The net and the scales settle in the first rows.
        let drifts: Vec<usize> = drifts.into_iter().filter(|&row| row >= 500).collect();
        assert!(drifts.first().is_some_and(|row| (2500..2600).contains(row)), "{drifts:?} with {horizons:?}");
    }
}

#[test]
fn a_restored_forecaster_goes_on_with_its_intervals_and_scores() {
    let config = config(&[1, 4]);
    let new = || Forecaster::new(&config, &Columns::all(["a", "b"]).unwrap()).unwrap();
    let mut whole = new();
    let all = |forecaster: &Forecaster| {
        let report = forecaster.report();
        let ends = report.targets.iter().flat_map(|target| &target.forecasts);
        let ends: Vec<_> =
            ends.map(|forecast| forecast.interval.map(|ends| ends.map(f64::to_bits))).collect();
        (bits(report), ends, report.anomaly.map(f64::to_bits), report.drift)
    };
    (0..600).for_each(|t| drop(whole.step(&row(t)).unwrap().clone()));
    let saved = bytes(&mut whole);
    let mut restored = new();
    rtrl_checkpoint::from_bytes(&saved, |archive| rtrl_checkpoint::Persist::persist(&mut restored, archive))
        .unwrap();
    for t in 600..700 {
        whole.step(&row(t)).unwrap();
        restored.step(&row(t)).unwrap();
        assert_eq!(all(&whole), all(&restored), "row {t}");
        assert!(all(&whole).1.iter().all(Option::is_some));
    }
}

#[test]
fn the_coverage_may_change_when_a_forecaster_goes_on() {
    let series: Vec<f64> = (0..4000).map(|t| normal(t) + 0.5 * normal(t + 1)).collect();
    let with = |coverage: Option<f64>| {
        let mut config = config(&[1]);
        config.stream.coverage = coverage;
        Forecaster::new(&config, &Columns::all(["x"]).unwrap()).unwrap()
    };
    let mut first = with(Some(0.9));
    series[..1000].iter().for_each(|&x| drop(first.step(&[Some(x)]).unwrap().clone()));
    let saved = bytes(&mut first);
    let restored = |coverage: Option<f64>| {
        let mut forecaster = with(coverage);
        let read = rtrl_checkpoint::from_bytes(&saved, |archive| {
            rtrl_checkpoint::Persist::persist(&mut forecaster, archive)
        });
        read.map(|()| forecaster)
    };
    // From the first row on, and over all rows.
    for (coverage, rows) in [(0.5, 300), (0.5, 3000), (0.98, 3000)] {
        let mut forecaster = restored(Some(coverage)).unwrap();
        let (mut inside, mut interval) = (0, None::<[f64; 2]>);
        for &x in &series[1000..1000 + rows] {
            let report = forecaster.step(&[Some(x)]).unwrap();
            if let Some([lower, upper]) = interval {
                inside += i32::from(lower <= x && x <= upper);
            }
            interval = report.targets[0].forecasts[0].interval;
        }
        let share = f64::from(inside) / (rows - 1) as f64;
        // Three standard deviations of the share of 300 rows, and less for more.
        assert!((share - coverage).abs() < 1.5 / (rows as f64).sqrt(), "{coverage}: {share} of {rows}");
    }
    assert!(restored(None).is_err_and(|error| error.to_string().contains("coverage = 0.9")));
}

#[test]
fn of_several_optimizers_the_best_goes_on_and_a_checkpoint_remembers_which() {
    let mut config = config(&[1, 3]);
    config.stream.trial_rows = Some(60);
    // One that learns nothing.
    config.optimizer = rtrl_train::SgdConfig::new(1e-9).into();
    let new = || Forecaster::new(&config, &Columns::all(["a", "b"]).unwrap()).unwrap();
    let mut whole = new();
    let mut saved = Vec::new();
    let mut said = Vec::new();
    for t in 0..120 {
        saved.push(bytes(&mut whole));
        said.push(bits(whole.step(&row(t)).unwrap()));
        // The rows up to the greatest horizon are not learned.
        assert_eq!(whole.trial().1.is_some(), t >= 62, "row {t}");
    }
    let (tried, chosen) = whole.trial();
    assert!(tried.len() == 4 && chosen.is_some_and(|chosen| chosen > 0), "{:?}", whole.trial());
    for begin in [1, 30, 63, 100] {
        let mut restored = new();
        rtrl_checkpoint::from_bytes(&saved[begin], |archive| {
            rtrl_checkpoint::Persist::persist(&mut restored, archive)
        })
        .unwrap();
        for (t, said) in said.iter().enumerate().skip(begin) {
            assert_eq!(bits(restored.step(&row(t as u32)).unwrap()), *said, "row {t} from {begin}");
        }
        assert_eq!(restored.trial().1, whole.trial().1);
    }
}

#[test]
fn after_a_trial_a_net_goes_on_as_if_it_had_learned_alone() {
    let full = |t: u32| [Some(20.0 + (0.7 * f64::from(t)).sin()), Some(noise(t / 3))];
    let mut config = config(&[1, 3]);
    let new =
        |config: &ForecasterConfig| Forecaster::new(config, &Columns::all(["a", "b"]).unwrap()).unwrap();
    config.stream.trial_rows = Some(60);
    let mut tried = new(&config);
    (0..120).for_each(|t| drop(tried.step(&full(t)).unwrap().clone()));
    let (all, chosen) = tried.trial();
    (config.stream.trial_rows, config.optimizer) = (None, all[chosen.unwrap()].clone());
    let mut alone = new(&config);
    (0..120).for_each(|t| drop(alone.step(&full(t)).unwrap().clone()));
    let next = |forecaster: &Forecaster| {
        let forecasts = forecaster.report().targets.iter().flat_map(|target| &target.forecasts);
        forecasts.map(|forecast| forecast.next[0].to_bits()).collect::<Vec<_>>()
    };
    assert_eq!(next(&alone), next(&tried));
}
