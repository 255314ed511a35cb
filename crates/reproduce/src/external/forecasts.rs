//! Series of others, forecast some rows ahead with honest delays: a pair is learned when its target has come.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rtrl_report::{Align, Section, Table};
use rtrl_stream::{Columns, Forecaster, ForecasterConfig, calendar};
use rtrl_sweep::mean_and_deviation;
use serde::{Deserialize, Serialize};

use crate::measured::{Item, Measured};

/// The table `measure`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    seeds: u64,
    /// The file of taxi counts, as `cargo xtask data get nyc-taxi` places it.
    taxi: PathBuf,
    /// Settings of the forecaster on each data, and the estimators that are put into them.
    of: toml::Table,
    estimators: toml::Table,
}

/// What is forecast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Data {
    /// Motion of nine coordinates on chest and abdomen, of this number.
    Respiratory(usize),
    /// Counts of taxi rides in New York.
    Taxi,
}

/// One pass of a forecaster over a series.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct One {
    data: Data,
    file: PathBuf,
    method: String,
    config: ForecasterConfig,
    seed: u64,
}

/// The errors of one predictor at one horizon.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Errors {
    horizon: usize,
    /// Index into [`PREDICTORS`](rtrl_stream::PREDICTORS).
    predictor: usize,
    /// Root of the mean squared error over the standard deviation.
    nrmse: f64,
    /// Σ|e| / Σ|y|.
    alt_mape: f64,
}

/// The first row whose forecast is judged.
const fn judged_from(data: &Data) -> usize {
    match data {
        Data::Respiratory(_) => 200,
        Data::Taxi => 10_000,
    }
}

/// Sequences of respiratory motion, which lie in the repository.
const SEQUENCES: usize = 9;

/// From the root of the repository, so that what is measured is named alike on every machine.
fn respiratory(sequence: usize) -> PathBuf {
    Path::new("examples/tables/respiratory").join(format!("sequence_{sequence}_3.33hz.csv"))
}

pub fn items(experiment: &'static str, table: &toml::Table) -> Result<Vec<Item>, String> {
    let s: Settings = table.clone().try_into().map_err(|error: toml::de::Error| error.to_string())?;
    let mut data: Vec<_> = (1..=SEQUENCES).map(|n| (Data::Respiratory(n), respiratory(n))).collect();
    // Without the file the section says how to get it.
    data.extend(s.taxi.is_file().then(|| (Data::Taxi, s.taxi.clone())));
    let mut items = Vec::new();
    for (data, file) in data {
        let (name, key) = match data {
            Data::Respiratory(n) => (format!("respiratory motion {n}"), "respiratory"),
            Data::Taxi => ("taxi".to_string(), "taxi"),
        };
        for (method, estimator) in &s.estimators {
            let mut own = s.of.get(key).and_then(toml::Value::as_table).cloned().unwrap_or_default();
            own.insert("estimator".to_string(), estimator.clone());
            let config: ForecasterConfig =
                own.try_into().map_err(|error: toml::de::Error| format!("measure.of.{key}: {error}"))?;
            for seed in 0..s.seeds {
                let mut config = config.clone();
                config.training.seed = seed;
                let (method, data, file) = (method.clone(), data.clone(), file.clone());
                let label = format!("{name}, {method}, seed {seed}");
                items.push(Item::new(experiment, label, One { data, file, method, config, seed }));
            }
        }
    }
    Ok(items)
}

/// The numbers of each row of a file, and their columns.
fn rows(one: &One) -> Result<(Columns, Vec<Vec<f64>>), String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", one.file.display());
    let root = match one.data {
        Data::Respiratory(_) => concat!(env!("CARGO_MANIFEST_DIR"), "/../.."),
        Data::Taxi => "",
    };
    let text = std::fs::read_to_string(Path::new(root).join(&one.file)).map_err(|error| failed(&error))?;
    let number = |cell: &str| cell.trim().parse::<f64>().map_err(|error| failed(&format!("{cell}: {error}")));
    let mut lines = text.lines();
    let header = lines.next().ok_or_else(|| failed(&"it is empty"))?;
    match one.data {
        Data::Respiratory(_) => {
            let columns = Columns::all(header.split(',')).map_err(|error| failed(&error))?;
            let rows = lines.map(|line| line.split(',').map(number).collect());
            Ok((columns, rows.collect::<Result<_, _>>()?))
        }
        Data::Taxi => {
            // Two more lines describe the columns: timestamp, count, minute of the day, day of the week.
            let row = |line: &str| {
                let cells: Vec<&str> = line.split(',').collect();
                let [_, count, minute, day] = cells[..] else { return Err(failed(&format!("`{line}`"))) };
                let part = number(minute)? / 1440.0;
                let calendar = calendar(part, (number(day)? + part) / 7.0);
                Ok(std::iter::once(number(count)?).chain(calendar).collect())
            };
            let rows: Vec<Vec<f64>> = lines.skip(2).map(row).collect::<Result<_, _>>()?;
            let all = rows.first().map_or(1, Vec::len);
            let names = (0..all).map(|i| format!("column {i}")).collect();
            let columns = Columns::new(names, (0..all).collect(), vec![0]).and_then(|c| c.exact_from(1));
            Ok((columns.map_err(|error| failed(&error))?, rows))
        }
    }
}

pub fn measure(settings: &serde_json::Value) -> Result<serde_json::Value, String> {
    crate::measured::typed(settings, measured)
}

fn measured(one: &One) -> Result<Vec<Errors>, String> {
    let (columns, rows) = rows(one)?;
    let mut forecaster = Forecaster::new(&one.config, &columns).map_err(|error| error.to_string())?;
    let horizons = &one.config.stream.horizons;
    let from = judged_from(&one.data);
    // Σ e² and Σ|e| by horizon and predictor, over all targets.
    let mut sums = vec![[[0.0_f64; 2]; 4]; horizons.len()];
    let mut judged = Vec::new();
    for (t, row) in rows.iter().enumerate() {
        let row: Vec<Option<f64>> = row.iter().copied().map(Some).collect();
        let report = forecaster.step(&row).map_err(|error| error.to_string())?;
        if t < from {
            continue;
        }
        for target in &report.targets {
            let value = target.value.ok_or("a value is missing")?;
            judged.push(value);
            for (sums, forecast) in sums.iter_mut().zip(&target.forecasts) {
                let by = forecast.predicted.ok_or("a forecast is missing")?;
                for (sums, by) in sums.iter_mut().zip(by) {
                    sums[0] += (value - by).powi(2);
                    sums[1] += (value - by).abs();
                }
            }
        }
    }
    let targets = if one.data == Data::Taxi { 1 } else { columns.names().len() };
    // The published figures divide by the deviation of all counts.
    let all: Vec<f64> = match one.data {
        Data::Taxi => rows.iter().map(|row| row[0]).collect(),
        Data::Respiratory(_) => judged.clone(),
    };
    let variance = variance(&all, targets);
    let (n, absolute) = (judged.len() as f64, judged.iter().map(|y| y.abs()).sum::<f64>());
    let of_horizon = |(&horizon, sums): (&usize, &[[f64; 2]; 4])| {
        let errors = |(predictor, sums): (usize, &[f64; 2])| Errors {
            horizon,
            predictor,
            nrmse: (sums[0] / n / variance).sqrt(),
            alt_mape: sums[1] / absolute,
        };
        // A predictor that there is not has no number.
        sums.iter().enumerate().map(errors).filter(|e| e.nrmse.is_finite()).collect::<Vec<_>>()
    };
    Ok(horizons.iter().zip(&sums).flat_map(of_horizon).collect())
}

/// The mean over targets of each one's variance; `values` are row after row.
fn variance(values: &[f64], targets: usize) -> f64 {
    let of_target = |k: usize| {
        let own = || values.iter().skip(k).step_by(targets);
        let n = own().count() as f64;
        let mean = own().sum::<f64>() / n;
        own().map(|y| (y - mean).powi(2)).sum::<f64>() / n
    };
    (0..targets).map(of_target).sum::<f64>() / targets as f64
}

type Pass = Measured<One, Vec<Errors>>;

/// A row of a table: one predictor in some passes.
struct Predictor<'a> {
    name: String,
    /// Index into [`PREDICTORS`](rtrl_stream::PREDICTORS).
    index: usize,
    passes: Vec<&'a Pass>,
}

impl Predictor<'_> {
    /// Mean and deviation over seeds of a number at a horizon, or at all; over sequences first.
    fn cell(&self, horizon: Option<usize>, number: fn(&Errors) -> f64) -> String {
        let is = |e: &&Errors| e.predictor == self.index && horizon.is_none_or(|h| h == e.horizon);
        let seeds: BTreeSet<u64> = self.passes.iter().map(|pass| pass.settings.seed).collect();
        let of_seed = |seed: &u64| {
            let own = self.passes.iter().filter(|pass| pass.settings.seed == *seed);
            let found: Vec<f64> = own.flat_map(|pass| &pass.result).filter(is).map(number).collect();
            mean_and_deviation(&found).map(|(mean, _)| mean)
        };
        let means: Vec<f64> = seeds.iter().filter_map(of_seed).collect();
        match mean_and_deviation(&means) {
            Some((mean, deviation)) if deviation > 5e-5 => format!("{mean:.4} ± {deviation:.4}"),
            Some((mean, _)) => format!("{mean:.4}"),
            None => String::new(),
        }
    }
}

/// The net by each method, and what needs no net.
fn predictors(all: &[Pass], is: fn(&Data) -> bool) -> Vec<Predictor<'_>> {
    let of = |method: Option<&str>| {
        let own = all.iter().filter(|pass| is(&pass.settings.data));
        own.filter(|pass| method.is_none_or(|method| pass.settings.method == method)).collect::<Vec<_>>()
    };
    let methods: BTreeSet<&str> = of(None).iter().map(|pass| pass.settings.method.as_str()).collect();
    let net =
        |&method: &&str| Predictor { name: format!("net, {method}"), index: 0, passes: of(Some(method)) };
    // The same beside each net.
    let first = methods.first().copied().unwrap_or_default();
    let beside = [(2, "linear model, recursive least squares"), (3, "one season before"), (1, "last value")];
    let beside =
        beside.map(|(index, name)| Predictor { name: name.to_string(), index, passes: of(Some(first)) });
    methods.iter().map(net).chain(beside).collect()
}

fn respiratory_table(all: &[Pass]) -> Table {
    let is = |data: &Data| matches!(data, Data::Respiratory(_));
    let horizons: BTreeSet<usize> = all
        .iter()
        .filter(|pass| is(&pass.settings.data))
        .flat_map(|pass| &pass.result)
        .map(|e| e.horizon)
        .collect();
    let row = |predictor: Predictor<'_>| {
        let cells = horizons.iter().copied().map(Some).chain([None]).map(|h| predictor.cell(h, |e| e.nrmse));
        std::iter::once(predictor.name.clone()).chain(cells).collect::<Vec<_>>()
    };
    let headers = horizons.iter().map(|h| format!("h = {h}")).chain(["mean".to_string()]);
    Table {
        caption: "Respiratory motion at 3.33 Hz, all nine coordinates h frames ahead, from frame 200 on: root of the mean squared error over the \
                  standard deviation, mean over the nine sequences, ± standard deviation over seeds."
            .to_string(),
        headers: std::iter::once("predictor".to_string()).chain(headers).collect(),
        rows: predictors(all, is).into_iter().map(row).filter(|row| !row[1].is_empty()).collect(),
        align: [vec![Align::Left], vec![Align::Right; horizons.len() + 1]].concat(),
    }
}

/// Published altMAPE and NRMSE on the taxi counts.
const PUBLISHED: [(&str, &str, &str); 9] = [
    ("published: nearest neighbors", "0.0706", "0.259"),
    ("LSTM, trained anew each week on the last 5000 records", "0.0731", "0.258"),
    ("HTM", "0.0809", "0.287"),
    ("same time last week", "0.0880", "0.336"),
    ("echo state net, online", "0.0957", "0.286"),
    ("time-delay net", "0.104", "0.327"),
    ("extreme learning machine", "0.163", "0.476"),
    ("ARIMA", "0.294", "0.849"),
    ("last value", "0.322", "0.926"),
];

fn taxi_table(all: &[Pass]) -> Option<Table> {
    const AHEAD: Option<usize> = Some(5);
    let is = |data: &Data| *data == Data::Taxi;
    all.iter().find(|pass| is(&pass.settings.data))?;
    let row =
        |p: Predictor<'_>| vec![p.name.clone(), p.cell(AHEAD, |e| e.alt_mape), p.cell(AHEAD, |e| e.nrmse)];
    let own = predictors(all, is).into_iter().map(row);
    let published =
        PUBLISHED.iter().map(|(name, mape, nrmse)| [name, mape, nrmse].map(|s| s.to_string()).to_vec());
    Some(Table {
        caption: "Taxi rides in New York, five records (2.5 hours) ahead, from record 10 000 on, in one pass: Σ|e| / Σ|y|, and root of the mean squared \
                  error over the standard deviation of all counts; ± standard deviation over seeds."
            .to_string(),
        headers: ["predictor", "altMAPE", "NRMSE"].map(str::to_string).to_vec(),
        rows: own.chain(published).collect(),
        align: vec![Align::Left, Align::Right, Align::Right],
    })
}

pub fn section(items: &[Item], out: &Path) -> Result<Section, String> {
    let measured: Vec<Pass> = items.iter().map(|item| item.read(out)).collect::<Result<_, _>>()?;
    let taxi = taxi_table(&measured);
    let mut caveats = vec![
        "The published figures of respiratory motion (Pohl et al., github pohl-michel/2D-MR-image-prediction, commit c31ee37: SnAp-1 0.335, UORO 0.384, \
         exact RTRL 0.403, linear 0.490 as means over h = 1 to 7) are not beside these: that code learns the pair of frames t and t + h before it \
         predicts at t + 1, when for h > 1 frame t + h has not come."
            .to_string(),
    ];
    match taxi {
        Some(_) => caveats.push(
            "Published figures of the taxi counts: computed from the predictions in github numenta/htmresearch, commit ea7f86e, \
             projects/sequence_prediction (Cui, Ahmad & Hawkins, Neural Computation 28 (2016)). Our settings were chosen by the errors on records 5000 to \
             10 000."
                .to_string(),
        ),
        None => caveats.push(
            "The taxi counts of New York are left out: `cargo xtask data get nyc-taxi` fetches them, and the same command goes on.".to_string(),
        ),
    }
    Ok(Section {
        setup: vec![
            "A net with one output for each target and horizon reads each row, and learns from it when the targets of the row have come; the linear \
             model, which reads the same, does so too. Each predicts before it learns, in one pass."
                .to_string(),
        ],
        tables: [respiratory_table(&measured)].into_iter().chain(taxi).collect(),
        caveats,
        runs: measured.into_iter().map(|m| m.entry).collect(),
        ..Section::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_those_of_a_series_by_hand() {
        // The last value is wrong by h at every row of a line; the deviation of 0…n-1 is √((n² - 1) / 12).
        let out = tempfile::tempdir().unwrap();
        let file = out.path().join("line.csv");
        let rows = 260;
        let text: String = (0..rows).map(|t| format!("{t},{}\n", -t)).collect();
        std::fs::write(&file, format!("a,b\n{text}")).unwrap();
        let mut config = ForecasterConfig::default();
        config.stream.horizons = vec![1, 3];
        let one = One { data: Data::Respiratory(1), file, method: String::new(), config, seed: 0 };
        let found = measured(&one).unwrap();
        let judged = f64::from(rows) - 200.0;
        for horizon in [1, 3] {
            let last = found.iter().find(|e| e.horizon == horizon && e.predictor == 1).unwrap();
            let wanted = horizon as f64 / ((judged * judged - 1.0) / 12.0).sqrt();
            assert!((last.nrmse - wanted).abs() < 1e-9, "{last:?} {wanted}");
            let sum: f64 = (200..rows).map(f64::from).sum();
            assert!((last.alt_mape - horizon as f64 * judged / sum).abs() < 1e-9, "{last:?}");
        }
        assert!(found.iter().all(|e| e.predictor != 3), "there is no season");
    }
}
