//! The character language model.

use rtrl_train::Record;

use super::experiment::{Experiment, Study};
use crate::report::{Axis, Figure, Section};

/// The experiment.
pub const EXPERIMENT: Experiment =
    Experiment { name: "lm", toml: include_str!("../../experiments/lm.toml"), section };

fn section(study: &Study) -> Section {
    let series = study.series(|r| r.characters as f64, |r: &Record| r.valid_bits);
    Section {
        name: study.name.to_string(),
        question: study.settings.question.clone(),
        setup: vec![study.setup()],
        figures: vec![Figure {
            id: "lm".to_string(),
            caption: "Bits per character on held-out text against characters of training text seen.".to_string(),
            x: Axis { label: "characters".to_string(), log: true },
            y: Axis { label: "bits per character".to_string(), log: false },
            series,
            references: Vec::new(),
            yardsticks: Vec::new(),
        }],
        tables: vec![study.table("final bits per character", |summary| summary.valid_bits, 3)],
        claims: Vec::new(),
        caveats: vec![
            "The state is reset at each crop in training and carried through the held-out text in evaluation.".to_string(),
        ],
        runs: Vec::new(),
    }
}
