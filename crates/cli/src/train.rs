//! `rtrl train`: a run in its folder.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rtrl_train::{Outcome, RunOptions, Summary};

use crate::flags::Train;
use crate::{Failure, nets, signals};

/// Makes the run, with a bar on a terminal.
///
/// # Errors
/// If the configuration, the data or the folder cannot be used, or training diverges.
pub fn run(flags: &Train) -> Result<(), Failure> {
    let mut config = nets::config(&flags.config)?;
    config.training.seed = flags.seed.unwrap_or(config.training.seed);
    config.task()?;
    let stop = signals::stop_flag(|| ())?;
    let options = RunOptions {
        checkpoint_every: Duration::from_secs(flags.checkpoint_seconds),
        ..RunOptions::new(&flags.out)
    };
    let folder = flags.out.join(config.folder());
    let bar = bar(config.training.steps, flags.quiet);
    let mut resumed = None;
    let mut progress = |progress: rtrl_train::Progress| {
        if resumed.is_none() && progress.resumed_at > 0 && !flags.quiet {
            bar.suspend(|| eprintln!("going on from step {}", progress.resumed_at));
            bar.reset_eta();
        }
        resumed = Some(progress.step);
        bar.set_position(progress.step);
    };
    let outcome = rtrl_train::run(&config, &options, &mut progress, &stop);
    bar.finish_and_clear();
    match outcome? {
        Outcome::Finished(summary) => println!("{}: {}", folder.display(), result(&summary)),
        Outcome::Interrupted => {
            let step = resumed.unwrap_or(0);
            eprintln!("stopped at step {step}; the same command goes on from there");
        }
    }
    Ok(())
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
        ("bits of the test", summary.test_bits),
    ];
    parts.extend(numbers.iter().filter_map(|(name, x)| x.map(|x| format!("{x:.4} {name}"))));
    parts.extend(summary.level.map(|level| format!("level {level}")));
    parts.join(", ")
}
