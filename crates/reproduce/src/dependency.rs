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

const WORTH_FOR_RECALL: Statement = Statement {
    id: "C12e",
    text: "Propagating the influence is worth it for the recall of one symbol after each number of distractors: SnAp has a lower loss than its \
           immediate entries alone (J = I).",
};

/// Strings of one length, and symbols that are recalled after a time.
pub const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        name: "dependency",
        claims: &[WORTH],
        kind: Kind::Runs { section: |study| section(study, &COPY) },
    },
    Experiment {
        name: "recall",
        claims: &[WORTH_FOR_RECALL],
        kind: Kind::Runs { section: |study| section(study, &RECALL) },
    },
];

/// What an experiment varies, and how that is said.
struct Varied {
    statement: Statement,
    /// Its letter in labels.
    letter: &'static str,
    axis: &'static str,
    caption: &'static str,
}

const COPY: Varied = Varied {
    statement: WORTH,
    letter: "L",
    axis: "length L",
    caption: "Mean loss of the last record, blanks included, against the length L of the strings: a bit must be remembered for L + 1 steps.",
};
const RECALL: Varied = Varied {
    statement: WORTH_FOR_RECALL,
    letter: "d",
    axis: "distractors d",
    caption: "Mean loss of the last record against the number d of distractors: a symbol must be remembered for d + 1 steps. Two bits are a guess.",
};

/// A label such as `SnAp-1, L = 4` in its parts.
fn parts(label: &str) -> Option<(&str, u32)> {
    // A method may have a comma of its own.
    let (method, varied) = label.rsplit_once(", ")?;
    let (_, length) = varied.split_once(" = ")?;
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

fn claim(study: &Study, varied: &Varied) -> Claim {
    let letter = varied.letter;
    let (methods, lengths) = grid(study);
    let mut conditions = Vec::new();
    for length in lengths {
        for method in methods.iter().filter(|method| method.starts_with("SnAp")) {
            let [own, other] = [method, &"immediate"].map(|method| format!("{method}, {letter} = {length}"));
            let what = format!("bits of {other} minus {own}");
            let difference = study.difference(&other, &own, bits);
            conditions.push(Condition::new(
                format!("immediate, for {method} at {letter} = {length}"),
                what,
                difference,
                Bound::Above(0.0),
            ));
        }
    }
    let labels: Vec<&str> = study.labels("SnAp").chain(study.labels("immediate")).collect();
    study.backed(varied.statement.decided(conditions), &labels)
}

fn section(study: &Study, varied: &Varied) -> Section {
    let Varied { letter, axis, caption, .. } = varied;
    let (methods, lengths) = grid(study);
    let curve = |method: &&str| {
        let of_length = |&length: &u32| {
            let values = study.values(&format!("{method}, {letter} = {length}"), bits);
            values.into_iter().map(move |(seed, value)| (f64::from(length), seed, value)).collect::<Vec<_>>()
        };
        let points = points(&study.seeds(), lengths.iter().flat_map(of_length));
        Series { label: (*method).to_string(), points }
    };
    let row = |method: &&str| {
        let cell = |length: &u32| {
            let found = study.final_values(&format!("{method}, {letter} = {length}"), bits);
            found.map_or_else(String::new, |(mean, deviation)| format!("{mean:.3} ± {deviation:.3}"))
        };
        std::iter::once((*method).to_string()).chain(lengths.iter().map(cell)).collect()
    };
    let headers =
        std::iter::once("method".to_string()).chain(lengths.iter().map(|l| format!("{letter} = {l}")));
    Section {
        name: study.name.clone(),
        question: study.settings.question.clone(),
        setup: vec![study.setup()],
        figures: vec![Figure {
            id: study.name.clone(),
            caption: (*caption).to_string(),
            x: Axis::linear(axis),
            y: Axis::linear("bits per target"),
            seeds: study.seeds(),
            series: methods.iter().map(curve).collect(),
            references: Vec::new(),
            yardsticks: Vec::new(),
        }],
        tables: vec![Table {
            caption: "Mean loss of the last record in bits per target, ± standard deviation over seeds."
                .to_string(),
            headers: headers.collect(),
            rows: methods.iter().map(row).collect(),
            align: [vec![Align::Left], vec![Align::Right; lengths.len()]].concat(),
        }],
        claims: vec![claim(study, varied)],
        caveats: Vec::new(),
        runs: Vec::new(),
    }
}
