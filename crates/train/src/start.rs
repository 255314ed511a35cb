//! Configurations completed from the files that they name.

use rtrl_tasks::BuildTask;
use sha2::{Digest, Sha256};

use crate::run_config::hex;
use crate::{ConfigError, Model, RunConfig, StartConfig, TrainError};

impl StartConfig {
    /// Reads the net.
    ///
    /// # Errors
    /// If the file cannot be read, has another hash than [`sha256`](Self::sha256), or holds no net.
    pub fn load(&self) -> Result<Model, TrainError> {
        Ok(self.read()?.0)
    }

    /// The net, and the hash of the file.
    fn read(&self) -> Result<(Model, String), TrainError> {
        let path = &self.model;
        let bytes = std::fs::read(path).map_err(TrainError::file("read", path))?;
        let found = hex(&Sha256::digest(&bytes));
        if self.sha256.as_ref().is_some_and(|expected| *expected != found) {
            let allowed = "the hash of the file: its content has changed, or it is another file";
            return Err(ConfigError::Value { field: "start.sha256", allowed, found }.into());
        }
        let model = Model::from_bytes(&bytes)
            .map_err(|source| TrainError::Checkpoint { path: path.clone(), source })?;
        Ok((model, found))
    }
}

impl RunConfig {
    /// The configuration with what files say written into it: the hash of the model that the run begins with, its
    /// layers if none are given, and what a task finds in its data ([`BuildTask::resolved`]). Files that change later
    /// are then noticed, and the hash of the configuration stands for their content. [`run`](crate::run()) does this
    /// first.
    ///
    /// # Errors
    /// If a file cannot be read, or the model does not fit.
    pub fn resolved(&self) -> Result<Self, TrainError> {
        let mut config = self.clone();
        if let Some(start) = &mut config.start {
            let (model, hash) = start.read()?;
            start.sha256 = Some(hash);
            config = model.for_run(config.clone())?.run().cloned().unwrap_or(config);
        }
        if let Some(task) = &mut config.task {
            *task = task.resolved()?;
        }
        Ok(config)
    }
}
