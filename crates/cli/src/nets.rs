//! Nets and configurations from files.

use std::path::{Path, PathBuf};

use rtrl_train::{Model, RunConfig};

use crate::Failure;

/// The file that a path means: of a run's folder its model, or its checkpoint if it has not ended.
pub fn file(path: &Path) -> PathBuf {
    let names = ["model", "checkpoint"].map(|name| path.join(name));
    names.into_iter().find(|file| path.is_dir() && file.is_file()).unwrap_or_else(|| path.to_path_buf())
}

/// The net of a model, a checkpoint or the folder of a run.
///
/// # Errors
/// If there is none.
pub fn load(path: &Path) -> Result<Model, Failure> {
    let file = file(path);
    if file.is_dir() {
        let folder = path.display();
        return Err(Failure::new(format!(
            "{folder} has no `model` and no `checkpoint`: is it a run's folder?"
        )));
    }
    Ok(Model::load(&file)?)
}

/// The configuration in a file.
///
/// # Errors
/// If it cannot be read or has no meaning.
pub fn config(path: &Path) -> Result<RunConfig, Failure> {
    let text = std::fs::read_to_string(path).map_err(Failure::file("read", path))?;
    Ok(RunConfig::from_toml(&text, &path.display().to_string())?)
}
