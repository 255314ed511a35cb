//! Export of a run's metrics to the formats of other tools.

mod csv;
mod quantity;
mod tensorboard;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::metrics::parse;
use crate::{Record, TrainError};

/// File format of exported metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricsFormat {
    /// One line for each record, one column for each quantity that any record has, `step` first. A cell is empty if
    /// the record does not have the quantity.
    Csv,
    /// TensorBoard's event file: one scalar for each quantity. The name of the file must contain `tfevents`, or
    /// TensorBoard ignores it.
    TensorBoard,
}

/// Converts the metrics of the run in `folder`, finished or not, to the file `to`; returns the number of records.
///
/// The export of a run in progress can be repeated. New records are appended to the file, so that a program that
/// follows it sees them. If the run has gone back, or the file holds anything else, the file is replaced. Missing
/// folders are created.
///
/// # Errors
/// If the run has no metrics, the metrics are damaged, or the file cannot be written.
pub fn export_metrics(folder: &Path, format: MetricsFormat, to: &Path) -> Result<usize, TrainError> {
    let path = folder.join("metrics.jsonl");
    let text = std::fs::read_to_string(&path).map_err(TrainError::file("read", &path))?;
    // A last line without a newline is still being written.
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let records = parse(whole, &path)?;
    let content = match format {
        MetricsFormat::Csv => csv::render(&records),
        MetricsFormat::TensorBoard => tensorboard::render(&records, started(folder, &path, &records)),
    };
    write(to, &content).map_err(TrainError::file("write", to))?;
    Ok(records.len())
}

/// The beginning of the run: when its lock was created. If a copy of the folder has no lock, it is computed from
/// the metrics: when they were last changed, and the seconds of the last record.
fn started(folder: &Path, metrics: &Path, records: &[Record]) -> SystemTime {
    let modified = |path: &Path| std::fs::metadata(path).and_then(|data| data.modified());
    let lasted = records.last().map_or(0.0, |record| record.seconds);
    let lasted = Duration::try_from_secs_f64(lasted).unwrap_or_default();
    let before = |end: SystemTime| end.checked_sub(lasted);
    let lock = modified(&folder.join("lock")).ok();
    lock.or_else(|| before(modified(metrics).ok()?)).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Appends to a file that holds the beginning of `content`; any other file is replaced as a whole.
fn write(to: &Path, content: &[u8]) -> std::io::Result<()> {
    let old = std::fs::read(to).unwrap_or_default();
    if let Some(new) = content.strip_prefix(&old[..]).filter(|_| !old.is_empty()) {
        return std::fs::File::options().append(true).open(to)?.write_all(new);
    }
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // TensorBoard needs a folder for each run.
    std::fs::create_dir_all(folder)?;
    rtrl_checkpoint::replace(to, |file| file.write_all(content))
}
