//! A download that has not ended yet: `<archive>.part`, and what is known of its origin beside it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::error::DataError;

/// The file being downloaded, open and locked.
pub struct Part {
    file: File,
    path: PathBuf,
    length: u64,
}

impl Part {
    /// Opens the file, or makes it.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let fail = |source| DataError::Write { path: path.to_path_buf(), source };
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = options.map_err(fail)?;
        // On a file system without locks the download goes on without one.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(DataError::Busy { path: path.to_path_buf() });
        }
        let length = file.seek(SeekFrom::End(0)).map_err(fail)?;
        Ok(Self { file, path: path.to_path_buf(), length })
    }

    /// Bytes that have arrived.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// What has arrived, from its start. Shares its position with this file, and its lock.
    pub fn reader(&mut self) -> Result<File, DataError> {
        let open = |file: &mut File| {
            file.seek(SeekFrom::Start(0))?;
            file.try_clone()
        };
        open(&mut self.file).map_err(|source| DataError::Read { path: self.path.clone(), source })
    }

    /// Adds what has arrived.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        if let Err(source) = self.file.write_all(bytes) {
            // A full disk may have taken part of the piece: it counts, so that the download can be resumed behind
            // it.
            self.length = self.file.stream_position().unwrap_or(self.length);
            return Err(self.fail(source));
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Forgets all that has arrived.
    pub fn restart(&mut self) -> Result<(), DataError> {
        self.forget_origin();
        if self.length == 0 {
            return Ok(());
        }
        self.file.set_len(0).map_err(|source| self.fail(source))?;
        self.length = self.file.seek(SeekFrom::Start(0)).map_err(|source| self.fail(source))?;
        Ok(())
    }

    /// Removes the file.
    pub fn remove(self) -> Result<(), DataError> {
        self.forget_origin();
        std::fs::remove_file(&self.path).map_err(|source| self.fail(source))
    }

    /// The entity tag under which this address served what has arrived.
    pub fn etag(&self, url: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.origin()).ok()?;
        let (address, etag) = text.trim_end().split_once('\n')?;
        (address == url && is_strong(etag)).then(|| etag.to_string())
    }

    /// Keeps the entity tag of the file that is served. A weak tag is not kept: it does not promise equal bytes.
    pub fn remember(&self, url: &str, etag: Option<&str>) -> Result<(), DataError> {
        let Some(etag) = etag.filter(|etag| is_strong(etag)) else {
            self.forget_origin();
            return Ok(());
        };
        let path = self.origin();
        std::fs::write(&path, format!("{url}\n{etag}\n")).map_err(|source| DataError::Write { path, source })
    }

    fn forget_origin(&self) {
        // If a tag is left behind or missing, the hash of the whole archive still decides.
        let _ = std::fs::remove_file(self.origin());
    }

    fn origin(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".etag");
        name.into()
    }

    fn fail(&self, source: std::io::Error) -> DataError {
        DataError::Write { path: self.path.clone(), source }
    }
}

/// Whether equal tags mean equal bytes, and whether the tag can be sent back.
fn is_strong(etag: &str) -> bool {
    let inner = etag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.is_some_and(|inner| inner.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'))
}
