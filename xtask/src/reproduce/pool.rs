//! Runs side by side, with progress.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rtrl_train::{Outcome, Progress, RunOptions, Summary};

use super::experiment::Planned;

/// Applies `make` to everything in `queue`, on `threads` threads, until one fails or `stop` is set; the first message.
pub fn each<T: Sync>(
    queue: &[T],
    threads: usize,
    stop: &AtomicBool,
    make: impl Fn(&T) -> Result<(), String> + Sync,
) -> Result<(), String> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..threads.min(queue.len()) {
            scope.spawn(|| {
                while let Some(item) = queue.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let first = failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_none();
                    if stop.load(Ordering::Relaxed) || !first {
                        break;
                    }
                    if let Err(message) = make(item) {
                        failed
                            .lock()
                            .unwrap_or_else(std::sync::PoisonError::into_inner)
                            .get_or_insert(message);
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).map_or(Ok(()), Err)
}

/// Makes all runs, at most `jobs` at a time, each in its folder under `out`. A run that fails does not stop the others;
/// returned are the messages of those that did. Results do not depend on `jobs`.
pub fn run(
    experiments: &[(&'static str, &[Planned])],
    out: &Path,
    jobs: usize,
    stop: &AtomicBool,
) -> Vec<String> {
    let display = Display::new(experiments);
    let queue: Vec<(usize, &Planned)> = experiments
        .iter()
        .enumerate()
        .flat_map(|(e, (_, plan))| plan.iter().map(move |run| (e, run)))
        .collect();
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(queue.len()) {
            scope.spawn(|| {
                while let Some(&(experiment, planned)) = queue.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    if let Err(message) = one(planned, out, stop, &display, experiment) {
                        display.say(&format!("failed: {message}"));
                        failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(message);
                    }
                }
            });
        }
    });
    display.finish();
    failures.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn one(
    planned: &Planned,
    out: &Path,
    stop: &AtomicBool,
    display: &Display,
    experiment: usize,
) -> Result<(), String> {
    let steps = planned.config.training.steps;
    let mut shown = 0;
    let mut progress = |p: Progress| {
        display.bars[experiment].inc(p.step - shown);
        shown = p.step;
    };
    let name =
        format!("{} {} seed {}", display.names[experiment], planned.method, planned.config.training.seed);
    let outcome = rtrl_train::run(&planned.config, &RunOptions::new(out), &mut progress, stop);
    match outcome.map_err(|error| format!("{name}: {error}"))? {
        Outcome::Finished(summary) => {
            display.bars[experiment].inc(steps - shown);
            display.say(&format!("{name}: {}", result(&summary)));
        }
        Outcome::Interrupted => {}
    }
    Ok(())
}

/// The result of a run in a few words.
fn result(summary: &Summary) -> String {
    let mut parts = Vec::new();
    parts.extend(summary.level.map(|level| format!("L = {level}")));
    parts.extend(summary.valid_bits.map(|bits| format!("{bits:.3} bits per character held out")));
    if parts.is_empty() {
        parts.extend(summary.bits.map(|bits| format!("{bits:.3} bits")));
    }
    format!("{} in {:.0} s", parts.join(", "), summary.seconds)
}

/// One line for each experiment, with rate and time left.
struct Display {
    names: Vec<&'static str>,
    multi: MultiProgress,
    bars: Vec<ProgressBar>,
    live: bool,
}

impl Display {
    fn new(experiments: &[(&'static str, &[Planned])]) -> Self {
        let live = std::io::stderr().is_terminal();
        let target = if live { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let multi = MultiProgress::with_draw_target(target);
        let style =
            ProgressStyle::with_template("{prefix:12} {bar:32} {percent:>3} %  {per_sec}  {eta} left")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = |(name, plan): &(&'static str, &[Planned])| {
            let steps = plan.iter().map(|run| run.config.training.steps).sum();
            multi.add(ProgressBar::new(steps).with_style(style.clone()).with_prefix(*name))
        };
        let bars = experiments.iter().map(bar).collect();
        Self { names: experiments.iter().map(|(name, _)| *name).collect(), multi, bars, live }
    }

    /// A line above the bars, or on standard error where there are none.
    fn say(&self, line: &str) {
        // A terminal that cannot be written must not end the runs.
        if !self.live || self.multi.println(line).is_err() {
            eprintln!("{line}");
        }
    }

    fn finish(&self) {
        self.bars.iter().for_each(ProgressBar::finish_and_clear);
    }
}
