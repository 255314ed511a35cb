//! Random or damaged files are read, or refused with a reason, without a panic and within bounded memory.
//! `cargo xtask fuzz` makes the same checks for longer.

#![allow(missing_docs)]

mod checks;

use std::cell::Cell;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use allocation_counter::measure;
use proptest::prelude::*;
use rtrl_checkpoint::{FORMAT_VERSION, to_bytes};
use rtrl_train::{Model, Outcome, RunConfig, RunOptions, TrainError, Trainer, run};

/// A change of some bytes at one position.
#[derive(Debug, Clone)]
enum Change {
    Byte(u8),
    Bit(u32),
    Number(u64),
    Cut(usize),
    Insert(Vec<u8>),
    Repeat(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let number = prop_oneof![Just(u64::MAX), Just(i64::MAX as u64), Just(1 << 40), Just(1 << 20), 0..300_u64];
    prop_oneof![
        any::<u8>().prop_map(Change::Byte),
        (0..8_u32).prop_map(Change::Bit),
        number.prop_map(Change::Number),
        (1..40_usize).prop_map(Change::Cut),
        prop::collection::vec(any::<u8>(), 1..20).prop_map(Change::Insert),
        (1..40_usize).prop_map(Change::Repeat),
    ]
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, Change)>> {
    prop::collection::vec((any::<prop::sample::Index>(), change()), 1..4)
}

/// `bytes` after all changes. The first `from` bytes do not change.
fn changed(mut bytes: Vec<u8>, from: usize, changes: &[(prop::sample::Index, Change)]) -> Vec<u8> {
    for (place, change) in changes {
        let at = from + place.index(bytes.len() - from + 1);
        let rest = &bytes[at..];
        let (len, replacement) = match change {
            Change::Byte(byte) => (1, vec![*byte]),
            Change::Bit(bit) => (1, rest.first().map(|byte| byte ^ (1 << bit)).into_iter().collect()),
            Change::Number(number) => (8, number.to_le_bytes().to_vec()),
            Change::Cut(len) => (*len, Vec::new()),
            Change::Insert(new) => (0, new.clone()),
            Change::Repeat(len) => (0, rest[..rest.len().min(*len)].to_vec()),
        };
        let end = bytes.len().min(at + len);
        bytes.splice(at..end, replacement);
    }
    bytes
}

/// Most bytes that reading a model may allocate. For each weight the file has eight bytes: the value and its
/// column. A net has the value, and the column in its mask, in its layer and among the sources of its stack. The
/// constant allows for the other parts of small nets.
fn memory(file: &[u8]) -> u64 {
    3 * file.len() as u64 + (1 << 16)
}

/// The text of a configuration with one of its numbers replaced.
fn other_number(text: &str, place: prop::sample::Index, number: &str) -> String {
    let starts: Vec<usize> = text
        .match_indices(|c: char| c.is_ascii_digit())
        .map(|(at, _)| at)
        .filter(|&at| !text[..at].ends_with(|c: char| c.is_ascii_digit() || c == '.' || c == '-'))
        .collect();
    let at = starts[place.index(starts.len())];
    let len = text[at..].find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len() - at);
    format!("{}{number}{}", &text[..at], &text[at + len..])
}

const NUMBERS: [&str; 13] = [
    "0",
    "1",
    "2",
    "11",
    "-1",
    "0.0",
    "0.5",
    "1e300",
    "nan",
    "inf",
    "9223372036854775807",
    "4294967296",
    "18446744073709551615",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_refused(noise in prop::collection::vec(any::<u8>(), 0..600), which in any::<u8>()) {
        checks::model(&noise);
        checks::trainer(&[&[which], &noise[..]].concat());
        checks::config(&noise);
        checks::corpus(&noise);
    }

    #[test]
    fn arbitrary_texts_are_no_configuration(text in "\\PC{0,200}") {
        checks::config(text.as_bytes());
    }

    #[test]
    fn changed_models_are_read_or_refused(index in 0..checks::RUNS.len(), changes in changes()) {
        let file = changed(checks::model_file(index), checks::HEADER, &changes);
        checks::model(&file);
        let file = checks::resealed(&file).unwrap();
        let used = measure(|| drop(Model::from_bytes(&file)));
        prop_assert!(used.bytes_max <= memory(&file), "{} bytes for {}", used.bytes_max, file.len());
    }

    #[test]
    fn changed_checkpoints_go_on_or_are_refused(index in 0..checks::RUNS.len(), changes in changes()) {
        let file = changed(checks::trainer_file(index, 5), checks::HEADER, &changes);
        checks::trainer(&[&[index as u8][..], &file].concat());
    }

    #[test]
    fn changed_configurations_are_understood_or_refused(index in 0..checks::RUNS.len(), changes in changes()) {
        checks::config(&changed(checks::RUNS[index].into(), 0, &changes));
    }

    #[test]
    fn configurations_of_any_numbers_are_understood_or_refused(
        index in 0..checks::RUNS.len(), place in any::<prop::sample::Index>(), number in prop::sample::select(&NUMBERS[..]),
    ) {
        checks::config(other_number(checks::RUNS[index], place, number).as_bytes());
    }

    #[test]
    fn any_text_is_read_in_order(
        text in prop::collection::vec(0..4_u8, 0..400), settings in any::<[u8; 5]>(),
    ) {
        checks::corpus(&[&settings[..], &text].concat());
    }
}

#[test]
fn the_seeds_are_good_files() {
    for index in 0..checks::RUNS.len() {
        assert!(Model::from_bytes(&checks::model_file(index)).is_ok(), "{index}");
        checks::model(&checks::model_file(index));
        checks::trainer(&[&[index as u8][..], &checks::trainer_file(index, 5)].concat());
        checks::config(checks::RUNS[index].as_bytes());
    }
}

#[test]
fn sizes_that_no_machine_has_are_refused() {
    let base = r#"
    task = { kind = "char-lm", crop = 6, corpus_bytes = 900, valid_fraction = 0.1 }
    layers = [{ kind = "gru", units = 4 }, { kind = "lstm", units = 5 }]
    estimator = { kind = "tbptt", horizon = 7 }
    optimizer = { kind = "sgd", learning_rate = 0.01 }
    readout.hidden = 3
    training = { lanes = 2, window = 2, steps = 1000, seed = 1 }
    "#;
    let build =
        |text: &str| RunConfig::from_toml(text, "x").map_err(TrainError::from).and_then(|c| Trainer::new(&c));
    build(base).expect("the sizes are the only thing wrong");
    for (from, key) in [
        ("crop = 6", "crop"),
        ("corpus_bytes = 900", "corpus_bytes"),
        ("units = 4", "units"),
        ("units = 5", "units"),
        ("horizon = 7", "horizon"),
        ("hidden = 3", "hidden"),
        ("lanes = 2", "lanes"),
        ("window = 2", "window"),
    ] {
        for number in [1_u64 << 33, 1 << 45, i64::MAX as u64] {
            let text = base.replace(from, &format!("{key} = {number}"));
            assert_ne!(text, base);
            // A run has no window longer than itself, so `steps` grows with the window.
            let text = if key == "window" {
                text.replace("steps = 1000", &format!("steps = {number}"))
            } else {
                text
            };
            let error =
                build(&text).err().unwrap_or_else(|| panic!("{key} = {number} is refused")).to_string();
            assert!(!error.is_empty() && !error.contains('\n'), "{error}");
        }
    }
    let order = base.replace("kind = \"tbptt\", horizon = 7", "kind = \"ok\", rank = 9223372036854775807");
    assert!(build(&order).is_err());
}

#[test]
fn a_model_takes_no_more_than_three_times_its_file() {
    let large = r#"
    task = { kind = "char-lm", corpus_bytes = 20000 }
    layers = [{ kind = "gru", units = 64, sparsity = 0.75 }, { kind = "lstm", units = 32 }]
    estimator = { kind = "frozen" }
    optimizer = { kind = "sgd", learning_rate = 0.01 }
    training = { lanes = 1, window = 1, steps = 1, seed = 1 }
    "#;
    let mut large = Trainer::new(&RunConfig::from_toml(large, "large").unwrap()).unwrap();
    let large = to_bytes(|archive| archive.part("model", large.model_mut())).unwrap();
    for file in (0..checks::RUNS.len()).map(checks::model_file).chain([large]) {
        let mut model = None;
        let used = measure(|| model = Model::from_bytes(&file).ok());
        assert!(model.is_some());
        assert!(used.bytes_max <= memory(&file), "{} bytes for {}", used.bytes_max, file.len());
    }
}

#[test]
fn other_formats_are_named() {
    for version in [0, 2, u32::MAX] {
        let mut file = checks::model_file(0);
        file[8..12].copy_from_slice(&version.to_le_bytes());
        let error = Model::from_bytes(&file).err().unwrap().to_string();
        assert_eq!(
            error,
            format!("a checkpoint of format {version}; this version reads format {FORMAT_VERSION}")
        );
    }
}

#[test]
fn a_changed_checkpoint_of_a_run_is_an_error_or_goes_on() {
    let config = RunConfig::from_toml(
        r#"
        task = { kind = "copy" }
        layers = [{ kind = "gru", units = 3 }]
        estimator = { kind = "snap", order = 1 }
        optimizer = { kind = "adam", learning_rate = 0.01 }
        divergence = { policy = "roll-back", every = 10 }
        training = { lanes = 2, window = 1, steps = 60, seed = 7, log_every = 10 }
        "#,
        "run",
    )
    .unwrap();
    let root = tempfile::tempdir().unwrap();
    let options = RunOptions { checkpoint_every: Duration::ZERO, ..RunOptions::new(root.path()) };
    let stop = AtomicBool::new(false);
    let stop_at =
        &mut |p: rtrl_train::Progress| stop.store(p.step >= 30, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(run(&config, &options, stop_at, &stop).unwrap(), Outcome::Interrupted);
    let folder = root.path().join(config.folder());
    let (checkpoint, metrics) = (folder.join("checkpoint"), folder.join("metrics.jsonl"));
    let (good, records) = (std::fs::read(&checkpoint).unwrap(), std::fs::read(&metrics).unwrap());
    std::fs::remove_file(rtrl_checkpoint::previous(&checkpoint)).unwrap();
    let (refused, finished) = (Cell::new(0), Cell::new(0));
    proptest!(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() },
        |(changes in changes(), also in proptest::option::of(changes()))| {
            std::fs::remove_dir_all(&folder).unwrap();
            std::fs::create_dir(&folder).unwrap();
            let file = changed(good.clone(), checks::HEADER, &changes);
            std::fs::write(&checkpoint, checks::resealed(&file).unwrap()).unwrap();
            let records = also.map_or(records.clone(), |also| changed(records.clone(), 0, &also));
            std::fs::write(&metrics, records).unwrap();
            match run(&config, &options, &mut |_| {}, &AtomicBool::new(false)) {
                Ok(_) => finished.set(finished.get() + 1),
                Err(error) => {
                    refused.set(refused.get() + 1);
                    let message = error.to_string();
                    assert!(!message.contains('\n'), "{message}");
                }
            }
        }
    );
    assert!(refused.get() > 20 && finished.get() > 20, "{refused:?} were refused, {finished:?} went on");
}
