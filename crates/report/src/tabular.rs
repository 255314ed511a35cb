//! Tables that the page, the Markdown and the terminal share.

use super::condition::Condition;
use super::model::{Align, Claim, Report, RunEntry, Table};
use super::text::duration;

/// All claims with the index of the experiment that decided them, in the order of their ids: `C2` before `C10`.
pub fn claims(report: &Report) -> Vec<(Option<usize>, &Claim)> {
    let mut claims: Vec<_> = report
        .experiments
        .iter()
        .enumerate()
        .flat_map(|(index, section)| section.claims.iter().map(move |claim| (Some(index), claim)))
        .chain(report.not_run.iter().map(|claim| (None, claim)))
        .collect();
    claims.sort_by_key(|(_, claim)| {
        let digits = claim.id.trim_start_matches(|c: char| !c.is_ascii_digit());
        let stem = &claim.id[..claim.id.len() - digits.len()];
        let number: String = digits.chars().take_while(char::is_ascii_digit).collect();
        (stem, number.parse::<u64>().unwrap_or(u64::MAX), digits)
    });
    claims
}

/// How many runs are behind the report, and how long they took all together; they may have been made at any time before it.
pub(super) fn runs(report: &Report) -> String {
    let runs = || report.experiments.iter().flat_map(|section| &section.runs);
    let seconds = runs().map(|run| run.seconds).sum();
    match runs().count() {
        0 => String::new(),
        count => format!(", {count} runs, {} of computing", duration(seconds)),
    }
}

/// The claims as a table; `None` if there are none.
pub(super) fn claim_table(report: &Report) -> Option<Table> {
    let rows: Vec<Vec<String>> = claims(report)
        .into_iter()
        .map(|(index, claim)| {
            let verdict = format!("{} {}", claim.verdict.mark(), claim.verdict.words());
            let experiment = index.map_or_else(String::new, |index| report.experiments[index].name.clone());
            vec![claim.id.clone(), verdict, claim.text.clone(), claim.evidence.clone(), experiment]
        })
        .collect();
    let headers = ["claim", "verdict", "what is claimed", "evidence", "experiment"].map(str::to_owned).into();
    (!rows.is_empty()).then(|| Table { caption: "Verdicts".to_owned(), headers, rows, align: Vec::new() })
}

/// Everything that a claim stands on, and what is told beside it.
pub(super) fn condition_table(claim: &Claim) -> Table {
    let row = |c: &Condition| {
        let (observed, seeds) = c.observed.map_or_else(
            || (String::new(), String::new()),
            |observed| (observed.to_string(), observed.seeds.to_string()),
        );
        let verdict = c.verdict();
        let verdict = match c.decides {
            true => format!("{} {}", verdict.mark(), verdict.words()),
            false => format!("({} beside the claim)", verdict.mark()),
        };
        vec![c.what.clone(), observed, c.bound.to_string(), seeds, verdict]
    };
    Table {
        caption: format!("{}: what it stands on", claim.id),
        headers: ["number", "observed", "should be", "seeds", "verdict"].map(str::to_owned).into(),
        rows: claim.conditions.iter().map(row).collect(),
        align: vec![Align::Left, Align::Right, Align::Left, Align::Right, Align::Left],
    }
}

/// The runs of an experiment as a table.
pub(super) fn run_table(runs: &[RunEntry]) -> Table {
    let rows = runs.iter().map(|run| {
        let seconds = duration(run.seconds);
        vec![run.label.clone(), run.seed.to_string(), seconds, run.hash.clone(), run.folder.clone()]
    });
    Table {
        caption: "Training runs".to_owned(),
        headers: ["run", "seed", "time", "config hash", "folder"].map(str::to_owned).into(),
        rows: rows.collect(),
        align: vec![Align::Left, Align::Right, Align::Right],
    }
}

/// A table's headers, filled up to its widest row.
pub(super) fn header(table: &Table) -> Vec<String> {
    padded(&table.headers, columns(table))
}

/// A table's rows, all as wide as its widest.
pub(super) fn rows(table: &Table) -> Vec<Vec<String>> {
    table.rows.iter().map(|row| padded(row, columns(table))).collect()
}

fn columns(table: &Table) -> usize {
    table.rows.iter().map(Vec::len).chain([table.headers.len()]).max().unwrap_or(0)
}

fn padded(cells: &[String], columns: usize) -> Vec<String> {
    let mut cells = cells.to_vec();
    cells.resize(columns, String::new());
    cells
}
