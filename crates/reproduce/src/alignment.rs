//! Gradient agreement of all estimators on common trajectories.

use rtrl_report::{Align, Axis, Figure, Section, Table};
use rtrl_sweep::{Done, Study, mean_and_deviation};
use rtrl_train::Alignment;

use crate::experiment::{Experiment, Kind};

/// Gradient agreement.
pub const EXPERIMENTS: &[Experiment] =
    &[Experiment { name: "alignment", claims: &[], kind: Kind::Runs { section } }];

/// Records at the end of a run whose mean is its final value.
const LAST: usize = 5;

/// Mean of the last records of a dense tanh net of 64 units on a copy task, each along its own training run: from
/// the result files of the `sketched-rtrl` repository, 5 seeds.
const PUBLIC: [(&str, &str); 4] =
    [("SnAp-1", "0.69 ± 0.02"), ("KF-RTRL", "0.53 ± 0.17"), ("RFLO", "0.33 ± 0.03"), ("UORO", "0.04 ± 0.02")];

fn section(study: &Study) -> Section {
    let figures = study.settings.methods.iter().enumerate();
    Section {
        name: study.name.to_string(),
        question: study.settings.question.clone(),
        setup: vec![
            study.setup(),
            "Each net learns to copy five bits, fully online, by exact RTRL; the other estimators run beside it on the same \
             data, weights and losses, and their gradients of each step are compared with the exact one."
                .to_string(),
        ],
        figures: figures.map(|(index, method)| figure(study, index, &method.label)).collect(),
        tables: vec![
            table(study, "Cosine to the exact gradient", |a| a.cosine, true),
            table(study, "Norm of the estimate over the norm of the exact gradient", |a| a.norm_ratio, false),
            table(study, "Share of weights whose sign agrees", |a| a.sign_agreement, false),
            groups(study),
        ],
        claims: Vec::new(),
        caveats: vec![
            "The public figures are measured along each estimator's own training run, on five of eight symbols after a delay of 40 \
             steps; ours along the trajectory of exact RTRL, on five bits without a delay and in fewer lanes. An estimator is \
             easier to agree with where less must be remembered."
                .to_string(),
            "On a dense net SnAp-2 reaches every state: there it is RTRL. On recurrent trace units it is RTRL too, and so is e-prop, since \
             no unit reads another."
                .to_string(),
            "DNI and KeRNL learn a model of the net while it learns, and one for each lane: their agreement grows with the steps."
                .to_string(),
            "The reference carries influence from under earlier weights, as every online estimator does.".to_string(),
        ],
        runs: Vec::new(),
    }
}

/// The estimators, in the order of the configuration.
fn labels(study: &Study) -> Vec<String> {
    let compare = study.configs().next().and_then(|config| config.compare.as_ref());
    compare.map_or_else(Vec::new, |c| c.passive.iter().map(|p| p.label.clone()).collect())
}

fn figure(study: &Study, index: usize, net: &str) -> Figure {
    let curve = |label: String| {
        study.curve(net, &label, |record| {
            let alignment = record.alignment.iter().find(|a| a.label == label && a.group == "all")?;
            Some((record.step as f64, alignment.cosine))
        })
    };
    Figure {
        id: format!("alignment-{}", index + 1),
        caption: format!("{net}: cosine to the exact gradient while the net learns to copy five bits."),
        x: Axis::linear("time steps"),
        y: Axis::linear("cosine"),
        seeds: study.seeds(),
        series: labels(study).into_iter().map(curve).collect(),
        references: Vec::new(),
        yardsticks: Vec::new(),
    }
}

/// The mean of a run's last records.
fn last(run: &Done, label: &str, group: &str, value: fn(&Alignment) -> f64) -> Option<f64> {
    let of = |a: &&Alignment| a.label == label && a.group == group;
    let all: Vec<f64> = run.records.iter().filter_map(|r| r.alignment.iter().find(of).map(value)).collect();
    let tail = &all[all.len().saturating_sub(LAST)..];
    (!tail.is_empty()).then(|| tail.iter().sum::<f64>() / tail.len() as f64)
}

fn cell(study: &Study, net: &str, label: &str, value: fn(&Alignment) -> f64) -> String {
    let values: Vec<f64> = study.of(net).filter_map(|run| last(run, label, "all", value)).collect();
    mean_and_deviation(&values).map_or_else(String::new, |(mean, sd)| format!("{mean:.2} ± {sd:.2}"))
}

/// One row for each estimator, one column for each net.
fn table(study: &Study, what: &str, value: fn(&Alignment) -> f64, public: bool) -> Table {
    let nets: Vec<&String> = study.settings.methods.iter().map(|method| &method.label).collect();
    let row = |label: String| {
        let mut row = vec![label.clone()];
        row.extend(nets.iter().map(|net| cell(study, net, &label, value)));
        if public {
            let known = PUBLIC.iter().find(|(name, _)| *name == label);
            row.push(known.map_or_else(String::new, |(_, value)| (*value).to_string()));
        }
        row
    };
    let mut headers = vec!["estimator".to_string()];
    headers.extend(nets.iter().map(|net| (*net).clone()));
    headers.extend(public.then(|| "public, vanilla-64".to_string()));
    let mut align = vec![Align::Right; headers.len()];
    align[0] = Align::Left;
    Table {
        caption: format!("{what}: mean of the last {LAST} records, ± standard deviation over seeds."),
        headers,
        rows: labels(study).into_iter().map(row).collect(),
        align,
    }
}

/// Cosines by parameter group, one row for each net and group.
fn groups(study: &Study) -> Table {
    let mut rows = Vec::new();
    for method in &study.settings.methods {
        for group in ["input", "bias", "recurrent"] {
            let mut row = vec![method.label.clone(), group.to_string()];
            // The mean alone: spreads are in the first table, and this one is wide enough.
            row.extend(labels(study).iter().map(|label| {
                let values: Vec<f64> =
                    study.of(&method.label).filter_map(|run| last(run, label, group, |a| a.cosine)).collect();
                mean_and_deviation(&values).map_or_else(String::new, |(mean, _)| format!("{mean:.2}"))
            }));
            rows.push(row);
        }
    }
    let mut headers = vec!["net".to_string(), "weights".to_string()];
    headers.extend(labels(study));
    let mut align = vec![Align::Right; headers.len()];
    align[..2].fill(Align::Left);
    Table {
        caption: "Cosine to the exact gradient by parameter group: mean of the last records and seeds."
            .to_string(),
        headers,
        rows,
        align,
    }
}
