//! The configuration of `rtrl stream`: a file or the defaults, changed by flags.

use std::path::Path;

use rtrl_cells::{CellConfig, Size};
use rtrl_estimators::{EstimatorConfig, SnapConfig};
use rtrl_train::{
    AdamConfig, ConfigError, DivergencePolicy, LearningConfig, NetConfig, OptimizerConfig, RateSchedule,
    ReadoutConfig, RunConfig, TrainingConfig, UpdateConfig, parse_toml,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::flags::{Net, Stream};
use crate::{Failure, nets};

/// Settings of the net, named as in the configurations of training runs, and of the stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StreamConfig {
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
    pub training: StreamTraining,
    /// Columns, and over how many rows their statistics and the scores are taken.
    pub stream: Columns,
}

/// The table `training`. Only the seed can be set: a stream has one lane, and windows of one step.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StreamTraining {
    /// Seed of the initial weights and of whatever is drawn.
    pub seed: u64,
}

/// Settings of the columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Columns {
    /// Columns that the net reads; all that hold numbers if none is named.
    pub input: Vec<String>,
    /// Columns that it predicts; all that hold numbers if none is named.
    pub target: Vec<String>,
    /// Rows over which the running mean and standard deviation of each column are taken, at least 2.
    pub scale_rows: u64,
    /// Rows over which scores are averaged, at least 2.
    pub score_rows: u64,
}

impl Default for Columns {
    fn default() -> Self {
        Self { input: Vec::new(), target: Vec::new(), scale_rows: 10_000, score_rows: 500 }
    }
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            layers: vec![CellConfig::Lstm(Size::dense(32))],
            estimator: EstimatorConfig::Snap(SnapConfig::default()),
            readout: ReadoutConfig::default(),
            optimizer: OptimizerConfig::Adam(AdamConfig::new(0.002)),
            update: UpdateConfig::default(),
            training: StreamTraining::default(),
            stream: Columns::default(),
        }
    }
}

/// `old` with the `kind` and the `fields` that the flags of `what` give. If the kind changes, only the fields
/// named in `kept` are taken over.
fn changed<T: Serialize + DeserializeOwned>(
    what: &str,
    old: &T,
    kind: Option<&str>,
    fields: Map<String, Value>,
    kept: &[&str],
) -> Result<T, Failure> {
    let unfit = |error: serde_json::Error| Failure::usage(format!("--{what}: {error}"));
    let mut all = match serde_json::to_value(old).map_err(unfit)? {
        Value::Object(all) => all,
        _ => Map::new(),
    };
    if let Some(kind) = kind.filter(|kind| all.get("kind").and_then(Value::as_str) != Some(kind)) {
        all.retain(|field, _| kept.contains(&field.as_str()));
        all.insert("kind".into(), kind.into());
    }
    all.extend(fields);
    serde_json::from_value(Value::Object(all)).map_err(unfit)
}

/// A map of one field, or an empty one without a value.
fn field(name: &str, value: Option<impl Into<Value>>) -> Map<String, Value> {
    value.map(|value| (name.to_string(), value.into())).into_iter().collect()
}

impl StreamConfig {
    /// The file that the flags name, or the defaults, changed by the other flags.
    ///
    /// # Errors
    /// If the file cannot be read, or a value in it or in the flags is not valid.
    pub fn new(flags: &Stream) -> Result<Self, Failure> {
        let mut config = flags.config.as_deref().map_or_else(|| Ok(Self::default()), read)?;
        config.apply(&flags.net)?;
        for (columns, named) in
            [(&mut config.stream.input, &flags.input), (&mut config.stream.target, &flags.target)]
        {
            if !named.is_empty() {
                columns.clone_from(named);
            }
        }
        if let Some(rows) = flags.score_rows {
            config.stream.score_rows = rows;
        }
        config.validate().map_err(|error| match &flags.config {
            Some(path) => nets::blame(path)(error.into()),
            None => error.into(),
        })?;
        Ok(config)
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let value = |field, allowed, found| Err(ConfigError::Value { field, allowed, found });
        for (field, rows) in
            [("stream.scale_rows", self.stream.scale_rows), ("stream.score_rows", self.stream.score_rows)]
        {
            if rows < 2 {
                return value(field, "at least 2", rows.to_string());
            }
        }
        if let RateSchedule::Cosine { .. } = self.update.schedule {
            return value(
                "update.schedule",
                "`constant` or `warm-up`, as a stream has no end that is known",
                "cosine".into(),
            );
        }
        self.run().validate()
    }

    fn apply(&mut self, net: &Net) -> Result<(), Failure> {
        let size = ["units", "sparsity", "input_sparsity"];
        for layer in &mut self.layers {
            *layer = changed("cell", layer, net.cell.as_deref(), field("units", net.units), &size)?;
        }
        let order = field("order", net.order);
        self.estimator = changed("estimator", &self.estimator, net.estimator.as_deref(), order, &[])?;
        let rate = field("learning_rate", net.learning_rate);
        let kept = ["learning_rate"];
        self.optimizer = changed("optimizer", &self.optimizer, net.optimizer.as_deref(), rate, &kept)?;
        self.training.seed = net.seed.unwrap_or(self.training.seed);
        Ok(())
    }

    /// The configuration of the learner.
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

fn read(path: &Path) -> Result<StreamConfig, Failure> {
    Ok(parse_toml(&nets::text(path)?, &path.display().to_string())?)
}

/// The first field in which two configurations differ, with both values.
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
