//! Nets and configurations from files.

use std::path::{Path, PathBuf};

use rtrl_train::{Model, RunConfig, TrainError};

use crate::Failure;

/// The file that a path means: of a run's folder its model, or its checkpoint if it has not ended.
///
/// # Errors
/// If it is a folder that has neither.
pub fn file(path: &Path) -> Result<PathBuf, Failure> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let names = ["model", "checkpoint"].map(|name| path.join(name));
    names.into_iter().find(|file| file.is_file()).ok_or_else(|| {
        let folder = path.display();
        Failure::usage(format!("{folder} has no `model` and no `checkpoint`: is it a run's folder?"))
    })
}

/// The net of a model, a checkpoint or the folder of a run.
///
/// # Errors
/// If there is none.
pub fn load(path: &Path) -> Result<Model, Failure> {
    Ok(Model::load(&file(path)?)?)
}

/// The configuration in a file.
///
/// # Errors
/// If it cannot be read or has no meaning.
pub fn config(path: &Path) -> Result<RunConfig, Failure> {
    let text = text(path)?;
    Ok(RunConfig::from_toml(&text, &path.display().to_string())?)
}

/// The text of a configuration file.
///
/// # Errors
/// If it cannot be read.
pub fn text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
}

/// Why a run or a net of the configuration in a file failed, with the line if the configuration is to blame.
pub fn blame(path: &Path) -> impl Fn(TrainError) -> Failure {
    let path = path.to_path_buf();
    move |error| {
        // A file that has vanished since it was read has no lines.
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        error.located(&text, &path.display().to_string()).into()
    }
}

/// What a mistyped path would otherwise cost is found before anything is done.
///
/// # Errors
/// If there is no folder in which the file could be, or it is a folder itself.
pub fn check_folder(file: &Path) -> Result<(), Failure> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_dir() && !file.is_dir() {
        return Ok(());
    }
    Err(Failure::usage(format!("cannot write {}: its folder does not exist, or it is one", file.display())))
}
