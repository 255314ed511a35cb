//! Runs side by side, with progress.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rtrl_train::Summary;

use crate::engine::{Engine, EngineError, Event, Failure, Job, on_threads};
use crate::settings::Planned;

/// Applies `make` to everything in `queue`, on `threads` threads, until `stop` is set. A failure does not stop the
/// others. Returns the failures: index and message.
pub fn each<T: Sync>(
    queue: &[T],
    threads: usize,
    stop: &AtomicBool,
    make: impl Fn(&T) -> Result<(), String> + Sync,
) -> Vec<(usize, String)> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads.min(queue.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = queue.get(index).filter(|_| !stop.load(Ordering::Relaxed)) else {
                        break;
                    };
                    // Times are measured on one core.
                    if let Err(message) = on_threads(1, || make(item)) {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push((index, message));
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.sort_unstable();
    failed
}

/// Makes all runs with `engine`. A failure does not stop the others. Returns the runs that failed. Results do not
/// depend on the engine.
pub fn run(
    experiments: &[(&str, &[Planned])],
    engine: &dyn Engine,
    stop: &AtomicBool,
) -> Result<Vec<Failure>, EngineError> {
    let display = Display::new(experiments);
    let jobs: Vec<Job> = experiments
        .iter()
        .enumerate()
        .flat_map(|(experiment, (name, plan))| {
            plan.iter().map(move |run| Job {
                experiment,
                label: format!("{name} {} seed {}", run.method, run.config.training.seed),
                config: run.config.clone(),
            })
        })
        .collect();
    let shown: Vec<AtomicU64> = jobs.iter().map(|_| AtomicU64::new(0)).collect();
    let advance = |job: usize, step: u64| {
        // A run that was rolled back or lost does not move the bar back.
        let before = shown[job].fetch_max(step, Ordering::Relaxed);
        display.bars[jobs[job].experiment].inc(step.saturating_sub(before));
    };
    let failures = engine.make(&jobs, stop, &|event| match event {
        Event::Step { job, step } => advance(job, step),
        Event::Finished { job, summary } => {
            advance(job, jobs[job].config.training.steps.unwrap_or(0));
            display.say(&format!("{}: {}", jobs[job].label, result(summary)));
        }
        Event::Failed(failure) => display.say(&format!("failed: {failure}")),
        Event::Note(text) => display.say(text),
    });
    display.finish();
    failures
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
    multi: MultiProgress,
    bars: Vec<ProgressBar>,
    live: bool,
}

impl Display {
    fn new(experiments: &[(&str, &[Planned])]) -> Self {
        let live = std::io::stderr().is_terminal();
        let target = if live { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let multi = MultiProgress::with_draw_target(target);
        let style =
            ProgressStyle::with_template("{prefix:12} {bar:32} {percent:>3} %  {per_sec}  {eta} left")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = |(name, plan): &(&str, &[Planned])| {
            let steps = plan.iter().map(|run| run.config.training.steps.unwrap_or(0)).sum();
            multi.add(ProgressBar::new(steps).with_style(style.clone()).with_prefix((*name).to_string()))
        };
        let bars = experiments.iter().map(bar).collect();
        Self { multi, bars, live }
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
