//! Copying and hashing, a piece at a time, so that an interruption is noticed.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};

use super::error::DataError;

/// What became of a copy.
pub enum Copied {
    /// All of it, which has this SHA-256 in hexadecimal digits.
    All(String),
    /// There was more than the limit.
    TooLong,
}

/// Which side of a copy failed.
pub enum Fault {
    /// The source.
    Read(io::Error),
    /// The target.
    Write(io::Error),
    /// Neither: the user ended it.
    Interrupted,
}

/// Copies at most `limit` bytes and hashes them.
pub fn copy(from: &mut dyn Read, to: &mut dyn Write, limit: u64, stop: &AtomicBool) -> Result<Copied, Fault> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 1 << 16];
    let mut total = 0u64;
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(Fault::Interrupted);
        }
        let read = match from.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Fault::Read(error)),
        };
        total += read as u64;
        if total > limit {
            return Ok(Copied::TooLong);
        }
        hasher.update(&piece[..read]);
        to.write_all(&piece[..read]).map_err(Fault::Write)?;
    }
    Ok(Copied::All(hexadecimal(&hasher.finalize())))
}

/// SHA-256 of the rest of a file that lies at `path`, in hexadecimal digits.
pub fn of_file(mut file: File, path: &Path, stop: &AtomicBool) -> Result<String, DataError> {
    let unread = |source| DataError::Read { path: path.to_path_buf(), source };
    match copy(&mut file, &mut io::sink(), u64::MAX, stop) {
        Ok(Copied::All(hash)) => Ok(hash),
        Ok(Copied::TooLong) => Err(unread(io::ErrorKind::FileTooLarge.into())),
        Err(Fault::Interrupted) => Err(DataError::Interrupted),
        Err(Fault::Read(source) | Fault::Write(source)) => Err(unread(source)),
    }
}

/// Opens a file for reading.
pub fn open(path: &Path) -> Result<File, DataError> {
    File::open(path).map_err(|source| DataError::Read { path: path.to_path_buf(), source })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
