//! `cargo xtask data`: public texts to train on, fetched, checked and unpacked.

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
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

pub use catalogue::{CATALOGUE, Dataset, Member, Packing};
pub use download::Watch;
pub use error::DataError;
pub use http::Settings;

use crate::flags::Data;

/// What had to be done to have a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing: the dataset was there, and unchanged.
    Present,
    /// It was downloaded, or unpacked from an archive that was there.
    Fetched,
}

/// Runs what `flags` say.
///
/// # Errors
/// Exit status and message.
pub fn run(flags: &Data) -> Result<(), (u8, String)> {
    let done = match flags {
        Data::List { to } => {
            list(to);
            Ok(())
        }
        Data::Get { name, url, to } => get_and_tell(name, url.as_deref(), to),
    };
    done.map_err(|error| (error.status(), error.to_string()))
}

fn list(to: &Path) {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic).set_width(118);
    table.set_header(["name", "what it is", "download", "license", "present"]);
    for dataset in CATALOGUE {
        let present = if store::is_present(dataset, &to.join(dataset.name)) { "yes" } else { "no" };
        let size = HumanBytes(dataset.bytes).to_string();
        table.add_row([dataset.name, dataset.what, &size, dataset.license, present]);
    }
    println!("{table}\nfolder: {}", to.display());
}

fn get_and_tell(name: &str, url: Option<&str>, to: &Path) -> Result<(), DataError> {
    let dataset = find(name)?;
    let urls = match url {
        Some(url) => vec![check_address(url)?],
        None => dataset.urls.iter().map(ToString::to_string).collect(),
    };
    let style = "{prefix}  {bar:32} {bytes} of {total_bytes}  {binary_bytes_per_sec}  {eta} left  {msg}";
    let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(dataset.bytes).with_style(style).with_prefix(dataset.name);
    // The bar is redrawn even if nothing arrives, so that a stalled download can be seen.
    bar.enable_steady_tick(Duration::from_millis(500));
    let stop = stop_on_interrupt();
    let result = get(dataset, &urls, to, &Settings::default(), Watch { bar: &bar, stop: &stop });
    bar.finish_and_clear();
    let folder = to.join(dataset.name);
    match result? {
        Outcome::Present => println!("{name} is in {} and whole: nothing to do", folder.display()),
        Outcome::Fetched => println!("{name} is in {}", folder.display()),
    }
    println!("source: {}\nlicense: {}", dataset.source, dataset.license);
    Ok(())
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

fn check_address(url: &str) -> Result<String, DataError> {
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

/// A flag that Ctrl-C or a request to terminate sets.
fn stop_on_interrupt() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let set = stop.clone();
    // If no handler can be installed, an interruption still ends the program, and what has arrived is kept as
    // well.
    let _ = ctrlc::set_handler(move || set.store(true, Ordering::Relaxed));
    stop
}
