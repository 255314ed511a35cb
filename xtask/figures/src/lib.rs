//! `cargo xtask figures`: the parts of the documentation that the code makes: figures of what it computes,
//! equations for browsers, and the reference of configurations.

mod charts;
mod configuration;
mod equations;
mod influence;
mod place;

use std::path::PathBuf;

use place::root;

/// Where the figures lie.
#[must_use]
pub fn folder() -> PathBuf {
    root().join("docs/book/src/figures")
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
        let drawing = rtrl_report::drawing(&figure).map_err(|error| error.to_string())?;
        figures.push((format!("{}.svg", figure.id), drawing));
    }
    Ok(figures)
}

/// File and content of every page of equations in the documentation of a crate.
///
/// # Errors
/// If a page cannot be read or its TeX not be understood.
pub fn equations() -> Result<Vec<(PathBuf, String)>, String> {
    equations::all()
}

/// File and content of the reference of configurations.
///
/// # Errors
/// If the sources of the types cannot be read, or contradict what the code reads.
pub fn configuration() -> Result<(PathBuf, String), String> {
    Ok((root().join("docs/CONFIGURATION.md"), configuration::page()?))
}

/// Writes figures, equations and the reference of configurations.
///
/// # Errors
/// What went wrong, with the status to exit with.
pub fn run() -> Result<(), (u8, String)> {
    let drawn = figures().map_err(|message| (1, message))?;
    let mut files: Vec<_> = drawn.into_iter().map(|(name, content)| (folder().join(name), content)).collect();
    files.extend(equations().map_err(|message| (2, message))?);
    files.push(configuration().map_err(|message| (2, message))?);
    for (path, content) in files {
        // A file that is new would be compiled again, with everything that depends on it.
        if std::fs::read_to_string(&path).is_ok_and(|old| old == content) {
            continue;
        }
        rtrl_report::replace(&path, &content).map_err(|error| (2, error.to_string()))?;
    }
    Ok(())
}
