//! Reports of experiments: a page, a Markdown file, and every figure as SVG and CSV.
//!
//! A caller fills a [`Report`], which is plain data, and calls [`write()`]; [`terminal()`] gives the same tables as text.
//! Nothing here measures anything: means and bands are computed from the values per seed that the caller hands over, so that a
//! figure, its CSV and its numbers cannot disagree, and the verdict of a [`Claim`] follows from its [`Condition`]s alone.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
const _: () = ();

mod claim;
mod condition;
mod csv;
mod error;
mod file;
mod html;
mod labels;
mod markdown;
mod model;
mod number;
pub mod palette;
mod results;
mod scale;
mod stats;
mod svg;
mod tabular;
mod terminal;
mod text;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use stats::Digest;

pub use condition::{Bound, Condition, Observed, Verdict, all};
pub use error::ReportError;
pub use file::replace;
pub use model::{
    Align, Axis, Claim, Environment, Figure, Machine, Point, Reference, Report, RunEntry, Section, Series,
    Table, Yardstick,
};
pub use results::write_results;
pub use stats::{ROUNDING_VARIANCE, interval, interval_with_floor};
pub use tabular::claims;
pub use terminal::{tables, terminal};
pub use text::duration;

/// The files that [`write()`] has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The page.
    pub html: PathBuf,
    /// The same in Markdown.
    pub markdown: PathBuf,
    /// Data and drawing of each figure.
    pub figures: Vec<PathBuf>,
}

/// Writes `report.html`, `report.md` and `figures/<id>.csv` and `.svg` into `dir`, which is created if need be.
///
/// Everything is drawn before anything is written, and each file replaces its predecessor atomically, so a reader
/// never meets half a file. Files of earlier reports with other figures are left alone.
///
/// # Errors
/// [`ReportError`] if ids or labels clash, if a figure cannot be drawn, or if a file cannot be written.
pub fn write(report: &Report, dir: &Path) -> Result<Written, ReportError> {
    check(report)?;
    let figures = dir.join("figures");
    let digests: Vec<_> = report.experiments.iter().map(|section| Digest::all(&section.figures)).collect();
    let mut files = Vec::new();
    for digest in digests.iter().flatten() {
        let id = &digest.figure.id;
        files.push((figures.join(format!("{id}.csv")), csv::render(digest)));
        files.push((figures.join(format!("{id}.svg")), svg::draw(digest, svg::Canvas::File)?));
    }
    let (html, markdown) = (dir.join("report.html"), dir.join("report.md"));
    let pages = [
        (html.clone(), html::render(report, &digests)?),
        (markdown.clone(), markdown::render(report, &digests)),
    ];

    make_dir(if files.is_empty() { dir } else { &figures })?;
    // Pages are written last, so that everything they link to exists.
    for (path, text) in files.iter().chain(&pages) {
        replace(path, text)?;
    }
    let figures = files.into_iter().map(|(path, _)| path).collect();
    Ok(Written { html, markdown, figures })
}

/// Checks what the types of the model cannot promise: valid ids and distinct labels.
fn check(report: &Report) -> Result<(), ReportError> {
    let mut ids = HashSet::new();
    for figure in report.experiments.iter().flat_map(|section| &section.figures) {
        let id = &figure.id;
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return Err(ReportError::FigureId { id: id.clone() });
        }
        // Some file systems do not tell upper from lower case.
        if !ids.insert(id.to_ascii_lowercase()) {
            return Err(ReportError::DuplicateFigure { id: id.clone() });
        }
        let mut labels = HashSet::new();
        if let Some(series) = figure.series.iter().find(|series| !labels.insert(&series.label)) {
            return Err(ReportError::DuplicateSeries { figure: id.clone(), label: series.label.clone() });
        }
    }
    Ok(())
}

/// A figure as a file of its own.
///
/// # Errors
/// [`ReportError::Drawing`].
pub fn drawing(figure: &Figure) -> Result<String, ReportError> {
    svg::draw(&Digest::new(figure), svg::Canvas::File)
}

fn make_dir(path: &Path) -> Result<(), ReportError> {
    fs::create_dir_all(path).map_err(|source| ReportError::Write { path: path.to_owned(), source })
}
