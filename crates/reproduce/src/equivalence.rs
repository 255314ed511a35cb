//! SnAp-n against RTRL for growing n.

use std::collections::BTreeSet;
use std::path::Path;

use rtrl_cells::{CellConfig, Size};
use rtrl_estimators::{BpttConfig, EstimatorConfig, Order, RtrlConfig, Scope, SnapConfig, reach};
use rtrl_report::{Align, Axis, Bound, Claim, Condition, Figure, Observed, Section, Series, Table};
use rtrl_sweep::{Statement, points};
use serde::{Deserialize, Serialize};

use crate::experiment::{Experiment, Kind};
use crate::measured::{Item, Measured, typed};
use crate::nets::Net;

const EXACT: Statement = Statement {
    id: "C1",
    text: "SnAp-n equals RTRL once n is large, and SnAp-1 keeps only the immediate entries.",
};

/// SnAp-n against RTRL.
pub const EXPERIMENTS: &[Experiment] = &[Experiment {
    name: "equivalence",
    claims: &[EXACT],
    kind: Kind::Measured { items, measure: |settings| typed(settings, measure), timed: false, section },
}];

/// Greatest relative deviation that is called rounding: gradients are sums of a few thousand `f64` products, taken
/// in another order.
const ROUNDING: f64 = 1e-10;

/// Least norm of a gradient for a comparison. Gradients of nets that learn are of order 1; for much smaller ones
/// the relative deviation is only rounding.
const LEAST_NORM: f64 = 1e-6;

/// The greatest of the values, at least 0; NaN if one of them is.
fn greatest(values: impl Iterator<Item = f64>) -> f64 {
    greatest_of(std::iter::once(0.0).chain(values))
}

/// The greatest of the values, NaN if one of them is.
fn greatest_of(values: impl Iterator<Item = f64>) -> f64 {
    let greater =
        |greatest: f64, value| if greatest.is_nan() || value <= greatest { greatest } else { value };
    values.fold(f64::NEG_INFINITY, greater)
}

/// The table `measure`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    units: Vec<usize>,
    sparsity: f64,
    inputs: usize,
    steps: usize,
    orders: usize,
    seeds: u64,
}

/// One net.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct One {
    net: Net,
    cell: String,
    units: usize,
    steps: usize,
    orders: usize,
    seed: u64,
}

/// What is found about it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Found {
    /// |SnAp-n − RTRL| / |RTRL| for n = 1, 2, …
    deviations: Vec<f64>,
    /// Entries of J that SnAp-n keeps.
    kept: Vec<u64>,
    /// Entries of the immediate Jacobian, and of the closure.
    immediate: u64,
    closure: u64,
    /// |BPTT − RTRL| / |RTRL|.
    bptt: f64,
}

fn items(experiment: &'static str, table: &toml::Table) -> Result<Vec<Item>, String> {
    let s: Settings = table.clone().try_into().map_err(|error: toml::de::Error| error.to_string())?;
    let mut items = Vec::new();
    for &units in &s.units {
        let size = Size::sparse(units, s.sparsity);
        for cell in CellConfig::every(size).into_iter().filter(CellConfig::is_masked) {
            let name = serde_json::to_value(cell).map_err(|error| error.to_string())?;
            let name = name["kind"].as_str().unwrap_or_default().to_string();
            for seed in 0..s.seeds {
                let net = Net { cell, inputs: s.inputs, seed };
                let one = One { net, cell: name.clone(), units, steps: s.steps, orders: s.orders, seed };
                items.push(Item::new(experiment, format!("{name}-{units} seed {seed}"), one));
            }
        }
    }
    Ok(items)
}

fn measure(one: &One) -> Result<Found, String> {
    let mut driver = one.net.build::<f64>()?;
    let data = driver.data(one.steps);
    let gradient = |config: EstimatorConfig| -> Result<Vec<f64>, String> {
        Ok(driver.gradient(&mut *driver.estimator(&config, one.steps)?, &data))
    };
    let exact = gradient(EstimatorConfig::Rtrl(RtrlConfig { truncate: true, ..Default::default() }))?;
    let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    // A gradient of nothing but rounding would agree with any other, and one that is not a number with none.
    let length = norm(&exact);
    if !(length.is_finite() && length > LEAST_NORM) {
        return Err(format!("the gradient of RTRL has the norm {length:.1e}: there is nothing to compare"));
    }
    let deviation = |g: &[f64]| {
        let difference: Vec<f64> = g.iter().zip(&exact).map(|(a, b)| a - b).collect();
        norm(&difference) / length
    };
    let stack = &driver.stack;
    let pattern = stack.linear().pattern();
    let entries = |order: Order| -> u64 {
        let reach = reach(stack, stack.dynamics(), order, Scope::Stack);
        reach.rows().iter().enumerate().map(|(row, r)| (r.len() * pattern.row(row).len()) as u64).sum()
    };
    let (mut deviations, mut kept) = (Vec::new(), Vec::new());
    for order in 1..=one.orders {
        let config = SnapConfig { order, truncate: true, ..Default::default() };
        deviations.push(deviation(&gradient(EstimatorConfig::Snap(config))?));
        kept.push(entries(Order::Steps(order)));
    }
    let own = (0..pattern.rows()).map(|r| (stack.row_jacobian().row(r).len() * pattern.row(r).len()) as u64);
    Ok(Found {
        deviations,
        kept,
        immediate: own.sum(),
        closure: entries(Order::Closure),
        bptt: deviation(&gradient(EstimatorConfig::Bptt(BpttConfig {}))?),
    })
}

/// [`EXACT`], from the numbers alone.
fn claim(measured: &[Measured<One, Found>]) -> Claim {
    let saturated: Vec<f64> = measured
        .iter()
        .flat_map(|m| {
            let found = &m.result;
            let pairs = found.kept.iter().zip(&found.deviations);
            pairs.filter(|(kept, _)| **kept == found.closure).map(|(_, deviation)| *deviation)
        })
        .collect();
    let reached = measured.iter().filter(|m| m.result.kept.last() == Some(&m.result.closure)).count();
    let worst = (!saturated.is_empty()).then(|| greatest(saturated.into_iter()));
    let bptt = (!measured.is_empty()).then(|| greatest(measured.iter().map(|m| m.result.bptt)));
    let other = measured.iter().filter(|m| m.result.kept.first() != Some(&m.result.immediate)).count();
    // The least, NaN if one of them is.
    let least = -greatest_of(measured.iter().filter_map(|m| m.result.deviations.first()).map(|d| -d));
    let exact = |value: Option<f64>| value.map(Observed::exact);
    let conditions = vec![
        Condition::new(
            "exact RTRL",
            format!(
                "relative deviation where SnAp-n keeps every live entry ({reached} of {} nets)",
                measured.len()
            ),
            exact(worst),
            Bound::AtMost(ROUNDING),
        ),
        Condition::new(
            "BPTT against exact RTRL",
            "relative deviation of BPTT, which shows that the reference is right",
            exact(bptt),
            Bound::AtMost(ROUNDING),
        ),
        Condition::new(
            "the entries of the immediate Jacobian",
            "nets on which SnAp-1 keeps other entries than these",
            (!measured.is_empty()).then(|| Observed::exact(other as f64)),
            Bound::AtMost(0.0),
        ),
        // Where all influence is immediate, SnAp-1 is RTRL; on these nets it must not be, or nothing was tested.
        Condition::new(
            "a net on which all influence is immediate",
            "least relative deviation of SnAp-1",
            (!measured.is_empty()).then(|| Observed::exact(least)),
            Bound::Above(1e-6),
        ),
    ];
    let mut decided = EXACT.decided(conditions);
    decided.seeds = measured.iter().map(|m| m.settings.seed).collect::<BTreeSet<_>>().into_iter().collect();
    decided.runs = measured.iter().map(|m| m.entry.hash.clone()).collect();
    decided
}

fn section(items: &[Item], out: &Path) -> Result<Section, String> {
    let measured: Vec<Measured<One, Found>> =
        items.iter().map(|item| item.read(out)).collect::<Result<_, _>>()?;
    let decided = claim(&measured);
    Ok(Section {
        name: String::new(),
        question: String::new(),
        setup: vec![format!(
            "One sequence of {} steps from rest for each net, with random inputs and a random gradient of the loss by the hidden \
             state at every step, in `f64`, weights constant. The recurrent weights are sparse; masks are uniformly random. A net on \
             which the gradient has a norm of at most {LEAST_NORM:.0e} is a failure: there is nothing to compare.",
            measured.first().map_or(0, |m| m.settings.steps)
        )],
        figures: vec![figure(&measured)],
        tables: vec![table(&measured)],
        claims: vec![decided],
        caveats: vec![
            "How fast the deviation falls depends on the weights: these are initial ones. SnAp-n reaches RTRL when n covers the \
             diameter of the net's graph, which is small even for sparse random graphs."
                .to_string(),
        ],
        runs: measured.into_iter().map(|m| m.entry).collect(),
    })
}

/// The widest nets of each cell; lines of all nets would hide each other.
fn figure(measured: &[Measured<One, Found>]) -> Figure {
    let widest = measured.iter().map(|m| m.settings.units).max().unwrap_or(0);
    let nets: Vec<_> = measured.iter().filter(|m| m.settings.units == widest).collect();
    let seeds: Vec<u64> = nets.iter().map(|m| m.settings.seed).collect::<BTreeSet<_>>().into_iter().collect();
    let mut cells: Vec<&str> = nets.iter().map(|m| m.settings.cell.as_str()).collect();
    cells.dedup();
    let curve = |cell: &str| {
        let deviations = nets.iter().filter(|m| m.settings.cell == cell).flat_map(|m| {
            let found = m.result.deviations.iter().enumerate();
            // On a logarithmic axis there is no zero; this is below every rounding.
            found.map(|(n, deviation)| ((n + 1) as f64, m.settings.seed, deviation.max(1e-17)))
        });
        Series { label: cell.to_string(), points: points(&seeds, deviations) }
    };
    let series = cells.into_iter().map(curve).collect();
    Figure {
        id: "equivalence".to_string(),
        caption: format!(
            "Relative deviation of the gradient of SnAp-n from that of RTRL against n, nets of {widest} units. 10⁻¹⁷ stands for \
             equality to the last bit."
        ),
        x: Axis::linear("n"),
        y: Axis::log("relative deviation"),
        seeds,
        series,
        references: Vec::new(),
        yardsticks: Vec::new(),
    }
}

/// One row for each cell and size, over all seeds.
fn table(measured: &[Measured<One, Found>]) -> Table {
    let mut nets: Vec<(&str, usize)> = Vec::new();
    for m in measured {
        let net = (m.settings.cell.as_str(), m.settings.units);
        if !nets.contains(&net) {
            nets.push(net);
        }
    }
    let row = |&(cell, units): &(&str, usize)| {
        let of = || measured.iter().filter(move |m| m.settings.cell == cell && m.settings.units == units);
        let at = |n: usize| greatest(of().filter_map(move |m| m.result.deviations.get(n - 1)).copied());
        // The number of entries never falls with n.
        let whole = |m: &Measured<One, Found>| {
            1 + m.result.kept.iter().filter(|&&kept| kept < m.result.closure).count()
        };
        let (first, last) = (of().map(whole).min(), of().map(whole).max());
        vec![
            cell.to_string(),
            units.to_string(),
            small(at(1)),
            small(at(2)),
            small(at(3)),
            format!("{} – {}", first.unwrap_or(0), last.unwrap_or(0)),
            small(greatest(of().map(|m| m.result.bptt))),
        ]
    };
    Table {
        caption: "Greatest deviation over seeds for n = 1, 2, 3; the n from which every live entry is kept, least and greatest \
                  over seeds; greatest deviation of BPTT."
            .to_string(),
        headers: ["cell", "units", "n = 1", "n = 2", "n = 3", "exact from", "BPTT"].map(str::to_string).to_vec(),
        rows: nets.iter().map(row).collect(),
        align: [vec![Align::Left], vec![Align::Right; 6]].concat(),
    }
}

/// A deviation in few digits.
fn small(value: f64) -> String {
    if value == 0.0 { "0".to_string() } else { format!("{value:.1e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_number_is_not_hidden_by_what_is() {
        for values in [[f64::NAN, 1.0, 2.0], [1.0, f64::NAN, 2.0], [1.0, 2.0, f64::NAN]] {
            assert!(greatest(values.into_iter()).is_nan(), "{values:?}");
        }
        assert_eq!(greatest([1.0, 3.0, 2.0].into_iter()), 3.0);
    }

    fn one(deviations: &[f64], kept: &[u64], bptt: f64) -> Measured<One, Found> {
        let net = Net { cell: CellConfig::Gru(Size::dense(2)), inputs: 1, seed: 0 };
        let settings = One { net, cell: "gru".to_string(), units: 2, steps: 4, orders: 2, seed: 0 };
        let result =
            Found { deviations: deviations.to_vec(), kept: kept.to_vec(), immediate: 10, closure: 20, bptt };
        Measured::made_up(settings, result)
    }

    #[test]
    fn the_claim_follows_from_the_numbers() {
        use rtrl_report::Verdict::{NotRun, NotSupported, Supported, Undecided};
        let good = || one(&[0.3, 1e-14], &[10, 20], 1e-14);
        for (other, expected) in [
            (good(), Supported),
            (one(&[0.3, 1e-4], &[10, 20], 1e-14), NotSupported),
            (one(&[0.3, 1e-14], &[10, 20], 1e-4), NotSupported),
            (one(&[0.3, 1e-14], &[11, 20], 1e-14), NotSupported),
            (one(&[1e-14, 1e-14], &[10, 20], 1e-14), NotSupported),
            (one(&[0.3, f64::NAN], &[10, 20], 1e-14), Undecided),
            (one(&[f64::NAN, 1e-14], &[10, 20], 1e-14), Undecided),
        ] {
            let claim = claim(&[good(), other]);
            assert_eq!(claim.verdict, expected, "{}", claim.evidence);
        }
        // No net whose every entry is kept.
        assert_eq!(claim(&[one(&[0.3, 0.1], &[10, 15], 1e-14)]).verdict, NotRun);
        assert_eq!(claim(&[]).verdict, NotRun);
    }
}
