//! The files of a run.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use rtrl_checkpoint::TEMPORARY_PREFIX;

use crate::TrainError;

/// Attempts to take the lock. A process that is being killed, or one that was just forked and has not closed its
/// files yet, holds the lock for a moment.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// A run's folder, locked: no other process writes to the folder while this value lives.
///
/// | file | what |
/// |---|---|
/// | `config.toml` | the configuration of the run |
/// | `metrics.jsonl` | a line for each record |
/// | `checkpoint`, `checkpoint.previous` | the state of a run that has not ended, or whose checkpoint is kept |
/// | `model` | the net at the end |
/// | `best` | the net with the lowest loss on the validation data so far, if the task has some |
/// | `result.json` | the result of a complete run, or of one whose dynamic evaluation is still to come |
/// | `lock` | locked by the process that makes the run |
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Released when the file is closed, however the process ends.
    _lock: File,
}

impl Folder {
    /// Creates the folder if it does not exist, and locks it.
    pub fn open(path: PathBuf) -> Result<Self, TrainError> {
        std::fs::create_dir_all(&path).map_err(TrainError::file("create the folder", &path))?;
        let lock = path.join("lock");
        let file = File::options().write(true).create(true).truncate(false).open(&lock);
        let file = file.map_err(TrainError::file("open", &lock))?;
        for attempt in 0.. {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(source)) => return Err(TrainError::file("lock", &lock)(source)),
                Err(TryLockError::WouldBlock) if attempt == LOCK_ATTEMPTS => {
                    return Err(TrainError::Locked { path });
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            }
        }
        Ok(Self { path, _lock: file })
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Replaces the file `name` of the folder as a whole.
    pub fn write(&self, name: &str, content: &str) -> Result<(), TrainError> {
        let path = self.file(name);
        rtrl_checkpoint::replace(&path, |file| file.write_all(content.as_bytes()))
            .map_err(TrainError::file("write", &path))
    }

    /// Removes the files `also`, and the temporary files of a process that was killed.
    pub fn tidy(&self, also: &[PathBuf]) {
        // Errors are ignored: a file that is left over does no harm.
        also.iter().for_each(|path| drop(std::fs::remove_file(path)));
        for entry in std::fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(TEMPORARY_PREFIX) {
                drop(std::fs::remove_file(entry.path()));
            }
        }
    }
}
