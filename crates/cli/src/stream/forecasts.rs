//! The forecaster of one series, or of many.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_stream::{Columns, Counts, Forecaster, ForecasterConfig, KeyedForecaster, Report, Share};
use rtrl_train::{Model, TrainError};

use crate::Failure;

/// What is asked for many series.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keys {
    /// What they share.
    pub share: Share,
    /// After how many rows a series that has none is forgotten.
    pub forget_after: Option<u64>,
}

/// The forecaster of one series, or of many.
pub enum Forecasts {
    /// Of one.
    One(Box<Forecaster>),
    /// Of a series for each key.
    Keyed(Box<KeyedForecaster>),
}

impl Forecasts {
    /// A forecaster that has read nothing; of many series if `keys` are given. The net begins with the weights of
    /// `start`.
    ///
    /// # Errors
    /// If a setting has no meaning, or `start` is another net.
    pub fn new(
        config: &ForecasterConfig,
        columns: &Columns,
        keys: Option<Keys>,
        start: Option<&Model>,
    ) -> Result<Self, Failure> {
        let mut new = match keys {
            None => Self::One(Box::new(Forecaster::new(config, columns)?)),
            Some(Keys { share, forget_after }) => {
                Self::Keyed(Box::new(KeyedForecaster::new(config, columns, share, forget_after)?))
            }
        };
        if let Some(model) = start {
            match &mut new {
                Self::One(one) => one.begin_with(model)?,
                Self::Keyed(keyed) => keyed.begin_with(model)?,
            }
        }
        Ok(new)
    }

    /// The forecaster, if there is only one series.
    pub fn one(&self) -> Option<&Forecaster> {
        match self {
            Self::One(one) => Some(one),
            Self::Keyed(_) => None,
        }
    }

    /// Takes in a row of the series `key`, which is the only one if there are no keys.
    ///
    /// # Errors
    /// If the net cannot learn for another reason than NaN or infinity.
    pub fn step(&mut self, key: &str, row: &[Option<f64>]) -> Result<&Report, TrainError> {
        match self {
            Self::One(one) => one.step(row),
            Self::Keyed(keyed) => keyed.step(key, row),
        }
    }

    /// Says that the next row of the series `key` does not follow its last one.
    pub fn begin_sequence(&mut self, key: &str) {
        match self {
            Self::One(one) => one.begin_sequence(),
            Self::Keyed(keyed) => keyed.begin_sequence(key),
        }
    }

    /// Whether the next row of `key` will be one of a series that is known.
    pub fn knows(&self, key: &str) -> bool {
        match self {
            Self::One(one) => one.counts().rows > 0,
            Self::Keyed(keyed) => keyed.knows(key),
        }
    }

    /// Whether they learn.
    pub fn set_learning(&mut self, learning: bool) {
        match self {
            Self::One(one) => one.set_learning(learning),
            Self::Keyed(keyed) => keyed.set_learning(learning),
        }
    }

    /// Sets the learning rate.
    ///
    /// # Errors
    /// If it is negative, NaN or infinite.
    pub fn set_learning_rate(&mut self, rate: f64) -> Result<(), TrainError> {
        match self {
            Self::One(one) => one.set_learning_rate(rate),
            Self::Keyed(keyed) => keyed.set_learning_rate(rate),
        }
    }

    /// Counts over all series.
    pub fn counts(&self) -> Counts {
        match self {
            Self::One(one) => one.counts(),
            Self::Keyed(keyed) => keyed.counts(),
        }
    }

    /// Counts rows that could not be used.
    pub fn leave_out(&mut self, rows: u64) {
        match self {
            Self::One(one) => one.leave_out(rows),
            Self::Keyed(keyed) => keyed.leave_out(rows),
        }
    }

    /// Whether there is a linear model.
    pub fn has_linear(&self) -> bool {
        match self {
            Self::One(one) => one.has_linear(),
            Self::Keyed(keyed) => keyed.has_linear(),
        }
    }

    /// The last reports of all series that there are.
    pub fn reports(&self) -> Vec<&Report> {
        match self {
            Self::One(one) => vec![one.report()],
            Self::Keyed(keyed) => keyed.keys().filter_map(|key| keyed.report(key)).collect(),
        }
    }

    /// Numbers of series that there are, and that were forgotten; `None` without keys.
    pub fn series(&self) -> Option<(usize, u64)> {
        match self {
            Self::One(_) => None,
            Self::Keyed(keyed) => Some((keyed.len(), keyed.forgotten())),
        }
    }

    /// The net of all series; `None` if each has its own.
    pub fn common_model(&self) -> Option<&Model> {
        match self {
            Self::One(one) => Some(one.learner().model()),
            Self::Keyed(keyed) => keyed.common_model(),
        }
    }
}

impl Persist for Forecasts {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        match self {
            Self::One(one) => one.persist(archive),
            Self::Keyed(keyed) => keyed.persist(archive),
        }
    }
}
