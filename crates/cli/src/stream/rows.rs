//! Rows from CSV or JSON lines.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Read};

use clap::ValueEnum;
use csv::ByteRecord;
use csv_core::ReadRecordResult;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::lines::{LONGEST, Line, Lines};

/// Most lines of one row, which has line ends inside quotes: a quote that is never closed must not swallow the
/// stream.
const TALLEST: usize = 64;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
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
    /// A hash of its bytes.
    pub hash: u64,
    /// Counts of lines without a row, from the beginning of the input to this row.
    pub left_out: LeftOut,
    /// Its content, or the message why it cannot be used.
    pub content: Result<Record, String>,
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
    left_out: LeftOut,
}

impl<R: Read> Rows<R> {
    /// Reads from `from`.
    pub fn new(from: R, dialect: Dialect) -> Self {
        let left_out = LeftOut::default();
        Self { lines: Lines::new(from), again: VecDeque::new(), dialect, csv: None, left_out }
    }

    /// The format: what was given, or found when the first row was read.
    pub fn format(&self) -> Format {
        self.dialect.format.unwrap_or(Format::Csv)
    }

    /// The delimiter: what was given, or found when the first row was read.
    pub fn delimiter(&self) -> u8 {
        self.dialect.delimiter.unwrap_or(b',')
    }

    /// Lines without a row so far.
    pub fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// The next row, or `None` at the end.
    ///
    /// # Errors
    /// If the input cannot be read, or is UTF-16.
    pub fn next(&mut self) -> std::io::Result<Option<Row>> {
        while let Some(line) = self.line()? {
            let begin = line.text.trim_ascii_start();
            if self.dialect.comment.is_some() && begin.first() == self.dialect.comment.as_ref() {
                self.left_out.comments += 1;
            } else if begin.is_empty() && !line.text.contains(&self.delimiter()) {
                self.left_out.blank += 1;
            } else {
                return self.row(line).map(Some);
            }
        }
        Ok(None)
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

    fn row(&mut self, line: Line) -> std::io::Result<Row> {
        let (number, mut lines) = (line.number, 1);
        self.detect(&line.text);
        let mut text = line.text;
        let content = if line.whole {
            match self.format() {
                Format::Json => {
                    serde_json::from_slice(text.trim_ascii()).map(Record::Object).map_err(|error| {
                        // The library counts lines from the beginning of the row, so its position is left out.
                        let error = error.to_string();
                        format!("no JSON object: {}", error.split(" at line ").next().unwrap_or_default())
                    })
                }
                Format::Csv => {
                    let cells = self.cells(&mut text, &mut lines)?;
                    cells.map(Record::Cells).ok_or_else(|| {
                        format!("a quote is opened, and not closed within {TALLEST} lines or {LONGEST} bytes")
                    })
                }
            }
        } else {
            Err(format!("the line has more than {LONGEST} bytes"))
        };
        let hash = hash(&text);
        Ok(Row { line: number, lines, hash, left_out: self.left_out, content })
    }

    /// The cells of the row that begins with the line `text`. While a quote is open, further lines are added to
    /// `text` and counted in `lines`. `None` if the quote is not closed: the row is then the first line alone, and
    /// the others are read again.
    fn cells(&mut self, text: &mut Vec<u8>, lines: &mut u64) -> std::io::Result<Option<ByteRecord>> {
        let delimiter = self.delimiter();
        let mut csv = self.csv.take().unwrap_or_else(|| {
            let end = csv_core::Terminator::Any(b'\n');
            csv_core::ReaderBuilder::new().delimiter(delimiter).terminator(end).build()
        });
        let (mut cells, mut ends) = (Vec::new(), Vec::new());
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
                self.csv = Some(csv);
                *lines += more.len() as u64;
                let begins = std::iter::once(0).chain(ends.iter().copied());
                let record = begins.zip(&ends[..ends_len]).map(|(from, &to)| cells[from..to].trim_ascii());
                return Ok(Some(ByteRecord::from_iter(record)));
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
        Ok(None)
    }

    /// Finds format and delimiter from the first line, unless they are given.
    fn detect(&mut self, line: &[u8]) {
        let json = line.trim_ascii_start().first() == Some(&b'{');
        self.dialect.format.get_or_insert(if json { Format::Json } else { Format::Csv });
        let decimal = self.dialect.decimal;
        self.dialect.delimiter.get_or_insert_with(|| delimiter(line, decimal));
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
        while let Some(row) = rows.next().unwrap() {
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
        let hashes = |text: &[u8]| read(text, AUTO).0.iter().map(|row| row.hash).collect::<Vec<_>>();
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
            // Rows are in order, and no line is in two of them.
            let mut next = 1;
            for row in &rows {
                prop_assert!(row.line >= next && row.lines >= 1);
                next = row.line + row.lines;
            }
        }
    }
}
