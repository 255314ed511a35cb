//! Whether propagating the influence is worth it, by the length of the dependency.

use rtrl_report::{Align, Axis, Bound, Claim, Condition, Figure, Section, Series, Table};
use rtrl_sweep::{Statement, Study, points};
use rtrl_train::Summary;

use crate::experiment::{Experiment, Kind};

const WORTH: Statement = Statement {
    id: "C12d",
    text: "Propagating the influence is worth it at each length of the dependency: on strings of one length SnAp has a lower loss than its \
           immediate entries alone (J = I).",
};

/// Strings of one length.
pub const EXPERIMENTS: &[Experiment] =
    &[Experiment { name: "dependency", claims: &[WORTH], kind: Kind::Runs { section } }];

/// A label such as `SnAp-1, L = 4` in its parts.
fn parts(label: &str) -> Option<(&str, u32)> {
    let (method, length) = label.split_once(", L = ")?;
    Some((method, length.parse().ok()?))
}

fn bits(summary: &Summary) -> Option<f64> {
    summary.bits
}

/// Methods and lengths, each once, in the order of the file.
fn grid(study: &Study) -> (Vec<&str>, Vec<u32>) {
    let (mut methods, mut lengths) = (Vec::new(), Vec::new());
    for (method, length) in study.labels("").filter_map(parts) {
        if !methods.contains(&method) {
            methods.push(method);
        }
        if !lengths.contains(&length) {
            lengths.push(length);
        }
    }
    (methods, lengths)
}

fn claim(study: &Study) -> Claim {
    let (methods, lengths) = grid(study);
    let mut conditions = Vec::new();
    for length in lengths {
        for method in methods.iter().filter(|method| method.starts_with("SnAp")) {
            let [own, other] = [method, &"immediate"].map(|method| format!("{method}, L = {length}"));
            let what = format!("bits of {other} minus {own}");
            let difference = study.difference(&other, &own, bits);
            conditions.push(Condition::new(
                format!("immediate, for {method} at L = {length}"),
                what,
                difference,
                Bound::Above(0.0),
            ));
        }
    }
    let labels: Vec<&str> = study.labels("SnAp").chain(study.labels("immediate")).collect();
    study.backed(WORTH.decided(conditions), &labels)
}

fn section(study: &Study) -> Section {
    let (methods, lengths) = grid(study);
    let curve = |method: &&str| {
        let of_length = |&length: &u32| {
            let values = study.values(&format!("{method}, L = {length}"), bits);
            values.into_iter().map(move |(seed, value)| (f64::from(length), seed, value)).collect::<Vec<_>>()
        };
        let points = points(&study.seeds(), lengths.iter().flat_map(of_length));
        Series { label: (*method).to_string(), points }
    };
    let row = |method: &&str| {
        let cell = |length: &u32| {
            let found = study.final_values(&format!("{method}, L = {length}"), bits);
            found.map_or_else(String::new, |(mean, deviation)| format!("{mean:.3} ± {deviation:.3}"))
        };
        std::iter::once((*method).to_string()).chain(lengths.iter().map(cell)).collect()
    };
    let headers = std::iter::once("method".to_string()).chain(lengths.iter().map(|l| format!("L = {l}")));
    Section {
        name: study.name.clone(),
        question: study.settings.question.clone(),
        setup: vec![study.setup()],
        figures: vec![Figure {
            id: study.name.clone(),
            caption: "Mean loss of the last record, blanks included, against the length L of the strings: a bit must be remembered for \
                      L + 1 steps."
                .to_string(),
            x: Axis::linear("length L"),
            y: Axis::linear("bits per target"),
            seeds: study.seeds(),
            series: methods.iter().map(curve).collect(),
            references: Vec::new(),
            yardsticks: Vec::new(),
        }],
        tables: vec![Table {
            caption: "Mean loss of the last record in bits per target, ± standard deviation over seeds.".to_string(),
            headers: headers.collect(),
            rows: methods.iter().map(row).collect(),
            align: [vec![Align::Left], vec![Align::Right; lengths.len()]].concat(),
        }],
        claims: vec![claim(study)],
        caveats: Vec::new(),
        runs: Vec::new(),
    }
}
