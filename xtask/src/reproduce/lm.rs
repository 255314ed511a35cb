//! The character language model.

use rtrl_train::{Record, Summary};

use super::experiment::{Experiment, Kind};
use super::study::Study;
use super::verdict::{Statement, all};
use crate::report::{Axis, Claim, Figure, Section, Verdict};

const BETTER: Statement =
    Statement { id: "C3", text: "SnAp-1 outperforms UORO and RFLO at comparable cost." };
const NEAR: Statement =
    Statement { id: "C7", text: "SnAp-1 trains a dense GRU close to BPTT on text; UORO stays far behind." };
const APPROACHES: Statement = Statement {
    id: "C8",
    text: "On sparse nets SnAp-2 is at least as good as SnAp-1 and approaches BPTT on text.",
};
const WIDER: Statement = Statement {
    id: "C9",
    text: "At equal numbers of parameters, larger and sparser GRUs reach fewer bits per character.",
};

/// Dense nets, sparse nets, and nets of growing width and sparsity with equal numbers of recurrent weights.
pub const EXPERIMENTS: &[Experiment] = &[
    Experiment { name: "lm-dense", claims: &[BETTER, NEAR], kind: Kind::Runs { section: dense } },
    Experiment { name: "lm-sparse", claims: &[APPROACHES], kind: Kind::Runs { section: sparse } },
    Experiment { name: "lm-width", claims: &[WIDER], kind: Kind::Runs { section: width } },
];

fn bits(summary: &Summary) -> Option<f64> {
    summary.valid_bits
}

fn section(study: &Study, claims: Vec<Claim>) -> Section {
    let series = study.series(|r| r.characters as f64, |r: &Record| r.valid_bits);
    Section {
        name: study.name.to_string(),
        question: study.settings.question.clone(),
        setup: vec![study.setup()],
        figures: vec![Figure {
            id: study.name.to_string(),
            caption: "Bits per character on held-out text against characters of training text seen.".to_string(),
            x: Axis { label: "characters".to_string(), log: true },
            y: Axis { label: "bits per character".to_string(), log: false },
            seeds: study.seeds(),
            series,
            references: Vec::new(),
            yardsticks: Vec::new(),
        }],
        tables: vec![study.table("final bits per character", bits, 3)],
        claims,
        caveats: vec![
            "The state is reset at each crop in training and carried through the held-out text in evaluation.".to_string(),
        ],
        runs: Vec::new(),
    }
}

/// A claim from differences of held-out bits between two methods, at the last step that all their runs have
/// recorded: each must exceed its bound.
fn decided(study: &Study, statement: Statement, conditions: &[(&str, &str, f64)]) -> Claim {
    let (mut verdicts, mut words, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
    for &(a, b, bound) in conditions {
        let Some((step, difference)) = study.difference_when_equal(a, b, |record| record.valid_bits) else {
            verdicts.push(Verdict::NotRun);
            continue;
        };
        verdicts.push(difference.above(bound));
        let above = if bound == 0.0 { String::new() } else { format!(" (should exceed {bound})") };
        let lanes = study.configs().next().map_or(1, |config| config.training.lanes as u64);
        let characters = (step * lanes) as f64 / 1e6;
        words.push(format!("{a} − {b} after {characters:.2} million characters: {difference} bits{above}"));
        numbers.push((format!("{a} - {b}"), difference.mean));
    }
    let methods: Vec<&str> = conditions.iter().flat_map(|&(a, b, _)| [a, b]).collect();
    study.backed(statement.decided(all(&verdicts), words.join("; ") + ".", numbers), &methods)
}

/// Greatest difference that is called close, in bits per character: a tenth, within which two numbers with one
/// decimal would be called equal.
const CLOSE: f64 = 0.1;

fn dense(study: &Study) -> Section {
    let better = decided(study, BETTER, &[("UORO", "SnAp-1", 0.0), ("RFLO", "SnAp-1", 0.0)]);
    let better = with_cost(study, better, &["UORO", "RFLO"], "SnAp-1");
    let close = decided(study, NEAR, &[("BPTT", "SnAp-1", -CLOSE), ("UORO", "SnAp-1", CLOSE)]);
    section(study, vec![better, close])
}

/// A claim that is about cost as well: counted multiply-adds of some methods over those of another.
fn with_cost(study: &Study, mut claim: Claim, methods: &[&str], base: &str) -> Claim {
    let macs = |method: &str| study.of(method).next().map(|run| run.summary.cost.macs());
    let ratios = methods.iter().filter_map(|method| Some((method, macs(method)? / macs(base)?)));
    let words: Vec<_> = ratios.map(|(method, ratio)| format!("{method} × {ratio:.2}")).collect();
    claim.evidence += &format!(" Multiply-adds over those of {base}: {}.", words.join(", "));
    claim
}

fn sparse(study: &Study) -> Section {
    // "At least as good" allows for a hundredth of a bit.
    let order = decided(study, APPROACHES, &[("SnAp-1", "SnAp-2", -0.01), ("BPTT", "SnAp-2", -CLOSE)]);
    section(study, vec![order])
}

fn width(study: &Study) -> Section {
    let labels: Vec<&str> = study.settings.methods.iter().map(|method| method.label.as_str()).collect();
    let (Some(&narrow), Some(&wide)) = (labels.first(), labels.last()) else {
        return section(study, Vec::new());
    };
    let mut claim = decided(study, WIDER, &[(narrow, wide, 0.0)]);
    let steps = labels.windows(2).filter_map(|pair| {
        let difference = study.difference(pair[0], pair[1], bits)?;
        Some((format!("{} − {}: {difference}", pair[0], pair[1]), difference.positive()))
    });
    let (words, verdicts): (Vec<_>, Vec<_>) = steps.unzip();
    claim.evidence = format!("{} Step by step: {}.", claim.evidence, words.join("; "));
    if claim.verdict == Verdict::Supported && verdicts.contains(&Verdict::NotSupported) {
        // The first and the last net differ as claimed, but a step between them goes the other way.
        claim.verdict = Verdict::Undecided;
    }
    section(study, vec![claim])
}
