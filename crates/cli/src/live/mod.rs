//! `rtrl train --live`: the curves of a run on the terminal while it is made.

mod screen;
mod state;
pub mod terminal;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
pub use state::State;

use crate::{Failure, signals};

/// Between two drawings, and the longest that a key waits.
const PAUSE: Duration = Duration::from_millis(100);

/// Does `work`, and draws `state` from its first step on until it is done. `q` and Ctrl-C set `stop`, as the signal does.
///
/// # Errors
/// If the terminal cannot be drawn on; the work was told to stop then.
pub fn during<T>(state: &Mutex<State>, stop: &AtomicBool, work: impl FnOnce() -> T) -> Result<T, Failure> {
    let done = AtomicBool::new(false);
    let (result, drawn) = std::thread::scope(|scope| {
        let drawing = scope.spawn(|| {
            let drawn = draw_until(&done, state, stop);
            terminal::restore();
            // What cannot be shown should not go on unseen; a terminal that is gone has nobody to press a key.
            if drawn.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            drawn
        });
        // Also when the work panics, or the scope would wait for ever.
        let finished = OnDrop(|| done.store(true, Ordering::Relaxed));
        let result = work();
        drop(finished);
        (result, drawing.join())
    });
    match drawn {
        Ok(Ok(())) => Ok(result),
        Ok(Err(error)) => Err(Failure::new(format!("--live cannot use the terminal: {error}"))),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// The state, also after a panic: it is drawn, nothing else.
pub fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn draw_until(done: &AtomicBool, state: &Mutex<State>, stop: &AtomicBool) -> io::Result<()> {
    // A run that cannot begin, or is complete already, needs no screen.
    while !lock(state).begun() {
        if done.load(Ordering::Relaxed) {
            return Ok(());
        }
        std::thread::sleep(PAUSE / 10);
    }
    let mut terminal = terminal::take()?;
    while terminal::taken() && !done.load(Ordering::Relaxed) {
        let stopping = stop.load(Ordering::Relaxed);
        terminal.draw(|frame| screen::draw(frame, &lock(state), stopping))?;
        // An event is also that the window has another size, which the next drawing heeds.
        if event::poll(PAUSE)? && ends(&event::read()?) {
            signals::asked(stop);
        }
    }
    Ok(())
}

/// Whether a key asks the run to stop: on a terminal that is ours, Ctrl-C is a key.
fn ends(event: &Event) -> bool {
    event.as_key_press_event().is_some_and(|key| match key.code {
        KeyCode::Char('c') => key.modifiers.contains(KeyModifiers::CONTROL),
        KeyCode::Char('q') => true,
        _ => false,
    })
}
