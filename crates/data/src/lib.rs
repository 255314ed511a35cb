//! Public texts to train on, fetched, checked and unpacked.
//!
//! A [`Dataset`] of the [`CATALOGUE`] has its addresses, the size and the SHA-256 hash of its archive, its files and its license.
//! [`get`] downloads the archive, going on with what an interrupted call has left, compares it with the hash, unpacks it, and writes
//! the hashes of its files beside them; a dataset that is there is compared with these.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
const _: () = ();

mod catalogue;
mod download;
mod error;
mod hash;
mod http;
mod part;
mod store;
mod unpack;

use std::fs::File;
use std::path::Path;
use std::sync::atomic::AtomicBool;

pub use catalogue::{CATALOGUE, Dataset, Member, Packing};
pub use download::Watch;
pub use error::DataError;
pub use http::Settings;
pub use store::is_present;

/// What had to be done to have a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing: the dataset was there, and unchanged.
    Present,
    /// It was downloaded, or unpacked from an archive that was there.
    Fetched,
}

/// The dataset of this name.
///
/// # Errors
/// There is none.
pub fn find(name: &str) -> Result<&'static Dataset, DataError> {
    CATALOGUE.iter().find(|dataset| dataset.name == name).ok_or_else(|| DataError::Unknown {
        name: name.to_string(),
        known: CATALOGUE.iter().map(|dataset| dataset.name).collect::<Vec<_>>().join(", "),
    })
}

/// The address, if a dataset can be fetched from it.
///
/// # Errors
/// [`DataError::Address`] if it is not an `http` or `https` address with a host.
pub fn check_address(url: &str) -> Result<String, DataError> {
    let host = |uri: &ureq::http::Uri| uri.host().is_some_and(|host| !host.is_empty());
    let known = |uri: &ureq::http::Uri| matches!(uri.scheme_str(), Some("http" | "https"));
    match url.parse::<ureq::http::Uri>() {
        Ok(uri) if known(&uri) && host(&uri) => Ok(url.to_string()),
        _ => Err(DataError::Address { url: url.to_string() }),
    }
}

/// Makes sure that `dataset` is in the data folder `to`, whole. An archive that the user has put into `to` is
/// used, and kept; a downloaded one is removed after it was unpacked.
///
/// # Errors
/// If the dataset is not there in the end: why.
pub fn get(
    dataset: &Dataset,
    urls: &[String],
    to: &Path,
    settings: &Settings,
    watch: Watch<'_>,
) -> Result<Outcome, DataError> {
    let folder = to.join(dataset.name);
    if store::is_present(dataset, &folder) {
        return store::verify(dataset, &folder, watch.stop).map(|()| Outcome::Present);
    }
    prepare(to)?;
    let given = to.join(dataset.archive);
    if given.exists() {
        let file = check_given(dataset, &given, watch.stop)?;
        unpack_into(dataset, &given, file, &folder, watch.stop)?;
    } else {
        let path = to.join(format!("{}.part", dataset.archive));
        let mut part = download::download(dataset, urls, &path, settings, watch)?;
        watch.bar.set_message("unpacking");
        unpack_into(dataset, &path, part.reader()?, &folder, watch.stop)?;
        part.remove()?;
    }
    Ok(Outcome::Fetched)
}

fn unpack_into(
    dataset: &Dataset,
    archive: &Path,
    file: File,
    folder: &Path,
    stop: &AtomicBool,
) -> Result<(), DataError> {
    let files = unpack::unpack(dataset, archive, file, folder, stop)?;
    store::finish(dataset, folder, &files)
}

/// Makes sure that the data folder exists and can be written.
fn prepare(to: &Path) -> Result<(), DataError> {
    let probe = std::fs::create_dir_all(to).and_then(|()| tempfile::NamedTempFile::new_in(to));
    probe.map(drop).map_err(|source| DataError::Folder { path: to.to_path_buf(), source })
}

/// Opens an archive that the user put into the data folder, if it is the one expected.
fn check_given(dataset: &Dataset, path: &Path, stop: &AtomicBool) -> Result<File, DataError> {
    let wrong = |reason| Err(DataError::WrongArchive { path: path.to_path_buf(), reason });
    let unread = |source| DataError::Read { path: path.to_path_buf(), source };
    let size = std::fs::metadata(path).map_err(unread)?.len();
    if size != dataset.bytes {
        return wrong(format!("it has {size} bytes, expected {}", dataset.bytes));
    }
    let found = hash::of_file(hash::open(path)?, path, stop)?;
    if found != dataset.sha256 {
        return wrong(format!("SHA-256 is {found}, expected {}", dataset.sha256));
    }
    hash::open(path)
}
