//! Formal languages that need counting: predict the next symbol of aⁿbⁿ and of balanced brackets.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use serde::{Deserialize, Serialize};

use crate::streams::{Stream, below, lane_streams};
use crate::{BuildTask, Evaluation, Part, Signal, Step, Task, TaskError};

/// Keeps the task's draws apart from other uses of the same seed.
const SALT: u64 = 0x636f_756e_7469_6e67;
const MOST_PAIRS: u32 = 1 << 20;

/// The language whose strings are read.
///
/// Symbol 2k opens a bracket of kind k, symbol 2k + 1 closes it, and the last symbol is the end marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Language {
    /// n times `a` = 0, then n times `b` = 1. End marker 2. One counter suffices.
    #[default]
    AnBn,
    /// Balanced `(` = 0 and `)` = 1. End marker 2. One counter suffices.
    #[serde(rename = "dyck-1")]
    Dyck1,
    /// Balanced `(` = 0, `)` = 1, `[` = 2, `]` = 3, each closed by its own kind. End marker 4. Counters do not suffice:
    /// it takes a stack.
    #[serde(rename = "dyck-2")]
    Dyck2,
}

impl Language {
    /// Number of kinds of brackets.
    fn kinds(self) -> u32 {
        if self == Self::Dyck2 { 2 } else { 1 }
    }

    /// The end marker, which ends every string. It is also the number of the other symbols.
    #[must_use]
    pub fn marker(self) -> u32 {
        2 * self.kinds()
    }
}

/// At which steps there is a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Targets {
    /// At every step.
    #[default]
    All,
    /// Only where exactly one symbol can follow in the strings that the configuration can draw. A net that knows
    /// the language, the range of n and the bound on the depth pays 0 bits.
    Determined,
}

/// Configuration of the counting tasks. A field that is left out has the default given with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CountingConfig {
    /// The language. Default `an-bn`.
    pub language: Language,
    /// Where there is a target. Default `all`.
    pub targets: Targets,
    /// Largest n: pairs of a and b, or of brackets, from 1 to 2²⁰. A string has 2n symbols and the marker. Default 10,
    /// as in Gers & Schmidhuber 2001.
    pub pairs: u32,
    /// n is uniform on {pairs − spread..pairs}, all of them at least 1. Default 9, so that n is 1..10, as in the
    /// same paper.
    pub spread: u32,
    /// Bound on the number of brackets that are open at the same time, 1 or more. Default: no bound. Not for
    /// `an-bn`.
    pub depth: Option<u32>,
}

impl Default for CountingConfig {
    fn default() -> Self {
        Self { language: Language::default(), targets: Targets::default(), pairs: 10, spread: 9, depth: None }
    }
}

impl CountingConfig {
    fn check(&self, lanes: usize) -> Result<(), TaskError> {
        let error = |field, value: u32, expected| {
            Err(TaskError::Config { task: "counting", field, value: value.to_string(), expected })
        };
        if !(1..=MOST_PAIRS).contains(&self.pairs) {
            return error("pairs", self.pairs, "a number of pairs from 1 to 1048576");
        }
        if self.spread >= self.pairs {
            return error("spread", self.spread, "less than `pairs`");
        }
        match self.depth {
            Some(0) => return error("depth", 0, "1 or more, or leave it out"),
            Some(depth) if self.language == Language::AnBn => {
                return error("depth", depth, "nothing for `an-bn`: it bounds brackets");
            }
            _ => {}
        }
        if lanes == 0 { Err(TaskError::NoLanes) } else { Ok(()) }
    }

    fn fewest(&self) -> u32 {
        self.pairs - self.spread
    }

    fn deepest(&self) -> u32 {
        self.depth.unwrap_or(self.pairs).min(self.pairs)
    }

    /// The symbols that can follow if n may be any of `fewest..=most`, after `opened` brackets have been opened, of
    /// which `depth` are still open.
    fn choices(&self, fewest: u32, most: u32, opened: u32, depth: u32) -> Choices {
        let closing = depth < opened;
        let an_bn = self.language == Language::AnBn;
        Choices {
            open: opened < most && depth < self.deepest() && !(an_bn && closing),
            close: depth > 0 && !(an_bn && !closing && opened < fewest),
            end: depth == 0 && opened >= fewest,
        }
    }
}

impl BuildTask for CountingConfig {
    fn build(&self, lanes: usize, seed: u64) -> Result<Box<dyn Task>, TaskError> {
        Ok(Box::new(CountingTask::new(self, lanes, seed)?))
    }

    /// Always `None`: longer strings than those trained on are another configuration.
    fn evaluation(
        &self,
        _part: Part,
        lanes: usize,
        _max_bytes: Option<u64>,
    ) -> Result<Option<Evaluation>, TaskError> {
        self.check(lanes).map(|()| None)
    }
}

#[derive(Debug, Clone, Copy)]
struct Choices {
    open: bool,
    close: bool,
    end: bool,
}

impl Choices {
    /// Whether exactly one symbol is possible.
    fn determined(self, kinds: u32) -> bool {
        u32::from(self.open) * kinds + u32::from(self.close) + u32::from(self.end) == 1
    }
}

/// The current string of a lane, drawn symbol by symbol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Lane {
    stream: Stream,
    /// n of this string.
    pairs: u32,
    /// Brackets opened so far, including one that `next` opens.
    opened: u32,
    /// Kinds of the brackets that are still open, innermost last.
    open: Vec<u8>,
    /// The symbol that the next step reads. If it is the end marker, that step begins a new string.
    next: u32,
}

impl Lane {
    /// Draws the symbol after `next`. Returns whether it was the only possible one.
    fn advance(&mut self, config: &CountingConfig) -> bool {
        let language = config.language;
        if self.next == language.marker() {
            self.pairs = config.pairs - below(&mut self.stream, u64::from(config.spread) + 1) as u32;
            self.opened = 0;
            self.open.clear();
        }
        let (opened, depth, kinds) = (self.opened, self.open.len() as u32, language.kinds());
        let determined = config.choices(config.fewest(), config.pairs, opened, depth).determined(kinds);
        let Choices { mut open, close, .. } = config.choices(self.pairs, self.pairs, opened, depth);
        if open && close {
            open = below(&mut self.stream, 2) == 0;
        }
        self.next = if open {
            let kind = if kinds > 1 { below(&mut self.stream, u64::from(kinds)) as u8 } else { 0 };
            self.open.push(kind);
            self.opened += 1;
            2 * u32::from(kind)
        } else if let Some(kind) = self.open.pop() {
            2 * u32::from(kind) + 1
        } else {
            language.marker()
        };
        determined
    }

    /// Whether a task of this configuration can have a lane in this state.
    fn fits(&self, config: &CountingConfig) -> bool {
        let (language, depth) = (config.language, self.open.len() as u32);
        let pairs = (config.fewest()..=config.pairs).contains(&self.pairs) && self.opened <= self.pairs;
        let stack = depth <= self.opened.min(config.deepest())
            && self.open.iter().all(|&kind| u32::from(kind) < language.kinds());
        // In aⁿbⁿ all a come before the first b.
        let order = language != Language::AnBn || depth == self.opened || self.opened == self.pairs;
        let last = match self.next % 2 {
            _ if self.next >= language.marker() => false,
            0 => self.open.last().is_some_and(|&kind| 2 * u32::from(kind) == self.next),
            _ => depth < self.opened,
        };
        // At the end marker the other fields do not matter: the next call of `advance` resets them.
        self.next == language.marker() || pairs && stack && order && last
    }
}

/// Next-symbol prediction in a formal language.
///
/// A string is read as the end marker followed by its symbols. The target is always the next symbol; after the last
/// symbol it is the end marker. So a string of n pairs takes 2n + 1 steps, every target is the input one step
/// later, and `starts` is set at the marker, with which a string begins. Inputs and targets are the symbols of the
/// [`Language`] and the marker: 3, or 5 for Dyck-2.
///
/// n is uniform on its range. A Dyck word is a random walk: where the next bracket may be opened or closed (n and
/// the bound on the depth permitting), a fair coin decides. The kind of an opened bracket is uniform. So not all
/// words of one length are equally likely.
///
/// With the defaults, a net that predicts the frequencies of the three symbols pays 1.330 bits per symbol. A net
/// that counts pays log₂ 10 / 12 = 0.277: the choice of n, spread over a mean of 12 targets.
///
/// Each lane draws and ends its strings on its own, from a random stream of its own.
///
/// # Reference
/// Gers & Schmidhuber 2001, "LSTM recurrent networks learn simple context-free and context-sensitive languages",
/// for aⁿbⁿ; Suzgun, Gehrmann, Belinkov & Shieber 2019 (arXiv:1906.03648) for the Dyck languages. There the target
/// is the set of possible symbols; here it is the symbol that follows, or with [`Targets::Determined`] nothing
/// where several are possible.
#[derive(Debug, Clone)]
pub struct CountingTask {
    config: CountingConfig,
    lanes: Vec<Lane>,
}

impl CountingTask {
    /// A task before its first step.
    ///
    /// # Errors
    /// [`TaskError::NoLanes`], or [`TaskError::Config`] for an invalid range of n or depth.
    pub fn new(config: &CountingConfig, lanes: usize, seed: u64) -> Result<Self, TaskError> {
        config.check(lanes)?;
        let (next, deepest) = (config.language.marker(), config.deepest() as usize);
        let lane = |stream| Lane { stream, pairs: 0, opened: 0, open: Vec::with_capacity(deepest), next };
        let lanes = lane_streams(SALT, seed, lanes).into_iter().map(lane).collect();
        Ok(Self { config: config.clone(), lanes })
    }
}

impl Persist for CountingTask {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        let lanes = self.lanes.len();
        archive.value("lanes", &mut self.lanes)?;
        let found = self.lanes.len();
        archive.check("lanes", found == lanes, || format!("{found} lanes instead of {lanes}"))?;
        let fits = self.lanes.iter().all(|lane| lane.fits(&self.config));
        archive.check("lanes", fits, || "a string that these settings never draw".to_string())
    }
}

impl Task for CountingTask {
    fn inputs(&self) -> Signal {
        Signal::Symbols(self.config.language.marker() as usize + 1)
    }

    fn targets(&self) -> Signal {
        self.inputs()
    }

    fn next(&mut self, step: &mut Step) -> Result<(), TaskError> {
        step.expect_fit(self.inputs(), self.targets(), self.lanes.len());
        for (b, lane) in self.lanes.iter_mut().enumerate() {
            step.input[b] = lane.next;
            step.starts[b] = lane.next == self.config.language.marker();
            let asked = lane.advance(&self.config) || self.config.targets == Targets::All;
            step.target[b] = asked.then_some(lane.next);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
