//! The number of threads changes no bit.

#![allow(missing_docs)]

use rtrl_train::{RunConfig, Trainer};

#[test]
fn held_out_loss_does_not_depend_on_the_number_of_threads() {
    let config = r#"
    task = { kind = "char-lm", crop = 16, corpus_bytes = 200000 }
    layers = [{ kind = "gru", units = 12, sparsity = 0.5 }, { kind = "lstm", units = 7 }]
    estimator = { kind = "snap", order = 1 }
    optimizer = { kind = "adam", learning_rate = 0.01 }
    readout.hidden = 9
    training = { lanes = 3, window = 4, steps = 80, seed = 0, evaluate_bytes = 5000 }
    "#;
    let mut trainer = Trainer::new(&RunConfig::from_toml(config, "test").unwrap()).unwrap();
    while trainer.steps() < 80 {
        trainer.train_window().unwrap();
    }
    // The lanes of an evaluation form four groups: more threads than groups, as many, and fewer.
    let losses = [1, 2, 3, 4, 7].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let loss = pool.install(|| {
            assert_eq!(rayon::current_num_threads(), threads);
            trainer.evaluate().unwrap().unwrap()
        });
        loss.to_bits()
    });
    assert!(f64::from_bits(losses[0]).is_finite());
    assert_eq!(losses, [losses[0]; 5]);
}
