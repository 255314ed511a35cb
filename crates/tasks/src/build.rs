//! What a task's configuration has to offer.

use crate::{Task, TaskError};

/// Which held-out data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What is looked at during training, and to choose settings by.
    Valid,
    /// What is looked at once, at the end.
    Test,
}

/// One pass over held-out data.
pub struct Evaluation {
    /// The stream. After one pass it begins again, identically, so it can be kept for the next evaluation.
    pub task: Box<dyn Task>,
    /// Steps of one pass.
    pub steps: u64,
}

/// What a task's configuration has to offer; the fields are the configuration's own affair.
pub trait BuildTask {
    /// The training stream in `lanes` lanes. Equal arguments give equal streams.
    ///
    /// # Errors
    /// [`TaskError::NoLanes`] for 0 lanes, [`TaskError::Config`] for a field without meaning, or what is wrong with
    /// the data behind the task.
    fn build(&self, lanes: usize, seed: u64) -> Result<Box<dyn Task>, TaskError>;

    /// The evaluation stream of `part` in `lanes` lanes, at most `max_bytes` predictions long if that is given; `None` for
    /// a task without such data.
    ///
    /// # Errors
    /// As [`build`](Self::build); [`TaskError::Config`] for a `max_bytes` of 0.
    fn evaluation(
        &self,
        part: Part,
        lanes: usize,
        max_bytes: Option<u64>,
    ) -> Result<Option<Evaluation>, TaskError>;

    /// A number that identifies the data outside of the configuration, if there is any: a text that was changed gives
    /// another one, although its path is the same ([`Corpus::fingerprint`](crate::Corpus::fingerprint) says how closely it
    /// looks).
    ///
    /// # Errors
    /// If the data cannot be read.
    fn fingerprint(&self) -> Result<Option<u64>, TaskError> {
        Ok(None)
    }
}
