//! Training from end to end: characters per second of the language model.

use std::time::Instant;

use rtrl_train::{RunConfig, Trainer};
use serde::Serialize;

/// How fast a language model learns under one estimator.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CharactersPerSecond {
    /// The estimator.
    pub estimator: &'static str,
    /// Characters of all lanes per second, in the quickest window.
    pub rate: f64,
}

/// The model of the experiment `lm-dense`, with one estimator.
fn config(estimator: &str) -> RunConfig {
    let toml = format!(
        r#"
        task = {{ kind = "char-lm", crop = 128 }}
        layers = [{{ kind = "gru", units = 128 }}]
        readout = {{ hidden = 1024 }}
        estimator = {estimator}
        optimizer = {{ kind = "adam", learning_rate = 1e-3 }}
        training = {{ lanes = 64, window = 128, steps = 1280000, seed = 0 }}
        "#
    );
    RunConfig::from_toml(&toml, "the language model").expect("a valid configuration")
}

/// Trains GRU-128 with a readout of 1024 units on 64 lanes under several estimators, in turn, `rounds` windows
/// each. `None` as soon as `go_on` says no.
///
/// # Panics
/// If training fails, which these constant settings rule out.
pub fn language_model(rounds: usize, go_on: &dyn Fn() -> bool) -> Option<Vec<CharactersPerSecond>> {
    let estimators = [
        ("BPTT", r#"{ kind = "bptt" }"#),
        ("SnAp-1", r#"{ kind = "snap", order = 1, truncate = true }"#),
        ("forward", r#"{ kind = "frozen" }"#),
    ];
    let mut trainers = estimators.map(|(name, toml)| {
        let trainer = Trainer::new(&config(toml)).expect("a model that can be built");
        (trainer, CharactersPerSecond { estimator: name, rate: 0.0 })
    });
    for _ in 0..rounds {
        for (trainer, found) in &mut trainers {
            if !go_on() {
                return None;
            }
            let begun = Instant::now();
            let window = trainer.train_window().expect("a window that can be trained");
            let characters = (window.steps * trainer.config().training.lanes as u64) as f64;
            found.rate = found.rate.max(characters / begun.elapsed().as_secs_f64());
        }
    }
    Some(trainers.map(|(_, found)| found).into())
}
