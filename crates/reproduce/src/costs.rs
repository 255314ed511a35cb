//! What a step of each estimator costs: counted, and timed beside BPTT.

use std::path::Path;
use std::time::{Duration, Instant};

use rtrl_cells::{CellConfig, Size};
use rtrl_estimators::{
    BpttConfig, EstimatorConfig, KfRtrlConfig, Order, RfloConfig, RtrlConfig, Schedule, Scope, SnapConfig,
    UoroConfig, reach,
};
use rtrl_report::{Align, Axis, Bound, Claim, Condition, Figure, Observed, Point, Section, Series, Table};
use rtrl_sweep::{Statement, over_seeds};
use serde::{Deserialize, Serialize};

use crate::experiment::{Experiment, Kind};
use crate::measured::{Item, Measured, typed};
use crate::nets::{Driver, Net};

const CHEAP: [Statement; 4] = [
    Statement {
        id: "C2a",
        text: "Counted: in windows, with constant weights as BPTT has them, SnAp-1 costs no more multiply-adds than BPTT.",
    },
    Statement {
        id: "C2b",
        text: "Counted: updating at every step, SnAp-1 costs no more multiply-adds than BPTT.",
    },
    Statement { id: "C2c", text: "Timed: in windows, a step of SnAp-1 takes no longer than one of BPTT." },
    Statement {
        id: "C2d",
        text: "Timed: updating at every step, a step of SnAp-1 takes no longer than one of BPTT.",
    },
];
const SPARSE: Statement =
    Statement { id: "C6", text: "RTRL of a sparse net saves two factors of density over dense RTRL." };

/// Costs of a step.
pub const EXPERIMENTS: &[Experiment] = &[Experiment {
    name: "costs",
    claims: &[CHEAP[0], CHEAP[1], CHEAP[2], CHEAP[3], SPARSE],
    kind: Kind::Measured { items, measure: |settings| typed(settings, measure), timed: true, section },
}];

/// The table `measure`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Units and sparsity.
    sizes: Vec<(usize, f64)>,
    inputs: usize,
    /// Steps of a window.
    window: usize,
    /// Seconds that an estimator is timed.
    seconds: f64,
}

/// One net.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct One {
    net: Net,
    cell: String,
    units: usize,
    sparsity: f64,
    window: usize,
    seconds: f64,
}

/// What is found about it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Found {
    weights: usize,
    states: usize,
    /// Share of J that SnAp-n keeps, for n = 1, 2, 3.
    densities: Vec<f64>,
    /// Share of the entries of D that are not structurally zero.
    dynamics: f64,
    estimators: Vec<Row>,
    /// Nanoseconds of a step of the estimators of [`TURNS`], which take turns so that a disturbance meets all of them; one entry for each turn.
    turns: Vec<[f64; TURNS.len()]>,
}

/// The estimators of the claims about time.
const TURNS: [&str; 3] = ["BPTT", "SnAp-1, window", "SnAp-1"];

/// How often each takes its turn: the seeds of the intervals of times.
const ROUNDS: usize = 5;

/// One estimator.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    label: String,
    macs: f64,
    bytes: usize,
    /// Least time of a step over several windows.
    nanoseconds: Option<f64>,
}

fn items(experiment: &'static str, table: &toml::Table) -> Result<Vec<Item>, String> {
    let s: Settings = table.clone().try_into().map_err(|error: toml::de::Error| error.to_string())?;
    let mut items = Vec::new();
    for &(units, sparsity) in &s.sizes {
        let size = Size::sparse(units, sparsity);
        let cells = [
            ("vanilla", CellConfig::Vanilla(size)),
            ("GRU", CellConfig::Gru(size)),
            ("LSTM", CellConfig::Lstm(size)),
        ];
        for (name, cell) in cells {
            let net = Net { cell, inputs: s.inputs, seed: 0 };
            let (window, seconds) = (s.window, s.seconds);
            let one = One { net, cell: name.to_string(), units, sparsity, window, seconds };
            items.push(Item::new(
                experiment,
                format!("{name}-{units} {:.1} % sparse", 100.0 * sparsity),
                one,
            ));
        }
    }
    Ok(items)
}

/// Every estimator with its window, BPTT first.
fn estimators(window: usize) -> Vec<(&'static str, EstimatorConfig, usize)> {
    let streaming = Schedule::Streaming;
    let snap = |order, schedule, truncate| {
        EstimatorConfig::Snap(SnapConfig { order, schedule, truncate, ..Default::default() })
    };
    let rtrl = |dense, schedule, truncate| EstimatorConfig::Rtrl(RtrlConfig { dense, schedule, truncate });
    vec![
        ("BPTT", EstimatorConfig::Bptt(BpttConfig {}), window),
        ("SnAp-1", snap(1, streaming, false), 1),
        ("SnAp-1, window", snap(1, Schedule::Adjoint, true), window),
        ("SnAp-2", snap(2, streaming, false), 1),
        ("SnAp-2, window", snap(2, Schedule::Adjoint, true), window),
        ("SnAp-3", snap(3, streaming, false), 1),
        ("RTRL", rtrl(false, streaming, false), 1),
        ("RTRL, dense", rtrl(true, streaming, false), 1),
        ("RFLO", EstimatorConfig::Rflo(RfloConfig::default()), 1),
        ("UORO", EstimatorConfig::Uoro(UoroConfig::default()), 1),
        ("KF-RTRL", EstimatorConfig::KfRtrl(KfRtrlConfig::default()), 1),
    ]
}

/// Greatest J that is built. An estimator whose J has more entries is left out.
const LARGEST: u64 = 200_000_000;

fn measure(one: &One) -> Result<Found, String> {
    let mut driver = one.net.build::<f32>()?;
    let data = driver.data(one.window);
    let stack = driver.stack.clone();
    let pattern = stack.linear().pattern();
    let all = (stack.states() * stack.weights_len()) as f64;
    let entries = |order: Order| -> u64 {
        let reach = reach(&stack, stack.dynamics(), order, Scope::Stack);
        reach.rows().iter().enumerate().map(|(row, r)| (r.len() * pattern.row(row).len()) as u64).sum()
    };
    let mut rows = Vec::new();
    for (label, config, window) in estimators(one.window) {
        let order = match &config {
            EstimatorConfig::Rtrl(rtrl) => Some(if rtrl.dense { Order::All } else { Order::Closure }),
            EstimatorConfig::Snap(snap) => Some(Order::Steps(snap.order)),
            _ => None,
        };
        if order.is_some_and(|order| entries(order) > LARGEST) {
            continue;
        }
        let mut estimator = driver.estimator(&config, window)?;
        let cost = estimator.cost();
        let nanoseconds = time(&driver, &mut *estimator, &data, window, one.seconds);
        rows.push(Row { label: label.to_string(), macs: cost.macs(), bytes: cost.bytes, nanoseconds });
    }
    let mut turns = Vec::new();
    let mut taking = Vec::new();
    for wanted in TURNS {
        let (_, config, window) = estimators(one.window)
            .into_iter()
            .find(|(label, ..)| *label == wanted)
            .ok_or("no such estimator")?;
        taking.push((driver.estimator(&config, window)?, window));
    }
    for _ in 0..ROUNDS {
        let mut turn = [f64::NAN; TURNS.len()];
        for ((estimator, window), time_of) in taking.iter_mut().zip(&mut turn) {
            let seconds = one.seconds / ROUNDS as f64;
            *time_of = time(&driver, &mut **estimator, &data, *window, seconds).unwrap_or(f64::NAN);
        }
        turns.push(turn);
    }
    Ok(Found {
        turns,
        weights: stack.weights_len(),
        states: stack.states(),
        densities: (1..=3).map(|n| entries(Order::Steps(n)) as f64 / all).collect(),
        dynamics: stack.dynamics().nnz() as f64 / (stack.states() * stack.states()) as f64,
        estimators: rows,
    })
}

/// Nanoseconds of a step: the least over windows that together take about `seconds`, and over one window at least.
fn time(
    driver: &Driver<f32>,
    estimator: &mut dyn rtrl_estimators::GradientEstimator<f32>,
    data: &[(Vec<f32>, Vec<f32>)],
    window: usize,
    seconds: f64,
) -> Option<f64> {
    let budget = Duration::from_secs_f64(seconds);
    let begun = Instant::now();
    let mut least = f64::INFINITY;
    while begun.elapsed() < budget || least.is_infinite() {
        for part in data.chunks_exact(window) {
            let started = Instant::now();
            driver.gradient(estimator, part);
            least = least.min(started.elapsed().as_secs_f64() * 1e9 / window as f64);
            if begun.elapsed() > 10 * budget {
                return least.is_finite().then_some(least);
            }
        }
    }
    Some(least)
}

fn section(items: &[Item], out: &Path) -> Result<Section, String> {
    let measured: Vec<Measured<One, Found>> =
        items.iter().map(|item| item.read(out)).collect::<Result<_, _>>()?;
    let mut claims = cost_of_snap_1(&measured);
    claims.push(savings(&measured));
    for claim in &mut claims {
        claim.seeds = vec![0];
        claim.runs = measured.iter().map(|m| m.entry.hash.clone()).collect();
    }
    Ok(Section {
        name: String::new(),
        question: String::new(),
        setup: vec![format!(
            "Multiply-adds per time step and bytes are counted from the structure (a test counts what the kernels multiply, to \
             the last one). Times are the least over repeated windows on one core, one lane, `f32`, each estimator beside BPTT in \
             the same process. Windows have {} steps; the others update at every step.",
            measured.first().map_or(0, |m| m.settings.window)
        )],
        figures: vec![figure(&measured)],
        tables: vec![nets(&measured), counted(&measured), timed(&measured)],
        claims,
        caveats: vec![
            "Times depend on the machine and on what else it was doing; counts do not.".to_string(),
            "Cells that would hold more than 200 million entries of J are left out.".to_string(),
        ],
        runs: measured.into_iter().map(|m| m.entry).collect(),
    })
}

type All = [Measured<One, Found>];

fn name(m: &Measured<One, Found>) -> String {
    format!("{}-{}, {:.1} %", m.settings.cell, m.settings.units, 100.0 * m.settings.sparsity)
}

fn find<'a>(m: &'a Measured<One, Found>, label: &str) -> Option<&'a Row> {
    m.result.estimators.iter().find(|row| row.label == label)
}

fn nets(measured: &All) -> Table {
    let row = |m: &Measured<One, Found>| {
        let mut row = vec![name(m), m.result.weights.to_string(), m.result.states.to_string()];
        row.push(format!("{:.4}", m.result.dynamics));
        row.extend(m.result.densities.iter().map(|density| format!("{density:.4}")));
        row
    };
    Table {
        caption: "The nets, and the density of what SnAp-n keeps of J (entries over states × weights)."
            .to_string(),
        headers: ["net", "weights", "states", "density of D", "P₁", "P₂", "P₃"].map(str::to_string).to_vec(),
        rows: measured.iter().map(row).collect(),
        align: [vec![Align::Left], vec![Align::Right; 6]].concat(),
    }
}

/// One row for each estimator, one column for each net.
fn by_net(
    measured: &All,
    caption: &str,
    cell: impl Fn(&Measured<One, Found>, &Row) -> Option<String>,
) -> Table {
    let labels = estimators(1);
    let row = |(label, ..): &(&'static str, EstimatorConfig, usize)| {
        let value =
            |m: &Measured<One, Found>| find(m, label).and_then(|row| cell(m, row)).unwrap_or_default();
        [vec![(*label).to_string()], measured.iter().map(value).collect()].concat()
    };
    Table {
        caption: caption.to_string(),
        headers: [vec!["estimator".to_string()], measured.iter().map(name).collect()].concat(),
        rows: labels.iter().map(row).collect(),
        align: [vec![Align::Left], vec![Align::Right; measured.len()]].concat(),
    }
}

fn ratio(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

fn counted(measured: &All) -> Table {
    by_net(measured, "Counted multiply-adds of a step over those of BPTT.", |m, row| {
        Some(ratio(row.macs / find(m, "BPTT")?.macs))
    })
}

fn timed(measured: &All) -> Table {
    by_net(measured, "Measured time of a step: microseconds, and over that of BPTT.", |m, row| {
        let (own, bptt) = (row.nanoseconds?, find(m, "BPTT")?.nanoseconds?);
        Some(format!("{} ({})", ratio(own / 1e3), ratio(own / bptt)))
    })
}

/// What width costs when the number of weights stays about the same, for the cell that the paper uses.
fn figure(measured: &All) -> Figure {
    let grus: Vec<_> = measured.iter().filter(|m| m.settings.cell == "GRU").collect();
    let curve = |(label, ..): &(&'static str, EstimatorConfig, usize)| {
        let point = |m: &&Measured<One, Found>| {
            let over_bptt = find(m, label)?.macs / find(m, "BPTT")?.macs;
            Some(Point { x: m.settings.units as f64, y: vec![over_bptt] })
        };
        Series { label: (*label).to_string(), points: grus.iter().filter_map(point).collect() }
    };
    let sparsities: Vec<_> = grus.iter().map(|m| format!("{:.1} %", 100.0 * m.settings.sparsity)).collect();
    Figure {
        id: "costs".to_string(),
        caption: format!(
            "Counted multiply-adds of a step over those of BPTT, GRUs of growing width and sparsity ({}).",
            sparsities.join(", ")
        ),
        x: Axis::log("units"),
        y: Axis::log("multiply-adds over those of BPTT"),
        seeds: vec![0],
        series: estimators(1).iter().map(curve).collect(),
        references: Vec::new(),
        yardsticks: Vec::new(),
    }
}

/// The claims of [`CHEAP`]: on every net that was measured.
fn cost_of_snap_1(measured: &All) -> Vec<Claim> {
    let counted = |label: &'static str| {
        let of = move |m: &Measured<One, Found>| {
            let over_bptt = find(m, label)?.macs / find(m, "BPTT")?.macs;
            Some(Observed::exact(over_bptt))
        };
        measured.iter().map(|m| at_most_bptt(m, "multiply-adds", of(m))).collect::<Vec<_>>()
    };
    let timed = |index: usize| {
        let of = |m: &Measured<One, Found>| {
            let ratios = (0..).zip(m.result.turns.iter().map(|turn| turn[index] / turn[0]));
            over_seeds(&ratios.collect())
        };
        measured.iter().map(|m| at_most_bptt(m, "time", of(m))).collect::<Vec<_>>()
    };
    let conditions = [counted("SnAp-1, window"), counted("SnAp-1"), timed(1), timed(2)];
    CHEAP.iter().zip(conditions).map(|(statement, conditions)| statement.decided(conditions)).collect()
}

fn at_most_bptt(m: &Measured<One, Found>, what: &str, observed: Option<Observed>) -> Condition {
    let net = name(m);
    Condition::new(
        format!("BPTT on {net}"),
        format!("{what} over those of BPTT, {net}"),
        observed,
        Bound::AtMost(1.0),
    )
}

/// [`SPARSE`]: what is saved is two factors of density, but for a factor of 2.
fn savings(measured: &All) -> Claim {
    let mut conditions = Vec::new();
    for m in measured.iter().filter(|m| m.settings.sparsity > 0.0) {
        let weights = dense_weights(m);
        let saved =
            find(m, "RTRL").map(|sparse| (m.result.states * m.result.states) as f64 * weights / sparse.macs);
        let expected = weights / m.result.weights as f64 / m.result.dynamics;
        let net = name(m);
        let told = saved.map_or_else(String::new, |saved| format!(" ({saved:.0} times over {expected:.0})"));
        let share = saved.map(|saved| Observed::exact(saved / expected));
        let what = format!("what is saved over two factors of density, {net}{told}");
        for bound in [Bound::Above(0.5), Bound::AtMost(2.0)] {
            conditions.push(Condition::new(
                format!("two factors of density, {net}"),
                what.clone(),
                share,
                bound,
            ));
        }
    }
    SPARSE.decided(conditions)
}

/// Weights of the net if nothing was masked.
fn dense_weights(m: &Measured<One, Found>) -> f64 {
    let (k, inputs) = (m.settings.units as f64, m.settings.net.inputs as f64);
    let (gates, rows) = match m.settings.cell.as_str() {
        "vanilla" => (1.0, 1.0),
        "GRU" => (3.0, 4.0),
        _ => (4.0, 4.0),
    };
    gates * k * (k + inputs) + rows * k
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A net on which SnAp-1 costs these multiples of BPTT: counted in windows and online, timed in windows and online.
    fn one(counts: [f64; 2], times: [[f64; 3]; 2], rtrl: f64) -> Measured<One, Found> {
        let net = Net { cell: CellConfig::Vanilla(Size::sparse(10, 0.5)), inputs: 0, seed: 0 };
        let settings =
            One { net, cell: "vanilla".to_string(), units: 10, sparsity: 0.5, window: 4, seconds: 0.0 };
        let row =
            |label: &str, macs: f64| Row { label: label.to_string(), macs, bytes: 0, nanoseconds: None };
        let estimators = vec![
            row("BPTT", 100.0),
            row("SnAp-1, window", 100.0 * counts[0]),
            row("SnAp-1", 100.0 * counts[1]),
            row("RTRL", rtrl),
        ];
        let turns = (0..3).map(|turn| [2.0, 2.0 * times[0][turn], 2.0 * times[1][turn]]).collect();
        let (weights, states, dynamics) = (55, 10, 0.5);
        Measured::made_up(
            settings,
            Found { weights, states, densities: Vec::new(), dynamics, estimators, turns },
        )
    }

    #[test]
    fn the_claims_follow_from_the_numbers() {
        use rtrl_report::Verdict::{NotSupported, Supported, Undecided};
        let (fast, slow, noisy) = ([0.5, 0.51, 0.52], [1.5, 1.51, 1.52], [0.5, 1.0, 1.5]);
        for (counts, times, expected) in [
            ([1.0, 1.1], [fast, slow], [Supported, NotSupported, Supported, NotSupported]),
            ([1.1, 1.0], [slow, fast], [NotSupported, Supported, NotSupported, Supported]),
            ([f64::NAN, 1.0], [noisy, noisy], [Undecided, Supported, Undecided, Undecided]),
        ] {
            let claims = cost_of_snap_1(&[one([0.5; 2], [fast, fast], 1.0), one(counts, times, 1.0)]);
            assert_eq!(claims.iter().map(|claim| claim.verdict).collect::<Vec<_>>(), expected);
        }
        // Dense: 100 states² × 110 weights = 11,000; two factors of density save 110 / 55 / 0.5 = 4, to 2,750.
        for (rtrl, expected) in
            [(2750.0, Supported), (5600.0, NotSupported), (1300.0, NotSupported), (f64::NAN, Undecided)]
        {
            assert_eq!(savings(&[one([0.5; 2], [fast, fast], rtrl)]).verdict, expected, "{rtrl}");
        }
    }
}
