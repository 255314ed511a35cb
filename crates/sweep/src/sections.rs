//! The section of a report of any experiment: a curve of everything that its runs have recorded, final values, and how the methods
//! differ.

use rtrl_report::{Align, Axis, Bound, Condition, Figure, RunEntry, Section, Table, Verdict};
use rtrl_train::{Record, Summary};

use crate::made::{Missing, failures};
use crate::study::Study;

/// Something that runs record.
struct Quantity {
    id: &'static str,
    /// With its unit.
    name: &'static str,
    record: fn(&Record) -> Option<f64>,
    summary: fn(&Summary) -> Option<f64>,
    digits: usize,
}

const QUANTITIES: [Quantity; 5] = [
    Quantity {
        id: "bits",
        name: "training loss in bits",
        record: |r| r.bits,
        summary: |s| s.bits,
        digits: 3,
    },
    Quantity {
        id: "valid-bits",
        name: "held-out loss in bits",
        record: |r| r.valid_bits,
        summary: |s| s.valid_bits,
        digits: 3,
    },
    Quantity {
        id: "error",
        name: "mean squared error",
        record: |r| r.error,
        summary: |s| s.error,
        digits: 4,
    },
    Quantity {
        id: "valid-error",
        name: "held-out mean squared error",
        record: |r| r.valid_error,
        summary: |s| s.valid_error,
        digits: 4,
    },
    Quantity {
        id: "level",
        name: "level",
        record: |r| r.level.map(f64::from),
        summary: |s| s.level.map(f64::from),
        digits: 1,
    },
];

/// The section of any experiment. Each method is compared with the first.
#[must_use]
pub fn section(study: &Study) -> Section {
    let recorded =
        |q: &&Quantity| study.runs.iter().any(|run| run.records.iter().any(|r| (q.record)(r).is_some()));
    let quantities: Vec<&Quantity> = QUANTITIES.iter().filter(recorded).collect();
    let figure = |q: &&Quantity| Figure {
        id: format!("{}-{}", slug(&study.name), q.id),
        caption: format!("{} against time steps.", capital(q.name)),
        x: Axis::linear("time steps"),
        y: Axis { whole: q.id == "level", ..Axis::linear(q.name) },
        seeds: study.seeds(),
        series: study.series(|r| r.step as f64, q.record),
        references: Vec::new(),
        yardsticks: Vec::new(),
    };
    let tables = quantities.iter().flat_map(|q| {
        let differences = differences(study, q);
        std::iter::once(study.table(q.name, q.summary, q.digits)).chain(differences)
    });
    let mut section = Section {
        name: study.name.clone(),
        question: study.settings.question.clone(),
        setup: [study.setup()].into_iter().chain(study.chosen()).collect(),
        figures: quantities.iter().map(figure).collect(),
        tables: tables.collect(),
        runs: entries(study),
        ..Section::default()
    };
    let failed = study.failed.iter().map(|run| Missing {
        label: run.method.clone(),
        seed: run.config.training.seed,
        reason: run.reason.clone(),
        folder: run.config.folder(),
    });
    tell_failures(&mut section, &failed.collect::<Vec<_>>());
    section
}

/// How each method differs from the first at the end, paired by seed; none of a single method.
fn differences(study: &Study, quantity: &Quantity) -> Option<Table> {
    let (first, others) = study.settings.methods.split_first()?;
    let row = |label: &String| {
        let difference = match quantity.id {
            "level" => study.level_difference(label, &first.label),
            _ => study.difference(label, &first.label, quantity.summary),
        };
        let Some(difference) = difference else {
            return vec![label.clone(), String::new(), "0".to_string(), "no seed in common".to_string()];
        };
        let condition = Condition::new(&first.label, quantity.name, Some(difference), Bound::Above(0.0));
        let word = match condition.verdict() {
            Verdict::Supported => "greater",
            Verdict::NotSupported => "less",
            Verdict::Undecided | Verdict::NotRun => "cannot be told",
        };
        vec![label.clone(), difference.to_string(), difference.seeds.to_string(), word.to_string()]
    };
    let table = Table {
        caption: format!(
            "{}: each method minus {}, paired by seed, with Student's 95 % interval.",
            capital(quantity.name),
            first.label
        ),
        headers: ["method", "difference", "pairs", "it is"].map(str::to_string).to_vec(),
        rows: others.iter().map(|method| row(&method.label)).collect(),
        align: vec![Align::Left, Align::Right, Align::Right, Align::Left],
    };
    (!others.is_empty()).then_some(table)
}

/// Every run of an experiment, those of its sweep after those that count.
#[must_use]
pub fn entries(study: &Study) -> Vec<RunEntry> {
    let entry = |run: &crate::runs::Done| RunEntry {
        label: match run.tried {
            Some(value) => format!("{}, trying {value:.1e}", run.method),
            None => run.method.clone(),
        },
        seed: run.config.training.seed,
        hash: run.summary.hash.clone(),
        config_toml: run.config.to_toml().unwrap_or_else(|error| error.to_string()),
        folder: run.folder.clone(),
        seconds: run.summary.seconds,
        machine: run.machine.clone(),
    };
    study.runs.iter().chain(&study.sweep).map(entry).collect()
}

/// Puts the table of failures before everything else, with what it means.
pub fn tell_failures(section: &mut Section, missing: &[Missing]) {
    if missing.is_empty() {
        return;
    }
    section.tables.insert(0, failures(missing));
    let words = format!(
        "{} of the runs or measurements failed. They are in no number, and what they would decide is undecided. The \
         same command makes them again; for a single run, `rtrl train OUT/FOLDER/config.toml --out OUT` does, with \
         the folder of this report as OUT and the one that the table names as FOLDER.",
        missing.len()
    );
    section.caveats.insert(0, words);
}

/// A name as part of the id of a figure.
fn slug(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    name.chars().map(plain).collect()
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
