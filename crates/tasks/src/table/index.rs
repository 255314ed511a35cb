//! Where the sequences of a table are.

use std::collections::HashSet;
use std::sync::Arc;

use super::cell::{Cell, category, shown};
use super::encoder::cell;
use super::error::TableFault;
use super::rows::hash;
use super::source::{Content, Cursor, Files, Place};
use crate::TaskError;

/// Most places that are kept, beside those where sequences begin. From half as many on, they are spread evenly.
const MARKERS: usize = 4096;

/// Consecutive rows with one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sequence {
    /// The first row, counted through all files from 0.
    pub first: u64,
    /// Number of rows.
    pub rows: u64,
    /// Where it begins.
    pub place: Place,
}

/// Where rows are: the beginnings of all sequences, and a fixed number of places between them.
#[derive(Debug)]
pub(super) struct Index {
    /// The sequences, in the order of the files.
    pub sequences: Vec<Sequence>,
    /// The places of the rows of which `every` divides the number.
    markers: Vec<Place>,
    every: u64,
}

impl Index {
    /// Reads all rows, hands each to `see`, and notes where sequences begin: with each value of the column of index
    /// `sequence`, or with each file.
    pub fn new(
        files: &Arc<Files>,
        sequence: Option<usize>,
        mut see: impl FnMut(&Content<'_>),
    ) -> Result<Self, TaskError> {
        let mut index = Self { sequences: Vec::new(), markers: Vec::new(), every: 1 };
        let mut cursor = Cursor::new(files)?;
        let (mut row, mut file, mut text) = (0, None, String::new());
        // Names of the sequences of the file so far, by hash, and that of the last.
        let (mut known, mut last) = (HashSet::new(), None);
        while let Some(place) = cursor.next()? {
            let Some(content) = cursor.content() else { continue };
            let mut name = None;
            if let Some(column) = sequence {
                let column_name = &files.columns[column];
                match cell(files, &content, Some(column), column_name) {
                    Cell::Missing => return Err(files.error(place, Some(column_name), TableFault::Missing)),
                    cell => name = Some(hash(category(&cell, &mut text).as_bytes())),
                }
            }
            let new_file = file.replace(place.file) != Some(place.file);
            if new_file {
                known.clear();
            }
            if new_file || name != last {
                if let Some(name) = name
                    && !known.insert(name)
                {
                    let column = sequence.map(|column| files.columns[column].as_str());
                    return Err(files.error(place, column, TableFault::Scattered { name: shown(&text) }));
                }
                index.sequences.push(Sequence { first: row, rows: 0, place });
                last = name;
            }
            if let Some(sequence) = index.sequences.last_mut() {
                sequence.rows += 1;
            }
            index.mark(row, place);
            see(&content);
            row += 1;
        }
        Ok(index)
    }

    fn mark(&mut self, row: u64, place: Place) {
        if !row.is_multiple_of(self.every) {
            return;
        }
        if self.markers.len() == MARKERS {
            let mut odd = true;
            self.markers.retain(|_| {
                odd = !odd;
                !odd
            });
            self.every *= 2;
        }
        if row.is_multiple_of(self.every) {
            self.markers.push(place);
        }
    }

    /// The nearest row that is not behind `row` and of which the place is known, and its place.
    fn before(&self, row: u64) -> (u64, Place) {
        let marker = (row / self.every).min(self.markers.len() as u64 - 1);
        let known = (marker * self.every, self.markers[marker as usize]);
        let sequence = self.sequences.partition_point(|sequence| sequence.first <= row);
        match self.sequences.get(sequence.saturating_sub(1)) {
            Some(sequence) if sequence.first > known.0 && sequence.first <= row => {
                (sequence.first, sequence.place)
            }
            _ => known,
        }
    }

    /// Moves the cursor so that it reads `row` next.
    pub fn go_to(&self, cursor: &mut Cursor, row: u64) -> Result<(), TaskError> {
        let (known, place) = self.before(row);
        cursor.go_to(place)?;
        for _ in known..row {
            cursor.next()?;
        }
        Ok(())
    }

    /// The sequence that has `row`.
    pub fn sequence(&self, row: u64) -> &Sequence {
        let after = self.sequences.partition_point(|sequence| sequence.first <= row);
        &self.sequences[after.saturating_sub(1)]
    }
}
