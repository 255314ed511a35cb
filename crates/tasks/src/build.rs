//! The interface of a task's configuration.

use crate::{Task, TaskError};

/// A kind of held-out data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Validation data: evaluated during training, and used to choose settings.
    Valid,
    /// Test data: evaluated once, at the end.
    Test,
}

/// One pass over held-out data.
pub struct Evaluation {
    /// The stream of held-out data. After one pass it begins again, identically, so it can be kept for the next
    /// evaluation.
    pub task: Box<dyn Task>,
    /// Time steps of one pass.
    pub steps: u64,
}

/// The interface of a task's configuration: it builds the streams for training and evaluation.
pub trait BuildTask {
    /// The configuration with everything that is found in the data behind it, so that a model that keeps it can read
    /// other data in the same way. For most tasks there is nothing to find, and it is a clone.
    ///
    /// # Errors
    /// For an invalid field, or if the data cannot be read.
    fn resolved(&self) -> Result<Self, TaskError>
    where
        Self: Sized + Clone,
    {
        Ok(self.clone())
    }

    /// The training stream in `lanes` lanes. Equal arguments give equal streams.
    ///
    /// # Errors
    /// [`TaskError::NoLanes`] for 0 lanes, [`TaskError::Config`] for an invalid field, or the error of the data
    /// behind the task.
    fn build(&self, lanes: usize, seed: u64) -> Result<Box<dyn Task>, TaskError>;

    /// The evaluation stream of `part` in `lanes` lanes: all of the data, or its first `max_bytes` predictions.
    /// `None` for a task without such data.
    ///
    /// # Errors
    /// As [`build`](Self::build); [`TaskError::Config`] for a `max_bytes` of 0.
    fn evaluation(
        &self,
        part: Part,
        lanes: usize,
        max_bytes: Option<u64>,
    ) -> Result<Option<Evaluation>, TaskError>;

    /// A number that identifies the data outside of the configuration; `None` if there is none. If a text has
    /// changed, the number differs although the path is the same.
    /// [`Corpus::fingerprint`](crate::Corpus::fingerprint) says how closely it looks.
    ///
    /// # Errors
    /// If the data cannot be read.
    fn fingerprint(&self) -> Result<Option<u64>, TaskError> {
        Ok(None)
    }
}
