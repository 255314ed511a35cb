//! What a checkpoint of a stream holds.

use std::path::Path;

use rtrl_checkpoint::{Archive, ArchiveError, CheckpointError, Loaded, Persist};
use rtrl_stream::{Columns, Forecaster, ForecasterConfig, difference};
use serde_json::{Value, json};

use super::columns::Layout;
use super::source::Sources;
use crate::Failure;

/// Name of the first section of a checkpoint, which holds its settings and columns.
const IDENTITY: &str = "stream";

/// Everything that is kept from one call to the next.
pub struct State {
    /// Settings and columns; a checkpoint with others is refused.
    identity: Value,
    /// The net and the predictors beside it.
    pub forecaster: Forecaster,
    /// The inputs that it has learned from.
    pub sources: Sources,
}

impl State {
    /// A state that has seen nothing, for the columns of `layout`.
    ///
    /// # Errors
    /// If a setting has no meaning.
    pub fn new(config: &ForecasterConfig, layout: &Layout) -> Result<Self, Failure> {
        let used = layout.used();
        let name = |&column: &usize| layout.columns[column].clone();
        let names = |columns: &[usize]| columns.iter().map(name).collect::<Vec<_>>();
        let place = |columns: &[usize]| -> Vec<usize> {
            columns.iter().filter_map(|column| used.binary_search(column).ok()).collect()
        };
        let columns = Columns::new(names(&used), place(&layout.inputs), place(&layout.targets))?;
        let identity = json!({
            "settings": config,
            "columns": layout.columns,
            "input": names(&layout.inputs),
            "target": names(&layout.targets),
        });
        Ok(Self { identity, forecaster: Forecaster::new(config, &columns)?, sources: Sources::default() })
    }
}

impl Persist for State {
    /// Refuses a checkpoint that was made with other settings or columns, and names the first difference.
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        let mut identity = self.identity.to_string().into_bytes();
        archive.vec(IDENTITY, &mut identity)?;
        let found = serde_json::from_slice(&identity).unwrap_or_default();
        if let Some((field, now, then)) = difference(&self.identity, &found) {
            let reason = format!("it was made with {field} = {then}, and now it is {now}");
            return Err(archive.refusal(IDENTITY, reason));
        }
        self.forecaster.persist(archive)?;
        archive.part("sources", &mut self.sources)
    }
}

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

/// The settings and columns of the checkpoint that will be restored, if there is one.
///
/// # Errors
/// If the checkpoint cannot be used.
pub fn saved_identity(path: &Path) -> Result<Option<Value>, Failure> {
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
    let row = |state: &State| state.forecaster.counts().rows;
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
