//! An experiment: a configuration file of what is run, and a function that makes a section of the report of it.

use std::path::Path;

use rtrl_train::{Record, RunConfig, Summary};
use serde::Deserialize;

use super::measured::{Item, Measure};
use super::verdict::Difference;
use crate::report::{Align, Claim, Point, Section, Series, Table};

/// One experiment of the catalogue.
pub struct Experiment {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its configuration file.
    pub toml: &'static str,
    /// Where its numbers come from.
    pub kind: Kind,
}

/// Where the numbers of an experiment come from.
pub enum Kind {
    /// Training runs.
    Runs {
        /// Makes the section of the report.
        section: fn(&Study) -> Section,
    },
    /// Measurements of nets without training runs.
    Measured {
        /// Everything to measure, from the table `measure` of a profile.
        items: fn(&'static str, &toml::Table) -> Result<Vec<Item>, String>,
        /// Measures one.
        measure: Measure,
        /// Whether times are measured, so that nothing else should run beside it.
        timed: bool,
        /// Makes the section of the report, from what is stored in the output folder.
        section: fn(&[Item], &Path) -> Result<Section, String>,
    },
}

/// The configuration file of an experiment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What the experiment is to decide.
    pub question: String,
    /// What all runs have in common, as a part of a [`RunConfig`].
    #[serde(default)]
    run: toml::Table,
    /// What is compared.
    #[serde(default)]
    pub methods: Vec<Method>,
    /// A setting that is chosen for each method before the runs that count.
    pub sweep: Option<Sweep>,
    /// What all measurements have in common.
    #[serde(default)]
    measure: toml::Table,
    profiles: std::collections::BTreeMap<String, ProfileSettings>,
}

/// A setting that is chosen for each method, on seeds that the final runs do not use.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// The setting, with dots between its tables.
    pub key: String,
    /// What is tried.
    pub values: Vec<f64>,
    /// By what is chosen.
    pub score: Score,
}

/// The number that a sweep compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// Bits per character on held-out text: less is better.
    ValidBits,
    /// Mean loss at the end: less is better.
    Loss,
    /// Level of the curriculum at the end, and among equals the lower loss: more is better.
    Level,
}

impl Score {
    /// The score of a run, greater for a better one.
    fn of(self, summary: &Summary) -> f64 {
        let loss = summary.bits.or(summary.error).unwrap_or(f64::INFINITY);
        match self {
            Self::ValidBits => -summary.valid_bits.unwrap_or(f64::INFINITY),
            Self::Loss => -loss,
            // A loss of a few bits decides between equal levels only.
            Self::Level => summary.level.map_or(f64::NEG_INFINITY, f64::from) - 1e-3 * loss.min(100.0),
        }
    }
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
    #[serde(default)]
    seeds: u64,
    #[serde(default)]
    run: toml::Table,
    /// Seeds of the sweep; none without.
    #[serde(default)]
    sweep_seeds: u64,
    /// What the runs of the sweep have different, usually fewer steps.
    #[serde(default)]
    sweep_run: toml::Table,
    #[serde(default)]
    measure: toml::Table,
    /// What single methods have different, by label.
    #[serde(default)]
    methods: std::collections::BTreeMap<String, toml::Table>,
}

/// Seeds of sweeps, far from those of final runs.
const FIRST_SWEEP_SEED: u64 = 1000;

/// One run that is to be made.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The method's label.
    pub method: String,
    /// What is run; the seed is in it.
    pub config: RunConfig,
    /// The value that a sweep tries with this run.
    pub tried: Option<f64>,
}

impl Planned {
    /// Whether the run can be given a text.
    pub fn reads_text(&self) -> bool {
        matches!(self.config.task, Some(rtrl_tasks::TaskConfig::CharLm(_)))
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
    /// The value that a sweep tried with this run.
    pub tried: Option<f64>,
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
    /// The runs of the sweep, and what it has chosen.
    pub sweep: Vec<Done>,
    /// What the sweep has chosen.
    pub choice: Choice,
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

/// What the command line says about the runs of every experiment.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The profile.
    pub profile: &'a str,
    /// Number of seeds, instead of the profile's.
    pub seeds: Option<u64>,
    /// The training text.
    pub text: Option<&'a Path>,
    /// The validation text.
    pub valid: Option<&'a Path>,
}

/// What a sweep has chosen for each method, by label.
pub type Choice = std::collections::BTreeMap<String, f64>;

impl Settings {
    fn profile(&self, name: &str) -> Result<&ProfileSettings, String> {
        self.profiles.get(name).ok_or_else(|| format!("there is no profile `{name}`"))
    }

    /// The table `measure` of a profile.
    ///
    /// # Errors
    /// If the profile is missing.
    pub fn measure(&self, request: Request<'_>) -> Result<toml::Table, String> {
        let mut table = self.measure.clone();
        merge(&mut table, &self.profile(request.profile)?.measure);
        Ok(table)
    }

    /// Every run of the sweep: method after method, value after value, seed after seed. None if the profile has no sweep.
    ///
    /// # Errors
    /// If the profile is missing or a merged configuration is not valid.
    pub fn sweep_plan(&self, request: Request<'_>) -> Result<Vec<Planned>, String> {
        let profile = self.profile(request.profile)?;
        let Some(sweep) = &self.sweep else { return Ok(Vec::new()) };
        let mut planned = Vec::new();
        for method in &self.methods {
            for &value in &sweep.values {
                for seed in FIRST_SWEEP_SEED..FIRST_SWEEP_SEED + profile.sweep_seeds {
                    let over = [&profile.sweep_run, &dotted(&sweep.key, value)];
                    let config = self.config(profile, method, seed, request, &over)?;
                    planned.push(Planned { method: method.label.clone(), config, tried: Some(value) });
                }
            }
        }
        Ok(planned)
    }

    /// The best value of each method, from the finished runs of the sweep. Values whose runs failed are left out.
    pub fn choose(&self, runs: &[Done]) -> Choice {
        let Some(sweep) = &self.sweep else { return Choice::new() };
        let mean_score = |method: &Method, value: f64| {
            let of = runs.iter().filter(|run| run.method == method.label && run.tried == Some(value));
            let scores: Vec<f64> = of.map(|run| sweep.score.of(&run.summary)).collect();
            mean_and_deviation(&scores).map(|(mean, _)| mean)
        };
        let best = |method: &Method| {
            let scored = sweep.values.iter().filter_map(|&value| Some((value, mean_score(method, value)?)));
            let (value, _) = scored.max_by(|a, b| a.1.total_cmp(&b.1))?;
            Some((method.label.clone(), value))
        };
        self.methods.iter().filter_map(best).collect()
    }

    /// Every final run of a profile: method after method, seed after seed.
    ///
    /// # Errors
    /// If the profile is missing or a merged configuration is not valid.
    pub fn plan(&self, request: Request<'_>, choice: &Choice) -> Result<Vec<Planned>, String> {
        let profile = self.profile(request.profile)?;
        let mut planned = Vec::new();
        for method in &self.methods {
            for seed in 0..request.seeds.unwrap_or(profile.seeds) {
                let chosen = self.sweep.as_ref().zip(choice.get(&method.label));
                let chosen = chosen.map(|(sweep, &value)| dotted(&sweep.key, value)).unwrap_or_default();
                let config = self.config(profile, method, seed, request, &[&chosen])?;
                planned.push(Planned { method: method.label.clone(), config, tried: None });
            }
        }
        Ok(planned)
    }

    fn config(
        &self,
        profile: &ProfileSettings,
        method: &Method,
        seed: u64,
        request: Request<'_>,
        over: &[&toml::Table],
    ) -> Result<RunConfig, String> {
        let mut table = self.run.clone();
        merge(&mut table, &profile.run);
        merge(&mut table, &method.run);
        if let Some(own) = profile.methods.get(&method.label) {
            merge(&mut table, own);
        }
        merge(&mut table, &of_seed(seed));
        over.iter().for_each(|over| merge(&mut table, over));
        for (key, path) in [("text", request.text), ("valid", request.valid)] {
            if let (Some(path), true) = (path, reads_text(&table)) {
                merge(&mut table, &of_task(key, path));
            }
        }
        let toml = toml::to_string(&table).map_err(|error| error.to_string())?;
        RunConfig::from_toml(&toml, &method.label).map_err(|error| error.to_string())
    }
}

/// A table with one value at a place like `optimizer.learning_rate`.
fn dotted(key: &str, value: f64) -> toml::Table {
    let mut parts = key.rsplit('.');
    let mut inner = table(parts.next().unwrap_or_default(), value);
    for part in parts {
        inner = table(part, inner);
    }
    inner
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

    /// A quantity of one method's finished runs, by seed.
    pub fn values(&self, method: &str, value: fn(&Summary) -> Option<f64>) -> Vec<f64> {
        self.of(method).filter_map(|run| value(&run.summary)).collect()
    }

    /// The difference of a quantity between two methods, paired by seed.
    pub fn difference(&self, a: &str, b: &str, value: fn(&Summary) -> Option<f64>) -> Option<Difference> {
        Difference::paired(&self.values(a, value), &self.values(b, value))
    }

    /// The difference of a recorded quantity between two methods at the last step that both have reached, paired by seed;
    /// and that step.
    pub fn difference_when_equal(
        &self,
        a: &str,
        b: &str,
        value: fn(&Record) -> Option<f64>,
    ) -> Option<(u64, Difference)> {
        let last = |method: &str| self.of(method).map(|run| run.config.training.steps.unwrap_or(0)).min();
        let step = last(a)?.min(last(b)?);
        let at = |method: &str| -> Vec<f64> {
            let until = |run: &Done| run.records.iter().rev().filter(|r| r.step <= step).find_map(value);
            self.of(method).filter_map(until).collect()
        };
        Some((step, Difference::paired(&at(a), &at(b))?))
    }

    /// A claim with the seeds and runs of these methods behind it.
    pub fn backed(&self, claim: Claim, methods: &[&str]) -> Claim {
        let runs = || self.runs.iter().filter(|run| methods.contains(&run.method.as_str()));
        let seeds: std::collections::BTreeSet<u64> = runs().map(|run| run.config.training.seed).collect();
        Claim {
            seeds: seeds.into_iter().collect(),
            runs: runs().map(|run| run.summary.hash.clone()).collect(),
            ..claim
        }
    }

    /// What was chosen for each method, in a sentence; nothing without a sweep.
    pub fn chosen(&self) -> Option<String> {
        let sweep = self.settings.sweep.as_ref().filter(|_| !self.choice.is_empty())?;
        let seeds = self.sweep.iter().map(|run| run.config.training.seed);
        let seeds = seeds.collect::<std::collections::BTreeSet<_>>().len();
        let values: Vec<_> = sweep.values.iter().map(|value| format!("{value:.1e}")).collect();
        let chosen: Vec<_> =
            self.choice.iter().map(|(label, value)| format!("{label} {value:.1e}")).collect();
        let ends = [sweep.values.first(), sweep.values.last()];
        let at_an_end = self.choice.iter().filter(|(_, value)| ends.contains(&Some(value)));
        let at_an_end: Vec<_> = at_an_end.map(|(label, _)| label.as_str()).collect();
        let warning = match at_an_end.as_slice() {
            [] => String::new(),
            labels => {
                format!(" At an end of what was tried, so perhaps not the best: {}.", labels.join(", "))
            }
        };
        Some(format!(
            "`{}` was chosen for each method among {} on {seeds} other seed(s): {}.{warning}",
            sweep.key,
            values.join(", "),
            chosen.join(", ")
        ))
    }

    /// Mean and standard deviation over seeds of a quantity of each method's finished runs.
    pub fn final_values(&self, method: &str, value: fn(&Summary) -> Option<f64>) -> Option<(f64, f64)> {
        mean_and_deviation(&self.values(method, value))
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
            t.lanes,
            t.steps.unwrap_or(0)
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
