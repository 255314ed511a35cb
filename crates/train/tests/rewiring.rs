//! Masks that change during training.

#![allow(missing_docs)]

use rtrl_cells::Masks;
use rtrl_train::{ConfigError, RunConfig, Trainer};

fn config(rewiring: &str, sparsity: f64) -> Result<RunConfig, ConfigError> {
    let text = format!(
        r#"
        task = {{ kind = "copy" }}
        layers = [{{ kind = "gru", units = 8, sparsity = {sparsity} }}]
        estimator = {{ kind = "snap", order = 2 }}
        optimizer = {{ kind = "adam", learning_rate = 0.01 }}
        rewiring = {rewiring}
        training = {{ lanes = 2, window = 5, steps = 400, seed = 1 }}
    "#
    );
    RunConfig::from_toml(&text, "test")
}

fn trainer(rewiring: &str, sparsity: f64) -> Trainer {
    Trainer::new(&config(rewiring, sparsity).unwrap()).unwrap()
}

/// Recurrent weights of each gate.
fn counts(trainer: &Trainer) -> Vec<usize> {
    trainer.model().masks()[0].gates.iter().map(|gate| gate.recurrent.nnz()).collect()
}

/// (gate, unit, column, value) of every recurrent weight.
fn entries(trainer: &Trainer) -> Vec<(usize, usize, u32, f32)> {
    let (masks, pattern) = (&trainer.model().masks()[0], trainer.model().stack().linear().pattern());
    let mut entries = Vec::new();
    for (g, gate) in masks.gates.iter().enumerate() {
        for unit in 0..8 {
            // Rows are r, z, n on the input, n on the state.
            let (row, columns) = ([0, 8, 24][g] + unit, gate.recurrent.row(unit));
            let first = pattern.entries(row).end - columns.len();
            entries
                .extend(columns.iter().enumerate().map(|(k, &c)| (g, unit, c, trainer.weights()[first + k])));
        }
    }
    entries
}

#[test]
fn pruning_follows_its_schedule_and_takes_the_smallest() {
    let mut trainer =
        trainer("{ kind = 'magnitude', sparsity = 0.75, begin = 100, end = 300, every = 50 }", 0.25);
    assert_eq!(counts(&trainer), [48; 3]);
    let mut before = entries(&trainer);
    while trainer.steps() < 400 {
        trainer.train_window().unwrap();
        // s = 0.75 - 0.5 (1 - (t - 100) / 200)³ of 64 entries, at multiples of 50 within 100..=300.
        let progress = (trainer.steps().clamp(100, 300) / 50 * 50 - 100) as f64 / 200.0;
        let expected = (64.0 * (1.0 - (0.75 - 0.5 * (1.0 - progress).powi(3)))).round() as usize;
        assert_eq!(counts(&trainer), [expected; 3], "step {}", trainer.steps());
        let now = entries(&trainer);
        for gate in 0..3 {
            let kept = |e: &&(usize, usize, u32, f32)| now.iter().any(|n| (n.0, n.1, n.2) == (e.0, e.1, e.2));
            let of_gate = before.iter().filter(|e| e.0 == gate);
            let gone = of_gate.filter(|e| !kept(e)).map(|e| e.3.abs()).fold(0.0, f32::max);
            let least = now.iter().filter(|n| n.0 == gate).map(|n| n.3.abs()).fold(f32::MAX, f32::min);
            // The weights were compared after an update that moved each by 0.01 or so.
            assert!(gone <= least + 0.02, "gate {gate}: {gone} went, {least} stayed");
        }
        before = now;
    }
    assert_eq!(counts(&trainer), [16; 3]);
}

/// Weights do not learn, so that only the change of masks can move them.
const STILL: &str = "update.groups = [{ name = 'input', rate = 0.0 }, { name = 'bias', rate = 0.0 }, { name = 'recurrent', rate = 0.0 }]";

fn still(rewiring: &str) -> Trainer {
    let mut config = config(rewiring, 0.5).unwrap();
    let parsed: toml::Table = toml::from_str(STILL).unwrap();
    config.update = parsed["update"].clone().try_into().unwrap();
    Trainer::new(&config).unwrap()
}

#[test]
fn replacing_keeps_the_number_of_weights_and_the_values_of_survivors() {
    for (kind, fresh_is_zero) in [("set", false), ("rigl", true)] {
        let mut trainer = still(&format!("{{ kind = '{kind}', share = 0.25, end = 390, every = 100 }}"));
        let mut changes = 0;
        while trainer.steps() < 400 {
            let before = entries(&trainer);
            trainer.train_window().unwrap();
            let now = entries(&trainer);
            assert_eq!(counts(&trainer), [32; 3]);
            let find = |e: &(usize, usize, u32, f32), all: &[(usize, usize, u32, f32)]| {
                all.iter().find(|o| (o.0, o.1, o.2) == (e.0, e.1, e.2)).map(|o| o.3)
            };
            let fresh: Vec<_> = now.iter().filter(|e| find(e, &before).is_none()).collect();
            let gone: Vec<_> = before.iter().filter(|e| find(e, &now).is_none()).collect();
            assert_eq!(fresh.len(), gone.len());
            assert!(
                now.iter().all(|e| find(e, &before).is_none_or(|w| w == e.3)),
                "survivors keep their values"
            );
            assert!(fresh.iter().all(|e| (e.3 == 0.0) == fresh_is_zero), "{kind}: {fresh:?}");
            if trainer.steps().is_multiple_of(100) && trainer.steps() < 400 {
                changes += 1;
                // A quarter of 32 in each gate, less what was taken and chosen again.
                assert!((1..=24).contains(&fresh.len()), "{kind}: {}", fresh.len());
            } else {
                assert!(fresh.is_empty(), "{kind}: step {}", trainer.steps());
            }
        }
        assert_eq!(changes, 3);
    }
}

#[test]
fn training_goes_on_while_masks_change() {
    for rewiring in [
        "{ kind = 'magnitude', sparsity = 0.5, end = 300, every = 20, matrices = 'all' }",
        "{ kind = 'set', share = 0.3, end = 300, every = 20 }",
        "{ kind = 'rigl', share = 0.3, end = 300, every = 20, matrices = 'all' }",
    ] {
        let mut trainer = trainer(rewiring, 0.3);
        let first = trainer.train_window().unwrap();
        let mut last = first;
        while trainer.steps() < 400 {
            last = trainer.train_window().unwrap();
        }
        let mean = |report: rtrl_train::WindowReport| report.loss / report.targets as f64;
        assert!(mean(last) < 0.8 * mean(first), "{rewiring}: {} to {}", mean(first), mean(last));
    }
}

#[test]
fn no_unit_is_cut_off() {
    let mut trainer =
        trainer("{ kind = 'magnitude', sparsity = 0.99, end = 200, every = 50, matrices = 'all' }", 0.0);
    while trainer.steps() < 400 {
        trainer.train_window().unwrap();
    }
    let Masks { gates } = &trainer.model().masks()[0];
    for unit in 0..8 {
        assert!(
            gates.iter().any(|gate| !gate.input.row(unit).is_empty() || !gate.recurrent.row(unit).is_empty())
        );
    }
}

#[test]
fn settings_without_meaning_are_refused() {
    for bad in [
        "{ kind = 'magnitude', sparsity = 1.0, end = 10, every = 1 }",
        "{ kind = 'magnitude', sparsity = 0.5, begin = 10, end = 10, every = 1 }",
        "{ kind = 'set', share = 0.1, end = 10, every = 0 }",
        "{ kind = 'rigl', share = 1.5, end = 10, every = 1 }",
    ] {
        let error = config(bad, 0.0).unwrap_err();
        assert!(
            matches!(&error, ConfigError::At { source, .. }
                if matches!(**source, ConfigError::Value { field, .. } if field.starts_with("rewiring"))),
            "{error}"
        );
    }
}
