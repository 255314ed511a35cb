//! Say here what is compared, and why.

use rtrl_report::{Axis, Bound, Condition, Figure, Section};
use rtrl_sweep::{Statement, Study};
use rtrl_train::{Record, Summary};

use crate::experiment::{Experiment, Kind};

const LEARNS: Statement = Statement {
    id: "template",
    text: "On a short copy task SnAp-1 has a lower loss than a net whose recurrent weights do not learn.",
};

/// What the experiment is.
pub const EXPERIMENTS: &[Experiment] =
    &[Experiment { name: "template", claims: &[LEARNS], kind: Kind::Runs { section } }];

/// Bits per target at the end of a run.
fn bits(summary: &Summary) -> Option<f64> {
    summary.bits
}

fn section(study: &Study) -> Section {
    // Paired by seed. The claim is supported or not if the 95 % interval of the mean difference lies on one side of 0, and undecided
    // otherwise. Without a pair nothing was run.
    let difference = study.difference("Frozen", "SnAp-1", bits);
    let what = "bits of Frozen minus those of SnAp-1";
    let claim = LEARNS.decided(vec![Condition::new("Frozen", what, difference, Bound::Above(0.0))]);
    Section {
        name: study.name.to_string(),
        question: study.settings.question.clone(),
        setup: vec![study.setup()],
        figures: vec![Figure {
            id: study.name.to_string(),
            caption: "Bits per target against time steps.".to_string(),
            x: Axis::linear("time steps"),
            y: Axis::linear("bits"),
            seeds: study.seeds(),
            series: study.series(|r| r.step as f64, |r: &Record| r.bits),
            references: Vec::new(),
            yardsticks: Vec::new(),
        }],
        tables: vec![study.table("final bits", bits, 3)],
        // With the runs and seeds behind it; undecided if one of them failed.
        claims: vec![study.backed(claim, &["SnAp-1", "Frozen"])],
        caveats: Vec::new(),
        runs: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use rtrl_report::Verdict;

    use super::*;
    use crate::tests::ending;

    #[test]
    fn the_claim_follows_from_the_numbers() {
        // Bits of both methods, seed by seed.
        for (snap, frozen, verdict) in [
            ([1.0, 1.1, 1.2], [2.0, 2.1, 2.2], Verdict::Supported),
            ([2.0, 2.1, 2.2], [1.0, 1.1, 1.2], Verdict::NotSupported),
            ([1.0, 2.0, 3.0], [2.0, 1.0, 3.0], Verdict::Undecided),
        ] {
            let ends: [(&str, &[f64]); 2] = [("SnAp-1", &snap), ("Frozen", &frozen)];
            let study = ending(&EXPERIMENTS[0], |summary, bits| summary.bits = Some(bits), &ends);
            assert_eq!(section(&study).claims[0].verdict, verdict);
        }
    }
}
