//! Ctrl-C and the signals that ask a process to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Failure;
use crate::failure::INTERRUPTED;
use crate::live::terminal;

/// A flag that is set at the first such signal, when `also` is called too, which must not block; the second ends the process
/// at once.
///
/// # Errors
/// If the system refuses.
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

/// The first time sets the flag, the second ends the process at once.
pub fn asked(stop: &AtomicBool) {
    if stop.swap(true, Ordering::Relaxed) {
        terminal::restore();
        std::process::exit(INTERRUPTED.into());
    }
}
