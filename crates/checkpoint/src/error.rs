use std::path::PathBuf;

/// Why sections cannot be written or cannot be restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The next section has an unexpected name: another version, or an object of another type, saved the state.
    #[error("expected the section `{expected}`, found `{found}`")]
    Section {
        /// The expected name, with its scopes.
        expected: String,
        /// The name found.
        found: String,
    },
    /// A section has another size than the array that it should fill.
    #[error("section `{name}`: expected {expected} bytes, found {found}")]
    Size {
        /// The section, with its scopes.
        name: String,
        /// Bytes that the array takes.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// A section ends before its content does, or has bytes left over.
    #[error("section `{name}` is malformed")]
    Malformed {
        /// The section, with its scopes.
        name: String,
    },
    /// The content of a section does not fit the object that is restored.
    #[error("section `{name}`: {reason}")]
    Content {
        /// The section, with its scopes.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// Bytes follow the last section that was read.
    #[error("{bytes} bytes follow the last section")]
    Trailing {
        /// How many bytes.
        bytes: usize,
    },
    /// A section cannot be written.
    #[error("section `{name}` cannot be written: {source}")]
    Write {
        /// The section, with its scopes.
        name: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Why a checkpoint cannot be saved or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file cannot be read or written. After a failure to write, checkpoints saved before are as they were.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The file does not begin as a checkpoint does.
    #[error("this is not a checkpoint")]
    NotACheckpoint,
    /// This version does not read the file's format.
    #[error("a checkpoint of format {found}; this version reads format {supported}")]
    Version {
        /// Format of the file.
        found: u32,
        /// Format that can be read.
        supported: u32,
    },
    /// The file is shorter or longer than its header says.
    #[error("{found} bytes where the checkpoint says {expected}: it is cut off, or something follows it")]
    Length {
        /// Bytes that the file should have.
        expected: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// The bytes are not those that were written.
    #[error("the checksum does not match: the file is damaged")]
    Checksum,
    /// The sections do not fit the state that is saved or restored.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}
