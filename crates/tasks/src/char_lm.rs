//! Byte-level language modeling: predict the next byte of a text.

mod evaluation;
mod stream;

use std::path::PathBuf;

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use serde::{Deserialize, Serialize};

use crate::streams::{Stream, below, lane_streams};
use crate::{BuildTask, Corpus, Evaluation, Part, Signal, Step, Task, TaskError};
pub use evaluation::{BYTES, CharLmEvaluation};
pub use stream::CharLmStream;

/// Keeps the crops apart from other uses of the same seed.
const SALT: u64 = 0x6368_6172_5f6c_6d5f;

/// Largest generated text, in bytes.
const MOST_BYTES: usize = 1 << 31;

/// The order in which the training text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Mode {
    /// Random crops; the state is reset at each: [`CharLm`].
    #[default]
    Crops,
    /// From beginning to end; the state is carried on: [`CharLmStream`].
    Stream,
}

/// Configuration of the character language model. A field that is left out has the default given with it.
///
/// Marks, as in the files of `crates/reproduce/experiments`: \[A\] certain, \[D\] our choice. The paper trains on WikiText-103
/// \[A\]; give its training file as `text` and its standard validation file as `valid` to do the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CharLmConfig {
    /// File of the training text; left out, a text is generated \[D\].
    pub text: Option<PathBuf>,
    /// File of the validation text; left out, the last part of the text is held out \[D\].
    pub valid: Option<PathBuf>,
    /// Size of the generated text, all parts together, in bytes. Ignored if `text` is given. Default 2 MiB \[D\].
    pub corpus_bytes: usize,
    /// Seed of the generated text. Ignored if `text` is given. Default 0 \[D\].
    pub corpus_seed: u64,
    /// Share of the text that is held out for validation, strictly between 0 and 1. Ignored if `valid` is given.
    /// Default 0.05 \[D\].
    pub valid_fraction: f64,
    /// File of the test text, evaluated once, at the end of a run; left out, `test_fraction` decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<PathBuf>,
    /// Share of the text, at its very end, that is held out as test data, from 0 (none) to below 1. Ignored if
    /// `test` is given. Default 0 \[D\].
    #[serde(skip_serializing_if = "is_zero")]
    pub test_fraction: f64,
    /// The order in which the training text is read. Default `crops` \[A\].
    pub mode: Mode,
    /// Predictions per crop, 1 or more; it has no effect in the mode `stream`. Default 128 \[A\].
    pub crop: usize,
}

/// Fields added later are not written at their default, so that older configurations keep their serialized form.
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl Default for CharLmConfig {
    fn default() -> Self {
        Self {
            text: None,
            valid: None,
            corpus_bytes: 2 << 20,
            corpus_seed: 0,
            valid_fraction: 0.05,
            test: None,
            test_fraction: 0.0,
            mode: Mode::Crops,
            crop: 128,
        }
    }
}

/// The parts of a text, opened and checked. Any number of tasks can share them.
#[derive(Debug, Clone)]
pub struct CharLmData {
    /// The training text.
    pub training: Corpus,
    /// The validation text.
    pub validation: Corpus,
    /// The test text, if there is one.
    pub test: Option<Corpus>,
}

impl CharLmConfig {
    /// Opens or generates the text and checks that every part can hold a crop, or in the mode `stream` a
    /// prediction.
    ///
    /// # Errors
    /// [`TaskError::Config`] for an invalid crop, share or size, [`TaskError::TooShort`] for a part of fewer than
    /// `crop + 1` bytes (`stream`: 2), and the errors of [`Corpus::open`].
    pub fn data(&self) -> Result<CharLmData, TaskError> {
        let error = |field, value, expected| TaskError::Config { task: "char-lm", field, value, expected };
        if self.crop == 0 {
            return Err(error("crop", self.crop.to_string(), "a number of predictions, 1 or more"));
        }
        if self.text.is_none() && !(1..=MOST_BYTES).contains(&self.corpus_bytes) {
            let expected = "a number of bytes from 1 to 2147483648: a generated text is held in memory";
            return Err(error("corpus_bytes", self.corpus_bytes.to_string(), expected));
        }
        let text = match &self.text {
            Some(path) => Corpus::open(path)?,
            None => Corpus::generated(self.corpus_seed, self.corpus_bytes)?,
        };
        let whole = text.len() as f64;
        let (text, test) = match &self.test {
            Some(path) => (text, Some(Corpus::open(path)?)),
            None if self.test_fraction == 0.0 => (text, None),
            None if self.test_fraction > 0.0 && self.test_fraction < 1.0 => {
                let (text, test) = text.split(text.len() - (whole * self.test_fraction) as u64)?;
                (text, Some(test))
            }
            None => {
                let expected = "a share from 0 to below 1, or give a file as `test`";
                return Err(error("test_fraction", self.test_fraction.to_string(), expected));
            }
        };
        let (training, validation) = match &self.valid {
            Some(path) => (text, Corpus::open(path)?),
            None if self.valid_fraction > 0.0 && self.valid_fraction < 1.0 => {
                let held_out = (whole * self.valid_fraction) as u64;
                text.split(text.len().saturating_sub(held_out))?
            }
            None => {
                let expected = "a share strictly between 0 and 1, or give a file as `valid`";
                return Err(error("valid_fraction", self.valid_fraction.to_string(), expected));
            }
        };
        let need = if self.mode == Mode::Stream { 2 } else { (self.crop as u64).saturating_add(1) };
        let held_out = test.iter().map(|test| ("test", test));
        for (part, corpus) in
            [("training", &training), ("validation", &validation)].into_iter().chain(held_out)
        {
            let (origin, len) = (corpus.origin().clone(), corpus.len());
            if len < need {
                return Err(TaskError::TooShort { origin, part, len, need });
            }
        }
        Ok(CharLmData { training, validation, test })
    }
}

impl BuildTask for CharLmConfig {
    fn build(&self, lanes: usize, seed: u64) -> Result<Box<dyn Task>, TaskError> {
        let text = self.data()?.training;
        Ok(match self.mode {
            Mode::Crops => Box::new(CharLm::new(text, self.crop, lanes, seed)?),
            Mode::Stream => Box::new(CharLmStream::new(text, lanes)?),
        })
    }

    fn evaluation(
        &self,
        part: Part,
        lanes: usize,
        max_bytes: Option<u64>,
    ) -> Result<Option<Evaluation>, TaskError> {
        let data = self.data()?;
        let text = match part {
            Part::Valid => Some(data.validation),
            Part::Test => data.test,
        };
        let Some(text) = text else { return Ok(None) };
        let task = CharLmEvaluation::new(text, lanes, max_bytes)?;
        let steps = task.steps();
        Ok(Some(Evaluation { task: Box::new(task), steps }))
    }

    fn fingerprint(&self) -> Result<Option<u64>, TaskError> {
        if [&self.text, &self.valid, &self.test].into_iter().all(Option::is_none) {
            return Ok(None);
        }
        let data = self.data()?;
        let test = data.test.map_or(Ok(0), |test| test.fingerprint())?.rotate_left(2);
        Ok(Some(data.training.fingerprint()? ^ data.validation.fingerprint()?.rotate_left(1) ^ test))
    }
}

/// The random stream of a lane's crops, and its current crop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Lane {
    stream: Stream,
    /// Offset of the current crop in the training text.
    offset: u64,
}

/// The part of a language-model task that changes while it runs; the text is not included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct CharLmState {
    lanes: Vec<Lane>,
    /// Predictions of the current crops handed out so far; `crop` before the first.
    position: usize,
}

/// Random crops of a text, with replacement \[A\].
///
/// Each lane draws its crops from a random stream of its own, uniformly among the positions where `crop + 1` bytes
/// fit. A crop of bytes c₀..c_crop gives the inputs c₀..c_(crop−1) and the targets c₁..c_crop. Its first step has
/// `starts` set, so the state is reset at each crop \[B\]. All crops have the same length, so all lanes start
/// together.
#[derive(Debug, Clone)]
pub struct CharLm {
    text: Corpus,
    crop: usize,
    state: CharLmState,
    /// `crop + 1` bytes per lane, lane after lane.
    crops: Vec<u8>,
}

impl CharLm {
    /// Crops of `crop` predictions from `text`.
    ///
    /// # Errors
    /// [`TaskError::NoLanes`], [`TaskError::Config`] for a crop of 0, or [`TaskError::TooShort`] for a text of fewer
    /// than `crop + 1` bytes.
    pub fn new(text: Corpus, crop: usize, lanes: usize, seed: u64) -> Result<Self, TaskError> {
        if lanes == 0 {
            return Err(TaskError::NoLanes);
        }
        if crop == 0 {
            let expected = "a number of predictions, 1 or more";
            return Err(TaskError::Config { task: "char-lm", field: "crop", value: "0".into(), expected });
        }
        let (len, need) = (text.len(), (crop as u64).saturating_add(1));
        if len < need {
            return Err(TaskError::TooShort { origin: text.origin().clone(), part: "training", len, need });
        }
        let lane = |stream| Lane { stream, offset: 0 };
        let lane_states = lane_streams(SALT, seed, lanes).into_iter().map(lane).collect();
        let state = CharLmState { lanes: lane_states, position: crop };
        Ok(Self { text, crop, state, crops: vec![0; lanes * (crop + 1)] })
    }

    fn read_crops(&mut self) -> Result<(), TaskError> {
        for (lane, crop) in self.state.lanes.iter().zip(self.crops.chunks_exact_mut(self.crop + 1)) {
            self.text.read_exact_at(lane.offset, crop)?;
        }
        Ok(())
    }
}

impl Persist for CharLm {
    /// Refuses a state that was saved with another text.
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.text.expect_same(archive)?;
        let lanes = self.state.lanes.len();
        archive.value("state", &mut self.state)?;
        let CharLmState { lanes: found, position } = &self.state;
        archive
            .check("state", found.len() == lanes, || format!("{} lanes instead of {lanes}", found.len()))?;
        let last = self.text.len() - self.crop as u64;
        let inside = *position <= self.crop && found.iter().all(|lane| lane.offset < last);
        archive.check("state", inside, || "a crop outside the text".to_string())?;
        if archive.is_loading() {
            let crops = self.read_crops();
            archive.check("state", crops.is_ok(), || crops.err().map_or(String::new(), |e| e.to_string()))?;
        }
        Ok(())
    }
}

impl Task for CharLm {
    fn inputs(&self) -> Signal {
        Signal::Symbols(BYTES)
    }

    fn targets(&self) -> Signal {
        Signal::Symbols(BYTES)
    }

    /// If the text cannot be read (because the file has shrunk, say), no step is handed out, and the next call
    /// draws other crops.
    fn next(&mut self, step: &mut Step) -> Result<(), TaskError> {
        step.expect_fit(self.inputs(), self.targets(), self.state.lanes.len());
        if self.state.position == self.crop {
            let places = self.text.len() - self.crop as u64;
            for lane in &mut self.state.lanes {
                lane.offset = below(&mut lane.stream, places);
            }
            self.read_crops()?;
            self.state.position = 0;
        }
        let position = self.state.position;
        step.starts.fill(position == 0);
        for (b, crop) in self.crops.chunks_exact(self.crop + 1).enumerate() {
            step.input[b] = u32::from(crop[position]);
            step.target[b] = Some(u32::from(crop[position + 1]));
        }
        self.state.position += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
