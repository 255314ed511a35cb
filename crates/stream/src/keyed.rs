//! Many series, each with a key.

use std::collections::BTreeMap;

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_train::{ConfigError, LearnerState, Model, Rates, TrainError};
use serde::{Deserialize, Serialize};

use crate::forecaster::persist_identity;
use crate::series::Series;
use crate::trial::Trial;
use crate::{Columns, Counts, ForecasterConfig, Report};

/// What the series of a [`KeyedForecaster`] have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Share {
    /// One net learns from all series: what it learns from one serves the others, and a new series is predicted by
    /// all that was learned before. Each has its own state, influence, scales and scores.
    #[default]
    Weights,
    /// Nothing: each series has a net of its own. For series that follow different laws.
    Nothing,
}

/// A [`Forecaster`](crate::Forecaster) for many series, which come and go; each row says by a key to which series it
/// belongs. A series that begins allocates; the steps of those that are there allocate nothing.
///
/// ```
/// use rtrl_stream::{Columns, ForecasterConfig, KeyedForecaster, Share};
///
/// let columns = Columns::all(["level"])?;
/// let mut forecaster = KeyedForecaster::new(&ForecasterConfig::default(), &columns, Share::Weights, None)?;
/// for t in 0..200 {
///     for (key, height) in [("north", 3.0), ("south", 500.0)] {
///         let level = height + (0.3 * f64::from(t)).sin();
///         forecaster.step(key, &[Some(level)])?;
///     }
/// }
/// assert_eq!((forecaster.len(), forecaster.counts().rows), (2, 400));
/// # Ok::<(), rtrl_train::TrainError>(())
/// ```
pub struct KeyedForecaster {
    config: ForecasterConfig,
    columns: Columns,
    share: Share,
    /// A series that had none of so many last rows is forgotten.
    forget_after: Option<u64>,
    learning: bool,
    /// The net of all series, if they share it, and otherwise the one that new series begin with. Between steps it
    /// holds the state of no series.
    net: Trial,
    series: BTreeMap<String, Keyed>,
    counts: Counts,
    forgotten: u64,
}

/// A series, and what it has of its own of the net.
struct Keyed {
    series: Series,
    own: Own,
    /// The number of its last row among all rows.
    last: u64,
}

enum Own {
    State(LearnerState),
    Nets(Box<Trial>),
}

impl KeyedForecaster {
    /// A forecaster that has read nothing. A series that had none of the last `forget_after` rows of all series is
    /// forgotten; should its key come again, it is a new one.
    ///
    /// # Errors
    /// If a setting has no meaning.
    pub fn new(
        config: &ForecasterConfig,
        columns: &Columns,
        share: Share,
        forget_after: Option<u64>,
    ) -> Result<Self, TrainError> {
        Series::check(config, columns)?;
        if let (Share::Weights, Some(rows)) = (share, config.stream.trial_rows) {
            let allowed =
                "none where series share weights: a trial of optimizers needs a net for each series";
            return Err(
                ConfigError::Value { field: "stream.trial_rows", allowed, found: rows.to_string() }.into()
            );
        }
        Ok(Self {
            net: Series::new(&config.stream, columns).nets(config)?,
            config: config.clone(),
            columns: columns.clone(),
            share,
            forget_after,
            learning: true,
            series: BTreeMap::new(),
            counts: Counts::default(),
            forgotten: 0,
        })
    }

    /// Takes in a row of the series `key`, as [`Forecaster::step`](crate::Forecaster::step).
    ///
    /// # Errors
    /// If a net cannot be built, or cannot learn for another reason than NaN or infinity.
    ///
    /// # Panics
    /// If the row has another number of values than there are columns.
    pub fn step(&mut self, key: &str, row: &[Option<f64>]) -> Result<&Report, TrainError> {
        self.forget(key);
        if !self.series.contains_key(key) {
            let new = self.begin()?;
            self.series.insert(key.to_string(), new);
        }
        let Self { net, series, counts, learning, .. } = self;
        let keyed = series.get_mut(key).expect("it was just inserted");
        counts.rows += 1;
        keyed.last = counts.rows;
        keyed.series.set_learning(*learning);
        let before = keyed.series.counts();
        match &mut keyed.own {
            Own::Nets(own) => keyed.series.step(own, row)?,
            Own::State(state) => {
                net.nets_mut().for_each(|net| net.learner_mut().swap_state(state));
                let stepped = keyed.series.step(net, row);
                // If the weights began anew, the learner is a new one, and so is the state that comes back.
                net.nets_mut().for_each(|net| net.learner_mut().swap_state(state));
                stepped?;
            }
        }
        let after = keyed.series.counts();
        counts.missing += after.missing - before.missing;
        counts.resets += after.resets - before.resets;
        Ok(keyed.series.report())
    }

    fn begin(&self) -> Result<Keyed, TrainError> {
        let series = Series::new(&self.config.stream, &self.columns);
        let learner = self.net.net().learner();
        let own = match self.share {
            Share::Weights => Own::State(learner.new_state()?),
            Share::Nothing => {
                let mut nets = series.nets(&self.config)?;
                nets.begin_with(learner.model())?;
                Own::Nets(Box::new(nets))
            }
        };
        Ok(Keyed { series, own, last: 0 })
    }

    /// Drops `key` if it has not been seen for long; from time to time all such keys. What comes of a row does not
    /// depend on when the others are dropped.
    fn forget(&mut self, key: &str) {
        let Some(after) = self.forget_after else { return };
        let now = self.counts.rows;
        let is_old = |keyed: &Keyed| now - keyed.last >= after;
        if now.is_multiple_of(after.max(1)) {
            let before = self.series.len();
            self.series.retain(|_, keyed| !is_old(keyed));
            self.forgotten += (before - self.series.len()) as u64;
        } else if self.series.get(key).is_some_and(is_old) {
            self.series.remove(key);
            self.forgotten += 1;
        }
    }

    /// Says that the next row of the series `key` does not follow its last one, as
    /// [`Forecaster::begin_sequence`](crate::Forecaster::begin_sequence).
    pub fn begin_sequence(&mut self, key: &str) {
        if let Some(keyed) = self.series.get_mut(key) {
            keyed.series.begin_sequence();
        }
    }

    /// Whether the next row of `key` will be one of a series that is known.
    #[must_use]
    pub fn knows(&self, key: &str) -> bool {
        let is_old = |last: u64| self.forget_after.is_some_and(|after| self.counts.rows - last >= after);
        self.series.get(key).is_some_and(|keyed| !is_old(keyed.last))
    }

    /// What was said about the last row of the series `key`.
    #[must_use]
    pub fn report(&self, key: &str) -> Option<&Report> {
        self.series.get(key).map(|keyed| keyed.series.report())
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.series.keys().map(String::as_str)
    }

    /// Number of series.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is no series yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// How many series have been forgotten.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Counts over all series, also those that were forgotten.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Counts rows that could not be used.
    pub fn leave_out(&mut self, rows: u64) {
        self.counts.left_out += rows;
    }

    /// Whether the series have a linear model.
    #[must_use]
    pub fn has_linear(&self) -> bool {
        Series::new(&self.config.stream, &self.columns).has_linear()
    }

    /// As [`Forecaster::set_learning`](crate::Forecaster::set_learning), for all series.
    pub fn set_learning(&mut self, learning: bool) {
        self.learning = learning;
    }

    /// Begins with the weights of `model`. To be called before the first row.
    ///
    /// # Errors
    /// If it is another net.
    pub fn begin_with(&mut self, model: &Model) -> Result<(), TrainError> {
        self.net.begin_with(model)
    }

    /// The net of all series; `None` if each has its own.
    #[must_use]
    pub fn common_model(&self) -> Option<&Model> {
        (self.share == Share::Weights).then(|| self.net.net().learner().model())
    }

    /// As [`Forecaster::set_learning_rate`](crate::Forecaster::set_learning_rate), for all series.
    ///
    /// # Errors
    /// If it is negative, NaN or infinite.
    pub fn set_learning_rate(&mut self, rate: f64) -> Result<(), TrainError> {
        let own = self.series.values_mut().filter_map(|keyed| match &mut keyed.own {
            Own::Nets(nets) => Some(nets.as_mut()),
            Own::State(_) => None,
        });
        let mut nets = own.chain([&mut self.net]).flat_map(|nets| nets.nets_mut());
        Ok(nets.try_for_each(|net| net.learner_mut().set_rates(Rates::both(rate)))?)
    }
}

impl Persist for KeyedForecaster {
    /// Refuses what a [`Forecaster`](crate::Forecaster) refuses, and a state of series that share something else.
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        persist_identity(archive, &self.config, &self.columns)?;
        let (mut shared, asked) = (self.share == Share::Weights, self.share);
        archive.value("shared", &mut shared)?;
        let same = shared == (asked == Share::Weights);
        archive.check("shared", same, || format!("its series share something else than {asked:?}"))?;
        archive.part("net", &mut self.net)?;
        let mut keys: Vec<u8> =
            serde_json::to_vec(&self.series.keys().collect::<Vec<_>>()).unwrap_or_default();
        let mut last: Vec<u64> = self.series.values().map(|keyed| keyed.last).collect();
        archive.vec("keys", &mut keys)?;
        archive.vec("last", &mut last)?;
        self.counts.persist(archive)?;
        archive.value("forgotten", &mut self.forgotten)?;
        if archive.is_loading() {
            let keys: Vec<String> = serde_json::from_slice(&keys).unwrap_or_default();
            let sorted = keys.windows(2).all(|pair| pair[0] < pair[1]);
            let rows = self.counts.rows;
            let fits = keys.len() == last.len() && sorted && last.iter().all(|&last| last <= rows);
            archive.check("keys", fits, || format!("{} keys and {} last rows", keys.len(), last.len()))?;
            self.series.clear();
            for (key, last) in keys.into_iter().zip(last) {
                let new = self.begin().map_err(|error| archive.refusal("keys", error.to_string()))?;
                let mut new = Keyed { last, ..new };
                new.persist(archive)?;
                self.series.insert(key, new);
            }
        } else {
            self.series.values_mut().try_for_each(|keyed| keyed.persist(archive))?;
        }
        Ok(())
    }
}

impl Persist for Keyed {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.part("series", &mut self.series)?;
        match &mut self.own {
            Own::State(state) => archive.part("state", state),
            Own::Nets(net) => archive.part("net", net.as_mut()),
        }
    }
}

impl std::fmt::Debug for KeyedForecaster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyedForecaster")
            .field("columns", &self.columns)
            .field("share", &self.share)
            .field("series", &self.series.len())
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}
