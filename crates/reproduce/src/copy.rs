//! The copy task: how long a string can be copied.

use rtrl_report::{Axis, Bound, Claim, Condition, Figure, ROUNDING_VARIANCE, Section, Yardstick};
use rtrl_sweep::{BySeed, Done, Statement, Study, paired};
use rtrl_train::{Record, Summary};

use crate::experiment::{Experiment, Kind};

const TRACTABLE: Statement = Statement {
    id: "C4",
    text: "On highly sparse nets SnAp-2 stays tractable and, updating at every step, can learn faster than BPTT.",
};
const AT_EACH_SIZE: Statement = Statement {
    id: "C4b",
    text: "SnAp-2, updating at every step, climbs higher than BPTT on nets of each size and sparsity with equal numbers of recurrent weights.",
};
const WORTH: Statement = Statement {
    id: "C12b",
    text: "Propagating the influence is worth it on the copy task: SnAp climbs higher than with its immediate entries alone (J = I).",
};
const ONLINE: Statement = Statement {
    id: "C11",
    text: "With weights that change at every step, under a running influence, learning still works.",
};

/// Sparse nets, updated at every step, and BPTT; updates at every step against updates at the end of windows.
pub const EXPERIMENTS: &[Experiment] = &[
    Experiment { name: "copy-sparse", claims: &[TRACTABLE, WORTH], kind: Kind::Runs { section: sparse } },
    Experiment { name: "copy-wide", claims: &[AT_EACH_SIZE], kind: Kind::Runs { section: wide } },
    Experiment { name: "copy-online", claims: &[ONLINE], kind: Kind::Runs { section: online } },
];

/// Steps and mean L of five runs of rank-16 OK with 128 units, batch 16, an update at every step and the all-positions
/// rule, from the logs published with Benzing et al. (2019).
const PUBLIC: [(f64, f64); 4] = [(1e5, 16.0), (5e5, 28.0), (1e6, 34.2), (2e6, 41.8)];

fn level(summary: &Summary) -> Option<f64> {
    summary.level.map(f64::from)
}

fn section(study: &Study, claims: Vec<Claim>, caveats: Vec<String>) -> Section {
    // Where windows end with sequences, records are made up to one sequence late: seeds have them at the same place.
    let every = study.configs().map(|config| config.training.log_every).max().unwrap_or(1);
    let series = study.series(|r| (r.step / every * every) as f64, |r: &Record| r.level.map(f64::from));
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
            x: Axis::linear("time steps"),
            y: Axis { whole: true, ..Axis::linear("level L") },
            seeds: study.seeds(),
            series,
            references: Vec::new(),
            yardsticks,
        }],
        tables: vec![study.table("final L", level, 1)],
        claims,
        caveats,
        runs: Vec::new(),
    }
}

/// The final level of one method over that of another.
fn higher(study: &Study, own: &str, other: &str) -> Condition {
    let what = format!("final L of {own} minus {other}");
    Condition::new(other, what, study.level_difference(own, other), Bound::Above(0.0))
}

/// The first step at which each run of a method has reached a level, by seed; the last step of a run that has not.
fn steps_to(study: &Study, method: &str, level: u32) -> BySeed {
    let step = |run: &Done| {
        let reached = run.records.iter().find(|record| record.level.is_some_and(|l| l >= level));
        reached.or(run.records.last()).map_or(0.0, |record| record.step as f64)
    };
    study.of(method).map(|run| (run.config.training.seed, step(run))).collect()
}

/// Steps that `own` needs less than `other` to come to the greatest level that every run of either reaches: the level of the weakest. `None` if
/// that is where all began.
fn sooner(study: &Study, own: &str, other: &str) -> Condition {
    let runs = || study.of(own).chain(study.of(other));
    let begun = runs().filter_map(|run| run.records.first()?.level).max();
    let level = runs().filter_map(|run| run.records.iter().filter_map(|r| r.level).max()).min();
    let level = level.zip(begun).filter(|(level, begun)| level > begun).map(|(level, _)| level);
    let difference = level.and_then(|l| paired(&steps_to(study, other, l), &steps_to(study, own, l), 0.0));
    let at = level.map_or_else(String::new, |level| format!(" to L = {level}"));
    Condition::new(other, format!("steps{at} of {other} minus {own}"), difference, Bound::Above(0.0)).beside()
}

/// The level of each run of a method at the last record within a number of multiply-adds.
fn level_within(study: &Study, method: &str, macs: f64) -> BySeed {
    let Some(step) = study.macs(method) else { return BySeed::new() };
    let level = |run: &Done| {
        let within = run.records.iter().take_while(|record| record.step as f64 * step <= macs);
        within.last().and_then(|record| record.level).map(f64::from)
    };
    study.of(method).filter_map(|run| Some((run.config.training.seed, level(run)?))).collect()
}

/// Levels at equal multiply-adds: at all that the cheaper of two methods has spent.
fn per_multiply_add(study: &Study, own: &str, other: &str) -> Condition {
    let spent = |method: &str| {
        let steps = study.of(method).filter_map(|run| Some(run.records.last()?.step)).min()?;
        Some(steps as f64 * study.macs(method)?)
    };
    let difference = spent(own).zip(spent(other)).and_then(|(a, b)| {
        let macs = a.min(b);
        paired(&level_within(study, own, macs), &level_within(study, other, macs), 2.0 * ROUNDING_VARIANCE)
    });
    let what = format!("L of {own} minus {other} at equal multiply-adds");
    Condition::new(other, what, difference, Bound::Above(0.0)).beside()
}

fn sparse(study: &Study) -> Section {
    const OWN: &str = "SnAp-2";
    // Every schedule of backpropagation that was run: a claim is worth what its strongest baseline is worth.
    let rivals: Vec<&str> = study.labels("BPTT").chain(study.labels("TBPTT")).collect();
    let mut conditions: Vec<Condition> = rivals.iter().map(|other| higher(study, OWN, other)).collect();
    conditions.push(higher(study, OWN, "Frozen"));
    for other in &rivals {
        conditions.extend([sooner(study, OWN, other), per_multiply_add(study, OWN, other)]);
    }
    let methods = [&[OWN, "Frozen"][..], &rivals].concat();
    let faster = study.backed(TRACTABLE.decided(conditions), &methods);
    let orders: Vec<&str> = study.labels("SnAp-").collect();
    let worth = orders.iter().map(|own| Condition {
        against: format!("the immediate entries, for {own}"),
        ..higher(study, own, "immediate")
    });
    let worth = study.backed(WORTH.decided(worth.collect()), &[&orders[..], &["immediate"]].concat());
    let costs = rivals.iter().filter_map(|other| {
        Some(format!("{:.1} times those of {other}", study.macs(OWN)? / study.macs(other)?))
    });
    let costs: Vec<String> = costs.collect();
    let mut caveats =
        vec!["BPTT is truncated at its window and changes the weights once for each, the others once for each time step."
            .to_string()];
    if !costs.is_empty() {
        caveats.push(format!("A step of {OWN} has {} in multiply-adds.", costs.join(", ")));
    }
    section(study, vec![faster, worth], caveats)
}

/// Labels are a net and a method, as `1×, SnAp-2`.
fn wide(study: &Study) -> Section {
    let mut conditions = Vec::new();
    let mut methods = Vec::new();
    let labels: Vec<&str> = study.labels("").collect();
    for own in labels.iter().filter(|label| label.ends_with(", SnAp-2")) {
        let net = own.trim_end_matches("SnAp-2");
        for other in labels.iter().filter(|label| label.starts_with(net) && label.contains("BPTT")) {
            conditions.extend([
                higher(study, own, other),
                sooner(study, own, other),
                per_multiply_add(study, own, other),
            ]);
            methods.push(*other);
        }
        methods.push(own);
    }
    section(study, vec![study.backed(AT_EACH_SIZE.decided(conditions), &methods)], Vec::new())
}

fn online(study: &Study) -> Section {
    const OWN: &str = "SnAp-1, online";
    let conditions = vec![higher(study, OWN, "Frozen"), higher(study, OWN, "SnAp-1, window").beside()];
    section(
        study,
        vec![study.backed(ONLINE.decided(conditions), &[OWN, "Frozen"])],
        vec![
            "Both forms of SnAp-1 see the same data; online it makes as many updates as there are time steps."
                .to_string(),
        ],
    )
}
