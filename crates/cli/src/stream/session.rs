//! The main loop of `rtrl stream`, from the first row of the input to the last.

mod served;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use rtrl_checkpoint::Persist;
use rtrl_tasks::table::rows::{LeftOut, Record, Row};

use super::columns::Columns;
use super::event::{Ended, Event};
use super::opening::{Open, Setup};
use super::output::{self, summary};
use super::plot::Curve;
use super::rows::Format;
use super::source::Taken;
use crate::Failure;
use crate::flags::{OnError, SkipSeen};

/// Most gaps that are noted, and most columns for which a note says that they were overlooked.
const NOTED: usize = 10;

/// What the next row is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// To find out what the columns hold; the row is held back.
    Columns,
    /// To find out whether the input is known; the row is held back.
    Source,
    /// To learn from, or to be skipped.
    Rows,
}

/// A stream that is being read.
pub struct Session<'a> {
    setup: Setup<'a>,
    format: Format,
    header: Option<Vec<String>>,
    /// Whether the first row, or the header, has come.
    begun: bool,
    phase: Phase,
    columns: Columns,
    held: Vec<Row>,
    /// Rows of the input so far, including those that cannot be used.
    position: u64,
    left_out: LeftOut,
    open: Option<Open>,
    /// The first row that could not be used.
    rejected: Option<Failure>,
    overlooked: Vec<String>,
    /// Gaps that were noted.
    gaps: usize,
    curve: Option<Curve>,
    /// Row and time of the last checkpoint.
    saved_at: (u64, Instant),
}

impl<'a> Session<'a> {
    /// A session that has read nothing.
    pub fn new(setup: Setup<'a>) -> Self {
        Self {
            curve: setup.flags.plot.is_some().then(Curve::new),
            setup,
            format: Format::Csv,
            header: None,
            begun: false,
            phase: Phase::Columns,
            columns: Columns::default(),
            held: Vec::new(),
            position: 0,
            left_out: LeftOut::default(),
            open: None,
            rejected: None,
            overlooked: Vec::new(),
            gaps: 0,
            saved_at: (0, Instant::now()),
        }
    }

    /// Reads until the input ends.
    ///
    /// # Errors
    /// The reason for which the stream ended before its input.
    pub fn all(&mut self, events: &Receiver<Event>, stop: &AtomicBool) -> Result<(), Ended> {
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(Ended::Asked);
            }
            let end = || Event::End(LeftOut::default());
            let event = match events.try_recv() {
                Err(TryRecvError::Empty) => {
                    // Before the next row is waited for, the reader of the output gets all predictions.
                    if let Some(open) = &mut self.open {
                        open.output.flush()?;
                    }
                    events.recv().unwrap_or_else(|_| end())
                }
                other => other.unwrap_or_else(|_| end()),
            };
            match event {
                Event::Format(format, delimiter) => {
                    self.format = format;
                    if format == Format::Csv && self.setup.flags.delimiter.is_none() && delimiter != b',' {
                        let name = if delimiter == b'\t' { "a tab" } else { "a semicolon" };
                        self.setup.note(&format!("the delimiter is {name}"));
                    }
                }
                Event::Row(row) => self.row(row)?,
                Event::End(left_out) => {
                    self.left_out = left_out;
                    self.advance(true)?;
                    return self.end();
                }
                Event::Stop => return Err(Ended::Asked),
                // There is no server.
                Event::Asked(_) => {}
                Event::Failed(error) => {
                    self.advance(true)?;
                    return Err(Failure::new(format!("cannot read the input: {error}")).into());
                }
            }
            self.save_if_due()?;
        }
    }

    fn row(&mut self, row: Row) -> Result<(), Ended> {
        self.left_out = row.left_out;
        if !std::mem::replace(&mut self.begun, true) {
            self.header = row.content.as_ref().ok().and_then(|record| self.setup.header(record));
            self.columns = Columns::new(self.header.clone());
            if let Some(header) = &self.header {
                let columns = self.open.as_ref().map_or(header, |open| &open.layout.columns);
                if columns != header {
                    let (columns, header) = (columns.join(", "), header.join(", "));
                    let message =
                        format!("the columns are {columns}, and not {header}: send these, or JSON lines");
                    return Err(Ended::Refused(Failure::new(message)));
                }
                return Ok(());
            }
        }
        match (self.phase, &row.content) {
            (Phase::Rows, _) => return self.take(&row),
            (Phase::Columns, Ok(record)) => self.columns.see(record, &self.setup.reading),
            (Phase::Columns, Err(message)) if self.setup.flags.on_error == OnError::Stop => {
                // Nothing has been learned yet, so the user can correct the row and begin anew.
                return Err(refuse(self.held.len() as u64 + 1, &row, message));
            }
            _ => {}
        }
        self.held.push(row);
        self.compare(Some(self.held.len() - 1), false);
        self.advance(false)
    }

    /// Takes the rows that were held back as soon as enough is known; at the `end` of the input what is known must
    /// do.
    fn advance(&mut self, end: bool) -> Result<(), Ended> {
        if self.phase == Phase::Columns
            && (end || self.setup.columns_are_known(&self.columns, self.format, &self.held))
        {
            let Some(first) = self.held.iter().position(|row| row.content.is_ok()) else { return Ok(()) };
            self.open(first)?;
            for row in 0..self.held.len() {
                self.compare(Some(row), false);
            }
        }
        if end {
            self.compare(None, true);
        }
        if self.phase == Phase::Rows {
            for row in std::mem::take(&mut self.held) {
                self.take(&row)?;
            }
        }
        Ok(())
    }

    /// Compares a row that was held back, by its index, with the inputs that the checkpoint remembers. Once it is
    /// known which input this is, rows are taken.
    fn compare(&mut self, row: Option<usize>, end: bool) {
        let Some(open) = self.open.as_mut().filter(|_| self.phase == Phase::Source) else { return };
        let sources = &mut open.state.sources;
        if sources.compare(row.map(|row| self.held[row].hash()), end) {
            self.phase = Phase::Rows;
            self.tell_skipped();
        }
    }

    /// Notes how many rows of the input are skipped because the checkpoint has seen them.
    fn tell_skipped(&self) {
        let Some(open) = &self.open else { return };
        let name = self.setup.input();
        let told = match (open.state.sources.skipped(), self.setup.flags.skip_seen) {
            (0, SkipSeen::Auto) if self.setup.regular => {
                format!("{name} is new: none of its rows is skipped")
            }
            (skipped, SkipSeen::Auto) if self.setup.regular => {
                format!("the first {skipped} rows of {name} are skipped: they were seen before")
            }
            (skipped, SkipSeen::Yes) => {
                format!("the first {skipped} rows of {name} are skipped, as asked for")
            }
            _ => format!("none of the rows of {name} is skipped"),
        };
        self.setup.note(&told);
    }

    /// Scores a row, learns from it and writes what was predicted; or skips it.
    fn take(&mut self, row: &Row) -> Result<(), Ended> {
        self.position += 1;
        let Some(open) = &mut self.open else { return Ok(()) };
        match open.state.sources.take(row.hash()) {
            Taken::New => {}
            Taken::Seen => return Ok(()),
            Taken::Changed => {
                let message = format!(
                    "the input begins like one of which {} rows were seen, but these are not the same ones: it has \
                     changed; give --skip-seen yes to skip them all the same, or no to learn from all rows",
                    self.position
                );
                return Err(at(self.position, row, &message).into());
            }
        }
        let record = match &row.content {
            Ok(record) => record,
            Err(message) => return self.bad(row, message),
        };
        if let Err(message) = open.layout.read(record, &self.setup.reading, &open.used, &mut open.sample) {
            return self.bad(row, &message);
        }
        let gap = match open.state.pass(&open.sample, self.setup.flags.gap) {
            Ok(gap) => gap,
            Err(message) => return self.bad(row, &message),
        };
        let (forecasts, key) = (&mut open.state.forecasts, &open.sample.key);
        let before = forecasts.counts();
        let tried = forecasts.one().is_some_and(|one| one.trial().1.is_none());
        let report = forecasts.step(key, &open.sample.values).map_err(Failure::from)?;
        if let Some(curve) = &mut self.curve {
            curve.add(report);
        }
        let number = before.rows + 1;
        open.kept.read(row, record);
        open.output.write(number, report, open.kept.text(), &open.sample.class)?;
        if let Some(recent) = &mut open.recent {
            recent.add(key, number, row, record, report, &open.sample.class)?;
        }
        open.state.sources.keep();
        let counts = forecasts.counts();
        let chosen = forecasts.one().filter(|_| tried).and_then(output::chosen);
        chosen.into_iter().for_each(|told| self.setup.note(&told));
        if let Some(gap) = gap.filter(|_| self.gaps < NOTED) {
            self.gaps += 1;
            let row = counts.rows;
            self.setup.note(&format!("row {row}: {gap} since the row before: the net's state begins anew"));
        }
        if counts.resets > before.resets {
            self.setup.note(&format!("row {}: a number was not finite; the net begins anew", counts.rows));
        }
        self.look_at_others(record);
        Ok(())
    }

    /// Notes a number in a column that is not used, once for each column.
    fn look_at_others(&mut self, record: &Record) {
        let stream = &self.setup.config.stream;
        let chosen = !stream.input.is_empty() && !stream.target.is_empty();
        let Some(open) = self.open.as_ref().filter(|_| !chosen && self.overlooked.len() < NOTED) else {
            return;
        };
        if let Some(name) = open.layout.overlooked(record, &self.setup.reading, &open.used, &self.overlooked)
        {
            self.setup.note(&format!(
                "row {}: column `{name}` is left out, since the first rows had no number there: to use it, begin anew \
                 with --input and --target",
                self.position
            ));
            self.overlooked.push(name);
        }
    }

    /// A row that cannot be used ends the stream, or is left out: the first one with a note.
    fn bad(&mut self, row: &Row, message: &str) -> Result<(), Ended> {
        if self.setup.flags.on_error == OnError::Stop {
            return Err(refuse(self.position, row, message));
        }
        if self.rejected.is_none() {
            let first = at(self.position, row, message);
            self.setup.note(&format!("{first}; it is left out, as all such rows from here on are"));
            self.rejected = Some(first);
        }
        if let Some(open) = &mut self.open {
            open.state.forecasts.leave_out(1);
            open.state.sources.keep();
        }
        Ok(())
    }

    /// Chooses the columns, and makes everything that needs them; `first` is the index of the first row held back
    /// that can be read.
    fn open(&mut self, first: usize) -> Result<(), Ended> {
        let row = &self.held[first];
        let blame = |message: &str| Ended::Refused(at(first as u64 + 1, row, message));
        let header = self.header.is_some();
        let open = self.setup.open(&mut self.columns, header, self.format, Some(row), blame)?;
        self.begin(open);
        Ok(())
    }

    fn begin(&mut self, mut open: Open) {
        let sources = &mut open.state.sources;
        self.phase = Phase::Rows;
        match self.setup.flags.skip_seen {
            SkipSeen::Auto if self.setup.regular && !sources.is_empty() => self.phase = Phase::Source,
            SkipSeen::Yes => sources.begin_last(),
            _ => sources.begin_new(),
        }
        self.saved_at.0 = open.state.forecasts.counts().rows;
        let told = self.phase == Phase::Rows && open.restored;
        self.open = Some(open);
        if told {
            self.tell_skipped();
        }
    }

    fn save_if_due(&mut self) -> Result<(), Ended> {
        let Some(open) = self.open.as_mut().filter(|_| self.setup.flags.checkpoint.is_some()) else {
            return Ok(());
        };
        let rows = open.state.forecasts.counts().rows - self.saved_at.0;
        let due = self.setup.flags.checkpoint_rows.is_some_and(|every| rows >= every)
            || self.saved_at.1.elapsed() >= Duration::from_secs(self.setup.flags.checkpoint_seconds);
        if due && rows > 0 {
            // The predictions for all rows that the state has seen go before the state.
            open.output.flush()?;
            self.save()?;
        }
        Ok(())
    }

    fn save(&mut self) -> Result<(), Failure> {
        let (Some(open), Some(path)) = (&mut self.open, &self.setup.flags.checkpoint) else { return Ok(()) };
        let rows = open.state.forecasts.counts().rows;
        if rows == 0 {
            return Ok(());
        }
        rtrl_checkpoint::save(path, |archive| open.state.persist(archive))
            .map_err(|error| Failure::new(format!("checkpoint {}: {error}", path.display())))?;
        self.saved_at = (rows, Instant::now());
        Ok(())
    }

    /// Checks an input that has ended: it must have had a row that can be used, and all rows that were to be
    /// skipped.
    fn end(&self) -> Result<(), Ended> {
        let Some(open) = &self.open else {
            let found = match (&self.header, self.left_out.comments, self.held.len()) {
                (_, _, 1..) => "no row that can be read: see the first lines",
                (Some(_), ..) => "a header and no row: there is nothing to learn from",
                (None, 1.., _) => "comments and no row: if these are rows, give --comment none",
                _ => "no row: there is nothing to learn from",
            };
            return Err(Ended::Refused(Failure::new(format!("the input has {found}"))));
        };
        let sources = &open.state.sources;
        if sources.is_short() {
            let (rows, seen) = (self.position, sources.skipped());
            let message = format!(
                "the input has {rows} rows, and begins like one of which {seen} were seen: it was cut or replaced; give \
                 --skip-seen no to learn from all of its rows, or yes to skip them"
            );
            return Err(Failure::new(message).into());
        }
        match &self.rejected {
            Some(first) if open.state.forecasts.counts().rows == 0 => {
                Err(Failure::new(format!("none of the rows can be used; the first: {first}")).into())
            }
            _ => Ok(()),
        }
    }

    /// Ends the stream: flushes the output, saves the checkpoint, prints the summary and draws the figure, as far
    /// as the reason for its end allows.
    ///
    /// # Errors
    /// The reason for the end, unless the input has ended or nobody reads the output; or that the checkpoint or
    /// the figure cannot be written.
    pub fn finish(&mut self, ended: Result<(), Ended>) -> Result<(), Failure> {
        let written = match (&ended, &mut self.open) {
            (Err(Ended::NobodyReads | Ended::Lost(_)), _) | (_, None) => Ok(()),
            (_, Some(open)) => open.output.flush().map_err(Ended::from),
        };
        let ended = written.and(ended);
        // A state that has seen rows whose predictions are lost is not saved: it would skip these rows the next
        // time.
        if !matches!(ended, Err(Ended::NobodyReads | Ended::Lost(_))) {
            self.save()?;
        }
        let ended = match (ended, &self.open) {
            (Err(Ended::Bad(failure) | Ended::Refused(failure) | Ended::Lost(failure)), _) => {
                return Err(failure);
            }
            (Err(Ended::Asked), None) => return Err(Failure::stopped()),
            (Err(Ended::NobodyReads) | Ok(()), None) => return Ok(()),
            (ended, Some(open)) => {
                match (&ended, &self.setup.flags.checkpoint) {
                    (Err(Ended::NobodyReads), Some(path)) => self.setup.note(&format!(
                        "nobody reads the predictions any more: {} stays at row {}",
                        path.display(),
                        self.saved_at.0
                    )),
                    (Err(Ended::NobodyReads), None) => {}
                    _ => {
                        let settings = &self.setup.config.stream;
                        let mut told = summary(&open.state.forecasts, settings, self.left_out);
                        match open.state.gaps() {
                            0 => {}
                            1 => told += "; 1 gap",
                            gaps => told += &format!("; {gaps} gaps"),
                        }
                        self.setup.note(&told);
                    }
                }
                ended
            }
        };
        if let (Some(curve), Some(path)) = (&self.curve, &self.setup.flags.plot) {
            curve.draw(path)?;
        }
        if matches!(ended, Err(Ended::Asked)) { Err(Failure::stopped()) } else { Ok(()) }
    }
}

/// A failure at row `position`, with its lines and what is wrong.
fn at(position: u64, row: &Row, message: &str) -> Failure {
    let (first, last) = (row.line, row.line + row.lines - 1);
    let lines = if first == last { format!("line {first}") } else { format!("lines {first} to {last}") };
    Failure::new(format!("row {position} ({lines}): {message}"))
}

fn refuse(position: u64, row: &Row, message: &str) -> Ended {
    Ended::Refused(at(
        position,
        row,
        &format!("{message}; correct it, or leave such rows out by --on-error skip"),
    ))
}
