//! What a checkpoint of a stream holds.

use std::path::Path;

use rtrl_checkpoint::{Archive, ArchiveError, CheckpointError, Loaded, Persist};
use serde_json::Value;

use super::layout::Sample;
use super::predictor::{Predictor, read_identity};
use super::source::Sources;
use super::time::{Clock, Span};
use crate::Failure;

/// Everything that is kept from one call to the next.
pub struct State {
    /// The net and the predictors beside it.
    pub predictor: Predictor,
    /// The inputs that it has learned from.
    pub sources: Sources,
    /// The time of the last row, if rows have times.
    clock: Option<Clock>,
}

impl State {
    /// A state that has seen no row; of rows with times if `timed`.
    pub fn new(predictor: Predictor, timed: bool) -> Self {
        Self { predictor, sources: Sources::default(), clock: timed.then(Clock::default) }
    }

    /// Takes the time of a row. Returns the time since the row before if that is a gap.
    ///
    /// # Errors
    /// If the row comes before the one before it; then nothing has changed.
    pub fn pass(&mut self, row: &Sample, gap: Option<Span>) -> Result<Option<Span>, String> {
        match (&mut self.clock, row.moment) {
            (Some(clock), Some(moment)) => clock.take(moment, gap),
            _ => Ok(None),
        }
    }

    /// How many gaps there were.
    pub fn gaps(&self) -> u64 {
        self.clock.as_ref().map_or(0, Clock::gaps)
    }
}

impl Persist for State {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.predictor.persist(archive)?;
        archive.part("sources", &mut self.sources)?;
        match &mut self.clock {
            Some(clock) => archive.part("clock", clock),
            None => Ok(()),
        }
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

/// The state in the checkpoint at `path`, of rows with times if `timed`, and a note for the user; a new state and no note if there is no
/// checkpoint.
///
/// # Errors
/// If the checkpoint cannot be used.
pub fn restore(
    path: &Path,
    timed: bool,
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
    let new = || new().map(|predictor| State::new(predictor, timed));
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
