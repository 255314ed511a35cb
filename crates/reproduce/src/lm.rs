//! The character language model.

use rtrl_report::{Axis, Bound, Claim, Condition, Figure, Section, Verdict};
use rtrl_sweep::{Statement, Study};
use rtrl_train::{Record, Summary};

use crate::experiment::{Experiment, Kind};

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
    text: "At equal numbers of recurrent weights, larger and sparser GRUs reach fewer bits per character.",
};
const WIDER_IN_ALL: Statement = Statement {
    id: "C9b",
    text: "At equal numbers of weights in all, readout included, larger and sparser GRUs reach fewer bits per character.",
};
const WORTH: Statement = Statement {
    id: "C12a",
    text: "Propagating the influence is worth it on text: SnAp-1 needs fewer bits than its immediate entries alone (J = I).",
};

const WORTH_ONLINE: Statement = Statement {
    id: "C12f",
    text: "Propagating the influence is worth it on text with an update at every step: SnAp-1 needs fewer bits than its immediate entries alone (J = I).",
};

/// Dense nets, sparse nets, other cells, updates at every step, and nets of growing width and sparsity with equal numbers of recurrent weights.
pub const EXPERIMENTS: &[Experiment] = &[
    Experiment { name: "lm-dense", claims: &[BETTER, NEAR, WORTH], kind: Kind::Runs { section: dense } },
    Experiment { name: "lm-sparse", claims: &[APPROACHES], kind: Kind::Runs { section: sparse } },
    Experiment {
        name: "lm-cells",
        claims: &[],
        kind: Kind::Runs { section: |study| section(study, Vec::new()) },
    },
    Experiment { name: "lm-online", claims: &[WORTH_ONLINE], kind: Kind::Runs { section: online } },
    Experiment {
        name: "lm-width",
        claims: &[WIDER],
        kind: Kind::Runs { section: |study| width(study, WIDER) },
    },
    Experiment {
        name: "lm-width-all",
        claims: &[WIDER_IN_ALL],
        kind: Kind::Runs { section: |study| width(study, WIDER_IN_ALL) },
    },
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
            x: Axis::log("characters"),
            y: Axis::linear("bits per character"),
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

/// A method against another, and by how much the difference of their held-out bits must exceed 0: `other - own > bound`.
struct Against<'a> {
    other: &'a str,
    own: &'a str,
    bound: f64,
    decides: bool,
}

/// `own` needs fewer bits than `other`, by more than `bound`.
fn fewer<'a>(own: &'a str, other: &'a str, bound: f64) -> Against<'a> {
    Against { other, own, bound, decides: true }
}

/// A claim from differences of held-out bits between two methods, at the last step that all their runs have recorded.
fn decided(study: &Study, statement: Statement, pairs: &[Against<'_>]) -> Claim {
    let condition = |pair: &Against<'_>| {
        let &Against { other, own, bound, decides } = pair;
        let found = study.difference_when_equal(other, own, |record| record.valid_bits);
        let lanes = study.configs().next().map_or(1, |config| config.training.lanes as u64);
        let at = found.map_or_else(String::new, |(step, _)| {
            format!(" after {:.2} million characters", (step * lanes) as f64 / 1e6)
        });
        let what = format!("bits of {other} minus those of {own}{at}");
        let condition = Condition::new(other, what, found.map(|found| found.1), Bound::Above(bound));
        if decides { condition } else { condition.beside() }
    };
    let methods: Vec<&str> = pairs.iter().filter(|p| p.decides).flat_map(|p| [p.other, p.own]).collect();
    study.backed(statement.decided(pairs.iter().map(condition).collect()), &methods)
}

/// Greatest difference that is called close, in bits per character: a tenth, within which two numbers with one
/// decimal would be called equal.
const CLOSE: f64 = 0.1;

fn dense(study: &Study) -> Section {
    const OWN: &str = "SnAp-1";
    // Every setting of UORO and RFLO that was run: the claim must hold against the best of them, whichever it is.
    let rivals: Vec<&str> = study.labels("UORO").chain(study.labels("RFLO")).collect();
    let beside = ["e-prop", "immediate"].map(|other| Against { decides: false, ..fewer(OWN, other, 0.0) });
    let all: Vec<Against<'_>> = rivals.iter().map(|other| fewer(OWN, other, 0.0)).chain(beside).collect();
    let better = with_cost(study, decided(study, BETTER, &all), &rivals, OWN);
    let behind = study.labels("UORO").map(|other| fewer(OWN, other, CLOSE));
    let near: Vec<Against<'_>> = std::iter::once(fewer(OWN, "BPTT", -CLOSE)).chain(behind).collect();
    let worth = decided(study, WORTH, &[fewer(OWN, "immediate", 0.0)]);
    let mut section = section(study, vec![better, decided(study, NEAR, &near), worth]);
    section.caveats.extend(rivals.iter().filter_map(|other| idle(study, other)));
    section
}

/// A sentence if a method does not need fewer bits than a net whose core does not learn: what is said of it is then said of a method that does
/// not work here.
fn idle(study: &Study, method: &str) -> Option<String> {
    let (_, difference) = study.difference_when_equal("Frozen", method, |record| record.valid_bits)?;
    let condition = Condition::new("Frozen", "", Some(difference), Bound::Above(0.0));
    (condition.verdict() != Verdict::Supported).then(|| {
        format!("{method} does not beat Frozen: bits of Frozen minus those of {method}: {difference}.")
    })
}

/// A claim that is about cost as well: counted multiply-adds of some methods over those of another.
fn with_cost(study: &Study, mut claim: Claim, methods: &[&str], base: &str) -> Claim {
    let ratios = methods.iter().filter_map(|method| Some((method, study.macs(method)? / study.macs(base)?)));
    let words: Vec<_> = ratios.map(|(method, ratio)| format!("{method} × {ratio:.2}")).collect();
    claim.evidence += &format!(" Multiply-adds over those of {base}: {}.", words.join(", "));
    claim
}

fn online(study: &Study) -> Section {
    let worth = decided(study, WORTH_ONLINE, &[fewer("SnAp-1, online", "immediate, online", 0.0)]);
    section(study, vec![worth])
}

fn sparse(study: &Study) -> Section {
    // "At least as good" allows for a hundredth of a bit.
    let order = [fewer("SnAp-2", "SnAp-1", -0.01), fewer("SnAp-2", "BPTT", -CLOSE)];
    section(study, vec![decided(study, APPROACHES, &order)])
}

/// The narrowest net against the widest decides; the steps between them are told.
fn width(study: &Study, statement: Statement) -> Section {
    let labels: Vec<&str> = study.labels("").collect();
    let (Some(&narrow), Some(&wide)) = (labels.first(), labels.last()) else {
        return section(study, Vec::new());
    };
    let steps = labels.windows(2).map(|pair| Against { decides: false, ..fewer(pair[1], pair[0], 0.0) });
    let all: Vec<Against<'_>> = std::iter::once(fewer(wide, narrow, 0.0)).chain(steps).collect();
    let mut claim = decided(study, statement, &all);
    let back =
        claim.conditions.iter().any(|c| !c.decides && c.observed.is_some_and(|o| o.mean + o.half < 0.0));
    if claim.verdict == Verdict::Supported && back {
        // The first and the last net differ as claimed, but a step between them goes the other way.
        claim.verdict = Verdict::Undecided;
        claim.evidence += " A step between the two goes the other way.";
    }
    section(study, vec![claim])
}
