//! The file format around the sections, and its saving and loading.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `RTRLCKPT` |
//! | 4 | format version, little-endian |
//! | 8 | bytes of the payload, little-endian |
//! | 32 | SHA-256 of the payload, then of version and length |
//! | the rest | the payload: sections of an [`Archive`] |

use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::replace::{link, resolved};
use crate::{Archive, ArchiveError, CheckpointError, Replacement};

/// The version of the file format that this crate writes, and the only one it reads.
pub const FORMAT_VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"RTRLCKPT";
const HEADER: usize = 8 + 4 + 8 + 32;

/// Passes all bytes on to `to`, and keeps their checksum and number.
struct Hashing<W> {
    to: W,
    hash: Sha256,
    len: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.len += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

/// The header before a payload of `len` bytes, whose bytes `hash` has taken in.
fn header(len: u64, mut hash: Sha256) -> [u8; HEADER] {
    let (version, len) = (FORMAT_VERSION.to_le_bytes(), len.to_le_bytes());
    hash.update(version);
    hash.update(len);
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&version);
    header[12..20].copy_from_slice(&len);
    header[20..].copy_from_slice(&hash.finalize());
    header
}

fn write<W: Write + Seek>(
    to: W,
    persist: impl FnOnce(&mut Archive<'_>) -> Result<(), ArchiveError>,
) -> Result<W, WriteError> {
    // Sections are written in small pieces. The buffer is in front of the hash, which is faster with large ones.
    let mut to = BufWriter::with_capacity(1 << 16, Hashing { to, hash: Sha256::new(), len: 0 });
    to.get_mut().to.write_all(&[0; HEADER])?;
    let mut archive = Archive::saving(&mut to);
    persist(&mut archive)?;
    let Hashing { mut to, hash, len } = to.into_inner().map_err(|error| error.into_error())?;
    to.seek(SeekFrom::Start(0))?;
    to.write_all(&header(len, hash))?;
    Ok(to)
}

#[derive(Debug)]
enum WriteError {
    Io(std::io::Error),
    Archive(ArchiveError),
}

impl From<std::io::Error> for WriteError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ArchiveError> for WriteError {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Write { source, .. } => Self::Io(source),
            other => Self::Archive(other),
        }
    }
}

/// Writes a checkpoint to memory, with the sections that `persist` hands over.
///
/// # Errors
/// If `persist` fails.
pub fn to_bytes(
    persist: impl FnOnce(&mut Archive<'_>) -> Result<(), ArchiveError>,
) -> Result<Vec<u8>, ArchiveError> {
    match write(std::io::Cursor::new(Vec::new()), persist) {
        Ok(cursor) => Ok(cursor.into_inner()),
        Err(WriteError::Archive(error)) => Err(error),
        Err(WriteError::Io(source)) => Err(ArchiveError::Write { name: String::new(), source }),
    }
}

/// Restores from a checkpoint in memory, and returns the result of `persist`.
///
/// # Errors
/// If the bytes are not a checkpoint, are damaged, or do not fit what `persist` restores.
pub fn from_bytes<R>(
    bytes: &[u8],
    persist: impl FnOnce(&mut Archive<'_>) -> Result<R, ArchiveError>,
) -> Result<R, CheckpointError> {
    restore(payload(bytes)?, persist)
}

fn restore<R>(
    payload: &[u8],
    persist: impl FnOnce(&mut Archive<'_>) -> Result<R, ArchiveError>,
) -> Result<R, CheckpointError> {
    let mut archive = Archive::loading(payload);
    let restored = persist(&mut archive)?;
    archive.finish()?;
    Ok(restored)
}

/// Checks the first bytes, version, length and checksum of a checkpoint, and returns its payload.
fn payload(bytes: &[u8]) -> Result<&[u8], CheckpointError> {
    if !bytes.starts_with(MAGIC) {
        return Err(CheckpointError::NotACheckpoint);
    }
    let found = bytes.len() as u64;
    let Some((head, payload)) = bytes.split_at_checked(HEADER) else {
        return Err(CheckpointError::Length { expected: HEADER as u64, found });
    };
    let version = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
    if version != FORMAT_VERSION {
        return Err(CheckpointError::Version { found: version, supported: FORMAT_VERSION });
    }
    let len = head[12..20].iter().rev().fold(0, |len, &byte| len << 8 | u64::from(byte));
    if len != payload.len() as u64 {
        return Err(CheckpointError::Length { expected: len.saturating_add(HEADER as u64), found });
    }
    if header(len, Sha256::new_with_prefix(payload)) != *head {
        return Err(CheckpointError::Checksum);
    }
    Ok(payload)
}

/// The path of the previous checkpoint beside the one at `path`: the same name with `.previous` at its end.
#[must_use]
pub fn previous(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".previous");
    path.with_file_name(name)
}

/// Writes a checkpoint to `path`, as [`replace`](crate::replace) does. The checkpoint that was there becomes the
/// [`previous`] one. At every moment, also after a crash, the file at `path` is complete: the new checkpoint or
/// the old.
///
/// # Errors
/// If `persist` fails or the file cannot be written; what was there before is then still there.
pub fn save(
    path: &Path,
    persist: impl FnOnce(&mut Archive<'_>) -> Result<(), ArchiveError>,
) -> Result<(), CheckpointError> {
    let older = previous(path);
    save_after(path, persist, || link(&resolved(path), &older).map_err(failed("replace", &older)))
}

/// [`save`]s without keeping the checkpoint that was there as the [`previous`] one.
///
/// # Errors
/// As for [`save`].
pub fn overwrite(
    path: &Path,
    persist: impl FnOnce(&mut Archive<'_>) -> Result<(), ArchiveError>,
) -> Result<(), CheckpointError> {
    save_after(path, persist, || Ok(()))
}

/// Writes a checkpoint to a temporary file, calls `before`, and renames the file to `path`.
fn save_after(
    path: &Path,
    persist: impl FnOnce(&mut Archive<'_>) -> Result<(), ArchiveError>,
    before: impl FnOnce() -> Result<(), CheckpointError>,
) -> Result<(), CheckpointError> {
    let mut replacement = Replacement::begin(path).map_err(failed("write", path))?;
    write(replacement.file(), persist).map_err(|error| match error {
        WriteError::Io(source) => failed("write", path)(source),
        WriteError::Archive(error) => error.into(),
    })?;
    replacement.file().sync_all().map_err(failed("write", path))?;
    before()?;
    replacement.commit().map_err(failed("replace", path))
}

/// Makes the error of a file operation, for `map_err`.
fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> CheckpointError {
    move |source| CheckpointError::File { action, path: path.to_path_buf(), source }
}

/// Restores from the checkpoint at `path`, and returns the result of `persist`. The whole file is held in memory.
///
/// # Errors
/// If the file cannot be read, is not a checkpoint, is damaged, or does not fit what `persist` restores.
pub fn load<R>(
    path: &Path,
    persist: impl FnOnce(&mut Archive<'_>) -> Result<R, ArchiveError>,
) -> Result<R, CheckpointError> {
    from_bytes(&read(path)?, persist)
}

fn read(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    std::fs::read(path).map_err(failed("read", path))
}

/// The outcome of [`load_latest`].
#[derive(Debug)]
pub enum Loaded<S> {
    /// There is no checkpoint, neither at the path nor the [`previous`] one.
    Nothing,
    /// The state of the latest checkpoint.
    Latest(S),
    /// The state of the [`previous`] checkpoint, and the reason why the latest one cannot be used; it may be
    /// missing.
    Previous(S, CheckpointError),
}

/// Restores the checkpoint at `path` or, if that cannot be used, the [`previous`] one. `build` makes a fresh state
/// for each attempt, after the file was found to be an undamaged checkpoint.
///
/// # Errors
/// That of `build`; or, if there is a checkpoint but none can be used, that of the one at `path`.
pub fn load_latest<S, E: From<CheckpointError>>(
    path: &Path,
    mut build: impl FnMut() -> Result<S, E>,
    persist: impl Fn(&mut S, &mut Archive<'_>) -> Result<(), ArchiveError>,
) -> Result<Loaded<S>, E> {
    let mut attempt = |path: &Path| -> Result<Result<S, CheckpointError>, E> {
        let bytes = match read(path) {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(error)),
        };
        let payload = match payload(&bytes) {
            Ok(payload) => payload,
            Err(error) => return Ok(Err(error)),
        };
        let mut state = build()?;
        Ok(restore(payload, |archive| persist(&mut state, archive)).map(|()| state))
    };
    let missing = |error: &CheckpointError| matches!(error, CheckpointError::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound);
    let latest = match attempt(path)? {
        Ok(state) => return Ok(Loaded::Latest(state)),
        Err(error) => error,
    };
    match attempt(&previous(path))? {
        Ok(state) => Ok(Loaded::Previous(state, latest)),
        Err(error) if missing(&error) && missing(&latest) => Ok(Loaded::Nothing),
        Err(_) => Err(latest.into()),
    }
}
