//! The terminal that the curves are drawn on.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::DefaultTerminal;

use crate::Failure;

/// Whether the terminal is taken: in raw mode, on its alternate screen.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Checks that standard output is a terminal, on which curves can be drawn.
///
/// # Errors
/// If standard output is no terminal.
pub fn check() -> Result<(), Failure> {
    if io::stdout().is_terminal() {
        return Ok(());
    }
    Err(Failure::usage(
        "--live draws on a terminal, and standard output is none: leave the flag out, or the redirection",
    ))
}

/// Puts the terminal into raw mode and on its alternate screen, until [`restore`]. A panic in any thread restores
/// it first, or the message of the panic would be drawn over.
pub fn take() -> io::Result<DefaultTerminal> {
    let terminal = ratatui::try_init()?;
    TAKEN.store(true, Ordering::Relaxed);
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore();
        report(panic);
    }));
    Ok(terminal)
}

/// Whether the terminal is taken and has not been restored yet.
pub fn taken() -> bool {
    TAKEN.load(Ordering::Relaxed)
}

/// Gives the terminal back, if it was taken.
pub fn restore() {
    if TAKEN.swap(false, Ordering::Relaxed) {
        ratatui::restore();
    }
}
