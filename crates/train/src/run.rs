//! A run in a folder of its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rtrl_estimators::Cost;
use serde::{Deserialize, Serialize};

use crate::metrics::Writer;
use crate::{Record, RunConfig, TrainError, Trainer, WindowReport};

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Time steps made.
    pub step: u64,
    /// Time steps of the whole run.
    pub steps: u64,
}

/// What a finished run leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// [`RunConfig::hash`].
    pub hash: String,
    /// Version of this crate.
    pub version: String,
    /// Time steps made.
    pub steps: u64,
    /// Mean loss of the last record with a target, in bits per target.
    pub bits: Option<f64>,
    /// Final level of the curriculum.
    pub level: Option<u32>,
    /// Final loss on held-out data, in bits per target.
    pub valid_bits: Option<f64>,
    /// Counted cost of the estimator.
    pub cost: Cost,
    /// Seconds that the run took: differs from one execution to the next.
    pub seconds: f64,
}

/// How a call of [`run`] ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The run is complete, now or from an earlier call.
    Finished(Summary),
    /// It was told to stop.
    Interrupted,
}

/// The files of a run folder.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The summary, if the run of this configuration is complete.
    fn finished(&self, hash: &str) -> Option<Summary> {
        // A result that cannot be read is as good as none: the run is made again.
        read_summary(&self.path).ok().filter(|summary| summary.hash == hash)
    }

    /// Writes a file so that it is either whole or absent.
    fn write(&self, name: &str, content: &str) -> Result<(), TrainError> {
        let path = self.file(name);
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&self.path)?;
            file.write_all(content.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(TrainError::file("write", &path))
    }
}

/// Makes the run that `config` describes in `root/<config.folder()>`, or reads its result if it has been made: `config.toml`,
/// `metrics.jsonl` and finally `result.json`. A run that was interrupted is made again from its beginning.
///
/// `progress` is called after each window; when `stop` is set, the run ends after its window and leaves no result.
///
/// # Errors
/// If the configuration has no meaning, data or folder cannot be used, or training diverges.
pub fn run(
    config: &RunConfig,
    root: &Path,
    progress: &mut dyn FnMut(Progress),
    stop: &AtomicBool,
) -> Result<Outcome, TrainError> {
    let hash = config.hash();
    let folder = Folder { path: root.join(config.folder()) };
    if let Some(summary) = folder.finished(&hash) {
        return Ok(Outcome::Finished(summary));
    }
    let mut trainer = Trainer::new(config)?;
    std::fs::create_dir_all(&folder.path).map_err(TrainError::file("create the folder", &folder.path))?;
    folder.write("config.toml", &config.to_toml()?)?;
    let mut log = Log {
        writer: Writer::create(&folder.file("metrics.jsonl"))?,
        started: Instant::now(),
        since: WindowReport::default(),
        bits: None,
        valid_bits: None,
    };
    let steps = config.training.steps;
    while trainer.steps() < steps {
        if stop.load(Ordering::Relaxed) {
            return Ok(Outcome::Interrupted);
        }
        let before = trainer.steps();
        let window = trainer.train_window()?;
        log.add(window);
        let due = |every: u64| before / every != trainer.steps() / every;
        let last = trainer.steps() == steps;
        let evaluate = last || config.training.evaluate_every.is_some_and(due);
        if last || evaluate || due(config.training.log_every) {
            log.record(&mut trainer, config, evaluate)?;
        }
        progress(Progress { step: trainer.steps(), steps });
    }
    let summary = Summary {
        hash,
        version: env!("CARGO_PKG_VERSION").to_string(),
        steps,
        bits: log.bits,
        level: trainer.level(),
        valid_bits: log.valid_bits,
        cost: trainer.cost(),
        seconds: log.started.elapsed().as_secs_f64(),
    };
    let json = serde_json::to_string_pretty(&summary)
        .map_err(|error| TrainError::file("write", &folder.file("result.json"))(error.into()))?;
    folder.write("result.json", &json)?;
    Ok(Outcome::Finished(summary))
}

/// The summary of a finished run in `folder`.
///
/// # Errors
/// If there is none or it is damaged.
pub fn read_summary(folder: &Path) -> Result<Summary, TrainError> {
    let path = folder.join("result.json");
    let text = std::fs::read_to_string(&path).map_err(TrainError::file("read", &path))?;
    serde_json::from_str(&text).map_err(|error| TrainError::Damaged {
        path,
        line: error.line(),
        reason: error.to_string(),
    })
}

/// Collects losses between records.
struct Log {
    writer: Writer,
    started: Instant,
    since: WindowReport,
    bits: Option<f64>,
    valid_bits: Option<f64>,
}

impl Log {
    fn add(&mut self, window: WindowReport) {
        self.since.steps += window.steps;
        self.since.targets += window.targets;
        self.since.bits += window.bits;
    }

    fn record(
        &mut self,
        trainer: &mut Trainer,
        config: &RunConfig,
        evaluate: bool,
    ) -> Result<(), TrainError> {
        let since = std::mem::take(&mut self.since);
        let bits = (since.targets > 0).then(|| since.bits / since.targets as f64);
        let valid_bits = if evaluate { trainer.evaluate()? } else { None };
        self.bits = bits.or(self.bits);
        self.valid_bits = valid_bits.or(self.valid_bits);
        self.writer.write(&Record {
            step: trainer.steps(),
            characters: trainer.steps() * config.training.lanes as u64,
            bits,
            level: trainer.level(),
            valid_bits,
            alignment: trainer.take_alignment(),
            seconds: self.started.elapsed().as_secs_f64(),
        })
    }
}
