//! Forecasts of one series, in the files of the program's `rtrl stream`.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use rtrl::checkpoint::{self, Archive, ArchiveError, Loaded, Persist};
use rtrl::stream::{self, Columns, ForecasterConfig};
use serde_json::{Value, json};

use crate::error::{self, value};
use crate::settings;

/// Name of the first section of a checkpoint of the program: its settings and columns.
const IDENTITY: &str = "stream";

/// What a stream may have at the program, and has not here.
const REFUSED: [(&str, &str); 3] =
    [("key", "keys, so that it is one of many series"), ("time", "times"), ("categories", "categories")];

/// Predicts the next rows of a series, and learns from each row.
#[pyclass(subclass, module = "rtrl._rtrl")]
pub struct Forecaster {
    /// Behind a lock that is never taken: a forecaster is no `Sync`, which classes of Python must be.
    forecaster: Mutex<stream::Forecaster>,
    /// Settings and columns, as the program writes them.
    identity: Value,
    /// The names of the numbers of a row, in the order of the columns, and which of them are targets.
    names: Vec<(Py<PyString>, bool)>,
    sources: Sources,
    row: Vec<Option<f64>>,
}

/// The inputs that the program has read: of each its number of rows and hashes of them, which are carried through.
#[derive(Default)]
struct Sources {
    rows: Vec<u64>,
    hashes: Vec<u64>,
    heads: Vec<u64>,
}

/// The names of columns in settings and columns of a checkpoint.
struct Named {
    columns: Vec<String>,
    inputs: Vec<String>,
    targets: Vec<String>,
}

/// For each horizon: the rows ahead, the predictions of the four predictors, and the interval.
type Ahead = Vec<(usize, [f64; 4], Option<[f64; 2]>)>;

#[pymethods]
impl Forecaster {
    #[new]
    fn new(
        py: Python<'_>,
        settings: &str,
        columns: Vec<String>,
        inputs: Vec<String>,
        targets: Vec<String>,
    ) -> PyResult<Self> {
        Self::build(py, &settings::read("settings", settings)?, Named { columns, inputs, targets })
    }

    /// The settings as JSON.
    #[getter]
    fn settings(&self) -> String {
        self.identity["settings"].to_string()
    }

    /// Names of the columns, those that are read, and those that are predicted.
    #[getter]
    fn columns(&self) -> (Vec<String>, Vec<String>, Vec<String>) {
        let Named { columns, inputs, targets } = Named::read(&self.identity);
        (columns, inputs, targets)
    }

    /// Takes in a row: the numbers of `x`, and of `y` by the names of the targets. A number that is missing is None, or
    /// not there.
    fn learn(&mut self, py: Python<'_>, x: &Bound<'_, PyDict>, y: &Bound<'_, PyDict>) -> PyResult<()> {
        for ((name, is_target), number) in self.names.iter().zip(&mut self.row) {
            let name = name.bind(py);
            let found = if *is_target { y.get_item(name)? } else { x.get_item(name)? };
            *number = match found.filter(|found| !found.is_none()) {
                None => None,
                Some(found) => Some(found.extract().map_err(|_| {
                    value(format!(
                        "column {name} must be a number or None, found {}",
                        crate::array::describe(&found)
                    ))
                })?),
            };
        }
        let Self { forecaster, row, .. } = self;
        let forecaster = forecaster.get_mut().unwrap_or_else(PoisonError::into_inner);
        py.detach(|| forecaster.step(row).map(drop)).map_err(|error| error::train(&error))
    }

    /// The net's prediction of target `target` for the next row; None if there is none.
    fn next(&mut self, target: usize) -> Option<f64> {
        let own = &*self.own();
        let report = own.report();
        if report.row == 0 {
            return None;
        }
        let report = report.targets.get(target)?;
        let first = own.config().stream.horizons.iter().position(|&horizon| horizon == 1)?;
        report.forecasts.get(first).map(|forecast| forecast.next[0]).filter(|next| next.is_finite())
    }

    /// What is predicted of target `target` for later rows.
    fn ahead(&mut self, target: usize) -> PyResult<Ahead> {
        let own = &*self.own();
        let report = own.report();
        let forecasts = match report.targets.get(target) {
            // Before the first row, and right after a restoration, nothing has been said.
            Some(_) if report.row == 0 => &[],
            Some(of) => &of.forecasts[..],
            None if target < own.columns().targets().len() => &[],
            None => return Err(value(format!("there is no target {target}"))),
        };
        let horizons = &own.config().stream.horizons;
        Ok(horizons.iter().zip(forecasts).map(|(&rows, made)| (rows, made.next, made.interval)).collect())
    }

    /// The observed value of target `target` in the last row, and what the predictors had said of it at each horizon.
    fn last(&mut self, target: usize) -> (Option<f64>, Vec<Option<[f64; 4]>>) {
        match self.own().report().targets.get(target) {
            None => (None, Vec::new()),
            Some(of) => (of.value, of.forecasts.iter().map(|forecast| forecast.predicted).collect()),
        }
    }

    /// For each horizon the running mean squared errors of the predictors, in units of the variance.
    fn scores(&mut self) -> Vec<[f64; 4]> {
        self.own().report().scores.clone()
    }

    /// The anomaly score of the last row, and whether a drift was found with it.
    fn anomaly(&mut self) -> (Option<f64>, bool) {
        let report = self.own().report();
        (report.anomaly, report.drift)
    }

    /// Numbers of rows, of missing values, and of times that the net began anew.
    fn counts(&mut self) -> (u64, u64, u64) {
        let counts = self.own().counts();
        (counts.rows, counts.missing, counts.resets)
    }

    /// Says that the next row does not follow the last one.
    fn begin_sequence(&mut self) {
        self.own().begin_sequence();
    }

    /// Whether it learns.
    fn set_learning(&mut self, learning: bool) {
        self.own().set_learning(learning);
    }

    /// Writes a checkpoint, which `rtrl stream` reads.
    fn save(&mut self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| checkpoint::save(&path, |archive| self.persist(archive)))
            .map_err(|error| error::checkpoint(&error, &path.display()))
    }

    /// Reads a checkpoint of this class or of `rtrl stream`.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let named = |error: &_| error::checkpoint(error, &path.display());
        // The one before, if the latest is damaged; for its settings and columns first, then for its state.
        let identity = |identity: &mut Value, archive: &mut Archive<'_>| {
            *identity = read_identity(archive)?;
            archive.skip_rest();
            Ok(())
        };
        let missing = || {
            PyErr::new::<pyo3::exceptions::PyFileNotFoundError, _>(format!(
                "no checkpoint {}",
                path.display()
            ))
        };
        let identity = match checkpoint::load_latest(
            &path,
            || Ok::<_, checkpoint::CheckpointError>(Value::Null),
            identity,
        ) {
            Ok(Loaded::Nothing) => return Err(missing()),
            Ok(Loaded::Latest(identity) | Loaded::Previous(identity, _)) => identity,
            Err(error) => return Err(named(&error)),
        };
        let new = || Self::of(py, &identity, &path.display()).map_err(Failed::New);
        match checkpoint::load_latest(&path, new, |state, archive| state.persist(archive)) {
            Ok(Loaded::Nothing) => Err(missing()),
            Ok(Loaded::Latest(state) | Loaded::Previous(state, _)) => state.at_its_rate(&identity),
            Err(Failed::New(error)) => Err(error),
            Err(Failed::Checkpoint(error)) => Err(named(&error)),
        }
    }

    /// The checkpoint that `save` writes, as bytes.
    fn save_bytes<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &checkpoint::to_bytes(|archive| self.persist(archive)).map_err(value)?))
    }

    /// Goes on from `save_bytes`.
    #[staticmethod]
    fn load_bytes(py: Python<'_>, bytes: &[u8]) -> PyResult<Self> {
        let named = |error: checkpoint::CheckpointError| error::checkpoint(&error, &"of a forecaster");
        let identity = checkpoint::from_bytes(bytes, |archive| {
            let identity = read_identity(archive)?;
            archive.skip_rest();
            Ok(identity)
        });
        let identity = identity.map_err(named)?;
        let mut state = Self::of(py, &identity, &"of a forecaster")?;
        checkpoint::from_bytes(bytes, |archive| state.persist(archive)).map_err(named)?;
        state.at_its_rate(&identity)
    }
}

enum Failed {
    New(PyErr),
    Checkpoint(checkpoint::CheckpointError),
}

impl From<checkpoint::CheckpointError> for Failed {
    fn from(error: checkpoint::CheckpointError) -> Self {
        Self::Checkpoint(error)
    }
}

fn read_identity(archive: &mut Archive<'_>) -> Result<Value, ArchiveError> {
    let mut bytes = Vec::new();
    archive.vec(IDENTITY, &mut bytes)?;
    serde_json::from_slice(&bytes).map_err(|error| archive.refusal(IDENTITY, error.to_string()))
}

impl Named {
    fn read(identity: &Value) -> Self {
        let names = |field: &str| {
            let list = identity[field].as_array().into_iter().flatten();
            list.filter_map(Value::as_str).map(str::to_string).collect()
        };
        Self { columns: names("columns"), inputs: names("input"), targets: names("target") }
    }

    /// Indices of the columns with these names.
    fn places(&self, what: &str, names: &[String]) -> PyResult<Vec<usize>> {
        let place = |name: &String| {
            let found = self.columns.iter().position(|column| column == name);
            found.ok_or_else(|| {
                value(format!("{what}: there is no column {name}; there are {}", self.columns.join(", ")))
            })
        };
        let mut places: Vec<usize> = names.iter().map(place).collect::<PyResult<_>>()?;
        places.sort_unstable();
        if places.is_empty() || places.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(value(format!(
                "{what} must be one or more distinct columns, found [{}]",
                names.join(", ")
            )));
        }
        Ok(places)
    }
}

impl Forecaster {
    fn own(&mut self) -> &mut stream::Forecaster {
        self.forecaster.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// A forecaster that has read nothing, with the settings and columns of a checkpoint.
    fn of(py: Python<'_>, identity: &Value, path: &dyn std::fmt::Display) -> PyResult<Self> {
        let at = |message: String| value(format!("checkpoint {path}: {message}"));
        if let Some((_, has)) = REFUSED.iter().find(|(field, _)| !identity[*field].is_null()) {
            return Err(at(format!("it is of a stream with {has}; go on with it by the program")));
        }
        let config: ForecasterConfig =
            serde_json::from_value(identity["settings"].clone()).map_err(|error| at(error.to_string()))?;
        Self::build(py, &config, Named::read(identity))
    }

    /// With the learning rate that was set since the stream began.
    fn at_its_rate(mut self, identity: &Value) -> PyResult<Self> {
        if let Some(rate) = identity["rate"].as_f64() {
            self.identity["rate"] = rate.into();
            self.own().set_learning_rate(rate).map_err(|error| error::train(&error))?;
        }
        Ok(self)
    }

    fn build(py: Python<'_>, config: &ForecasterConfig, named: Named) -> PyResult<Self> {
        let inputs = named.places("inputs", &named.inputs)?;
        let targets = named.places("targets", &named.targets)?;
        let mut used = [&inputs[..], &targets[..]].concat();
        used.sort_unstable();
        used.dedup();
        let name = |&column: &usize| named.columns[column].clone();
        let place = |columns: &[usize]| -> Vec<usize> {
            columns.iter().filter_map(|column| used.binary_search(column).ok()).collect()
        };
        let columns =
            Columns::new(used.iter().map(name).collect(), place(&inputs), place(&targets)).map_err(value)?;
        let forecaster = stream::Forecaster::new(config, &columns).map_err(|error| error::train(&error))?;
        let named_of = |columns: &[usize]| columns.iter().map(name).collect::<Vec<_>>();
        let identity = json!({
            "settings": config,
            "columns": named.columns,
            "input": named_of(&inputs),
            "target": named_of(&targets),
        });
        let names = used
            .iter()
            .map(|column| (PyString::new(py, &named.columns[*column]).unbind(), targets.contains(column)));
        Ok(Self {
            forecaster: Mutex::new(forecaster),
            identity,
            names: names.collect(),
            sources: Sources::default(),
            row: vec![None; used.len()],
        })
    }
}

impl Persist for Forecaster {
    /// The sections of a checkpoint of the program.
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        let mut identity = self.identity.to_string().into_bytes();
        archive.vec(IDENTITY, &mut identity)?;
        self.own().persist(archive)?;
        archive.part("sources", &mut self.sources)
    }
}

impl Persist for Sources {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.vec("rows", &mut self.rows)?;
        archive.vec("hashes", &mut self.hashes)?;
        archive.vec("heads", &mut self.heads)
    }
}
