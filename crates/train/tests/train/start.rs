//! Runs that begin with a trained net, and settings beside a configuration file.

#![allow(missing_docs)]

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use rtrl_tasks::Signal;
use rtrl_train::{ConfigError, Model, RunConfig, RunOptions, StartConfig, TrainError, Trainer, run};

const LAYERS: &str = r#"[{ kind = "gru", units = 6, sparsity = 0.5 }, { kind = "lstm", units = 4 }]"#;

fn text(layers: &str, own: &str) -> String {
    format!(
        r#"
task = {{ kind = "copy" }}
{layers}
readout = {{ hidden = 5 }}
estimator = {{ kind = "snap", order = 1 }}
optimizer = {{ kind = "adam", lr = 0.01 }}
training = {{ steps = 60, batch_size = 2, seed = 4 }}
{own}
"#
    )
}

fn config(own: &str) -> RunConfig {
    RunConfig::from_toml(&text(&format!("layers = {LAYERS}"), own), "test").unwrap()
}

/// Makes the run; the path of its model.
fn made(root: &Path, config: &RunConfig) -> PathBuf {
    run(config, &RunOptions::new(root), &mut |_| {}, &AtomicBool::new(false)).unwrap();
    root.join(config.resolved().unwrap().folder()).join("model")
}

fn from(model: &Path) -> Option<StartConfig> {
    Some(StartConfig { model: model.to_path_buf(), sha256: None })
}

#[test]
fn a_run_goes_on_from_a_model_with_other_settings() {
    let root = tempfile::tempdir().unwrap();
    let path = made(root.path(), &config(""));
    let model = Model::load(&path).unwrap();
    let mut tuned = config("");
    tuned.start = from(&path);
    tuned.training.lanes = 3;
    tuned.training.seed = 9;
    let bare = RunConfig { net: Default::default(), ..tuned.clone() };
    for config in [&tuned, &bare] {
        let trainer = Trainer::new(config).unwrap();
        assert_eq!((trainer.weights(), trainer.model().masks()), (model.weights(), model.masks()));
        assert_eq!(trainer.readout().parameters(), model.readout().parameters());
        assert_eq!((trainer.steps(), trainer.config().net.layers.len()), (0, 2));
        let trainer = Trainer::from_model(model.clone(), &RunConfig { start: None, ..config.clone() });
        assert_eq!(trainer.unwrap().weights(), model.weights());
    }
    // What is left out is the same run as what is written out, and the file's place does not count.
    let resolved = tuned.resolved().unwrap();
    assert_eq!(bare.resolved().unwrap(), resolved);
    let moved = root.path().join("moved");
    std::fs::copy(&path, &moved).unwrap();
    let mut elsewhere = tuned.clone();
    elsewhere.start = from(&moved);
    assert_eq!(elsewhere.resolved().unwrap().hash(), resolved.hash());
    assert_ne!(config("").hash(), resolved.hash());
    let result = made(root.path(), &bare);
    assert_ne!(Model::load(&result).unwrap().weights(), model.weights());
    // A configuration that was written goes on with what was there, or not at all.
    model.save(&moved).unwrap();
    let mut other = elsewhere.resolved().unwrap();
    std::fs::write(&moved, std::fs::read(&result).unwrap()).unwrap();
    let changed = Trainer::new(&other).err().unwrap().to_string();
    assert!(changed.contains("`start.sha256` must be the hash of the file"), "{changed}");
    other.start = from(&root.path().join("none"));
    assert!(matches!(other.resolved(), Err(TrainError::File { .. })));
}

#[test]
fn a_model_that_does_not_fit_is_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let path = made(root.path(), &config(""));
    for (layers, task, expected) in [
        (
            r#"[{ kind = "gru", units = 6, sparsity = 0.5 }]"#,
            "copy",
            "as many layers as the net has, found 1 where the net has 2",
        ),
        (
            r#"[{ kind = "gru", units = 6, sparsity = 0.5 }, { kind = "lstm", units = 8 }]"#,
            "copy",
            "layer 1 {\"kind\":\"lstm\",\"units\":8",
        ),
        (
            LAYERS,
            "chaos",
            "one that fits the net, found one that reads 3 numbers and predicts 3 numbers for a net that reads",
        ),
    ] {
        let text = text(&format!("layers = {layers}"), "").replace("\"copy\"", &format!("\"{task}\""));
        let mut config = RunConfig::from_toml(&text, "test").unwrap();
        config.start = from(&path);
        let error = Trainer::new(&config).err().unwrap().to_string();
        assert!(error.contains(expected) && error.lines().count() == 1, "{error}");
    }
    let mut wider = config("");
    (wider.start, wider.net.readout.hidden) = (from(&path), Some(7));
    let error = wider.resolved().unwrap_err().to_string();
    assert!(
        error.contains("a hidden layer of 7 units where the net has a hidden layer of 5 units"),
        "{error}"
    );
}

#[test]
fn a_net_without_a_run_is_saved_and_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let (reads, predicts) = (Signal::Values(2), Signal::Symbols(3));
    let model = Model::initial(&config("").net, reads, predicts, 5).unwrap();
    model.save(&path).unwrap();
    let loaded = Model::load(&path).unwrap();
    assert_eq!((loaded.net(), loaded.run(), loaded.signals()), (model.net(), None, (reads, predicts)));
    assert_eq!((loaded.weights(), loaded.masks()), (model.weights(), model.masks()));
    assert!(matches!(loaded.task(), Err(ConfigError::Value { field: "task", .. })));
}

#[test]
fn settings_change_fields_and_are_refused_by_name() {
    let text = text(&format!("layers = {LAYERS}"), "");
    let set = |settings: &[&str]| RunConfig::from_toml_with(&text, "a.toml", settings);
    let mut expected = config("");
    expected.training.steps = Some(7);
    expected.training.evaluate_every = Some(3);
    expected.learning.estimator = rtrl_estimators::EstimatorConfig::Frozen(rtrl_estimators::FrozenConfig {});
    let settings = ["training.steps=7", " training.evaluate_every = 3", "estimator={ kind = 'frozen' }"];
    assert_eq!(set(&settings).unwrap(), expected);
    let nested = set(&["layers.1.units=9", "task.layout=echo", "update.clip=0.5"]).unwrap();
    assert_eq!((nested.net.layers[1].units(), nested.learning.update.clip), (9, Some(0.5)));
    for (setting, expected) in [
        ("training.stepz=7", "unknown field `stepz`"),
        ("trainin.steps=7", "unknown field `trainin`"),
        ("training.steps", "it must be FIELD=VALUE"),
        ("training.steps=many", "invalid type: string \"many\""),
        ("training.steps=0", "`training.steps` must be at least 1, found 0"),
        ("layers.2.units=7", "`2` is none of the 2 elements"),
        ("layers.one.units=7", "`one` is none of the 2 elements"),
        ("training.steps.more=7", "`more` is looked for in 60, which has no fields"),
        ("training..steps=7", "a part of the field's path is empty"),
        ("=7", "a part of the field's path is empty"),
        ("layers.0.kind=gruu", "unknown variant `gruu`"),
        ("training.steps=7\nmore = 8", "invalid type: string"),
    ] {
        let error = set(&[setting]).unwrap_err().to_string();
        let named = error.contains(&format!("setting `{}`", setting.replace('\n', " ")));
        assert!(named && error.contains(expected) && error.lines().count() == 1, "{error}");
    }
    // A mistake of the file itself keeps its place.
    let broken = text.replace("batch_size = 2", "batch_size = 0");
    let error = RunConfig::from_toml_with(&broken, "a.toml", &["training.steps=7"]).unwrap_err().to_string();
    assert!(error.starts_with("a.toml, line 7, column"), "{error}");
    for (right, wrong) in [("seed = 4", "sed = 4"), ("hidden = 5", "hidden = 'wide'")] {
        let error = RunConfig::from_toml_with(&text.replace(right, wrong), "a.toml", &["training.steps=7"]);
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("a.toml, line ") && !error.contains("setting"), "{error}");
    }
}
