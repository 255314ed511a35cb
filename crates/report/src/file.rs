//! Files that are replaced as a whole.

use std::io::Write as _;
use std::path::Path;

use super::error::ReportError;

/// Replaces a file by one with this text, as a whole: a reader never meets half of it.
///
/// # Errors
/// [`ReportError::Write`].
pub fn replace(path: &Path, text: &str) -> Result<(), ReportError> {
    rtrl_checkpoint::replace(path, |file| file.write_all(text.as_bytes()))
        .map_err(|source| ReportError::Write { path: path.to_owned(), source })
}
