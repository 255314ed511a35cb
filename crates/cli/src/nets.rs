//! Nets and configurations from files.

use std::path::{Path, PathBuf};

use rtrl_train::{Model, RunConfig, TrainError};

use crate::Failure;
use crate::stream::saved;

/// The file to load for `path`: in the folder of a run its `model`, or its `checkpoint` while the run is
/// unfinished; any other path is the file itself.
///
/// # Errors
/// If `path` is a folder without either file.
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

/// The net of a model, the checkpoint of a run or of a stream, or the folder of a run.
///
/// # Errors
/// If the file cannot be read or holds no net.
pub fn load(path: &Path) -> Result<Model, Failure> {
    let file = file(path)?;
    match Model::load(&file) {
        Ok(model) => Ok(model),
        Err(error) => saved::model(&file)?.ok_or_else(|| error.into()),
    }
}

/// The run configuration in a TOML file, with some fields set to other values, each as `FIELD=VALUE`.
///
/// # Errors
/// If the file cannot be read, or its configuration is not valid.
pub fn config(path: &Path, settings: &[String]) -> Result<RunConfig, Failure> {
    let text = text(path)?;
    Ok(RunConfig::from_toml_with(&text, &path.display().to_string(), settings)?)
}

/// The text of a configuration file.
///
/// # Errors
/// If the file cannot be read.
pub fn text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
}

/// Turns the error of a run or net that was made from the configuration file at `path` into a failure, with the
/// line if a field of the file is to blame.
pub fn blame(path: &Path) -> impl Fn(TrainError) -> Failure {
    let path = path.to_path_buf();
    move |error| {
        // If the file has vanished since it was read, the message names no line.
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        error.located(&text, &path.display().to_string()).into()
    }
}

/// Checks that `file` could be written. Called before any work, which a mistyped path would make useless.
///
/// # Errors
/// If the folder of `file` does not exist, or `file` is a folder itself.
pub fn check_folder(file: &Path) -> Result<(), Failure> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_dir() && !file.is_dir() {
        return Ok(());
    }
    Err(Failure::usage(format!("cannot write {}: its folder does not exist, or it is one", file.display())))
}
