//! The copy task: read a string of bits, then write it from memory.

mod curriculum;

use rand::Rng;
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use serde::{Deserialize, Serialize};

use crate::streams::{Stream, below, lane_streams};
use crate::{BuildTask, Evaluation, Part, Signal, Step, Task, TaskError};
pub use curriculum::{AVERAGE_AFTER_RAISE, AVERAGE_AT_START, AVERAGE_DECAY, Averaging};
use curriculum::{Curriculum, LONGEST};

/// Input and target symbol of [`Layout::Echo`], input symbol of [`Layout::Delimiter`]: a string begins.
pub const START: u32 = 2;
/// Input and target symbol of [`Layout::Echo`], input symbol of [`Layout::Delimiter`]: nothing to read, or nothing
/// to predict.
pub const BLANK: u32 = 3;
/// Input symbol of [`Layout::Delimiter`] only: the string has ended and its copy is due.
pub const END: u32 = 4;

/// Keeps the task's draws apart from other uses of the same seed.
const SALT: u64 = 0x636f_7079_5f74_736b;

/// How a string of T bits is laid out in time; both layouts take 2T + 2 steps.
///
/// We do not know which of the two the paper used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Layout {
    /// Input `[2, b1..bT, 3 × (T+1)]`, target `[3 × (T+1), 2, b1..bT]`: the start symbol is echoed, no symbol ends
    /// the string, and every position has a target. 4 inputs, 4 targets. \[C\] the public code next in line to
    /// Mujika et al. 2018.
    #[default]
    Echo,
    /// Input `[2, b1..bT, 4, 3 × T]`, target `[none × (T+2), b1..bT]`: an end symbol of its own asks for the copy, and
    /// only the copied bits have a target. 5 inputs, 2 targets. \[D\] the other usage in public code, where the string
    /// is delimited and blanks are free.
    Delimiter,
}

/// Configuration of the copy task. A field that is left out has the default given with it.
///
/// Marks, as in the files of `crates/reproduce/experiments`: \[B\] restated from memory of the SnAp paper (arXiv:2006.07232),
/// \[C\] from neighboring public code, \[D\] our choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CopyConfig {
    /// Which average loss drives the curriculum. Default `all-positions` \[C\].
    pub averaging: Averaging,
    /// L is raised by one when the average falls below this many bits per character; 0 keeps L where it is. Default
    /// 0.15 \[B\].
    pub threshold: f64,
    /// String lengths are uniform on {max(1, L − spread)..L}. Default 5 \[B\]; 4 is the variant of \[C\], 0 gives
    /// strings of one length.
    pub spread: u32,
    /// L at the start, from 1 to 2²⁰. Default 1 \[B\].
    pub level: u32,
    /// How a string is laid out in time. Default `echo` \[C\].
    pub layout: Layout,
    /// Whether the strings of all lanes have one length, which is drawn for all at once, so that they begin and end together; an update at the end of
    /// sequences needs it. Default false \[C\].
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub together: bool,
}

impl Default for CopyConfig {
    fn default() -> Self {
        Self {
            averaging: Averaging::default(),
            threshold: 0.15,
            spread: 5,
            level: 1,
            layout: Layout::default(),
            together: false,
        }
    }
}

impl CopyConfig {
    fn check(&self) -> Result<(), TaskError> {
        let error = |field, value, expected| Err(TaskError::Config { task: "copy", field, value, expected });
        if !(self.threshold >= 0.0 && self.threshold.is_finite()) {
            return error("threshold", self.threshold.to_string(), "a number of bits, 0 or more");
        }
        if self.averaging == Averaging::AllPositions && self.threshold >= AVERAGE_AFTER_RAISE {
            let expected =
                "less than 0.3, where the average begins again after a raise, or use `copied-bits`";
            return error("threshold", self.threshold.to_string(), expected);
        }
        if !(1..=LONGEST).contains(&self.level) {
            return error("level", self.level.to_string(), "a string length from 1 to 1048576");
        }
        Ok(())
    }
}

impl BuildTask for CopyConfig {
    fn build(&self, lanes: usize, seed: u64) -> Result<Box<dyn Task>, TaskError> {
        Ok(Box::new(CopyTask::new(self, lanes, seed)?))
    }

    /// Always `None`: the task never repeats itself, so its training stream measures generalization, and L measures
    /// progress.
    fn evaluation(
        &self,
        _part: Part,
        lanes: usize,
        _max_bytes: Option<u64>,
    ) -> Result<Option<Evaluation>, TaskError> {
        if lanes == 0 { Err(TaskError::NoLanes) } else { self.check().map(|()| None) }
    }
}

/// The current string of a lane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Lane {
    stream: Stream,
    bits: Vec<u8>,
    /// Steps of the sequence handed out so far; 0 before the first sequence.
    position: usize,
}

impl Lane {
    fn ended(&self) -> bool {
        self.position == 0 || self.position >= 2 * self.bits.len() + 2
    }

    /// Whether a task can have a lane in this state. Past its end a string has no target.
    fn fits(&self) -> bool {
        let Self { bits, position, .. } = self;
        bits.len() <= LONGEST as usize && bits.iter().all(|&bit| bit <= 1) && *position <= 2 * bits.len() + 2
    }

    fn draw_length(&mut self, level: u32, spread: u32) -> u32 {
        let shortest = level.saturating_sub(spread).max(1);
        shortest + below(&mut self.stream, u64::from(level - shortest) + 1) as u32
    }

    fn draw(&mut self, length: u32) {
        let Self { stream, bits, position } = self;
        bits.clear();
        bits.extend((0..length).map(|_| (stream.next_u64() >> 63) as u8));
        *position = 0;
    }

    fn input(&self, layout: Layout) -> u32 {
        let length = self.bits.len();
        match (self.position, layout) {
            (0, _) => START,
            (p, _) if p <= length => u32::from(self.bits[p - 1]),
            (p, Layout::Delimiter) if p == length + 1 => END,
            _ => BLANK,
        }
    }

    fn target(&self, layout: Layout) -> Option<u32> {
        let length = self.bits.len();
        match (self.position, layout) {
            (p, _) if p >= length + 2 => Some(u32::from(self.bits[p - length - 2])),
            (_, Layout::Delimiter) => None,
            (p, Layout::Echo) if p == length + 1 => Some(START),
            (_, Layout::Echo) => Some(BLANK),
        }
    }
}

/// The part of a copy task that changes while it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct CopyState {
    lanes: Vec<Lane>,
    curriculum: Curriculum,
}

/// The copy task with its curriculum.
///
/// Each lane draws and ends its strings on its own, from a random stream of its own; lanes have only L in common, unless they go `together`.
/// The curriculum gets its losses from [`Task::report`], and is tested whenever any lane is about to begin a new
/// string \[C\]. Strings begun before a raise of L are finished unchanged. Without reports L stays as it is.
///
/// # Reference
/// Mujika, Meier, Steger 2018, "Approximating real-time recurrent learning with random Kronecker factors", for the
/// task; Menick et al. 2021 (arXiv:2006.07232) for its use as a test of SnAp.
#[derive(Debug, Clone)]
pub struct CopyTask {
    config: CopyConfig,
    state: CopyState,
}

impl CopyTask {
    /// A task at the beginning of its curriculum.
    ///
    /// # Errors
    /// [`TaskError::NoLanes`], or [`TaskError::Config`] for an invalid threshold or level.
    pub fn new(config: &CopyConfig, lanes: usize, seed: u64) -> Result<Self, TaskError> {
        config.check()?;
        if lanes == 0 {
            return Err(TaskError::NoLanes);
        }
        let lane = |stream| Lane { stream, bits: Vec::new(), position: 0 };
        let state = CopyState {
            lanes: lane_streams(SALT, seed, lanes).into_iter().map(lane).collect(),
            curriculum: Curriculum::new(config.level, lanes),
        };
        Ok(Self { config: config.clone(), state })
    }
}

impl Persist for CopyTask {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        let lanes = self.state.lanes.len();
        archive.value("state", &mut self.state)?;
        let CopyState { lanes: found, curriculum } = &self.state;
        archive
            .check("state", found.len() == lanes, || format!("{} lanes instead of {lanes}", found.len()))?;
        let fits = curriculum.fits(lanes) && found.iter().all(Lane::fits);
        archive.check("state", fits, || "strings or a level that the copy task does not have".to_string())
    }
}

impl Task for CopyTask {
    fn inputs(&self) -> Signal {
        Signal::Symbols(match self.config.layout {
            Layout::Echo => 4,
            Layout::Delimiter => 5,
        })
    }

    fn targets(&self) -> Signal {
        Signal::Symbols(match self.config.layout {
            Layout::Echo => 4,
            Layout::Delimiter => 2,
        })
    }

    fn next(&mut self, step: &mut Step) -> Result<(), TaskError> {
        step.expect_fit(self.inputs(), self.targets(), self.state.lanes.len());
        let CopyState { lanes, curriculum } = &mut self.state;
        if lanes.iter().any(Lane::ended) {
            curriculum.raise_if_due(self.config.averaging, self.config.threshold);
        }
        let (together, spread) = (self.config.together, self.config.spread);
        let mut shared = None;
        for (b, lane) in lanes.iter_mut().enumerate() {
            step.starts[b] = lane.ended();
            if step.starts[b] {
                let length = shared.unwrap_or_else(|| lane.draw_length(curriculum.level(), spread));
                shared = together.then_some(length);
                lane.draw(length);
                curriculum.begin(b);
            }
            step.input[b] = lane.input(self.config.layout);
            step.target[b] = lane.target(self.config.layout);
            lane.position += 1;
        }
        Ok(())
    }

    /// Feeds the curriculum. Call it at most once per step. A NaN loss keeps L from rising (with `all-positions`
    /// for good).
    ///
    /// # Panics
    /// If there is not one entry per lane.
    #[track_caller]
    fn report(&mut self, bits: &[f64]) {
        let CopyState { lanes, curriculum } = &mut self.state;
        assert_eq!(
            bits.len(),
            lanes.len(),
            "one loss per lane: {} losses for {} lanes",
            bits.len(),
            lanes.len()
        );
        let layout = self.config.layout;
        let asked = |lane: &Lane| {
            lane.position > 0 && (layout == Layout::Echo || lane.position > lane.bits.len() + 2)
        };
        curriculum.record_step(lanes.iter().zip(bits).filter(|(lane, _)| asked(lane)).map(|(_, &loss)| loss));
        for (b, lane) in lanes.iter().enumerate() {
            if lane.position > lane.bits.len() + 2 {
                curriculum.record_copied(b, bits[b], lane.ended());
            }
        }
    }

    fn ended(&self) -> Option<bool> {
        self.config.together.then(|| self.state.lanes.iter().all(Lane::ended))
    }

    fn level(&self) -> Option<u32> {
        Some(self.state.curriculum.level())
    }
}

#[cfg(test)]
mod tests;
