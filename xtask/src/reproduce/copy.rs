//! The copy task: how long a string can be copied.

use rtrl_train::Record;

use super::experiment::{Experiment, Study};
use crate::report::{Axis, Figure, Section, Yardstick};

/// The experiment.
pub const EXPERIMENT: Experiment =
    Experiment { name: "copy", toml: include_str!("../../experiments/copy.toml"), section };

/// Steps and mean L of five runs of rank-16 OK with 128 units, batch 16, an update at every step and the all-positions
/// rule, from the logs published with Benzing et al. (2019).
const PUBLIC: [(f64, f64); 4] = [(1e5, 16.0), (5e5, 28.0), (1e6, 34.2), (2e6, 41.8)];

fn section(study: &Study) -> Section {
    let series = study.series(|r| r.step as f64, |r: &Record| r.level.map(f64::from));
    let longest = study.runs.iter().map(|run| run.config.training.steps).max().unwrap_or(0) as f64;
    // The yardstick belongs beside runs of its length only.
    let reached = PUBLIC.iter().filter(|(step, _)| *step <= longest);
    let yardsticks = reached.map(|&(x, y)| Yardstick { label: "OK-16, public".to_string(), x, y }).collect();
    Section {
        name: study.name.to_string(),
        question: study.settings.question.clone(),
        setup: vec![study.setup()],
        figures: vec![Figure {
            id: "copy".to_string(),
            caption: "Level L of the curriculum against time steps seen: strings of up to L bits are copied. L rises when the \
                      average loss over all positions, blanks included, falls below 0.15 bits per character."
                .to_string(),
            x: Axis { label: "time steps".to_string(), log: false },
            y: Axis { label: "level L".to_string(), log: false },
            series,
            references: Vec::new(),
            yardsticks,
        }],
        tables: vec![study.table("final L", |summary| summary.level.map(f64::from), 1)],
        claims: Vec::new(),
        caveats: vec![
            "BPTT is truncated at its window and changes the weights once for each, the others once for each time step."
                .to_string(),
        ],
        runs: Vec::new(),
    }
}
