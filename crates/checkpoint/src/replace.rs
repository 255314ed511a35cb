//! Files that are replaced as a whole.

use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// How the names of temporary files begin. One that is found where nobody writes is left over from a process that was
/// killed, and can be removed.
pub const TEMPORARY_PREFIX: &str = ".tmp-";

/// Writes the file at `path` anew, by a [`Replacement`] that `write` fills.
///
/// # Errors
/// That of `write`, or of the system; `path` is then as it was, unless it was only the folder's entry that could not be made
/// durable.
pub fn replace<R>(path: &Path, write: impl FnOnce(&mut File) -> Result<R>) -> Result<R> {
    let mut replacement = Replacement::begin(path)?;
    let written = write(replacement.file())?;
    replacement.commit()?;
    Ok(written)
}

/// The future content of a file: a temporary file beside it. Whoever opens the path finds the old content or the new, whole,
/// and never nothing where there was a file; so does whoever comes after a crash. The file has the mode that new files get
/// from the umask. One that is dropped leaves nothing behind.
#[derive(Debug)]
pub struct Replacement {
    file: NamedTempFile,
    path: PathBuf,
}

impl Replacement {
    /// An empty one, for the file at `path`, whether there is one or not. A symbolic link stays one, and the file that it leads to is
    /// replaced.
    ///
    /// # Errors
    /// If there is no such folder, no file can be made in it, or what is there is no regular file: a device would become one.
    pub fn begin(path: &Path) -> Result<Self> {
        let path = resolved(path);
        if std::fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
            return Err(Error::new(ErrorKind::InvalidInput, "what is there is no regular file"));
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(TEMPORARY_PREFIX);
        // Private by default. The umask still applies.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        Ok(Self { file: builder.tempfile_in(folder_of(&path))?, path })
    }

    /// The content so far.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Makes the content durable, and then the file's.
    ///
    /// # Errors
    /// If that fails; the file is then as it was, unless it was only the folder's entry that could not be made durable.
    pub fn commit(self) -> Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist(&self.path).map_err(|error| error.error)?;
        sync_folder(folder_of(&self.path))
    }
}

/// Gives the file at `path` a second name, if there is such a file; what had that name before has it no more.
pub(crate) fn link(path: &Path, second: &Path) -> Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    let name = |name: &Path| match std::fs::hard_link(path, name) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::AlreadyExists) => {
            // Not every file system has second names.
            std::fs::copy(path, name)?;
            File::open(name)?.sync_all()
        }
        named => named,
    };
    match builder.make_in(folder_of(second), name) {
        // Renaming does nothing if `second` is this very file already; dropping then removes the name.
        Ok(name) => std::fs::rename(name.path(), second),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Where the links of `path` lead to; `path` itself if nothing is there.
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
        // Not every file system can, and some need not.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> Result<()> {
    Ok(())
}
