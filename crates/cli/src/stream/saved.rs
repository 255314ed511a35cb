//! Checkpoints of streams.

use std::path::Path;

use rtrl_checkpoint::{Archive, ArchiveError, CheckpointError, Loaded, Persist};
use rtrl_stream::ForecasterConfig;
use rtrl_train::Model;
use serde_json::Value;

use super::columns::Columns;
use super::forecasts::Keys;
use super::layout::{Layout, Selection};
use super::state::{IDENTITY, State};
use crate::Failure;

/// The settings and columns with which a checkpoint of a stream was made.
///
/// # Errors
/// If the checkpoint is not one of a stream.
pub fn read_identity(archive: &mut Archive<'_>) -> Result<Value, ArchiveError> {
    let mut identity = Vec::new();
    archive.vec(IDENTITY, &mut identity)?;
    archive.skip_rest();
    serde_json::from_slice(&identity).map_err(|error| archive.refusal(IDENTITY, error.to_string()))
}

/// A list of names in settings and columns of a checkpoint; empty if it is not there.
pub fn names(identity: &Value, field: &str) -> Vec<String> {
    let list = identity[field].as_array();
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_string).collect()
}

/// The columns with which a checkpoint was made.
pub fn selection(identity: &Value) -> Selection {
    let one = |field: &str| identity[field].as_str().map(str::to_string);
    let categories = identity["categories"].as_object().into_iter().flatten();
    Selection {
        inputs: names(identity, "input"),
        targets: names(identity, "target"),
        kept: Vec::new(),
        time: one("time"),
        key: one("key"),
        categories: categories
            .map(|(column, _)| (column.clone(), names(&identity["categories"], column)))
            .collect(),
    }
}

/// Whether a checkpoint may be one of JSON lines, of which only the columns that are used are known.
pub fn is_json(identity: &Value) -> bool {
    let Selection { inputs, targets, time, key, categories, .. } = selection(identity);
    let columns = names(identity, "columns");
    let used = |name: &String| {
        let one = time.as_ref() == Some(name) || key.as_ref() == Some(name) || categories.contains_key(name);
        one || inputs.contains(name) || targets.contains(name)
    };
    columns.is_sorted() && columns.iter().all(used)
}

/// The columns of a checkpoint, and what they are used for.
///
/// # Errors
/// If they are not those of a stream.
pub fn layout(identity: &Value) -> Result<Layout, String> {
    let columns = Columns::new(Some(names(identity, "columns")));
    Layout::new(&columns, false, &selection(identity), true)
}

/// The net in a checkpoint of a stream; `None` if the file is no such checkpoint.
///
/// # Errors
/// If it is one, and cannot be used.
pub fn model(path: &Path) -> Result<Option<Model>, Failure> {
    let Ok(identity) = rtrl_checkpoint::load(path, read_identity) else { return Ok(None) };
    let broken = |reason: String| Failure::new(format!("checkpoint {}: {reason}", path.display()));
    let config: ForecasterConfig =
        serde_json::from_value(identity["settings"].clone()).map_err(|error| broken(error.to_string()))?;
    let layout = layout(&identity).map_err(broken)?;
    let share = serde_json::from_value(identity["share"].clone()).unwrap_or_default();
    let mut state = State::new(&config, &layout, Keys { share, forget_after: None }, None, None)?;
    rtrl_checkpoint::load(path, |archive| state.persist(archive)).map_err(|error| unusable(path, &error))?;
    match state.forecasts.common_model() {
        Some(model) => Ok(Some(model.clone())),
        None => Err(broken(
            "each of its series has a net of its own (--share nothing): there is no single one".into(),
        )),
    }
}

/// The settings and columns of the checkpoint that will be restored, if there is one.
///
/// # Errors
/// If the checkpoint cannot be used.
pub fn identity(path: &Path) -> Result<Option<Value>, Failure> {
    let build = || Ok::<_, CheckpointError>(Value::Null);
    let read = |identity: &mut Value, archive: &mut Archive<'_>| {
        *identity = read_identity(archive)?;
        Ok(())
    };
    match rtrl_checkpoint::load_latest(path, build, read) {
        Ok(Loaded::Nothing) => Ok(None),
        Ok(Loaded::Latest(identity) | Loaded::Previous(identity, _)) => Ok(Some(identity)),
        Err(error) => Err(unusable(path, &error)),
    }
}

/// The state in the checkpoint at `path`, and a note for the user; a new state and no note if there is no
/// checkpoint.
///
/// # Errors
/// If the checkpoint cannot be used.
pub fn restore(
    path: &Path,
    new: impl Fn() -> Result<State, Failure>,
) -> Result<(State, Option<String>), Failure> {
    enum Error {
        New(Failure),
        Checkpoint(CheckpointError),
    }
    impl From<CheckpointError> for Error {
        fn from(error: CheckpointError) -> Self {
            Self::Checkpoint(error)
        }
    }
    let row = |state: &State| state.forecasts.counts().rows;
    match rtrl_checkpoint::load_latest(path, || new().map_err(Error::New), State::persist) {
        Ok(Loaded::Nothing) => Ok((new()?, None)),
        Ok(Loaded::Latest(state)) => {
            let told = format!("goes on after row {} of {}", row(&state), path.display());
            Ok((state, Some(told)))
        }
        Ok(Loaded::Previous(state, error)) => {
            let told = format!(
                "{}: {error}; goes on from the one before, after row {}",
                path.display(),
                row(&state)
            );
            Ok((state, Some(told)))
        }
        Err(Error::New(failure)) => Err(failure),
        Err(Error::Checkpoint(error)) => Err(unusable(path, &error)),
    }
}

fn unusable(path: &Path, error: &CheckpointError) -> Failure {
    match error {
        CheckpointError::Archive(ArchiveError::Content { reason, .. }) => Failure::new(format!(
            "the checkpoint {} does not fit: {reason}; use the same settings, or another file",
            path.display()
        )),
        _ => Failure::new(format!("checkpoint {}: {error}; use another file, or remove it", path.display())),
    }
}
