//! What a checkpoint of a stream holds.

use std::path::Path;

use rtrl_checkpoint::{Archive, ArchiveError, CheckpointError, Loaded, Persist};
use rtrl_stream::{Columns, Forecaster, ForecasterConfig, difference};
use serde_json::{Map, Value, json};

use super::layout::{Categories, Layout, Sample};
use super::source::Sources;
use super::time::{Clock, Span};
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
    /// The time of the last row, if rows have times.
    clock: Option<Clock>,
}

impl State {
    /// A state that has seen no row, for the columns of `layout`.
    ///
    /// # Errors
    /// If a setting has no meaning.
    pub fn new(config: &ForecasterConfig, layout: &Layout) -> Result<Self, Failure> {
        Ok(Self {
            identity: identity(config, layout),
            forecaster: Forecaster::new(config, &numbers(layout)?)?,
            sources: Sources::default(),
            clock: layout.time.is_some().then(Clock::default),
        })
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

/// The numbers that the forecaster is given: those of the columns that are used, then those that are made from the time
/// and from categories.
fn numbers(layout: &Layout) -> Result<Columns, Failure> {
    let used = layout.used();
    let place = |columns: &[usize]| -> Vec<usize> {
        columns.iter().filter_map(|column| used.binary_search(column).ok()).collect()
    };
    let (mut inputs, targets) = (place(&layout.inputs), place(&layout.targets));
    let mut names: Vec<String> = used.iter().map(|&column| layout.columns[column].clone()).collect();
    let exact = names.len();
    names.extend((0..layout.made()).map(|made| format!("made {made}")));
    inputs.extend(exact..names.len());
    Ok(Columns::new(names, inputs, targets)?.exact_from(exact)?)
}

fn identity(config: &ForecasterConfig, layout: &Layout) -> Value {
    let names = |columns: &[usize]| columns.iter().map(|&c| layout.columns[c].clone()).collect::<Vec<_>>();
    let mut identity = json!({
        "settings": config,
        "columns": layout.columns,
        "input": names(&layout.inputs),
        "target": names(&layout.targets),
    });
    if !layout.categories.is_empty() {
        let named =
            |made: &Categories| (layout.columns[made.column].clone(), Value::from(made.names.clone()));
        identity["categories"] = layout.categories.iter().map(named).collect::<Map<_, _>>().into();
    }
    if let Some(time) = layout.time {
        identity["time"] = layout.columns[time].clone().into();
    }
    identity
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

/// The state in the checkpoint at `path`, and a note for the user; a new state and no note if there is no checkpoint.
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
