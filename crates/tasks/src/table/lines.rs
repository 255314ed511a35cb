//! Lines of an input, none longer than a limit.

use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};

/// The longest line that is kept, in bytes: an input without line ends must not fill the memory.
pub const LONGEST: usize = 1 << 20;

/// A line without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub number: u64,
    /// Offset of its first byte in the input.
    pub offset: u64,
    /// Its bytes; of a longer line the first [`LONGEST`].
    pub text: Vec<u8>,
    /// Whether these are all of its bytes.
    pub whole: bool,
}

/// Reads lines that end with `\n`, `\r\n` or `\r`; the last one may have no end.
#[derive(Debug)]
pub struct Lines<R> {
    from: BufReader<R>,
    /// Lines read.
    count: u64,
    /// Bytes read.
    at: u64,
    /// Buffer for the text of the next line.
    spare: Vec<u8>,
    /// Whether a `\n` that comes next belongs to the `\r` before it.
    after_return: bool,
    /// Whether the rest of a line that is too long comes next.
    inside: bool,
}

impl<R: Read> Lines<R> {
    /// The lines of `from`.
    pub fn new(from: R) -> Self {
        let from = BufReader::with_capacity(1 << 16, from);
        Self { from, count: 0, at: 0, spare: Vec::new(), after_return: false, inside: false }
    }

    /// Takes back the text of a line, so that the next line needs no new memory.
    pub fn recycle(&mut self, text: Vec<u8>) {
        self.spare = text;
    }

    /// The next line, or `None` at the end. A line that is too long is handed out as soon as that is known.
    ///
    /// # Errors
    /// If the input cannot be read.
    pub fn next(&mut self) -> std::io::Result<Option<Line>> {
        let mut text = std::mem::take(&mut self.spare);
        text.clear();
        let mut offset = self.at;
        loop {
            let buffer = match self.from.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                buffer => buffer?,
            };
            if buffer.is_empty() {
                if text.is_empty() || std::mem::take(&mut self.inside) {
                    self.spare = text;
                    return Ok(None);
                }
                return Ok(Some(self.line(offset, text, true)));
            }
            if std::mem::take(&mut self.after_return) && buffer[0] == b'\n' {
                self.from.consume(1);
                self.at += 1;
                continue;
            }
            if text.is_empty() {
                offset = self.at;
            }
            let end = buffer.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let len = end.unwrap_or(buffer.len());
            if !self.inside {
                let room = LONGEST - text.len();
                text.extend_from_slice(&buffer[..len.min(room)]);
                if len > room {
                    // The rest, and the end of the line, stay in the buffer.
                    self.from.consume(room);
                    self.at += room as u64;
                    self.inside = true;
                    return Ok(Some(self.line(offset, text, false)));
                }
            }
            self.after_return = end.is_some_and(|end| buffer[end] == b'\r');
            let read = len + usize::from(end.is_some());
            self.from.consume(read);
            self.at += read as u64;
            if end.is_some() && !std::mem::take(&mut self.inside) {
                return Ok(Some(self.line(offset, text, true)));
            }
        }
    }

    fn line(&mut self, offset: u64, text: Vec<u8>, whole: bool) -> Line {
        self.count += 1;
        Line { number: self.count, offset, text, whole }
    }
}

impl<R: Read + Seek> Lines<R> {
    /// Goes on with the line `number`, which begins at `offset`. Changes made to the reader by `change` come first.
    ///
    /// # Errors
    /// If the input cannot be read from there.
    pub fn go_to(&mut self, offset: u64, number: u64, change: impl FnOnce(&mut R)) -> std::io::Result<()> {
        change(self.from.get_mut());
        self.from.seek(SeekFrom::Start(offset))?;
        (self.count, self.at, self.after_return, self.inside) = (number - 1, offset, false, false);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pipe that hands out one byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
            let len = to.len().min(1);
            self.0.read(&mut to[..len])
        }
    }

    fn all(text: &[u8]) -> Vec<(usize, bool)> {
        let all = collected(text);
        assert_eq!(all, collected(Slow(text)));
        all
    }

    fn collected(from: impl Read) -> Vec<(usize, bool)> {
        let mut lines = Lines::new(from);
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            assert_eq!(line.number, all.len() as u64 + 1);
            lines.recycle(vec![7; 3]);
            all.push((line.text.len(), line.whole));
        }
        all
    }

    #[test]
    fn every_kind_of_end_ends_a_line() {
        assert_eq!(all(b"a\nbc\r\n\rdef\r\r\ng").iter().map(|l| l.0).collect::<Vec<_>>(), [1, 2, 0, 3, 0, 1]);
        assert_eq!(all(b""), []);
        assert_eq!(all(b"\n"), [(0, true)]);
    }

    #[test]
    fn a_line_too_long_is_cut_and_the_next_one_is_whole() {
        for end in ["\n", "\r\n", ""] {
            for (len, whole) in [(LONGEST, true), (LONGEST + 1, false), (3 * LONGEST, false)] {
                let text = "x".repeat(len) + end;
                assert_eq!(all(text.as_bytes()), [(LONGEST, whole)], "{len}");
                if !end.is_empty() {
                    assert_eq!(all((text + "yz\n").as_bytes()), [(LONGEST, whole), (2, true)], "{len}");
                }
            }
        }
    }
    #[test]
    fn reading_goes_on_from_any_line() {
        let text = b"a\nbc\r\n\rdef\r\r\ng";
        let mut lines = Lines::new(std::io::Cursor::new(text));
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push(line);
        }
        assert_eq!(all.len(), 6);
        for (i, line) in all.iter().enumerate().rev() {
            assert!(text[line.offset as usize..].starts_with(&line.text));
            lines.go_to(line.offset, line.number, |_| ()).unwrap();
            for expected in &all[i..] {
                assert_eq!(lines.next().unwrap().as_ref(), Some(expected));
            }
            assert_eq!(lines.next().unwrap(), None);
        }
    }
}
