//! How much of the influence lies in the entries that SnAp keeps, while a net learns.

use std::path::Path;

use rtrl_cells::{Input, Stack};
use rtrl_estimators::{Influence, Order, Plan, Schedule, Scope, reach};
use rtrl_report::{Align, Axis, Bound, Claim, Condition, Figure, Point, Section, Series, Table};
use rtrl_sparse::Lanes;
use rtrl_sweep::{BySeed, Statement, in_order, mean_and_deviation, over_seeds, paired};
use rtrl_tasks::{BuildTask, CopyConfig, Step, TaskConfig};
use rtrl_train::{RunConfig, Trainer};
use serde::{Deserialize, Serialize};

use crate::experiment::{Experiment, Kind};
use crate::measured::{Item, Measured, typed};

const KEPT: Statement = Statement {
    id: "C10",
    text: "Most of the influence's magnitude lies in the entries that SnAp keeps, and stays there in training.",
};

/// What SnAp keeps of the influence.
pub const EXPERIMENTS: &[Experiment] = &[Experiment {
    name: "bias",
    claims: &[KEPT],
    kind: Kind::Measured { items, measure: |settings| typed(settings, measure), timed: false, section },
}];

/// The orders n whose patterns are looked at.
const ORDERS: [usize; 2] = [1, 2];

/// The table `measure`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    units: usize,
    sparsity: f64,
    level: u32,
    lanes: usize,
    learning_rate: f64,
    steps: Vec<u64>,
    window: u64,
    seeds: u64,
}

/// One training run.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct One {
    settings: Settings,
    /// n of the SnAp-n that trains.
    order: usize,
    seed: u64,
}

/// What is found at one time of training, for each of [`ORDERS`].
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Found {
    step: u64,
    /// Share of Σ|J| in the entries that are kept.
    share: Vec<f64>,
    /// Share of the live entries that are kept.
    entries: Vec<f64>,
    /// Mean |J| of kept entries, and of dropped ones.
    kept: Vec<f64>,
    dropped: Vec<f64>,
}

fn items(experiment: &'static str, table: &toml::Table) -> Result<Vec<Item>, String> {
    let settings: Settings = table.clone().try_into().map_err(|error: toml::de::Error| error.to_string())?;
    let mut items = Vec::new();
    for order in ORDERS {
        for seed in 0..settings.seeds {
            let one = One { settings: settings.clone(), order, seed };
            items.push(Item::new(experiment, format!("trained by SnAp-{order}, seed {seed}"), one));
        }
    }
    Ok(items)
}

/// The run: strings of one length, an update at every step.
fn config(one: &One) -> Result<RunConfig, String> {
    let s = &one.settings;
    let steps = s.steps.iter().max().copied().unwrap_or(1);
    let text = format!(
        "task = {{ kind = 'copy', level = {}, spread = 0, threshold = 0.0 }}\n\
         layers = [{{ kind = 'gru', units = {}, sparsity = {} }}]\n\
         estimator = {{ kind = 'snap', order = {} }}\n\
         optimizer = {{ kind = 'adam', learning_rate = {:?} }}\n\
         training = {{ lanes = {}, window = 1, steps = {steps}, seed = {} }}",
        s.level, s.units, s.sparsity, one.order, s.learning_rate, s.lanes, one.seed
    );
    RunConfig::from_toml(&text, "bias").map_err(|error| error.to_string())
}

/// Exact RTRL beside a run: it sees the same symbols, since equal tasks are equal streams, and the same weights.
struct Exact {
    task: Box<dyn rtrl_tasks::Task>,
    data: Step,
    estimator: Influence<f32>,
    gradient: Vec<f32>,
    /// For each entry of J (without lanes) which of the orders keep it.
    kept: Vec<[bool; ORDERS.len()]>,
    /// Σ|J| of each entry since the last result, and how many steps are in it.
    sums: Vec<f64>,
    steps: u64,
}

impl Exact {
    fn new(one: &One, trainer: &Trainer) -> Result<Self, String> {
        let stack = trainer.model().stack().clone();
        let s = &one.settings;
        let plan = Plan { schedule: Schedule::Streaming, ..Plan::new(s.lanes, 1) };
        let estimator = Influence::of_order(stack.clone(), Order::Closure, Scope::Stack, plan)
            .map_err(|error| error.to_string())?;
        let task = TaskConfig::Copy(CopyConfig {
            level: s.level,
            spread: 0,
            threshold: 0.0,
            ..CopyConfig::default()
        });
        let task = task.build(s.lanes, one.seed).map_err(|error| error.to_string())?;
        Ok(Self {
            data: Step::new(&*task, s.lanes),
            task,
            gradient: vec![0.0; stack.weights_len()],
            kept: kept(&stack, &estimator),
            sums: vec![0.0; estimator.blocks().len()],
            steps: 0,
            estimator,
        })
    }

    /// Makes a step under the weights that the run is about to use; `add` says whether |J| is added to the sums.
    fn step(&mut self, weights: &[f32], add: bool) -> Result<(), String> {
        use rtrl_estimators::GradientEstimator;
        self.task.next(&mut self.data).map_err(|error| error.to_string())?;
        self.estimator.step(weights, Input::Symbols(&self.data.input), &self.data.starts);
        let lanes = self.data.starts.len();
        // J does not depend on the loss.
        let silent = vec![0.0; self.estimator.hidden().values().len()];
        self.estimator.observe(weights, Lanes::new(&silent, lanes), &mut self.gradient);
        self.estimator.finish_window(weights, &mut self.gradient);
        if add {
            let influence = self.estimator.influence().ok_or("streaming keeps J")?;
            for (sum, entry) in self.sums.iter_mut().zip(influence.values().chunks_exact(lanes)) {
                *sum += entry.iter().map(|j| f64::from(j.abs())).sum::<f64>() / lanes as f64;
            }
            self.steps += 1;
        }
        Ok(())
    }

    fn take(&mut self, step: u64) -> Found {
        let total: f64 = self.sums.iter().sum();
        let (mut share, mut entries, mut inside, mut outside) = (vec![], vec![], vec![], vec![]);
        for order in 0..ORDERS.len() {
            let of = |wanted: bool| {
                let chosen = self.kept.iter().zip(&self.sums).filter(|(kept, _)| kept[order] == wanted);
                let (sum, count) = chosen.fold((0.0, 0), |(sum, count), (_, &j)| (sum + j, count + 1));
                (sum, count, sum / f64::from(count.max(1)) / self.steps as f64)
            };
            let (kept, dropped) = (of(true), of(false));
            share.push(kept.0 / total);
            entries.push(f64::from(kept.1) / self.sums.len() as f64);
            inside.push(kept.2);
            outside.push(dropped.2);
        }
        self.sums.fill(0.0);
        self.steps = 0;
        Found { step, share, entries, kept: inside, dropped: outside }
    }
}

/// For each entry of J which of the orders keep it.
fn kept(stack: &Stack<f32>, exact: &Influence<f32>) -> Vec<[bool; ORDERS.len()]> {
    let mut kept = vec![[false; ORDERS.len()]; exact.blocks().len()];
    let pattern = stack.linear().pattern();
    for (index, order) in ORDERS.into_iter().enumerate() {
        let reach = reach(stack, stack.dynamics(), Order::Steps(order), Scope::Stack);
        for (row, states) in reach.rows().iter().enumerate() {
            for weight in pattern.entries(row) {
                for &state in states {
                    if let Some(place) = exact.blocks().find(state, weight) {
                        kept[place][index] = true;
                    }
                }
            }
        }
    }
    kept
}

fn measure(one: &One) -> Result<Vec<Found>, String> {
    let mut trainer = Trainer::new(&config(one)?).map_err(|error| error.to_string())?;
    let mut exact = Exact::new(one, &trainer)?;
    let mut found = Vec::new();
    for &until in &one.settings.steps {
        while trainer.steps() < until {
            let near = until - trainer.steps() <= one.settings.window;
            exact.step(trainer.weights(), near)?;
            trainer.train_window().map_err(|error| error.to_string())?;
        }
        found.push(exact.take(until));
    }
    Ok(found)
}

type All = [Measured<One, Vec<Found>>];

/// How much the share may fall in training and is still said to stay.
const STAYS: f64 = 0.1;

/// Steps before which a training says nothing of what stays: over 10,000 steps the shares grow, and then they fall.
const TRAINED: u64 = 100_000;

/// [`KEPT`], from the numbers alone: more than half at each time, and no less at the end than at the beginning.
fn claim(measured: &All, s: &Settings) -> Claim {
    let mut conditions = Vec::new();
    for n in ORDERS {
        let share = |time: usize| values(measured, n, time, |found, index| found.share[index]);
        for (time, step) in s.steps.iter().enumerate() {
            conditions.push(Condition::new(
                format!("what SnAp-{n} drops, after {step} steps"),
                format!("share of Σ|J| that SnAp-{n} keeps after {step} steps"),
                over_seeds(&share(time)),
                Bound::Above(0.5),
            ));
        }
        conditions.push(Condition::new(
            format!("the first share of SnAp-{n}"),
            format!("share of SnAp-{n} at the end minus that at the beginning"),
            paired(&share(s.steps.len().saturating_sub(1)), &share(0), 0.0),
            Bound::Above(-STAYS),
        ));
    }
    if s.steps.last().is_none_or(|&last| last < TRAINED) {
        let what = format!("shares of Σ|J| after {TRAINED} steps");
        conditions.push(Condition::new("longer training", what, None, Bound::Above(0.5)));
    }
    let mut decided = KEPT.decided(conditions);
    decided.seeds = (0..s.seeds).collect();
    decided.runs = measured.iter().map(|m| m.entry.hash.clone()).collect();
    decided
}

fn section(items: &[Item], out: &Path) -> Result<Section, String> {
    let measured: Vec<Measured<One, Vec<Found>>> =
        items.iter().map(|item| item.read(out)).collect::<Result<_, _>>()?;
    let first = measured.first().ok_or("nothing was measured")?;
    let s = first.settings.settings.clone();
    // For each n: the share in the entries that SnAp-n keeps, in the runs that SnAp-n trains.
    let share = |n: usize, time: usize| values(&measured, n, time, |found, index| found.share[index]);
    let decided = claim(&measured, &s);
    let seeds: Vec<u64> = (0..s.seeds).collect();
    let series = ORDERS.into_iter().map(|n| Series {
        label: format!("SnAp-{n}"),
        points: s
            .steps
            .iter()
            .enumerate()
            .map(|(t, &step)| Point { x: step as f64, y: in_order(&seeds, &share(n, t)) })
            .collect(),
    });
    Ok(Section {
        name: String::new(),
        question: String::new(),
        setup: vec![format!(
            "A GRU of {} units at {:.0} % sparsity learns to copy strings of {} bits, updated at every step by SnAp-1 or SnAp-2; exact \
             RTRL runs beside it under the same weights. |J| is averaged over the {} steps before each time, over {} lanes and all \
             weights, biases and inputs included.",
            s.units,
            100.0 * s.sparsity,
            s.level,
            s.window,
            s.lanes
        )],
        figures: vec![Figure {
            id: "bias".to_string(),
            caption: "Share of the magnitude of the exact influence in the entries that SnAp-n keeps, in the run that it trains, \
                      against training steps."
                .to_string(),
            x: Axis::log("training steps"),
            y: Axis::linear("share of Σ|J|"),
            seeds: seeds.clone(),
            series: series.collect(),
            references: Vec::new(),
            yardsticks: Vec::new(),
        }],
        tables: vec![table(&measured, &s)],
        claims: vec![decided],
        caveats: vec!["Eight units are few: SnAp-2 keeps most of the live entries of so small a net.".to_string()],
        runs: measured.into_iter().map(|m| m.entry).collect(),
    })
}

/// A value by seed, in the runs that SnAp-n trains, at one of the times.
fn values(measured: &All, n: usize, time: usize, of: fn(&Found, usize) -> f64) -> BySeed {
    let index = ORDERS.iter().position(|&order| order == n).unwrap_or(0);
    let runs = measured.iter().filter(|m| m.settings.order == n);
    runs.filter_map(|m| Some((m.settings.seed, of(m.result.get(time)?, index)))).collect()
}

fn flat(values: BySeed) -> Vec<f64> {
    values.into_values().collect()
}

fn table(measured: &All, s: &Settings) -> Table {
    let mut rows = Vec::new();
    for n in ORDERS {
        for (t, step) in s.steps.iter().enumerate() {
            let cell = |of: fn(&Found, usize) -> f64, scientific: bool| {
                let (mean, deviation) =
                    mean_and_deviation(&flat(values(measured, n, t, of))).unwrap_or_default();
                if scientific {
                    format!("{mean:.1e} ± {deviation:.0e}")
                } else {
                    format!("{mean:.2} ± {deviation:.2}")
                }
            };
            rows.push(vec![
                format!("SnAp-{n}"),
                step.to_string(),
                cell(|f, i| f.entries[i], false),
                cell(|f, i| f.share[i], false),
                cell(|f, i| f.kept[i], true),
                cell(|f, i| f.dropped[i], true),
            ]);
        }
    }
    let headers =
        ["trained by", "after steps", "entries kept", "share of Σ|J|", "mean |J| kept", "mean |J| dropped"];
    Table {
        caption: "Live entries that SnAp-n keeps, their share of the influence's magnitude, and mean magnitudes; ± standard \
                  deviation over seeds."
            .to_string(),
        headers: headers.map(str::to_string).to_vec(),
        rows,
        align: [vec![Align::Left], vec![Align::Right; 5]].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_claim_follows_from_the_numbers() {
        use rtrl_report::Verdict::{NotRun, NotSupported, Supported, Undecided};
        let mut s = Settings {
            units: 8,
            sparsity: 0.8,
            level: 16,
            lanes: 1,
            learning_rate: 0.1,
            steps: vec![10, TRAINED],
            window: 1,
            seeds: 3,
        };
        // The share of SnAp-1 of each seed, at the beginning and at the end; that of SnAp-2 is 0.95.
        let verdict = |s: &Settings, first: [f64; 3], last: [f64; 3]| {
            let mut measured = Vec::new();
            for order in ORDERS {
                for seed in 0..3 {
                    let found = |step: u64, share: f64| Found {
                        step,
                        share: vec![share, if order == 1 { share } else { 0.95 }],
                        entries: vec![0.1; 2],
                        kept: vec![1.0; 2],
                        dropped: vec![1.0; 2],
                    };
                    let result =
                        vec![found(10, first[seed as usize]), found(s.steps[1], last[seed as usize])];
                    measured.push(Measured::made_up(One { settings: s.clone(), order, seed }, result));
                }
            }
            claim(&measured, s).verdict
        };
        let high = [0.9, 0.91, 0.92];
        assert_eq!(verdict(&s, high, high), Supported);
        assert_eq!(verdict(&s, high, [0.3, 0.31, 0.32]), NotSupported, "most of it is dropped at the end");
        assert_eq!(verdict(&s, high, [0.70, 0.71, 0.72]), NotSupported, "more than half, but it falls");
        assert_eq!(verdict(&s, [0.3, 0.55, 0.8], [0.3, 0.55, 0.8]), Undecided, "the mean alone says nothing");
        assert_eq!(verdict(&s, [f64::NAN, 0.9, 0.9], high), Undecided);
        s.steps[1] = 5000;
        assert_eq!(verdict(&s, high, high), NotRun, "what stays is not seen yet");
        assert_eq!(verdict(&s, high, [0.3, 0.31, 0.32]), NotSupported);
    }
}
