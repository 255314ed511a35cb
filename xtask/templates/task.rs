//! A stream to learn from: say here which.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use serde::{Deserialize, Serialize};

use crate::streams::{Stream, below, lane_streams};
use crate::{BuildTask, Evaluation, Part, Signal, Step, Task, TaskError};

/// Keeps the task's draws apart from other uses of the same seed.
const SALT: u64 = 0x7465_6d70_6c61_7465;
const SYMBOLS: usize = 4;

/// Configuration of the task. A field that is left out has the default given with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TemplateConfig {
    /// Length of a sequence in steps, at least 2. Default 10.
    pub length: u32,
}

impl Default for TemplateConfig {
    fn default() -> Self {
        Self { length: 10 }
    }
}

impl TemplateConfig {
    fn check(&self, lanes: usize) -> Result<(), TaskError> {
        if self.length < 2 {
            let value = self.length.to_string();
            return Err(TaskError::Config {
                task: "template",
                field: "length",
                value,
                expected: "at least 2",
            });
        }
        if lanes == 0 { Err(TaskError::NoLanes) } else { Ok(()) }
    }
}

impl BuildTask for TemplateConfig {
    fn build(&self, lanes: usize, seed: u64) -> Result<Box<dyn Task>, TaskError> {
        self.check(lanes)?;
        let lane = |stream| Lane { stream, position: self.length, first: 0 };
        let lanes = lane_streams(SALT, seed, lanes).into_iter().map(lane).collect();
        Ok(Box::new(TemplateTask { config: self.clone(), lanes }))
    }

    /// Always `None`: the task never repeats itself, so its training stream measures generalization.
    fn evaluation(&self, _: Part, lanes: usize, _: Option<u64>) -> Result<Option<Evaluation>, TaskError> {
        self.check(lanes).map(|()| None)
    }
}

/// The sequence that a lane is busy with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Lane {
    stream: Stream,
    /// Steps handed out so far; a lane at `length` begins anew.
    position: u32,
    /// The symbol of the first step.
    first: u32,
}

/// Symbols at random; the first one of a sequence is asked for at its last step.
///
/// # Reference
/// Where the task is from.
#[derive(Debug, Clone)]
pub struct TemplateTask {
    config: TemplateConfig,
    lanes: Vec<Lane>,
}

/// What a checkpoint keeps, and what it refuses.
impl Persist for TemplateTask {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        let lanes = self.lanes.len();
        archive.value("lanes", &mut self.lanes)?;
        let found = self.lanes.len();
        archive.check("lanes", found == lanes, || format!("{found} lanes instead of {lanes}"))?;
        let fits = |lane: &Lane| lane.position <= self.config.length && lane.first < SYMBOLS as u32;
        let fit = self.lanes.iter().all(fits);
        archive.check("lanes", fit, || "a sequence that these settings never draw".to_string())
    }
}

impl Task for TemplateTask {
    fn inputs(&self) -> Signal {
        Signal::Symbols(SYMBOLS)
    }

    fn targets(&self) -> Signal {
        Signal::Symbols(SYMBOLS)
    }

    fn next(&mut self, step: &mut Step) -> Result<(), TaskError> {
        step.expect_fit(self.inputs(), self.targets(), self.lanes.len());
        for (b, lane) in self.lanes.iter_mut().enumerate() {
            let symbol = below(&mut lane.stream, SYMBOLS as u64) as u32;
            step.starts[b] = lane.position == self.config.length;
            if step.starts[b] {
                (lane.position, lane.first) = (0, symbol);
            }
            lane.position += 1;
            step.input[b] = symbol;
            step.target[b] = (lane.position == self.config.length).then_some(lane.first);
        }
        Ok(())
    }
}
