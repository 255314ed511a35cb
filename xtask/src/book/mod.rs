//! `cargo xtask figures`: the figures of the book, drawn from what the code computes.

mod charts;
mod influence;

use std::path::{Path, PathBuf};

use crate::report;

/// Where the figures lie.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/book/src/figures")
}

/// Name and content of every figure.
///
/// # Errors
/// If a net cannot be built or a figure not be drawn, which is a mistake in the program.
pub fn figures() -> Result<Vec<(String, String)>, String> {
    let mut figures = vec![
        ("influence.svg".to_string(), influence::patterns()?),
        ("blocks.svg".to_string(), influence::blocks()?),
    ];
    for figure in charts::all()? {
        let drawing = report::drawing(&figure).map_err(|error| error.to_string())?;
        figures.push((format!("{}.svg", figure.id), drawing));
    }
    Ok(figures)
}

/// Writes them.
///
/// # Errors
/// What went wrong, with the status to exit with.
pub fn run() -> Result<(), (u8, String)> {
    for (name, content) in figures().map_err(|message| (1, message))? {
        report::replace(&folder().join(name), &content).map_err(|error| (2, error.to_string()))?;
    }
    Ok(())
}
