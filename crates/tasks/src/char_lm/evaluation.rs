//! One pass over held-out text.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};

use crate::{Corpus, Signal, Step, Task, TaskError};

/// Number of symbols of inputs and targets, which are bytes \[B\].
pub const BYTES: usize = 256;

/// Bytes that are read for a lane at a time.
pub(super) const CHUNK: usize = 4096;

/// Consecutive predictions of one lane: for `i` in `0..count`, byte `first + 1 + i` from the bytes before it.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub first: u64,
    pub count: u64,
}

impl Piece {
    /// Shares out all predictions, one contiguous piece per lane. If they do not divide evenly, the first lanes
    /// have one more.
    pub fn share(predictions: u64, lanes: usize) -> Vec<Self> {
        let (share, longer) = (predictions / lanes as u64, predictions % lanes as u64);
        let piece = |b: u64| Self { first: b * share + b.min(longer), count: share + u64::from(b < longer) };
        (0..lanes as u64).map(piece).collect()
    }
}

/// A held-out text cut into one contiguous piece per lane. Each piece is read once, beginning from a reset state
/// that is carried to its end.
///
/// N bytes have N − 1 predictions (the first byte is only read); with `max_bytes`, at most the first `max_bytes` of
/// them. Each prediction appears exactly once. If the lanes do not divide them evenly, the first lanes have one
/// more than the others. A lane that has no prediction left has the target `None`; it reads its last input again,
/// or byte 0 if it never had one. More lanes mean more cold starts, so compare runs with equal numbers of lanes.
///
/// The pass takes [`steps`](Self::steps) steps, then begins again identically, with `starts` set.
#[derive(Debug, Clone)]
pub struct CharLmEvaluation {
    text: Corpus,
    pieces: Vec<Piece>,
    steps: u64,
    /// Steps of the pass handed out so far.
    position: u64,
    /// The bytes that the lanes are reading, `chunk + 1` per lane, lane after lane: inputs and targets of `chunk`
    /// predictions.
    chunks: Vec<u8>,
    chunk: usize,
}

impl CharLmEvaluation {
    /// A pass over `text`, or over its first `max_bytes` predictions.
    ///
    /// # Errors
    /// [`TaskError::NoLanes`], [`TaskError::Config`] for a `max_bytes` of 0, or [`TaskError::TooShort`] for a text of
    /// fewer than two bytes.
    pub fn new(text: Corpus, lanes: usize, max_bytes: Option<u64>) -> Result<Self, TaskError> {
        if lanes == 0 {
            return Err(TaskError::NoLanes);
        }
        if max_bytes == Some(0) {
            let expected = "a number of predictions, 1 or more, or leave it out";
            return Err(TaskError::Config {
                task: "char-lm",
                field: "max_bytes",
                value: "0".into(),
                expected,
            });
        }
        if text.len() < 2 {
            let (origin, len) = (text.origin().clone(), text.len());
            return Err(TaskError::TooShort { origin, part: "validation", len, need: 2 });
        }
        let predictions = (text.len() - 1).min(max_bytes.unwrap_or(u64::MAX));
        let pieces = Piece::share(predictions, lanes);
        let steps = pieces[0].count;
        let chunk = steps.min(CHUNK as u64) as usize;
        let chunks = vec![0; lanes * (chunk + 1)];
        Ok(Self { text, pieces, steps, position: 0, chunks, chunk })
    }

    /// Steps of one pass: predictions / lanes, rounded up.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Reads the bytes for the next `chunk` steps of each lane, or fewer at the end of its piece.
    fn read_chunks(&mut self) -> Result<(), TaskError> {
        for (piece, chunk) in self.pieces.iter().zip(self.chunks.chunks_exact_mut(self.chunk + 1)) {
            let left = piece.count.saturating_sub(self.position).min(self.chunk as u64) as usize;
            if left > 0 {
                self.text.read_exact_at(piece.first + self.position, &mut chunk[..=left])?;
            }
        }
        Ok(())
    }
}

impl Persist for CharLmEvaluation {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.text.expect_same(archive)?;
        archive.value("position", &mut self.position)?;
        archive.check("position", self.position <= self.steps, || "behind the end".to_string())?;
        if archive.is_loading() && !self.position.is_multiple_of(self.chunk as u64) {
            let position = self.position;
            self.position -= position % self.chunk as u64;
            let read = self.read_chunks();
            self.position = position;
            archive.check("text", read.is_ok(), || read.err().map_or(String::new(), |e| e.to_string()))?;
        }
        Ok(())
    }
}

impl Task for CharLmEvaluation {
    fn inputs(&self) -> Signal {
        Signal::Symbols(BYTES)
    }

    fn targets(&self) -> Signal {
        Signal::Symbols(BYTES)
    }

    fn next(&mut self, step: &mut Step) -> Result<(), TaskError> {
        step.expect_fit(self.inputs(), self.targets(), self.pieces.len());
        if self.position == self.steps {
            self.position = 0;
        }
        let within = (self.position % self.chunk as u64) as usize;
        if within == 0 {
            self.read_chunks()?;
        }
        step.starts.fill(self.position == 0);
        for (b, (piece, chunk)) in
            self.pieces.iter().zip(self.chunks.chunks_exact(self.chunk + 1)).enumerate()
        {
            if self.position < piece.count {
                step.input[b] = u32::from(chunk[within]);
                step.target[b] = Some(u32::from(chunk[within + 1]));
            } else {
                // Buffers are not refilled for a finished lane, so this is the input of its last prediction, or 0.
                step.input[b] =
                    u32::from(chunk[(piece.count.saturating_sub(1) % self.chunk as u64) as usize]);
                step.target[b] = None;
            }
        }
        self.position += 1;
        Ok(())
    }
}
