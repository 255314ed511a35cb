//! An experiment: a configuration file of what is run, and a function that makes a section of the report of it.

use std::path::Path;

use rtrl_train::{Record, RunConfig, Summary};
use serde::Deserialize;

use crate::report::{Align, Point, Section, Series, Table};

/// One experiment of the catalogue.
pub struct Experiment {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its configuration file.
    pub toml: &'static str,
    /// Makes the section of the report.
    pub section: fn(&Study) -> Section,
}

/// The configuration file of an experiment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What the experiment is to decide.
    pub question: String,
    /// What all runs have in common, as a part of a [`RunConfig`].
    run: toml::Table,
    /// What is compared.
    pub methods: Vec<Method>,
    profiles: std::collections::BTreeMap<String, ProfileSettings>,
}

/// One of the things that are compared: what it changes in the common configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    /// Its name in figures and tables.
    pub label: String,
    run: toml::Table,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileSettings {
    seeds: u64,
    run: toml::Table,
}

/// One run that is to be made.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The method's label.
    pub method: String,
    /// What is run; the seed is in it.
    pub config: RunConfig,
}

impl Planned {
    /// Whether the run can be given a text.
    pub fn reads_text(&self) -> bool {
        matches!(self.config.task, rtrl_tasks::TaskConfig::CharLm(_))
    }
}

/// One run that was made.
#[derive(Debug, Clone)]
pub struct Done {
    /// The method's label.
    pub method: String,
    /// What was run.
    pub config: RunConfig,
    /// Its folder, relative to the output folder.
    pub folder: String,
    /// Its measurements, in order.
    pub records: Vec<Record>,
    /// Its end.
    pub summary: Summary,
}

/// A finished experiment.
pub struct Study {
    /// What was asked and compared.
    pub settings: Settings,
    /// The name on the command line.
    pub name: &'static str,
    /// All runs: method after method, seed after seed.
    pub runs: Vec<Done>,
}

impl Experiment {
    /// The configuration file, parsed.
    ///
    /// # Errors
    /// If the file has a mistake; it is part of the program, and a test parses every one.
    pub fn settings(&self) -> Result<Settings, String> {
        toml::from_str(self.toml).map_err(|error| format!("experiment `{}`: {error}", self.name))
    }
}

impl Settings {
    /// Every run of a profile: method after method, seed after seed.
    ///
    /// # Errors
    /// If the profile is missing or a merged configuration is not valid.
    pub fn plan(
        &self,
        profile: &str,
        seeds: Option<u64>,
        text: Option<&Path>,
        valid: Option<&Path>,
    ) -> Result<Vec<Planned>, String> {
        let profile = self.profiles.get(profile).ok_or_else(|| format!("there is no profile `{profile}`"))?;
        let mut planned = Vec::new();
        for method in &self.methods {
            for seed in 0..seeds.unwrap_or(profile.seeds) {
                let mut table = self.run.clone();
                merge(&mut table, &profile.run);
                merge(&mut table, &method.run);
                merge(&mut table, &of_seed(seed));
                for (key, path) in [("text", text), ("valid", valid)] {
                    if let (Some(path), true) = (path, reads_text(&table)) {
                        merge(&mut table, &of_task(key, path));
                    }
                }
                let toml = toml::to_string(&table).map_err(|error| error.to_string())?;
                let config = RunConfig::from_toml(&toml, &method.label).map_err(|error| error.to_string())?;
                planned.push(Planned { method: method.label.clone(), config });
            }
        }
        Ok(planned)
    }
}

fn table(key: &str, value: impl Into<toml::Value>) -> toml::Table {
    toml::Table::from_iter([(key.to_string(), value.into())])
}

fn of_seed(seed: u64) -> toml::Table {
    table("training", table("seed", i64::try_from(seed).unwrap_or(i64::MAX)))
}

fn of_task(key: &str, path: &Path) -> toml::Table {
    table("task", table(key, path.to_string_lossy().into_owned()))
}

/// Whether the task takes a text.
fn reads_text(run: &toml::Table) -> bool {
    let kind = run.get("task").and_then(|task| task.get("kind"));
    kind.and_then(toml::Value::as_str) == Some("char-lm")
}

/// Puts the values of `over` into `base`: tables are merged key by key, anything else is replaced.
fn merge(base: &mut toml::Table, over: &toml::Table) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(over)) => merge(base, over),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

impl Study {
    /// The runs of one method, by seed.
    pub fn of<'a>(&'a self, method: &'a str) -> impl Iterator<Item = &'a Done> {
        self.runs.iter().filter(move |run| run.method == method)
    }

    /// One curve for each method: at each recorded step the values of all seeds that have one.
    pub fn series(&self, x: fn(&Record) -> f64, y: fn(&Record) -> Option<f64>) -> Vec<Series> {
        let curve = |method: &Method| {
            let mut points: Vec<Point> = Vec::new();
            for record in self.of(&method.label).flat_map(|run| &run.records) {
                let Some(value) = y(record) else { continue };
                match points.iter_mut().find(|point| point.x == x(record)) {
                    Some(point) => point.y.push(value),
                    None => points.push(Point { x: x(record), y: vec![value] }),
                }
            }
            Series { label: method.label.clone(), points }
        };
        self.settings.methods.iter().map(curve).collect()
    }

    /// Mean and standard deviation over seeds of a quantity of each method's finished runs.
    pub fn final_values(&self, method: &str, value: fn(&Summary) -> Option<f64>) -> Option<(f64, f64)> {
        let values: Vec<f64> = self.of(method).filter_map(|run| value(&run.summary)).collect();
        mean_and_deviation(&values)
    }
}

/// Mean and sample standard deviation (0 of a single value); `None` of no values.
pub fn mean_and_deviation(values: &[f64]) -> Option<(f64, f64)> {
    if values.is_empty() {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>();
    Some((mean, if values.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 }))
}

impl Study {
    /// The common setting in a sentence.
    pub fn setup(&self) -> String {
        let Some(run) = self.runs.first() else { return String::new() };
        let t = &run.config.training;
        let seeds = self.of(&run.method).count();
        format!(
            "{} lanes, {} time steps, {seeds} seeds; every method sees the same data, masks and initial weights for the \
             same seed. The configuration of each run is listed below.",
            t.lanes, t.steps
        )
    }

    /// One row for each method: a final value with its spread, counted cost and measured time.
    pub fn table(&self, what: &str, value: fn(&Summary) -> Option<f64>, digits: usize) -> Table {
        let row = |method: &Method| {
            let run = self.of(&method.label).next()?;
            let (mean, deviation) = self.final_values(&method.label, value)?;
            let (seconds, _) = self.final_values(&method.label, |summary| Some(summary.seconds))?;
            let cost = &run.summary.cost;
            Some(vec![
                method.label.clone(),
                format!("{mean:.digits$} ± {deviation:.digits$}"),
                run.config.training.window.to_string(),
                format!("{:.0}", cost.macs()),
                format!("{:.2}", cost.bytes as f64 / 1e6),
                format!("{seconds:.0}"),
            ])
        };
        Table {
            caption: format!(
                "Mean and standard deviation over seeds of the {what}. Window: time steps between two weight updates. \
                 Multiply-adds of the recurrent part per time step and lane, and its memory, are counted from the structure."
            ),
            headers: ["method", what, "window", "multiply-adds", "megabytes", "seconds per run"]
                .map(str::to_string)
                .to_vec(),
            rows: self.settings.methods.iter().filter_map(row).collect(),
            align: [Align::Left, Align::Right, Align::Right, Align::Right, Align::Right, Align::Right]
                .to_vec(),
        }
    }
}
