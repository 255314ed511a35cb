//! The forecaster: a net and one series.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_train::{Learner, Model, OptimizerConfig, Rates, TrainError};
use serde_json::{Value, json};

use crate::series::Series;
use crate::trial::Trial;
use crate::{Columns, Counts, ForecasterConfig, Report};

/// Name of the section with settings and columns.
const IDENTITY: &str = "forecaster";

/// A net that predicts later rows of a series, and learns from each row as it comes. Beside it stand the predictors
/// that it has to beat ([`PREDICTORS`](crate::PREDICTORS)). They learn with the same delay: what was predicted `h` rows
/// ahead is learned and scored when the row comes that it was predicted for.
///
/// A step allocates nothing, except when the weights begin anew. A restored forecaster goes on bit for bit.
pub struct Forecaster {
    config: ForecasterConfig,
    columns: Columns,
    net: Trial,
    series: Series,
}

impl Forecaster {
    /// A forecaster that has read nothing. The names of columns in `config` are not looked at: `columns` says what is
    /// read and predicted.
    ///
    /// # Errors
    /// If a setting has no meaning, alone or for these columns.
    pub fn new(config: &ForecasterConfig, columns: &Columns) -> Result<Self, TrainError> {
        Series::check(config, columns)?;
        let series = Series::new(&config.stream, columns);
        let net = series.nets(config)?;
        Ok(Self { config: config.clone(), columns: columns.clone(), net, series })
    }

    /// Takes in a row, `None` for a missing value: scores what was predicted for it, learns, and predicts later rows.
    /// Numbers that are not finite count as missing. The net reads its own prediction in place of a missing target,
    /// and the value before it in place of any other.
    ///
    /// # Errors
    /// If the net cannot be built anew, or cannot learn for another reason than NaN or infinity.
    ///
    /// # Panics
    /// If the row has another number of values than there are columns, or a number for the target that is none of its
    /// classes.
    pub fn step(&mut self, row: &[Option<f64>]) -> Result<&Report, TrainError> {
        self.series.step(&mut self.net, row)?;
        Ok(self.series.report())
    }

    /// What was said about the last row.
    #[must_use]
    pub fn report(&self) -> &Report {
        self.series.report()
    }

    /// Says that the next row does not follow the last one, as after a gap in time. Nothing is learned across the gap:
    /// the net's state begins at zero, and predictions that wait for their targets are dropped. Weights, statistics and
    /// scores stay.
    pub fn begin_sequence(&mut self) {
        self.series.begin_sequence();
    }

    /// Whether it learns, as it does at first. If not, the weights of the net and of the linear model stand still;
    /// predictions are made and scored, and the running statistics of the columns go on.
    pub fn set_learning(&mut self, learning: bool) {
        self.series.set_learning(learning);
    }

    /// Sets the learning rate from the next row on. It is saved and restored with the forecaster.
    ///
    /// # Errors
    /// If it is negative, NaN or infinite; then nothing has changed.
    pub fn set_learning_rate(&mut self, rate: f64) -> Result<(), TrainError> {
        Ok(self.net.nets_mut().try_for_each(|net| net.learner_mut().set_rates(Rates::both(rate)))?)
    }

    /// The optimizers that are or were [tried](crate::SeriesConfig::trial_rows), and the index of the one with which it
    /// goes on; `None` while they are tried. Without a trial it is the configured one.
    #[must_use]
    pub fn trial(&self) -> (&[OptimizerConfig], Option<usize>) {
        self.net.outcome()
    }

    /// The learner, of several that are tried the one that leads. It stands as many rows behind as the
    /// greatest horizon is rows ahead.
    #[must_use]
    pub fn learner(&self) -> &Learner {
        self.net.net().learner()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &ForecasterConfig {
        &self.config
    }

    /// The numbers of a row.
    #[must_use]
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Counts so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.series.counts()
    }

    /// Counts rows that could not be used.
    pub fn leave_out(&mut self, rows: u64) {
        self.series.counts_mut().left_out += rows;
    }

    /// Whether there is a linear model: there is none with more than [`GREATEST_INPUTS`](crate::GREATEST_INPUTS)
    /// inputs, and none of classes.
    #[must_use]
    pub fn has_linear(&self) -> bool {
        self.series.has_linear()
    }

    /// Begins with the weights of `model`. To be called before the first row.
    ///
    /// # Errors
    /// If it is a net of other layers, inputs or outputs.
    pub fn begin_with(&mut self, model: &Model) -> Result<(), TrainError> {
        self.net.begin_with(model)
    }
}

/// Reads or writes settings and columns, and refuses others, except for the settings that may change.
pub(crate) fn persist_identity(
    archive: &mut Archive<'_>,
    config: &ForecasterConfig,
    columns: &Columns,
) -> Result<(), ArchiveError> {
    let own = json!({ "settings": config, "columns": columns });
    let mut bytes = own.to_string().into_bytes();
    archive.vec(IDENTITY, &mut bytes)?;
    let found: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let (own, found) = fixed(own, found);
    if let Some((field, now, then)) = difference(&own, &found) {
        let reason = format!("it was made with {field} = {then}, and now it is {now}");
        return Err(archive.refusal(IDENTITY, reason));
    }
    Ok(())
}

/// Settings and columns without the settings that may change when a forecaster is restored. The coverage may if there is
/// one before and after.
fn fixed(mut now: Value, mut then: Value) -> (Value, Value) {
    let has_coverage = |identity: &Value| identity["settings"]["stream"]["coverage"].is_number();
    let mut may_change = vec!["score_rows", "warm_up", "input", "target"];
    if has_coverage(&now) && has_coverage(&then) {
        may_change.push("coverage");
    }
    for identity in [&mut now, &mut then] {
        if let Some(table) = identity["settings"]["stream"].as_object_mut() {
            table.retain(|field, _| !may_change.contains(&field.as_str()));
        }
    }
    (now, then)
}

impl Persist for Forecaster {
    /// Refuses a state of other settings or columns, and names the first difference. The numbers of rows of the scores
    /// and of the warm-up may differ, and so may the coverage of intervals; those of this forecaster apply from now on. A learning rate is
    /// changed afterwards, by [`set_learning_rate`](Self::set_learning_rate). Reads the state of a stream that was
    /// saved before there were horizons.
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        if !archive.next_is(IDENTITY) {
            return self.series.restore_first_version(&mut self.net, archive);
        }
        persist_identity(archive, &self.config, &self.columns)?;
        archive.part("net", &mut self.net)?;
        archive.part("series", &mut self.series)
    }
}

impl std::fmt::Debug for Forecaster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forecaster")
            .field("columns", &self.columns)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

/// The first field in which two values differ, with the first value there and the second, as JSON.
#[must_use]
pub fn difference(now: &Value, then: &Value) -> Option<(String, String, String)> {
    let at = |inner: Option<(String, String, String)>, outer: &str| {
        inner.map(|(path, now, then)| {
            let path = if path.is_empty() { outer.to_string() } else { format!("{outer}.{path}") };
            (path, now, then)
        })
    };
    let null = Value::Null;
    match (now, then) {
        (Value::Object(a), Value::Object(b)) => a
            .keys()
            .chain(b.keys())
            .find_map(|key| at(difference(a.get(key).unwrap_or(&null), b.get(key).unwrap_or(&null)), key)),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(i, (a, b))| at(difference(a, b), &i.to_string()))
        }
        _ => (now != then).then(|| (String::new(), now.to_string(), then.to_string())),
    }
}
