//! Files that are replaced as a whole.

use std::fs::File;
use std::io::{ErrorKind, Result};
use std::path::Path;

use tempfile::NamedTempFile;

/// How the names of temporary files begin. One that is found where nobody writes is left over from a process that was
/// killed, and can be removed.
pub const TEMPORARY_PREFIX: &str = ".tmp-";

/// Writes the file at `path` anew: `write` fills a temporary file beside it, which is made durable and renamed. Whoever
/// opens `path` finds the old content or the new, whole, and never nothing where there was a file; so does whoever comes
/// after a crash. The file has the mode that new files get from the umask.
///
/// # Errors
/// That of `write`, or of the system; `path` is then as it was, unless it was only the folder's entry that could not be made
/// durable.
pub fn replace<R>(path: &Path, write: impl FnOnce(&mut File) -> Result<R>) -> Result<R> {
    let mut file = temporary_beside(path)?;
    let written = write(file.as_file_mut())?;
    file.as_file().sync_all()?;
    rename(file, path)?;
    Ok(written)
}

/// A new file beside `path`, with the mode that other new files get; it is removed unless it is [`rename`]d.
pub(crate) fn temporary_beside(path: &Path) -> Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    // Private by default. The umask still applies.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder_of(path))
}

/// Gives a file that is durable the name `path`, durably.
pub(crate) fn rename(file: NamedTempFile, path: &Path) -> Result<()> {
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(folder_of(path))
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
    match builder.make_in(folder_of(path), name) {
        // Renaming does nothing if `second` is this very file already; dropping then removes the name.
        Ok(name) => std::fs::rename(name.path(), second),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
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
