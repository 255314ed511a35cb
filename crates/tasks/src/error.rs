//! What can go wrong with a task: its configuration, or the text behind it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::table::TableError;

/// Where a text comes from; used in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// Written by [`grammar::generate`](crate::grammar::generate).
    Generated {
        /// Seed of the generator.
        seed: u64,
    },
    /// Bytes handed over by the caller.
    Memory,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{path:?}"),
            Self::Generated { seed } => write!(f, "the generated text of seed {seed}"),
            Self::Memory => f.write_str("the text in memory"),
        }
    }
}

/// Why a task cannot be built or continued. Every message says what is wrong, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// A task was requested with 0 lanes.
    #[error("a task needs at least one lane, but 0 were asked for: set the number of lanes to 1 or more")]
    NoLanes,

    /// A field of a configuration has an invalid value.
    #[error("`{field}` of the {task} task is {value}: set it to {expected}")]
    Config {
        /// The task, as its `kind` is spelled in a configuration file.
        task: &'static str,
        /// Name of the field.
        field: &'static str,
        /// The value found.
        value: String,
        /// The values allowed.
        expected: &'static str,
    },

    /// No file has the given path.
    #[error("there is no file {path:?}: correct the path, or download the text first")]
    Missing {
        /// The path as given.
        path: PathBuf,
    },

    /// The path leads to something other than a regular file.
    #[error("{path:?} is {found}, not a regular file: give the path of the text itself")]
    NotAFile {
        /// The path as given.
        path: PathBuf,
        /// What the path leads to, such as `a directory`.
        found: &'static str,
    },

    /// The process has no permission to read the file.
    #[error("no permission to read {path:?}: change the file's mode or owner, or choose another file")]
    Permission {
        /// The path as given.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// The file cannot be opened for another reason.
    #[error("cannot open {path:?} ({source}): check the path and the disk")]
    Open {
        /// The path as given.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// The text has no bytes.
    #[error("{origin} is empty: give a text with at least a few hundred bytes")]
    Empty {
        /// Which text.
        origin: Origin,
    },

    /// More bytes were requested than the text, or the part of it in use, has.
    #[error("bytes {start}..{end} were asked of {origin}, which has only {len}: ask for less")]
    OutOfRange {
        /// Which text.
        origin: Origin,
        /// First byte requested, counted from the beginning of the part.
        start: u64,
        /// One past the last byte requested.
        end: u64,
        /// Bytes in the part.
        len: u64,
    },

    /// A part of a text is too short to hold one crop, or the predictions that its lanes need.
    #[error(
        "the {part} part of {origin} has {len} bytes, but {need} are needed: \
         give a longer text, a shorter `crop`, fewer lanes, or another share in `valid_fraction`"
    )]
    TooShort {
        /// Which text.
        origin: Origin,
        /// `"training"`, `"validation"` or `"test"`.
        part: &'static str,
        /// Bytes in the part.
        len: u64,
        /// Bytes needed.
        need: u64,
    },

    /// The file lost bytes after it was opened.
    #[error(
        "{path:?} had {len} bytes when it was opened and has {now} now: \
         leave the text alone while it is in use, restore it and start again"
    )]
    Shrunk {
        /// The path as given.
        path: PathBuf,
        /// Bytes when the file was opened.
        len: u64,
        /// Bytes found when the read failed.
        now: u64,
    },

    /// Reading failed for another reason.
    #[error(
        "cannot read {wanted} bytes at offset {offset} of {path:?} ({source}): check the disk and start again"
    )]
    Read {
        /// The path as given.
        path: PathBuf,
        /// Offset in the file, in bytes.
        offset: u64,
        /// Bytes requested.
        wanted: usize,
        /// What the operating system said.
        source: io::Error,
    },

    /// A table has something in it that cannot be used.
    #[error(transparent)]
    Table(Box<TableError>),
}

impl TaskError {
    /// The error for a file that cannot be opened, by the kind of the I/O error.
    pub(crate) fn opening(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { path },
            io::ErrorKind::PermissionDenied => Self::Permission { path, source },
            _ => Self::Open { path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tests often run as root, who may open every file, so the test makes up the I/O errors instead of using
    /// files.
    #[test]
    fn reasons_are_told_apart() {
        let opening = |kind: io::ErrorKind| TaskError::opening(Path::new("a/text"), kind.into());
        let forbidden = opening(io::ErrorKind::PermissionDenied);
        assert!(
            matches!(forbidden, TaskError::Permission { .. }) && forbidden.to_string().contains("a/text")
        );
        assert!(matches!(opening(io::ErrorKind::NotFound), TaskError::Missing { .. }));
        let other = opening(io::ErrorKind::TimedOut);
        assert!(matches!(other, TaskError::Open { .. }) && other.to_string().contains("a/text"));
    }
}
