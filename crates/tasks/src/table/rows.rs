//! Rows from CSV or JSON lines.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Read, Seek};

use csv::ByteRecord;
use csv_core::ReadRecordResult;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::lines::{LONGEST, Line, Lines};

/// Most lines of one row, which has line ends inside quotes: a quote that is never closed must not swallow the
/// stream.
const TALLEST: usize = 64;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values, with or without a header.
    Csv,
    /// JSON lines: one object per line.
    Json,
}

/// What the user says about the format.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// The format; found from the first line if it is not given.
    pub format: Option<Format>,
    /// The delimiter of CSV; found from the first line if it is not given.
    pub delimiter: Option<u8>,
    /// First character of a comment line; `None` if there are no comments.
    pub comment: Option<u8>,
    /// Decimal sign of numbers. If it is a comma, no comma is found to be the delimiter.
    pub decimal: u8,
}

/// The content of a row.
#[derive(Debug, Clone)]
pub enum Record {
    /// Cells of a line of CSV.
    Cells(ByteRecord),
    /// A JSON object.
    Object(Map<String, Value>),
}

/// A row as it was read.
#[derive(Debug, Clone)]
pub struct Row {
    /// The line where it begins, from 1.
    pub line: u64,
    /// How many lines it takes.
    pub lines: u64,
    /// Offset of its first byte in the input.
    pub offset: u64,
    /// Its bytes, without the end of its last line; of a longer line the first MiB.
    pub text: Vec<u8>,
    /// Counts of lines without a row, from the beginning of the input to this row.
    pub left_out: LeftOut,
    /// Its content, or the message why it cannot be used.
    pub content: Result<Record, String>,
}

impl Default for Row {
    /// A row of nothing, to be filled by [`Rows::next_into`].
    fn default() -> Self {
        let (text, left_out) = (Vec::new(), LeftOut::default());
        Self { line: 0, lines: 0, offset: 0, text, left_out, content: Ok(Record::Cells(ByteRecord::new())) }
    }
}

impl Row {
    /// A hash of its bytes: equal rows have equal hashes, whatever ends their lines.
    #[must_use]
    pub fn hash(&self) -> u64 {
        hash(&self.text)
    }
}

/// Counts of lines without a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// Comment lines.
    pub comments: u64,
    /// Lines of nothing but white space.
    pub blank: u64,
}

/// Reads rows.
pub struct Rows<R> {
    lines: Lines<R>,
    /// Lines to read again: they followed a quote that turned out not to be closed.
    again: VecDeque<Line>,
    dialect: Dialect,
    csv: Option<csv_core::Reader>,
    /// Buffers for the cells of a row and for where they end.
    cells: Vec<u8>,
    ends: Vec<usize>,
    left_out: LeftOut,
}

impl<R: Read> Rows<R> {
    /// Reads from `from`.
    pub fn new(from: R, dialect: Dialect) -> Self {
        Self {
            lines: Lines::new(from),
            again: VecDeque::new(),
            dialect,
            csv: None,
            cells: Vec::new(),
            ends: Vec::new(),
            left_out: LeftOut::default(),
        }
    }

    /// The format: what was given, or found when the first row was read.
    #[must_use]
    pub fn format(&self) -> Format {
        self.dialect.format.unwrap_or(Format::Csv)
    }

    /// The delimiter: what was given, or found when the first row was read.
    #[must_use]
    pub fn delimiter(&self) -> u8 {
        self.dialect.delimiter.unwrap_or(b',')
    }

    /// Lines without a row so far.
    #[must_use]
    pub fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// The next row, or `None` at the end.
    ///
    /// # Errors
    /// If the input cannot be read, or is UTF-16.
    pub fn next_row(&mut self) -> std::io::Result<Option<Row>> {
        let mut row = Row::default();
        Ok(self.next_into(&mut row)?.then_some(row))
    }

    /// Reads the next row into `row`, whose memory is used again: rows of CSV that are no longer than earlier
    /// ones need no new memory. Returns whether there was one; if not, the content of `row` is unspecified.
    ///
    /// # Errors
    /// As [`next_row`](Self::next_row).
    pub fn next_into(&mut self, row: &mut Row) -> std::io::Result<bool> {
        self.lines.recycle(std::mem::take(&mut row.text));
        while let Some(line) = self.line()? {
            let begin = line.text.trim_ascii_start();
            if self.dialect.comment.is_some() && begin.first() == self.dialect.comment.as_ref() {
                self.left_out.comments += 1;
            } else if begin.is_empty() && !line.text.contains(&self.delimiter()) {
                self.left_out.blank += 1;
            } else {
                self.row(line, row)?;
                return Ok(true);
            }
            self.lines.recycle(line.text);
        }
        Ok(false)
    }

    fn line(&mut self) -> std::io::Result<Option<Line>> {
        if let Some(line) = self.again.pop_front() {
            return Ok(Some(line));
        }
        let Some(mut line) = self.lines.next()? else { return Ok(None) };
        if line.number == 1 {
            if line.text.starts_with(b"\xff\xfe") || line.text.starts_with(b"\xfe\xff") {
                let message = "it is UTF-16: convert it first, by `iconv -f UTF-16 -t UTF-8`";
                return Err(Error::new(ErrorKind::InvalidData, message));
            }
            if line.text.starts_with(b"\xef\xbb\xbf") {
                line.text.drain(..3);
            }
        }
        Ok(Some(line))
    }

    fn row(&mut self, line: Line, row: &mut Row) -> std::io::Result<()> {
        (row.line, row.lines, row.offset) = (line.number, 1, line.offset);
        self.detect(&line.text);
        row.text = line.text;
        let before = std::mem::replace(&mut row.content, Err(String::new()));
        row.content = if line.whole {
            match self.format() {
                Format::Json => {
                    serde_json::from_slice(row.text.trim_ascii()).map(Record::Object).map_err(|error| {
                        // The library counts lines from the beginning of the row, so its position is left out.
                        let error = error.to_string();
                        format!("no JSON object: {}", error.split(" at line ").next().unwrap_or_default())
                    })
                }
                Format::Csv => {
                    let mut record = match before {
                        Ok(Record::Cells(record)) => record,
                        _ => ByteRecord::new(),
                    };
                    let closed = self.cells(&mut row.text, &mut row.lines, &mut record)?;
                    closed.then_some(Record::Cells(record)).ok_or_else(|| {
                        format!("a quote is opened, and not closed within {TALLEST} lines or {LONGEST} bytes")
                    })
                }
            }
        } else {
            Err(format!("the line has more than {LONGEST} bytes"))
        };
        row.left_out = self.left_out;
        Ok(())
    }

    /// Reads the cells of the row that begins with the line `text` into `record`. While a quote is open,
    /// further lines are added to `text` and counted in `lines`. Returns whether the quote is closed: if not,
    /// the row is the first line alone, and the others are read again.
    fn cells(
        &mut self,
        text: &mut Vec<u8>,
        lines: &mut u64,
        record: &mut ByteRecord,
    ) -> std::io::Result<bool> {
        let delimiter = self.delimiter();
        let mut csv = self.csv.take().unwrap_or_else(|| {
            let end = csv_core::Terminator::Any(b'\n');
            csv_core::ReaderBuilder::new().delimiter(delimiter).terminator(end).build()
        });
        let (mut cells, mut ends) = (std::mem::take(&mut self.cells), std::mem::take(&mut self.ends));
        let (mut read, mut cells_len, mut ends_len) = (0, 0, 0);
        let mut more: Vec<Line> = Vec::new();
        loop {
            text.push(b'\n');
            cells.resize(text.len(), 0);
            ends.resize(text.iter().filter(|&&byte| byte == delimiter).count() + 1, 0);
            let (result, taken, bytes, fields) =
                csv.read_record(&text[read..], &mut cells[cells_len..], &mut ends[ends_len..]);
            (read, cells_len, ends_len) = (read + taken, cells_len + bytes, ends_len + fields);
            if result == ReadRecordResult::Record {
                text.pop();
                *lines += more.len() as u64;
                record.clear();
                let begins = std::iter::once(0).chain(ends.iter().copied());
                for (from, &to) in begins.zip(&ends[..ends_len]) {
                    record.push_field(cells[from..to].trim_ascii());
                }
                (self.csv, self.cells, self.ends) = (Some(csv), cells, ends);
                return Ok(true);
            }
            let next = if more.len() + 1 < TALLEST && text.len() < LONGEST { self.line()? } else { None };
            let Some(next) = next else { break };
            let fits = next.whole && text.len() + next.text.len() <= LONGEST;
            text.extend_from_slice(&next.text);
            more.push(next);
            if !fits {
                break;
            }
        }
        let first = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
        text.truncate(first);
        more.into_iter().rev().for_each(|line| self.again.push_front(line));
        Ok(false)
    }

    /// Finds format and delimiter from the first line, unless they are given.
    fn detect(&mut self, line: &[u8]) {
        let json = line.trim_ascii_start().first() == Some(&b'{');
        self.dialect.format.get_or_insert(if json { Format::Json } else { Format::Csv });
        let decimal = self.dialect.decimal;
        self.dialect.delimiter.get_or_insert_with(|| delimiter(line, decimal));
    }
}

impl<R: Read + Seek> Rows<R> {
    /// Goes on with the row that begins at `offset`, in the line of number `line`. Changes made to the reader
    /// by `change` come first. Format and delimiter stay as they were found.
    ///
    /// # Errors
    /// If the input cannot be read from there.
    pub fn go_to(&mut self, offset: u64, line: u64, change: impl FnOnce(&mut R)) -> std::io::Result<()> {
        self.again.clear();
        self.lines.go_to(offset, line, change)
    }
}

/// The most frequent of comma, semicolon and tab outside quotes. A comma between digits may be a decimal comma,
/// and counts only if there is neither semicolon nor tab. With decimal commas, semicolon or tab.
fn delimiter(line: &[u8], decimal: u8) -> u8 {
    let mut quoted = false;
    let [mut tabs, mut semicolons, mut commas, mut decimals] = [0; 4];
    for (i, byte) in line.iter().enumerate() {
        let digit = |at: Option<&u8>| at.is_some_and(u8::is_ascii_digit);
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'\t' => tabs += 1,
            b';' => semicolons += 1,
            b',' if i > 0 && digit(line.get(i - 1)) && digit(line.get(i + 1)) => decimals += 1,
            b',' => commas += 1,
            _ => {}
        }
    }
    if decimal == b',' {
        return if tabs > semicolons { b'\t' } else { b';' };
    }
    if tabs + semicolons == 0 {
        commas += decimals;
    }
    let all = [(commas, b','), (semicolons, b';'), (tabs, b'\t')];
    // Of equal counts `max_by_key` takes the last: a comma may stand in a text.
    all.into_iter()
        .filter(|(count, _)| *count > 0)
        .max_by_key(|(count, _)| *count)
        .map_or(b',', |(_, byte)| byte)
}

/// The first eight bytes of the SHA-256 of `bytes`.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    let all = Sha256::digest(bytes);
    all.iter().take(8).fold(0, |hash, &byte| hash << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AUTO: Dialect = Dialect { format: None, delimiter: None, comment: Some(b'#'), decimal: b'.' };

    fn read(text: &[u8], dialect: Dialect) -> (Vec<Row>, LeftOut) {
        let mut rows = Rows::new(text, dialect);
        let mut all = Vec::new();
        while let Some(row) = rows.next_row().unwrap() {
            all.push(row);
        }
        (all, rows.left_out())
    }

    /// Number of lines, counted without the reader under test.
    fn lines(text: &[u8]) -> u64 {
        let ends = |i: usize| text[i] == b'\n' || (text[i] == b'\r' && text.get(i + 1) != Some(&b'\n'));
        let count = (0..text.len()).filter(|&i| ends(i)).count() as u64;
        count + u64::from(text.last().is_some_and(|byte| !matches!(byte, b'\n' | b'\r')))
    }

    fn cells(row: &Row) -> Vec<String> {
        match row.content.as_ref().unwrap() {
            Record::Cells(cells) => {
                cells.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect()
            }
            Record::Object(_) => panic!("it is JSON"),
        }
    }

    #[test]
    fn quotes_delimiters_and_ends_of_lines() {
        let text = b"a;\"b;c\";\"d\"\"e\"\r\n 1 ;;\"2\n3\"\n\n  \n#x\n\";\"x;y\";z\r4;5;6";
        let (rows, left_out) = read(text, AUTO);
        let found: Vec<_> = rows.iter().map(|row| (row.line, row.lines, cells(row).join("|"))).collect();
        let expected = [(1, 1, "a|b;c|d\"e"), (2, 2, "1||2\n3"), (7, 1, ";x|y\"|z"), (8, 1, "4|5|6")];
        assert_eq!(found, expected.map(|(line, lines, cells)| (line, lines, cells.to_string())));
        assert_eq!(left_out, LeftOut { comments: 1, blank: 2 });
        // A line of nothing but tabs is a row of empty cells.
        let (rows, _) = read(b"a\tb\n\t\n", AUTO);
        assert_eq!(cells(&rows[1]), ["", ""]);
    }

    #[test]
    fn equal_rows_have_equal_hashes_whatever_ends_their_lines() {
        let hashes = |text: &[u8]| read(text, AUTO).0.iter().map(Row::hash).collect::<Vec<_>>();
        assert_eq!(hashes(b"a,b\n1,2\n# x\n3,4"), hashes(b"a,b\r\n\r\n1,2\r\n3,4\r\n"));
        assert_ne!(hashes(b"1,2\n"), hashes(b"1,20\n"));
    }

    /// Random bytes, most of which mean something to a reader of rows.
    fn input() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            6 => prop::sample::select(b"\"\n\r,;\t #{}:0123456789.-ae[]\\\xef\xbb\xbf\xff\0".to_vec()),
            1 => any::<u8>(),
        ];
        prop::collection::vec(byte, 0..400)
    }

    fn dialect() -> impl Strategy<Value = Dialect> {
        let format = prop::sample::select(vec![None, Some(Format::Csv), Some(Format::Json)]);
        let delimiter = prop::sample::select(vec![None, Some(b','), Some(b';'), Some(b'\t'), Some(b' ')]);
        let comment = prop::sample::select(vec![None, Some(b'#'), Some(b'"')]);
        let decimal = prop::sample::select(vec![b'.', b',']);
        (format, delimiter, comment, decimal).prop_map(|(format, delimiter, comment, decimal)| Dialect {
            format,
            delimiter,
            comment,
            decimal,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn every_line_of_any_bytes_is_in_one_row_or_is_left_out(text in input(), dialect in dialect()) {
            let utf_16 = text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff");
            prop_assume!(!utf_16);
            let (rows, left_out) = read(&text, dialect);
            let in_rows: u64 = rows.iter().map(|row| row.lines).sum();
            prop_assert_eq!(in_rows + left_out.comments + left_out.blank, lines(&text));
            let begins = |row: &Row| {
                let first = &row.text[..1];
                row.content.is_err() || row.line == 1 || text[row.offset as usize..].starts_with(first)
            };
            prop_assert!(rows.iter().all(begins));
            // Rows are in order, and no line is in two of them.
            let mut next = 1;
            for row in &rows {
                prop_assert!(row.line >= next && row.lines >= 1);
                next = row.line + row.lines;
            }
        }

        #[test]
        fn reading_goes_on_from_any_row(text in input(), dialect in dialect()) {
            prop_assume!(!text.starts_with(b"\xff\xfe") && !text.starts_with(b"\xfe\xff"));
            let mut rows = Rows::new(std::io::Cursor::new(&text), dialect);
            let mut all = Vec::new();
            while let Some(row) = rows.next_row().unwrap() {
                all.push(row);
            }
            let told = |row: &Row| {
                (row.line, row.lines, row.offset, row.text.clone(), format!("{:?}", row.content))
            };
            let mut row = Row::default();
            for i in (0..all.len()).rev() {
                rows.go_to(all[i].offset, all[i].line, |_| ()).unwrap();
                for expected in &all[i..] {
                    prop_assert!(rows.next_into(&mut row).unwrap());
                    prop_assert_eq!(told(&row), told(expected));
                }
                prop_assert!(!rows.next_into(&mut row).unwrap());
            }
        }
    }
}
