//! The copy task: how long a string can be copied.

use rtrl_train::{Record, Summary};

use super::experiment::{Experiment, Kind};
use super::study::Study;
use super::verdict::{Statement, all};
use crate::report::{Axis, Claim, Figure, Section, Verdict, Yardstick};

const TRACTABLE: Statement = Statement {
    id: "C4",
    text: "On highly sparse nets SnAp-2 stays tractable and, updating at every step, can learn faster than BPTT.",
};
const ONLINE: Statement = Statement {
    id: "C11",
    text: "With weights that change at every step, under a running influence, learning still works.",
};

/// Sparse nets, updated at every step, and BPTT; updates at every step against updates at the end of windows.
pub const EXPERIMENTS: &[Experiment] = &[
    Experiment { name: "copy-sparse", claims: &[TRACTABLE], kind: Kind::Runs { section: sparse } },
    Experiment { name: "copy-online", claims: &[ONLINE], kind: Kind::Runs { section: online } },
];

/// Steps and mean L of five runs of rank-16 OK with 128 units, batch 16, an update at every step and the all-positions
/// rule, from the logs published with Benzing et al. (2019).
const PUBLIC: [(f64, f64); 4] = [(1e5, 16.0), (5e5, 28.0), (1e6, 34.2), (2e6, 41.8)];

fn level(summary: &Summary) -> Option<f64> {
    summary.level.map(f64::from)
}

fn section(study: &Study, claims: Vec<Claim>, caveats: &[&str]) -> Section {
    let series = study.series(|r| r.step as f64, |r: &Record| r.level.map(f64::from));
    let longest = study.configs().filter_map(|config| config.training.steps).max().unwrap_or(0) as f64;
    // The published numbers are shown only beside runs that are as long.
    let reached = PUBLIC.iter().filter(|(step, _)| *step <= longest);
    let yardsticks = reached.map(|&(x, y)| Yardstick { label: "OK-16, public".to_string(), x, y }).collect();
    Section {
        name: study.name.to_string(),
        question: study.settings.question.clone(),
        setup: vec![study.setup()],
        figures: vec![Figure {
            id: study.name.to_string(),
            caption: "Level L of the curriculum against time steps seen: strings of up to L bits are copied. L rises when the \
                      average loss over all positions, blanks included, falls below 0.15 bits per character."
                .to_string(),
            x: Axis { label: "time steps".to_string(), log: false },
            y: Axis { label: "level L".to_string(), log: false },
            seeds: study.seeds(),
            series,
            references: Vec::new(),
            yardsticks,
        }],
        tables: vec![study.table("final L", level, 1)],
        claims,
        caveats: caveats.iter().map(ToString::to_string).collect(),
        runs: Vec::new(),
    }
}

/// A difference of final levels in words, its verdict and its number.
fn compared(study: &Study, a: &str, b: &str) -> (Verdict, String, Vec<(String, f64)>) {
    match study.difference(a, b, level) {
        Some(d) => {
            (d.positive(), format!("final L of {a} minus {b}: {d}"), vec![(format!("{a} - {b}"), d.mean)])
        }
        None => (Verdict::NotRun, String::new(), Vec::new()),
    }
}

/// The parts that are not empty, as one sentence.
fn sentence(parts: &[String]) -> String {
    let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { String::new() } else { parts.join("; ") + "." }
}

fn sparse(study: &Study) -> Section {
    // Online learning is to beat BPTT that changes the weights once in a window.
    let (faster, words, numbers) = compared(study, "SnAp-2", "BPTT");
    let (learns, more, others) = compared(study, "SnAp-2", "Frozen");
    let numbers = [numbers, others].concat();
    let macs = |method: &str| study.of(method).next().map(|run| run.summary.cost.macs());
    let cost = macs("SnAp-2").zip(macs("BPTT")).map_or_else(String::new, |(snap, bptt)| {
        format!(" A step of SnAp-2 has {:.0} times the multiply-adds of BPTT.", snap / bptt)
    });
    let evidence = sentence(&[words, more]) + &cost;
    let decided = TRACTABLE.decided(all(&[faster, learns]), evidence, numbers);
    section(
        study,
        vec![study.backed(decided, &["SnAp-2", "BPTT", "Frozen"])],
        &[
            "BPTT is truncated at its window and changes the weights once for each, the others once for each time step.",
            "TBPTT(1, 16) updates as often as SnAp, at many times its cost.",
        ],
    )
}

fn online(study: &Study) -> Section {
    let (learns, words, numbers) = compared(study, "SnAp-1, online", "Frozen");
    let (_, more, others) = compared(study, "SnAp-1, online", "SnAp-1, window");
    let decided = ONLINE.decided(learns, sentence(&[words, more]), [numbers, others].concat());
    section(
        study,
        vec![study.backed(decided, &["SnAp-1, online", "SnAp-1, window", "Frozen"])],
        &["Both forms of SnAp-1 see the same data; online it makes as many updates as there are time steps."],
    )
}
