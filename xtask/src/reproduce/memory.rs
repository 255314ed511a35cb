//! Memory against the length of a sequence.

use std::path::Path;

use rtrl_cells::{CellConfig, Size};
use rtrl_estimators::{BpttConfig, EstimatorConfig, OkConfig, RtrlConfig, Schedule, SnapConfig, UoroConfig};
use serde::{Deserialize, Serialize};

use super::experiment::{Experiment, Kind};
use super::measured::{Item, Measured, typed};
use super::nets::Net;
use super::verdict::{Statement, all, holds};
use crate::report::{Axis, Figure, Point, Section, Series};

const CONSTANT: Statement = Statement {
    id: "C5",
    text: "RTRL and SnAp need no history: memory does not grow with the length of a sequence.",
};

/// Memory against length.
pub const EXPERIMENTS: &[Experiment] = &[Experiment {
    name: "memory",
    claims: &[CONSTANT],
    kind: Kind::Measured { items, measure: |settings| typed(settings, measure), timed: false, section },
}];

/// The table `measure`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    units: usize,
    sparsity: f64,
    inputs: usize,
    lengths: Vec<usize>,
}

/// One estimator on sequences of all lengths.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct One {
    net: Net,
    label: String,
    estimator: EstimatorConfig,
    /// Whether the weights change at the end of the sequence only, so that the window is the sequence.
    windowed: bool,
    lengths: Vec<usize>,
}

fn items(experiment: &'static str, table: &toml::Table) -> Result<Vec<Item>, String> {
    let s: Settings = table.clone().try_into().map_err(|error: toml::de::Error| error.to_string())?;
    let schedule = Schedule::Streaming;
    let snap = |order| EstimatorConfig::Snap(SnapConfig { order, schedule, ..Default::default() });
    let estimators = [
        ("BPTT", EstimatorConfig::Bptt(BpttConfig {}), true),
        ("RTRL", EstimatorConfig::Rtrl(RtrlConfig { schedule, ..Default::default() }), false),
        ("SnAp-1", snap(1), false),
        ("SnAp-2", snap(2), false),
        ("UORO", EstimatorConfig::Uoro(UoroConfig::default()), false),
        ("OK-8", EstimatorConfig::OptimalKronecker(OkConfig::default()), false),
    ];
    let net = Net { cell: CellConfig::Gru(Size::sparse(s.units, s.sparsity)), inputs: s.inputs, seed: 0 };
    let item = |(label, estimator, windowed): (&str, EstimatorConfig, bool)| {
        let lengths = s.lengths.clone();
        let one = One { net: net.clone(), label: label.to_string(), estimator, windowed, lengths };
        Item::new(experiment, label.to_string(), one)
    };
    Ok(estimators.map(item).to_vec())
}

/// Bytes held for each length.
fn measure(one: &One) -> Result<Vec<usize>, String> {
    let driver = one.net.build::<f32>()?;
    let bytes = |&length: &usize| {
        let window = if one.windowed { length } else { 1 };
        Ok(driver.estimator(&one.estimator, window)?.cost().bytes)
    };
    one.lengths.iter().map(bytes).collect()
}

fn section(items: &[Item], out: &Path) -> Result<Section, String> {
    let measured: Vec<Measured<One, Vec<usize>>> =
        items.iter().map(|item| item.read(out)).collect::<Result<_, _>>()?;
    let series = measured.iter().map(|m| {
        let points = m.settings.lengths.iter().zip(&m.result);
        let points = points.map(|(&t, &bytes)| Point { x: t as f64, y: vec![bytes as f64 / 1e6] });
        Series { label: m.settings.label.clone(), points: points.collect() }
    });
    let growth = |m: &Measured<One, Vec<usize>>| {
        m.result.last().copied().unwrap_or(0) as f64 / m.result.first().copied().unwrap_or(1) as f64
    };
    let online = measured.iter().filter(|m| !m.settings.windowed);
    let constant = online.clone().map(|m| holds(growth(m) == 1.0));
    let history = measured.iter().filter(|m| m.settings.windowed).map(|m| holds(growth(m) > 2.0));
    let verdict = all(&constant.chain(history).collect::<Vec<_>>());
    let lengths = measured.first().map_or(&[][..], |m| &m.settings.lengths);
    let growths: Vec<_> =
        measured.iter().map(|m| format!("{} × {:.1}", m.settings.label, growth(m))).collect();
    let evidence = format!(
        "Bytes at {} steps over those at {}: {}.",
        lengths.last().unwrap_or(&0),
        lengths.first().unwrap_or(&0),
        growths.join(", ")
    );
    let numbers = measured.iter().map(|m| (format!("growth of {}", m.settings.label), growth(m))).collect();
    let mut decided = CONSTANT.decided(verdict, evidence, numbers);
    decided.seeds = vec![0];
    decided.runs = measured.iter().map(|m| m.entry.hash.clone()).collect();
    Ok(Section {
        name: String::new(),
        question: String::new(),
        setup: vec![
            "A sparse GRU, one lane, `f32`. The bytes are those that each estimator holds from step to step, counted from its \
             structure; a test compares the count with what the allocator hands out. BPTT keeps the whole sequence, the others \
             update at every step."
                .to_string(),
        ],
        figures: vec![Figure {
            id: "memory".to_string(),
            caption: "Megabytes that an estimator holds against the length of the sequence.".to_string(),
            x: Axis { label: "time steps".to_string(), log: true },
            y: Axis { label: "megabytes".to_string(), log: true },
            seeds: vec![0],
            series: series.collect(),
            references: Vec::new(),
            yardsticks: Vec::new(),
        }],
        tables: Vec::new(),
        claims: vec![decided],
        caveats: vec![
            "Constant is not small: for short sequences BPTT needs less than RTRL, and less than SnAp-2 on a dense net."
                .to_string(),
        ],
        runs: measured.into_iter().map(|m| m.entry).collect(),
    })
}
