//! The folder of a dataset that has been fetched. `SHA256SUMS` in it is written last: if it exists, the dataset is
//! complete.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::catalogue::Dataset;
use super::error::DataError;
use super::hash;
use super::unpack::Unpacked;

/// Name of the file of hashes, in the format of `sha256sum`, which can check it.
const SUMS: &str = "SHA256SUMS";

/// Whether all files of `dataset` lie in `folder`; their content is not looked at.
#[must_use]
pub fn is_present(dataset: &Dataset, folder: &Path) -> bool {
    folder.join(SUMS).is_file() && dataset.members.iter().all(|member| folder.join(member.name).is_file())
}

/// Checks all files against the hashes they had when they were unpacked.
///
/// # Errors
/// A file that differs or cannot be read; an interruption.
pub fn verify(dataset: &Dataset, folder: &Path, stop: &AtomicBool) -> Result<(), DataError> {
    let path = folder.join(SUMS);
    let sums = std::fs::read_to_string(&path).map_err(|source| DataError::Read { path, source })?;
    for member in dataset.members {
        let path = folder.join(member.name);
        let hash = hash::of_file(hash::open(&path)?, &path, stop)?;
        if !sums.lines().any(|line| line == format!("{hash}  {}", member.name)) {
            return Err(DataError::Changed { path });
        }
    }
    Ok(())
}

/// Writes where the files come from and under which terms, and their hashes.
///
/// # Errors
/// A file that cannot be written.
pub fn finish(dataset: &Dataset, folder: &Path, files: &[Unpacked]) -> Result<(), DataError> {
    let source = format!(
        "# {}\n\n{}\n\n* Source: {}\n* License: {}\n* Archive: {}, {} bytes, SHA-256 `{}`\n\n\
         The files are unchanged; `sha256sum -c {SUMS}` checks them.\n",
        dataset.name,
        dataset.what,
        dataset.source,
        dataset.license,
        dataset.archive,
        dataset.bytes,
        dataset.sha256
    );
    write(folder, "SOURCE.md", &source)?;
    let sums: String = files.iter().map(|(name, hash)| format!("{hash}  {name}\n")).collect();
    write(folder, SUMS, &sums)
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), DataError> {
    let path = folder.join(name);
    rtrl_checkpoint::replace(&path, |file| file.write_all(text.as_bytes()))
        .map_err(|source| DataError::Write { path: path.clone(), source })
}
