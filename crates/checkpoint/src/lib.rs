//! State that is saved and restored through one function, in files that survive crashes and refuse damage.
//!
//! An object with state describes it once, in [`Persist::persist`], as a sequence of named sections. An
//! [`Archive`] goes through the sections and either writes each or overwrites it from the file, so that saving and
//! restoring cannot drift apart. Arrays are read into arrays that exist already, so that a file cannot make its
//! reader allocate as much as it likes.
//!
//! ```
//! use rtrl_checkpoint::{Archive, ArchiveError, Persist, load, save};
//!
//! struct Counter {
//!     counts: [u64; 3],
//!     label: Option<u32>,
//! }
//!
//! impl Persist for Counter {
//!     fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
//!         archive.slice("counts", &mut self.counts)?;
//!         archive.value("label", &mut self.label)
//!     }
//! }
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("counter");
//! let mut counter = Counter { counts: [1, 2, 3], label: Some(7) };
//! save(&path, |archive| counter.persist(archive))?;
//!
//! let mut restored = Counter { counts: [0; 3], label: None };
//! load(&path, |archive| restored.persist(archive))?;
//! assert_eq!((restored.counts, restored.label), ([1, 2, 3], Some(7)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
const _: () = ();

mod archive;
mod error;
mod file;
mod replace;

pub use archive::{Archive, Persist};
pub use error::{ArchiveError, CheckpointError};
pub use file::{FORMAT_VERSION, Loaded, from_bytes, load, load_latest, overwrite, previous, save, to_bytes};
pub use replace::{Replacement, TEMPORARY_PREFIX, replace};
