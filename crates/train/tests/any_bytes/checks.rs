//! Checks that must hold for any bytes, whether they come from proptest (`main.rs`) or libFuzzer (`xtask/fuzz`). A
//! check that fails panics.

use rtrl_checkpoint::{FORMAT_VERSION, Persist, from_bytes, to_bytes};
use rtrl_tasks::{CharLm, CharLmEvaluation, CharLmStream, Corpus, Step, Task};
use rtrl_train::{Model, RunConfig, Trainer};
use sha2::{Digest, Sha256};

/// Bytes before the payload of a checkpoint.
pub const HEADER: usize = 52;

/// Runs whose checkpoints together hold every kind of cell, estimator, optimizer, task and policy.
pub const RUNS: &[&str] = &[
    r#"
    task = { kind = "copy" }
    layers = [{ kind = "gru", units = 4, sparsity = 0.5 }]
    estimator = { kind = "snap", order = 2 }
    optimizer = { kind = "adam", learning_rate = 0.01 }
    update.schedule = { kind = "cosine", warm_up = 3 }
    rewiring = { kind = "rigl", share = 0.3, end = 900, every = 4 }
    readout.hidden = 3
    divergence = { policy = "skip-lane" }
    training = { lanes = 2, window = 1, steps = 1000, seed = 7 }
    [compare]
    passive = [
        { label = "UORO", estimator = { kind = "uoro" } },
        { label = "OK", estimator = { kind = "ok", rank = 2 } },
        { label = "KF-RTRL", estimator = { kind = "kf-rtrl" } },
        { label = "paths", estimator = { kind = "random-paths", paths = 2 } },
        { label = "e-prop", estimator = { kind = "eprop" } },
    ]
    "#,
    r#"
    task = { kind = "char-lm", crop = 6, corpus_bytes = 900, valid_fraction = 0.1 }
    layers = [
        { kind = "embedding", units = 2 },
        { kind = "lstm", units = 3, sparsity = 0.3 },
        { kind = "gru-reset-before", units = 3, sparsity = 0.2, input_sparsity = 0.2 },
    ]
    estimator = { kind = "tbptt", horizon = 5, replay = true }
    optimizer = { kind = "momentum", learning_rate = 0.01 }
    rewiring = { kind = "set", share = 0.2, end = 900, every = 6, matrices = "all" }
    training = { lanes = 3, window = 2, steps = 1000, seed = 1, evaluate_bytes = 50 }
    "#,
    r#"
    task = { kind = "char-lm", mode = "stream", corpus_bytes = 400, valid_fraction = 0.2 }
    layers = [{ kind = "vanilla", units = 3 }]
    estimator = { kind = "bptt" }
    optimizer = { kind = "sgd", learning_rate = 0.01 }
    training = { lanes = 2, window = 3, steps = 1000, seed = 1, evaluate_bytes = 50 }
    "#,
    r#"
    task = { kind = "copy", layout = "delimiter", averaging = "copied-bits" }
    layers = [{ kind = "quasi-lstm", units = 3 }]
    estimator = { kind = "rflo", leak = 0.5 }
    optimizer = { kind = "adamw", learning_rate = 0.01 }
    training = { lanes = 1, window = 4, steps = 1000, seed = 1 }
    "#,
    r#"
    task = { kind = "adding", length = 6, spread = 3 }
    layers = [{ kind = "vanilla-relu", units = 3 }]
    estimator = { kind = "rtrl" }
    optimizer = { kind = "rms-prop", learning_rate = 0.01 }
    training = { lanes = 2, window = 2, steps = 1000, seed = 1 }
    "#,
    r#"
    task = { kind = "recall", delay = 3, spread = 2 }
    layers = [{ kind = "lstm", units = 3 }]
    estimator = { kind = "uoro" }
    optimizer = { kind = "sgd", learning_rate = 0.01 }
    training = { lanes = 2, window = 1, steps = 1000, seed = 1 }
    "#,
    r#"
    task = { kind = "counting", language = "dyck-2", pairs = 4, spread = 2 }
    layers = [{ kind = "gru", units = 3 }]
    estimator = { kind = "kf-rtrl" }
    optimizer = { kind = "sgd", learning_rate = 0.01 }
    training = { lanes = 2, window = 1, steps = 1000, seed = 1 }
    "#,
    r#"
    task = { kind = "char-lm", crop = 6, corpus_bytes = 400, valid_fraction = 0.2 }
    layers = [{ kind = "gru", units = 3, distribution = "erk", sparsity = 0.2 }]
    estimator = { kind = "snap", order = 1, scope = "layer", schedule = "adjoint", truncate = true }
    optimizer = { kind = "adam", learning_rate = 0.01, beta1 = 0.8 }
    update.clip = 5.0
    update.schedule = { kind = "warm-up", updates = 4 }
    update.groups = [{ name = "readout", rate = 0.5, clip = 1.0 }, { name = "recurrent", weight_decay = 0.1 }]
    rewiring = { kind = "magnitude", sparsity = 0.7, begin = 2, end = 900, every = 3, matrices = "all" }
    divergence = { policy = "roll-back", every = 5, factor = 0.5, attempts = 2 }
    training = { lanes = 2, window = 2, steps = 1000, seed = 1, log_every = 5, evaluate_every = 9, evaluate_bytes = 50 }
    [compare]
    reference = { kind = "rtrl" }
    passive = [{ label = "n", estimator = { kind = "snap", order = 2 } }]
    [dynamic]
    estimator = { kind = "snap", order = 1 }
    optimizer = { kind = "sgd", learning_rate = 0.01 }
    lanes = 2
    window = 3
    "#,
    r#"
    task = { kind = "chaos", system = "mackey-glass", dt = 3.0 }
    layers = [{ kind = "gru", units = 3 }]
    estimator = { kind = "frozen" }
    optimizer = { kind = "sgd", learning_rate = 0.01 }
    training = { lanes = 1, window = 1, steps = 1000, seed = 1 }
    "#,
];

/// A run of [`RUNS`].
pub fn run_config(index: usize) -> RunConfig {
    RunConfig::from_toml(RUNS[index % RUNS.len()], "run").expect("a run of the list")
}

/// A trainer of the run after some windows.
pub fn trained(index: usize, windows: usize) -> Trainer {
    let mut trainer = Trainer::new(&run_config(index)).expect("a run of the list");
    for _ in 0..windows {
        trainer.train_window().expect("a run of the list does not diverge");
    }
    trainer
}

/// The model of [`trained`], as the bytes of its file.
pub fn model_file(index: usize) -> Vec<u8> {
    let mut trainer = trained(index, 3);
    to_bytes(|archive| archive.part("model", trainer.model_mut())).expect("memory takes everything")
}

/// The checkpoint of [`trained`], as the bytes of its file.
pub fn trainer_file(index: usize, windows: usize) -> Vec<u8> {
    to_bytes(|archive| trained(index, windows).persist(archive)).expect("memory takes everything")
}

/// A valid header for a checkpoint with this payload.
pub fn header(payload: &[u8]) -> Vec<u8> {
    let (version, len) = (FORMAT_VERSION.to_le_bytes(), (payload.len() as u64).to_le_bytes());
    let hash = Sha256::new().chain_update(payload).chain_update(version).chain_update(len);
    [&b"RTRLCKPT"[..], &version, &len, &hash.finalize()].concat()
}

/// The same file with a header that fits its payload; `None` if the file is too short for a header.
pub fn resealed(file: &[u8]) -> Option<Vec<u8>> {
    let payload = file.get(HEADER..)?;
    Some([&header(payload), payload].concat())
}

/// A model is read or refused, as it is and with a valid header. A model that was read can be written and read
/// again.
pub fn model(file: &[u8]) {
    let _ = Model::from_bytes(file);
    let Some(file) = resealed(file) else { return };
    if let Ok(mut model) = Model::from_bytes(&file) {
        let again = to_bytes(|archive| archive.part("model", &mut model)).expect("memory takes everything");
        assert!(Model::from_bytes(&again).is_ok(), "what was written can be read");
    }
}

/// The first byte chooses a run, the rest is a checkpoint. The checkpoint is restored or refused. A restored run
/// can make windows, or reports that it diverged.
pub fn trainer(input: &[u8]) {
    let Some((&index, file)) = input.split_first() else { return };
    let config = run_config(index.into());
    let mut trainer = Trainer::new(&config).expect("a run of the list");
    let _ = from_bytes(file, |archive| trainer.persist(archive));
    let Some(file) = resealed(file) else { return };
    let mut trainer = Trainer::new(&config).expect("a run of the list");
    if from_bytes(&file, |archive| trainer.persist(archive)).is_err() {
        return;
    }
    // `saved` is compared, not the file, which may describe its configuration in other words.
    let saved = to_bytes(|archive| trainer.persist(archive)).expect("memory takes everything");
    let mut again = Trainer::new(&config).expect("a run of the list");
    from_bytes(&saved, |archive| again.persist(archive)).expect("what was saved can be restored");
    let saved_again = to_bytes(|archive| again.persist(archive)).expect("memory takes everything");
    assert!(saved == saved_again, "restored is what was saved");
    for _ in 0..8 {
        if trainer.train_window().is_err() {
            return;
        }
    }
    let _ = trainer.evaluate();
    trainer.take_alignment();
}

/// A configuration is read, or refused with a reason. One that was read means the same after it is written and read
/// again. If its sizes are small, it is built and trained for a few windows, or refused with a reason.
pub fn config(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let config = match RunConfig::from_toml(text, "any.toml") {
        Ok(config) => config,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    if let Ok(written) = config.to_toml() {
        let again = RunConfig::from_toml(&written, "written.toml").expect("what was written can be read");
        assert_eq!(again.hash(), config.hash(), "and means the same");
    }
    let json = serde_json::to_value(&config).expect("plain data");
    if !is_small(&json) {
        return;
    }
    let Ok(mut trainer) = Trainer::new(&config) else { return };
    for _ in 0..3 {
        if trainer.train_window().is_err() {
            return;
        }
    }
    let _ = trainer.evaluate();
}

/// Fields that only make a run slow when they are large.
const SIZES: &[&str] = &[
    "corpus_bytes",
    "crop",
    "delay",
    "distractors",
    "evaluate_bytes",
    "hidden",
    "horizon",
    "lanes",
    "length",
    "level",
    "order",
    "pairs",
    "paths",
    "rank",
    "symbols",
    "units",
    "window",
];

/// Whether the run is fast enough for a test and reads nothing from the disk.
fn is_small(json: &serde_json::Value) -> bool {
    use serde_json::Value;
    match json {
        Value::Object(fields) => fields.iter().all(|(key, value)| match value {
            Value::Number(n) if SIZES.contains(&key.as_str()) => {
                n.as_u64().is_some_and(|n| n <= if key == "corpus_bytes" { 2000 } else { 12 })
            }
            Value::String(_) => key != "text" && key != "valid",
            other => is_small(other),
        }),
        Value::Array(items) => items.len() <= 4 && items.iter().all(is_small),
        _ => true,
    }
}

/// Five bytes of settings, then a text. However it is read, each target is the byte that follows the input in the
/// text.
pub fn corpus(input: &[u8]) {
    let Some((&[lanes, crop, seed, most, cut], text)) = input.split_first_chunk() else { return };
    let lanes = usize::from(lanes % 9);
    let Ok(whole) = Corpus::from_bytes(text.to_vec()) else {
        assert!(text.is_empty());
        return;
    };
    let Ok((head, tail)) = whole.split(cut.into()) else {
        assert!(usize::from(cut) > text.len());
        return;
    };
    assert_eq!(head.len() + tail.len(), whole.len());
    let mut bytes = vec![0; tail.len() as usize];
    tail.read_exact_at(0, &mut bytes).expect("in range");
    assert_eq!(bytes, &text[usize::from(cut)..]);
    let mut pairs = std::collections::HashSet::new();
    pairs.extend(bytes.windows(2).map(|pair| (u32::from(pair[0]), u32::from(pair[1]))));
    if let Ok(mut crops) = CharLm::new(tail.clone(), crop.into(), lanes, seed.into()) {
        predicts_what_follows(&mut crops, lanes, 2 * usize::from(crop), &pairs);
    }
    if let Ok(mut stream) = CharLmStream::new(tail.clone(), lanes) {
        predicts_what_follows(&mut stream, lanes, bytes.len() + 3, &pairs);
    }
    let most = (most > 0).then_some(u64::from(most));
    if let Ok(mut pass) = CharLmEvaluation::new(tail, lanes, most) {
        let steps = pass.steps() as usize;
        let asked = predicts_what_follows(&mut pass, lanes, steps, &pairs);
        assert_eq!(asked as u64, most.unwrap_or(u64::MAX).min(bytes.len() as u64 - 1), "each exactly once");
    }
}

/// Asserts that each target follows its input somewhere in the text. Returns the number of targets.
fn predicts_what_follows(
    task: &mut dyn Task,
    lanes: usize,
    steps: usize,
    pairs: &std::collections::HashSet<(u32, u32)>,
) -> usize {
    let (mut step, mut asked) = (Step::new(task, lanes), 0);
    for _ in 0..steps {
        task.next(&mut step).expect("a text in memory can be read");
        for (&input, target) in step.input.iter().zip(&step.target) {
            if let Some(target) = *target {
                assert!(pairs.contains(&(input, target)), "{input} is nowhere followed by {target}");
                asked += 1;
            }
        }
    }
    asked
}
