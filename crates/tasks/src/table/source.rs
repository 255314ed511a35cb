//! The files of a table, and reading their rows by position.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cell::Reading;
use super::error::{RowNumber, TableError, TableFault};
use super::header::{find, header, names, numbered};
use super::npy::{self, Array, Block};
use super::rows::{Dialect, Format, Record, Row, Rows};
use crate::{Corpus, TaskError};

/// Rows of JSON whose keys are looked at to find the columns.
const LOOKED_AT: usize = 100;

/// Where a row begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Index of the file.
    pub file: usize,
    /// Offset in bytes of a row of text; index of a row of an array.
    pub offset: u64,
    /// The line or the row, from 1.
    pub number: u64,
}

/// A file, or an array of an NPZ file.
struct Part {
    path: PathBuf,
    data: Corpus,
    /// The layout of an array; `None` for a text.
    array: Option<Array>,
    /// The first row of data.
    first: Place,
}

/// The files of a table, which have the same columns.
pub(super) struct Files {
    parts: Vec<Part>,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rules for texts, with the format and the delimiter that were found.
    dialect: Dialect,
    /// Rules for cells.
    pub reading: Reading,
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.parts.iter().map(|part| &part.path)).finish()
    }
}

/// The content of a row.
pub(super) enum Content<'a> {
    /// A row of text.
    Text(&'a Record),
    /// A row of an array.
    Numbers(&'a [f64]),
}

/// The error at a row, or at a file if there is no row.
pub(super) fn fault(path: &Path, row: Option<RowNumber>, fault: TableFault) -> TaskError {
    TaskError::Table(Box::new(TableError { path: path.to_path_buf(), row, column: None, fault }))
}

/// The error of a reader of text: that of the file behind it, or a format that is not read.
fn reading_failed(path: &Path, error: io::Error) -> TaskError {
    match error.downcast::<TaskError>() {
        Ok(error) => error,
        Err(error) => fault(path, None, TableFault::Malformed { reason: error.to_string() }),
    }
}

impl Files {
    /// Opens the files, and finds their format and their columns.
    pub fn open(
        paths: &[PathBuf],
        dialect: Dialect,
        has_header: Option<bool>,
        reading: Reading,
    ) -> Result<Self, TaskError> {
        let mut files = Self { parts: Vec::new(), columns: Vec::new(), dialect, reading };
        let mut expected = None;
        for path in paths {
            let data = Corpus::open(path)?;
            let kind = npy::kind(&data)?;
            let expected = *expected.get_or_insert(kind);
            if kind != expected {
                let (found, expected) = (kind.name(), expected.name());
                return Err(fault(path, None, TableFault::OtherFormat { found, expected }));
            }
            match kind {
                npy::Kind::Text => files.add_text(path, data, has_header)?,
                npy::Kind::Npy => files.add_array(path.clone(), data)?,
                npy::Kind::Npz => {
                    for (name, data) in npy::unpack(path)? {
                        files.add_array(path.join(name), data)?;
                    }
                }
            }
        }
        for (second, name) in files.columns.iter().enumerate() {
            if let Some(first) = files.columns[..second].iter().position(|column| column == name) {
                let fault = TableFault::Repeated { first: first + 1, second: second + 1 };
                let (path, column) = (files.parts[0].path.clone(), Some(name.clone()));
                return Err(TaskError::Table(Box::new(TableError { path, row: None, column, fault })));
            }
        }
        Ok(files)
    }

    /// Adds a part with the columns `columns`, which must be those of the first part.
    fn add(&mut self, part: Part, columns: Vec<String>) -> Result<(), TaskError> {
        if self.parts.is_empty() {
            self.columns = columns;
        } else if self.columns != columns {
            let expected = self.columns.clone();
            return Err(fault(&part.path, None, TableFault::OtherColumns { found: columns, expected }));
        }
        self.parts.push(part);
        Ok(())
    }

    fn add_array(&mut self, path: PathBuf, data: Corpus) -> Result<(), TaskError> {
        let array = Array::new(&path, &data)?;
        let columns = (0..array.columns).map(numbered).collect();
        let first = Place { file: self.parts.len(), offset: 0, number: 1 };
        self.add(Part { path, data, array: Some(array), first }, columns)
    }

    fn add_text(&mut self, path: &Path, data: Corpus, has_header: Option<bool>) -> Result<(), TaskError> {
        let failed = |error| reading_failed(path, error);
        let mut rows = Rows::new(Reader { data: data.clone(), at: 0 }, self.dialect);
        let Some(mut row) = rows.next_row().map_err(failed)? else {
            return Err(fault(path, None, TableFault::NoRows));
        };
        (self.dialect.format, self.dialect.delimiter) = (Some(rows.format()), Some(rows.delimiter()));
        let place = |row: &Row| Place { file: self.parts.len(), offset: row.offset, number: row.line };
        let record = malformed(path, &row)?;
        let mut first = place(&row);
        let columns = match record {
            Record::Cells(cells) => {
                let is_first = self.parts.is_empty();
                let found = match has_header {
                    Some(true) => Some(names(cells)),
                    Some(false) => None,
                    // A file is as the first file, whose names may be such as no header has.
                    None if is_first => header(record, &self.reading),
                    None => Some(names(cells))
                        .filter(|names| *names == self.columns)
                        .or_else(|| header(record, &self.reading)),
                };
                let count = cells.len();
                if found.is_some() {
                    match rows.next_row().map_err(failed)? {
                        Some(row) => first = place(&row),
                        None => return Err(fault(path, None, TableFault::NoRows)),
                    }
                }
                found.unwrap_or_else(|| (0..count).map(numbered).collect())
            }
            Record::Object(_) => {
                let mut columns: Vec<String> = Vec::new();
                for _ in 0..LOOKED_AT {
                    if let Record::Object(object) = malformed(path, &row)? {
                        columns.extend(object.keys().cloned());
                    }
                    if !rows.next_into(&mut row).map_err(failed)? {
                        break;
                    }
                }
                columns.sort_unstable();
                columns.dedup();
                if self.parts.is_empty() { columns } else { self.columns.clone() }
            }
        };
        self.add(Part { path: path.to_path_buf(), data, array: None, first }, columns)
    }

    /// The path of a file.
    pub fn path(&self, file: usize) -> &Path {
        &self.parts[file].path
    }

    /// Whether the files are JSON lines, whose rows may lack columns.
    pub fn is_json(&self) -> bool {
        self.dialect.format == Some(Format::Json)
    }

    /// Where a row stands, for a message.
    pub fn row_number(&self, place: Place) -> RowNumber {
        match self.parts[place.file].array {
            Some(_) => RowNumber::Row(place.number),
            None => RowNumber::Line(place.number),
        }
    }

    /// The error for a column that does not exist.
    pub fn no_column(&self, name: &str) -> TaskError {
        let (path, fault) =
            (self.path(0).to_path_buf(), TableFault::NoColumn { columns: self.columns.clone() });
        TaskError::Table(Box::new(TableError { path, row: None, column: Some(name.to_string()), fault }))
    }

    /// The index of a column, by name or by number from 1.
    pub fn find(&self, name: &str) -> Result<usize, TaskError> {
        find(&self.columns, name).ok_or_else(|| self.no_column(name))
    }

    /// A number that identifies the contents of the files.
    pub fn fingerprint(&self) -> Result<u64, TaskError> {
        let mut all = 0_u64;
        for part in &self.parts {
            all = all.rotate_left(1) ^ part.data.fingerprint()?;
        }
        Ok(all)
    }

    /// The error at a row, and at a column if one is to blame.
    pub fn error(&self, place: Place, column: Option<&str>, fault: TableFault) -> TaskError {
        let (path, row) = (self.path(place.file).to_path_buf(), Some(self.row_number(place)));
        TaskError::Table(Box::new(TableError { path, row, column: column.map(String::from), fault }))
    }
}

/// The record of a row, or the error that there is none.
fn malformed<'a>(path: &Path, row: &'a Row) -> Result<&'a Record, TaskError> {
    row.content.as_ref().map_err(|reason| {
        fault(path, Some(RowNumber::Line(row.line)), TableFault::Malformed { reason: reason.clone() })
    })
}

/// Reads bytes by position.
struct Reader {
    data: Corpus,
    at: u64,
}

impl Read for Reader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let len = self.data.len().saturating_sub(self.at).min(to.len() as u64) as usize;
        self.data.read_exact_at(self.at, &mut to[..len]).map_err(io::Error::other)?;
        self.at += len as u64;
        Ok(len)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let from = |base: u64, by: i64| {
            base.checked_add_signed(by).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
        };
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::Current(by) => from(self.at, by)?,
            SeekFrom::End(by) => from(self.data.len(), by)?,
        };
        Ok(self.at)
    }
}

/// The buffers with which rows are read.
enum Input {
    Text(Box<(Rows<Reader>, Row)>),
    Array(Block),
}

/// Reads rows, from any place on. It holds one buffer, whatever the size of the files.
pub(super) struct Cursor {
    files: Arc<Files>,
    input: Input,
    /// The place of the next row; for a text, of the row before it once there was one.
    next: Place,
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").field("next", &self.next).finish_non_exhaustive()
    }
}

impl Cursor {
    /// A cursor at the first row.
    pub fn new(files: &Arc<Files>) -> Result<Self, TaskError> {
        let part = &files.parts[0];
        let input = match part.array {
            Some(_) => Input::Array(Block::default()),
            None => {
                let reader = Reader { data: part.data.clone(), at: 0 };
                Input::Text(Box::new((Rows::new(reader, files.dialect), Row::default())))
            }
        };
        let mut cursor = Self { files: Arc::clone(files), input, next: part.first };
        cursor.go_to(part.first)?;
        Ok(cursor)
    }

    /// Goes on with the row at `place`.
    pub fn go_to(&mut self, place: Place) -> Result<(), TaskError> {
        self.next = place;
        let part = &self.files.parts[place.file];
        match &mut self.input {
            Input::Text(input) => input
                .0
                .go_to(place.offset, place.number, |reader| reader.data = part.data.clone())
                .map_err(|error| reading_failed(&part.path, error)),
            Input::Array(block) => {
                block.clear();
                Ok(())
            }
        }
    }

    /// Reads the next row, of the next file if this one has ended. Returns its place, or `None` behind the last
    /// row.
    pub fn next(&mut self) -> Result<Option<Place>, TaskError> {
        loop {
            let file = self.next.file;
            let part = &self.files.parts[file];
            let place = match (&mut self.input, &part.array) {
                (Input::Text(input), _) => {
                    let (rows, row) = &mut **input;
                    let more = rows.next_into(row).map_err(|error| reading_failed(&part.path, error))?;
                    more.then_some(Place { file, offset: row.offset, number: row.line })
                }
                (Input::Array(block), Some(array)) => {
                    let Place { offset, number, .. } = self.next;
                    let more = block.read(array, &part.data, offset)?;
                    self.next =
                        Place { file, offset: offset + u64::from(more), number: number + u64::from(more) };
                    more.then_some(Place { file, offset, number })
                }
                (Input::Array(_), None) => None,
            };
            match (place, self.files.parts.get(file + 1).map(|part| part.first)) {
                (Some(place), _) => return self.check(place).map(|()| Some(place)),
                (None, None) => return Ok(None),
                (None, Some(first)) => self.go_to(first)?,
            }
        }
    }

    /// Refuses a row that is not one, or has another number of cells.
    fn check(&self, place: Place) -> Result<(), TaskError> {
        let Input::Text(input) = &self.input else { return Ok(()) };
        match malformed(self.files.path(place.file), &input.1)? {
            Record::Cells(cells) if cells.len() != self.files.columns.len() => {
                let fault = TableFault::Ragged { found: cells.len(), expected: self.files.columns.len() };
                Err(self.files.error(place, None, fault))
            }
            _ => Ok(()),
        }
    }

    /// The content of the row that was read last.
    pub fn content(&self) -> Option<Content<'_>> {
        match &self.input {
            Input::Text(input) => input.1.content.as_ref().ok().map(Content::Text),
            Input::Array(block) => Some(Content::Numbers(block.row())),
        }
    }
}
