//! Runs that were made one by one, such as those of `rtrl train`, as the study of an experiment: runs that differ by nothing but the seed
//! are one method, which is named by the settings in which the methods differ.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rtrl_train::{RunConfig, read_metrics, read_summary};

use crate::machine::signed;
use crate::runs::Done;
use crate::settings::Settings;
use crate::study::Study;

/// The settings of a run by their names with dots, without the seed.
type Flat = BTreeMap<String, String>;

/// The finished runs among `folders`, and the names of those that are not finished. A folder is a run or has runs in it.
///
/// # Errors
/// A folder without runs, a file that cannot be read or is damaged, or no run that is finished.
pub fn collected(name: &str, folders: &[PathBuf]) -> Result<(Study, Vec<String>), String> {
    let (mut runs, mut unfinished) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for folder in folders.iter().map(|folder| runs_in(folder)).collect::<Result<Vec<_>, _>>()?.concat() {
        let config = read_config(&folder)?;
        if !folder.join("result.json").is_file() {
            unfinished.push(folder.display().to_string());
        } else if seen.insert(config.hash()) {
            let wrong = |error: rtrl_train::TrainError| error.to_string();
            let summary = read_summary(&folder).map_err(wrong)?;
            let records = read_metrics(&folder.join("metrics.jsonl")).map_err(wrong)?;
            let machine = signed(&folder);
            let (method, tried, folder) = (String::new(), None, folder.display().to_string());
            runs.push(Done { method, config, folder, tried, records, summary, machine });
        }
    }
    if runs.is_empty() {
        let open = if unfinished.is_empty() { String::new() } else { format!(": {}", unfinished.join(", ")) };
        return Err(format!("there is no finished run{open}"));
    }
    let mut flat = Vec::new();
    for run in &runs {
        flat.push(flattened(&run.config)?);
    }
    let labels = labels(&flat);
    for (run, label) in runs.iter_mut().zip(&labels) {
        run.method.clone_from(label);
    }
    runs.sort_by_key(|run| run.config.training.seed);
    let mut methods: Vec<String> = Vec::new();
    for label in labels {
        if !methods.contains(&label) {
            methods.push(label);
        }
    }
    let settings = Settings::of_methods(format!("{} runs", runs.len()), methods);
    Ok((Study::new(name, settings, runs, Vec::new()), unfinished))
}

/// The folders of runs: `folder` itself, or those in it, in the order of their names.
fn runs_in(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let is_run = |path: &Path| path.join("config.toml").is_file();
    if is_run(folder) {
        return Ok(vec![folder.to_path_buf()]);
    }
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut runs: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_run(path)).collect();
    runs.sort();
    match runs.is_empty() {
        true => Err(format!(
            "{} is no run and has none: there is no config.toml in it or one level below",
            folder.display()
        )),
        false => Ok(runs),
    }
}

fn read_config(folder: &Path) -> Result<RunConfig, String> {
    let path = folder.join("config.toml");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    RunConfig::from_toml(&text, &path.display().to_string()).map_err(|error| error.to_string())
}

fn flattened(config: &RunConfig) -> Result<Flat, String> {
    let toml = config.to_toml().map_err(|error| error.to_string())?;
    let table: toml::Table = toml.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let mut flat = Flat::new();
    flatten(&mut flat, "", &toml::Value::Table(table));
    flat.remove("training.seed");
    Ok(flat)
}

fn flatten(flat: &mut Flat, path: &str, value: &toml::Value) {
    let below = |key: &str| if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
    match value {
        toml::Value::Table(table) => table.iter().for_each(|(key, value)| flatten(flat, &below(key), value)),
        toml::Value::Array(array) => {
            array.iter().enumerate().for_each(|(at, value)| flatten(flat, &below(&at.to_string()), value));
        }
        toml::Value::String(text) => drop(flat.insert(path.to_string(), text.clone())),
        other => drop(flat.insert(path.to_string(), other.to_string())),
    }
}

/// What each run is called: the settings in which not all agree, or its estimator if all do.
fn labels(runs: &[Flat]) -> Vec<String> {
    let keys: BTreeSet<&String> = runs.iter().flat_map(BTreeMap::keys).collect();
    let differ: Vec<&str> = keys
        .into_iter()
        .filter(|key| runs.iter().any(|run| run.get(*key) != runs[0].get(*key)))
        .map(String::as_str)
        .collect();
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_string();
    let word = |key: &str, value: &str| {
        if let Some(table) = key.strip_suffix(".kind") {
            return format!("{} {value}", last(table));
        }
        let alone = differ.iter().filter(|other| last(other) == last(key)).count() == 1;
        format!("{} {value}", if alone { last(key) } else { key.to_string() })
    };
    let label = |run: &Flat| {
        let words: Vec<String> = differ.iter().filter_map(|key| Some(word(key, run.get(*key)?))).collect();
        match words.is_empty() {
            true => run.get("estimator.kind").cloned().unwrap_or_default(),
            false => words.join(", "),
        }
    };
    runs.iter().map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(estimator: &str, rate: f64, seed: u64) -> Flat {
        let text = format!(
            "task = {{ kind = 'copy' }}\nlayers = [{{ kind = 'gru', units = 4 }}]\nestimator = {estimator}\n\
             optimizer = {{ kind = 'sgd', learning_rate = {rate:?} }}\n\
             training = {{ lanes = 1, window = 1, steps = 10, seed = {seed} }}"
        );
        flattened(&RunConfig::from_toml(&text, "test").unwrap()).unwrap()
    }

    #[test]
    fn runs_are_named_by_what_differs_and_the_seed_is_no_difference() {
        let snap = "{ kind = 'snap', order = 2 }";
        let runs = [config(snap, 0.1, 0), config(snap, 0.1, 1), config("{ kind = 'frozen' }", 0.1, 0)];
        let named = labels(&runs);
        assert_eq!(named[0], named[1]);
        assert!(named[0].contains("estimator snap") && named[0].contains("order 2"), "{named:?}");
        assert_eq!(named[2], "estimator frozen");
        assert_eq!(
            labels(&[config(snap, 0.1, 0), config(snap, 0.5, 0)]),
            ["learning_rate 0.1", "learning_rate 0.5"]
        );
        assert_eq!(labels(&runs[..2]), ["snap", "snap"]);
    }
}
