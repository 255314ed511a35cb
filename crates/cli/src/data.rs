//! `rtrl data`: public texts to train on, fetched, checked and unpacked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use rtrl_data::{CATALOGUE, DataError, Outcome, Settings, Watch, check_address, find, get, is_present};
use rtrl_report::{Align, Table, tables};

use crate::Failure;
use crate::signals::stop_flag;

/// Columns of the table of datasets.
const WIDTH: u16 = 118;

/// What `rtrl data` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Data {
    /// Download a dataset, check it and unpack it; an interrupted download goes on where it ended.
    Get {
        /// The dataset, as the list names it.
        name: String,
        /// Another address of the archive; it must serve the same bytes.
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        /// Data folder; the dataset becomes a folder in it.
        #[arg(long, value_name = "DIR", default_value = "data")]
        to: PathBuf,
    },
    /// Name the datasets, their sizes and licenses, and which of them are present.
    List {
        /// Data folder.
        #[arg(long, value_name = "DIR", default_value = "data")]
        to: PathBuf,
    },
}

/// Runs the command.
pub fn run(flags: &Data) -> Result<(), Failure> {
    match flags {
        Data::List { to } => list(to),
        Data::Get { name, url, to } => fetch(name, url.as_deref(), to)?,
    }
    Ok(())
}

fn list(to: &Path) {
    let row = |dataset: &rtrl_data::Dataset| {
        let present = if is_present(dataset, &to.join(dataset.name)) { "yes" } else { "no" };
        let size = HumanBytes(dataset.bytes).to_string();
        [dataset.name, dataset.what, &size, dataset.license, present].map(str::to_string).to_vec()
    };
    let table = Table {
        caption: format!("Datasets; folder: {}", to.display()),
        headers: ["name", "what it is", "download", "license", "present"].map(str::to_string).to_vec(),
        rows: CATALOGUE.iter().map(row).collect(),
        align: vec![Align::Left; 5],
    };
    println!("{}", tables(&[table], WIDTH));
}

fn fetch(name: &str, url: Option<&str>, to: &Path) -> Result<(), Failure> {
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
    let stop = stop_flag(|| {})?;
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

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        Self::of_status(error.status(), error)
    }
}
