//! Ctrl-C and the signals that ask a process to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Failure;
use crate::failure::INTERRUPTED;
use crate::live::terminal;

/// A flag that Ctrl-C or another request to terminate sets. `also` is called at the first request and must not
/// block; the second request ends the process at once.
///
/// # Errors
/// If the system does not let a handler be installed.
pub fn stop_flag(also: impl Fn() + Send + 'static) -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let handler = move || {
        asked(&flag);
        also();
    };
    ctrlc::set_handler(handler)
        .map_err(|error| Failure::new(format!("cannot listen for Ctrl-C: {error}")))?;
    Ok(stop)
}

/// Sets the flag at the first call. The second call restores the terminal and ends the process at once, with
/// status 130.
pub fn asked(stop: &AtomicBool) {
    if stop.swap(true, Ordering::Relaxed) {
        terminal::restore();
        std::process::exit(INTERRUPTED.into());
    }
}
