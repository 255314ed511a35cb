//! Memory against the length of a sequence.

use std::path::Path;

use rtrl_cells::{CellConfig, Size};
use rtrl_estimators::{BpttConfig, EstimatorConfig, OkConfig, RtrlConfig, Schedule, SnapConfig, UoroConfig};
use rtrl_report::{Axis, Bound, Claim, Condition, Figure, Observed, Point, Section, Series};
use rtrl_sweep::Statement;
use serde::{Deserialize, Serialize};

use crate::experiment::{Experiment, Kind};
use crate::measured::{Item, Measured, typed};
use crate::nets::Net;

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

/// The greatest number of bytes held at once for each length: what the allocator has handed out and not been given back, from before the
/// estimator is made until its last step. The sequence itself is not in it.
fn measure(one: &One) -> Result<Vec<u64>, String> {
    let mut driver = one.net.build::<f32>()?;
    let data = driver.data(1);
    let bytes = |&length: &usize| {
        let window = if one.windowed { length } else { 1 };
        let mut made = Ok(());
        let held = allocation_counter::measure(|| {
            made = driver.estimator(&one.estimator, window).map(|mut estimator| {
                driver.repeat(&mut *estimator, &data[0], length, window);
            });
        });
        made.map(|()| held.bytes_max)
    };
    one.lengths.iter().map(bytes).collect()
}

/// [`CONSTANT`], from the numbers alone.
fn claim(measured: &[Measured<One, Vec<u64>>]) -> Claim {
    let condition = |m: &Measured<One, Vec<u64>>| {
        let label = &m.settings.label;
        let grown = m.result.first().zip(m.result.last()).map(|(&first, &last)| last as f64 / first as f64);
        let observed = grown.map(Observed::exact);
        match m.settings.windowed {
            false => Condition::new(
                format!("growth of {label}"),
                format!("bytes of {label} at the greatest length over those at the least"),
                observed,
                Bound::AtMost(1.0),
            ),
            // If what keeps a history did not grow, the measurement would be blind.
            true => Condition::new(
                format!("{label}, which keeps a history"),
                format!("bytes of {label} at the greatest length over those at the least"),
                observed,
                Bound::Above(2.0),
            ),
        }
    };
    let mut decided = CONSTANT.decided(measured.iter().map(condition).collect());
    decided.seeds = vec![0];
    decided.runs = measured.iter().map(|m| m.entry.hash.clone()).collect();
    decided
}

fn section(items: &[Item], out: &Path) -> Result<Section, String> {
    let measured: Vec<Measured<One, Vec<u64>>> =
        items.iter().map(|item| item.read(out)).collect::<Result<_, _>>()?;
    let series = measured.iter().map(|m| {
        let points = m.settings.lengths.iter().zip(&m.result);
        let points = points.map(|(&t, &bytes)| Point { x: t as f64, y: vec![bytes as f64 / 1e6] });
        Series { label: m.settings.label.clone(), points: points.collect() }
    });
    let decided = claim(&measured);
    Ok(Section {
        name: String::new(),
        question: String::new(),
        setup: vec![
            "A sparse GRU, one lane, `f32`. The bytes are the greatest number that was allocated at once while an estimator was made and \
             took all steps of the sequence, counted by the allocator. BPTT keeps the whole sequence, the others update at every step."
                .to_string(),
        ],
        figures: vec![Figure {
            id: "memory".to_string(),
            caption: "Megabytes that an estimator holds against the length of the sequence.".to_string(),
            x: Axis::log("time steps"),
            y: Axis::log("megabytes"),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn one(label: &str, windowed: bool, bytes: &[u64]) -> Measured<One, Vec<u64>> {
        let net = Net { cell: CellConfig::Gru(Size::dense(2)), inputs: 1, seed: 0 };
        let estimator = EstimatorConfig::Bptt(BpttConfig {});
        let one = One { net, label: label.to_string(), estimator, windowed, lengths: vec![1, 100] };
        Measured::made_up(one, bytes.to_vec())
    }

    #[test]
    fn the_claim_follows_from_the_numbers() {
        use rtrl_report::Verdict::{NotRun, NotSupported, Supported, Undecided};
        for (snap, bptt, expected) in [
            (&[500, 500][..], &[10, 1000][..], Supported),
            (&[500, 501], &[10, 1000], NotSupported),
            (&[500, 500], &[10, 15], NotSupported),
            (&[], &[10, 1000], NotRun),
            (&[0, 0], &[10, 1000], Undecided),
        ] {
            let claim = claim(&[one("SnAp-1", false, snap), one("BPTT", true, bptt)]);
            assert_eq!(claim.verdict, expected, "{}", claim.evidence);
        }
    }

    /// An estimator that keeps a history, called one that does not, must be caught by the measurement itself.
    #[test]
    fn what_grows_is_measured_to_grow() {
        let net = Net { cell: CellConfig::Gru(Size::dense(4)), inputs: 2, seed: 0 };
        let of = |estimator, windowed| {
            let one =
                One { net: net.clone(), label: String::new(), estimator, windowed, lengths: vec![2, 64] };
            measure(&one).unwrap()
        };
        let bptt = of(EstimatorConfig::Bptt(BpttConfig {}), true);
        let snap = of(EstimatorConfig::Snap(SnapConfig::new(1)), false);
        assert!(bptt[1] > 2 * bptt[0], "{bptt:?}");
        assert!(snap[0] == snap[1] && snap[0] > 0, "{snap:?}");
    }
}
