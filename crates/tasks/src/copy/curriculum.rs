//! When the copy task gets harder.

use serde::{Deserialize, Serialize};

/// The longest string. A sequence is held in memory, so its length must stay reasonable.
pub(super) const LONGEST: u32 = 1 << 20;

/// Weight that the running average of [`Averaging::AllPositions`] keeps at each time step.
pub const AVERAGE_DECAY: f64 = 0.999;
/// Where that average starts, in bits per character.
pub const AVERAGE_AT_START: f64 = 1.0;
/// Where it begins again after a raise, in bits per character.
pub const AVERAGE_AFTER_RAISE: f64 = 0.3;

/// Which average loss must fall below the threshold. The two give different curricula: plots say which it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Averaging {
    /// An exponential average of bits per character over every position with a target (in the echo layout: all of
    /// them, blanks included). At each reported time step, `average ← 0.999 average + 0.001 mean`, where `mean` is
    /// over the lanes that have a target; a step at which no lane has one changes nothing. It starts at 1.0 and is
    /// set to 0.3 after a raise. Blanks are nearly free, so 0.15 here is about 0.30 per copied bit. \[C\]
    #[default]
    AllPositions,
    /// The mean loss per copied bit of one minibatch: Σ loss / Σ count over the copied bits of the last finished
    /// sequence of each lane. Only sequences begun since the last raise count, and there is no average until every
    /// lane has finished one of them. \[D\]
    CopiedBits,
}

/// The copied bits of one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Tally {
    bits: f64,
    count: u32,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Record {
    running: Tally,
    /// Whether the running sequence was begun since the last raise.
    counts: bool,
    finished: Option<Tally>,
}

/// L and the averages that raise it; both averages are kept, the configuration says which one is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Curriculum {
    level: u32,
    average: f64,
    records: Vec<Record>,
}

impl Curriculum {
    pub(super) fn new(level: u32, lanes: usize) -> Self {
        Self { level, average: AVERAGE_AT_START, records: vec![Record::default(); lanes] }
    }

    pub(super) fn level(&self) -> u32 {
        self.level
    }

    pub(super) fn fits(&self, lanes: usize) -> bool {
        let possible = |tally: &Tally| tally.count <= LONGEST;
        self.records.len() == lanes
            && self.records.iter().all(|r| possible(&r.running) && r.finished.as_ref().is_none_or(possible))
    }

    /// A lane begins a new sequence.
    pub(super) fn begin(&mut self, lane: usize) {
        let record = &mut self.records[lane];
        record.running = Tally::default();
        record.counts = true;
    }

    /// The losses of the lanes that had a target at this step.
    pub(super) fn record_step(&mut self, losses: impl Iterator<Item = f64>) {
        let (sum, count) = losses.fold((0.0, 0_u32), |(sum, count), loss| (sum + loss, count + 1));
        if count > 0 {
            self.average = AVERAGE_DECAY * self.average + (1.0 - AVERAGE_DECAY) * (sum / f64::from(count));
        }
    }

    /// The loss of a copied bit of one lane.
    pub(super) fn record_copied(&mut self, lane: usize, loss: f64, last: bool) {
        let record = &mut self.records[lane];
        record.running.bits += loss;
        record.running.count += 1;
        if last && record.counts {
            record.finished = Some(record.running);
        }
    }

    fn average(&self, averaging: Averaging) -> Option<f64> {
        match averaging {
            Averaging::AllPositions => Some(self.average),
            Averaging::CopiedBits => {
                let (mut bits, mut count) = (0.0, 0_u64);
                for record in &self.records {
                    let finished = record.finished?;
                    bits += finished.bits;
                    count += u64::from(finished.count);
                }
                Some(bits / count as f64)
            }
        }
    }

    /// Raises L by one if the average has fallen below the threshold, and begins a new average.
    pub(super) fn raise_if_due(&mut self, averaging: Averaging, threshold: f64) {
        if self.average(averaging).is_some_and(|average| average < threshold) {
            self.level = (self.level + 1).min(LONGEST);
            self.average = AVERAGE_AFTER_RAISE;
            for record in &mut self.records {
                record.counts = false;
                record.finished = None;
            }
        }
    }
}
