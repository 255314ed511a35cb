//! Experiments that measure instead of training: each a list of items, each item measured once and kept in a folder.

use std::path::{Path, PathBuf};

use rtrl_report::{Environment, Machine, RunEntry};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// To be raised when an item of the same settings is measured differently.
const VERSION: u32 = 4;

/// One thing to measure: settings as JSON, in the form that is hashed.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its name in messages.
    pub label: String,
    /// The experiment it belongs to.
    pub experiment: &'static str,
    /// Everything that determines what is measured.
    pub settings: serde_json::Value,
}

/// What was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stored {
    hash: String,
    label: String,
    settings: serde_json::Value,
    result: serde_json::Value,
    seconds: f64,
    /// Where it was measured; `None` for measurements from before this was stored.
    #[serde(default)]
    machine: Option<Machine>,
}

/// An item with what was measured.
#[derive(Debug, Clone)]
pub struct Measured<S, R> {
    /// The settings.
    pub settings: S,
    /// The result.
    pub result: R,
    /// Its entry in the report, with the folder that keeps it.
    pub entry: RunEntry,
}

impl Item {
    /// An item of an experiment.
    ///
    /// # Panics
    /// If the settings have no JSON form.
    pub fn new(experiment: &'static str, label: String, settings: impl Serialize) -> Self {
        let settings = serde_json::to_value(settings).expect("plain data");
        Self { label, experiment, settings }
    }

    /// Its seed, or 0 if it has none.
    pub fn seed(&self) -> u64 {
        self.settings["seed"].as_u64().unwrap_or(0)
    }

    fn hash(&self) -> String {
        let digest = Sha256::digest(format!("{VERSION}\n{}\n{}", self.experiment, self.settings));
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The name of its folder.
    pub fn folder(&self) -> String {
        format!("{}-{}", self.experiment, &self.hash()[..12])
    }

    fn file(&self, out: &Path) -> PathBuf {
        out.join(self.folder()).join("result.json")
    }

    fn stored(&self, out: &Path) -> Option<Stored> {
        let text = std::fs::read_to_string(self.file(out)).ok()?;
        serde_json::from_str::<Stored>(&text).ok().filter(|stored| stored.hash == self.hash())
    }

    /// Measures the item, unless that was done before.
    ///
    /// # Errors
    /// If measuring fails or the result cannot be written.
    pub fn make(&self, out: &Path, measure: Measure, environment: &Environment) -> Result<(), String> {
        if self.stored(out).is_some() {
            return Ok(());
        }
        let started = std::time::Instant::now();
        let result = measure(&self.settings)?;
        let stored = Stored {
            hash: self.hash(),
            label: self.label.clone(),
            settings: self.settings.clone(),
            result,
            seconds: started.elapsed().as_secs_f64(),
            machine: Some(Machine::of(environment)),
        };
        let file = self.file(out);
        let folder = out.join(self.folder());
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let json = serde_json::to_string_pretty(&stored).map_err(|error| error.to_string())?;
        rtrl_report::replace(&file, &json).map_err(|error| error.to_string())
    }

    /// Reads what was measured.
    ///
    /// # Errors
    /// If it was not, or the file is damaged.
    pub fn read<S: DeserializeOwned, R: DeserializeOwned>(
        &self,
        out: &Path,
    ) -> Result<Measured<S, R>, String> {
        let file = self.file(out);
        let stored = self.stored(out).ok_or_else(|| format!("{} is missing or damaged", file.display()))?;
        let damaged = |error: serde_json::Error| format!("{}: {error}", file.display());
        Ok(Measured {
            entry: RunEntry {
                label: stored.label,
                seed: self.seed(),
                hash: stored.hash,
                config_toml: serde_json::to_string_pretty(&stored.settings).map_err(damaged)?,
                folder: self.folder(),
                seconds: stored.seconds,
                machine: stored.machine,
            },
            settings: serde_json::from_value(stored.settings).map_err(damaged)?,
            result: serde_json::from_value(stored.result).map_err(damaged)?,
        })
    }
}

#[cfg(test)]
impl<S, R> Measured<S, R> {
    /// For tests of what is concluded from numbers.
    pub fn made_up(settings: S, result: R) -> Self {
        let text = String::new;
        let entry = RunEntry {
            label: text(),
            seed: 0,
            hash: text(),
            config_toml: text(),
            folder: text(),
            seconds: 0.0,
            machine: None,
        };
        Self { entry, settings, result }
    }
}

/// A sentence on the items that were measured by another commit or on another machine than this one; none if there are
/// no such items.
pub fn elsewhere(items: &[Item], out: &Path, environment: &Environment) -> Option<String> {
    let made = items.iter().filter_map(|item| Some((item.label.clone(), item.stored(out)?.machine)));
    rtrl_sweep::elsewhere(&made.collect::<Vec<_>>(), environment)
}

/// Measures one item from its settings.
pub type Measure = fn(&serde_json::Value) -> Result<serde_json::Value, String>;

/// A measurement with typed settings and results as a [`Measure`] sees them.
///
/// # Errors
/// If the settings do not parse, or those of `measure`.
pub fn typed<S: DeserializeOwned, R: Serialize>(
    settings: &serde_json::Value,
    measure: impl FnOnce(&S) -> Result<R, String>,
) -> Result<serde_json::Value, String> {
    let settings = S::deserialize(settings).map_err(|error| error.to_string())?;
    serde_json::to_value(measure(&settings)?).map_err(|error| error.to_string())
}
