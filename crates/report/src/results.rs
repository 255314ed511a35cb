//! `results.json`: what a report says, for programs. `docs/RESULTS.md` describes it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::ReportError;
use super::file::replace;
use super::model::{Claim, Environment, Figure, Report, RunEntry, Table};
use super::tabular::claims;

/// Raised when a field changes its meaning or goes.
const SCHEMA: u32 = 2;

#[derive(Serialize)]
struct Results<'a> {
    schema: u32,
    profile: &'a str,
    command: &'a str,
    environment: &'a Environment,
    /// In the order of their ids.
    claims: Vec<&'a Claim>,
    experiments: Vec<Experiment<'a>>,
}

#[derive(Serialize)]
struct Experiment<'a> {
    name: &'a str,
    tables: &'a [Table],
    figures: &'a [Figure],
    runs: &'a [RunEntry],
}

/// Writes `results.json` into `dir`, which must exist.
///
/// # Errors
/// [`ReportError::Write`].
pub fn write_results(report: &Report, dir: &Path) -> Result<PathBuf, ReportError> {
    let results = Results {
        schema: SCHEMA,
        profile: &report.profile,
        command: &report.command,
        environment: &report.environment,
        claims: claims(report).into_iter().map(|(_, claim)| claim).collect(),
        experiments: report
            .experiments
            .iter()
            .map(|section| Experiment {
                name: &section.name,
                tables: &section.tables,
                figures: &section.figures,
                runs: &section.runs,
            })
            .collect(),
    };
    let path = dir.join("results.json");
    let json = serde_json::to_string_pretty(&results)
        .map_err(|error| ReportError::Write { path: path.clone(), source: error.into() })?;
    replace(&path, &json)?;
    Ok(path)
}
