//! Arrays of numbers in NPY and NPZ files.

use std::fs::File;
use std::io;
use std::path::Path;

use zip::ZipArchive;

use super::error::{TableError, TableFault};
use crate::{Corpus, TaskError};

/// Bytes of an array that are read at a time, unless a row has more.
const BLOCK: u64 = 1 << 16;

/// What a file is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Npy,
    Npz,
}

impl Kind {
    /// The kind in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Npy => "an NPY file",
            Self::Npz => "an NPZ file",
        }
    }
}

/// The kind of a file.
pub(super) fn kind(data: &Corpus) -> Result<Kind, TaskError> {
    let mut begin = [0; 6];
    let len = data.len().min(6) as usize;
    data.read_exact_at(0, &mut begin[..len])?;
    Ok(match &begin {
        b"\x93NUMPY" => Kind::Npy,
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Kind::Npz,
        _ => Kind::Text,
    })
}

fn refused(path: &Path, reason: String) -> TaskError {
    let (path, fault) = (path.to_path_buf(), TableFault::Array { reason });
    TaskError::Table(Box::new(TableError { path, row: None, column: None, fault }))
}

/// The arrays of an NPZ file by name, in the order of the file. Each is unpacked into a temporary file that has
/// no name: what is compressed cannot be read by position.
pub(super) fn unpack(path: &Path) -> Result<Vec<(String, Corpus)>, TaskError> {
    let failed = |error: &dyn ToString| refused(path, format!("cannot unpack it: {}", error.to_string()));
    let file = File::open(path).map_err(|source| TaskError::opening(path, source))?;
    let mut archive = ZipArchive::new(file).map_err(|error| failed(&error))?;
    let mut arrays = Vec::new();
    for i in 0..archive.len() {
        let mut member = archive.by_index(i).map_err(|error| failed(&error))?;
        let name = member.name().map_err(|error| failed(&error))?;
        let Some(name) = name.strip_suffix(".npy").map(String::from) else { continue };
        let mut unpacked = tempfile::tempfile().map_err(|error| failed(&error))?;
        io::copy(&mut member, &mut unpacked).map_err(|error| failed(&error))?;
        let data = Corpus::from_file(unpacked, &path.join(&name))?;
        arrays.push((name, data));
    }
    if arrays.is_empty() {
        return Err(refused(path, "there is no array in it".into()));
    }
    Ok(arrays)
}

/// Longest header that is read, in bytes. Those of tables have about a hundred.
const HEADER: u64 = 1 << 16;

/// The elements of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Element {
    /// `f` for numbers with a point, `i` and `u` for whole ones, `b` for truth values.
    letter: u8,
    /// Bytes of an element.
    size: usize,
    /// Whether the most significant byte comes first.
    is_big: bool,
}

impl Element {
    /// The type that NumPy describes as `descr`, such as `<f8`; `None` if it is none of numbers.
    fn new(descr: &str) -> Option<Self> {
        let &[order, letter, size] = descr.as_bytes() else { return None };
        let size = match (letter, size) {
            (b'f' | b'i' | b'u', b'8') => 8,
            (b'f' | b'i' | b'u', b'4') => 4,
            (b'i' | b'u', b'2') => 2,
            (b'i' | b'u' | b'b', b'1') => 1,
            _ => return None,
        };
        matches!(order, b'<' | b'>' | b'|').then_some(Self { letter, size, is_big: order == b'>' })
    }

    /// The number that `bytes` are.
    fn decode(self, bytes: &[u8]) -> f64 {
        let mut all = [0; 8];
        // Whole numbers are extended by their sign, which is the highest bit of the last byte.
        let last = if self.is_big { bytes.first() } else { bytes.last() };
        if self.letter == b'i' && last.is_some_and(|&byte| byte >= 128) {
            all = [255; 8];
        }
        for (i, to) in all.iter_mut().enumerate().take(self.size) {
            *to = bytes[if self.is_big { self.size - 1 - i } else { i }];
        }
        match (self.letter, self.size) {
            (b'f', 8) => f64::from_le_bytes(all),
            (b'f', _) => f64::from(f32::from_bits(u64::from_le_bytes(all) as u32)),
            (b'i', _) => i64::from_le_bytes(all) as f64,
            _ => u64::from_le_bytes(all) as f64,
        }
    }
}

/// What follows `key` in a header, which is a dictionary as Python writes it: `{'descr': '<f8',
/// 'fortran_order': False, 'shape': (3, 2), }`.
fn value<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let quoted = ['\'', '"'].map(|quote| format!("{quote}{key}{quote}"));
    let after = quoted.iter().find_map(|key| header.split_once(key.as_str()))?.1;
    Some(after.trim_start().strip_prefix(':')?.trim_start())
}

/// The layout of an array.
pub(super) struct Array {
    /// Number of rows.
    pub rows: u64,
    /// Number of columns.
    pub columns: usize,
    /// Offset of the first element.
    begin: u64,
    element: Element,
    /// Whether the elements of a column follow one another, instead of those of a row.
    by_columns: bool,
}

impl Array {
    /// Reads the header, in any version of the format.
    pub fn new(path: &Path, data: &Corpus) -> Result<Self, TaskError> {
        let damaged = || refused(path, "its header is no header of an NPY file".into());
        // Six bytes of magic, two of the version, and the length of the header in two bytes or in four.
        let mut begin = [0; 12];
        if data.len() < 12 {
            return Err(damaged());
        }
        data.read_exact_at(0, &mut begin)?;
        let (at, len) = match begin[6] {
            1 => (10, u64::from(u16::from_le_bytes([begin[8], begin[9]]))),
            2 | 3 => (12, u64::from(u32::from_le_bytes([begin[8], begin[9], begin[10], begin[11]]))),
            _ => return Err(damaged()),
        };
        if len > HEADER || at + len > data.len() {
            return Err(damaged());
        }
        let mut header = vec![0; len as usize];
        data.read_exact_at(at, &mut header)?;
        let header = String::from_utf8(header).map_err(|_| damaged())?;
        let inside = |text: &'_ str, open, close| -> Option<String> {
            Some(text.strip_prefix(open)?.split_once(close)?.0.to_string())
        };
        let descr = value(&header, "descr").ok_or_else(damaged)?;
        let descr = inside(descr, '\'', '\'').or_else(|| inside(descr, '"', '"'));
        let Some(element) = descr.as_deref().and_then(Element::new) else {
            let reason =
                format!("an array of type {}: give one of numbers", descr.unwrap_or("record".into()));
            return Err(refused(path, reason));
        };
        let by_columns = match value(&header, "fortran_order").ok_or_else(damaged)? {
            order if order.starts_with("True") => true,
            order if order.starts_with("False") => false,
            _ => return Err(damaged()),
        };
        let shape = value(&header, "shape").and_then(|text| inside(text, '(', ')')).ok_or_else(damaged)?;
        let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
        let sizes: Vec<u64> = sizes.map(str::parse).collect::<Result<_, _>>().map_err(|_| damaged())?;
        let (rows, columns) = match *sizes.as_slice() {
            [rows] => (rows, 1),
            [rows, columns] => (rows, columns),
            _ => {
                let reason = format!("an array of {} dimensions: give a table, rows × columns", sizes.len());
                return Err(refused(path, reason));
            }
        };
        let (begin, size) = (at + len, element.size as u64);
        let bytes = rows.checked_mul(columns).and_then(|count| count.checked_mul(size));
        if bytes.is_none_or(|bytes| bytes > data.len() - begin) || columns == 0 {
            let reason = format!("{rows} × {columns} numbers of {size} bytes do not fit into the file");
            return Err(refused(path, reason));
        }
        if rows == 0 {
            let (path, fault) = (path.to_path_buf(), TableFault::NoRows);
            return Err(TaskError::Table(Box::new(TableError { path, row: None, column: None, fault })));
        }
        Ok(Self { rows, columns: columns as usize, begin, element, by_columns })
    }
}

/// Consecutive rows of an array in memory, one of which is the current one.
#[derive(Default)]
pub(super) struct Block {
    bytes: Vec<u8>,
    /// The first row, and the number of rows.
    first: u64,
    count: u64,
    /// The current row.
    row: Vec<f64>,
}

impl Block {
    /// Forgets all rows: those to come may be of another array.
    pub fn clear(&mut self) {
        self.count = 0;
    }

    /// The current row.
    pub fn row(&self) -> &[f64] {
        &self.row
    }

    /// Makes `row` the current row. Returns whether the array has one.
    pub fn read(&mut self, array: &Array, data: &Corpus, row: u64) -> Result<bool, TaskError> {
        if row >= array.rows {
            return Ok(false);
        }
        let (columns, size) = (array.columns as u64, array.element.size as u64);
        if row < self.first || row - self.first >= self.count {
            self.count = 0;
            let count = (BLOCK / (columns * size)).max(1).min(array.rows - row);
            self.bytes.resize((count * columns * size) as usize, 0);
            if array.by_columns {
                let pieces = self.bytes.chunks_exact_mut((count * size) as usize);
                for (j, piece) in pieces.enumerate() {
                    let at = j as u64 * array.rows + row;
                    data.read_exact_at(array.begin + at * size, piece)?;
                }
            } else {
                data.read_exact_at(array.begin + row * columns * size, &mut self.bytes)?;
            }
            (self.first, self.count) = (row, count);
        }
        let within = row - self.first;
        self.row.clear();
        for j in 0..columns {
            let at = if array.by_columns { j * self.count + within } else { within * columns + j };
            let bytes = &self.bytes[(at * size) as usize..][..size as usize];
            self.row.push(array.element.decode(bytes));
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_every_type_and_order() {
        let decode = |descr: &str, bytes: &[u8]| Element::new(descr).unwrap().decode(bytes);
        for x in [-2.5, 0.0, 1e30, f64::INFINITY] {
            assert_eq!(decode("<f8", &x.to_le_bytes()), x);
            assert_eq!(decode(">f8", &x.to_be_bytes()), x);
            assert_eq!(decode("<f4", &(x as f32).to_le_bytes()), f64::from(x as f32));
            assert_eq!(decode(">f4", &(x as f32).to_be_bytes()), f64::from(x as f32));
        }
        assert!(decode("<f8", &f64::NAN.to_le_bytes()).is_nan());
        for x in [i16::MIN, -300, -1, 0, 1, 300, i16::MAX] {
            assert_eq!(decode("<i2", &x.to_le_bytes()), f64::from(x));
            assert_eq!(decode(">i2", &x.to_be_bytes()), f64::from(x));
            assert_eq!(decode("<i4", &i32::from(x).to_le_bytes()), f64::from(x));
            assert_eq!(decode(">i8", &i64::from(x).to_be_bytes()), f64::from(x));
            assert_eq!(decode("<u2", &x.cast_unsigned().to_le_bytes()), f64::from(x.cast_unsigned()));
        }
        assert_eq!(decode("<u8", &u64::MAX.to_le_bytes()), u64::MAX as f64);
        assert_eq!((decode("|i1", &[200]), decode("|u1", &[200]), decode("|b1", &[1])), (-56.0, 200.0, 1.0));
        for descr in ["<f2", "<c8", "<U4", "|S3", "<M8[ns]", "f8", "", "<f16", "?f8", "<b4"] {
            assert_eq!(Element::new(descr), None, "{descr}");
        }
    }

    #[test]
    fn headers_of_every_version_and_damaged_ones() {
        let file = |version: u8, header: &str| {
            let mut bytes = b"\x93NUMPY".to_vec();
            bytes.extend([version, 0]);
            match version {
                1 => bytes.extend((header.len() as u16).to_le_bytes()),
                _ => bytes.extend((header.len() as u32).to_le_bytes()),
            }
            bytes.extend(header.as_bytes());
            bytes.extend([0; 48]);
            bytes
        };
        let read = |bytes: Vec<u8>| Array::new(Path::new("x.npy"), &Corpus::from_bytes(bytes).unwrap());
        let good = "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }\n";
        for version in [1, 2, 3] {
            let array = read(file(version, good)).unwrap();
            assert_eq!((array.rows, array.columns, array.by_columns), (3, 2, false));
        }
        let other = "{\"shape\":(6,),\"fortran_order\":True,\"descr\":\"<f8\"}";
        let array = read(file(1, other)).unwrap();
        assert_eq!((array.rows, array.columns, array.by_columns), (6, 1, true));
        for wrong in [
            "",
            "{}",
            &good.replace("descr", "type"),
            &good.replace("False", "Maybe"),
            &good.replace('(', "["),
            &good.replace('3', "-3"),
            &good.replace('3', "x"),
            &good.replace('3', "4"),
            &good.replace("3, 2", ""),
            &good.replace('3', "99999999999999999999"),
            &good.replace("2)", "0)"),
            &good.replace("'<f8'", "[('x', '<f8')]"),
        ] {
            assert!(read(file(1, wrong)).is_err(), "{wrong}");
        }
        assert!(read(file(4, good)).is_err());
        // However much of it is there, nothing panics.
        let all = file(1, good);
        for len in 1..all.len() {
            assert!(read(all[..len].to_vec()).is_err(), "{len} bytes");
        }
    }
}
