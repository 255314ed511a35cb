//! The results of the runs of an experiment, by method and seed.

use std::collections::{BTreeMap, BTreeSet};

use rtrl_report::{Align, Claim, Observed, ROUNDING_VARIANCE, Series, Table};
use rtrl_train::{Record, RunConfig, Summary};

use crate::runs::{BySeed, Done, Failed, mean_and_deviation, points};
use crate::settings::{Choice, Method, Settings};
use crate::verdict::{paired, undecided};

/// An experiment whose runs have been made, as far as they could be.
pub struct Study {
    /// What was asked and compared.
    pub settings: Settings,
    /// The name on the command line.
    pub name: String,
    /// All runs that were finished: method after method, seed after seed.
    pub runs: Vec<Done>,
    /// The runs that failed.
    pub failed: Vec<Failed>,
    /// The runs of the sweep that were finished.
    pub sweep: Vec<Done>,
    /// The runs of the sweep that failed.
    pub sweep_failed: Vec<Failed>,
    /// What the sweep has chosen, and notes on it for the reader.
    pub choice: (Choice, Vec<String>),
}

impl Study {
    /// The results of an experiment without a sweep.
    #[must_use]
    pub fn new(name: &str, settings: Settings, runs: Vec<Done>, failed: Vec<Failed>) -> Self {
        let (sweep, sweep_failed, choice) = Default::default();
        Self { settings, name: name.to_string(), runs, failed, sweep, sweep_failed, choice }
    }

    /// The runs of one method, by seed.
    pub fn of<'a>(&'a self, method: &'a str) -> impl Iterator<Item = &'a Done> {
        self.runs.iter().filter(move |run| run.method == method)
    }

    /// The configurations of all runs, also of those that failed.
    pub fn configs(&self) -> impl Iterator<Item = &RunConfig> {
        self.runs.iter().map(|run| &run.config).chain(self.failed.iter().map(|run| &run.config))
    }

    /// The seeds of all runs, also of those that failed, in ascending order.
    pub fn seeds(&self) -> Vec<u64> {
        self.configs().map(|config| config.training.seed).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// A curve of one method: (x, y) of each record in which `values` finds them, over all seeds.
    pub fn curve(&self, method: &str, label: &str, values: impl Fn(&Record) -> Option<(f64, f64)>) -> Series {
        let of_run = |run: &Done| -> Vec<(f64, u64, f64)> {
            let found = run.records.iter().filter_map(&values);
            found.map(|(x, y)| (x, run.config.training.seed, y)).collect()
        };
        let points = points(&self.seeds(), self.of(method).flat_map(of_run));
        Series { label: label.to_string(), points }
    }

    /// One curve for each method.
    pub fn series(&self, x: impl Fn(&Record) -> f64, y: fn(&Record) -> Option<f64>) -> Vec<Series> {
        let curve = |method: &Method| self.curve(&method.label, &method.label, |r| Some((x(r), y(r)?)));
        self.settings.methods.iter().map(curve).collect()
    }

    /// A quantity of one method's finished runs, by seed.
    pub fn values(&self, method: &str, value: fn(&Summary) -> Option<f64>) -> BySeed {
        let values = self.of(method).map(|run| (run.config.training.seed, value(&run.summary)));
        values.filter_map(|(seed, value)| Some((seed, value?))).collect()
    }

    /// The difference of a quantity between two methods, paired by seed.
    pub fn difference(&self, a: &str, b: &str, value: fn(&Summary) -> Option<f64>) -> Option<Observed> {
        paired(&self.values(a, value), &self.values(b, value), 0.0)
    }

    /// The difference of final levels between two methods, paired by seed. Levels are whole numbers: the interval is at least as wide as
    /// rounding makes it.
    pub fn level_difference(&self, a: &str, b: &str) -> Option<Observed> {
        let level = |summary: &Summary| summary.level.map(f64::from);
        paired(&self.values(a, level), &self.values(b, level), 2.0 * ROUNDING_VARIANCE)
    }

    /// Counted multiply-adds of a step of one lane.
    pub fn macs(&self, method: &str) -> Option<f64> {
        self.of(method).next().map(|run| run.summary.cost.macs())
    }

    /// The labels of the methods that begin with `start`.
    pub fn labels<'a>(&'a self, start: &'a str) -> impl Iterator<Item = &'a str> {
        self.settings
            .methods
            .iter()
            .map(|method| method.label.as_str())
            .filter(move |label| label.starts_with(start))
    }

    /// The difference of a recorded quantity between two methods at the last step at which all runs of both have it, paired
    /// by seed; and that step.
    pub fn difference_when_equal(
        &self,
        a: &str,
        b: &str,
        value: fn(&Record) -> Option<f64>,
    ) -> Option<(u64, Observed)> {
        let of_run = |run: &Done| -> BTreeMap<u64, f64> {
            run.records.iter().filter_map(|record| Some((record.step, value(record)?))).collect()
        };
        let [a, b] = [a, b].map(|method| -> BTreeMap<u64, BTreeMap<u64, f64>> {
            self.of(method).map(|run| (run.config.training.seed, of_run(run))).collect()
        });
        let mut runs = a.values().chain(b.values());
        let steps = runs.next()?.keys().rev().copied();
        let others: Vec<_> = runs.collect();
        let step = steps.into_iter().find(|step| others.iter().all(|run| run.contains_key(step)))?;
        let [a, b] = [a, b].map(|runs| runs.iter().map(|(&seed, run)| (seed, run[&step])).collect());
        Some((step, paired(&a, &b, 0.0)?))
    }

    /// A claim with the seeds and runs of these methods behind it; undecided if some of those runs failed.
    pub fn backed(&self, claim: Claim, methods: &[&str]) -> Claim {
        let runs = || self.runs.iter().filter(|run| methods.contains(&run.method.as_str()));
        let seeds: BTreeSet<u64> = runs().map(|run| run.config.training.seed).collect();
        let failed = self.failed.iter().filter(|run| methods.contains(&run.method.as_str())).count();
        let claim = Claim {
            seeds: seeds.into_iter().collect(),
            runs: runs().map(|run| run.summary.hash.clone()).collect(),
            ..claim
        };
        undecided(claim, failed, "runs")
    }

    /// What the sweep chose for each method, in sentences; `None` without a sweep.
    pub fn chosen(&self) -> Option<String> {
        let (choice, notes) = &self.choice;
        let sweep = self.settings.sweep.as_ref().filter(|_| !choice.is_empty() || !notes.is_empty())?;
        let configs = self.sweep.iter().map(|run| &run.config);
        let configs = configs.chain(self.sweep_failed.iter().map(|run| &run.config));
        let seeds: BTreeSet<u64> = configs.map(|config| config.training.seed).collect();
        let values: Vec<_> = sweep.values.iter().map(|value| format!("{value:.1e}")).collect();
        let chosen: Vec<_> = choice.iter().map(|(label, value)| format!("{label} {value:.1e}")).collect();
        let mut sentences = vec![format!(
            "`{}` was chosen for each method among {} on {} other seed(s): {}.",
            sweep.key,
            values.join(", "),
            seeds.len(),
            if chosen.is_empty() { "none".to_string() } else { chosen.join(", ") }
        )];
        sentences.extend(notes.iter().cloned());
        Some(sentences.join(" "))
    }

    /// Mean and standard deviation over seeds of a quantity of each method's finished runs.
    pub fn final_values(&self, method: &str, value: fn(&Summary) -> Option<f64>) -> Option<(f64, f64)> {
        mean_and_deviation(&self.values(method, value).into_values().collect::<Vec<_>>())
    }
}

impl Study {
    /// The common setting in a sentence.
    pub fn setup(&self) -> String {
        let Some(t) = self.configs().map(|config| &config.training).next() else { return String::new() };
        let seeds = self.seeds().len();
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
