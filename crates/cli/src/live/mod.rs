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

/// Time between two drawings; a key press waits for at most this long.
const PAUSE: Duration = Duration::from_millis(100);

/// Does `work` while another thread draws `state`, from the first window until `work` is done. `q` and Ctrl-C set
/// `stop`, as a signal does.
///
/// # Errors
/// If the terminal cannot be drawn on; `stop` is then set, so that `work` ends early.
pub fn during<T>(state: &Mutex<State>, stop: &AtomicBool, work: impl FnOnce() -> T) -> Result<T, Failure> {
    let done = AtomicBool::new(false);
    let (result, drawn) = std::thread::scope(|scope| {
        let drawing = scope.spawn(|| {
            let drawn = draw_until(&done, state, stop);
            terminal::restore();
            // Without its terminal the run would go on unseen, and nobody could press a key to stop it.
            if drawn.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            drawn
        });
        // `done` is set even if `work` panics: otherwise the scope would wait for the drawing thread forever.
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

/// Locks the state, even if another thread has panicked with the lock: the state is only drawn.
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
        // A new size of the terminal is an event too; the next drawing takes it into account.
        if event::poll(PAUSE)? && ends(&event::read()?) {
            signals::asked(stop);
        }
    }
    Ok(())
}

/// Whether an event asks the run to stop: in raw mode Ctrl-C arrives as a key and raises no signal.
fn ends(event: &Event) -> bool {
    event.as_key_press_event().is_some_and(|key| match key.code {
        KeyCode::Char('c') => key.modifiers.contains(KeyModifiers::CONTROL),
        KeyCode::Char('q') => true,
        _ => false,
    })
}
