//! The interface between a stream of data and the code that learns from it.

use rtrl_checkpoint::Persist;

use crate::TaskError;

/// What is read or predicted at a time step: symbols or numbers, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// One of this many symbols.
    Symbols(usize),
    /// This many real numbers.
    Values(usize),
}

/// One time step of every lane.
///
/// A lane is one of the parallel streams of a minibatch. The arrays are `[lanes]` or `[len][lanes]`. The buffers
/// belong to the caller and are reused: [`Task::next`] overwrites every entry. The signals [`inputs`](Task::inputs)
/// and [`targets`](Task::targets) of the task decide which arrays are used; the others are empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The symbol that each lane reads, `[lanes]`.
    pub input: Vec<u32>,
    /// The numbers that each lane reads, `[inputs][lanes]`.
    pub input_values: Vec<f32>,
    /// The symbol that each lane should predict at this very step, `[lanes]`; `None`: no target.
    pub target: Vec<Option<u32>>,
    /// The numbers that each lane should predict at this very step, `[targets][lanes]`; `None`: no target.
    pub target_values: Vec<Option<f32>>,
    /// Whether the lane begins a new sequence with this step, so that its state and influence must be forgotten
    /// first, `[lanes]`.
    pub starts: Vec<bool>,
}

/// Lengths of the array of symbols and of the array of numbers for a signal, all lanes together.
fn sizes(signal: Signal, lanes: usize) -> (usize, usize) {
    match signal {
        Signal::Symbols(_) => (lanes, 0),
        Signal::Values(n) => (0, n * lanes),
    }
}

impl Step {
    /// Buffers for the steps of `task` in `lanes` lanes, which must be the number that the task was built with.
    #[must_use]
    pub fn new(task: &(impl Task + ?Sized), lanes: usize) -> Self {
        let (inputs, targets) = (sizes(task.inputs(), lanes), sizes(task.targets(), lanes));
        Self {
            input: vec![0; inputs.0],
            input_values: vec![0.0; inputs.1],
            target: vec![None; targets.0],
            target_values: vec![None; targets.1],
            starts: vec![false; lanes],
        }
    }

    /// Panics unless the buffers fit the task. Every [`Task::next`] of this crate begins with this check.
    #[track_caller]
    pub(crate) fn expect_fit(&self, inputs: Signal, targets: Signal, lanes: usize) {
        let found = self.starts.len();
        assert!(found == lanes, "the task has {lanes} lanes, the step's buffers have {found}");
        let (inputs, targets) = (sizes(inputs, lanes), sizes(targets, lanes));
        let found = (self.input.len(), self.input_values.len());
        assert_eq!(found, inputs, "symbols and numbers of the step's inputs");
        let found = (self.target.len(), self.target_values.len());
        assert_eq!(found, targets, "symbols and numbers of the step's targets");
    }
}

/// An endless stream of inputs and targets in a fixed number of lanes, all of its randomness seeded.
///
/// A task knows nothing of nets. It may watch the losses through [`Task::report`] to steer a curriculum. Its state
/// can be saved, and restored into a task of the same configuration and number of lanes.
pub trait Task: Persist + Send {
    /// The signal that a net reads.
    fn inputs(&self) -> Signal;

    /// The signal that a net should predict: symbols are scored by their cross-entropy in bits, numbers by their
    /// squared error.
    fn targets(&self) -> Signal;

    /// Overwrites `step` with the next time step of every lane. The first step has `starts` set in every lane.
    ///
    /// # Errors
    /// If the data behind the task cannot be read.
    ///
    /// # Panics
    /// If `step` was made for another number of lanes, or for other signals.
    fn next(&mut self, step: &mut Step) -> Result<(), TaskError>;

    /// Reports the loss of each lane (bits, or squared error) at the step that [`next`](Task::next) returned last.
    /// Entries of lanes without a target are ignored.
    fn report(&mut self, losses: &[f64]) {
        let _ = losses;
    }

    /// Whether all lanes end a sequence with the step that [`next`](Task::next) returned last, so that all begin a new one with the next step. `None` if
    /// the lanes of this task end on their own.
    fn ended(&self) -> Option<bool> {
        None
    }

    /// The difficulty that a curriculum has reached (for the copy task, L), if the task has one.
    fn level(&self) -> Option<u32> {
        None
    }
}
