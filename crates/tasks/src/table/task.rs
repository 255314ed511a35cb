//! Steps from a table.

use std::sync::Arc;

use rand::SeedableRng;
use rtrl_checkpoint::{Archive, ArchiveError, Persist};

use super::error::RowNumber;
use super::lane::{Lane, LaneState, Table};
use super::parts::Span;
use crate::streams::{Stream, below};
use crate::{Signal, Step, Task, TaskError};

/// Keeps the order of sequences apart from other uses of the same seed.
const SALT: u64 = 0x7461_626c_655f_5f5f;

/// Which span a lane reads when it has done one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deal {
    /// Its own, again and again: lane `b` reads span `b`.
    Own,
    /// The next in an order that is shuffled for each epoch.
    Shuffled {
        /// Seed of the orders.
        seed: u64,
    },
    /// The next, until all have been read; then the pass begins again.
    Once {
        /// Steps of a pass.
        steps: u64,
    },
}

/// The rows of a table, some sequences side by side: see [`TableConfig`](super::TableConfig).
///
/// Each lane reads a span of rows from a reset state. A row has the target that stands `horizon` rows after it,
/// if that row belongs to the same sequence and the same part of the data. Many sequences are dealt to the
/// lanes one by one, in an order that is shuffled anew when all have been dealt: lanes start at different
/// steps, and with fewer sequences than lanes several lanes read the same. One series alone is cut into one
/// piece for each lane, of equal lengths but for one row.
///
/// In an evaluation each span is read once; a lane that has nothing left reads its last row again, without a
/// target.
///
/// A step without an error allocates nothing, unless the rows are JSON. After an error the lanes may be at
/// different rows: build the task again.
#[derive(Debug)]
pub struct TableTask {
    table: Arc<Table>,
    spans: Vec<Span>,
    deal: Deal,
    /// Indices of the spans in the order of this epoch.
    order: Vec<u32>,
    /// Epochs begun before this one.
    epoch: u64,
    /// Spans of `order` that were dealt.
    dealt: u64,
    /// Steps of the pass that were handed out.
    position: u64,
    lanes: Vec<Lane>,
    fingerprint: u64,
}

impl TableTask {
    pub(super) fn new(
        table: Arc<Table>,
        spans: Vec<Span>,
        deal: Deal,
        lanes: usize,
    ) -> Result<Self, TaskError> {
        if lanes == 0 {
            return Err(TaskError::NoLanes);
        }
        let lanes = (0..lanes).map(|_| Lane::new(&table)).collect::<Result<_, _>>()?;
        let fingerprint = table.files.fingerprint()?;
        let order = (0..).take(spans.len()).collect();
        let mut task =
            Self { table, spans, deal, order, epoch: 0, dealt: 0, position: 0, lanes, fingerprint };
        task.shuffle();
        Ok(task)
    }

    /// Steps of a pass that gives each span to the lane that is done first.
    pub(super) fn steps(spans: &[Span], lanes: usize) -> u64 {
        let mut busy = std::collections::BinaryHeap::from(vec![std::cmp::Reverse(0); lanes]);
        for span in spans {
            let std::cmp::Reverse(until) = busy.pop().unwrap_or_default();
            busy.push(std::cmp::Reverse(until + span.rows));
        }
        busy.into_iter().map(|until| until.0).max().unwrap_or(0)
    }

    /// Puts the spans into the order of the epoch.
    fn shuffle(&mut self) {
        let Deal::Shuffled { seed } = self.deal else { return };
        (0..).zip(&mut self.order).for_each(|(i, to)| *to = i);
        // An odd factor leads different epochs to different seeds.
        let seed = seed.wrapping_add(self.epoch.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut stream = Stream::seed_from_u64(seed ^ SALT);
        for i in (1..self.order.len()).rev() {
            let other = below(&mut stream, i as u64 + 1) as usize;
            self.order.swap(i, other);
        }
    }

    /// The span that lane `b` reads next.
    fn next_span(&mut self, b: usize) -> Option<u64> {
        let all = self.order.len() as u64;
        match self.deal {
            Deal::Own => return Some(b as u64),
            Deal::Once { .. } if self.dealt == all => return None,
            Deal::Shuffled { .. } if self.dealt == all => {
                (self.epoch, self.dealt) = (self.epoch + 1, 0);
                self.shuffle();
            }
            _ => {}
        }
        self.dealt += 1;
        self.order.get(self.dealt as usize - 1).map(|&span| u64::from(span))
    }

    /// Where the row stands that lane `b` has read last: the file, and the line or row.
    pub(super) fn row(&self, b: usize) -> Option<(&std::path::Path, RowNumber)> {
        let place = self.lanes[b].place()?;
        Some((self.table.files.path(place.file), self.table.files.row_number(place)))
    }
}

impl Persist for TableTask {
    /// Refuses a state that was saved with another table or another number of lanes.
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.expect("table", self.fingerprint)?;
        archive.expect("lanes", self.lanes.len() as u64)?;
        if let Deal::Shuffled { seed } = &mut self.deal {
            archive.value("seed", seed)?;
        }
        archive.value("epoch", &mut self.epoch)?;
        archive.value("dealt", &mut self.dealt)?;
        archive.value("position", &mut self.position)?;
        let mut states: Vec<LaneState> = self.lanes.iter().map(|lane| lane.state()).collect();
        archive.value("state", &mut states)?;
        if archive.is_loading() {
            let steps = if let Deal::Once { steps } = self.deal { steps } else { 0 };
            archive.check("position", self.position <= steps, || "behind the end".to_string())?;
            archive.check("dealt", self.dealt <= self.order.len() as u64, || "too many spans".to_string())?;
            let lanes = states.len();
            archive.check("state", lanes == self.lanes.len(), || format!("{lanes} lanes"))?;
            self.shuffle();
            for (lane, state) in self.lanes.iter_mut().zip(states) {
                match lane.restore(state, &self.table, &self.spans) {
                    Ok(fits) => archive.check("state", fits, || "a row outside the table".to_string())?,
                    Err(error) => return Err(archive.refusal("state", error.to_string())),
                }
            }
        }
        Ok(())
    }
}

impl Task for TableTask {
    fn inputs(&self) -> Signal {
        self.table.encoder.inputs()
    }

    fn targets(&self) -> Signal {
        self.table.encoder.targets()
    }

    fn next(&mut self, step: &mut Step) -> Result<(), TaskError> {
        let lanes = self.lanes.len();
        step.expect_fit(self.inputs(), self.targets(), lanes);
        let mut begins = false;
        if let Deal::Once { steps } = self.deal {
            begins = self.position == 0 || self.position == steps;
            if begins {
                (self.position, self.dealt) = (0, 0);
            }
            self.position += 1;
        }
        for b in 0..lanes {
            if begins || self.lanes[b].is_done(&self.spans) {
                let span = self.next_span(b);
                // A lane for which there is no other span keeps its last one, and reads the last row of it again.
                if span.is_some() || begins {
                    self.lanes[b].begin(&self.table, &self.spans, span)?;
                }
            }
            self.fill(b, begins, step)?;
        }
        Ok(())
    }
}

impl TableTask {
    /// Writes the next row of lane `b`.
    fn fill(&mut self, b: usize, begins: bool, step: &mut Step) -> Result<(), TaskError> {
        let Self { table, spans, lanes, .. } = self;
        let count = lanes.len();
        let lane = &mut lanes[b];
        let Step { input, input_values, target, target_values, starts } = step;
        if let Some(target) = target.get_mut(b) {
            *target = None;
        }
        target_values.iter_mut().skip(b).step_by(count).for_each(|target| *target = None);
        if lane.is_done(spans) {
            starts[b] = begins;
            table.encoder.fill(lane.inputs(), input, input_values, b, count);
            return Ok(());
        }
        let Some(now) = lane.next(table, spans)? else { return Ok(()) };
        starts[b] = now.starts;
        table.encoder.fill(now.inputs, input, input_values, b, count);
        let Some(targets) = now.targets else { return Ok(()) };
        match target.get_mut(b) {
            Some(target) => *target = (!targets[0].is_nan()).then_some(targets[0] as u32),
            None => {
                for (to, &value) in target_values.iter_mut().skip(b).step_by(count).zip(targets) {
                    *to = (!value.is_nan()).then_some(value as f32);
                }
            }
        }
        Ok(())
    }
}
