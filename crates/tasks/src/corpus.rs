//! Bytes of a text, in memory or on disk.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use rtrl_checkpoint::{Archive, ArchiveError};
use sha2::{Digest, Sha256};

use crate::{Origin, TaskError, grammar};

#[derive(Debug)]
enum Bytes {
    Memory(Vec<u8>),
    File {
        file: File,
        path: PathBuf,
        /// Length when the file was opened.
        len: u64,
    },
}

/// A text, or a contiguous part of one, read by position. Cheap to clone: clones and parts share the bytes.
///
/// A file is read with positional reads (`pread`), not mapped into memory: a map of a file that shrinks kills the
/// process with a signal, and making one needs `unsafe`, which this workspace keeps to its SIMD kernels. Positional
/// reads need constant memory on a file of any size, go through the page cache, and turn a shrinking file into a
/// [`TaskError::Shrunk`]. A file whose bytes change without its length shrinking goes unnoticed.
#[derive(Debug, Clone)]
pub struct Corpus {
    bytes: Arc<Bytes>,
    origin: Arc<Origin>,
    start: u64,
    len: u64,
    fingerprint: OnceLock<u64>,
}

impl Corpus {
    /// The bytes of a regular file, of any size and encoding.
    ///
    /// # Errors
    /// [`TaskError::Missing`], [`NotAFile`](TaskError::NotAFile), [`Permission`](TaskError::Permission),
    /// [`Empty`](TaskError::Empty), or [`Open`](TaskError::Open) for any other reason, all with the path.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, TaskError> {
        let path = path.as_ref();
        let opening = |source| TaskError::opening(path, source);
        // Asked before opening: opening a named pipe would wait for a writer.
        let metadata = fs::metadata(path).map_err(opening)?;
        if !metadata.is_file() {
            let found = if metadata.is_dir() { "a directory" } else { "a device, pipe or socket" };
            return Err(TaskError::NotAFile { path: path.to_path_buf(), found });
        }
        let file = File::open(path).map_err(opening)?;
        Self::from_file(file, path)
    }

    /// The bytes of an open file, called `path` in messages.
    pub(crate) fn from_file(file: File, path: &Path) -> Result<Self, TaskError> {
        let len = file.metadata().map_err(|source| TaskError::opening(path, source))?.len();
        let bytes = Bytes::File { file, path: path.to_path_buf(), len };
        Self::new(Arc::new(bytes), Origin::File(path.to_path_buf()), len)
    }

    /// A text in memory.
    ///
    /// # Errors
    /// [`TaskError::Empty`] if there are no bytes.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, TaskError> {
        let len = bytes.len() as u64;
        Self::new(Arc::new(Bytes::Memory(bytes)), Origin::Memory, len)
    }

    /// The first `bytes` bytes of the text that [`grammar::generate`] writes for `seed`, in memory. While such a
    /// text is in use, further calls share it.
    ///
    /// # Errors
    /// [`TaskError::Empty`] if `bytes` is 0.
    pub fn generated(seed: u64, bytes: usize) -> Result<Self, TaskError> {
        type Text = (u64, usize, Weak<Bytes>);
        static TEXTS: Mutex<Vec<Text>> = Mutex::new(Vec::new());
        let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        texts.retain(|(.., text)| text.strong_count() > 0);
        let known = texts.iter().find(|(s, b, _)| (*s, *b) == (seed, bytes));
        let text = known.and_then(|(.., text)| text.upgrade()).unwrap_or_else(|| {
            let text = Arc::new(Bytes::Memory(grammar::generate(seed, bytes)));
            texts.push((seed, bytes, Arc::downgrade(&text)));
            text
        });
        Self::new(text, Origin::Generated { seed }, bytes as u64)
    }

    fn new(bytes: Arc<Bytes>, origin: Origin, len: u64) -> Result<Self, TaskError> {
        if len == 0 {
            return Err(TaskError::Empty { origin });
        }
        Ok(Self { bytes, origin: Arc::new(origin), start: 0, len, fingerprint: OnceLock::new() })
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no bytes; only a [`slice`](Self::slice) can be empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the text, or the whole that this is a part of, comes from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The bytes `range` of this text as a text of its own.
    ///
    /// # Errors
    /// [`TaskError::OutOfRange`] if the range ends after the end of the text, or before its own beginning.
    pub fn slice(&self, range: Range<u64>) -> Result<Self, TaskError> {
        if range.start > range.end || range.end > self.len {
            return Err(self.out_of_range(range.start, range.end));
        }
        Ok(Self {
            start: self.start + range.start,
            len: range.end - range.start,
            fingerprint: OnceLock::new(),
            ..self.clone()
        })
    }

    /// Two parts: the bytes before `at`, and the bytes from `at` on.
    ///
    /// # Errors
    /// [`TaskError::OutOfRange`] if `at` is greater than the length.
    pub fn split(&self, at: u64) -> Result<(Self, Self), TaskError> {
        Ok((self.slice(0..at)?, self.slice(at..self.len.max(at))?))
    }

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// [`TaskError::OutOfRange`] if this text (or this part of a text) ends before the buffer is full;
    /// [`TaskError::Shrunk`] if the file has lost bytes since it was opened; [`TaskError::Read`] for any other
    /// failure. The buffer's contents are then unspecified.
    pub fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), TaskError> {
        let end = offset.saturating_add(buffer.len() as u64);
        if end > self.len {
            return Err(self.out_of_range(offset, end));
        }
        let offset = self.start + offset;
        match &*self.bytes {
            Bytes::Memory(bytes) => {
                // In range: `end` was checked, and a part never leaves its whole.
                let offset = offset as usize;
                buffer.copy_from_slice(&bytes[offset..offset + buffer.len()]);
                Ok(())
            }
            Bytes::File { file, path, len } => {
                let wanted = buffer.len();
                positional_read(file, buffer, offset).map_err(|source| match file.metadata() {
                    Ok(metadata) if source.kind() == io::ErrorKind::UnexpectedEof => {
                        TaskError::Shrunk { path: path.clone(), len: *len, now: metadata.len() }
                    }
                    _ => TaskError::Read { path: path.clone(), offset, wanted, source },
                })
            }
        }
    }

    /// A number that identifies the text by its length and its bytes. If the text has more than 64 MiB, only 16384
    /// pieces of 4 KiB, spread evenly, are read, so a change in place between them goes unnoticed. The number is
    /// computed once.
    ///
    /// # Errors
    /// As [`read_exact_at`](Self::read_exact_at).
    pub fn fingerprint(&self) -> Result<u64, TaskError> {
        if let Some(known) = self.fingerprint.get() {
            return Ok(*known);
        }
        let digest = self.digest()?;
        Ok(*self.fingerprint.get_or_init(|| digest))
    }

    /// Refuses to restore a state that was saved with another text.
    pub(crate) fn expect_same(&self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        let fingerprint = self.fingerprint().map_err(|error| archive.refusal("text", error.to_string()))?;
        archive.expect("text", fingerprint)
    }

    fn digest(&self) -> Result<u64, TaskError> {
        const PIECE: u64 = 4096;
        const PIECES: u64 = 16384;
        let mut hash = Sha256::new_with_prefix(self.len.to_le_bytes());
        let stride = (self.len / PIECES).max(PIECE);
        let mut piece = [0; PIECE as usize];
        for at in (0..self.len).step_by(stride as usize) {
            let piece = &mut piece[..PIECE.min(self.len - at) as usize];
            self.read_exact_at(at, piece)?;
            hash.update(piece);
        }
        let first = hash.finalize().first_chunk().copied().unwrap_or_default();
        Ok(u64::from_le_bytes(first))
    }

    fn out_of_range(&self, start: u64, end: u64) -> TaskError {
        TaskError::OutOfRange { origin: self.origin.as_ref().clone(), start, end, len: self.len }
    }
}

#[cfg(unix)]
fn positional_read(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn positional_read(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buffer.is_empty() {
        match file.seek_read(buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                buffer = &mut buffer[n..];
                offset += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
