//! Settings that are given beside a configuration file.

use serde::Deserialize;
use toml::{Table, Value};

use crate::config::parse_toml;
use crate::{ConfigError, RunConfig};

impl RunConfig {
    /// Reads and checks a TOML file as [`from_toml`](Self::from_toml), with some fields set to other values. Each
    /// setting is `FIELD=VALUE`: the path of a field, whose parts are joined by dots, with numbers from 0 for elements
    /// of lists; and a value as TOML, or a text without quotes.
    ///
    /// ```
    /// use rtrl_train::RunConfig;
    ///
    /// let text = r#"
    /// task = { kind = "copy" }
    /// layers = [{ kind = "gru", units = 8 }]
    /// estimator = { kind = "snap", order = 1 }
    /// optimizer = { kind = "adam", learning_rate = 0.001 }
    /// training = { steps = 100 }
    /// "#;
    /// let settings = ["training.steps=500", "layers.0.kind=lstm"];
    /// let config = RunConfig::from_toml_with(text, "example", &settings)?;
    /// assert_eq!(config.training.steps, Some(500));
    /// # Ok::<(), rtrl_train::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// As [`from_toml`](Self::from_toml), or [`ConfigError::Setting`] for a setting that has no `=`, leads to no
    /// field, or has a value that the field cannot have.
    pub fn from_toml_with(text: &str, name: &str, settings: &[impl AsRef<str>]) -> Result<Self, ConfigError> {
        if settings.is_empty() {
            return Self::from_toml(text, name);
        }
        let mut table: Table = parse_toml(text, name)?;
        for setting in settings {
            set(&mut table, setting.as_ref())?;
        }
        let all = || settings.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" ").replace('\n', " ");
        let config = Self::deserialize(table).map_err(|error| {
            // A mistake that the file has without the settings keeps its place there.
            let without = toml::from_str::<Self>(text).err();
            let placed = without.filter(|without| without.message() == error.message());
            let reason = format!("{name} with it: {}", error.message().trim().replace('\n', "; "));
            let setting = ConfigError::Setting { setting: all(), reason };
            placed.and_then(|_| parse_toml::<Self>(text, name).err()).unwrap_or(setting)
        })?;
        config.validate().map_err(|error| {
            let is_set = |setting: &str| {
                let path = setting.split('=').next().unwrap_or_default().trim();
                error.field().is_some_and(|(field, _)| field.starts_with(path))
            };
            match settings.iter().map(AsRef::as_ref).find(|setting| is_set(setting)) {
                Some(setting) => ConfigError::Setting { setting: setting.into(), reason: error.to_string() },
                None => error.located(text, name),
            }
        })?;
        Ok(config)
    }
}

/// Fields that a file may call by another name, which must not stand beside the first.
const ALIASES: [(&str, &str); 3] =
    [("units", "hidden_size"), ("lanes", "batch_size"), ("learning_rate", "lr")];

/// Puts the value of `setting` into the table.
fn set(table: &mut Table, setting: &str) -> Result<(), ConfigError> {
    let refused = |reason: String| ConfigError::Setting { setting: setting.replace('\n', " "), reason };
    let (path, value) =
        setting.split_once('=').ok_or_else(|| refused("it must be FIELD=VALUE".to_string()))?;
    let (path, text) = (path.trim(), value.trim());
    let read = format!("value = {text}").parse::<Table>().ok();
    // More than one field would come from a second line of the value.
    let value = read.filter(|read| read.len() == 1).and_then(|mut read| read.remove("value"));
    let value = value.unwrap_or_else(|| Value::String(text.to_string()));
    let (above, last) = path.rsplit_once('.').map_or((None, path), |(above, last)| (Some(above), last));
    let mut whole = Value::Table(std::mem::take(table));
    let place = above.into_iter().flat_map(|above| above.split('.')).try_fold(&mut whole, child);
    let done = place.and_then(|place| {
        if let Value::Table(table) = place {
            let others = ALIASES.into_iter().flat_map(|(a, b)| [(a, b), (b, a)]);
            others.filter(|(name, _)| *name == last).for_each(|(_, other)| drop(table.remove(other)));
        }
        child(place, last).map(|place| *place = value)
    });
    if let Value::Table(back) = whole {
        *table = back;
    }
    done.map_err(refused)
}

/// The field or element `key` of a value, made if a table does not have it.
fn child<'a>(value: &'a mut Value, key: &str) -> Result<&'a mut Value, String> {
    match value {
        _ if key.is_empty() => Err("a part of the field's path is empty".to_string()),
        Value::Table(table) => Ok(table.entry(key).or_insert_with(|| Value::Table(Table::new()))),
        Value::Array(list) => {
            let len = list.len();
            let at = key.parse().ok().filter(|&at: &usize| at < len);
            at.map(|at| &mut list[at]).ok_or_else(|| format!("`{key}` is none of the {len} elements, from 0"))
        }
        other => Err(format!("`{key}` is looked for in {other}, which has no fields")),
    }
}
