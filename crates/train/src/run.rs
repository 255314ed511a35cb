//! A run in a folder of its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rtrl_checkpoint::{Archive, ArchiveError, CheckpointError, Loaded, Persist};
use rtrl_tasks::{BuildTask, Part, Signal};

use crate::dynamic::evaluate_dynamically;
use crate::evaluate::evaluate;
use crate::folder::Folder;
use crate::metrics::Writer;
use crate::number::MOST;
use crate::summary::finished;
use crate::{ConfigError, DivergencePolicy, Record, RunConfig, Summary, TrainError, Trainer, WindowReport};

/// How far a run has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Number of time steps made.
    pub step: u64,
    /// Number of time steps of the whole run.
    pub steps: u64,
    /// The time step at which this call of [`run`] began; 0 unless it went on from a checkpoint.
    pub resumed_at: u64,
    /// The level of instructions that the steps before `resumed_at` were made with, if it is not the current one.
    /// The results then differ by rounding from those of a run at either level alone.
    pub resumed_from: Option<String>,
    /// The recurrent weights' learning rate at the next update, before the factors of groups.
    pub learning_rate: f64,
    /// The record that was added to the metrics after this window, if one was due.
    pub record: Option<Record>,
}

/// How a call of [`run`] ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The run is complete, by this call or an earlier one.
    Finished(Box<Summary>),
    /// The run was told to stop and has left a checkpoint. The same call continues it.
    Interrupted,
}

/// Where and how runs are made; nothing here changes their results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOptions {
    /// A run's folder is `root/<config.folder()>`.
    pub root: PathBuf,
    /// Time between two checkpoints; zero for a checkpoint after each window.
    pub checkpoint_every: Duration,
    /// Whether the last checkpoint is kept when the run is complete, so that a longer run can go on from it.
    pub keep_checkpoint: bool,
    /// The folder of a shorter run of the same configuration, with its checkpoint: a run that has not begun yet goes
    /// on from there.
    pub extend: Option<PathBuf>,
}

impl RunOptions {
    /// Options for runs in `root`, with a checkpoint every minute.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            checkpoint_every: Duration::from_secs(60),
            keep_checkpoint: false,
            extend: None,
        }
    }
}

/// Makes the run that `config` describes in its folder. A run with a checkpoint is continued; of a complete run the
/// result is read.
///
/// `progress` is called after each window. When `stop` is set, the run ends after its window, with a checkpoint.
/// However often and at whatever moment it was interrupted, the complete run has the same metrics (seconds aside)
/// and weights, bit for bit.
///
/// # Errors
/// If the configuration is invalid or has no number of steps, data or folder cannot be used, another process is
/// making the run, its data have changed since it began, or training diverges.
pub fn run(
    config: &RunConfig,
    options: &RunOptions,
    progress: &mut dyn FnMut(Progress),
    stop: &AtomicBool,
) -> Result<Outcome, TrainError> {
    let config = &config.resolved()?;
    let steps = config.steps()?;
    let path = options.root.join(config.folder());
    if let Some(summary) = finished(config, &path)? {
        return Ok(Outcome::Finished(Box::new(summary)));
    }
    // Built before the folder, so that an invalid configuration leaves nothing on the disk.
    let state = State::new(config)?;
    let folder = Folder::open(path.clone())?;
    if let Some(summary) = finished(config, &path)? {
        return Ok(Outcome::Finished(Box::new(summary)));
    }
    folder.tidy(&[]);
    folder.write("config.toml", &config.to_toml()?)?;
    if let Some(shorter) = &options.extend {
        extend(shorter, config, &folder)?;
    }
    let state = resume(state, config, &folder)?;
    let metrics = Writer::go_on(&folder.file("metrics.jsonl"), state.records)?;
    let before = metrics.seconds;
    let mut run = Run {
        steps,
        resumed_at: state.trainer.steps(),
        saved: Instant::now(),
        // A damaged record may have more seconds than the clock can go back; then time begins at zero.
        started: Duration::try_from_secs_f64(before)
            .ok()
            .and_then(|before| Instant::now().checked_sub(before))
            .unwrap_or_else(Instant::now),
        folder,
        options,
        config,
        metrics,
        state,
    };
    Ok(if run.all(progress, stop)? { run.finish(stop)? } else { Outcome::Interrupted })
}

/// Gives a run without a checkpoint the checkpoint and the metrics of a shorter one.
fn extend(shorter: &Path, config: &RunConfig, folder: &Folder) -> Result<(), TrainError> {
    if folder.file("checkpoint").exists() {
        return Ok(());
    }
    let path = shorter.join("config.toml");
    let text = std::fs::read_to_string(&path).map_err(TrainError::file("read", &path))?;
    let mut found = RunConfig::from_toml(&text, &path.display().to_string())?;
    let refused = |allowed, found| ConfigError::Value { field: "training.steps", allowed, found };
    let (steps, before) = (config.steps()?, found.steps()?);
    if before >= steps {
        let allowed = "more than those of the run that is extended";
        return Err(refused(allowed, format!("{steps} for {before}")).into());
    }
    if found.training.whole_sequences || before % found.training.window as u64 != 0 {
        let allowed = "a multiple of the window in the run that is extended, whose last window was cut short; with \
                       `training.whole_sequences` it always may have been";
        return Err(refused(allowed, before.to_string()).into());
    }
    found.training.steps = config.training.steps;
    if found != *config {
        let allowed = "the only difference between a run and one that extends it";
        let found = format!("other settings than in {}", path.display());
        return Err(refused(allowed, found).into());
    }
    if config.learning.update.schedule.has_end() {
        let allowed = "without effect on the steps before: a schedule that falls to the end of a run is another one \
                       in a longer run, which cannot go on from a shorter one";
        return Err(refused(allowed, steps.to_string()).into());
    }
    // The checkpoint is last, since a run with a checkpoint has all it needs.
    for name in ["best", "metrics.jsonl", "checkpoint"] {
        let (from, to) = (shorter.join(name), folder.file(name));
        if name == "best" && !from.exists() {
            continue;
        }
        let bytes = std::fs::read(&from).map_err(TrainError::file("read", &from))?;
        rtrl_checkpoint::replace(&to, |file| file.write_all(&bytes))
            .map_err(TrainError::file("write", &to))?;
    }
    Ok(())
}

/// Restores the last usable checkpoint; without one the state is `fresh`.
fn resume(fresh: State, config: &RunConfig, folder: &Folder) -> Result<State, TrainError> {
    let path = folder.file("checkpoint");
    let mut fresh = Some(fresh);
    // `build` is called a second time only if the latest checkpoint did not fit and may have left `fresh` half
    // restored.
    let build = || fresh.take().map_or_else(|| State::new(config), Ok).map_err(ResumeError::Train);
    let loaded = rtrl_checkpoint::load_latest(&path, build, |state, archive| state.persist(archive));
    match loaded {
        Ok(Loaded::Nothing) => fresh.map_or_else(|| State::new(config), Ok),
        Ok(Loaded::Latest(state) | Loaded::Previous(state, _)) => Ok(state),
        Err(ResumeError::Train(error)) => Err(error),
        Err(ResumeError::Checkpoint(source)) => Err(TrainError::Checkpoint { path, source }),
    }
}

enum ResumeError {
    Train(TrainError),
    Checkpoint(CheckpointError),
}

impl From<CheckpointError> for ResumeError {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(error)
    }
}

/// Everything that changes during a run.
struct State {
    trainer: Trainer,
    /// Steps, targets, losses and skipped lanes since the last record.
    since: WindowReport,
    loss: Option<f64>,
    valid_loss: Option<f64>,
    /// The lowest loss on the validation data, and the step of it.
    best: Option<(f64, u64)>,
    /// Number of evaluations since then.
    stale: u32,
    /// Number of lines of the metrics that belong to the steps made.
    records: u64,
    /// For [`DivergencePolicy::RollBack`]: the remembered state, as a checkpoint, and the number of rollbacks so
    /// far.
    good: Vec<u8>,
    attempts: u32,
}

impl State {
    fn new(config: &RunConfig) -> Result<Self, TrainError> {
        Ok(Self {
            trainer: Trainer::new(config)?,
            since: WindowReport::default(),
            loss: None,
            valid_loss: None,
            best: None,
            stale: 0,
            records: 0,
            good: Vec::new(),
            attempts: 0,
        })
    }

    /// Saves or restores the part of the state that a rollback undoes.
    fn persist_run(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.trainer.persist(archive)?;
        let WindowReport { steps, targets, loss, skipped } = &mut self.since;
        for (name, count) in [("steps", steps), ("targets", targets), ("skipped", skipped)] {
            archive.value(&format!("since/{name}"), count)?;
        }
        archive.value("since/loss", loss)?;
        archive.value("loss", &mut self.loss)?;
        archive.value("valid-loss", &mut self.valid_loss)?;
        archive.value("best", &mut self.best)?;
        archive.value("stale", &mut self.stale)?;
        archive.value("records", &mut self.records)?;
        let counts = [self.since.steps, self.since.targets, self.since.skipped, self.records];
        let possible = counts.iter().all(|&count| count < MOST);
        archive.check("records", possible, || "counts that no run reaches".to_string())
    }
}

impl Persist for State {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.persist_run(archive)?;
        archive.vec("good", &mut self.good)?;
        archive.value("attempts", &mut self.attempts)
    }
}

/// A run in progress.
struct Run<'a> {
    config: &'a RunConfig,
    /// Number of time steps of the whole run.
    steps: u64,
    options: &'a RunOptions,
    folder: Folder,
    metrics: Writer,
    state: State,
    started: Instant,
    saved: Instant,
    resumed_at: u64,
}

impl Run<'_> {
    /// Makes all windows that are left. Returns whether the run has come to its end.
    fn all(&mut self, progress: &mut dyn FnMut(Progress), stop: &AtomicBool) -> Result<bool, TrainError> {
        while self.state.trainer.steps() < self.steps && !self.is_stale() {
            if stop.load(Ordering::Relaxed) {
                self.save()?;
                return Ok(false);
            }
            self.remember()?;
            let record = match self.window() {
                Err(TrainError::Diverged { step, quantity, estimator }) => {
                    Some(self.roll_back(step, quantity, estimator)?)
                }
                other => other?,
            };
            if self.saved.elapsed() >= self.options.checkpoint_every {
                self.save()?;
            }
            progress(Progress {
                step: self.state.trainer.steps(),
                steps: self.steps,
                resumed_at: self.resumed_at,
                resumed_from: self.state.trainer.resumed_from().map(str::to_string),
                learning_rate: self.state.trainer.learning_rate(),
                record,
            });
        }
        Ok(true)
    }

    /// Makes one window. Returns the record after it, if one is due.
    fn window(&mut self) -> Result<Option<Record>, TrainError> {
        let t = &self.config.training;
        let before = self.state.trainer.steps();
        let window = self.state.trainer.train_window()?;
        let since = &mut self.state.since;
        since.steps += window.steps;
        since.targets += window.targets;
        since.loss += window.loss;
        since.skipped += window.skipped;
        let step = self.state.trainer.steps();
        let due = |every: u64| before / every != step / every;
        let last = step == self.steps;
        let evaluate = last || t.evaluate_every.is_some_and(due);
        (evaluate || due(t.log_every)).then(|| self.record(evaluate)).transpose()
    }

    /// Whether evaluations have brought no new best for so long that the run ends early.
    fn is_stale(&self) -> bool {
        self.config.training.early_stop.as_ref().is_some_and(|stop| self.state.stale >= stop.patience)
    }

    fn record(&mut self, evaluate: bool) -> Result<Record, TrainError> {
        let State { trainer, since, loss, valid_loss, records, best, stale, .. } = &mut self.state;
        let since = std::mem::take(since);
        let mean = (since.targets > 0).then(|| since.loss / since.targets as f64);
        let valid = if evaluate { trainer.evaluate()? } else { None };
        *loss = mean.or(*loss);
        *valid_loss = valid.or(*valid_loss);
        let symbols = matches!(trainer.model().signals().1, Signal::Symbols(_));
        *records += 1;
        if let Some(valid) = valid {
            let min_delta = self.config.training.early_stop.as_ref().map_or(0.0, |stop| stop.min_delta);
            if valid.is_finite() && best.is_none_or(|(best, _)| valid < best - min_delta) {
                (*best, *stale) = (Some((valid, trainer.steps())), 0);
                // Written before the checkpoint that knows of it: a run that is killed between them evaluates
                // again and writes the same net.
                trainer.model().save(&self.folder.file("best"))?;
            } else {
                *stale += 1;
            }
        }
        let record = Record {
            step: trainer.steps(),
            characters: trainer.steps() * self.config.training.lanes as u64,
            bits: mean.filter(|_| symbols),
            error: mean.filter(|_| !symbols),
            level: trainer.level(),
            valid_bits: valid.filter(|_| symbols),
            valid_error: valid.filter(|_| !symbols),
            skipped_lanes: since.skipped,
            rolled_back: None,
            alignment: trainer.take_alignment(),
            seconds: self.started.elapsed().as_secs_f64(),
        };
        self.metrics.write(&record)?;
        Ok(record)
    }

    fn save(&mut self) -> Result<(), TrainError> {
        let path = self.folder.file("checkpoint");
        self.metrics.sync()?;
        let saved = rtrl_checkpoint::save(&path, |archive| self.state.persist(archive));
        self.saved = Instant::now();
        saved.map_err(|source| TrainError::Checkpoint { path, source })
    }

    /// Keeps a copy of the state in memory if the policy is to roll back and the last window crossed a multiple of
    /// `every`.
    fn remember(&mut self) -> Result<(), TrainError> {
        let DivergencePolicy::RollBack { every, .. } = self.config.learning.divergence else { return Ok(()) };
        let (step, window) = (self.state.trainer.steps(), self.config.training.window as u64);
        let crossed = step == 0 || step / every != step.saturating_sub(window) / every;
        // After a rollback the run is at such a step again, and copies its state with the lowered learning rate.
        if crossed {
            let good = rtrl_checkpoint::to_bytes(|archive| self.state.persist_run(archive));
            let path = self.folder.file("checkpoint");
            self.state.good =
                good.map_err(|source| TrainError::Checkpoint { path, source: source.into() })?;
        }
        Ok(())
    }

    /// Goes back to the remembered state with a lower learning rate. An error if the policy does not provide for
    /// it.
    fn roll_back(
        &mut self,
        step: u64,
        quantity: &'static str,
        estimator: String,
    ) -> Result<Record, TrainError> {
        let diverged = || TrainError::Diverged { step, quantity, estimator };
        let DivergencePolicy::RollBack { factor, attempts, .. } = self.config.learning.divergence else {
            return Err(diverged());
        };
        if self.state.attempts >= attempts {
            return Err(diverged());
        }
        // The metrics keep the undone records, since a checkpoint on disk may count them.
        let records = self.state.records;
        let (path, good) = (self.folder.file("checkpoint"), std::mem::take(&mut self.state.good));
        rtrl_checkpoint::from_bytes(&good, |archive| self.state.persist_run(archive))
            .map_err(|source| TrainError::Checkpoint { path, source })?;
        self.state.good = good;
        self.state.attempts += 1;
        self.state.records = records + 1;
        self.state.trainer.lower_rate(factor);
        let record = Record {
            rolled_back: Some(format!("from step {step}: the {quantity} was not finite")),
            ..Record::at(self.state.trainer.steps(), self.config, self.started.elapsed().as_secs_f64())
        };
        self.metrics.write(&record)?;
        Ok(record)
    }

    fn finish(mut self, stop: &AtomicBool) -> Result<Outcome, TrainError> {
        self.save()?;
        let path = self.folder.file("model");
        let model = self.state.trainer.model();
        model.save(&path)?;
        let symbols = matches!(model.signals().1, Signal::Symbols(_));
        let test = evaluate(model, Part::Test, None)?;
        let valid = self.state.valid_loss;
        let mut summary = Summary {
            hash: self.config.hash(),
            version: env!("CARGO_PKG_VERSION").to_string(),
            instructions: self.state.trainer.instructions().to_string(),
            data: self.config.task()?.fingerprint()?,
            steps: self.state.trainer.steps(),
            bits: self.state.loss.filter(|_| symbols),
            error: self.state.loss.filter(|_| !symbols),
            level: self.state.trainer.level(),
            valid_bits: valid.filter(|_| symbols),
            valid_error: valid.filter(|_| !symbols),
            best_valid: self.state.best.map(|(loss, _)| loss),
            best_step: self.state.best.map(|(_, step)| step),
            test_bits: test.filter(|_| symbols),
            test_error: test.filter(|_| !symbols),
            dynamic_valid_bits: None,
            dynamic_test_bits: None,
            dynamic_diverged: None,
            dynamic_pending: self.config.dynamic.is_some(),
            cost: self.state.trainer.cost(),
            seconds: self.started.elapsed().as_secs_f64(),
        };
        self.write_summary(&summary)?;
        if !self.evaluate_dynamically(&mut summary, stop)? {
            return Ok(Outcome::Interrupted);
        }
        let checkpoint = self.folder.file("checkpoint");
        let mut spent = vec![rtrl_checkpoint::previous(&checkpoint)];
        if !self.options.keep_checkpoint {
            spent.push(checkpoint);
        }
        self.folder.tidy(&spent);
        Ok(Outcome::Finished(Box::new(summary)))
    }

    /// Adds the dynamic evaluation to the summary, if one is configured. Returns whether it was completed.
    fn evaluate_dynamically(&mut self, summary: &mut Summary, stop: &AtomicBool) -> Result<bool, TrainError> {
        let Some(config) = &self.config.dynamic else { return Ok(true) };
        let model = self.state.trainer.model();
        let parts = [
            ("held-out", Part::Valid, self.config.training.evaluate_bytes, &mut summary.dynamic_valid_bits),
            ("test", Part::Test, None, &mut summary.dynamic_test_bits),
        ];
        let mut reasons = Vec::new();
        for (name, part, max_bytes, bits) in parts {
            match evaluate_dynamically(model, config, part, max_bytes, stop) {
                Ok(found) => *bits = found,
                Err(error @ TrainError::Diverged { .. }) => reasons.push(format!("{name} data, {error}")),
                Err(error) => return Err(error),
            }
        }
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        summary.dynamic_diverged = (!reasons.is_empty()).then(|| reasons.join("; "));
        summary.dynamic_pending = false;
        summary.seconds = self.started.elapsed().as_secs_f64();
        self.write_summary(summary)?;
        Ok(true)
    }

    fn write_summary(&self, summary: &Summary) -> Result<(), TrainError> {
        let json = serde_json::to_string_pretty(summary)
            .map_err(|error| TrainError::file("write", &self.folder.file("result.json"))(error.into()))?;
        self.folder.write("result.json", &json)
    }
}
