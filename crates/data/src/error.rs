//! What can go wrong while a dataset is fetched.

use std::io;
use std::path::PathBuf;

/// Why a dataset is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// No dataset has this name.
    #[error("there is no dataset {name:?}; there are: {known}")]
    Unknown {
        /// The name as given.
        name: String,
        /// All names.
        known: String,
    },
    /// Not an address that can be fetched.
    #[error("--url {url:?} is not an http:// or https:// address")]
    Address {
        /// The address as given.
        url: String,
    },
    /// The data folder cannot be used.
    #[error("cannot write to {}: {source}; choose another folder with --to", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Two downloads of one file would spoil each other.
    #[error("{} is being written by another download", path.display())]
    Busy {
        /// The file of both.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be written; the disk may be full.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No address served the archive.
    #[error("cannot download {name}: {reasons}")]
    Download {
        /// The dataset.
        name: String,
        /// Each address with what was wrong with it.
        reasons: String,
    },
    /// An archive that the user put there is another one.
    #[error("{} is not the archive expected, or is damaged: {reason}; remove it to download it", path.display())]
    WrongArchive {
        /// The archive.
        path: PathBuf,
        /// How it differs.
        reason: String,
    },
    /// A file was edited or damaged since it was unpacked. It is not overwritten: the change may be wanted.
    #[error("{} has changed since it was unpacked; remove it to fetch it again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The archive is not what the catalogue says, although its hash is: nothing of it is unpacked.
    #[error("{} is refused: {reason}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What was found in it.
        reason: String,
    },
    /// The user ended it.
    #[error("interrupted; what has arrived is kept, and the same command goes on with the rest")]
    Interrupted,
}

impl DataError {
    /// Exit status that goes with it: 2 for a mistake in the command, 130 for an interruption, 1 for anything else.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Unknown { .. } | Self::Address { .. } | Self::Folder { .. } => 2,
            Self::Interrupted => 130,
            _ => 1,
        }
    }
}
