//! Whether what other rules carry of the past is worth it.

use rtrl_report::{Axis, Bound, Condition, Figure, Section};
use rtrl_sweep::{Statement, Study};
use rtrl_train::{Record, Summary};

use crate::experiment::{Experiment, Kind};

const WORTH: Statement = Statement {
    id: "C12g",
    text: "Each rule that carries something of the past recalls a symbol after ten distractors better than the immediate entries alone (J = I).",
};

/// The other rules that carry something, on one task that needs it.
pub const EXPERIMENTS: &[Experiment] =
    &[Experiment { name: "recall-rules", claims: &[WORTH], kind: Kind::Runs { section } }];

const BASELINE: &str = "immediate";

fn bits(summary: &Summary) -> Option<f64> {
    summary.bits
}

fn section(study: &Study) -> Section {
    // Backpropagation carries nothing: it tells what can be reached.
    let carries = |label: &&str| *label != BASELINE && !label.starts_with("TBPTT");
    let condition = |rule: &str| {
        let difference = study.difference(BASELINE, rule, bits);
        let what = format!("bits of {BASELINE} minus {rule}");
        Condition::new(format!("{BASELINE}, for {rule}"), what, difference, Bound::Above(0.0))
    };
    let rules: Vec<&str> = study.labels("").filter(carries).collect();
    let conditions = rules.iter().map(|rule| condition(rule)).collect();
    let claim = study.backed(WORTH.decided(conditions), &[&rules[..], &[BASELINE]].concat());
    Section {
        name: study.name.clone(),
        question: study.settings.question.clone(),
        setup: vec![study.setup()],
        figures: vec![Figure {
            id: study.name.clone(),
            caption: "Mean loss of the symbol to be recalled, since the last record, against time steps. Two bits are a guess.".to_string(),
            x: Axis::linear("time steps"),
            // Most of them end far below the others.
            y: Axis::log("bits per target"),
            seeds: study.seeds(),
            series: study.series(|r| r.step as f64, |r: &Record| r.bits),
            references: Vec::new(),
            yardsticks: Vec::new(),
        }],
        tables: vec![study.table("bits per target of the last record", bits, 3)],
        claims: vec![claim],
        caveats: Vec::new(),
        runs: Vec::new(),
    }
}
