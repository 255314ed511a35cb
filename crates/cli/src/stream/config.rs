//! The configuration of `rtrl stream`: a file or the defaults, changed by flags.

use std::collections::BTreeSet;
use std::path::Path;

use rtrl_stream::{ForecasterConfig, GREATEST_ROWS, SeriesConfig};
use rtrl_train::parse_toml;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::flags::{Ahead, Net, ReadoutRule, Stream};
use crate::{Failure, nets};

/// Rows over which `--optimizer auto` tries several.
const TRIAL: u64 = 1000;

/// The numbers in ascending order, each once.
fn ascending(numbers: impl Iterator<Item = usize>) -> Vec<usize> {
    numbers.collect::<BTreeSet<_>>().into_iter().collect()
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

impl Ahead {
    fn apply(&self, stream: &mut SeriesConfig) {
        if !self.horizon.is_empty() {
            stream.horizons = ascending(self.horizon.iter().copied());
        }
        stream.season = self.season.or(stream.season);
        if self.lags.is_some() || !self.lag.is_empty() {
            let last = 1..=self.lags.unwrap_or(0).min(GREATEST_ROWS + 1);
            stream.lags = ascending(last.chain(self.lag.iter().copied()));
        }
        stream.coverage = self.interval.or(stream.coverage);
        stream.anomaly |= self.anomaly;
    }
}

/// The file that the flags name, or the defaults, changed by the other flags.
///
/// # Errors
/// If the file cannot be read, or a value in it or in the flags is not valid.
pub fn configure(flags: &Stream) -> Result<ForecasterConfig, Failure> {
    let mut config = flags.config.as_deref().map_or_else(|| Ok(ForecasterConfig::default()), read)?;
    apply(&mut config, &flags.net)?;
    let stream = &mut config.stream;
    for (columns, named) in [(&mut stream.input, &flags.input), (&mut stream.target, &flags.target)] {
        if !named.is_empty() {
            columns.clone_from(named);
        }
    }
    stream.score_rows = flags.score_rows.unwrap_or(stream.score_rows);
    stream.warm_up = flags.warm_up.unwrap_or(stream.warm_up);
    flags.ahead.apply(stream);
    config.validate().map_err(|error| match &flags.config {
        Some(path) => nets::blame(path)(error.into()),
        None => error.into(),
    })?;
    Ok(config)
}

fn apply(config: &mut ForecasterConfig, net: &Net) -> Result<(), Failure> {
    let size = ["units", "sparsity", "input_sparsity"];
    for layer in &mut config.layers {
        *layer = changed("cell", layer, net.cell.as_deref(), field("units", net.units), &size)?;
    }
    let order = field("order", net.order);
    config.estimator = changed("estimator", &config.estimator, net.estimator.as_deref(), order, &[])?;
    let rate = field("learning_rate", net.learning_rate);
    let kind = net.optimizer.as_deref().filter(|kind| *kind != "auto");
    if net.optimizer.is_some() && kind.is_none() {
        config.stream.trial_rows.get_or_insert(TRIAL);
    }
    // The rates of these two are shares and bounds: no other optimizer's means anything to them.
    let kept: &[&str] = if matches!(kind, Some("obgd" | "nlms")) { &[] } else { &["learning_rate"] };
    config.optimizer = changed("optimizer", &config.optimizer, kind, rate, kept)?;
    match net.readout {
        Some(ReadoutRule::Gradient) => config.update.rls = None,
        Some(ReadoutRule::Rls) => _ = config.update.rls.get_or_insert_default(),
        None => {}
    }
    config.training.seed = net.seed.unwrap_or(config.training.seed);
    Ok(())
}

fn read(path: &Path) -> Result<ForecasterConfig, Failure> {
    Ok(parse_toml(&nets::text(path)?, &path.display().to_string())?)
}
