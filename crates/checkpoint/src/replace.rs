//! Files that are replaced as a whole.

use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// The beginning of the names of temporary files. If no process is writing in a folder, such a file is left over
/// from a process that was killed, and can be removed.
pub const TEMPORARY_PREFIX: &str = ".tmp-";

/// Replaces the file at `path` by a [`Replacement`] that `write` fills, and returns the result of `write`.
///
/// # Errors
/// Those of `write` and of the file system. The file at `path` is then as it was, unless only the folder's entry
/// could not be made durable.
pub fn replace<R>(path: &Path, write: impl FnOnce(&mut File) -> Result<R>) -> Result<R> {
    let mut replacement = Replacement::begin(path)?;
    let written = write(replacement.file())?;
    replacement.commit()?;
    Ok(written)
}

/// The future content of a file: a temporary file beside it. Whoever opens the path, also after a crash, finds the
/// whole old content or the whole new content, and never no file where there was one. The file has the mode that
/// new files get from the umask. Dropping a replacement removes the temporary file.
#[derive(Debug)]
pub struct Replacement {
    file: NamedTempFile,
    path: PathBuf,
}

impl Replacement {
    /// An empty replacement for the file at `path`, which need not exist. If `path` is a symbolic link, the file
    /// that it leads to is replaced.
    ///
    /// # Errors
    /// If the folder does not exist, if no file can be made in it, or if `path` exists and is not a regular file:
    /// a device, for example, would be replaced by a file.
    pub fn begin(path: &Path) -> Result<Self> {
        let path = resolved(path);
        if std::fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
            return Err(Error::new(ErrorKind::InvalidInput, "what is there is no regular file"));
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(TEMPORARY_PREFIX);
        // `tempfile` would make the file private. The umask is applied to these permissions.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        Ok(Self { file: builder.tempfile_in(folder_of(&path))?, path })
    }

    /// The temporary file, to be written to.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Makes the content durable, and renames the temporary file to the path.
    ///
    /// # Errors
    /// If that fails. The file at the path is then as it was, unless only the folder's entry could not be made
    /// durable.
    pub fn commit(self) -> Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist(&self.path).map_err(|error| error.error)?;
        sync_folder(folder_of(&self.path))
    }
}

/// Gives the file at `path` the second name `second`, in place of a file that has it; does nothing if there is no
/// file at `path`.
pub(crate) fn link(path: &Path, second: &Path) -> Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    let name = |name: &Path| match std::fs::hard_link(path, name) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::AlreadyExists) => {
            // A file system without hard links gets a copy.
            std::fs::copy(path, name)?;
            File::open(name)?.sync_all()
        }
        named => named,
    };
    match builder.make_in(folder_of(second), name) {
        // If `second` is a name of the same file already, renaming does nothing, and the drop removes the
        // temporary name.
        Ok(name) => std::fs::rename(name.path(), second),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The path that the symbolic links of `path` lead to; `path` itself if there is no file.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes the entries of a folder durable.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> Result<()> {
    match File::open(folder)?.sync_all() {
        // Some file systems cannot sync a folder, and some need not.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> Result<()> {
    Ok(())
}
