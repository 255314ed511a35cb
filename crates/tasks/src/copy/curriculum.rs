//! The curriculum of the copy task: when L is raised.

use serde::{Deserialize, Serialize};

/// Longest string, in bits. Each lane holds its string in memory, so the length is bounded.
pub(super) const LONGEST: u32 = 1 << 20;

/// Factor with which the running average of [`Averaging::AllPositions`] is multiplied at each time step.
pub const AVERAGE_DECAY: f64 = 0.999;
/// Initial value of that average, in bits per character.
pub const AVERAGE_AT_START: f64 = 1.0;
/// Value of that average after a raise of L, in bits per character.
pub const AVERAGE_AFTER_RAISE: f64 = 0.3;

/// Which average loss must fall below the threshold. The two averages give different curricula.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Averaging {
    /// An exponential average of bits per character over every position with a target (in the echo layout: all of
    /// them, blanks included). At each reported time step, `average ← 0.999 average + 0.001 mean`, where `mean` is
    /// over the lanes that have a target; a step at which no lane has one changes nothing. The average starts at
    /// 1.0 and is set to 0.3 after a raise. Blanks cost almost nothing, so 0.15 here is about 0.30 per copied bit.
    /// \[C\]
    #[default]
    AllPositions,
    /// The mean loss per copied bit of one minibatch: Σ loss / Σ count over the copied bits of the last finished
    /// sequence of each lane. Only sequences begun since the last raise count, and there is no average until every
    /// lane has finished such a sequence. \[D\]
    CopiedBits,
}

/// Sum of the losses, in bits, and number of the copied bits of one sequence.
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

/// L and the two averages. Both are always kept up to date; the configuration chooses the one that raises L.
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

    /// Whether a task can have this curriculum. A level beyond the longest string would be drawn, and saved, as one of
    /// gigabytes.
    pub(super) fn fits(&self, lanes: usize) -> bool {
        let possible = |tally: &Tally| tally.count <= LONGEST;
        (1..=LONGEST).contains(&self.level)
            && self.records.len() == lanes
            && self.records.iter().all(|r| possible(&r.running) && r.finished.as_ref().is_none_or(possible))
    }

    /// Notes that a lane begins a new sequence.
    pub(super) fn begin(&mut self, lane: usize) {
        let record = &mut self.records[lane];
        record.running = Tally::default();
        record.counts = true;
    }

    /// Adds one step to the running average: the losses, in bits, of the lanes that have a target at this step.
    pub(super) fn record_step(&mut self, losses: impl Iterator<Item = f64>) {
        let (sum, count) = losses.fold((0.0, 0_u32), |(sum, count), loss| (sum + loss, count + 1));
        if count > 0 {
            self.average = AVERAGE_DECAY * self.average + (1.0 - AVERAGE_DECAY) * (sum / f64::from(count));
        }
    }

    /// Adds the loss, in bits, of one copied bit of a lane. `last`: the bit completes the sequence.
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

    /// Raises L by one if the chosen average has fallen below the threshold, and restarts both averages.
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
