//! Public figures of others beside ours, under their protocol.

mod forecasts;
mod series;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rtrl_cells::Input;
use rtrl_report::{Align, Section, Table};
use rtrl_sparse::Lanes;
use rtrl_sweep::mean_and_deviation;
use rtrl_tasks::Signal;
use rtrl_train::{Learner, RunConfig, Targets};
use serde::{Deserialize, Serialize};

use crate::experiment::{Experiment, Kind};
use crate::measured::{Item, Measured, typed};
use series::{ALL, LENGTH, Series};

/// Public figures.
pub const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        name: "external-series",
        claims: &[],
        kind: Kind::Measured { items, measure: |settings| typed(settings, measure), timed: false, section },
    },
    Experiment {
        name: "external-forecasts",
        claims: &[],
        kind: Kind::Measured {
            items: forecasts::items,
            measure: forecasts::measure,
            timed: false,
            section: forecasts::section,
        },
    },
];

/// Where the protocol and the figures are from.
const SOURCE: &str = "github sonaradarcn/sketched-rtrl, commit bb6055e (MIT): its stored results";

/// What must be equal on both sides of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Protocol {
    /// Units of the tanh net.
    units: usize,
    lanes: usize,
    /// Of Adam.
    learning_rate: f64,
    /// Steps of learning, each with an update.
    steps: usize,
    /// State and influence are reset after this many steps.
    reset_every: usize,
    /// The first value that is read.
    begin: usize,
    /// An error is recorded after this many steps.
    record_every: usize,
    /// Steps before a record whose squared errors it is the mean of.
    record_of: usize,
    /// The last records whose mean is the result.
    records: usize,
}

/// The protocol of the published figures.
const PUBLISHED: Protocol = Protocol {
    units: 64,
    lanes: 8,
    learning_rate: 1e-3,
    steps: 15_000,
    reset_every: 200,
    begin: 64,
    record_every: 250,
    record_of: 200,
    records: 5,
};

/// A published mean and the standard deviation over seeds, if there are such.
type Figure = Option<(f64, f64)>;

const fn figure(mean: f64, deviation: f64) -> Figure {
    Some((mean, deviation))
}

/// Label, estimator, and the published errors on the series of [`ALL`].
const METHODS: [(&str, &str, [Figure; 4]); 9] = [
    (
        "exact RTRL",
        "{ kind = 'rtrl' }",
        [figure(0.0052, 0.0010), figure(0.0180, 0.0218), figure(0.0051, 0.0040), figure(0.1451, 0.0061)],
    ),
    (
        "SnAp-1",
        "{ kind = 'snap', order = 1 }",
        [figure(0.0052, 0.0012), figure(0.0050, 0.0010), figure(0.0024, 0.0008), figure(0.1437, 0.0019)],
    ),
    // Published as SK-RTRL, r = 4.
    (
        "SnAp-1 + rank 4",
        "{ kind = 'snap-low-rank', rank = 4 }",
        [figure(0.0059, 0.0007), figure(0.0065, 0.0053), figure(0.0038, 0.0021), figure(0.1460, 0.0049)],
    ),
    (
        "KF-RTRL",
        "{ kind = 'kf-rtrl' }",
        [figure(0.0384, 0.0709), figure(0.0286, 0.0181), figure(0.0126, 0.0079), figure(0.1613, 0.0153)],
    ),
    ("OK-8", "{ kind = 'ok', rank = 8 }", [None; 4]),
    (
        "RFLO 0.9",
        "{ kind = 'rflo', leak = 0.9 }",
        [figure(0.0704, 0.0163), figure(0.0572, 0.0331), figure(0.0442, 0.0124), figure(0.1536, 0.0038)],
    ),
    (
        "UORO",
        "{ kind = 'uoro' }",
        [figure(0.6583, 0.2966), figure(0.0497, 0.0238), figure(0.0425, 0.0431), figure(0.2119, 0.0461)],
    ),
    (
        "TBPTT(1, 25)",
        "{ kind = 'tbptt', horizon = 25 }",
        [figure(0.0311, 0.0030), figure(0.0080, 0.0010), figure(0.0054, 0.0007), None],
    ),
    ("immediate", "{ kind = 'immediate' }", [None; 4]),
];

/// The table `measure`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    protocol: Protocol,
    /// Whether the protocol is said to be that of the published figures. It is then an error if it is not; otherwise nothing is compared.
    as_published: bool,
    seeds: u64,
    /// The file of sunspot numbers, if it is there.
    sunspots: PathBuf,
}

/// One net on one series.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct One {
    protocol: Protocol,
    as_published: bool,
    series: Series,
    file: PathBuf,
    method: String,
    estimator: String,
    seed: u64,
}

/// The settings in which a protocol differs from another, in words.
fn differences(own: &Protocol, other: &Protocol) -> Vec<String> {
    let fields = |protocol: &Protocol| match serde_json::to_value(protocol) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (own, other) = (fields(own), fields(other));
    own.iter()
        .filter(|(name, value)| other.get(*name) != Some(*value))
        .map(|(name, value)| format!("`{name}` is {value}, published {}", other[name]))
        .collect()
}

fn items(experiment: &'static str, table: &toml::Table) -> Result<Vec<Item>, String> {
    let s: Settings = table.clone().try_into().map_err(|error: toml::de::Error| error.to_string())?;
    let differ = differences(&s.protocol, &PUBLISHED);
    if s.as_published && !differ.is_empty() {
        return Err(format!(
            "external-series.toml says `as_published`, but the protocol differs from that of the published figures ({SOURCE}): {}",
            differ.join("; ")
        ));
    }
    let mut items = Vec::new();
    for (series, name) in ALL {
        // Without the file the section says how to get it.
        if series == Series::SunspotWindows && !s.sunspots.is_file() {
            continue;
        }
        for (method, estimator, _) in METHODS {
            for seed in 0..s.seeds {
                let (method, estimator) = (method.to_string(), estimator.to_string());
                let (protocol, as_published) = (s.protocol.clone(), s.as_published);
                let label = format!("{name}, {method}, seed {seed}");
                let file = s.sunspots.clone();
                let one = One { protocol, as_published, series, file, method, estimator, seed };
                items.push(Item::new(experiment, label, one));
            }
        }
    }
    Ok(items)
}

/// The mean of the last records of the normalized squared error.
fn measure(one: &One) -> Result<f64, String> {
    let p = &one.protocol;
    let last = p.begin + p.steps;
    if last >= LENGTH || p.record_of > p.record_every || p.records == 0 {
        return Err(format!("{} steps from value {} are more than the series has", p.steps, p.begin));
    }
    let text = format!(
        "layers = [{{ kind = 'vanilla', units = {} }}]\nestimator = {}\noptimizer = {{ kind = 'adam', learning_rate = {:?} }}\n\
         training = {{ lanes = {}, window = 1, seed = {} }}",
        p.units, one.estimator, p.learning_rate, p.lanes, one.seed
    );
    let failed = |error: rtrl_train::TrainError| error.to_string();
    let config = RunConfig::from_toml(&text, &one.method).map_err(|error| error.to_string())?;
    let mut learner = Learner::new(&config, Signal::Values(1), Signal::Values(1)).map_err(failed)?;
    let lane = |lane| one.series.lane(lane, p.lanes, one.seed, &one.file);
    let lanes: Vec<Vec<f64>> = (0..p.lanes).map(lane).collect::<Result<_, _>>()?;
    let at = |t: usize| lanes.iter().map(move |lane| lane[t] as f32);
    let (mut input, mut target) = (vec![0.0; p.lanes], vec![None; p.lanes]);
    let mut starts = vec![false; p.lanes];
    let (mut errors, mut records) = (Vec::new(), Vec::new());
    for step in 0..p.steps {
        let index = one.series.index(p.begin + step);
        input.iter_mut().zip(at(index)).for_each(|(input, value)| *input = value);
        target.iter_mut().zip(at(index + 1)).for_each(|(target, value)| *target = Some(value));
        starts.fill(step % p.reset_every == 0);
        learner.predict(Input::Dense(Lanes::new(&input, p.lanes)), &starts);
        let report = learner.learn(Targets::Values(&target)).map_err(failed)?;
        errors.push(report.loss / report.targets as f64);
        if (step + 1) % p.record_every == 0 {
            records.push(errors[errors.len() - p.record_of..].iter().sum::<f64>() / p.record_of as f64);
        }
    }
    let tail = &records[records.len().saturating_sub(p.records)..];
    Ok(tail.iter().sum::<f64>() / tail.len() as f64)
}

type All = [Measured<One, f64>];

/// Our mean and standard deviation over seeds, and the published figure if the protocol is the same.
fn table(measured: &All, compared: bool) -> Table {
    let there = || {
        ALL.iter()
            .enumerate()
            .filter(|(_, (series, _))| measured.iter().any(|m| m.settings.series == *series))
    };
    let row = |(label, _, published): &(&str, &str, [Figure; 4])| {
        let mut row = vec![(*label).to_string()];
        for (index, (series, _)) in there() {
            let of = measured.iter().filter(|m| m.settings.series == *series && m.settings.method == *label);
            let values: Vec<f64> = of.map(|m| m.result).collect();
            let own = mean_and_deviation(&values);
            let told = |(mean, sd): (f64, f64)| format!("{mean:.4} ± {sd:.4}");
            let published = if compared { published[index] } else { None };
            let mark = match (own, published) {
                (Some((own, _)), Some((mean, sd))) if (own - mean).abs() > 2.0 * sd => " *",
                _ => "",
            };
            row.push(own.map_or_else(String::new, |own| told(own) + mark));
            if compared {
                row.push(published.map_or_else(String::new, told));
            }
        }
        row
    };
    let mut headers = vec!["method".to_string()];
    for (_, (_, name)) in there() {
        headers.push(name.to_string());
        headers.extend(compared.then(|| format!("{name}, published")));
    }
    let align = [vec![Align::Left], vec![Align::Right; headers.len() - 1]].concat();
    Table {
        caption: format!(
            "Normalized mean squared error of the next value: mean of the last records, ± standard deviation over seeds.{}",
            if compared { " * more than two published deviations away from the published mean." } else { "" }
        ),
        headers,
        rows: METHODS.iter().map(row).collect(),
        align,
    }
}

fn section(items: &[Item], out: &Path) -> Result<Section, String> {
    let measured: Vec<Measured<One, f64>> =
        items.iter().map(|item| item.read(out)).collect::<Result<_, _>>()?;
    let first = measured.first().ok_or("nothing was measured")?.settings.clone();
    let p = &first.protocol;
    let seeds: BTreeSet<u64> = measured.iter().map(|m| m.settings.seed).collect();
    let mut caveats = vec![
        "Biases begin as all other weights do here, uniform on ±1/8; in the published runs they begin at 0. The draws of the series and of the \
         weights are others."
            .to_string(),
        "Of the published series, a laser is left out, which may not be shipped here.".to_string(),
    ];
    if !measured.iter().any(|m| m.settings.series == Series::SunspotWindows) {
        caveats.push(
            "So are the sunspots, unless https://www.sidc.be/SILSO/INFO/snmtottxt.php lies at data/sunspots/SN_m_tot_V2.0.txt (source: WDC-SILSO, Royal \
             Observatory of Belgium, Brussels); the same command then goes on."
                .to_string(),
        );
    }
    if !first.as_published {
        let differ = differences(p, &PUBLISHED);
        caveats.insert(
            0,
            format!(
                "A shortened protocol, so nothing is compared with what is published: {}.",
                differ.join("; ")
            ),
        );
    }
    Ok(Section {
        setup: vec![
            format!(
                "A tanh net of {} units, {} lanes, Adam {}, an update at every step for {} steps; one value is read, the next is predicted. State and \
                 influence are reset every {} steps; reading begins at value {}. An error is the mean square of the last {} steps, recorded every {} \
                 steps; the result is the mean of the last {} records. {} seeds.",
                p.units,
                p.lanes,
                p.learning_rate,
                p.steps,
                p.reset_every,
                p.begin,
                p.record_of,
                p.record_every,
                p.records,
                seeds.len()
            ),
            format!(
                "Published: {SOURCE}, rebuilt in its `results/TIMESERIES_TABLES.md` (commit be2d33c), ± standard deviation over 5 or 10 seeds; protocol as described there. \
                 Each lane is normalized over its series of {LENGTH} values, or of sunspots by 2000 months of its window."
            ),
        ],
        tables: vec![table(&measured, first.as_published)],
        caveats,
        runs: measured.into_iter().map(|m| m.entry).collect(),
        ..Section::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(change: &str) -> toml::Table {
        let protocol = toml::to_string(&PUBLISHED).unwrap();
        let protocol = change.split_once('=').map_or(protocol.clone(), |(key, value)| {
            let lines = protocol.lines().map(|line| match line.starts_with(&format!("{key} =")) {
                true => format!("{key} = {value}"),
                false => line.to_string(),
            });
            lines.collect::<Vec<_>>().join("\n")
        });
        format!("as_published = true\nseeds = 1\nsunspots = 'none'\n[protocol]\n{protocol}").parse().unwrap()
    }

    #[test]
    fn a_protocol_that_changes_is_refused_by_name() {
        assert_eq!(items("external-series", &settings("")).unwrap().len(), (ALL.len() - 1) * METHODS.len());
        for (change, word) in [
            ("units=32", "`units` is 32, published 64"),
            ("lanes=4", "`lanes`"),
            ("learning_rate=0.002", "`learning_rate`"),
            ("steps=14999", "`steps`"),
            ("reset_every=100", "`reset_every`"),
            ("begin=0", "`begin`"),
            ("record_every=200", "`record_every`"),
            ("record_of=250", "`record_of`"),
            ("records=4", "`records`"),
        ] {
            let message = items("external-series", &settings(change)).unwrap_err();
            assert!(message.contains(word), "{change}: {message}");
        }
    }

    /// What is easy to predict is learned, far below the error of the mean, which is 1.
    #[test]
    fn a_short_run_learns() {
        let protocol = Protocol { units: 16, lanes: 2, steps: 1500, ..PUBLISHED };
        let (method, estimator) = ("SnAp-1".to_string(), "{ kind = 'snap', order = 1 }".to_string());
        let (series, file) = (Series::Lorenz, PathBuf::new());
        let one = One { protocol, as_published: false, series, file, method, estimator, seed: 0 };
        let error = measure(&one).unwrap();
        assert!(error < 0.2, "{error}");
    }
}
