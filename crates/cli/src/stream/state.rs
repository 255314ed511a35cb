//! What a checkpoint of a stream holds.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_stream::{Columns, ForecasterConfig, difference};
use rtrl_train::Model;
use serde_json::{Map, Value, json};

use super::forecasts::{Forecasts, Keys};
use super::layout::{Categories, Layout, Sample};
use super::source::Sources;
use super::time::{Clocks, Span};
use crate::Failure;

/// Name of the first section of a checkpoint, which holds its settings and columns.
pub const IDENTITY: &str = "stream";

/// The settings that may be others when a stream goes on, each with its table. So may the learning rate, but the net
/// belongs to the settings that it began with: a changed rate stands beside them.
const CHANGEABLE: [(&str, &str); 3] =
    [("stream", "score_rows"), ("stream", "warm_up"), ("stream", "coverage")];

/// The learning rate as it is now, if it is not the one of the settings.
const RATE: &str = "rate";

/// Everything that is kept from one call to the next.
pub struct State {
    /// Settings and columns; a checkpoint with others is refused, except for those in [`CHANGEABLE`].
    identity: Value,
    /// The nets and the predictors beside them.
    pub forecasts: Forecasts,
    /// The inputs that were learned from.
    pub sources: Sources,
    /// The times of the last rows, if rows have times.
    clocks: Option<Clocks>,
    /// What has changed since the checkpoint, a line for each setting.
    changes: Vec<String>,
    /// The learning rate.
    rate: f64,
}

impl State {
    /// A state that has seen nothing, for the columns of `layout`. The net begins with the weights of `start`, if they
    /// are given; `began` is the learning rate of a checkpoint that is to be restored.
    ///
    /// # Errors
    /// If a setting has no meaning, or `start` is another net.
    pub fn new(
        config: &ForecasterConfig,
        layout: &Layout,
        keys: Keys,
        start: Option<&Model>,
        began: Option<f64>,
    ) -> Result<Self, Failure> {
        let used = layout.used();
        let name = |&column: &usize| layout.columns[column].clone();
        let names = |columns: &[usize]| columns.iter().map(name).collect::<Vec<_>>();
        let place = |columns: &[usize]| -> Vec<usize> {
            columns.iter().filter_map(|column| used.binary_search(column).ok()).collect()
        };
        let mut inputs = place(&layout.inputs);
        inputs.extend(used.len()..used.len() + layout.made());
        let mut numbers = names(&used);
        numbers.extend((0..layout.made()).map(|i| format!("made {}", i + 1)));
        let columns = match &layout.class {
            None => Columns::new(numbers, inputs, place(&layout.targets))?,
            Some(class) => {
                let at = numbers.len();
                inputs.extend(class.is_read.then_some(at));
                numbers.push(name(&class.of.column));
                Columns::new(numbers, inputs, vec![at])?.with_classes(class.of.names.len() + 1)?
            }
        };
        let columns = columns.exact_from(used.len())?;
        let mut read: Vec<usize> = layout.categories.iter().map(|made| made.column).collect();
        read.extend(layout.class.iter().filter(|class| class.is_read).map(|class| class.of.column));
        read.extend(&layout.inputs);
        read.sort_unstable();
        let settings = with_rate(config, began);
        let mut identity = json!({
            "settings": settings,
            "columns": layout.columns,
            "input": names(&read),
            "target": names(&layout.targets),
        });
        let named = |made: &Categories| (name(&made.column), Value::from(made.names.clone()));
        let words: Map<_, _> = layout.words().map(named).collect();
        if !words.is_empty() {
            identity["categories"] = words.into();
        }
        if let Some(time) = &layout.time {
            identity["time"] = name(time).into();
        }
        if let Some(key) = &layout.key {
            identity["key"] = name(key).into();
            identity["share"] = json!(keys.share);
        }
        let rate = config.optimizer.learning_rate();
        if settings != *config {
            identity[RATE] = rate.into();
        }
        Ok(Self {
            identity,
            forecasts: Forecasts::new(&settings, &columns, layout.key.is_some().then_some(keys), start)?,
            sources: Sources::default(),
            clocks: layout.time.map(|_| Clocks::default()),
            changes: Vec::new(),
            rate,
        })
    }

    /// Takes the time of a row. Returns the time since the row before of its series if that is a gap: the series then
    /// begins a new sequence.
    ///
    /// # Errors
    /// If the row comes before the one before it; then nothing has changed.
    pub fn pass(&mut self, row: &Sample, gap: Option<Span>) -> Result<Option<Span>, String> {
        let (Some(clocks), Some(moment)) = (&mut self.clocks, row.moment) else { return Ok(None) };
        let forecasts = &self.forecasts;
        let passed = clocks.take(&row.key, forecasts.knows(&row.key), moment, gap)?;
        let most = forecasts.series().map_or(1, |(series, _)| 2 * series + 1);
        clocks.prune(most, |key| forecasts.knows(key));
        if passed.is_some() {
            self.forecasts.begin_sequence(&row.key);
        }
        Ok(passed)
    }

    /// How many gaps there were.
    pub fn gaps(&self) -> u64 {
        self.clocks.as_ref().map_or(0, Clocks::gaps)
    }

    /// What has changed since the checkpoint, a line for each setting.
    pub fn changes(&self) -> &[String] {
        &self.changes
    }

    /// Compares settings and columns with those of a checkpoint.
    fn compare(&mut self, then: &Value) -> Result<(), String> {
        let (mut a, mut b) = (self.identity.clone(), then.clone());
        self.changes.clear();
        for (table, field) in CHANGEABLE {
            let take = |identity: &mut Value| {
                let fields = identity["settings"][table].as_object_mut();
                fields.and_then(|fields| fields.remove(field)).unwrap_or_default()
            };
            let (now, then) = (take(&mut a), take(&mut b));
            if now.is_null() != then.is_null() && field == "coverage" {
                return Err(format!(
                    "it was made with settings.{table}.{field} = {then}, and now it is {now}: intervals need the errors of \
                     all rows, so that they are there from the beginning or not at all"
                ));
            }
            if now != then {
                self.changes.push(format!("{table}.{field} is now {now}, and was {then}"));
            }
        }
        let then = rate(&b);
        if then != Some(self.rate) {
            let (now, then) = (self.rate, then.unwrap_or(f64::NAN));
            self.changes.push(format!("optimizer.learning_rate is now {now}, and was {then}"));
        }
        for identity in [&mut a, &mut b] {
            identity.as_object_mut().and_then(|fields| fields.remove(RATE));
        }
        match difference(&a, &b) {
            None => Ok(()),
            Some((field, now, then)) => {
                let why = match field.split('.').next() {
                    Some("settings") => "what was learned belongs to these settings",
                    _ => "what was learned belongs to these columns",
                };
                Err(format!("it was made with {field} = {then}, and now it is {now}: {why}"))
            }
        }
    }
}

impl Persist for State {
    /// Refuses a checkpoint that was made with other settings or columns, and names the first difference.
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        let mut identity = self.identity.to_string().into_bytes();
        archive.vec(IDENTITY, &mut identity)?;
        if archive.is_loading() {
            let found = serde_json::from_slice(&identity).unwrap_or_default();
            self.compare(&found).map_err(|reason| archive.refusal(IDENTITY, reason))?;
        }
        self.forecasts.persist(archive)?;
        if archive.is_loading() && self.changes.iter().any(|change| change.contains("learning_rate")) {
            let set = self.forecasts.set_learning_rate(self.rate);
            set.map_err(|error| archive.refusal(RATE, error.to_string()))?;
        }
        archive.part("sources", &mut self.sources)?;
        match &mut self.clocks {
            Some(clocks) => archive.part("clocks", clocks),
            None => Ok(()),
        }
    }
}

/// The learning rate as it is in a checkpoint.
fn rate(identity: &Value) -> Option<f64> {
    identity[RATE].as_f64().or_else(|| began(identity))
}

/// The learning rate with which the stream of a checkpoint began.
pub fn began(identity: &Value) -> Option<f64> {
    identity["settings"]["optimizer"]["learning_rate"].as_f64()
}

/// The settings with this learning rate, if there is one.
fn with_rate(config: &ForecasterConfig, rate: Option<f64>) -> ForecasterConfig {
    let changed = rate.and_then(|rate| {
        let mut optimizer = serde_json::to_value(&config.optimizer).ok()?;
        optimizer["learning_rate"] = rate.into();
        let optimizer = serde_json::from_value(optimizer).ok()?;
        Some(ForecasterConfig { optimizer, ..config.clone() })
    });
    changed.unwrap_or_else(|| config.clone())
}
