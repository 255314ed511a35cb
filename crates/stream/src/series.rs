//! One series: what it does with a row, whatever its targets are.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_train::{ConfigError, TrainError};

use crate::classes::Classes;
use crate::numbers::Numbers;
use crate::report::{Counts, Report};
use crate::trial::Trial;
use crate::{Columns, ForecasterConfig, SeriesConfig};

/// Everything of one series that changes while it is read, but for the net.
pub enum Series {
    Numbers(Box<Numbers>),
    Classes(Box<Classes>),
}

/// Calls a method of whichever kind of series it is.
macro_rules! either {
    ($series:expr, $name:ident => $call:expr) => {
        match $series {
            Series::Numbers($name) => $call,
            Series::Classes($name) => $call,
        }
    };
}

impl Series {
    pub fn new(settings: &SeriesConfig, columns: &Columns) -> Self {
        match columns.classes() {
            None => Self::Numbers(Box::new(Numbers::new(settings, columns))),
            Some(count) => Self::Classes(Box::new(Classes::new(settings, columns, count))),
        }
    }

    /// Checks the settings of a forecaster, alone and for series of these columns.
    pub fn check(config: &ForecasterConfig, columns: &Columns) -> Result<(), ConfigError> {
        config.validate()?;
        let value = |field, allowed, found| Err(ConfigError::Value { field, allowed, found });
        match (columns.classes(), &config.stream) {
            (Some(_), stream) if stream.horizons.len() > 1 => {
                let allowed = "a single one where a class is predicted";
                value("stream.horizons", allowed, format!("{:?}", stream.horizons))
            }
            (Some(_), SeriesConfig { coverage: Some(coverage), .. }) => {
                let allowed =
                    "left out where a class is predicted: its probabilities say how sure the net is";
                value("stream.coverage", allowed, coverage.to_string())
            }
            _ => Ok(()),
        }
    }

    /// The nets that `config` asks for, for series like this one.
    pub fn nets(&self, config: &ForecasterConfig) -> Result<Trial, TrainError> {
        let (reads, signal) = either!(self, series => (series.reads(), series.signal()));
        let length = config.stream.trial_rows.unwrap_or(0);
        Trial::new(&config.run(), reads, signal, config.stream.furthest() - 1, length)
    }

    pub fn report(&self) -> &Report {
        either!(self, series => series.report())
    }

    pub fn counts(&self) -> Counts {
        either!(self, series => series.counts())
    }

    pub fn counts_mut(&mut self) -> &mut Counts {
        either!(self, series => series.counts_mut())
    }

    /// Whether there is a linear model beside the net.
    pub fn has_linear(&self) -> bool {
        match self {
            Self::Numbers(numbers) => numbers.has_linear(),
            Self::Classes(_) => false,
        }
    }

    pub fn set_learning(&mut self, learning: bool) {
        either!(self, series => series.set_learning(learning));
    }

    /// The next row has nothing to do with those before it.
    pub fn begin_sequence(&mut self) {
        either!(self, series => series.begin_sequence());
    }

    /// Takes in a row: scores what was predicted for it, learns, and predicts later rows.
    pub fn step(&mut self, net: &mut Trial, row: &[Option<f64>]) -> Result<(), TrainError> {
        either!(self, series => series.step(net, row))
    }

    /// Restores what `rtrl stream` saved before there were horizons.
    pub fn restore_first_version(
        &mut self,
        net: &mut Trial,
        archive: &mut Archive<'_>,
    ) -> Result<(), ArchiveError> {
        match self {
            Self::Numbers(numbers) => numbers.restore_first_version(net, archive),
            Self::Classes(_) => Err(archive.refusal("stream", "it predicts numbers, not classes".into())),
        }
    }
}

impl Persist for Series {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        either!(self, series => series.persist(archive))
    }
}

impl Persist for Counts {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        let Self { rows, left_out, missing, resets } = self;
        [("rows", rows), ("left-out", left_out), ("missing", missing), ("resets", resets)]
            .into_iter()
            .try_for_each(|(name, count)| archive.value(name, count))
    }
}
