//! A target that is a class.

use rtrl_cells::{CellConfig, Input, Size};
use rtrl_sparse::Lanes;
use rtrl_stream::{ClassReport, Columns, Forecaster, ForecasterConfig, KeyedForecaster, Report, Share};
use rtrl_tasks::Signal;
use rtrl_train::{Learner, RlsConfig, Targets};

use super::{bytes, noise};

const CLASSES: usize = 3;

fn config(horizon: usize) -> ForecasterConfig {
    let mut config =
        ForecasterConfig { layers: vec![CellConfig::Lstm(Size::dense(6))], ..Default::default() };
    config.stream.horizons = vec![horizon];
    config
}

/// The class alone, which is read and predicted.
fn columns() -> Columns {
    Columns::new(vec!["state".into()], vec![0], vec![0]).unwrap().with_classes(CLASSES).unwrap()
}

fn forecaster(config: &ForecasterConfig) -> Forecaster {
    Forecaster::new(config, &columns()).unwrap()
}

/// A class that is mostly the one after that of the row before.
fn chain(rows: u32) -> Vec<usize> {
    let mut class = 0;
    (0..rows)
        .map(|t| {
            class = (class + if noise(t) < 0.6 { 1 } else { 2 }) % CLASSES;
            class
        })
        .collect()
}

fn row(class: usize) -> [Option<f64>; 1] {
    [Some(class as f64)]
}

fn said(report: &Report) -> &ClassReport {
    report.class.as_ref().unwrap()
}

/// All numbers of a report, as bits.
fn bits(report: &Report) -> Vec<u64> {
    let class = said(report);
    let index = |class: Option<usize>| class.map_or(u64::MAX, |class| class as u64);
    let mut all = vec![report.row, index(class.value)];
    for forecast in class.predicted.iter().chain([&class.next]) {
        all.extend(forecast.by.map(index));
        all.push(forecast.probability.to_bits());
    }
    let loss = class.loss.unwrap_or([f64::NAN; 2]);
    let numbers = class.probabilities.iter().chain(&loss).chain(&class.losses).chain(&report.scores[0]);
    all.extend(numbers.map(|x| x.to_bits()));
    all
}

/// The probabilities that a plain learner gives, which is as many rows behind as the horizon asks for, and a new fork of
/// it at each row.
fn expected(config: &ForecasterConfig, series: &[usize]) -> Vec<Vec<f64>> {
    let horizon = config.stream.horizons[0];
    let mut learner = Learner::new(&config.run(), Signal::Values(CLASSES), Signal::Symbols(CLASSES)).unwrap();
    let input = |t: usize| -> Vec<f32> {
        (0..CLASSES).map(|class| if class == series[t] { 1.0 } else { 0.0 }).collect()
    };
    let mut all = Vec::new();
    for (t, &class) in series.iter().enumerate() {
        if t >= horizon {
            learner.learn(Targets::Classes(&[Some(class as u32)])).unwrap();
        }
        let mut last = vec![f32::NAN; CLASSES];
        if let Some(behind) = t.checked_sub(horizon - 1) {
            let read = input(behind);
            last = learner.predict(Input::Dense(Lanes::new(&read, 1)), &[behind == 0]).values().to_vec();
        }
        let mut fork = learner.fork();
        for ahead in (t + 2).saturating_sub(horizon)..=t {
            last = fork.predict(Input::Dense(Lanes::new(&input(ahead), 1)), &[ahead == 0]).values().to_vec();
        }
        all.push(last.iter().map(|&log| f64::from(log).exp()).collect());
    }
    all
}

#[test]
fn probabilities_are_those_of_a_plain_learner_with_the_same_delay() {
    let series = chain(80);
    for horizon in [1, 3] {
        let mut forecaster = forecaster(&config(horizon));
        let expected = expected(&config(horizon), &series);
        // The negative control: a learner whose rows come one later.
        let mut other = 0;
        for (t, &class) in series.iter().enumerate() {
            let found = said(forecaster.step(&row(class)).unwrap()).probabilities.clone();
            // The forecaster divides by the sum of numbers that were rounded to `f32`.
            let close = |expected: &[f64]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
            assert!(close(&expected[t]), "row {t}, {horizon} ahead: {found:?} and {:?}", expected[t]);
            other += usize::from(t > 0 && !close(&expected[t - 1]));
        }
        assert!(other > 70, "{other}");
    }
}

#[test]
fn the_loss_comes_near_the_entropy_and_the_baselines_do_not() {
    // Eight in ten go on by one, the others by two.
    let entropy = -(0.8_f64.log2() * 0.8 + 0.2_f64.log2() * 0.2);
    for share in [None, Some(Share::Weights), Some(Share::Nothing)] {
        let mut config = config(1);
        config.optimizer = rtrl_train::AdamConfig::new(0.01).into();
        let series = chain(3000);
        let report = match share {
            None => {
                let mut forecaster = forecaster(&config);
                series.iter().for_each(|&class| drop(forecaster.step(&row(class)).unwrap().clone()));
                forecaster.report().clone()
            }
            Some(share) => {
                let mut forecaster = KeyedForecaster::new(&config, &columns(), share, None).unwrap();
                for (t, &class) in series.iter().enumerate() {
                    // Another series of the same law, a class behind.
                    forecaster.step("a", &row(class)).unwrap();
                    forecaster.step("b", &row((series[t] + 1) % CLASSES)).unwrap();
                }
                forecaster.report("b").unwrap().clone()
            }
        };
        let [model, frequent] = said(&report).losses;
        let [wrong, last, most, _] = report.scores[0];
        assert!((model - entropy).abs() < 0.1, "{model} bits where {entropy} are possible, {share:?}");
        assert!((frequent - 3_f64.log2()).abs() < 0.05, "{frequent}");
        // The standard deviation of a share of 500 rows is 0.02.
        assert!((wrong - 0.2).abs() < 0.06 && last == 1.0 && most > 0.5, "{:?}", report.scores);
    }
}

#[test]
fn scores_are_means_over_what_was_said() {
    let mut config = config(2);
    (config.stream.season, config.stream.score_rows) = (Some(3), 1000);
    let mut forecaster = forecaster(&config);
    let series = chain(200);
    // Every seventh class is missing.
    let there = |t: usize| (t % 7 != 3).then_some(series[t]);
    let mut reports: Vec<Report> = Vec::new();
    let (mut wrong, mut losses, mut count) = ([0.0; 4], [0.0; 2], [0.0; 4]);
    let mut seen = [0.0; CLASSES];
    let mut before: Vec<[f64; CLASSES]> = Vec::new();
    for t in 0..series.len() {
        let report = forecaster.step(&[there(t).map(|class| class as f64)]).unwrap().clone();
        if let (Some(class), Some(earlier)) = (there(t), t.checked_sub(2)) {
            let then = said(&reports[earlier]);
            let frequent = (before[earlier][class] + 0.5) / (before[earlier].iter().sum::<f64>() + 1.5);
            let loss = [-then.probabilities[class].log2(), -frequent.log2()];
            let found = said(&report).loss.unwrap();
            // The frequencies are running means.
            assert!((0..2).all(|i| (found[i] - loss[i]).abs() < 1e-9), "row {t}: {found:?} {loss:?}");
            (0..2).for_each(|i| losses[i] += loss[i]);
            for (by, named) in then.next.by.iter().enumerate().filter(|(_, named)| named.is_some()) {
                wrong[by] += f64::from(u8::from(*named != Some(class)));
                count[by] += 1.0;
            }
            let season = t.checked_sub(3).and_then(there);
            assert_eq!(then.next.by[3], season, "row {t}");
            assert_eq!(said(&report).predicted, Some(then.next));
        } else {
            assert_eq!(said(&report).loss, None);
        }
        there(t).into_iter().for_each(|class| seen[class] += 1.0);
        before.push(seen);
        let likeliest = |p: &[f64]| (0..CLASSES).fold(0, |best, i| if p[i] > p[best] { i } else { best });
        let next = said(&report).next;
        assert_eq!(next.by[0], Some(likeliest(&said(&report).probabilities)));
        assert_eq!(next.probability, said(&report).probabilities[next.by[0].unwrap()]);
        assert_eq!(next.by[1], (0..=t).rev().find_map(there));
        reports.push(report);
    }
    let report = forecaster.report();
    for by in 0..4 {
        assert!((report.scores[0][by] - wrong[by] / count[by]).abs() < 1e-12, "{by}: {:?}", report.scores);
    }
    for (found, sum) in said(report).losses.iter().zip(losses) {
        assert!((found - sum / count[0]).abs() < 1e-9, "{found}");
    }
    assert_eq!(forecaster.counts().missing, (0..200).filter(|&t| there(t).is_none()).count() as u64);
}

#[test]
fn nothing_that_is_said_of_a_class_depends_on_a_later_row() {
    let columns = Columns::new(vec!["hint".into(), "state".into()], vec![0, 1], vec![1]).unwrap();
    let columns = columns.with_classes(CLASSES).unwrap();
    let first_changed = |horizon: usize, from: usize, leak: usize| {
        let (series, other) = (chain(60), chain(120));
        let all = |late: bool| -> Vec<Vec<u64>> {
            let class = |t: usize| match t {
                60.. => 0,
                _ if late && t >= from => (series[t] + 1 + other[60 + t] % 2) % CLASSES,
                _ => series[t],
            };
            let mut forecaster = Forecaster::new(&config(horizon), &columns).unwrap();
            let row = |t: usize| [Some(class(t + leak) as f64), Some(class(t) as f64)];
            (0..60).map(|t| bits(forecaster.step(&row(t)).unwrap())).collect()
        };
        let [a, b] = [false, true].map(all);
        (0..60).find(|&t| a[t] != b[t])
    };
    for (horizon, from) in [(1, 1), (1, 30), (4, 2), (4, 31)] {
        assert_eq!(first_changed(horizon, from, 0), Some(from));
    }
    // The negative control.
    assert_eq!(first_changed(1, 30, 4), Some(26));
}

#[test]
fn a_restored_forecaster_of_classes_goes_on_bit_for_bit() {
    let mut config = config(2);
    (config.stream.season, config.stream.anomaly) = (Some(5), true);
    let series = chain(300);
    let mut whole = forecaster(&config);
    let mut saved = Vec::new();
    let mut all = Vec::new();
    for &class in &series {
        saved.push(bytes(&mut whole));
        all.push(bits(whole.step(&row(class)).unwrap()));
    }
    for begin in [0, 1, 2, 150, 290] {
        let mut restored = forecaster(&config);
        rtrl_checkpoint::from_bytes(&saved[begin], |archive| {
            rtrl_checkpoint::Persist::persist(&mut restored, archive)
        })
        .unwrap();
        for t in begin..300 {
            assert_eq!(bits(restored.step(&row(series[t])).unwrap()), all[t], "row {t} from {begin}");
        }
    }
    // Another number of classes is told.
    let four = Columns::new(vec!["state".into()], vec![0], vec![0]).unwrap().with_classes(4).unwrap();
    let mut other = Forecaster::new(&config, &four).unwrap();
    let told = rtrl_checkpoint::from_bytes(&saved[9], |archive| {
        rtrl_checkpoint::Persist::persist(&mut other, archive)
    });
    let told = told.unwrap_err().to_string();
    assert!(told.contains("columns.classes = 3, and now it is 4"), "{told}");
    // A step allocates nothing.
    let info = allocation_counter::measure(|| _ = whole.step(&row(1)).unwrap());
    assert_eq!(info.count_total, 0);
}

#[test]
fn what_is_not_there_for_classes_is_refused() {
    let told = |change: fn(&mut ForecasterConfig)| {
        let mut config = config(1);
        change(&mut config);
        let keyed =
            KeyedForecaster::new(&config, &columns(), Share::Weights, None).err().unwrap().to_string();
        assert_eq!(Forecaster::new(&config, &columns()).err().unwrap().to_string(), keyed);
        keyed
    };
    assert!(told(|config| config.stream.horizons = vec![1, 2]).contains("stream.horizons"));
    assert!(told(|config| config.stream.coverage = Some(0.9)).contains("stream.coverage"));
    assert!(told(|config| config.update.rls = Some(RlsConfig::default())).contains("update.rls"));
    let two = Columns::all(["a", "b"]).unwrap().with_classes(2);
    assert!(two.unwrap_err().to_string().contains("2 targets"));
    assert!(Columns::all(["a"]).unwrap().with_classes(1).is_err());
}

#[test]
#[should_panic(expected = "class 3 of 3")]
fn a_class_that_there_is_not_is_a_broken_contract() {
    drop(forecaster(&config(1)).step(&row(3)).unwrap().clone());
}
