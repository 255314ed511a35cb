//! The configuration file of an experiment: what is run or measured, in each profile.

use std::collections::BTreeMap;
use std::path::Path;

use rtrl_train::{RunConfig, Summary};
use serde::Deserialize;

use crate::place;
use crate::runs::{Done, Failed, mean_and_deviation};

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
    profiles: BTreeMap<String, ProfileSettings>,
    /// The file, for the places of mistakes.
    #[serde(skip)]
    file: place::File,
}

/// A setting that is chosen for each method, on seeds that the final runs do not use.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// The setting, with dots between its tables.
    pub key: String,
    /// What is tried.
    pub values: Vec<f64>,
    /// The score by which the value is chosen.
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
    /// The score of a run, greater for a better one; not finite if the run lacks the number.
    fn of(self, summary: &Summary) -> f64 {
        let loss = summary.bits.or(summary.error).unwrap_or(f64::INFINITY);
        match self {
            Self::ValidBits => -summary.valid_bits.unwrap_or(f64::INFINITY),
            Self::Loss => -loss,
            // The loss decides only between equal levels.
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

/// What a profile adds to the common configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileSettings {
    #[serde(default)]
    seeds: u64,
    #[serde(default)]
    run: toml::Table,
    /// Number of seeds of the sweep; 0 if the profile has no sweep.
    #[serde(default)]
    sweep_seeds: u64,
    /// What the runs of the sweep change in it, usually to fewer steps.
    #[serde(default)]
    sweep_run: toml::Table,
    /// What the runs of the sweep change beyond that for single methods, by label.
    #[serde(default)]
    sweep_methods: BTreeMap<String, toml::Table>,
    #[serde(default)]
    measure: toml::Table,
    /// What the profile changes for single methods, by label.
    #[serde(default)]
    methods: BTreeMap<String, toml::Table>,
}

/// First seed of a sweep, far from the seeds of final runs.
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

impl<'a> Request<'a> {
    /// The runs of a profile as its file says.
    #[must_use]
    pub fn new(profile: &'a str) -> Self {
        Self { profile, seeds: None, text: None, valid: None }
    }
}

/// What a sweep has chosen for each method, by label.
pub type Choice = BTreeMap<String, f64>;

impl Settings {
    /// Reads a configuration file; `name` is its name in messages.
    ///
    /// # Errors
    /// In one line: the file, the line, and what is wrong. Besides what is no TOML or has an unknown or missing key, it is a mistake if two
    /// methods have one label, or if a profile changes something for a label that no method has.
    pub fn read(text: &str, name: &str) -> Result<Self, String> {
        let file = place::File { name: name.to_string(), text: text.to_string() };
        let mut settings: Self = toml::from_str(text).map_err(|error| file.syntax(&error))?;
        settings.file = file;
        settings.labels()?;
        Ok(settings)
    }

    /// The settings of runs that were made one by one: only their labels.
    pub(crate) fn of_methods(question: String, labels: Vec<String>) -> Self {
        let method = |label| Method { label, run: toml::Table::new() };
        let (run, sweep, measure, profiles, file) = Default::default();
        Self {
            question,
            run,
            methods: labels.into_iter().map(method).collect(),
            sweep,
            measure,
            profiles,
            file,
        }
    }

    /// A message about a method, with the file and the line of its label.
    pub(crate) fn in_method(&self, label: &str, message: &str) -> String {
        self.file.in_method(label, None, message)
    }

    /// Checks the labels.
    fn labels(&self) -> Result<(), String> {
        let known: Vec<&str> = self.methods.iter().map(|method| method.label.as_str()).collect();
        if let Some((at, label)) = known.iter().enumerate().find(|(at, label)| known[..*at].contains(label)) {
            let line = self.file.nth_with(&["label", &format!("{label:?}")], at);
            return Err(self.file.at(line, &format!("two methods have the label `{label}`")));
        }
        for (profile, settings) in &self.profiles {
            let of_methods = settings.methods.keys().map(|label| ("methods", label));
            let mut all =
                of_methods.chain(settings.sweep_methods.keys().map(|label| ("sweep_methods", label)));
            if let Some((table, label)) = all.find(|(_, label)| !known.contains(&label.as_str())) {
                let line = self.file.with(&[table, label]).or_else(|| self.file.with(&[label]));
                let message = format!(
                    "`profiles.{profile}.{table}` has settings for `{label}`, but no method has this label; there are: {}",
                    known.join(", ")
                );
                return Err(self.file.at(line, &message));
            }
        }
        Ok(())
    }

    fn profile(&self, name: &str) -> Result<&ProfileSettings, String> {
        self.profiles.get(name).ok_or_else(|| {
            let known: Vec<_> = self.profiles.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_string() } else { known.join(", ") };
            self.file.at(None, &format!("there is no profile `{name}`; there are: {known}"))
        })
    }

    /// The profile of this name; without a name the only one, or `quick`.
    ///
    /// # Errors
    /// If there is none, or none of several is called `quick`.
    pub fn profile_or_only(&self, name: Option<&str>) -> Result<String, String> {
        let only = || self.profiles.keys().next().filter(|_| self.profiles.len() == 1).map(String::as_str);
        let name = name.or_else(only).unwrap_or("quick");
        self.profile(name).map(|_| name.to_string())
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

    /// Every run of the sweep: method after method, value after value, seed after seed. Empty if the experiment or
    /// the profile has no sweep.
    ///
    /// # Errors
    /// If the profile is missing or a merged configuration is not valid.
    pub fn sweep_plan(&self, request: Request<'_>) -> Result<Vec<Planned>, String> {
        let profile = self.profile(request.profile)?;
        let Some(sweep) = &self.sweep else { return Ok(Vec::new()) };
        let mut planned = Vec::new();
        let nothing = toml::Table::new();
        for method in &self.methods {
            let own = profile.sweep_methods.get(&method.label).unwrap_or(&nothing);
            for &value in &sweep.values {
                for seed in FIRST_SWEEP_SEED..FIRST_SWEEP_SEED + profile.sweep_seeds {
                    let over = [&profile.sweep_run, own, &dotted(&sweep.key, value)];
                    let config = self.config(profile, method, seed, request, &over)?;
                    planned.push(Planned { method: method.label.clone(), config, tried: Some(value) });
                }
            }
        }
        Ok(planned)
    }

    /// The best value for each method, from the runs of the sweep, and notes for the reader. A value at which a
    /// run failed is not chosen, whatever its other runs say.
    pub fn choose(&self, runs: &[Done], failed: &[Failed]) -> (Choice, Vec<String>) {
        let (mut choice, mut notes, mut at_end) = (Choice::new(), Vec::new(), Vec::new());
        let Some(sweep) = &self.sweep else { return (choice, notes) };
        for Method { label, .. } in &self.methods {
            let mut scored = Vec::new();
            for &value in &sweep.values {
                let is = |method: &str, tried: Option<f64>| method == label && tried == Some(value);
                let failures = failed.iter().filter(|run| is(&run.method, run.tried)).count();
                let of = runs.iter().filter(|run| is(&run.method, run.tried));
                let scores: Vec<f64> = of.map(|run| sweep.score.of(&run.summary)).collect();
                if failures > 0 {
                    let all = failures + scores.len();
                    notes.push(format!("{label} failed at {value:.1e} with {failures} of {all} seeds."));
                }
                let mean = mean_and_deviation(&scores).map(|(mean, _)| mean);
                let mean = mean.filter(|mean| failures == 0 && mean.is_finite());
                scored.extend(mean.map(|mean| (value, mean)));
            }
            let best = scored.iter().map(|&(_, score)| score).max_by(f64::total_cmp);
            let best: Vec<f64> = scored.iter().filter(|s| Some(s.1) == best).map(|s| s.0).collect();
            if let Some(&first) = best.first() {
                choice.insert(label.clone(), first);
            }
            match best.as_slice() {
                // Without a sweep there are no runs here, and there is nothing to note.
                [] if runs.iter().any(|run| run.method == *label)
                    || failed.iter().any(|run| run.method == *label) =>
                {
                    notes.push(format!(
                        "No value of `{}` has a score of {label} with every seed: it has that of the configuration.",
                        sweep.key
                    ));
                }
                [_, _, ..] => {
                    let equal: Vec<_> = best.iter().map(|value| format!("{value:.1e}")).collect();
                    notes.push(format!("Equally good for {label}: {}; it has the first.", equal.join(", ")));
                }
                &[best] => {
                    at_end.extend(is_at_end(best, &sweep.values).then(|| format!("{label} ({best:.1e})")));
                }
                _ => {}
            }
        }
        if !at_end.is_empty() {
            notes.push(format!(
                "The best value that was tried is the least or the greatest, so that a better one may lie beyond, for {}.",
                at_end.join(", ")
            ));
        }
        (choice, notes)
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
        RunConfig::from_toml(&toml, &method.label).map_err(|error| self.file.of_method(&method.label, &error))
    }
}

/// Whether one of several values is the least or the greatest of them.
fn is_at_end(value: f64, values: &[f64]) -> bool {
    let others = || values.iter().filter(|&&other| other != value);
    others().count() > 0 && (others().all(|&other| other < value) || others().all(|&other| other > value))
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
