//! Held-out data: validation and test texts, with weights that rest and with weights that go on learning.

#![allow(missing_docs)]

use std::io::Write;
use std::sync::atomic::AtomicBool;

use rtrl_tasks::{Part, TaskConfig};
use rtrl_train::{
    DynamicConfig, Model, Outcome, RunConfig, RunOptions, Trainer, evaluate, evaluate_dynamically, run,
};
use tempfile::NamedTempFile;

fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// A run on the text `train`, with the validation text `held_out`.
fn config(train: &NamedTempFile, held_out: &NamedTempFile, steps: u64) -> RunConfig {
    let path = |file: &NamedTempFile| file.path().display().to_string();
    let text = format!(
        r#"
task = {{ kind = "char-lm", text = '{}', valid = '{}', crop = 8 }}
layers = [{{ kind = "gru", units = 16 }}]
estimator = {{ kind = "snap", order = 1 }}
optimizer = {{ kind = "adam", learning_rate = 0.01 }}
training = {{ lanes = 4, window = 8, steps = {steps}, seed = 3 }}
"#,
        path(train),
        path(held_out)
    );
    RunConfig::from_toml(&text, "test").unwrap()
}

fn dynamic(text: &str) -> DynamicConfig {
    toml::from_str(text).unwrap()
}

const ONLINE: &str =
    "estimator = { kind = 'snap', order = 1 }\noptimizer = { kind = 'sgd', learning_rate = 0.5 }";

fn trained(config: &RunConfig) -> Trainer {
    let mut trainer = Trainer::new(config).unwrap();
    while trainer.steps() < config.steps().unwrap() {
        trainer.train_window().unwrap();
    }
    trainer
}

fn bits(model: &Model, config: &DynamicConfig) -> f64 {
    evaluate_dynamically(model, config, Part::Valid, None, &AtomicBool::new(false)).unwrap().unwrap()
}

fn cycle(word: &[u8], len: usize) -> Vec<u8> {
    word.iter().copied().cycle().take(len).collect()
}

#[test]
fn learning_without_a_rate_is_the_evaluation_of_resting_weights() {
    let (train, held_out) = (file(&cycle(b"abcd", 4000)), file(&cycle(b"abdc", 1001)));
    let trainer = trained(&config(&train, &held_out, 200));
    let resting = evaluate(trainer.model(), Part::Valid, None).unwrap().unwrap();
    // 32 pieces, as many cold starts as in `evaluate`. A rate of 1e-30 changes no bit of a weight of ordinary size.
    let still = dynamic(&format!("lanes = 32\n{}", ONLINE.replace("0.5", "1e-30")));
    let moved = bits(trainer.model(), &still);
    // The losses come from the same `f32` operations on another number of lanes. Their `f64` sums have another
    // order.
    assert!((resting - moved).abs() < 1e-5 * resting, "{resting} {moved}");
    assert_ne!(resting, bits(trainer.model(), &dynamic(&format!("lanes = 32\n{ONLINE}"))));
}

#[test]
fn weights_that_learn_follow_a_text_that_is_not_what_they_know() {
    let (train, held_out) = (file(&cycle(b"abcd", 4000)), file(&cycle(b"dcba", 3001)));
    let trainer = trained(&config(&train, &held_out, 600));
    let weights = trainer.weights().to_vec();
    let resting = evaluate(trainer.model(), Part::Valid, None).unwrap().unwrap();
    let learning = bits(trainer.model(), &dynamic(ONLINE));
    assert!(resting > 2.0, "it should be surprised: {resting}");
    assert!(learning < 0.5 * resting, "{learning} with learning, {resting} without");
    assert_eq!(trainer.weights(), weights, "the model itself has learned");
    assert_eq!(bits(trainer.model(), &dynamic(ONLINE)).to_bits(), learning.to_bits());
}

/// No predictor reaches less than 3 bits per byte on bytes drawn uniformly from eight, unless it has seen the
/// target.
#[test]
fn a_loss_is_taken_before_it_is_learned_from() {
    let mut state = 1_u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b"abcdefgh"[(state >> 61) as usize]
    };
    let text: Vec<u8> = (0..8000).map(|_| draw()).collect();
    let (train, held_out) = (file(&text[..4000]), file(&text[4000..]));
    let trainer = trained(&config(&train, &held_out, 400));
    for rate in ["0.01", "0.5"] {
        let bits = bits(trainer.model(), &dynamic(&ONLINE.replace("0.5", rate)));
        // The standard error of the mean of 4000 code lengths near 3 bits is below 0.02.
        assert!(bits > 2.95, "rate {rate}: {bits}");
    }
}

#[test]
fn a_run_tells_all_four_numbers_and_none_without_the_data() {
    let (train, held_out) = (file(&cycle(b"abcd", 4000)), file(&cycle(b"dcba", 401)));
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(&train, &held_out, 100);
    let summary = |config: &RunConfig| match run(
        config,
        &RunOptions::new(dir.path()),
        &mut |_| (),
        &AtomicBool::new(false),
    ) {
        Ok(Outcome::Finished(summary)) => summary,
        other => panic!("{other:?}"),
    };
    let plain = summary(&config);
    assert!(plain.valid_bits.is_some());
    assert_eq!((plain.test_bits, plain.dynamic_valid_bits, plain.dynamic_test_bits), (None, None, None));

    let Some(TaskConfig::CharLm(task)) = &mut config.task else { unreachable!() };
    task.test = Some(train.path().into());
    config.dynamic = Some(dynamic(ONLINE));
    let all = summary(&config);
    assert_eq!(all.valid_bits, plain.valid_bits);
    let model = Model::load(&dir.path().join(config.folder()).join("model")).unwrap();
    assert_eq!(all.test_bits, evaluate(&model, Part::Test, None).unwrap());
    assert_eq!(all.dynamic_valid_bits, Some(bits(&model, &dynamic(ONLINE))));
    assert!(all.dynamic_test_bits.unwrap() != all.dynamic_valid_bits.unwrap());
    // The training text contains the test text, so the net knows it.
    assert!(all.test_bits.unwrap() < all.valid_bits.unwrap());
}

#[test]
fn an_evaluation_can_be_stopped_and_mistakes_are_refused() {
    let (train, held_out) = (file(&cycle(b"abcd", 4000)), file(&cycle(b"dcba", 401)));
    let config = config(&train, &held_out, 10);
    let trainer = trained(&config);
    let with = |dynamic: &DynamicConfig, stop| {
        evaluate_dynamically(trainer.model(), dynamic, Part::Valid, None, &AtomicBool::new(stop))
    };
    assert_eq!(with(&dynamic(ONLINE), true).unwrap(), None);
    for text in ["lanes = 0", "window = 0"] {
        let dynamic = dynamic(&format!("{text}\n{ONLINE}"));
        assert!(with(&dynamic, false).is_err());
        assert!(RunConfig { dynamic: Some(dynamic), ..config.clone() }.validate().is_err());
    }
}
