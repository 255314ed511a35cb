//! A step of training allocates nothing once everything is built.

#![allow(missing_docs)]

use rtrl_train::{OptimizerConfig, RunConfig, Trainer};

const TASKS: [&str; 3] = [
    r#"{ kind = "copy", level = 4, threshold = 0.0 }"#,
    r#"{ kind = "adding", length = 8 }"#,
    r#"{ kind = "char-lm", crop = 8, corpus_bytes = 4000 }"#,
];

const ESTIMATORS: [&str; 4] = [
    r#"{ kind = "snap", order = 1 }"#,
    r#"{ kind = "bptt" }"#,
    r#"{ kind = "uoro" }"#,
    r#"{ kind = "tbptt", horizon = 8, replay = true }"#,
];

fn trainer(task: &str, estimator: &str, optimizer: &OptimizerConfig, lanes: usize, hidden: &str) -> Trainer {
    let optimizer = toml::to_string(optimizer).unwrap().replace('\n', ", ");
    let text = format!(
        r#"
        task = {task}
        layers = [{{ kind = "gru", units = 10, sparsity = 0.5 }}, {{ kind = "lstm", units = 5 }}]
        estimator = {estimator}
        optimizer = {{ {} }}
        update = {{ clip = 1.0, schedule = {{ kind = "cosine" }} }}
        {hidden}
        training = {{ lanes = {lanes}, window = 4, steps = 4000, seed = 3 }}
        "#,
        optimizer.trim_end_matches(", ")
    );
    Trainer::new(&RunConfig::from_toml(&text, "test").unwrap()).unwrap()
}

#[test]
fn windows_do_not_allocate() {
    for task in TASKS {
        for estimator in ESTIMATORS {
            for (lanes, hidden) in [(1, ""), (3, ""), (16, "readout.hidden = 6")] {
                for optimizer in OptimizerConfig::every(0.001) {
                    let mut trainer = trainer(task, estimator, &optimizer, lanes, hidden);
                    // The strings of the copy task reach their longest within a few sequences.
                    for _ in 0..40 {
                        trainer.train_window().unwrap();
                    }
                    let info = allocation_counter::measure(|| {
                        for _ in 0..10 {
                            trainer.train_window().unwrap();
                        }
                    });
                    assert_eq!(
                        info.count_total, 0,
                        "{task}, {estimator}, {optimizer:?}, {lanes} lanes, {hidden}"
                    );
                }
            }
        }
    }
    let info = allocation_counter::measure(|| drop(std::hint::black_box(vec![1_u8])));
    assert_eq!(info.count_total, 1, "the instrument must count");
}
