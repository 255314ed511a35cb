//! The seam between a stream of symbols and whatever learns from it.

use crate::TaskError;

/// One time step of every lane.
///
/// A lane is one of the parallel streams of a minibatch; lane `b` owns entry `b` of each vector. The buffers belong
/// to the caller and are reused: [`Task::next`] overwrites every entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The symbol that each lane reads, `< Task::inputs()`.
    pub input: Vec<u32>,
    /// The symbol that each lane should predict at this very step, `< Task::targets()`; `None` where nothing is asked.
    pub target: Vec<Option<u32>>,
    /// Whether the lane begins a new sequence with this step, so that state and influence must be forgotten first.
    pub starts: Vec<bool>,
}

impl Step {
    /// Buffers for `lanes` lanes.
    #[must_use]
    pub fn new(lanes: usize) -> Self {
        Self { input: vec![0; lanes], target: vec![None; lanes], starts: vec![false; lanes] }
    }

    /// The check that every [`Task::next`] owes its caller.
    #[track_caller]
    pub(crate) fn expect_lanes(&self, lanes: usize) {
        let sizes = (self.input.len(), self.target.len(), self.starts.len());
        assert!(
            sizes == (lanes, lanes, lanes),
            "the task has {lanes} lanes, the step's buffers have {sizes:?}"
        );
    }
}

/// An endless stream of (input, target) symbols in a fixed number of lanes, all of its randomness seeded.
///
/// A task knows nothing of nets. It may watch the losses through [`Task::report`] to steer a curriculum.
pub trait Task: Send {
    /// Size of the input alphabet.
    fn inputs(&self) -> usize;

    /// Size of the target alphabet.
    fn targets(&self) -> usize;

    /// Overwrites `step` with the next time step of every lane. The first step has `starts` set in every lane.
    ///
    /// # Errors
    /// If the data behind the task cannot be read.
    ///
    /// # Panics
    /// If `step` has another number of lanes than the task.
    fn next(&mut self, step: &mut Step) -> Result<(), TaskError>;

    /// Tells the loss, in bits, of each lane at the step that [`next`](Task::next) returned last; entries of lanes
    /// without a target are ignored.
    fn report(&mut self, bits: &[f64]) {
        let _ = bits;
    }

    /// The difficulty that a curriculum has reached (for the copy task, L), if the task has one.
    fn level(&self) -> Option<u32> {
        None
    }
}
