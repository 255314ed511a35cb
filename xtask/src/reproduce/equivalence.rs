//! SnAp-n against RTRL for growing n.

use std::collections::BTreeSet;
use std::path::Path;

use rtrl_cells::{CellConfig, Size};
use rtrl_estimators::{BpttConfig, EstimatorConfig, Order, RtrlConfig, Scope, SnapConfig, reach};
use serde::{Deserialize, Serialize};

use super::experiment::{Experiment, Kind};
use super::measured::{Item, Measured, typed};
use super::nets::Net;
use super::runs::points;
use super::verdict::{Statement, all, holds};
use crate::report::{Align, Axis, Figure, Section, Series, Table};

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

/// The greatest of the values, NaN if one of them is.
fn greatest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |greatest, value| if greatest.is_nan() || value <= greatest { greatest } else { value })
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

fn section(items: &[Item], out: &Path) -> Result<Section, String> {
    let measured: Vec<Measured<One, Found>> =
        items.iter().map(|item| item.read(out)).collect::<Result<_, _>>()?;
    let saturated = measured.iter().flat_map(|m| {
        let found = &m.result;
        let pairs = found.kept.iter().zip(&found.deviations);
        pairs.filter(|(kept, _)| **kept == found.closure).map(|(_, deviation)| *deviation)
    });
    let worst = greatest(saturated);
    let reached = measured.iter().filter(|m| m.result.kept.last() == Some(&m.result.closure)).count();
    let bptt = greatest(measured.iter().map(|m| m.result.bptt));
    let immediate = measured.iter().all(|m| m.result.kept.first() == Some(&m.result.immediate));
    let first = measured.iter().filter_map(|m| m.result.deviations.first().copied());
    let approximate = first.clone().fold(f64::INFINITY, f64::min);
    // Where all influence is immediate, SnAp-1 is RTRL; on these nets it is not.
    let verdict = all(&[
        holds(reached > 0 && worst < ROUNDING),
        holds(bptt < ROUNDING),
        holds(immediate),
        holds(first.clone().all(|deviation| deviation > 1e-6)),
    ]);
    let evidence = format!(
        "Deviation of at most {} where SnAp-n keeps every live entry ({reached} of {} nets within the orders shown); \
         BPTT deviates from RTRL by at most {}. SnAp-1 keeps exactly the entries of the immediate Jacobian and \
         deviates by {approximate:.2} to {:.2}.",
        small(worst),
        measured.len(),
        small(bptt),
        greatest(first)
    );
    let numbers = vec![
        ("deviation where saturated".to_string(), worst),
        ("deviation of BPTT".to_string(), bptt),
        ("least deviation of SnAp-1".to_string(), approximate),
    ];
    let mut decided = EXACT.decided(verdict, evidence, numbers);
    decided.seeds = measured.iter().map(|m| m.settings.seed).collect::<BTreeSet<_>>().into_iter().collect();
    decided.runs = measured.iter().map(|m| m.entry.hash.clone()).collect();
    Ok(Section {
        name: String::new(),
        question: String::new(),
        setup: vec![format!(
            "One sequence of {} steps from rest for each net, with random inputs and a random gradient of the loss by the hidden \
             state at every step, in `f64`, weights constant. The recurrent weights are sparse; masks are uniformly random.",
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
        x: Axis { label: "n".to_string(), log: false },
        y: Axis { label: "relative deviation".to_string(), log: true },
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
}
