//! The queue's folder: what the scheduler's tasks read, and what was submitted.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::EngineError;
use super::job::Job;
use super::program::last_line;

/// `<out>/queue`, locked: no other process submits runs of this output folder while this lives.
///
/// | file | what |
/// |---|---|
/// | `<run folder>.toml` | the configuration of a run |
/// | `<n>.list` | the configurations of the n-th submission, one a line |
/// | `<n>.sh` | its script, where the scheduler takes one |
/// | `<n>-<i>.out`, `.err` | what its i-th task has written |
/// | `submitted.json` | submissions that may still have tasks in the scheduler's queue |
/// | `lock` | held by the process that waits for them |
#[derive(Debug)]
pub struct Queue {
    out: PathBuf,
    path: PathBuf,
    /// Released when the file is closed, however the process ends.
    lock: File,
}

/// Runs that are submitted together.
#[derive(Debug, Clone)]
pub struct List {
    /// Its number: no two lists of a queue have the same.
    pub number: u32,
    /// Its runs: one more than the last index.
    pub len: usize,
    /// The file with one configuration a line.
    pub file: PathBuf,
    /// Folder of the runs' folders.
    pub out: PathBuf,
    /// The program that makes a run of the list.
    pub program: PathBuf,
    /// The folder that relative paths in configurations start from.
    pub from: PathBuf,
}

impl List {
    /// A file of this list in the queue's folder.
    pub fn sibling(&self, name: &str) -> PathBuf {
        self.file.with_file_name(format!("{}{name}", self.number))
    }

    /// What the scheduler calls it.
    pub fn name(&self) -> String {
        let out = self.out.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        format!("rtrl-{}-{}", out.chars().map(plain).collect::<String>(), self.number)
    }
}

/// A list that was submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// The scheduler.
    pub engine: String,
    /// The scheduler's number of it.
    pub id: String,
    /// What the scheduler calls it.
    pub name: String,
    /// Number of the list.
    pub list: u32,
    /// The run folder of each task.
    pub folders: Vec<String>,
}

impl Queue {
    /// Creates the folder if need be and locks it.
    pub(super) fn open(out: &Path) -> Result<Self, EngineError> {
        let out = std::path::absolute(out).map_err(EngineError::file("find", out))?;
        let path = out.join("queue");
        std::fs::create_dir_all(&path).map_err(EngineError::file("create the folder", &path))?;
        let lock = path.join("lock");
        let file = File::options().write(true).create(true).truncate(false).open(&lock);
        let file = file.map_err(EngineError::file("open", &lock))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { out, path, lock: file }),
            Err(TryLockError::WouldBlock) => Err(EngineError::Busy { path }),
            Err(TryLockError::Error(source)) => Err(EngineError::file("lock", &lock)(source)),
        }
    }

    fn write(&self, name: &str, content: &str) -> Result<PathBuf, EngineError> {
        let path = self.path.join(name);
        rtrl_report::replace(&path, content)
            .map_err(|error| EngineError::file("write", &path)(std::io::Error::other(error)))?;
        Ok(path)
    }

    /// Writes a list of these jobs, with a number that no other has.
    pub(super) fn list(&self, jobs: &[&Job], program: &Path) -> Result<List, EngineError> {
        let entries = std::fs::read_dir(&self.path).map_err(EngineError::file("read", &self.path))?;
        let numbers = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".list")?.parse::<u32>().ok());
        let number = numbers.max().map_or(1, |last| last + 1);
        let mut lines = String::new();
        for job in jobs {
            let name = format!("{}.toml", job.config.folder());
            self.write(&name, &job.config.to_toml()?)?;
            lines.push_str(&name);
            lines.push('\n');
        }
        let file = self.write(&format!("{number}.list"), &lines)?;
        let here = Path::new(".");
        let from = std::path::absolute(here).map_err(EngineError::file("find", here))?;
        Ok(List {
            number,
            len: jobs.len(),
            file,
            out: self.out.clone(),
            program: program.to_path_buf(),
            from,
        })
    }

    /// The submissions that may still have tasks in the scheduler's queue.
    pub(super) fn submitted(&self) -> Result<Vec<Submission>, EngineError> {
        let path = self.path.join("submitted.json");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(EngineError::file("read", &path)(error)),
        };
        serde_json::from_str(&text).map_err(|error| EngineError::Damaged { path, reason: error.to_string() })
    }

    pub(super) fn remember(&self, submissions: &[Submission]) -> Result<(), EngineError> {
        let json = serde_json::to_string_pretty(submissions)
            .map_err(|error| EngineError::file("write", &self.path)(error.into()))?;
        self.write("submitted.json", &json).map(drop)
    }

    /// The last line that a task has written: to its standard error, or else to its standard output.
    pub(super) fn last_words(&self, list: u32, task: usize) -> Option<String> {
        ["err", "out"].iter().find_map(|kind| {
            let text = tail(&self.path.join(format!("{list}-{task}.{kind}")))?;
            let line = last_line(&text)?;
            Some(line.strip_prefix("error: ").unwrap_or(line).to_string())
        })
    }

    /// The last time step in the metrics of a run.
    pub(super) fn last_step(&self, folder: &str) -> Option<u64> {
        let text = tail(&self.out.join(folder).join("metrics.jsonl"))?;
        // The last line may be half written.
        text.lines()
            .rev()
            .find_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()?.get("step")?.as_u64())
    }
}

impl Drop for Queue {
    /// Unlocks the file; closing it is not enough, since a child process that was just forked may still have it
    /// open.
    fn drop(&mut self) {
        drop(self.lock.unlock());
    }
}

/// The last 16 KiB of a file.
fn tail(path: &Path) -> Option<String> {
    const ENOUGH: u64 = 16 * 1024;
    let mut file = File::open(path).ok()?;
    let len = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(len.saturating_sub(ENOUGH))).ok()?;
    let mut bytes = Vec::new();
    file.take(ENOUGH).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
