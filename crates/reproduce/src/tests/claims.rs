//! Every claim of training runs comes out supported, not supported and undecided, as its numbers are.

use rtrl_report::{Claim, Verdict};
use rtrl_train::Summary;

use crate::catalogue;
use crate::experiment::Kind;
use crate::tests::ending;

use Verdict::{NotRun, NotSupported, Supported, Undecided};

/// The claim of this id if the runs of each method end with these values: bits in the last record, or levels.
fn claim(id: &str, ends: &[(&str, &[f64])]) -> Claim {
    let experiment = catalogue().find(|e| e.claims.iter().any(|claim| claim.id == id)).unwrap();
    let level = experiment.name.starts_with("copy");
    let set: fn(&mut Summary, f64) = match level {
        true => |summary, value| summary.level = Some(value as u32),
        false => |summary, value| {
            (summary.bits, summary.valid_bits, summary.error) = (Some(value), Some(value), Some(value));
        },
    };
    let mut study = ending(experiment, set, ends);
    for run in &mut study.runs {
        for record in &mut run.records {
            match level {
                true => record.level = run.summary.level,
                false => record.valid_bits = run.summary.valid_bits,
            }
        }
    }
    let Kind::Runs { section } = experiment.kind else { panic!("{id} is measured") };
    section(&study).claims.into_iter().find(|claim| claim.id == id).unwrap()
}

/// The values of the methods: those of the table, and `rest` for all others of the experiment.
fn with_rest<'a>(
    id: &str,
    table: &[(&'a str, &'a [f64])],
    rest: &'a [f64],
    labels: &'a [String],
) -> Vec<(&'a str, &'a [f64])> {
    assert!(
        table.iter().all(|(label, _)| labels.iter().any(|known| known == label)),
        "{id}: {table:?} {labels:?}"
    );
    let value = |label: &'a String| {
        let own = table.iter().find(|(own, _)| own == label).map_or(rest, |(_, values)| *values);
        (label.as_str(), own)
    };
    labels.iter().map(value).collect()
}

#[test]
fn claims_of_runs_come_out_as_the_numbers_are() {
    // Bits: less is better. Levels: more is better.
    let (few, more, many): (&[f64], &[f64], &[f64]) =
        (&[2.0, 2.01, 2.02], &[2.3, 2.31, 2.32], &[2.6, 2.61, 2.62]);
    let wild: &[f64] = &[1.0, 2.3, 3.6];
    let nan: &[f64] = &[f64::NAN, 2.0, 2.0];
    let (low, high, wide): (&[f64], &[f64], &[f64]) =
        (&[5.0, 6.0, 5.0], &[9.0, 10.0, 10.0], &[2.0, 9.0, 16.0]);
    type Case<'a> = (&'a str, &'a [(&'a str, &'a [f64])], &'a [f64], Verdict);
    let cases: &[Case<'_>] = &[
        ("C3", &[("SnAp-1", few)], many, Supported),
        ("C3", &[("SnAp-1", few), ("RFLO 0.5", few)], many, NotSupported),
        ("C3", &[("SnAp-1", more), ("UORO, core at 0.1", few)], many, NotSupported),
        ("C3", &[("SnAp-1", few), ("UORO", wild)], many, Undecided),
        ("C3", &[("SnAp-1", nan)], many, Undecided),
        ("C7", &[("SnAp-1", few), ("BPTT", few)], many, Supported),
        ("C7", &[("SnAp-1", more), ("BPTT", few)], many, NotSupported),
        ("C7", &[("SnAp-1", few), ("BPTT", few), ("UORO", few)], many, NotSupported),
        ("C7", &[("SnAp-1", wild), ("BPTT", few)], many, Undecided),
        ("C8", &[("SnAp-2", few), ("BPTT", few)], more, Supported),
        ("C8", &[("SnAp-1", few)], more, NotSupported),
        ("C8", &[("SnAp-2", wild)], more, Undecided),
        ("C9", &[("1×, dense", many)], few, Supported),
        ("C9", &[("1×, dense", few)], many, NotSupported),
        ("C9", &[("1×, dense", wild)], more, Undecided),
        // The widest net is better than the first, but worse than the one before it.
        ("C9", &[("1×, dense", many), ("4×, 93.75 %", few)], more, Undecided),
        ("C9b", &[("1×, dense", many)], few, Supported),
        ("C9b", &[("1×, dense", few)], many, NotSupported),
        ("C9b", &[("1×, dense", wild)], more, Undecided),
        ("C12a", &[("SnAp-1", few)], many, Supported),
        ("C12a", &[("SnAp-1", many)], few, NotSupported),
        ("C12a", &[("SnAp-1", wild)], more, Undecided),
        ("C12f", &[("SnAp-1, online", few)], many, Supported),
        ("C12f", &[("immediate, online", few)], many, NotSupported),
        ("C12f", &[("immediate, online", wild)], more, Undecided),
        ("C4", &[("SnAp-2", high)], low, Supported),
        ("C4", &[("SnAp-2", low), ("BPTT, windows of 64", high)], low, NotSupported),
        ("C4", &[("SnAp-2", wide)], low, Undecided),
        ("C4", &[("SnAp-2", high), ("Frozen", high)], low, Undecided),
        ("C12b", &[("immediate", low)], high, Supported),
        ("C12b", &[("immediate", high)], low, NotSupported),
        ("C12b", &[("immediate", low), ("SnAp-1", low)], high, Undecided),
        ("C11", &[("SnAp-1, online", high)], low, Supported),
        ("C11", &[("Frozen", high)], low, NotSupported),
        ("C11", &[("SnAp-1, online", wide)], low, Undecided),
        ("C12c", &[("immediate", many)], few, Supported),
        ("C12c", &[("immediate", few)], many, NotSupported),
        ("C12c", &[("immediate", wild)], more, Undecided),
        (
            "C12d",
            &[("immediate, L = 4", many), ("immediate, L = 8", many), ("immediate, L = 2", many)],
            few,
            Supported,
        ),
        ("C12d", &[("immediate, L = 4", many), ("immediate, L = 8", many)], more, NotSupported),
        ("C12d", &[("SnAp-2, L = 8", wild), ("SnAp-1, L = 8", few)], more, NotSupported),
        (
            "C12e",
            &[("immediate, d = 2", many), ("immediate, d = 5", many), ("immediate, d = 10", many)],
            few,
            Supported,
        ),
        ("C12e", &[("immediate, d = 5", few)], many, NotSupported),
        (
            "C12e",
            &[("immediate, d = 2", many), ("immediate, d = 5", wild), ("immediate, d = 10", many)],
            few,
            Undecided,
        ),
        ("C12g", &[("immediate", many)], few, Supported),
        ("C12g", &[("immediate", more), ("UORO", many)], few, NotSupported),
        ("C12g", &[("immediate", more), ("UORO", wild)], few, Undecided),
        ("C4b", &[("1×, SnAp-2", high), ("2×, SnAp-2", high), ("4×, SnAp-2", high)], low, Supported),
        ("C4b", &[("1×, SnAp-2", high), ("2×, SnAp-2", low), ("2×, BPTT", high)], low, NotSupported),
        ("C4b", &[("1×, SnAp-2", wide), ("2×, SnAp-2", high), ("4×, SnAp-2", high)], low, Undecided),
    ];
    for (id, table, rest, expected) in cases {
        let experiment = catalogue().find(|e| e.claims.iter().any(|claim| claim.id == *id)).unwrap();
        let methods = experiment.settings().unwrap().methods;
        let labels: Vec<String> = methods.into_iter().map(|method| method.label).collect();
        let claim = claim(id, &with_rest(id, table, rest, &labels));
        assert_eq!(claim.verdict, *expected, "{id} {table:?}: {}", claim.evidence);
    }
    let missing = claim("C11", &[("SnAp-1, online", high)]);
    assert_eq!(missing.verdict, NotRun, "without a baseline: {}", missing.evidence);
}

#[test]
fn tables_of_what_is_varied_have_a_number_of_each_method() {
    for name in ["dependency", "recall"] {
        let experiment = catalogue().find(|e| e.name == name).unwrap();
        let methods = experiment.settings().unwrap().methods;
        let values: &[f64] = &[1.0, 1.1];
        let ends: Vec<(&str, &[f64])> =
            methods.iter().map(|method| (method.label.as_str(), values)).collect();
        let Kind::Runs { section } = experiment.kind else { panic!("runs") };
        let section = section(&ending(experiment, |summary, bits| summary.bits = Some(bits), &ends));
        let rows = &section.tables[0].rows;
        assert_eq!(rows.len(), 5, "{rows:?}");
        assert!(rows.iter().all(|row| row.len() == 4 && row.iter().all(|cell| !cell.is_empty())), "{rows:?}");
        assert!(rows.iter().any(|row| row[0] == "TBPTT(1, 32)"), "{rows:?}");
    }
}

#[test]
fn a_baseline_that_does_not_work_is_named() {
    let (few, many): (&[f64], &[f64]) = (&[2.0, 2.01, 2.02], &[2.6, 2.61, 2.62]);
    let experiment = catalogue().find(|e| e.name == "lm-dense").unwrap();
    let Kind::Runs { section } = experiment.kind else { panic!("runs") };
    let caveats = |uoro: &[f64]| {
        let ends = [("SnAp-1", few), ("UORO", uoro), ("Frozen", many)];
        let mut study = ending(experiment, |summary, bits| summary.valid_bits = Some(bits), &ends);
        for run in &mut study.runs {
            run.records.iter_mut().for_each(|record| record.valid_bits = run.summary.valid_bits);
        }
        section(&study).caveats.join(" ")
    };
    assert!(caveats(many).contains("UORO does not beat Frozen"));
    assert!(!caveats(few).contains("does not beat Frozen"));
}
