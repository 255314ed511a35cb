//! What a checkpoint of a stream holds.

use std::path::Path;

use rtrl_checkpoint::{Archive, ArchiveError, CheckpointError, Loaded, Persist};
use serde_json::Value;

use super::predictor::{Predictor, read_identity};
use super::source::Sources;
use crate::Failure;

/// Everything that is kept from one call to the next.
pub struct State {
    /// The net and the predictors beside it.
    pub predictor: Predictor,
    /// The inputs that it has learned from.
    pub sources: Sources,
}

impl Persist for State {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.predictor.persist(archive)?;
        archive.part("sources", &mut self.sources)
    }
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
    new: impl Fn() -> Result<Predictor, Failure>,
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
    let new = || new().map(|predictor| State { predictor, sources: Sources::default() });
    let row = |state: &State| state.predictor.counts().rows;
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
