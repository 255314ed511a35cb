//! One lane of a table: the rows of a span, one after the other.

use serde::{Deserialize, Serialize};

use super::encoder::Encoder;
use super::error::TableFault;
use super::index::Index;
use super::parts::Span;
use super::source::{Cursor, Files, Place};
use crate::TaskError;

/// What a table is read with: all lanes share it.
#[derive(Debug)]
pub(super) struct Table {
    pub files: std::sync::Arc<Files>,
    pub index: Index,
    pub encoder: Encoder,
    /// Rows from an input to its target.
    pub horizon: u64,
    /// Whether the last row of a sequence alone has a target.
    pub at_end: bool,
}

/// What a lane needs to go on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LaneState {
    /// Index of the span that is read; `None` if the lane has nothing to read.
    span: Option<u64>,
    /// Rows of it that were handed out.
    at: u64,
    /// Values of the inputs in the row that was handed out last, `[inputs]`; before the first row, those of no
    /// value.
    before: Vec<f64>,
}

/// Reads spans, and remembers as many rows as a target is ahead of its input.
#[derive(Debug)]
pub(super) struct Lane {
    state: LaneState,
    cursor: Cursor,
    /// The values of the last `horizon + 1` rows, `[horizon + 1][inputs + targets]`.
    ring: Vec<f64>,
    /// Where those rows begin, `[horizon + 1]`.
    places: Vec<Option<Place>>,
    /// Rows of the span that are or were in the ring.
    read: u64,
    /// Values of the inputs in the row that was read last, `[inputs]`.
    last: Vec<f64>,
    text: String,
}

/// What a lane hands out at a step.
pub(super) struct Now<'a> {
    /// Values of the inputs.
    pub inputs: &'a [f64],
    /// Values of the targets, if there are any.
    pub targets: Option<&'a [f64]>,
    /// Whether this is the first row of the span.
    pub starts: bool,
}

impl Lane {
    /// A lane without anything to read.
    pub fn new(table: &Table) -> Result<Self, TaskError> {
        let (slots, (inputs, targets)) = (table.horizon as usize + 1, table.encoder.len());
        let mut before = vec![0.0; inputs];
        table.encoder.nothing(&mut before);
        Ok(Self {
            state: LaneState { span: None, at: 0, before },
            cursor: Cursor::new(&table.files)?,
            ring: vec![0.0; slots * (inputs + targets)],
            places: vec![None; slots],
            read: 0,
            last: vec![0.0; inputs],
            text: String::new(),
        })
    }

    /// Begins the span of index `index`, or nothing.
    pub fn begin(&mut self, table: &Table, spans: &[Span], index: Option<u64>) -> Result<(), TaskError> {
        (self.state.span, self.state.at) = (index, 0);
        table.encoder.nothing(&mut self.state.before);
        self.rewind(table, spans)
    }

    /// What the lane needs to go on.
    pub fn state(&self) -> LaneState {
        self.state.clone()
    }

    /// Goes on from a saved state, which must fit the spans; returns whether it does.
    pub fn restore(&mut self, state: LaneState, table: &Table, spans: &[Span]) -> Result<bool, TaskError> {
        let rows = match state.span {
            Some(span) => usize::try_from(span).ok().and_then(|span| spans.get(span)).map(|span| span.rows),
            None => Some(0),
        };
        let fits = state.before.len() == self.last.len() && rows.is_some_and(|rows| state.at <= rows);
        if fits {
            self.state = state;
            self.rewind(table, spans)?;
        }
        Ok(fits)
    }

    /// Goes to where the state says.
    fn rewind(&mut self, table: &Table, spans: &[Span]) -> Result<(), TaskError> {
        let LaneState { span, at, before } = &self.state;
        self.read = *at;
        self.last.copy_from_slice(before);
        match span.map(|span| spans[span as usize]) {
            Some(span) if *at < span.rows => table.index.go_to(&mut self.cursor, span.first + at),
            _ => Ok(()),
        }
    }

    /// Whether all rows of the span have been handed out.
    pub fn is_done(&self, spans: &[Span]) -> bool {
        self.state.span.is_none_or(|span| spans[span as usize].rows == self.state.at)
    }

    /// The next row of the span, or `None` without a span. It must not be done.
    pub fn next(&mut self, table: &Table, spans: &[Span]) -> Result<Option<Now<'_>>, TaskError> {
        let Some(span) = self.state.span.map(|span| spans[span as usize]) else { return Ok(None) };
        let (at, horizon) = (self.state.at, table.horizon);
        let (inputs, targets) = table.encoder.len();
        let (slots, width) = (horizon + 1, inputs + targets);
        let range = |row: u64| {
            let begin = (row % slots) as usize * width;
            begin..begin + width
        };
        while self.read <= at + horizon && span.first + self.read < span.until {
            let row = &mut self.ring[range(self.read)];
            let Some(place) = self.cursor.next()? else {
                let reason = "the table has fewer rows than when it was opened: leave its files alone".into();
                let first = table.index.sequence(span.first).place;
                return Err(table.files.error(first, None, TableFault::Malformed { reason }));
            };
            if let Some(content) = self.cursor.content() {
                let asked = !table.at_end || self.read + 1 == span.rows;
                table.encoder.encode(
                    &table.files,
                    &content,
                    place,
                    asked,
                    &self.last,
                    &mut self.text,
                    row,
                )?;
            }
            self.last.copy_from_slice(&row[..inputs]);
            self.places[(self.read % slots) as usize] = Some(place);
            self.read += 1;
        }
        let now = range(at).start..range(at).start + inputs;
        self.state.before.copy_from_slice(&self.ring[now.clone()]);
        let has_target = if table.at_end { at + 1 == span.rows } else { at + horizon < self.read };
        let ahead = range(at + horizon);
        self.state.at += 1;
        Ok(Some(Now {
            inputs: &self.ring[now],
            targets: has_target.then(|| &self.ring[ahead][inputs..]),
            starts: at == 0,
        }))
    }

    /// The values of the inputs that were handed out last.
    pub fn inputs(&self) -> &[f64] {
        &self.state.before
    }

    /// Where the row that was handed out last begins.
    pub fn place(&self) -> Option<Place> {
        let at = self.state.at.checked_sub(1)?;
        self.places[(at % self.places.len() as u64) as usize]
    }
}
