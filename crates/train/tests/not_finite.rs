//! What is not finite costs nothing that was finished, and is written and read as what it is.

#![allow(missing_docs)]

use std::path::Path;
use std::sync::atomic::AtomicBool;

use rtrl_train::{
    Alignment, MetricsFormat, Outcome, RunConfig, RunOptions, Summary, export_metrics, read_metrics, read_summary, run,
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
    let dynamic = "dynamic = { estimator = { kind = 'bptt' }, optimizer = { kind = 'sgd', learning_rate = 1e39 } }";
    let parse = |dynamic: &str| RunConfig::from_toml(&text(dynamic), "test").unwrap();
    let root = tempfile::tempdir().unwrap();
    let plain = finished(&parse(""), root.path());
    let config = parse(dynamic);
    let summary = finished(&config, root.path());
    assert_eq!(
        (summary.bits, summary.valid_bits, summary.test_bits),
        (plain.bits, plain.valid_bits, plain.test_bits)
    );
    assert_eq!((summary.dynamic_valid_bits, summary.dynamic_test_bits), (None, None));
    let why = summary.dynamic_diverged.clone().expect("a reason");
    assert!(why.contains("step") && why.contains("not finite"), "{why}");
    assert_eq!(read_summary(&root.path().join(config.folder())).unwrap(), summary);
    // Finished is finished.
    assert_eq!(finished(&config, root.path()), summary);
}

/// BPTT trains within its windows; exact RTRL beside it carries J through a net that has become chaotic.
#[test]
fn a_passive_estimator_that_reaches_infinity_leaves_metrics_that_can_be_read() {
    let text = r#"
        task = { kind = "chaos" }
        layers = [{ kind = "gru", units = 24 }]
        estimator = { kind = "bptt" }
        optimizer = { kind = "adam", learning_rate = 1.0 }
        training = { lanes = 1, window = 2, steps = 3000, seed = 3, log_every = 100 }
        compare.passive = [
            { label = "RTRL", estimator = { kind = "rtrl" } },
            { label = "BPTT", estimator = { kind = "bptt" } },
        ]
    "#;
    let config = RunConfig::from_toml(text, "test").unwrap();
    let root = tempfile::tempdir().unwrap();
    finished(&config, root.path());
    let folder = root.path().join(config.folder());
    let records = read_metrics(&folder.join("metrics.jsonl")).unwrap();
    let of = |label: &str| {
        let alignment = records.iter().flat_map(|record| &record.alignment);
        alignment.filter(|a| a.label == label && a.group == "all").cloned().collect::<Vec<_>>()
    };
    let (rtrl, bptt) = (of("RTRL"), of("BPTT"));
    // Where the net is saturated there is no gradient to compare with, and no such record.
    assert!(bptt.len() > 20 && bptt.iter().all(|a| a.diverged == 0 && a.windows > 0));
    let numbers = |a: &Alignment| [a.cosine, a.norm_ratio, a.sign_agreement];
    assert!(bptt.iter().flat_map(numbers).all(f64::is_finite));
    let first = rtrl.iter().position(|a| a.diverged > 0).expect("RTRL reaches infinity");
    assert!(first > 0 && rtrl[..first].iter().flat_map(numbers).all(f64::is_finite));
    let nothing: Vec<_> = rtrl.iter().filter(|a| a.windows == 0).collect();
    assert!(!nothing.is_empty() && nothing.iter().all(|a| a.diverged == 50));
    assert!(nothing.iter().copied().flat_map(numbers).all(f64::is_nan));
    for (name, format) in [("m.csv", MetricsFormat::Csv), ("m.tfevents", MetricsFormat::TensorBoard)] {
        assert_eq!(export_metrics(&folder, format, &root.path().join(name)).unwrap(), 30);
    }
    let table = std::fs::read_to_string(root.path().join("m.csv")).unwrap();
    assert!(table.contains("alignment/RTRL/all/diverged"), "{table}");
}
