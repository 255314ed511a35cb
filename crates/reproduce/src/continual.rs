//! Continual prediction of a chaotic system that changes.

use rtrl_report::{Align, Axis, Bound, Condition, Figure, Section, Table};
use rtrl_sweep::{Done, Statement, Study, mean_and_deviation};
use rtrl_tasks::TaskConfig;
use rtrl_train::Record;

use crate::experiment::{Experiment, Kind};

const WORTH: Statement = Statement {
    id: "C12c",
    text: "Propagating the influence is worth it for forecasts of a chaotic system: SnAp-1 ends with a smaller squared error than its immediate \
           entries alone (J = I).",
};

/// Continual prediction.
pub const EXPERIMENTS: &[Experiment] =
    &[Experiment { name: "continual", claims: &[WORTH], kind: Kind::Runs { section } }];

fn shift(study: &Study) -> u64 {
    match study.configs().next().and_then(|config| config.task.as_ref()) {
        Some(TaskConfig::Chaos(config)) => config.shift_at.unwrap_or(u64::MAX),
        _ => u64::MAX,
    }
}

fn section(study: &Study) -> Section {
    let series = study.series(|r| r.step as f64, |r: &Record| r.error);
    let shift = shift(study);
    let difference = study.difference("immediate", "SnAp-1", |summary| summary.error);
    let what = "squared error at the end of immediate minus SnAp-1";
    let worth = WORTH.decided(vec![Condition::new("immediate", what, difference, Bound::Above(0.0))]);
    Section {
        name: study.name.to_string(),
        question: study.settings.question.clone(),
        setup: vec![
            study.setup(),
            format!(
                "The next observation of a Lorenz system is predicted from the present one and the state of the net; all values \
                 are standardized. The parameters change after {shift} steps. There is no held-out data: each prediction is made \
                 before its target is seen."
            ),
        ],
        figures: vec![Figure {
            id: "continual".to_string(),
            caption: format!(
                "Mean squared error of the predictions since the last record against time steps; the system changes at step {shift}."
            ),
            x: Axis::linear("time steps"),
            y: Axis::log("squared error"),
            seeds: study.seeds(),
            series,
            references: Vec::new(),
            yardsticks: Vec::new(),
        }],
        tables: vec![table(study, shift)],
        claims: vec![study.backed(worth, &["SnAp-1", "immediate"])],
        caveats: vec![
            "BPTT is truncated at its window and changes the weights once for each, the others once for each time step."
                .to_string(),
        ],
        runs: Vec::new(),
    }
}

/// The error in a record near the shift: 0 is the first record after it, −1 the last one before.
fn around(run: &Done, shift: u64, records: i64) -> Option<f64> {
    let first_after = run.records.iter().position(|r| r.step > shift)? as i64;
    let index = usize::try_from(first_after + records).ok()?;
    run.records.get(index)?.error
}

fn table(study: &Study, shift: u64) -> Table {
    let every = study.configs().next().map_or(0, |config| config.training.log_every);
    let row = |label: &String| {
        let cell = |of: &dyn Fn(&Done) -> Option<f64>| {
            let values: Vec<f64> = study.of(label).filter_map(of).collect();
            mean_and_deviation(&values).map_or_else(String::new, |(mean, sd)| format!("{mean:.4} ± {sd:.4}"))
        };
        vec![
            label.clone(),
            cell(&|run| around(run, shift, -1)),
            cell(&|run| around(run, shift, 0)),
            cell(&|run| around(run, shift, 2)),
            cell(&|run| run.summary.error),
        ]
    };
    let headers = [
        "method".to_string(),
        format!("last {every} steps before"),
        format!("first {every} after"),
        format!("third {every} after"),
        "end".to_string(),
    ];
    Table {
        caption: "Mean squared error around the change, ± standard deviation over seeds.".to_string(),
        headers: headers.to_vec(),
        rows: study.settings.methods.iter().map(|method| row(&method.label)).collect(),
        align: [vec![Align::Left], vec![Align::Right; 4]].concat(),
    }
}
