//! The configuration of a forecaster.

use rtrl_cells::{CellConfig, Size};
use rtrl_estimators::{EstimatorConfig, SnapConfig};
use rtrl_train::{
    AdamConfig, ConfigError, DivergencePolicy, LearningConfig, NetConfig, OptimizerConfig, RateSchedule,
    ReadoutConfig, RunConfig, TrainingConfig, UpdateConfig,
};
use serde::{Deserialize, Serialize};

/// Greatest horizon, season and lag: rings of so many rows are kept.
pub const GREATEST_ROWS: usize = 100_000;

/// Settings of the net, named as in the configurations of training runs, and of the series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ForecasterConfig {
    /// The recurrent layers, the lowest first.
    pub layers: Vec<CellConfig>,
    /// How the recurrent weights get their gradient.
    pub estimator: EstimatorConfig,
    /// How the hidden state becomes a prediction.
    pub readout: ReadoutConfig,
    /// How gradients change weights.
    pub optimizer: OptimizerConfig,
    /// Schedule, clipping and groups of the updates.
    pub update: UpdateConfig,
    /// Seed of the run.
    pub training: ForecasterTraining,
    /// Horizons and columns, and over how many rows statistics and scores are taken.
    pub stream: SeriesConfig,
}

/// The table `training`. Only the seed can be set: a series has one lane, and windows of one step.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ForecasterTraining {
    /// Seed of the initial weights and of whatever is drawn.
    pub seed: u64,
}

/// Settings of a series. Rows are counted from the present one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeriesConfig {
    /// Names of the columns that the net reads; all that hold numbers if none is named. A program that opens a table
    /// resolves them; a [`Forecaster`](crate::Forecaster) is given [`Columns`](crate::Columns).
    pub input: Vec<String>,
    /// Names of the columns that it predicts, as `input`.
    pub target: Vec<String>,
    /// Rows over which the running mean and standard deviation of each column are taken, at least 2.
    pub scale_rows: u64,
    /// Rows over which scores are averaged, at least 2.
    pub score_rows: u64,
    /// How many rows ahead each target is predicted: ascending numbers, 1 or more.
    #[serde(skip_serializing_if = "is_next")]
    pub horizons: Vec<usize>,
    /// Number of rows of a season: the predictor `season` repeats the value of one season before. There is none by
    /// default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub season: Option<usize>,
    /// The net and the linear model also read the inputs of so many rows before: ascending numbers, 1 or more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lags: Vec<usize>,
    /// Rows over which several optimizers are tried side by side: the configured one, Adam at 0.01, ObGD and NLMS. The one
    /// with the least loss in the second half of these rows goes on. There is no trial by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial_rows: Option<u64>,
    /// The share of the values that prediction intervals are to cover, such as 0.9. There are none by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
    /// Rows at the beginning of a series that are learned and not scored.
    #[serde(skip_serializing_if = "is_zero")]
    pub warm_up: u64,
    /// Whether each row gets an anomaly score, and drifts are looked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub anomaly: bool,
}

fn is_next(horizons: &[usize]) -> bool {
    horizons == [1]
}

fn is_zero(rows: &u64) -> bool {
    *rows == 0
}

impl Default for SeriesConfig {
    fn default() -> Self {
        Self {
            input: Vec::new(),
            target: Vec::new(),
            scale_rows: 10_000,
            score_rows: 500,
            horizons: vec![1],
            season: None,
            lags: Vec::new(),
            trial_rows: None,
            coverage: None,
            warm_up: 0,
            anomaly: false,
        }
    }
}

impl Default for ForecasterConfig {
    fn default() -> Self {
        Self {
            layers: vec![CellConfig::Lstm(Size::dense(32))],
            estimator: EstimatorConfig::Snap(SnapConfig::default()),
            readout: ReadoutConfig::default(),
            optimizer: OptimizerConfig::Adam(AdamConfig::new(0.002)),
            update: UpdateConfig::default(),
            training: ForecasterTraining::default(),
            stream: SeriesConfig::default(),
        }
    }
}

impl ForecasterConfig {
    /// Checks the settings.
    ///
    /// # Errors
    /// For the first invalid value.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.stream.validate()?;
        if let RateSchedule::Cosine { .. } = self.update.schedule {
            return Err(ConfigError::Value {
                field: "update.schedule",
                allowed: "`constant` or `warm-up`, as a stream has no end that is known",
                found: "cosine".into(),
            });
        }
        self.run().validate()
    }

    /// The configuration of the learner.
    #[must_use]
    pub fn run(&self) -> RunConfig {
        let net = NetConfig { layers: self.layers.clone(), readout: self.readout.clone() };
        let learning = LearningConfig {
            update: self.update.clone(),
            divergence: DivergencePolicy::SkipLane,
            ..LearningConfig::new(self.estimator.clone(), self.optimizer.clone())
        };
        // One lane and a window of one step.
        let training = TrainingConfig { seed: self.training.seed, log_every: 1, ..TrainingConfig::default() };
        RunConfig::new(net, learning, training)
    }
}

impl SeriesConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        let value = |field, allowed, found| Err(ConfigError::Value { field, allowed, found });
        for (field, rows) in [("stream.scale_rows", self.scale_rows), ("stream.score_rows", self.score_rows)]
        {
            if rows < 2 {
                return value(field, "at least 2", rows.to_string());
            }
        }
        let rows = 1..=GREATEST_ROWS;
        let ascending = |list: &[usize]| {
            list.iter().all(|n| rows.contains(n)) && list.windows(2).all(|pair| pair[0] < pair[1])
        };
        if self.horizons.is_empty() || !ascending(&self.horizons) {
            let allowed = "one or more ascending numbers in 1..=100000";
            return value("stream.horizons", allowed, format!("{:?}", self.horizons));
        }
        if !ascending(&self.lags) {
            return value("stream.lags", "ascending numbers in 1..=100000", format!("{:?}", self.lags));
        }
        if let Some(coverage) = self.coverage.filter(|coverage| !(*coverage > 0.0 && *coverage < 1.0)) {
            return value("stream.coverage", "above 0, below 1", coverage.to_string());
        }
        if self.trial_rows.is_some_and(|rows| rows < 2) {
            return value("stream.trial_rows", "at least 2", format!("{:?}", self.trial_rows));
        }
        match self.season {
            Some(season) if !rows.contains(&season) => {
                value("stream.season", "in 1..=100000", season.to_string())
            }
            _ => Ok(()),
        }
    }

    /// The greatest horizon.
    pub(crate) fn furthest(&self) -> usize {
        self.horizons.iter().copied().max().unwrap_or(1)
    }
}
