//! Delayed recall: remember one symbol while others are read, and name it at a cue.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use serde::{Deserialize, Serialize};

use crate::streams::{Stream, below, lane_streams};
use crate::{BuildTask, Evaluation, Part, Signal, Step, Task, TaskError};

/// Keeps the task's draws apart from other uses of the same seed.
const SALT: u64 = 0x7265_6361_6c6c_5f5f;
const MOST_SYMBOLS: u32 = 1 << 16;
const LONGEST: u32 = 1 << 20;

/// Configuration of delayed recall. A field that is left out has the default given with it; all defaults are our
/// choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecallConfig {
    /// k, the number of symbols of which one is to be remembered, from 2 to 65536. Default 4.
    pub symbols: u32,
    /// d, the number of symbols of which the distractors are drawn, from 1 to 65536. Default 4.
    pub distractors: u32,
    /// Longest delay: distractors between the symbol and the cue, in steps, up to 2²⁰. Default 20.
    pub delay: u32,
    /// Delays are uniform on {delay − spread..delay}. Default 10.
    pub spread: u32,
}

impl Default for RecallConfig {
    fn default() -> Self {
        Self { symbols: 4, distractors: 4, delay: 20, spread: 10 }
    }
}

impl RecallConfig {
    /// The input symbol that asks for the remembered one: k + d.
    #[must_use]
    pub fn cue(&self) -> u32 {
        self.symbols + self.distractors
    }

    fn check(&self, lanes: usize) -> Result<(), TaskError> {
        let error = |field, value: u32, expected| {
            Err(TaskError::Config { task: "recall", field, value: value.to_string(), expected })
        };
        if !(2..=MOST_SYMBOLS).contains(&self.symbols) {
            return error("symbols", self.symbols, "a number of symbols from 2 to 65536");
        }
        if !(1..=MOST_SYMBOLS).contains(&self.distractors) {
            return error("distractors", self.distractors, "a number of symbols from 1 to 65536");
        }
        if self.delay > LONGEST {
            return error("delay", self.delay, "a number of steps from 0 to 1048576");
        }
        if self.spread > self.delay {
            return error("spread", self.spread, "at most `delay`");
        }
        if lanes == 0 { Err(TaskError::NoLanes) } else { Ok(()) }
    }
}

impl BuildTask for RecallConfig {
    fn build(&self, lanes: usize, seed: u64) -> Result<Box<dyn Task>, TaskError> {
        Ok(Box::new(RecallTask::new(self, lanes, seed)?))
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

/// The current sequence of a lane. Distractors are drawn at the step that reads them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Lane {
    stream: Stream,
    symbol: u32,
    /// Steps up to the cue and including it; at 0 the lane begins a new sequence.
    left: u32,
}

/// Delayed recall with distractors.
///
/// A sequence is a symbol to remember, one of k; a delay of distractors, each one of d others; and the cue. Only at
/// the cue is there a target: the symbol that the sequence began with. A delay of n distractors makes n + 2 steps.
/// Inputs are k + d + 1 symbols: 0..k to remember, k..k + d to ignore, and k + d the [`cue`](RecallConfig::cue).
/// Targets are k symbols. Everything is drawn uniformly, so a net that remembers nothing pays log₂ k bits per
/// target.
///
/// Since the delay varies, counting steps does not help. Since distractors are symbols of their own, a net need not
/// find out what to ignore. So the task tests memory and nothing else.
///
/// Each lane draws and ends its sequences on its own, from a random stream of its own.
///
/// # Reference
/// Hochreiter & Schmidhuber 1997, "Long short-term memory", experiment 2c (long time lags with random distractors and a
/// random delay) is the closest of the classics; the layout here is our own.
#[derive(Debug, Clone)]
pub struct RecallTask {
    config: RecallConfig,
    lanes: Vec<Lane>,
}

impl RecallTask {
    /// A task before its first step.
    ///
    /// # Errors
    /// [`TaskError::NoLanes`], or [`TaskError::Config`] for an invalid number of symbols or delay.
    pub fn new(config: &RecallConfig, lanes: usize, seed: u64) -> Result<Self, TaskError> {
        config.check(lanes)?;
        let lane = |stream| Lane { stream, symbol: 0, left: 0 };
        let lanes = lane_streams(SALT, seed, lanes).into_iter().map(lane).collect();
        Ok(Self { config: config.clone(), lanes })
    }
}

impl Persist for RecallTask {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        let lanes = self.lanes.len();
        archive.value("lanes", &mut self.lanes)?;
        let found = self.lanes.len();
        archive.check("lanes", found == lanes, || format!("{found} lanes instead of {lanes}"))?;
        let RecallConfig { symbols, delay, .. } = self.config;
        let fits = self.lanes.iter().all(|lane| lane.symbol < symbols && lane.left <= delay + 1);
        archive.check("lanes", fits, || "a sequence that these settings never draw".to_string())
    }
}

impl Task for RecallTask {
    fn inputs(&self) -> Signal {
        Signal::Symbols(self.config.cue() as usize + 1)
    }

    fn targets(&self) -> Signal {
        Signal::Symbols(self.config.symbols as usize)
    }

    fn next(&mut self, step: &mut Step) -> Result<(), TaskError> {
        step.expect_fit(self.inputs(), self.targets(), self.lanes.len());
        let RecallConfig { symbols, distractors, delay, spread } = self.config;
        for (b, lane) in self.lanes.iter_mut().enumerate() {
            let mut draw = |n: u32| below(&mut lane.stream, u64::from(n)) as u32;
            step.starts[b] = lane.left == 0;
            (step.input[b], step.target[b]) = match lane.left {
                0 => {
                    lane.symbol = draw(symbols);
                    lane.left = delay - draw(spread + 1) + 1;
                    (lane.symbol, None)
                }
                1 => {
                    lane.left = 0;
                    (self.config.cue(), Some(lane.symbol))
                }
                _ => {
                    lane.left -= 1;
                    (symbols + draw(distractors), None)
                }
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
