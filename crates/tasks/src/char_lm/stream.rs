//! The training text read in order, so that the state can be carried from one window to the next.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};

use super::evaluation::{BYTES, CHUNK, Piece};
use crate::{Corpus, Signal, Step, Task, TaskError};

/// A text read from beginning to end, over and over, without crops.
///
/// N bytes have N − 1 predictions. Each lane owns a contiguous part of them: lane `b` begins at about the fraction
/// b / lanes of the text. If the lanes do not divide the predictions evenly, the first lanes have one more than the
/// others. A lane that has read its part begins it again. There, and at the first step, `starts` is set, because
/// the text is not continuous. A pass over the text asks for each prediction once.
///
/// Nothing is drawn: the seed changes nothing.
#[derive(Debug, Clone)]
pub struct CharLmStream {
    text: Corpus,
    pieces: Vec<Piece>,
    /// Steps handed out so far.
    position: u64,
    /// The bytes that the lanes are reading, `chunk + 1` per lane, lane after lane: inputs and targets of `chunk`
    /// predictions.
    chunks: Vec<u8>,
    chunk: usize,
}

impl CharLmStream {
    /// A stream at the beginning of every lane's part of `text`.
    ///
    /// # Errors
    /// [`TaskError::NoLanes`], or [`TaskError::TooShort`] for a text of fewer than `lanes + 1` bytes.
    pub fn new(text: Corpus, lanes: usize) -> Result<Self, TaskError> {
        if lanes == 0 {
            return Err(TaskError::NoLanes);
        }
        let (len, need) = (text.len(), lanes as u64 + 1);
        if len < need {
            return Err(TaskError::TooShort { origin: text.origin().clone(), part: "training", len, need });
        }
        let pieces = Piece::share(len - 1, lanes);
        // The first lane has the longest part.
        let chunk = pieces[0].count.min(CHUNK as u64) as usize;
        Ok(Self { text, pieces, position: 0, chunks: vec![0; lanes * (chunk + 1)], chunk })
    }

    /// Fills the buffer of every lane whose next step is the first of a chunk; with `all` (after a restoration), of
    /// every lane.
    fn read_chunks(&mut self, all: bool) -> Result<(), TaskError> {
        for (piece, chunk) in self.pieces.iter().zip(self.chunks.chunks_exact_mut(self.chunk + 1)) {
            let at = self.position % piece.count;
            let within = at % self.chunk as u64;
            if within == 0 || all {
                let begin = at - within;
                let len = (piece.count - begin).min(self.chunk as u64) as usize;
                self.text.read_exact_at(piece.first + begin, &mut chunk[..=len])?;
            }
        }
        Ok(())
    }
}

impl Persist for CharLmStream {
    /// Refuses a state that was saved with another text or another number of lanes.
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.text.expect_same(archive)?;
        archive.expect("lanes", self.pieces.len() as u64)?;
        archive.value("position", &mut self.position)?;
        if archive.is_loading() {
            let read = self.read_chunks(true);
            archive.check("text", read.is_ok(), || read.err().map_or(String::new(), |e| e.to_string()))?;
        }
        Ok(())
    }
}

impl Task for CharLmStream {
    fn inputs(&self) -> Signal {
        Signal::Symbols(BYTES)
    }

    fn targets(&self) -> Signal {
        Signal::Symbols(BYTES)
    }

    /// If the text cannot be read (because the file has shrunk, say), no step is handed out, and the next call
    /// tries again.
    fn next(&mut self, step: &mut Step) -> Result<(), TaskError> {
        step.expect_fit(self.inputs(), self.targets(), self.pieces.len());
        self.read_chunks(false)?;
        let lanes = self.pieces.iter().zip(self.chunks.chunks_exact(self.chunk + 1));
        for (b, (piece, chunk)) in lanes.enumerate() {
            let at = self.position % piece.count;
            let within = (at % self.chunk as u64) as usize;
            step.starts[b] = at == 0;
            step.input[b] = u32::from(chunk[within]);
            step.target[b] = Some(u32::from(chunk[within + 1]));
        }
        self.position = self.position.wrapping_add(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtrl_checkpoint::{from_bytes, to_bytes};

    use super::*;

    /// Input, target, and whether the lane starts a sequence.
    type Read = (u8, u8, bool);

    fn streams(task: &mut CharLmStream, lanes: usize, steps: usize) -> Vec<Vec<Read>> {
        let (mut step, mut all) = (Step::new(task, lanes), vec![Vec::new(); lanes]);
        for _ in 0..steps {
            task.next(&mut step).unwrap();
            for (b, lane) in all.iter_mut().enumerate() {
                lane.push((step.input[b] as u8, step.target[b].unwrap() as u8, step.starts[b]));
            }
        }
        all
    }

    /// Compares two passes and a bit with what the documentation of [`CharLmStream`] promises.
    fn reads_in_order(bytes: &[u8], lanes: usize) {
        let mut task = CharLmStream::new(Corpus::from_bytes(bytes.to_vec()).unwrap(), lanes).unwrap();
        let (share, longer) = ((bytes.len() - 1) / lanes, (bytes.len() - 1) % lanes);
        let mut first = 0_usize;
        for (b, lane) in streams(&mut task, lanes, 2 * share + 7).into_iter().enumerate() {
            assert!(first.abs_diff(b * bytes.len() / lanes) <= lanes, "lane {b} begins at {first}");
            let count = share + usize::from(b < longer);
            for (t, read) in lane.into_iter().enumerate() {
                let at = t % count;
                assert_eq!(read, (bytes[first + at], bytes[first + at + 1], at == 0), "lane {b} at {t}");
            }
            first += count;
        }
        assert_eq!(first + 1, bytes.len(), "every prediction belongs to a lane");
    }

    proptest! {
        #[test]
        fn each_lane_reads_its_part_and_begins_again(
            bytes in prop::collection::vec(any::<u8>(), 9..120), lanes in 1_usize..9,
        ) {
            reads_in_order(&bytes, lanes);
        }
    }

    #[test]
    fn parts_go_on_across_read_buffers() {
        let text = crate::grammar::generate(3, 30_000);
        for (bytes, lanes) in
            [(2 * CHUNK + 1, 1), (2 * CHUNK + 2, 2), (4 * CHUNK, 2), (30_000, 3), (CHUNK, 1)]
        {
            reads_in_order(&text[..bytes], lanes);
        }
    }

    #[test]
    fn a_restored_stream_goes_on_as_if_it_had_not_stopped() {
        let text = |seed| Corpus::generated(seed, 20_000).unwrap();
        let new = |seed, lanes| CharLmStream::new(text(seed), lanes).unwrap();
        // The lanes have 6667, 6666 and 6666 predictions. The states are saved at the beginning, around the end of
        // a chunk, and before and after the seams.
        for before in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 6665, 6666, 6667, 6668, 13_333] {
            let (mut task, mut resumed) = (new(0, 3), new(0, 3));
            streams(&mut task, 3, before);
            streams(&mut resumed, 3, 50);
            let saved = to_bytes(|archive| task.persist(archive)).unwrap();
            from_bytes(&saved, |archive| resumed.persist(archive)).unwrap();
            assert_eq!(streams(&mut resumed, 3, 5000), streams(&mut task, 3, 5000), "after {before}");
        }
        let saved = to_bytes(|archive| new(0, 3).persist(archive)).unwrap();
        let refusal = |mut into: CharLmStream| {
            from_bytes(&saved, |archive| into.persist(archive)).unwrap_err().to_string()
        };
        assert_eq!(refusal(new(0, 2)), "section `lanes`: expected 2, found 3");
        assert!(refusal(new(1, 3)).starts_with("section `text`"), "another text is refused");
    }

    #[test]
    fn texts_without_a_prediction_for_each_lane_are_refused() {
        let text = |len| Corpus::from_bytes(vec![1; len]).unwrap();
        assert!(matches!(CharLmStream::new(text(9), 0), Err(TaskError::NoLanes)));
        assert!(CharLmStream::new(text(9), 8).is_ok());
        let error = CharLmStream::new(text(9), 9).unwrap_err();
        assert!(matches!(error, TaskError::TooShort { part: "training", len: 9, need: 10, .. }), "{error}");
    }
}
