//! The adding problem: remember two marked numbers of a sequence, and predict their sum at its end.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use serde::{Deserialize, Serialize};

use crate::streams::{Stream, below, lane_streams, unit};
use crate::{BuildTask, Evaluation, Part, Signal, Step, Task, TaskError};

/// Mean of the target: the best prediction of a net that remembers nothing.
pub const MEAN: f64 = 1.0;
/// Variance of the target: the mean squared error of predicting [`MEAN`]. Two independent uniform numbers of variance
/// 1/12 each are added.
pub const VARIANCE: f64 = 1.0 / 6.0;

/// Keeps the task's draws apart from other uses of the same seed.
const SALT: u64 = 0x6164_6469_6e67_5f5f;
const LONGEST: u32 = 1 << 20;

/// Configuration of the adding problem. A field that is left out has the default given with it; all defaults are our
/// choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AddingConfig {
    /// Longest sequence, in steps, from 2 to 2²⁰. Default 50.
    pub length: u32,
    /// Lengths are uniform on {length − spread..length}, all of them at least 2. Default 0: one length.
    pub spread: u32,
}

impl Default for AddingConfig {
    fn default() -> Self {
        Self { length: 50, spread: 0 }
    }
}

impl AddingConfig {
    fn check(&self, lanes: usize) -> Result<(), TaskError> {
        let error = |field, value: u32, expected| {
            Err(TaskError::Config { task: "adding", field, value: value.to_string(), expected })
        };
        if !(2..=LONGEST).contains(&self.length) {
            return error("length", self.length, "a number of steps from 2 to 1048576");
        }
        if self.spread > self.length - 2 {
            return error("spread", self.spread, "at most `length` - 2: two steps are marked");
        }
        if lanes == 0 { Err(TaskError::NoLanes) } else { Ok(()) }
    }
}

impl BuildTask for AddingConfig {
    fn build(&self, lanes: usize, seed: u64) -> Result<Box<dyn Task>, TaskError> {
        Ok(Box::new(AddingTask::new(self, lanes, seed)?))
    }

    /// Always `None`: the task never repeats itself, so its training stream measures generalization.
    fn evaluation(
        &self,
        _part: Part,
        lanes: usize,
        _max_bytes: Option<u64>,
    ) -> Result<Option<Evaluation>, TaskError> {
        self.check(lanes).map(|()| None)
    }
}

/// The current sequence of a lane. Its numbers are drawn at the step that reads them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Lane {
    stream: Stream,
    length: u32,
    /// Steps of the sequence handed out so far; at `length` the lane begins a new one.
    position: u32,
    /// The marked steps, counted from 0.
    marked: [u32; 2],
    /// Sum of the marked numbers read so far.
    sum: f32,
}

impl Lane {
    fn begin(&mut self, config: &AddingConfig) {
        let stream = &mut self.stream;
        let length = config.length - below(stream, u64::from(config.spread) + 1) as u32;
        let half = length / 2;
        let first = below(stream, u64::from(half)) as u32;
        let second = half + below(stream, u64::from(length - half)) as u32;
        (self.length, self.position, self.marked, self.sum) = (length, 0, [first, second], 0.0);
    }

    /// Whether a task of this configuration can have a lane in this state.
    fn fits(&self, config: &AddingConfig) -> bool {
        let Self { length, position, marked: [first, second], sum, .. } = *self;
        // Before its first sequence a lane is at the end of an empty sequence.
        let untouched = (length, position, first, second) == (0, 0, 0, 0);
        let lengths = config.length - config.spread..=config.length;
        let inside =
            lengths.contains(&length) && first < length / 2 && (length / 2..length).contains(&second);
        (untouched || inside && position <= length) && (0.0..2.0).contains(&sum)
    }
}

/// The adding problem.
///
/// At each step of a sequence of T steps a net reads two numbers: one uniform on [0, 1), and a marker, which is 1
/// at two steps and 0 elsewhere. The first marked step is uniform on the first ⌊T/2⌋ steps, the second on the
/// others. The last step, and no other, has a target: the sum of the two marked numbers. Inputs are the number and
/// the marker, in this order; the target is one value.
///
/// A net that predicts the constant 1 pays [`VARIANCE`] = 1/6 ≈ 0.1667 in mean squared error; no constant pays
/// less.
///
/// Each lane draws and ends its sequences on its own, from a random stream of its own.
///
/// # Reference
/// Hochreiter & Schmidhuber 1997, "Long short-term memory", experiment 4, with numbers from [−1, 1), markers −1 at both
/// ends and the sum scaled to [0, 1]. The form here, with one marked step in each half, is that of Arjovsky, Shah &
/// Bengio 2016 (arXiv:1511.06464).
#[derive(Debug, Clone)]
pub struct AddingTask {
    config: AddingConfig,
    lanes: Vec<Lane>,
}

impl AddingTask {
    /// A task before its first step.
    ///
    /// # Errors
    /// [`TaskError::NoLanes`], or [`TaskError::Config`] for a length out of range or a spread that reaches below 2
    /// steps.
    pub fn new(config: &AddingConfig, lanes: usize, seed: u64) -> Result<Self, TaskError> {
        config.check(lanes)?;
        let lane = |stream| Lane { stream, length: 0, position: 0, marked: [0; 2], sum: 0.0 };
        let lanes = lane_streams(SALT, seed, lanes).into_iter().map(lane).collect();
        Ok(Self { config: config.clone(), lanes })
    }
}

impl Persist for AddingTask {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        let lanes = self.lanes.len();
        archive.value("lanes", &mut self.lanes)?;
        let found = self.lanes.len();
        archive.check("lanes", found == lanes, || format!("{found} lanes instead of {lanes}"))?;
        let fits = self.lanes.iter().all(|lane| lane.fits(&self.config));
        archive.check("lanes", fits, || "a sequence that these settings never draw".to_string())
    }
}

impl Task for AddingTask {
    fn inputs(&self) -> Signal {
        Signal::Values(2)
    }

    fn targets(&self) -> Signal {
        Signal::Values(1)
    }

    fn next(&mut self, step: &mut Step) -> Result<(), TaskError> {
        let lanes = self.lanes.len();
        step.expect_fit(self.inputs(), self.targets(), lanes);
        for (b, lane) in self.lanes.iter_mut().enumerate() {
            step.starts[b] = lane.position == lane.length;
            if step.starts[b] {
                lane.begin(&self.config);
            }
            // A multiple of 2⁻²⁴ is exact in `f32`, so rounding cannot turn a number below 1 into 1.
            let number = (unit(&mut lane.stream) * f64::from(1 << 24)).floor() as f32 / (1 << 24) as f32;
            let marked = lane.marked.contains(&lane.position);
            step.input_values[b] = number;
            step.input_values[lanes + b] = f32::from(u8::from(marked));
            lane.sum += if marked { number } else { 0.0 };
            lane.position += 1;
            step.target_values[b] = (lane.position == lane.length).then_some(lane.sum);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
