//! NaN and infinity do not spoil finite results, and are written and read as what they are.

#![allow(missing_docs)]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rtrl_checkpoint::{Archive, ArchiveError, Persist, from_bytes, to_bytes};
use rtrl_tasks::{Signal, Step, Task, TaskError};
use rtrl_train::{
    MetricsFormat, Outcome, Progress, Record, RunConfig, RunOptions, Summary, Trainer, export_metrics,
    read_metrics, read_summary, run,
};

fn finished(config: &RunConfig, root: &Path) -> Summary {
    match run(config, &RunOptions::new(root), &mut |_| {}, &AtomicBool::new(false)).unwrap() {
        Outcome::Finished(summary) => *summary,
        Outcome::Interrupted => panic!("nobody stopped it"),
    }
}

#[test]
fn a_dynamic_evaluation_that_diverges_costs_nothing_else() {
    let text = |dynamic: &str| {
        format!(
            r#"
            task = {{ kind = "char-lm", crop = 12, corpus_bytes = 20000, test_fraction = 0.05 }}
            layers = [{{ kind = "gru", units = 6 }}]
            estimator = {{ kind = "snap", order = 1 }}
            optimizer = {{ kind = "adam", learning_rate = 0.01 }}
            training = {{ lanes = 2, window = 4, steps = 100, seed = 1 }}
            {dynamic}
        "#
        )
    };
    let dynamic =
        "dynamic = { estimator = { kind = 'bptt' }, optimizer = { kind = 'sgd', learning_rate = 1e39 } }";
    let parse = |dynamic: &str| RunConfig::from_toml(&text(dynamic), "test").unwrap();
    let root = tempfile::tempdir().unwrap();
    let plain = finished(&parse(""), root.path());
    let config = parse(dynamic);
    // Interrupted at the end of the training: the result has its numbers already, but the run is not finished.
    let stop = AtomicBool::new(false);
    let mut interrupt = |p: Progress| stop.store(p.step == 100, Ordering::Relaxed);
    let outcome = run(&config, &RunOptions::new(root.path()), &mut interrupt, &stop).unwrap();
    assert_eq!(outcome, Outcome::Interrupted);
    let pending = read_summary(&root.path().join(config.folder())).unwrap();
    assert!(pending.dynamic_pending && pending.test_bits.is_some() && pending.test_bits == plain.test_bits);
    let summary = finished(&config, root.path());
    assert!(!summary.dynamic_pending);
    assert_eq!(
        (summary.bits, summary.valid_bits, summary.test_bits),
        (plain.bits, plain.valid_bits, plain.test_bits)
    );
    assert_eq!((summary.dynamic_valid_bits, summary.dynamic_test_bits), (None, None));
    let why = summary.dynamic_diverged.clone().expect("a reason");
    assert!(why.contains("step") && why.contains("not finite"), "{why}");
    assert_eq!(read_summary(&root.path().join(config.folder())).unwrap(), summary);
    // A finished run is not made again.
    assert_eq!(finished(&config, root.path()), summary);
}

/// Inputs near the largest `f32`, and no targets.
struct Huge;

impl Persist for Huge {
    fn persist(&mut self, _archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        Ok(())
    }
}

impl Task for Huge {
    fn inputs(&self) -> Signal {
        Signal::Values(1)
    }

    fn targets(&self) -> Signal {
        Signal::Values(1)
    }

    fn next(&mut self, step: &mut Step) -> Result<(), TaskError> {
        step.input_values.fill(0.9 * f32::MAX);
        step.target_values.fill(None);
        step.starts.fill(false);
        Ok(())
    }
}

/// States stay finite, since the weights of the input are below 1. The influence of RFLO without a leak is the sum
/// of the inputs and overflows.
#[test]
fn a_passive_estimator_that_reaches_infinity_leaves_metrics_that_can_be_read() {
    let text = r#"
        layers = [{ kind = "vanilla-relu", units = 8 }]
        estimator = { kind = "bptt" }
        optimizer = { kind = "sgd", learning_rate = 0.1 }
        training = { lanes = 1, window = 1, seed = 0 }
        compare.passive = [
            { label = "RFLO", estimator = { kind = "rflo", leak = 1.0 } },
            { label = "BPTT", estimator = { kind = "bptt" } },
        ]
    "#;
    let config = RunConfig::from_toml(text, "test").unwrap();
    let mut trainer = Trainer::with_task(&config, Box::new(Huge)).unwrap();
    for _ in 0..5 {
        trainer.train_window().unwrap();
    }
    // The second half runs after a restoration from a checkpoint.
    let bytes = to_bytes(|archive| trainer.persist(archive)).unwrap();
    let mut trainer = Trainer::with_task(&config, Box::new(Huge)).unwrap();
    from_bytes(&bytes, |archive| trainer.persist(archive)).unwrap();
    for _ in 0..5 {
        trainer.train_window().unwrap();
    }
    let alignment = trainer.take_alignment();
    let all = alignment.iter().find(|a| a.group == "all").expect("it is said");
    // At the first step J is finite. Without targets the reference is zero, so the step is not compared.
    assert_eq!((all.label.as_str(), all.windows, all.diverged), ("RFLO", 0, 9));
    assert!([all.cosine, all.norm_ratio, all.sign_agreement].into_iter().all(f64::is_nan));
    assert!(trainer.take_alignment().is_empty(), "taken once");

    let record = Record {
        step: 10,
        characters: 10,
        bits: None,
        error: None,
        level: None,
        valid_bits: None,
        valid_error: None,
        skipped_lanes: 0,
        rolled_back: None,
        alignment: vec![all.clone()],
        seconds: 1.0,
    };
    let folder = tempfile::tempdir().unwrap();
    let metrics = folder.path().join("metrics.jsonl");
    std::fs::write(&metrics, serde_json::to_string(&record).unwrap() + "\n").unwrap();
    let read = read_metrics(&metrics).unwrap();
    assert_eq!((read[0].alignment[0].diverged, read[0].alignment[0].cosine.is_nan()), (9, true));
    let export = |format, name: &str| {
        let to = folder.path().join(name);
        assert_eq!(export_metrics(folder.path(), format, &to).unwrap(), 1);
        std::fs::read(to).unwrap()
    };
    let table = String::from_utf8(export(MetricsFormat::Csv, "m.csv")).unwrap();
    let (names, values) = table.split_once('\n').unwrap();
    let row: Vec<_> = names.split(',').zip(values.trim().split(',')).collect();
    assert!(row.contains(&("alignment/RFLO/all/diverged", "9")), "{table}");
    assert!(row.contains(&("alignment/RFLO/all/cosine", "NaN")), "{table}");
    assert!(export(MetricsFormat::TensorBoard, "m.tfevents").len() > 100);
    // Older versions wrote `null` for NaN and infinities.
    let old = r#"{"step":1,"characters":1,"alignment":[{"label":"A","group":"all","cosine":null,"norm_ratio":null,"sign_agreement":0.5,"windows":2}],"seconds":0.5}"#;
    std::fs::write(&metrics, old).unwrap();
    assert!(read_metrics(&metrics).unwrap()[0].alignment[0].cosine.is_nan());
}
