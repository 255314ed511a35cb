//! `rtrl train`: a run in its folder.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rtrl_train::{MetricsFormat, Outcome, RunOptions, Summary, export_metrics};

use crate::flags::Train;
use crate::{Failure, live, nets, signals};

/// Makes the run or resumes it, with a progress bar on a terminal, or with its curves if `--live` is given.
///
/// # Errors
/// If the configuration, the data or the folder cannot be used, training diverges, or a signal has ended it.
pub fn run(flags: &Train) -> Result<(), Failure> {
    let mut settings = flags.settings.clone();
    settings.extend(flags.seed.map(|seed| format!("training.seed={seed}")));
    if let Some(from) = &flags.from {
        let path = nets::file(from)?;
        // In quotes, so that a name of digits stays a name.
        settings.push(format!("start.model='{}'", path.display()));
    }
    let config = nets::config(&flags.config, &settings)?;
    config.task()?;
    let steps = config.steps()?;
    let config = config.resolved().map_err(nets::blame(&flags.config))?;
    if flags.live {
        live::terminal::check()?;
    }
    if let Some(warning) = config.warning().filter(|_| !flags.quiet) {
        eprintln!("warning: {warning}");
    }
    let stop = signals::stop_flag(|| ())?;
    let options = RunOptions {
        checkpoint_every: Duration::from_secs(flags.checkpoint_seconds),
        keep_checkpoint: true,
        extend: flags.extend.clone(),
        ..RunOptions::new(&flags.out)
    };
    let folder = flags.out.join(config.folder());
    let bar = bar(steps, flags.quiet || flags.live);
    let state = Mutex::new(live::State::new(folder.display().to_string(), bar.clone()));
    let events = flags
        .tensorboard
        .as_ref()
        .map(|board| board.join(folder.file_name().unwrap_or_default()).join("events.out.tfevents.rtrl"));
    let (mut reached, mut resumed_from, mut told) = (None, None, false);
    let mut progress = |progress: rtrl_train::Progress| {
        bar.set_position(progress.step);
        if reached.is_none() && progress.resumed_at > 0 {
            if !flags.quiet && !flags.live {
                bar.suspend(|| eprintln!("going on from step {}", progress.resumed_at));
            }
            // Under `--live` the warning waits until the end: now it would write over the curves.
            if let Some(level) = progress.resumed_from.clone() {
                if flags.live { resumed_from = Some(level) } else { bar.suspend(|| warn(&level)) }
            }
            // The steps of earlier calls say nothing about the speed of this one.
            bar.reset_eta();
        }
        if flags.live {
            follow(&state, &progress, reached.is_none(), &folder);
        }
        reached = Some(progress.step);
        if let (Some(events), Some(_)) = (&events, &progress.record)
            && let Err(error) = export_metrics(&folder, MetricsFormat::TensorBoard, events)
            && !told
        {
            // The records themselves are safe, so training goes on.
            bar.suspend(|| eprintln!("warning: no event file for TensorBoard: {error}"));
            told = true;
        }
    };
    let mut work = || rtrl_train::run(&config, &options, &mut progress, &stop);
    let outcome = if flags.live { live::during(&state, &stop, work)? } else { work() };
    bar.finish_and_clear();
    resumed_from.iter().for_each(|level: &String| warn(level));
    match outcome.map_err(nets::blame(&flags.config))? {
        Outcome::Finished(summary) => println!("{}: {}", folder.display(), result(&summary)),
        Outcome::Interrupted => {
            let step = reached.unwrap_or(0);
            eprintln!("stopped at step {step}; the same command goes on from there");
            return Err(Failure::stopped());
        }
    }
    Ok(())
}

fn warn(level: &str) {
    eprintln!(
        "warning: earlier steps were made with other instructions ({level}): the bits differ by rounding"
    );
}

/// Adds a window to the state that is drawn. Before the first window of a resumed run come all records of earlier
/// calls.
fn follow(state: &Mutex<live::State>, progress: &rtrl_train::Progress, first: bool, folder: &Path) {
    let mut state = live::lock(state);
    if first && progress.resumed_at > 0 {
        // If the earlier records cannot be read, the curves lack them; that is no reason to stop training.
        let mut records = rtrl_train::read_metrics(&folder.join("metrics.jsonl")).unwrap_or_default();
        // The last record is the one of this window, which `advance` adds.
        if progress.record.is_some() {
            records.pop();
        }
        records.iter().for_each(|record| state.add(record));
    }
    state.advance(progress);
}

fn bar(steps: u64, quiet: bool) -> ProgressBar {
    let live = std::io::stderr().is_terminal() && !quiet;
    let target = if live { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{bar:32} {percent:>3} %  {per_sec}  {eta} left");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(steps), target).with_style(style)
}

fn result(summary: &Summary) -> String {
    let mut parts = vec![format!("{} steps in {:.0} s", summary.steps, summary.seconds)];
    let numbers = [
        ("bits", summary.bits),
        ("squared error", summary.error),
        ("bits held out", summary.valid_bits),
        ("squared error held out", summary.valid_error),
        ("bits of the test", summary.test_bits),
        ("squared error of the test", summary.test_error),
    ];
    parts.extend(numbers.iter().filter_map(|(name, x)| x.map(|x| format!("{x:.4} {name}"))));
    if let (Some(best), Some(step)) = (summary.best_valid, summary.best_step) {
        parts.push(format!("best held out {best:.4} at step {step}"));
    }
    parts.extend(summary.level.map(|level| format!("level {level}")));
    parts.extend(summary.dynamic_diverged.as_ref().map(|why| format!("dynamic evaluation: {why}")));
    parts.join(", ")
}
