//! What can go wrong while a report is written.

use std::io;
use std::path::PathBuf;

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A figure's id cannot be a file name.
    #[error("figure id {id:?} must be ASCII letters, digits, '-' or '_', and not empty")]
    FigureId {
        /// The id as given.
        id: String,
    },
    /// Two figures would write the same files.
    #[error("two figures have the id {id:?}")]
    DuplicateFigure {
        /// The id that both have.
        id: String,
    },
    /// Two lines of a figure could not be told apart.
    #[error("figure {figure:?} has two series labeled {label:?}")]
    DuplicateSeries {
        /// Id of the figure.
        figure: String,
        /// The label that both have.
        label: String,
    },
    /// The plot library refused a figure.
    #[error("cannot draw figure {figure:?}: {reason}")]
    Drawing {
        /// Id of the figure.
        figure: String,
        /// What the library said.
        reason: String,
    },
    /// A file or folder could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
